#!/bin/sh
# quality.sh MODEL TOKENS [WORK]: the table of the README: GPTQ on a model directory against the float model.
#   MODEL   a directory or GGUF file (smollm2-offgrid, see README)
#   TOKENS  a directory with calib_c4_128x512.safetensors and wiki2_32x2048.safetensors
#   WORK    where bundles go; default a temporary directory
# Perplexity over all 32 windows, divergence and top-1 over the first four, products in f32.
set -eu
[ $# -ge 2 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
model=$1 tokens=$2
bin=$(cd "$(dirname "$0")/../.." && pwd)/bin
if [ $# -ge 3 ]; then work=$3; mkdir -p "$work"; else work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; fi
calib=$tokens/calib_c4_128x512.safetensors wiki=$tokens/wiki2_32x2048.safetensors

"$bin/llmc-import" "$model" -o "$work/m.llmc"
row() {         # NAME BUNDLE SECONDS
	ppl=$("$bin/llmc-eval" ppl --dtype f32 --tokens "$wiki" -j "$2" | jq -r .ppl)
	kl=$("$bin/llmc-eval" kl --dtype f32 --samples 4 --ref "$work/m.llmc" --tokens "$wiki" -j "$2" | jq -r '"\(.kld)\t\(.top1)"')
	printf '%s\t%s\t%s\t%s\n' "$1" "$ppl" "$kl" "$3"
}
printf '#setting\tppl\tkld\ttop1\tseconds\n'
row float "$work/m.llmc" -
# name | options
while IFS='|' read -r name tool opts; do
	start=$(date +%s.%N)
	# shellcheck disable=SC2086
	case $tool in
	quant) "$bin/llmc-quant" $opts "$work/m.llmc" -o "$work/q.llmc" ;;
	gptq) "$bin/llmc-gptq" --calib "$calib" $opts "$work/m.llmc" -o "$work/q.llmc" ;;
	esac
	end=$(date +%s.%N)
	row "$name" "$work/q.llmc" "$(echo "$end - $start" | bc)"
done <<EOF
rtn int4:g64:sym|quant|-w int4:g64:sym
rtn int4:g64:asym|quant|-w int4:g64:asym
gptq int4:g64:sym|gptq|-w int4:g64:sym:mse --refine 4
gptq int4:g64:sym, matched|gptq|-w int4:g64:sym:mse --refine 4 --match 1
gptq int4:g64:asym|gptq|-w int4:g64:asym:mse --refine 4
gptq int3:g64:asym|gptq|-w int3:g64:asym:mse --refine 4
EOF
