#!/usr/bin/env bash
# The same results on every build.  Perplexity: of the reference, in plain C, with AVX2 alone, with AVX-512, and in bf16,
# each against the f32 of this processor.  Codes: of rounding, for every form of spec, each on all of these.  Bytes: of
# GPTQ on 1, 2, 3 and 8 threads, in f32 and in bf16.  A line for each; fails if one is beyond the limits that
# tests/check prints with --limits.
#
#	exact.sh                MODEL=DIR, or SmolLM2 of ../shared; TOKENS=FILE (some minutes)
#	exact.sh quick          examples/demo-4m (seconds, a part of make check)
#
# LLMC_BIN, LLMC_BUILD: where the tools and tests/check/check are.
set -u -o pipefail
export LC_ALL=C
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
smol=${LLMC_SHARED:-$root/../shared}/models/smollm2-135m-instruct
check=${LLMC_BUILD:-$root/build}/tests/check/check
PATH=${LLMC_BIN:-$root/bin}:$PATH
dir=$(mktemp -d "${TMPDIR:-/tmp}/llmc-exact.XXXXXX") || exit
trap 'rm -rf "$dir"' EXIT

if [ "${1:-}" = quick ]; then
	model=$root/examples/demo-4m tokens='' few="--samples 4 --seqlen 64" all="--samples 64" calib="--samples 8"
else
	model=${MODEL:-$smol/SmolLM2-135M-Instruct.Q4_1.gguf} tokens=${TOKENS:-$smol/tokens/wiki2_32x2048.safetensors}
	few="--samples 1 --seqlen 64" all="--samples 16 --seqlen 1024" calib="--samples 8 --seqlen 512"
	if [ ! -e "$model" ] || [ ! -e "$tokens" ]; then
		echo "skipped: there is no ${model##*/}"
		exit 0
	fi
fi
llmc-import -q "$model" -o "$dir/m" || exit
if [ "$tokens" ]; then
	llmc-tokenize -q -m "$dir/m" --from-ids "$tokens" -o "$dir/t" || exit
else
	llmc-tokenize -q -m "$dir/m" --seqlen 128 "$model/eval.txt" -o "$dir/t" || exit
fi

# ppl LEVEL OPTION...: the rows' sums of -ln p.  A level is ref, or what is hidden of the processor.
ppl() {
	local level=$1
	shift
	if [ "$level" = ref ]; then
		set -- -d ref "$@"
		level=
	fi
	LLMC_CPU_MASK=$level llmc-eval ppl -q -j --rows --tokens "$dir/t" "$@" "$dir/m" || exit
}

# compare NAME LIMIT FILE FILE: the difference of the means in nats, and what it would be by chance: the standard error of
# the rows' differences.
compare() {
	jq -rn --arg name "$1" --arg limit "$2" --slurpfile a "$3" --slurpfile b "$4" --slurpfile limits "$dir/limits" '
		def rows: (.tokens / (.rows | length)) as $n | .rows | map(. / $n);
		($a[0] | rows) as $x | ($b[0] | rows) as $y | ($x | length) as $n |
		[range($n) | $y[.] - $x[.]] as $d | ($d | add / $n) as $mean |
		(if $n > 1 then ($d | map(. - $mean | . * .) | add / ($n - 1) / $n | sqrt) else 0 end) as $se |
		$limits[0][$limit] as $most |
		"\($name)\tppl \($b[0].ppl)\tagainst \($a[0].ppl)\tnats \($mean)\tby chance \($se)\tlimit \($most)\t\(
			if ($mean | fabs) <= $most then "ok" else "NOT OK" end)"' | tee -a "$dir/log"
}
"$check" --limits | jq -Rn '[inputs | split("\t") | { (.[0]): (.[2] | tonumber) }] | add' >"$dir/limits" || exit

# Levels that this processor has
levels=(ref avx2 avx512 avx512_bf16)
for l in "${levels[@]}"; do
	how=$few
	[ "$l" = ref ] || [ "$l" = avx2 ] || how=$all
	# shellcheck disable=SC2086 # options
	{ ppl "$l" --dtype f32 $how >"$dir/this"; ppl "" --dtype f32 $how >"$dir/f32"; }
	case $l in
	ref) name="reference" ;;
	avx2) name="plain C" ;;
	avx512) name="AVX2 alone" ;;
	*) name="AVX-512" ;;
	esac
	compare "$name" "nll f32" "$dir/f32" "$dir/this"
done
# shellcheck disable=SC2086
{ ppl "" --dtype bf16 $all >"$dir/this"; ppl "" --dtype f32 $all >"$dir/f32"; }
compare "bf16" "nll bf16" "$dir/f32" "$dir/this"

# Every form of spec, each on a tensor of its own: as many in one run as there are tensors.
specs=()
for bits in 2 3 4 5 6 7 8; do
	for form in tensor channel g32 g64; do
		for end in sym asym sym:mse asym:mse; do
			specs+=("int$bits:$form:$end")
		done
	done
done
layers=$(tar xOf "$dir/m" llmc.json | jq .model.n_layer) || exit
i=0
while [ "$i" -lt "${#specs[@]}" ]; do
	rules=()
	for ((b = 0; b < layers; b++)); do
		for role in attn.q attn.k attn.v attn.o mlp.gate mlp.up mlp.down; do
			[ "$i" -ge "${#specs[@]}" ] || rules+=(--rule "$b.$role=${specs[i]}")
			i=$((i + 1))
		done
	done
	for l in '' "${levels[@]}"; do
		how=(-t 3)
		[ "$l" != ref ] || how=(-d ref)
		LLMC_CPU_MASK=${l#ref} llmc-quant -q --no-pg "${how[@]}" -w none "${rules[@]}" "$dir/m" | cksum >"$dir/codes" || exit
		[ "$l" ] || cp "$dir/codes" "$dir/want"
		cmp -s "$dir/codes" "$dir/want" || echo "codes differ without $l: ${rules[*]}	NOT OK" | tee -a "$dir/log"
	done
done
echo "codes of ${#specs[@]} specs, by reference, plain C, AVX2, AVX-512	compared"

for dtype in f32 bf16; do
	for threads in 1 2 3 8; do
		# shellcheck disable=SC2086
		llmc-gptq -q --no-pg -t "$threads" --dtype $dtype --calib "$dir/t" $calib -w int4:g64:asym "$dir/m" |
			cksum >"$dir/gptq.$threads" || exit
		cmp -s "$dir/gptq.1" "$dir/gptq.$threads" ||
			echo "GPTQ in $dtype on $threads threads differs	NOT OK" | tee -a "$dir/log"
	done
	echo "GPTQ in $dtype on 1, 2, 3, 8 threads	compared"
done
bad=$(grep -c 'NOT OK$' "$dir/log")
echo "failures: $bad"
exit "$((bad > 0))"
