#!/bin/bash
# The same job by llm-compressor and by us, in turn, on one machine: GPTQ to 4 bits, symmetric, activation order, damp
# 0.01, from a model directory to a directory of compressed tensors on disk.
#
#	race.sh PEERS PYTHON MODEL CALIB OUTDIR [GROUP]
#
# PEERS is a folder with run_llmc.py, PYTHON that of an environment with llm-compressor (see PEERS/README.md); MODEL a
# Hugging Face directory, or "llama" for two random blocks of Llama-3-8B's shape (TOKENIZER=DIR lends it the tokenizer
# that llm-compressor asks for; CALIB is then made, 16 x 2048 random tokens, and may be "-"); CALIB a safetensors file with input_ids; GROUP 64 (128 for
# llama).  The tools are taken from PATH.  RUNS=N repeats (1), THREADS=N (those there are).
#
# A line for each run: who, seconds of the process from start to files on disk, processor seconds, peak of resident
# memory in MB (of our pipe: its stages' peaks together); in the end our share of theirs.  Not run by CI: it needs
# gigabytes of Python, minutes, and a machine with nothing else to do.
set -euo pipefail
[ $# -ge 5 ] || { sed -n 's/^# \{0,1\}//p' "$0" | head -n 20 >&2; exit 2; }
peers=$1 python=$2 model=$3 calib=$4 out=$5 group=${6:-64}
runs=${RUNS:-1} threads=${THREADS:-$(nproc)}
export LC_ALL=C HF_HUB_OFFLINE=1 OMP_NUM_THREADS=$threads
unset OPENBLAS_CORETYPE
mkdir -p "$out"

if [ "$model" = llama ]; then
	mk=${LLMC_BUILD:-$(dirname "$0")/../../build}/tests/unit/mkmodel
	model=$out/llama calib=$out/llama.safetensors group=${6:-128}
	rm -rf "$model"
	"$mk" "$model" hidden=4096 ffn=14336 heads=32 kv=8 layers=2 vocab=4096
	"$mk" -t "$calib" rows=16 seqlen=2048 vocab=4096
	cp "${TOKENIZER:?a directory with a tokenizer for the generated model}"/tokenizer* "$model"
fi

# timed COMMAND...: sets $wall and $cpu.
timed() {
	local TIMEFORMAT='%R %U %S' t

	t=$({ time "$@" >"$out/log" 2>&1 || { cat "$out/log" >&2; echo failed; }; } 2>&1)
	case $t in
	*failed*) exit 1 ;;
	esac
	read -r wall cpu <<<"$(awk '{ print $1, $2 + $3 }' <<<"$t")"
}
ours() {
	llmc-import -v "$model" |
		llmc-gptq -v -t "$threads" --calib "$calib" -w "int4:g$group:sym" |
		llmc-pack -v -f vllm -o "$out/ours"
}
line() {
	printf '%s\t%s\t%s\t%s\n' "$@" | tee -a "$out/race.tsv"
}

printf '#who\tseconds\tprocessor_s\tpeak_mb\n' | tee "$out/race.tsv"
for _ in $(seq "$runs"); do
	cat "$model"/*.safetensors "$calib" >/dev/null
	timed "$python" "$peers/run_llmc.py" race --kind gptq --bits 4 --group "$group" --sym 1 --model "$model" --calib "$calib" \
		--no-eval --threads "$threads" --save "$out/theirs" --out "$out/theirs.json"
	line llm-compressor "$wall" "$cpu" "$(jq '.quant_rss_mib * 1048576 / 1e6 | round' "$out/theirs.json")"
	rm -rf "$out/ours"
	timed ours
	line llmc "$wall" "$cpu" "$(sed -n 's/.*at most \([0-9.]*\) MB of memory$/\1/p' "$out/log" | awk '{ s += $1 } END { printf "%.0f", s }')"
done
awk -F '\t' '/^#/ { next }
	{ if (!($1 in n) || $2 < w[$1]) { w[$1] = $2; c[$1] = $3 } if ($4 > m[$1]) m[$1] = $4; n[$1] }
	END { a = "llmc"; b = "llm-compressor"
		printf "ours of theirs\t%.1f %%\t%.1f %%\t%.1f %%\n", 100 * w[a] / w[b], 100 * c[a] / c[b], 100 * m[a] / m[b] }' \
	"$out/race.tsv"
