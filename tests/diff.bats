# llmc-diff: error per tensor between two bundles.
load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BUILD/tests/unit:$BUILD/examples:$PATH
	mkbundle -o m.llmc
}

@test "llmc-diff: a bundle is itself: status 0, all zero" {
	try llmc-diff m.llmc m.llmc
	[ "$(awk -F '\t' '!/^#/ && $6 != 0' <<<"$output" | wc -l)" -eq 0 ]
	[ "$(wc -l <<<"$output")" -eq 32 ]
	try_sh 'identity m.llmc | llmc-diff m.llmc -'
	try_sh 'identity m.llmc | llmc-diff -j - m.llmc'
	field '.same and .max == 0'
}

@test "llmc-diff: a known difference gives the numbers that follow from it" {
	# mlp.up of block 1, plus and minus 0.25, in F32
	mkbundle --type F32 -o a.llmc
	mkbundle --type F32 --noise 0.25 -o b.llmc
	try -1 llmc-diff -j a.llmc b.llmc
	[ "$(field '[.tensors[] | select(.max > 0)] | length')" -eq 1 ]
	field '.tensors[] | select(.max > 0) | .block == 1 and .tensor == "mlp.up.weight" and .elements == 8192'
	about "$(field '.tensors[] | select(.max > 0) | .max')" 0.25 1e-6
	about "$(field '.tensors[] | select(.max > 0) | .rms')" 0.25 1e-6
	# the weights are normal with deviation 0.05, 8192 of them
	about "$(field '.tensors[] | select(.max > 0) | .rel')" 5 0.03
	about "$(field '.tensors[] | select(.max > 0) | .sqnr')" -13.98 0.03
	rel=$(field '.tensors[] | select(.max > 0) | .rel')
	about "$(field '.tensors[] | select(.max > 0) | .sqnr')" "$(awk -v r="$rel" 'BEGIN { print -20 * log(r) / log(10) }')" 1e-6
	about "$(field .rms)" "$(awk -v n="$(field .elements)" 'BEGIN { print 0.25 * sqrt(8192 / n) }')" 1e-5
}

@test "llmc-diff: of a rounded bundle, what a plain reader finds" {
	require cmd python3
	mkbundle --quant int4:g32:asym -o q.llmc
	try -1 llmc-diff m.llmc q.llmc
	[ "$(awk -F '\t' '$6 > 0 && $1 != "all"' <<<"$output" | grep -c int4:g32:asym)" -eq 21 ]
	[ "$(awk -F '\t' '$3 == $4 && $6 != 0 && $1 != "all"' <<<"$output" | grep -vc '^#')" -eq 0 ]
	python3 - "$ROOT" <<-'EOF' >want
		import sys
		sys.path.insert(0, sys.argv[1] + "/examples")
		sys.dont_write_bytecode = True
		import read_bundle as rb
		m = {label: (n, t) for label, n, t in rb.blocks("m.llmc")}
		q = {label: (n, t) for label, n, t in rb.blocks("q.llmc")}
		top = see = saa = 0
		for r in range(64):
		    a, b = (rb.row(x["block/0002"][1], x["block/0002"][0], "mlp.down.weight", r) for x in (m, q))
		    for u, v in zip(a, b):
		        top, see, saa = max(top, abs(u - v)), see + (u - v) ** 2, saa + u * u
		print(top, (see / (64 * 128)) ** 0.5, (see / saa) ** 0.5)
	EOF
	read -r max rms rel <want
	row=$(grep -P '^2\tmlp.down.weight' <<<"$output")
	about "$(cut -f 6 <<<"$row")" "$max" 1e-5
	about "$(cut -f 7 <<<"$row")" "$rms" 1e-5
	about "$(cut -f 8 <<<"$row")" "$rel" 1e-5
}

@test "llmc-diff: values count, not how they are stored" {
	mkbundle --type F32 -o a.llmc
	try -1 llmc-diff a.llmc m.llmc
	has 'dtype'
	[ "$(awk -F '\t' '$6 > 0.01' <<<"$output" | grep -vc '^#')" -eq 0 ]
}

@test "llmc-diff: a head of its own against a tied one: a row, and status 1" {
	mkbundle --tied -o t.llmc
	try -1 llmc-diff -q m.llmc t.llmc
	grep -qP '^head\thead.weight\tBF16\t-\t-' <<<"$output"
	[ -z "$stderr" ]
	try -1 llmc-diff t.llmc m.llmc
	grep -qP '^head\thead.weight\t-\tBF16\t-' <<<"$output"
}

@test "llmc-diff: what cannot be compared: status 3, and nothing on standard output" {
	mkbundle --layers 4 -o l.llmc
	mkbundle --width 32 -o w.llmc
	mkbundle --kind tokens -o t.llmc
	head -c 200000 m.llmc >cut
	fails 3 'same blocks' llmc-diff m.llmc l.llmc
	fails 3 'another shape' llmc-diff m.llmc w.llmc
	fails 3 tokens llmc-diff m.llmc t.llmc
	fails 3 truncated llmc-diff m.llmc cut
	fails 3 truncated llmc-diff cut m.llmc
	fails 3 nowhere llmc-diff m.llmc nowhere
}

@test "llmc-diff: misuse" {
	fails 2 'two bundles' llmc-diff m.llmc
	fails 2 'two bundles' llmc-diff m.llmc m.llmc m.llmc
	fails 2 'once' llmc-diff - -
	try_sh -5 'llmc-diff m.llmc m.llmc >/dev/full'
}
