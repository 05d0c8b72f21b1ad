load helpers

@test "llmc-quant: round to nearest leaves norms and embedding alone and quantizes every linear" {
	bundle m.llmc
	try llmc-quant -w int4:g64:asym m.llmc -o q.llmc
	try llmc-diff m.llmc q.llmc -1 || try -1 llmc-diff m.llmc q.llmc
	[ "$(grep -c '^[0-9].*attn\.q\.weight' <<<"$output")" -eq 4 ] || [ "$(grep -c 'attn\.q' <<<"$output")" -eq 4 ]
	try llmc-info -j q.llmc
	has 'int4:g64:asym'
}

@test "llmc-quant: on the demo model it gives the perplexities measured independently" {
	local spec want
	bundle m.llmc
	try llmc-tokenize -m m.llmc --seqlen 512 "$DEMO/eval.txt" -o e.tok
	while read -r spec want; do
		try llmc-quant --scale-dtype f32 -w "$spec" m.llmc -o q.llmc
		try llmc-eval ppl --dtype f32 --tokens e.tok -j q.llmc
		about "$(field .ppl)" "$want" 0.0003
	done <<-EOF
		int4:g128:asym 40.85
		int3:g64:asym 42.14
		int2:g64:asym 53.23
	EOF
}

@test "llmc-quant: on stories260K its divergences are the reference's" {
	require shared models/stories260K
	bundle stories.llmc
	try llmc-tokenize -m stories.llmc --seqlen 256 "$SHARED/models/stories260K/eval_text.txt" -o s.tok
	try llmc-quant -w int8:channel:asym stories.llmc -o q.llmc
	try llmc-eval ppl --dtype f32 --tokens s.tok -j q.llmc
	about "$(field .ppl)" 4.0644 0.002
}

@test "llmc-quant: searched ranges diverge less than plain ones" {
	bundle m.llmc eval.tok
	try llmc-quant -w int3:g64:asym m.llmc -o a.llmc
	try llmc-quant -w int3:g64:asym:mse m.llmc -o b.llmc
	try llmc-eval kl --ref m.llmc --tokens eval.tok -j a.llmc
	a=$(field .kld)
	try llmc-eval kl --ref m.llmc --tokens eval.tok -j b.llmc
	less "$(field .kld)" "$a"
}

@test "llmc-quant: rules and skips choose grids, the first match wins" {
	bundle m.llmc
	try llmc-quant -w int4:g64:asym --rule '[0-1].mlp.down=int8:channel' --rule 'mlp.down=int3:g32' --skip '3.*' m.llmc -o q.llmc
	try_sh 'tar xOf q.llmc block/0000.json block/0002.json block/0003.json'
	has '"int8:channel'
	has '"int3:g32'
	try_sh 'tar xOf q.llmc block/0003.json'
	lacks 'int'
	try_sh 'tar xOf q.llmc block/0001.json'
	lacks 'int3'
}

@test "llmc-quant: widths that no group divides keep a short last group" {
	require shared models/stories260K
	bundle stories.llmc
	try llmc-quant -w int4:g128:asym stories.llmc -o q.llmc
	try llmc-info -c q.llmc
	try llmc-quant -w int8:tensor:sym stories.llmc -o t.llmc
	try llmc-info -c t.llmc
}

@test "llmc-quant: pipe or file, one thread or two, the bytes are the same" {
	bundle m.llmc
	try llmc-quant -t 1 -w int3:g64:asym:mse m.llmc -o a.llmc
	try_sh 'cat m.llmc | llmc-quant -t 2 -w int3:g64:asym:mse | cat > b.llmc'
	same a.llmc b.llmc
}

@test "llmc-quant: misuse is one line and the right status" {
	bundle m.llmc q.llmc
	fails 2 '-w is needed' llmc-quant m.llmc -o x.llmc
	fails 2 'mlp.dwn' llmc-quant -w int4 --skip mlp.dwn m.llmc -o x.llmc
	fails 2 'int9' llmc-quant -w int9 m.llmc -o x.llmc
	fails 4 'quantized already' llmc-quant -w int4:g128 q.llmc -o x.llmc
	fails 5 'missing.llmc' llmc-quant -w int4 missing.llmc -o x.llmc || fails 3 'missing.llmc' llmc-quant -w int4 missing.llmc -o x.llmc
	absent x.llmc
}

@test "llmc-quant: a scale that its type cannot hold is status 5, not infinity" {
	try "$BUILD/tests/unit/mkbundle" --type F32 --plant 1e6 -o huge.llmc
	fails 5 'does not fit in F16' llmc-quant --scale-dtype f16 -w int4:g32 huge.llmc -o x.llmc
	try "$BUILD/tests/unit/mkbundle" --type F32 --plant 3e38 -o huge.llmc
	try llmc-quant -w int4:g32 huge.llmc -o y.llmc
	try llmc-info -c y.llmc
	absent x.llmc
}

@test "llmc-quant: a weight that is no number is named, not rounded away" {
	local x
	for x in nan inf; do
		try "$BUILD/tests/unit/mkbundle" --type F32 --plant $x -o bad.llmc
		fails 3 "attn.q.weight' is not finite" llmc-quant -w int4:g32 bad.llmc -o x.llmc
	done
	absent x.llmc
}

@test "llmc-quant: a full disk is status 5" {
	bundle m.llmc
	stages 'llmc-quant -w int4:g64 m.llmc > /dev/full' 5
}
