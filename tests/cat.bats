# llmc-cat: select blocks, join bundles.
load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BUILD/tests/unit:$BUILD/examples:$PATH
	mkbundle --layers 6 --quant int4:g32 -o m.llmc
}

@test "llmc-cat: of one bundle, that bundle, from a file and through a pipe" {
	try llmc-cat -o a m.llmc
	same a m.llmc
	try_sh 'cat m.llmc | llmc-cat | cmp - m.llmc'
	try_sh 'llmc-cat - <m.llmc | llmc-cat --no-pg | cmp - m.llmc'
	mkbundle --kind tokens -o t.llmc
	try_sh 'llmc-cat t.llmc | cmp - t.llmc'
}

@test "llmc-cat: all the parts of a bundle joined are that bundle, byte for byte" {
	try llmc-cat -b embed,0-1 -o a m.llmc
	try_sh 'cat m.llmc | llmc-cat --blocks 2,3 >b'
	try llmc-cat -b 5,4,head -o c m.llmc
	try llmc-info -c a b c
	try llmc-cat -o all a b c
	same all m.llmc
	try_sh 'cat b | llmc-cat a - c | cmp - m.llmc'
	# some parts are a part
	try llmc-cat -o ab a b
	try llmc-cat -b embed,0-3 -o ab2 m.llmc
	same ab ab2
	try llmc-cat -o all ab c
	same all m.llmc
}

@test "llmc-cat: parts of parts join too" {
	try llmc-cat -b embed,0-3 -o a m.llmc
	try llmc-cat -b 4-5,head -o b m.llmc
	try llmc-cat -b embed,0 -o a1 a
	try llmc-cat -b 1-3 -o a2 a
	try_sh 'llmc-cat a1 a2 | cmp - a'
	try_sh 'llmc-cat a1 a2 b | cmp - m.llmc'
	try_sh 'llmc-cat -b 1-4 a1 a2 b >c'
	try_sh 'llmc-cat -b 1-4 m.llmc | cmp - c'
}

@test "llmc-cat: parts that went through the same filters join to what the whole would have become" {
	try llmc-cat -b embed,0-2 -o a m.llmc
	try llmc-cat -b 3-5,head -o b m.llmc
	try identity -o a1 a
	try identity -o b1 b
	try llmc-cat -o ab a1 b1
	try identity -o want m.llmc
	same ab want
	# cut again, behind the filter, then joined from the inside out
	try llmc-cat -b embed -o a2 a1
	try llmc-cat -b 0-2 -o a3 a1
	try llmc-cat -o a4 a2 a3
	same a4 a1
}

@test "llmc-cat: a part says what it holds, and its ledger what was laid aside" {
	try llmc-cat -b embed,2 -o a m.llmc
	try_sh 'tar -xOf a llmc.json | jq -c .blocks'
	[ "$output" = '["embed",2]' ]
	try_sh 'tar -xOf a end.json | jq -c ".ledger[-1] | [.in, .kept, .aside]"'
	[ "$output" = '[57,10,47]' ]
	try_sh 'tar -tf a | grep -c extra/'
	try llmc-info -j a
	field '.whole == false and (.blocks | length) == 2'
}

@test "llmc-cat: members after a block go with it, those before the first into every part" {
	mkdir x && tar -C x -xf m.llmc
	echo s >x/block/0002.stats
	tar -tf m.llmc | grep -v end.json | sed 's|^block/0002.safetensors|&\nblock/0002.stats|' >list
	while read -r n; do printf '%s %s %s\n' "$n" "$(wc -c <"x/$n")" "$(mkdigest "x/$n")"; done <list |
		jq -Rnc --slurpfile old x/end.json '{members: [inputs | split(" ") |
			{name: .[0], size: (.[1] | tonumber), xxh3: .[2]}]} + ($old[0] | del(.members)) + {later: 1}' >end
	mv end x/end.json
	tar -C x -cf foreign -T list end.json
	try llmc-cat -o s.llmc foreign
	try llmc-cat -b embed,0-1 -o a s.llmc
	try llmc-cat -b 2-5,head -o b s.llmc
	try_sh -1 'tar -tf a | grep stats'
	try_sh 'tar -tf b | grep stats'
	try llmc-cat -o all a b
	same all s.llmc
}

@test "llmc-cat: what does not belong together is refused with status 3" {
	mkbundle --layers 6 --quant int4:g32 --seed 1 -o other.llmc
	try llmc-cat -b embed,0-1 -o a m.llmc
	try llmc-cat -b 2-5,head -o b m.llmc
	try identity -o b1 b
	try -3 llmc-cat -o x a b1
	has 'one history'
	try -3 llmc-cat -o x b a
	has 'do not follow'
	try -3 llmc-cat -o x a a
	try -3 llmc-cat -o x m.llmc m.llmc
	# one seed differs, the manifests agree but for their pg: --no-pg hides even that, the ledger's parts do not lie
	mkbundle --no-pg --layers 6 -o m1
	mkbundle --no-pg --layers 7 -o m2
	try llmc-cat -b embed,0-1 -o a m1
	try llmc-cat -b 2-5,head -o b m2
	try -3 llmc-cat -o x a b
	try -3 llmc-cat -b 2 -o x <(mkbundle --kind tokens)
	absent x
}

@test "llmc-cat: a damaged or cut part: status 3, no output" {
	try llmc-cat -b embed,0-1 -o a m.llmc
	try llmc-cat -b 2-5,head -o b m.llmc
	head -c 100000 b >cut
	try -3 llmc-cat -o x a cut
	try_sh -3 'cat cut | llmc-cat a - >piped'
	try -1 llmc-info -c piped
	absent x
	try -3 llmc-cat -o x a nowhere
}

@test "llmc-cat: misuse is one line and status 2" {
	for l in x 9 3-2 0- ,1 '1,,2' '1,' embedx 1x '' 4-99 -1 99999999999999999999; do
		fails 2 '' llmc-cat -o x -b "$l" m.llmc
	done
	try llmc-cat -b embed,0-1 -o a m.llmc
	fails 2 'not there' llmc-cat -b 3 -o x a
	fails 2 'once' llmc-cat -o x - -
	absent x
}
