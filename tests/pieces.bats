#!/usr/bin/env bats
# Layers whose experts come in pieces: the same numbers and the same checkpoint as of whole layers, and memory that a
# layer does not fit in.
load helpers

# whole.llmc and cut.llmc of a fixture, its tokens at $tok
both() {
	local d=$SHARED/fixtures/families/$1

	require shared "fixtures/families/$1"
	tok=$d/reference.safetensors
	try llmc-import --piece-size 0 "$d" -o whole.llmc
	try llmc-import --piece-size "${2:-20K}" "$d" -o cut.llmc
	[ "$(tar tf cut.llmc | grep -c '[0-9]\.[0-9]*\.safetensors')" -gt 1 ]
	[ "$(tar tf whole.llmc | grep -c '[0-9]\.[0-9]*\.safetensors')" -eq 0 ]
}

# The tensors of a directory, whatever their order.
tensors() {
	"$BUILD/tests/unit/mksthash" "$1"/model*.safetensors | sort
}

@test "logits, hidden states, GPTQ and packs are those of whole layers" {
	local f m

	for f in mixtral mixtral-t5stacked deepseek-v3 qwen2-moe deepseek-v3-fp8; do
		both $f
		for m in whole cut; do
			rm -rf $m.hf $m.deq
			try llmc-eval logits --hidden --tokens "$tok" $m.llmc -o $m.logits
			try llmc-gptq -q --calib "$tok" -w int4:channel $m.llmc -o $m.q.llmc
			try llmc-eval logits --tokens "$tok" $m.q.llmc -o $m.q.logits
			try llmc-gptq -q --match 0.5 --compare --calib "$tok" -w int4:channel $m.llmc -o $m.match.llmc
			try llmc-eval ppl --tokens "$tok" $m.match.llmc -o $m.ppl
			try llmc-pack -q -f hf $m.llmc -o $m.hf
			try llmc-pack -q -f hf --dequantize $m.q.llmc -o $m.deq
		done
		same whole.logits cut.logits
		same whole.q.logits cut.q.logits
		diff <(grep -v '^#' whole.ppl) <(grep -v '^#' cut.ppl)
		diff <(tensors whole.hf) <(tensors cut.hf)
		diff <(tensors whole.deq) <(tensors cut.deq)
		[ $f = deepseek-v3-fp8 ] || diff <(tensors cut.hf) <("$BUILD/tests/unit/mksthash" "$SHARED/fixtures/families/$f/model.safetensors" | sort)
		try llmc-info -c cut.q.llmc
	done
}

@test "pieces are named by every tool: a rule, a cut, a table, a comparison" {
	both qwen2-moe
	try llmc-info whole.llmc
	lacks piece_experts
	try llmc-info cut.llmc
	has piece_experts
	try llmc-info -j cut.llmc
	[ "$(field .piece_experts)" = "$(field .manifest.model.piece_experts)" ]
	[ "$(field '[.blocks[].block] | map(tostring) | unique | index("0.1") != null')" = true ]
	try llmc-quant -w int8:channel --rule '0.expert.3.*=int4:channel' cut.llmc -o q.llmc
	try -1 llmc-diff cut.llmc q.llmc
	has 'expert.3.gate.weight'
	# a bundle of one layer has all of its pieces, and joins again
	try llmc-cat -b embed,0 cut.llmc -o a.llmc
	try llmc-cat -b 1,head cut.llmc -o b.llmc
	try llmc-cat a.llmc b.llmc -o c.llmc
	try llmc-diff cut.llmc c.llmc
	fails 3 "in pieces of other sizes" llmc-diff whole.llmc cut.llmc
	# what is missing is missed
	tar xf cut.llmc --one-top-level=d
	rm d/block/0000.1.json d/block/0000.1.safetensors
	tar tf cut.llmc | grep -v '0000\.1\.' >names
	tar cf bad.llmc --format=ustar -C d -T names
	fails 3 'block 0.2 where block 0.1 is due' llmc-info bad.llmc
}

@test "what import explains of pieces is what it does; a description's own are not kept" {
	require shared fixtures/families/qwen2-moe
	d=$SHARED/fixtures/families/qwen2-moe
	try llmc-import --piece-size 20K "$d" -o cut.llmc
	n=$(tar xOf cut.llmc llmc.json | jq .model.piece_experts)
	[ "$n" -gt 0 ]
	try llmc-import --explain -j --piece-size 20K "$d"
	[ "$(field '.knobs[] | select(.knob == "piece_experts") | [.value, .from[0]] | join(" ")')" = "$n --piece-size" ]
	try llmc-import --explain -j "$d"
	[ "$(field '.knobs[] | select(.knob == "piece_experts") | [.value, .from[0]] | join(" ")')" = '0 default' ]
	tar xOf cut.llmc llmc.json >man.json
	try llmc-import --model man.json --piece-size 0 "$d" -o whole.llmc
	[ "$(tar xOf whole.llmc llmc.json | jq .model.piece_experts)" = 0 ]
}

@test "a run that was stopped between two pieces goes on there" {
	local n

	both qwen2-moe
	try llmc-gptq -q --calib "$tok" -w int4:channel --match 0.5 cut.llmc -o want.llmc
	n=$(grep -abo block/0001.2.json cut.llmc | head -n 1 | cut -d : -f 1)
	try_sh -3 "head -c $n cut.llmc | llmc-gptq -q --calib $tok -w int4:channel --match 0.5 --resume -o got.llmc"
	[ ! -e got.llmc ]
	try llmc-gptq --calib "$tok" -w int4:channel --match 0.5 --resume cut.llmc -o got.llmc
	has 'are there already'
	same want.llmc got.llmc
	try llmc-import --piece-size 20K "$SHARED/fixtures/families/qwen2-moe" --resume -o again.llmc
	same again.llmc cut.llmc
}

# peak COMMAND...: runs it, sets $kb to the most memory that it held
peak() {
	try_sh '/usr/bin/time -o kb -f %M "$@" >out' sh "$@"
	kb=$(tail -n 1 kb)
	echo "took $kb kB"
}

@test "a layer larger than the memory goes through all tools" {
	[[ $BUILD != *-san* ]] || skip "memory is not measured with sanitizers"
	# 64 experts of 3 * 1024 * 1024 in bf16: 403 MB a layer, through pipes, so that nothing of the file is mapped
	try "$BUILD/tests/unit/mkmodel" m.d hidden=1024 ffn=1024 heads=8 kv=2 vocab=512 layers=1 experts=64 top=2
	try "$BUILD/tests/unit/mkmodel" -t t.st rows=8 seqlen=128 vocab=512
	peak llmc-import --piece-size 32M m.d -o m.llmc
	[ "$kb" -lt 150000 ]
	peak bash -c 'cat m.llmc | llmc-gptq -q --ram 16M --calib t.st -w int4:g128 -o q.llmc'
	[ "$kb" -lt 200000 ]
	peak bash -c 'cat m.llmc | llmc-quant -q -w int4:g128 -o r.llmc'
	[ "$kb" -lt 150000 ]
	peak bash -c 'cat q.llmc | llmc-eval ppl --ram 16M --tokens t.st'
	[ "$kb" -lt 200000 ]
	peak bash -c 'cat q.llmc | llmc-pack -q -f vllm -o v'
	[ "$kb" -lt 150000 ]
	peak bash -c 'cat r.llmc | llmc-diff -q q.llmc - || [ $? = 1 ]'
	[ "$kb" -lt 200000 ]
	peak bash -c 'cat q.llmc | llmc-info'
	[ "$kb" -lt 150000 ]
	peak bash -c 'cat q.llmc | llmc-cat -b 0 -o c.llmc'
	[ "$kb" -lt 150000 ]
}
