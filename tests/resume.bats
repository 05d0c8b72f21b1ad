#!/usr/bin/env bats
# --resume: what a run that was stopped has done is not done again, and the result is the same; what would mix two
# results is refused, and says why.  tests/soak/resume.sh kills more often.
load helpers

tiny() {
	make_once t.llmc llmc-import -q "$ROOT/tests/golden/gguf/tiny.gguf" -o
	make_once t.tok llmc-tokenize -q -m "$CACHE/t.llmc" --seqlen 128 "$DEMO/eval.txt" -o
	cp "$CACHE/t.llmc" m.llmc
	cp "$CACHE/t.tok" c.tok
}

cut_at() {              # bytes of m.llmc up to a member
	grep -abo "$1" m.llmc | head -n 1 | cut -d : -f 1
}

@test "twelve kills of every tool, at random moments, leave what no kill leaves" {
	MODEL=$ROOT/tests/golden/gguf/tiny.gguf try bash "$ROOT/tests/soak/resume.sh" 12
	has '12 kills, 0 failures'
}

@test "without a run to resume, --resume changes no byte and leaves nothing beside" {
	tiny
	for c in "llmc-quant -w int4:g32" "llmc-gptq --calib c.tok -w int4:g32"; do
		try_sh "$c -o a m.llmc && $c --resume -o b m.llmc"
		same a b
		rm a b
	done
	try llmc-import -o a "$ROOT/tests/golden/gguf/tiny.gguf"
	try llmc-import --resume -o b "$ROOT/tests/golden/gguf/tiny.gguf"
	same a b
	try llmc-eval ppl --tokens c.tok m.llmc -o a.tsv
	try llmc-eval ppl --tokens c.tok m.llmc -o b.tsv --resume
	same a.tsv b.tsv
	try llmc-pack -f hf -o da m.llmc
	try llmc-pack -f hf -o db --resume m.llmc
	diff -r da db
	[ "$(find . -name '.?*' ! -name . | wc -l)" -eq 0 ]
}

@test "what is done is kept through a failure, and said" {
	tiny
	try llmc-gptq --calib c.tok -w int4:g32 -o want m.llmc
	n=$(cut_at block/0001.safetensors)
	try_sh -3 "head -c $n m.llmc | llmc-gptq --calib c.tok -w int4:g32 --resume -o out"
	[ -s .out.part ] && [ -s .out.journal ] && [ ! -e out ]
	try llmc-gptq --calib c.tok -w int4:g32 --resume -o out m.llmc
	has "'out': 2 of"
	same want out
	absent .out.part .out.journal
	# A run that comes to nothing leaves nothing.
	try_sh -3 "head -c 2000 m.llmc | llmc-quant -w int4:g32 --resume -o none"
	absent none
}

@test "a run that would mix two results is refused: an option, tokens, model, tool, --no-pg" {
	tiny
	n=$(cut_at block/0001.safetensors)
	try_sh -3 "head -c $n m.llmc | llmc-gptq --calib c.tok -w int4:g32 --damp 0.02 --resume -o out"
	cp .out.journal journal
	cp .out.part part
	fails 2 'begun with --damp=0.02, not --damp=0.03' llmc-gptq --calib c.tok -w int4:g32 --damp 0.03 --resume -o out m.llmc
	has "remove '"
	fails 2 'begun with --damp=0.02;' llmc-gptq --calib c.tok -w int4:g32 --resume -o out m.llmc
	fails 2 'begun without --match=1' llmc-gptq --calib c.tok -w int4:g32 --damp 0.02 --match 1 --resume -o out m.llmc
	fails 2 'begun without --no-pg' llmc-gptq --calib c.tok -w int4:g32 --damp 0.02 --no-pg --resume -o out m.llmc
	fails 2 'begun without --samples=8' llmc-gptq --calib c.tok --samples 8 -w int4:g32 --damp 0.02 --resume -o out m.llmc
	try llmc-tokenize -m m.llmc --seqlen 128 "$DEMO/calib.txt" -o d.tok
	fails 3 'the tokens differ' llmc-gptq --calib d.tok -w int4:g32 --damp 0.02 --resume -o out m.llmc
	try llmc-quant -w int8 --skip '[01].*' -o other.llmc m.llmc
	fails 3 'the model differs' llmc-gptq --calib c.tok -w int4:g32 --damp 0.02 --resume -o out other.llmc
	fails 2 "'llmc-gptq' then, 'llmc-quant' now" llmc-quant -w int4:g32 --resume -o out m.llmc
	LLMC_CPU_MASK=avx2 fails 3 arithmetic llmc-gptq --calib c.tok -w int4:g32 --damp 0.02 --resume -o out m.llmc
	# All that left everything as it was.
	same journal .out.journal
	same part .out.part
	# Threads, talk and the way in change nothing.
	try_sh "llmc-gptq -t 1 -v --calib c.tok -w int4:g32 --damp 0.02 --resume -o out <m.llmc"
	try llmc-gptq --calib c.tok -w int4:g32 --damp 0.02 -o want m.llmc
	same want out
}

@test "a model of the same manifest and other weights is found out, before anything is made of it" {
	"$BUILD/tests/unit/mkbundle" --seed 1 -o a.llmc
	"$BUILD/tests/unit/mkbundle" --seed 2 -o b.llmc
	n=$(grep -abo block/0001.safetensors a.llmc | head -n 1 | cut -d : -f 1)
	try_sh -3 "head -c $n a.llmc | llmc-quant -w int4:g32 --resume -o ab"
	fails 3 'the model differs' llmc-quant -w int4:g32 --resume -o ab b.llmc
	try llmc-quant -w int4:g32 --resume -o ab a.llmc
}

@test "an evaluation refuses another model, reference, tokens or options" {
	tiny
	try llmc-quant -q -w int4:g32 -o q.llmc m.llmc
	try llmc-quant -q -w int3:g32 -o p.llmc m.llmc
	try llmc-eval kl --ref m.llmc --tokens c.tok -o want q.llmc
	n=$(grep -abo block/0001.safetensors q.llmc | head -n 1 | cut -d : -f 1)
	try_sh -3 "head -c $n q.llmc | llmc-eval kl --ref m.llmc --tokens c.tok -o out --resume"
	[ -s .out.states0 ]
	fails 3 'the model differs' llmc-eval kl --ref m.llmc --tokens c.tok -o out --resume p.llmc
	fails 3 'the reference differs' llmc-eval kl --ref p.llmc --tokens c.tok -o out --resume q.llmc
	fails 2 'begun without --samples=3' llmc-eval kl --ref m.llmc --tokens c.tok --samples 3 -o out --resume q.llmc
	fails 2 'llmc-eval' llmc-eval ppl --tokens c.tok -o out --resume q.llmc
	try llmc-eval kl --ref m.llmc --tokens c.tok -o out --resume q.llmc
	same want out
	absent .out.states0 .out.states1 .out.journal .out.part
}

@test "packing and import refuse another source" {
	tiny
	try_sh -3 "head -c $(cut_at head.safetensors) m.llmc | llmc-pack -f hf --shard-size 30K --resume -o out"
	[ -d .out.part ]
	fails 2 'begun with --shard-size=30720, not --shard-size=40960' llmc-pack -f hf --shard-size 40K --resume -o out m.llmc
	try llmc-quant -q -w int8 --skip '[01].*' -o other.llmc m.llmc
	fails 3 'the model differs' llmc-pack -f hf --shard-size 30K --resume -o out other.llmc
	try llmc-pack -f hf --shard-size 30K --resume -o out m.llmc
	has 'weights files are there already'
	try llmc-pack -f hf --shard-size 30K -o want m.llmc
	diff -r want out
	cp "$ROOT/tests/golden/gguf/tiny.gguf" t.gguf
	try_sh -5 'ulimit -f 60 && exec llmc-import --resume -o i.llmc t.gguf'
	[ -s .i.llmc.journal ]
	touch -d '1 hour ago' t.gguf
	fails 3 'the source differs' llmc-import --resume -o i.llmc t.gguf
	rm .i.llmc.journal
	try llmc-import --resume -o i.llmc t.gguf
	try llmc-import -o j.llmc t.gguf
	same i.llmc j.llmc
}

@test "two runs at once, and names that are not ours" {
	tiny
	try_sh -3 "head -c $(cut_at block/0001.safetensors) m.llmc | llmc-quant -w int4:g32 --resume -o out"
	exec 7<>.out.journal
	flock -x 7
	fails 5 'another run' llmc-quant -w int4:g32 --resume -o out m.llmc
	exec 7>&-
	try llmc-quant -w int4:g32 --resume -o out m.llmc
	echo precious >precious
	ln -s precious .b.part
	fails 5 .b.part llmc-quant -w int4:g32 --resume -o b m.llmc
	rm -f .b.part .b.journal
	ln -s precious .b.journal
	fails 5 .b.journal llmc-quant -w int4:g32 --resume -o b m.llmc
	[ "$(cat precious)" = precious ]
}

@test "--resume needs a file to go on with" {
	tiny
	fails 2 '-o FILE' llmc-quant -w int4 --resume m.llmc
	fails 2 '-o FILE' llmc-quant -w int4 --resume -o - m.llmc
	fails 2 '-o FILE' llmc-eval ppl --tokens c.tok --resume m.llmc
	fails 2 'regular file' llmc-quant -w int4 --resume -o /dev/null m.llmc
	ln -s nowhere link
	fails 2 'link to nothing' llmc-pack -f hf -o link m.llmc
	fails 2 'link to nothing' llmc-quant -w int4 -o link m.llmc
	fails 2 'resume' llmc-cat --resume -o x m.llmc
}

@test "killed between the directory's renaming and the end, packing finds its work complete" {
	tiny
	LD_PRELOAD=$BUILD/tests/faults/shim.so llmc-info --version >/dev/null 2>&1 ||
		skip "sanitizers bring a malloc of their own"
	try -137 env FAULT=unlink:1:kill LD_PRELOAD="$BUILD/tests/faults/shim.so" llmc-pack -f hf --resume -o out m.llmc
	[ -s .out.journal ] && [ -s out/config.json ]
	fails 2 'begun with --format=hf' llmc-pack -f vllm --resume -o out m.llmc
	try_sh 'cat m.llmc | llmc-pack -f hf --resume -o out'
	has 'complete already'
	absent .out.journal .out.part
	try llmc-pack -f hf -o want m.llmc
	diff -r want out
	fails 2 'not empty' llmc-pack -f hf --resume -o out m.llmc
	absent .out.journal
}
