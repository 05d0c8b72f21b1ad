# What resume.sh and stops.sh run: sourced by them, in an empty directory; needs $root, $MODEL and the tools in PATH.
# shellcheck shell=bash disable=SC2034,SC2154
size=30                                         # KiB of a weights file

# Every job writes OUT.
declare -A job=(
	[import]="llmc-import -o OUT $MODEL"
	[quant]="llmc-quant -w int4:g32:asym:mse -o OUT m.llmc"
	[gptq]="llmc-gptq --calib c.tok -w int4:g32:asym -o OUT m.llmc"
	[gptq-match]="llmc-gptq --calib c.tok -w int3:g32 --match 1 --refine 2 --compare -o OUT m.llmc"
	[gptq-pipe]="cat m.llmc | llmc-gptq --calib c.tok --dtype bf16 -w int4:g32:asym -o OUT"
	[ppl]="llmc-eval ppl --rows --tokens c.tok -o OUT q.llmc"
	[kl]="llmc-eval kl --ref m.llmc --tokens c.tok -o OUT q.llmc"
	[logits]="llmc-eval logits --hidden --samples 16 --tokens c.tok -o OUT q.llmc"
	[pack-hf]="llmc-pack -f hf --shard-size ${size}K -o OUT m.llmc"
	[pack-vllm]="llmc-pack -q -f vllm --shard-size ${size}K -o OUT q.llmc"
)
jobs=(import quant gptq gptq-match gptq-pipe ppl kl logits pack-hf pack-vllm)

inputs() {      # inputs BYTES: the models, and tokens of so much text
	llmc-import -q -o m.llmc "$MODEL" &&
		llmc-quant -q -w int4:g32:asym --rule mlp.down=int4:channel -o q.llmc m.llmc &&
		llmc-tokenize -q -m m.llmc --seqlen 128 <(head -c "$1" "$root/examples/demo-4m/calib.txt") -o c.tok
}

# line JOB OUT [OPTION...]: its command line; options go behind the tool's name.
line() {
	local l=${job[$1]/OUT/"$2"}

	shift 2
	[ $# -eq 0 ] || l=${l/ -o / $* -o }
	printf '%s\n' "$l"
}

# whole OUT REF: is the output there as it should be, and nothing beside it?  A run that was killed may have got that far.
whole() {
	diff -rq "$2" "$1" >/dev/null 2>&1 && [ -z "$(find . -maxdepth 1 -name ".$1*")" ]
}
