# llmc-eval gen: every token is the most likely one by the logits of the sequence, whatever the family.
load helpers

# A tokenizer with a letter for each id, from U+0100.
LETTERS='{model: {type: "BPE", merges: [], vocab: ([range(0; 8192) | {key: ([. + 256] | implode), value: .}] | from_entries)}}'

# ids ID...: as a set of tokens of one row.
ids() {
	local words=("${@/#/u64:}")

	"$BUILD/tests/unit/mkbytes" st:"{\"input_ids\":{\"dtype\":\"I64\",\"shape\":[1,$#],\"data_offsets\":[0,$(($# * 8))]}}" \
		"${words[@]}" >ids.safetensors
}

# likely [OPTION...]: the most likely tokens behind each position of ids.safetensors.
likely() {
	llmc-eval logits -q --dtype f32 --tokens ids.safetensors "$@" -o l.safetensors m.llmc || return
	"$BUILD/tests/unit/mkargmax" l.safetensors
}

# follows FIXTURE: 14 tokens after 6, past every window, original context and threshold there is in the fixtures.
follows() {
	local prompt=(3 1 41 5 92 6) n=14 text said want k rope

	rm -rf c m.llmc l.safetensors
	cp -rL "$1" c && cp tokenizer.json c/ || return
	llmc-import -q c -o m.llmc 2>said || { grep -q 'is not supported' said; return; }
	text=$(jq -nr '$ARGS.positional | map(tonumber + 256) | implode' --args "${prompt[@]}")
	read -ra said < <(llmc-eval gen -q --dtype f32 --ids --length $n -p "$text" m.llmc)
	[ "${#said[@]}" -eq $((${#prompt[@]} + n)) ] || return
	[ "${said[*]:0:6}" = "${prompt[*]}" ] || return
	rope=$(tar xOf m.llmc llmc.json | jq -r .model.rope.type)
	ids "${said[@]}"
	read -ra want < <(likely)
	for ((k = 6; k < 6 + n; k++)); do
		# Angles that depend on the length of the sequence: what followed was not known when the token was chosen.
		case $rope in
		dynamic | long) read -ra want < <(likely --seqlen $k) ;;
		esac
		[ "${said[k]}" = "${want[k - 1]}" ] || { echo "token $k is ${said[k]}, not ${want[k - 1]}"; return 1; }
	done
	tried=$((${tried-0} + 1))
}

@test "the greedy text is what the logits of the sequence say, for every family" {
	require shared fixtures/families
	jq -nc "$LETTERS" >tokenizer.json
	for d in "$SHARED"/fixtures/families/*/; do
		follows "$d" || { echo "$(basename "$d"): differs"; bad=1; }
	done
	echo "$tried fixtures"
	[ -z "${bad-}" ] && [ "$tried" -gt 40 ]
}

@test "text ends where the positions that the model has learned do" {
	require shared fixtures/families/opt
	cp -rL "$SHARED/fixtures/families/opt" c
	jq -nc "$LETTERS" >c/tokenizer.json
	try llmc-import c -o m.llmc
	n=$(jq .max_position_embeddings c/config.json)
	text=$(jq -nr '[300, 301, 302] | implode')
	try llmc-eval gen --ids --length 1000 -p "$text" m.llmc
	[ "$(wc -w <<<"$output")" -eq "$n" ]
	has "stopped after $n tokens"
	text=$(jq -nr "[range($n + 1) | 300] | implode")
	fails 3 "the model knows $n positions" llmc-eval gen --ids -p "$text" m.llmc
}
