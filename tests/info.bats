# llmc-info: what is in a bundle, and whether it is whole.
load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BUILD/tests/unit:$PATH
	mkbundle -o m.llmc && mkbundle --quant int4:g32:asym -o q.llmc
}

@test "llmc-info: the model, its history, its members and its blocks, as tables under '#' headers" {
	try llmc-info m.llmc
	[ "$(cut -f 1-3 <<<"${lines[1]}")" = $'model\tllama\t3' ]
	[ "$(grep -c '^#' <<<"$output")" -eq 4 ]
	# as many fields in each row as its header has
	awk -F '\t' '/^#/ { n = NF } NF != n { print; bad = 1 } END { exit bad }' <<<"$output"
	[ "$(awk -F '\t' '/^#block/ { on = 1; next } on { print $1 }' <<<"$output" | paste -sd ' ')" = 'embed 0 1 2 head' ]
	grep -q '^mkbundle.1' <<<"$output"
	grep -q "^tokenizer/tokenizer.json"$'\t13' <<<"$output"
}

@test "llmc-info: parameters and bits are those that can be counted by hand" {
	# C = 64, F = 128, V = 256, 4 heads of 16, 2 of them for keys: q and o 64x64, k and v 32x64, three of 128x64
	linear=$((2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64))
	all=$((3 * (linear + 2 * 64) + 2 * 256 * 64 + 64))
	try llmc-info -j m.llmc
	[ "$(field .parameters)" -eq $all ]
	[ "$(field .bits_per_weight)" -eq 16 ]
	try llmc-info -j q.llmc
	# 4 bits a code; for each 32 of them a scale of 16 bits and a zero of 4
	about "$(field .bits_per_weight)" 4.625 1e-12
	about "$(field .bits_per_parameter)" "$(awk -v a=$all -v l=$((3 * linear)) 'BEGIN { print (4.625 * l + 16 * (a - l)) / a }')" 1e-5
	mkbundle --quant int3:channel -o c.llmc
	try llmc-info -j c.llmc
	# rows of 64 columns but for mlp.down's 128: a scale of 16 bits each
	about "$(field .bits_per_weight)" "$(awk -v l=$linear 'BEGIN { print 3 + 16 * (64 + 64 + 32 + 32 + 128 + 128 + 64) / l }')" 1e-5
}

@test "llmc-info: -l lists every tensor with its shape" {
	try llmc-info -l q.llmc
	grep -qP '^1\tattn.k.weight\t\[32,64\]\tint4:g32:asym\tBF16\t2048\t4.625$' <<<"$output"
	grep -qP '^head\tnorm.final.weight\t\[64\]\tBF16\t-\t64\t16$' <<<"$output"
	[ "$(awk '/^#block\ttensor\t/ { on = 1; next } on' <<<"$output" | wc -l)" -eq 30 ]
}

@test "llmc-info: -j has it all: manifest, members, blocks, ledger, and tensors with -l" {
	try llmc-info -j -l m.llmc
	field '.manifest.model.d_model == 64 and .kind == "model" and .whole and (.blocks | length) == 5 and
		(.tensors | length) == 30 and .ledger[0].kept == 30 and .manifest.pg[0].tool == "llmc-mkbundle"'
}

@test "llmc-info: through a pipe it says the same" {
	try llmc-info m.llmc
	a=$output
	try_sh 'cat m.llmc | llmc-info'
	[ "$output" = "$a" ]
}

@test "llmc-info -c: says nothing and 0 of whole bundles, 1 and why of others" {
	try llmc-info -c m.llmc q.llmc
	[ -z "$output$stderr" ]
	try_sh 'llmc-info -c <m.llmc'
	head -c 100000 m.llmc >cut
	fails 1 truncated llmc-info -c cut
	try -1 llmc-info -c m.llmc cut q.llmc
	try -1 llmc-info -q -c cut
	[ -z "$output$stderr" ]
	try -3 llmc-info cut
	[ -z "$output" ]
	fails 3 nowhere llmc-info -c nowhere
}

@test "llmc-info -c: finds what digests cannot: a bundle that is wrong and consistent" {
	mkdir x && tar -C x -xf q.llmc && tar -tf q.llmc | grep -v end.json >list
	# code 31 in a grid of four bits
	at=$(LC_ALL=C grep -obUa '"attn.q.weight.code"' x/block/0001.safetensors | cut -d : -f 1)
	[ "$at" -gt 0 ]
	size=$(wc -c <x/block/0001.safetensors)
	printf '\037' | dd of=x/block/0001.safetensors bs=1 seek=$((size - 1)) conv=notrunc status=none
	while read -r n; do printf '%s %s %s\n' "$n" "$(wc -c <"x/$n")" "$(mkdigest "x/$n")"; done <list |
		jq -Rnc --slurpfile old x/end.json '$old[0] + {members: [inputs | split(" ") |
			{name: .[0], size: (.[1] | tonumber), xxh3: .[2]}]}' >end
	mv end x/end.json
	tar -C x -cf bad -T list end.json
	fails 1 'block 1' llmc-info -c bad
}

@test "llmc-info: token bundles have a row and their members" {
	mkbundle --kind tokens -o t.llmc
	try llmc-info t.llmc
	[ "$(cut -f 1 <<<"${lines[1]}")" = tokens ]
	fails 1 "no member 'tokens.safetensors'" llmc-info -c t.llmc
	try llmc-info -c "$ROOT/tests/fuzz/corpus/fuzz_tokens/bundle"
}

@test "llmc-info: misuse" {
	fails 2 'one bundle' llmc-info m.llmc q.llmc
	try_sh -5 'llmc-info m.llmc >/dev/full'
	mkbundle --kind plan -o p.llmc
	try llmc-info p.llmc
}
