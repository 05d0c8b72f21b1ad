# A bundle of every version that was released is read for ever, and means what it meant.  tests/golden/vN holds
#	plain.llmc       a model of one layer            quantized.llmc   the same through llmc-gptq: groups in an order of their
#	part.llmc        the layer of that alone                          own, zeros, a grid per channel, one for a whole tensor
#	tokens.llmc      a token set
#	members.tsv      bundle, member, size, digest    weights.tsv      bundle, tensor of the checkpoint, type, shape, digest
#	rows.tsv         weight, its first row as read_bundle.py printed it
#	ppl.tsv          bundle, perplexity of the tokens by -d ref
# made once, by the programs of that version; nothing here is made again.
load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BUILD/tests/unit:$BUILD/examples:$PATH
}

versions() {
	printf '%s\n' "$ROOT"/tests/golden/v[0-9]*
}

@test "golden bundles are whole, and are the files that they were" {
	[ -n "$(versions)" ]
	for v in $(versions); do
		try llmc-info -c "$v"/*.llmc
		for f in "$v"/*.llmc; do
			b=$(basename "$f" .llmc)
			mkdir "$b" && tar -C "$b" -xf "$f"
			tar -tf "$f" | while read -r m; do
				printf '%s\t%s\t%s\t%s\n' "$b" "$m" "$(stat -c %s "$b/$m")" "$(mkdigest "$b/$m")"
			done
		done >got
		diff <(sort "$v/members.tsv") <(sort got)
	done
}

@test "golden bundles pass through the programs of today without a change to what they hold" {
	for v in $(versions); do
		for b in plain quantized part; do
			try identity -o out "$v/$b.llmc"
			# all but llmc.json, which names one program more
			diff <(grep -P "^$b\t" "$v/members.tsv" | grep -vP '\t(llmc|end)\.json\t' | cut -f 2-) \
				<(tar -xOf out end.json | jq -r '.members[1:][] | [.name, .size, .xxh3] | @tsv')
		done
	done
}

@test "golden bundles give the weights that they gave" {
	for v in $(versions); do
		for b in plain quantized; do
			rm -rf dir
			try llmc-pack -f hf --dequantize -o dir "$v/$b.llmc"
			diff <(grep -P "^$b\t" "$v/weights.tsv" | cut -f 2-) <(mksthash dir/model.safetensors)
		done
	done
}

@test "golden bundles are read by the plain reader in Python, which gives the same weights" {
	require cmd python3
	for v in $(versions); do
		for b in plain quantized part; do
			try "$ROOT/examples/read_bundle.py" "$v/$b.llmc"
		done
		while IFS=$'\t' read -r name row; do
			try "$ROOT/examples/read_bundle.py" "$v/quantized.llmc" 0 "$name"
			[ "$output" = "$row" ]
		done <"$v/rows.tsv"
	done
}

@test "golden models and golden tokens give the perplexity that they gave" {
	for v in $(versions); do
		while IFS=$'\t' read -r b ppl; do
			try llmc-eval ppl -d ref --tokens "$v/tokens.llmc" "$v/$b.llmc"
			about "$(cut -f 1 <<<"${lines[1]}")" "$ppl" 1e-5
		done <"$v/ppl.tsv"
	done
}
