# The bundle itself: what examples/identity, a filter like any other, accepts, refuses and writes.
load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BUILD/tests/unit:$BUILD/examples:$PATH
	mkbundle -o m.llmc && mkbundle --quant int4:g32:asym -o q.llmc
}

# Offsets of the tar headers of a file, one line each: "OFFSET NAME"; the last is the end of the archive.
headers() {
	tar -tRf "$1" | sed -nE 's/^block ([0-9]+): (.*)/\1 \2/p' | while read -r n name; do echo "$((n * 512)) $name"; done
}
# As headers, of the members alone.
members() {
	headers "$1" | grep -v 'Block of NULs'
}
flip() {        # flip FILE OFFSET: changes a bit of a byte
	local b
	b=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059
	printf "\\$(printf %o $((b ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# Unpacks m.llmc into x/ and lists its members in order in x.list.
unpack() {
	mkdir x && tar -C x -xf m.llmc && tar -tf m.llmc >x.list
}
pack() {        # pack FILE [TAR OPTION...]: the members of x.list, as another program would
	local f=$1
	shift
	tar -C x "$@" -cf "$f" -T x.list
}

@test "a bundle is a tar without times, owners or padding, and every member is in the trailer" {
	try tar --numeric-owner --full-time -tvf m.llmc
	while read -r line; do
		[[ $line == '-rw-r--r-- 0/0 '*' 1970-01-01 00:00:00 '* ]] || { echo "$line"; false; }
	done <<<"$output"
	[ "$(tar -tf m.llmc | head -n 1)" = llmc.json ]
	[ "$(tar -tf m.llmc | tail -n 1)" = end.json ]
	[ "$(dd if=m.llmc bs=1 skip=257 count=5 status=none)" = ustar ]
	diff <(tar -tf m.llmc | grep -v '^end.json') <(tar -xOf m.llmc end.json | jq -r '.members[].name')
	while read -r name size; do
		[ "$(tar -xOf m.llmc "$name" | wc -c)" -eq "$size" ]
	done < <(tar -xOf m.llmc end.json | jq -r '.members[] | "\(.name) \(.size)"')
	# the last member, its padding, two empty blocks
	at=$(members m.llmc | tail -n 1 | cut -d ' ' -f 1)
	size=$(tar -xOf m.llmc end.json | wc -c)
	[ "$(wc -c <m.llmc)" -eq $((at + 512 + (size + 511) / 512 * 512 + 1024)) ]
}

@test "tensor data lies on multiples of 64 and every tensor on its own size" {
	while read -r at name; do
		[[ $name == *.safetensors ]] || continue
		n=$(od -An -tu8 -j $((at + 512)) -N 8 q.llmc | tr -d ' ')
		[ $(((at + 512 + 8 + n) % 64)) -eq 0 ]
		dd if=q.llmc bs=1 skip=$((at + 520)) count="$n" status=none |
			jq -e 'del(.__metadata__) | [to_entries[].value | (.data_offsets[0] %
				{"F32": 4, "I32": 4, "BF16": 2, "U8": 1}[.dtype]) == 0] | all'
	done < <(members q.llmc)
}

@test "a pipe, a file and standard input give the same bytes, whatever the size of the pieces" {
	for f in m.llmc q.llmc; do
		try identity -o a $f
		try_sh "identity <$f >b"
		try_sh "cat $f | identity | cat >c"
		try_sh "dd if=$f bs=313 status=none | identity -o d"
		same a b && same a c && same a d
	done
}

@test "a filter that changes nothing changes no member but llmc.json and end.json" {
	for f in m.llmc q.llmc; do
		try identity -o a $f
		diff <(tar -xOf $f end.json | jq -c '.members[1:]') <(tar -xOf a end.json | jq -c '.members[1:]')
	done
}

@test "provenance: each run adds one record that names its parent, and --no-pg none" {
	try_sh 'identity m.llmc | identity | identity --no-pg -o a'
	try_sh 'tar -xOf a llmc.json | jq -c "[.pg[] | [.id, .tool, .parent]]"'
	[ "$output" = '[["mkbundle.1","llmc-mkbundle",null],["identity.1","identity","mkbundle.1"],["identity.2","identity","identity.1"]]' ]
}

@test "the ledger has a stage a run, and each takes what the one before handed on" {
	try_sh 'identity m.llmc | identity -o a'
	try_sh 'tar -xOf a end.json | jq -e "[.ledger[] | .in, .kept] | unique == [30]"'
	try_sh 'tar -xOf a end.json | jq -r ".ledger | length"'
	[ "$output" = 3 ]
	try_sh 'tar -xOf q.llmc end.json | jq -c ".ledger[0] | [.in, .kept, .quantized]"'
	[ "$output" = '[30,9,21]' ]
}

@test "compressed bundles are read unasked, from files and pipes" {
	for z in gzip xz zstd; do
		command -v $z >/dev/null || continue
		$z -c m.llmc >z
		try identity --no-pg -o a z
		try_sh 'cat z | identity --no-pg -o b'
		try identity --no-pg -o c m.llmc
		same a c && same b c
		head -c $(($(wc -c <z) * 2 / 3)) z >cut
		try_sh -3 'identity cut >/dev/null'
	done
}

@test "cut at every member boundary: status 3, no output, the upstream named" {
	while read -r at name; do
		head -c "$at" m.llmc >cut
		try -3 identity -o out cut
		try_sh -3 'cat cut | identity -o out'
		[ "$at" -lt 1024 ] || { has 'standard input (from llmc-mkbundle)' && has truncated; }
		try -1 llmc-info -c cut
		absent out
		n=$((${n-0} + 1))
	done < <(headers m.llmc)
	[ "$n" -eq 13 ]
}

@test "cut anywhere: status 3" {
	size=$(wc -c <q.llmc)
	for i in $(seq 16); do
		n=$(((i * 7919 * 104729) % size))
		head -c $n q.llmc >cut
		try -3 identity -o out cut
		try_sh -3 'cat cut | identity >/dev/null'
	done
	for n in 0 1 262 511 512 513 $((size - 1)) $((size - 1024)) $((size - 1025)); do
		head -c $n q.llmc >cut
		try -3 identity -o out cut
		try_sh -3 'cat cut | identity >/dev/null'
	done
	absent out
}

@test "a bit flipped in any member or in any header: status 3" {
	while read -r at name; do
		size=$(tar -xOf q.llmc "$name" | wc -c)
		for off in $((at + 140)) $((at + 512 + size / 2)) $((at + 512 + size - 1)); do
			cp q.llmc bad
			flip bad "$off"
			try_sh -3 'identity bad -o out >/dev/null || exit $?' || { echo "$name, byte $off"; false; }
			try_sh -3 'cat bad | identity >/dev/null'
			try -1 llmc-info -c bad
		done
	done < <(members q.llmc)
}

@test "failure walks down a pipe: each stage exits 3, no file appears" {
	head -c 200000 m.llmc >cut
	stages 'cat cut | identity | identity | identity -o out' 0 3 3 3
	absent out
	grep -q 'standard input (from identity): truncated' <<<"$stderr"
}

@test "a stage killed in the middle leaves no output behind it, and a reader that left ends a writer quietly" {
	stages '{ head -c 150000 m.llmc; kill -9 $BASHPID; } | identity | identity -o out' 137 3 3
	absent out
	stages 'mkbundle --layers 64 --width 128 | head -c 1000 >/dev/null' 141 0
	[ -z "$stderr" ]
}

@test "a full disk: status 5" {
	try_sh -5 'identity m.llmc >/dev/full'
	has 'standard output'
	try_sh -5 'llmc-cat m.llmc >/dev/full'
	try -5 identity -o /dev/full m.llmc
	try -5 identity -o /nowhere/x m.llmc
}

@test "terminals are refused, as input and as output" {
	require cmd script
	try_sh -2 'script -qec "identity m.llmc" /dev/null </dev/null'
	has terminal
	try_sh -2 'script -qec "identity >/dev/null" /dev/null </dev/null'
	has terminal
}

@test "what is no bundle: status 3; what is not there: status 5" {
	try_sh -3 'identity </dev/null'
	has empty
	echo hello >text
	try -3 identity -o out text
	head -c 4096 /dev/zero >zero
	try -3 identity -o out zero
	tar -cf foreign.tar text
	try -3 identity -o out foreign.tar
	has 'not a bundle'
	gzip -c text >text.gz
	try -3 identity -o out text.gz
	try -3 identity -o out .
	try -3 identity -o out nowhere
	mkbundle --kind tokens -o t.llmc
	try -3 identity -o out t.llmc
	has 'not a model'
	absent out
}

@test "a later version, or one that requires what is not known: status 4" {
	LC_ALL=C sed 's/^{"llmc":1,/{"llmc":2,/; s/\(\n\|\x0\){"llmc":1,/\1{"llmc":2,/' m.llmc >v2
	differ m.llmc v2
	try -4 identity -o out v2
	has 'version 2'
	try -4 llmc-info -c v2
	unpack
	jq -c '.requires = ["parts"]' x/llmc.json >l && mv l x/llmc.json
	pack r.llmc
	try -4 identity -o out r.llmc
	has "'parts'"
	absent out
}

@test "the same members in another program's tar are the same bundle" {
	unpack
	for f in gnu ustar posix; do
		pack foreign --format=$f
		try llmc-info -c foreign
		try_sh 'cat foreign | identity --no-pg -o a'
		try identity --no-pg -o b m.llmc
		same a b
	done
}

@test "members that are not files, that come twice, or whose names lead elsewhere: status 3" {
	unpack
	printf 'x' >x/extra/y
	for how in twice link dir dots absolute; do
		cp x.list keep.list
		set -- --format=ustar
		case $how in
		twice) sed -i 's|^extra/config.json|&\n&|' x.list; text='comes twice'; set -- --hard-dereference ;;
		link) ln -s config.json x/extra/link; sed -i 's|^extra/config.json|&\nextra/link|' x.list; text='not a plain file' ;;
		dir) mkdir x/extra/d; sed -i 's|^extra/config.json|&\nextra/d|' x.list; text='not a plain file' ;;
		dots | absolute)
			sed -i 's|^extra/config.json|&\nextra/y|' x.list
			text='not a plain relative name'
			set -- -P --format=ustar --transform="s|extra/y|$([ $how = dots ] && echo extra/../y || echo /y)|"
			;;
		esac
		pack bad "$@"
		cp keep.list x.list
		try -3 identity -o out bad
		has "$text"
		try -1 llmc-info -c bad
	done
}

@test "blocks missing, out of order, without a note, or members unlisted: status 3" {
	unpack
	for how in missing order note unlisted head; do
		cp x.list keep.list
		case $how in
		missing) sed -i '/0001/d' x.list; text='block 2 where block 1 is due' ;;
		order)
			sed -i -e '/0001/d' -e 's|^head.safetensors|&\nblock/0001.json\nblock/0001.safetensors|' x.list
			text='block 2 where block 1 is due'
			;;
		note) sed -i '/0001.json/d' x.list; text="'block/0001.safetensors' without its note" ;;
		unlisted) sed -i 's|^extra/config.json|&\nextra/y|' x.list; echo >x/extra/y; text="end.json lists 'embed.safetensors'" ;;
		head) sed -i '/^head/d' x.list; text="end.json lists 'head.safetensors'" ;;
		esac
		pack bad
		cp keep.list x.list
		try -3 identity -o out bad
		has "$text"
	done
	absent out
}

@test "something after end.json: status 3, zeros: welcome" {
	cp m.llmc a
	head -c 9000 /dev/zero >>a
	try llmc-info -c a
	printf 'x' >>a
	try -3 identity -o out a
	has 'after end.json'
	try_sh -3 'cat a | identity -o out'
	cat m.llmc m.llmc >two
	try -3 identity -o out two
}

@test "a size that lies claims no memory" {
	! grep -q asan <(ldd "$(command -v identity)") || skip 'a sanitizer claims all there is'
	unpack
	for name in llmc.json embed.safetensors block/0001.json extra/config.json; do
		cp -r x y
		truncate -s 6T "y/$name"
		{ tar -C y -cf - -T x.list || true; } 2>/dev/null | head -c 2000000 >bad
		rm -r y
		try_sh -3 'ulimit -v 300000; identity -o out bad'
		try_sh -3 'ulimit -v 300000; cat bad | identity -o out'
		has "'$name'"
	done
	absent out
}

@test "unknown members and keys are passed on" {
	unpack
	mkdir x/later
	echo 'of a later version' >x/later/thing
	cp x/tokenizer/tokenizer.json x/block/0001.stats.safetensors
	sed -i -e 's|^extra/config.json|&\nlater/thing|' -e 's|^block/0001.safetensors|&\nblock/0001.stats.safetensors|' x.list
	jq -c '. + {later: [1, {"a": 2}]}' x/llmc.json >l && mv l x/llmc.json
	jq -c '. + {later: "note"}' x/block/0001.json >l && mv l x/block/0001.json
	# the trailer of what is there now, without its digests' program: let a passing filter tell what it saw
	retrail
	try llmc-info -c new
	try identity -o out new
	diff <(tar -tf new) <(tar -tf out)
	[ "$(tar -xOf out later/thing)" = 'of a later version' ]
	try_sh 'tar -xOf out llmc.json | jq -c .later'
	[ "$output" = '[1,{"a":2}]' ]
	try_sh 'tar -xOf out block/0001.json | jq -c .later'
	[ "$output" = '"note"' ]
	try_sh 'tar -xOf out end.json | jq -c .later'
	[ "$output" = 'trailer' ] || [ "$output" = '"trailer"' ]
}
# x/ and x.list as the bundle `new`, with digests by mkdigest.
retrail() {
	grep -v '^end.json' x.list | while read -r name; do
		printf '%s %s %s\n' "$name" "$(wc -c <"x/$name")" "$(mkdigest "x/$name")"
	done | jq -Rnc --slurpfile old x/end.json '$old[0] + {later: "trailer",
		members: [inputs | split(" ") | {name: .[0], size: (.[1] | tonumber), xxh3: .[2]}]}' >end && mv end x/end.json
	pack new
}

@test "tensors that the model has not, lacks or shapes otherwise: status 3, naming the tensor" {
	unpack
	change() {      # change SED: of the header of block 1, in place
		cp -r x y
		LC_ALL=C sed -i "$1" x/block/0001.safetensors
		[ "$(wc -c <x/block/0001.safetensors)" -eq "$(wc -c <y/block/0001.safetensors)" ]
		retrail
		rm -rf x
		mv y x
	}
	change 's/"attn.q.weight"/"attn.z.weight"/'
	try -3 identity -o out new
	has "block 1: tensor 'attn.q.weight' is missing"
	change 's/"attn.k.weight":{"dtype":"BF16","shape":\[32,64\]/"attn.k.weight":{"dtype":"BF16","shape":[64,32]/'
	try -3 identity -o out new
	has "'attn.k.weight' is [64,32]"
	change 's/"mlp.gate.weight":{"dtype":"BF16"/"mlp.gate.weight":{"dtype":"I16" /'
	try -4 identity -o out new
	has "mlp.gate.weight"
}

@test "a plain reader in Python agrees" {
	require cmd python3
	try "$ROOT/examples/read_bundle.py" q.llmc
	has 'block/0002 attn.q.weight.code U8 [64, 64]'
	head -c 200000 q.llmc >cut
	try -1 "$ROOT/examples/read_bundle.py" cut
	for at in $(members q.llmc | cut -d ' ' -f 1 | tail -n 3); do
		head -c "$at" q.llmc >cut
		try -1 "$ROOT/examples/read_bundle.py" cut
		has truncated
	done
}
