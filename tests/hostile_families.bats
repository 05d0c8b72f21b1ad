# Hostile configurations of every family: that of each fixture, altered key by key.  Whatever comes of it comes soon, in
# little memory, in one line, and leaves nothing behind.
load helpers
load hostile
load fixtures

# Keys that sizes follow from, by any family's word.
SIZE='^(n_layers?|num_(hidden_)?layers|hidden_size|n_embe?d|num_attention_heads|n_head|num_key_value_heads|num_kv_heads|intermediate_size|ffn_dim|ffn_hidden_size|moe_intermediate_size|shared_expert_intermediate_size|num_(local_)?experts|n_routed_experts|num_experts_per_tok|kv_lora_rank|qk_rope_head_dim|qk_nope_head_dim|v_head_dim|vocab_size)$'

# Of the many values of keys, one in so many is tried, another of each family: with 1, all, which takes minutes.
EVERY=${LLMC_HOSTILE_EVERY:-7}

# Every key with another value, a line each: what, whether it has to be refused, the configuration.
# shellcheck disable=SC2016     # variables of jq
VALUES='. as $c | ([paths(type == "number")] | map(select(all(.[]; type == "string") and
	(any(.[]; test("vision|visual|quantization")) | not)))) as $keys |
	($keys[] | . as $p | .[-1] as $k | ($k | test($size)) as $size |
		((-1, 1e300, "many", [1], 0.5, 4294967296) | [., if $size then "refused" else "any" end]),
		(([null, 0] | .[]), (($c | getpath($p)) | . + 1, . * 1000003) | [., "any"]) | . as [$v, $must] |
		["\($p | join(".")) \($v)", $must, ($c | setpath($p; $v))]),
	($keys[] | . as $p | ["no \(join("."))", "any", ($c | delpaths([$p]))]),
	($c | [paths(type == "string" or type == "boolean")] | .[] | select(all(.[]; type == "string")) | . as $p |
		(7, "", "x", {}) | ["\($p | join(".")) \(.)", "any", (. as $v | $c | setpath($p; $v))]),
	(["no architecture", "refused", ($c | del(.architectures))], ["an architecture that is a number", "refused",
		($c | .architectures = [1])], ["another type", "any", ($c | .model_type = "later")],
		["layers without end", "refused", ($c | walk(if type == "object" then with_entries(if (.key |
		test("^(n_layer|num_hidden_layers|num_layers)$")) then .value = 1000000000 else . end) else . end))])'

values() {
	nth=$((${nth-0} + 1))
	while IFS=$'\t' read -r what must config; do
		printf '%s' "$config" >c/config.json
		judge "$what" "$must"
	done < <(jq -r --arg size "$SIZE" "$VALUES | [.[0], .[1], (.[2] | tojson)] | join(\"\\t\")" "$1/config.json" |
		awk -v every="$EVERY" -v first=$((nth % EVERY)) 'NR % every == first')
}

@test "configurations of every family: keys absent, zero, negative, huge, of another type, one more, a million times as much" {
	each values
	[ "$tried" -gt $((4000 / EVERY)) ]
}

# What jq would not write.
texts() {
	local text deep

	text=$(jq -c . "$1/config.json")
	deep=$(printf '[%.0s' {1..200})
	while IFS='|' read -r what edit; do
		[ -n "$what" ] || continue
		sed -E "$edit" <<<"$text" >c/config.json
		judge "$what" refused
	done <<-END
		a key twice|s/^\{("[a-z_]+":)/{\1 1,\1/
		not a number|s/^\{/{"x":NaN,/
		infinity|s/^\{/{"x":Infinity,/
		a number that no double holds|s/"(num_hidden_layers|n_layer|num_layers)": ?[0-9]+/"\1":1e999/g
		deep|s/^\{/{"x":$deep,/
		cut|s/.\$//
		something behind|s/\$/ {}/
		a comment|s/^/\/* *\//
	END
	: >c/config.json
	judge 'no bytes' refused
	rm c/config.json
	judge 'no file' refused
	mkdir c/config.json
	judge 'a directory' refused
	rm -r c/config.json
}

@test "configurations of every family: keys twice, numbers that are none, depth, what is cut" {
	each texts
}
