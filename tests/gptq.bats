load helpers

@test "llmc-gptq: diverges less than rounding at the same bits" {
	local spec a
	bundle m.llmc calib.tok eval.tok
	for spec in int4:g128:asym int3:g64:asym int2:g64:asym; do
		try llmc-quant -w $spec m.llmc -o r.llmc
		try llmc-eval kl --ref m.llmc --tokens eval.tok -j r.llmc
		a=$(field .kld)
		try llmc-gptq --calib calib.tok -w $spec m.llmc -o q.llmc
		try llmc-eval kl --ref m.llmc --tokens eval.tok -j q.llmc
		less "$(field .kld)" "$a"
	done
}

@test "llmc-gptq: the loss of no linear exceeds that of rounding" {
	bundle m.llmc calib.tok
	try llmc-gptq --calib calib.tok --compare -w int3:g64:asym m.llmc -o q.llmc
	try_sh 'tar xOf q.llmc end.json | jq "[.. | .linears? // empty] | add | length, ([.[] | select(.loss > .rtn_loss)] | length)"'
	[ "${lines[0]}" -eq 28 ]
	[ "${lines[1]}" -eq 0 ]
}

@test "llmc-gptq: refining lowers every loss, and aiming at the float model the divergence" {
	local a
	bundle m.llmc calib.tok eval.tok
	try llmc-gptq --calib calib.tok -w int2:g64:asym:mse m.llmc -o a.llmc
	try llmc-gptq --calib calib.tok --refine 3 -w int2:g64:asym:mse m.llmc -o b.llmc
	# the first block alone has the same inputs in both
	first='[.. | .linears? // empty] | add | [.[] | select(.block == 0 and .linear == "attn.q") | .loss][0]'
	a=$(tar xOf a.llmc end.json | jq "$first")
	less "$(tar xOf b.llmc end.json | jq "$first")" "$a"
	try llmc-eval kl --ref m.llmc --tokens eval.tok -j b.llmc
	a=$(field .kld)
	try llmc-gptq --calib calib.tok --refine 3 --match 1 -w int2:g64:asym:mse m.llmc -o c.llmc
	try llmc-info -c c.llmc
	try llmc-eval kl --ref m.llmc --tokens eval.tok -j c.llmc
	less "$(field .kld)" "$a"
}

@test "llmc-gptq: every order and kind of groups gives a bundle that verifies" {
	local o g
	bundle m.llmc calib.tok eval.tok
	try llmc-quant -w int3:g64:asym m.llmc -o r.llmc
	try llmc-eval kl --ref m.llmc --tokens eval.tok -j r.llmc
	r=$(field .kld)
	for o in act none; do
		for g in static dynamic; do
			try llmc-gptq --calib calib.tok --order $o --groups $g -w int3:g64:asym m.llmc -o q.llmc
			try llmc-info -c q.llmc
			try llmc-eval kl --ref m.llmc --tokens eval.tok -j q.llmc
			less "$(field .kld)" "$r"
		done
	done
}

@test "llmc-gptq: pipe or file, one thread or two, the bytes are the same" {
	bundle m.llmc calib.tok
	try llmc-gptq -t 1 --calib calib.tok --samples 16 -w int4:g64:asym:mse m.llmc -o a.llmc
	try_sh 'cat m.llmc | llmc-gptq -t 2 --calib calib.tok --samples 16 -w int4:g64:asym:mse | cat > b.llmc'
	same a.llmc b.llmc
}

@test "llmc-gptq: four tools in a pipe and through files give the same bytes" {
	bundle calib.tok
	try_sh 'llmc-import "$1" | llmc-gptq --calib calib.tok --samples 16 -w int4:g128:asym | llmc-cat --no-pg > a.llmc' sh "$DEMO" ||
		skip
	try llmc-import "$DEMO" -o m1.llmc
	try llmc-gptq --calib calib.tok --samples 16 -w int4:g128:asym m1.llmc -o m2.llmc
	try llmc-cat --no-pg m2.llmc -o b.llmc
	same a.llmc b.llmc
	try_sh 'llmc-pack -f vllm -o A < a.llmc && llmc-pack -f vllm -o B b.llmc && diff -r A B'
}

@test "llmc-gptq: awkward widths, fewer tokens than channels, a mixture of grids" {
	require shared models/stories260K
	bundle stories.llmc
	try llmc-tokenize -m stories.llmc --seqlen 32 "$SHARED/models/stories260K/eval_text.txt" -o s.tok
	try llmc-gptq --calib s.tok --samples 2 --rule 'mlp.down=int8:channel' --skip '0.attn.*' -w int3:g32:sym stories.llmc -o q.llmc
	try llmc-info -c q.llmc
	try llmc-eval ppl --tokens s.tok -j q.llmc
}

@test "llmc-gptq: misuse is one line and the right status" {
	bundle m.llmc calib.tok
	fails 2 '--calib' llmc-gptq -w int4:g64 m.llmc -o x.llmc
	fails 2 'attn.x' llmc-gptq --calib calib.tok --samples 1 --skip attn.x -w int4:g64 m.llmc -o x.llmc
	fails 3 'rows' llmc-gptq --calib calib.tok --samples 1000000 -w int4:g64 m.llmc -o x.llmc
	absent x.llmc
}

@test "llmc-gptq: tokens outside the vocabulary are refused" {
	require shared models/stories260K
	bundle stories.llmc calib.tok
	fails 3 'vocabulary' llmc-gptq --calib calib.tok -w int4:g32 stories.llmc -o x.llmc
}

@test "llmc-gptq: an input cut short leaves nothing behind" {
	bundle m.llmc calib.tok
	head -c 3000000 m.llmc > cut.llmc
	fails 3 'end.json' llmc-gptq --calib calib.tok --samples 2 -w int4:g64 cut.llmc -o x.llmc ||
		fails 3 '' llmc-gptq --calib calib.tok --samples 2 -w int4:g64 cut.llmc -o x.llmc
	absent x.llmc
	stages 'cat cut.llmc | llmc-gptq --calib calib.tok --samples 2 -w int4:g64 | llmc-pack -f vllm -o OUT' 0 3 3
	absent OUT
}

# The report of q.llmc: a jq expression over the rows of experts' linears.
experts() {
	tar xOf q.llmc end.json | jq -c "[.report[].linears[] | select(.linear | test(\"^expert\"))] | $1"
}

@test "experts are shown the tokens that go to them; all tokens where those are few, or with --all-experts" {
	local tok

	"$BUILD/tests/unit/mkmodel" m.d hidden=64 ffn=96 heads=4 kv=2 vocab=64 layers=2 experts=6 top=2 dtype=f32
	"$BUILD/tests/unit/mkmodel" -t t.st rows=4 seqlen=32 vocab=64
	"$BUILD/tests/unit/mkmodel" -t few.st rows=1 seqlen=3 vocab=64
	try llmc-import m.d -o m.llmc
	try llmc-gptq --calib t.st -w int4:channel --compare m.llmc -o q.llmc
	[ -z "$stderr" ]
	# 128 tokens, each to two experts
	[ "$(experts '[.[] | select(.block == 0 and (.linear | endswith("gate"))).tokens] | add')" -eq 256 ]
	[ "$(experts 'any(.all_tokens)')" = false ]
	[ "$(experts 'all(.loss < .rtn_loss)')" = true ]
	# the stream is what the router makes of it: the first layer's attention is as before, and so is who goes where
	tok=$(experts '[.[] | select(.block == 0).tokens]')
	cp q.llmc own.llmc
	try llmc-gptq --all-experts --calib t.st -w int4:channel --compare m.llmc -o q.llmc
	[ -z "$stderr" ]
	[ "$(experts 'all(.all_tokens)')" = true ]
	[ "$(experts 'all(.loss < .rtn_loss)')" = true ]
	[ "$(experts '[.[] | select(.block == 0).tokens]')" = "$tok" ]
	differ q.llmc own.llmc
	# a run that goes on where another was stopped makes the same of it
	try_sh -3 'head -c 300000 m.llmc | llmc-gptq -q --all-experts --calib t.st -w int4:channel --compare --resume -o again.llmc'
	try llmc-gptq -q --all-experts --calib t.st -w int4:channel --compare --resume m.llmc -o again.llmc
	same q.llmc again.llmc
	# three tokens are few for 96 channels
	try llmc-gptq --calib few.st -w int4:channel m.llmc -o q.llmc
	[[ $stderr == *'block 0: experts that few tokens go to (how many), shown all of them instead: '* ]]
	[ "$(experts 'all(.all_tokens)')" = true ]
	[ "$(experts '[.[] | select(.block == 1 and (.linear | endswith("down"))).tokens] | add')" -eq 6 ]
}

@test "an expert without tokens, in a model so narrow that no number is small" {
	"$BUILD/tests/unit/mkmodel" m.d hidden=8 ffn=8 heads=2 kv=1 vocab=16 layers=1 experts=8 top=1 dtype=f32
	"$BUILD/tests/unit/mkmodel" -t t.st rows=1 seqlen=2 vocab=16
	try llmc-import m.d -o m.llmc
	try llmc-gptq --calib t.st -w int4:channel m.llmc -o q.llmc
	[[ $stderr == *'experts that few tokens go to'*'(0)'* ]]
	[ "$(experts '[.[] | select(.tokens == 0) | .all_tokens] | length > 0 and all')" = true ]
}
