#!/bin/sh
# demo.sh [MODEL]: the main job on a small trained model, or on one of your own (a Hugging Face directory or a
# GGUF file): import, tokenize, evaluate, quantize in several ways, evaluate each, pack the better int4 for vLLM.
# Everything goes to demo/; the table is kept in demo/table.txt.  Wants the tools in PATH: run it by `make demo`.
set -eu
cd "$(dirname "$0")/.."

text=examples/demo-4m           # calibration and evaluation text, for any model
model=${1:-$text}
rows=0 seqlen=512               # of the evaluation; 0: all
calib=128
prompt='The city of'
if [ $# -gt 0 ]; then
	rows=16 calib=32        # a model that may be a thousand times as large
fi
d=demo
rm -rf $d
mkdir $d

step() {
	printf '\n%s\n' "$1"
}
# What is done, as it could be typed.
show() {
	printf '  %s\n' "$*"
	"$@"
}
now() {
	date +%s.%N
}
# row METHOD BUNDLE SECONDS: evaluates and adds a line to the table.
row() {
	llmc-eval ppl --tokens $d/eval.tok --samples $rows -j "$2" >$d/ppl.json
	if [ "$2" = $d/m.llmc ]; then
		echo '{}' >$d/kl.json
	else
		llmc-eval kl --ref $d/m.llmc --tokens $d/eval.tok --samples $rows -j "$2" >$d/kl.json
	fi
	jq '.kld // empty' $d/kl.json >"${2%.llmc}.kld"
	bits=$(llmc-info -j "$2" | jq '.bits_per_weight')
	size=$(wc -c <"$2")
	jq -nr --slurpfile p $d/ppl.json --slurpfile k $d/kl.json --arg m "$1" --argjson b "$bits" --argjson n "$size" \
		--arg s "$3" '[$m, $b, $n, $p[0].ppl, $k[0].kld, $k[0].top1, $s] | map(. // "-") | @tsv' |
		awk -F '\t' '{
			printf "%-28s %8.3f %9.2f %11.4f %10s %8s %8s\n", $1, $2, $3 / 1e6, $4,
				$5 == "-" ? "-" : sprintf("%.5f", $5), $6 == "-" ? "-" : sprintf("%.2f%%", 100 * $6),
				$7 == "-" ? "-" : sprintf("%.1f", $7)
		}' | tee -a $d/table.txt
}
head_of_table() {
	printf '%-28s %8s %9s %11s %10s %8s %8s\n' method bits/w MB perplexity 'KL, nats' top-1 seconds
}

step "Import $model, tokenize"
show llmc-import "$model" -o $d/m.llmc
show llmc-tokenize -q -m $d/m.llmc --seqlen $seqlen $text/calib.txt -o $d/calib.tok
show llmc-tokenize -q -m $d/m.llmc --seqlen $seqlen $text/eval.txt -o $d/eval.tok

# Groups that the widths are multiples of, which the engines ask for.
group=$(llmc-info -j $d/m.llmc | jq '[.width, .ffn_width, .heads * .head_width] as $w |
	first((128, 64, 32) | select(. as $g | all($w[]; . % $g == 0))) // 32')
small=$((group < 64 ? group : 64))

step 'Quantize, evaluate'
head_of_table | tee $d/table.txt
row 'as imported' $d/m.llmc -
for w in int4:g$group:asym int3:g$small:asym int2:g$small:asym; do
	n=${w%%:*}
	t=$(now)
	llmc-quant -w "$w" $d/m.llmc -o "$d/rtn-$n.llmc"
	row "rtn  $w" "$d/rtn-$n.llmc" "$(echo "$t $(now)" | awk '{ print $2 - $1 }')"
	t=$(now)
	llmc-gptq --calib $d/calib.tok --samples $calib -w "$w" $d/m.llmc -o "$d/gptq-$n.llmc"
	row "gptq $w" "$d/gptq-$n.llmc" "$(echo "$t $(now)" | awk '{ print $2 - $1 }')"
done

best=$(echo "$(cat $d/rtn-int4.kld) $(cat $d/gptq-int4.kld)" | awk '{ print $1 < $2 ? "rtn-int4" : "gptq-int4" }')
step "Pack $best for vLLM"
show llmc-pack -q -f vllm -o $d/vllm "$d/$best.llmc"
find $d/vllm -type f -printf '  %s %f\n' | sort -k 2

step 'Greedy text of the original, and of what was packed'
for b in m "$best"; do
	printf '%s: ' "$b"
	llmc-eval gen --prompt "$prompt" --length 32 "$d/$b.llmc"
done

step 'What was measured'
jq -r .protocol $d/ppl.json
cat $d/table.txt
