# llmc: `llmc foo` is llmc-foo.
load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BUILD/tests/unit:$PATH
}

@test "llmc: runs the tool beside it, with its arguments, streams and status" {
	mkbundle -o m.llmc
	try_sh 'llmc cat <m.llmc | cmp - m.llmc'
	head -c 1000 m.llmc >cut
	try -1 llmc info -c cut
	has 'llmc-info: cut: '
	try -2 llmc info --no-such-option
	has 'llmc-info: '
}

@test "llmc: finds its tools whatever PATH says, and tools of other people in PATH" {
	try env PATH=/usr/bin:/bin "$BIN/llmc" info --version
	has 'llmc-info '
	mkdir mine
	printf '#!/bin/sh\necho "mine: $*"\nexit 7\n' >mine/llmc-mine
	chmod +x mine/llmc-mine
	PATH=$PWD/mine:$PATH try -7 llmc mine a 'b c'
	[ "$output" = 'mine: a b c' ]
}

@test "llmc: a tool that is not there: status 2, naming the nearest" {
	fails 2 "the nearest is 'info'" llmc inof
	fails 2 "the nearest is 'diff'" llmc dif -j a b
	fails 2 "no tool '../llmc-info'" llmc ../llmc-info
	mkdir alone && cp "$BIN/llmc" alone/
	fails 2 "no tool 'inof'" ./alone/llmc inof
}

@test "llmc: alone it lists the tools" {
	try llmc
	for t in $(tools); do
		has "  ${t#llmc-}"
	done
}

@test "llmc: help shows the manual, here that of the source tree" {
	require cmd man
	mkdir -p tree/bin tree/man path
	cp "$BIN/llmc" tree/bin/
	touch tree/man/llmc-info.1 tree/man/llmc-bundle.5 tree/man/llmc.1
	printf '#!/bin/sh\necho "man $*" | sed s,/[^\ ]*/tree/,tree/,\n' >path/man
	chmod +x path/man
	PATH=$PWD/path:$PATH
	try tree/bin/llmc help info
	[ "$output" = 'man -l tree/bin/../man/llmc-info.1' ]
	try tree/bin/llmc help bundle
	[ "$output" = 'man -l tree/bin/../man/llmc-bundle.5' ]
	try tree/bin/llmc help
	[ "$output" = 'man -l tree/bin/../man/llmc.1' ]
	try tree/bin/llmc help other
	[ "$output" = 'man llmc-other' ]
}

@test "llmc recipe: lists, finds, and names the nearest" {
	try llmc recipe
	[ "${lines[0]}" = $'#recipe\tabout' ]
	for f in "$ROOT"/pipelines/*.mk; do
		n=$(basename "$f" .mk)
		try llmc recipe "$n"
		same "$output" "$f"
		[ "$n" = rules ] || grep -q "^$n	[A-Z].*\.$" <(llmc recipe)
	done
	fails 2 "no recipe 'w4a16'; the nearest is 'w4a16-rtn'" llmc recipe w4a16
	fails 2 "no recipe '../pipelines/rules'" llmc recipe ../pipelines/rules
	try_sh -5 'llmc recipe >/dev/full'
	mkdir -p 'a b/bin' && cp "$BIN/llmc" 'a b/bin/' && cp -r "$ROOT/pipelines" 'a b/'
	fails 5 'there is a space in it' 'a b/bin/llmc' recipe sweep
	mkdir alone && cp "$BIN/llmc" alone/
	fails 5 'no recipes are installed' ./alone/llmc recipe
	fails 5 'no recipes are installed' ./alone/llmc recipe sweep
	try llmc recipe --help
	has 'usage: llmc'
	fails 2 'one recipe' llmc recipe sweep rules
}
