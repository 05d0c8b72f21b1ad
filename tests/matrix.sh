#!/bin/bash
# matrix.sh [few | DIR...]: families x methods x what reads their results.  DIRs are checkpoints with tokens beside them, in
# reference.safetensors; without one all of ../shared/fixtures/families, with "few" the first of each model_type.
# A line for each step: fixture, method, step, seconds, and "ok", or the message of a refusal that the table in
# llmc-import(1) knows, or "FAILED" and why.  The last line counts them.  Status 0: none failed.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${LLMC_BUILD:-$root/build}
export PATH=${LLMC_BIN:-$root/bin}:$PATH LC_ALL=C OPENBLAS_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=0
# shellcheck source=tests/refusals.bash
. "$root/tests/refusals.bash"
# shellcheck source=tests/fixtures.bash
. "$root/tests/fixtures.bash"

# NAME|PROGRAM OPTIONS
METHODS='rtn4|llmc-quant -w int4:g32:asym
rtn8|llmc-quant -w int8:channel:sym
gptq4|llmc-gptq --calib c.tok --dtype f32 -w int4:g32:asym --compare'

# step METHOD NAME COMMAND...: runs it and prints its line; fails unless it was well.
step() {
	local t0=$EPOCHREALTIME status said
	"${@:3}" >out 2>err
	status=$?
	said=ok
	if [ $status -ne 0 ]; then
		said=$(grep -v '^#' err | head -n 1)
		if [ $status -ne 4 ] || [ "$(wc -l <err)" -ne 1 ] || ! refusal "$said" >row; then
			said="FAILED: status $status: $said"
		fi
	fi
	printf '%s\t%s\t%s\t%.3f\t%s\n' "$fixture" "$1" "$2" "$(((${EPOCHREALTIME/./} - ${t0/./}) / 1000))e-3" "$said"
	return $status
}

names() {
	"$BUILD/tests/unit/mksthash" "$1"/model*.safetensors | cut -f 1 | sort
}

perplexity() {
	llmc-eval ppl -j --tokens c.tok q.llmc | jq -e '.ppl > 1 and .ppl < 1e6'
}

# Errors of GPTQ below those of rounding, on every linear.
better() {
	tar xOf q.llmc end.json | jq -e '[.. | .linears? // empty | .[]] | length > 0 and all(.loss < .rtn_loss)'
}

back() {
	rm -rf hf && llmc-pack -q -f hf --dequantize -o hf q.llmc && cmp <(names plain) <(names hf)
}

# And what stays in float and is a linear to engines is said so.
engine() {
	rm -rf vllm
	llmc-pack -q -f vllm "$@" -o vllm q.llmc || return
	comm -23 <(names vllm | grep -E '(gate|project_in|project_out)\.weight$' | sed 's/\.weight$//') \
		<(jq -r '.quantization_config.ignore[]' vllm/config.json | sort) >missed
	[ ! -s missed ] || { echo "not in ignore: $(tr '\n' ' ' <missed)" >&2; return 1; }
}

one() {         # one DIR: in a directory of its own
	local dir=$1 method run
	fixture=$(basename "$dir")
	step - import llmc-import -q "$dir" -o f.llmc || return
	reference "$dir" r.safetensors
	step - tokens llmc-tokenize -q --from-ids r.safetensors -o c.tok || return
	step - plain llmc-pack -q -f hf -o plain f.llmc || return
	while IFS='|' read -r method run; do
		# shellcheck disable=SC2086     # words
		step "$method" quantize $run f.llmc -q -o q.llmc || continue
		[ "$method" != gptq4 ] || step "$method" better better
		step "$method" info llmc-info -c q.llmc
		step "$method" ppl perplexity
		step "$method" hf back
		step "$method" vllm engine || ! grep -q -e --force err || step "$method" vllm-force engine --force
		rm -f q.llmc
	done <<<"$METHODS"
}

if [ "${1-}" = --one ]; then
	cd "$2" && mkdir "$(basename "$3")" && cd "$(basename "$3")" && one "$3" && cd .. && rm -rf "$(basename "$3")"
	exit 0
fi

[ "${1-}" = few ] || [ $# -gt 0 ] || set -- all
if [ "$1" = all ] || [ "$1" = few ]; then
	mapfile -t dirs < <(fixtures "$1")
	set -- "${dirs[@]}"
fi
[ $# -gt 0 ] || { echo 'matrix.sh: no fixtures' >&2; exit 1; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/llmc-matrix.XXXXXX") || exit
trap 'rm -rf "$dir"' EXIT
printf '%s\0' "$@" | xargs -0 -n 1 -P "${JOBS:-1}" bash "$root/tests/matrix.sh" --one "$dir" | tee "$dir/lines"
awk -F '\t' -v n=$# '
	{ seen[$1]; s += $4 }
	/\tok$/ { ok++; next }
	/\tFAILED/ { bad++; next }
	{ no++ }
	END {
		for (f in seen) k++
		printf "%d fixtures, %d steps well, %d refused as the manual says, %d failed; %.0f s\n", k, ok, no, bad, s
		exit bad || k != n || !ok
	}' "$dir/lines"
