#!/bin/sh
# demo.sh [MODEL]: the main job on a small trained model, or on one of your own (a Hugging Face directory or a
# GGUF file): import, tokenize, evaluate, quantize in several ways, evaluate each, pack the better int4 for vLLM.
# It is the recipe sweep.mk, and what follows it.  Everything goes to demo/; the table is kept in demo/table.txt.
# Wants the tools in PATH: run it by `make demo`.
set -eu
cd "$(dirname "$0")/.."

model=${1:-examples/demo-4m}
rows=0 calib=128                # of the evaluation, 0: all; of the calibration
if [ $# -gt 0 ]; then
	rows=16 calib=32        # a model that may be a thousand times as large
fi
d=demo
rm -rf $d
mkdir $d

# Not a part of the make that runs this script.
recipe() {
	MAKEFLAGS='' make --no-print-directory -f pipelines/sweep.mk MODEL="$model" CACHE=$d KL=yes \
		SAMPLES=$calib EVAL_SAMPLES=$rows "$@"
}
step() {
	printf '\n%s\n' "$1"
}

step "Import $model"
m=$(recipe model.llmc)

group=$(cat "$(recipe group.txt)")
small=$group
[ "$group" != g128 ] || small=g64
w="int4:$group:asym int3:$small:asym int2:$small:asym"

step 'Tokenize, quantize, evaluate'
recipe W="$w" >$d/table.txt
cat $d/table.txt

best=$(awk '$2 ~ /^int4/ && (kl == "" || $7 < kl) { kl = $7; best = $1 } END { print best }' $d/table.txt)
step "Pack $best int4 for vLLM"
q=$(recipe W="$w" "$best-int4-$group-asym.llmc")
llmc-pack -q -f vllm -o $d/vllm "$q"
find $d/vllm -type f -printf '  %s %f\n' | sort -k 2

step 'Greedy text of the original, and of what was packed'
for b in "$m" "$q"; do
	printf '%s: ' "$(basename "$b")"
	llmc-eval gen --prompt 'The city of' --length 32 "$b"
done
