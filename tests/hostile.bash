# What the tests of hostile input share.
# shellcheck shell=bash
setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BUILD/tests/unit:$BUILD/examples:$PATH
	MEM='ulimit -v 400000'
	! grep -q asan <(ldd "$(command -v llmc-import)") || MEM=:      # a sanitizer claims all there is
}

# bad STATUS TEXT COMMAND...: as `fails`, in 400 MB and 20 seconds, and nothing appears.
bad() {
	fails "$1" "$2" bash -c "$MEM; exec timeout 20 \"\$@\"" sh "${@:3}" || { echo "case: ${case-}"; return 1; }
	absent out || return 1
}

# checkpoint: a directory c with a configuration of one layer, for weights to be put beside.
checkpoint() {
	mkdir -p c
	cat >c/config.json <<-'JSON'
		{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 1, "hidden_size": 8,
		 "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 8, "vocab_size": 4,
		 "max_position_embeddings": 16, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": true,
		 "torch_dtype": "float32"}
	JSON
}

# t NAME BEGIN END [SHAPE] [TYPE]: a tensor of a safetensors header.
t() {
	printf '"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%s,%s]}' "$1" "${5-F32}" "${4-2}" "$2" "$3"
}

# unpack FILE: into x/, its members in order in x.list.
unpack() {
	rm -rf x
	mkdir x && tar -C x -xf "$1" && tar -tf "$1" >x.list
}
# remake: x/ and x.list as the bundle `new`; its trailer lists what is there now.
remake() {
	local names
	mapfile -t names < <(grep -v '^end.json' x.list)
	(cd x && paste -d ' ' <(printf '%s\n' "${names[@]}") <(stat -c %s "${names[@]}") <(mkdigest "${names[@]}")) |
		jq -Rnc --slurpfile old x/end.json '$old[0] + {members: [inputs | split(" ") |
			{name: .[0], size: (.[1] | tonumber), xxh3: .[2]}]}' >end && mv end x/end.json
	tar -C x -cf new -T x.list
}
# edited FILE JQ: the member, edited, in a bundle that is whole otherwise.
edited() {
	cp "x/$1" keep
	cp x/end.json keep.end
	jq -c "$2" keep >"x/$1"
	remake
	mv keep "x/$1"
	[ "$1" = end.json ] || mv keep.end x/end.json
}

# header FILE JQ: the header of a safetensors file, edited; the data stay.
header() {
	local n

	n=$(od -An -t u8 -N 8 "$1")
	mkbytes st:"$(tail -c +9 "$1" | head -c "$n" | jq -c "$2")" >"$1.new" && tail -c +$((9 + n)) "$1" >>"$1.new" && mv "$1.new" "$1"
}

# judge WHAT refused|any: imports c.  Failures go to the file bad.
judge() {
	local status=0 why=

	(eval "$MEM" && exec timeout 20 llmc-import -q -o out c) 2>err || status=$?
	case $status in
	0) [ "$2" = any ] || why='is taken' ;;
	3 | 4)
		[ "$(wc -l <err)" -eq 1 ] || why='has no line, or several'
		! compgen -G '*out*' >/dev/null || why='leaves something behind'
		grep -q '^llmc-import: .*[^.]$' err || why='has another kind of message'
		;;
	*) why="status $status" ;;
	esac
	[ -z "$why" ] || printf '%s: %s: %s\n' "$1" "$why" "$(head -c 300 err)" >>bad
	rm -rf out
	tried=$((${tried-0} + 1))
}

# each FUNCTION: called, with a directory c of links to it and with its path, for a fixture of every family that is taken
# (fixtures.bash).
each() {
	local d

	require shared fixtures/families
	for d in $(fixtures few); do
		rm -rf c out bad
		mkdir c
		ln -s "$d"/* c/
		llmc-import -q c -o out 2>/dev/null || continue
		rm -rf out c/config.json
		"$1" "$d"
		rm -rf c
		mkdir c
		[ ! -s bad ] || sed "s|^|$(basename "$d"): |" bad >>all
	done
	echo "$tried cases"
	[ ! -s all ] || { head -n 60 all; false; }
}
