# Hostile weights of every family: those of each fixture, altered tensor by tensor, and indexes of them, as
# hostile_families.bats has configurations.
load helpers
load hostile
load fixtures

# What becomes of a tensor's entry in the header; data stay, but where more are added.
# shellcheck disable=SC2016     # variables of jq
TENSORS='
another shape|refused|($names | map(select($h[.].shape | length == 2 and .[0] != .[1]))[0]) as $n | .[$n].shape |= reverse
of a higher dimension|refused|.[$names[0]].shape |= [1] + .
numbers of another kind|refused|($names | map(select($h[.].dtype == "F32"))[0] // $names[0]) as $n | .[$n].dtype |= (if . == "F32" then "I32" else "I16" end)
of a type unknown|refused|.[$names[0]].dtype = "X9"
larger than its data|refused|.[$names[0]].shape[0] *= 2
without end|refused|.[$names[0]].shape[0] = 9223372036854775807
none at all|refused|{}
a layer beyond the last|refused|with_entries(.key |= sub("(?<a>\\.(layers|h|blocks)\\.)0\\."; "\(.a)77."))
a layer by another number|refused|with_entries(.key |= sub("(?<a>\\.(layers|h|blocks)\\.)0\\."; "\(.a)00."))
a layer below the first|refused|with_entries(.key |= sub("(?<a>\\.(layers|h|blocks)\\.)0\\."; "\(.a)-1."))
an expert beyond the last|experts|with_entries(.key |= sub("experts\\.0\\."; "experts.99999."))
an expert below the first|experts|with_entries(.key |= sub("experts\\.0\\."; "experts.-1."))
named otherwise|refused|.["later.weight"] = .[$names[0]] | del(.[$names[0]])
a part unknown|refused|.[$names[0] + "s"] = .[$names[0]] | del(.[$names[0]])
one more|refused|.["later.weight"] = {dtype: "F32", shape: [1], data_offsets: [$over, $over + 4]}
a name too long|refused|.["x" * 5000] = {dtype: "F32", shape: [1], data_offsets: [$over, $over + 4]}
two in one place|refused|.["later.weight"] = .[$names[0]]'
# Of the language model, by name; and where the data end.
# shellcheck disable=SC2016
HEADER='del(.__metadata__) | . as $h | ([keys[] | select(test("vision|visual|projector|mlp1|inv_freq|scale_inv|image_newline") | not)]) as $names |
	([.[].data_offsets[1]] | max) as $over'

weights() {
	local from n end

	from=$(readlink c/model.safetensors) || return 0        # in shards: none of the first of families is
	cp "$1/config.json" c/
	n=$(od -An -t u8 -N 8 "$from")
	tail -c +9 "$from" | head -c "$n" >header.json
	tail -c +$((9 + n)) "$from" >data
	while IFS='|' read -r what must edit; do
		[ -n "$what" ] || continue
		[ "$must" != experts ] || grep -q 'experts\.0\.' header.json || continue
		rm -f c/model.safetensors
		# by way of a file: an argument has its limits
		jq -c "$HEADER | $edit" header.json | mkhead >c/model.safetensors
		cat data >>c/model.safetensors
		case $what in
		'one more' | 'a name too long') mkbytes zero:4 >>c/model.safetensors ;;
		esac
		judge "$what" refused
	done <<<"$TENSORS"
	# the last of the data is gone
	end=$(jq "$HEADER | [.[].data_offsets[0]] | max" header.json)
	name=$(jq -r "$HEADER | to_entries | max_by(.value.data_offsets[0]).key" header.json)
	jq -c "$HEADER | del(.[\"$name\"])" header.json | mkhead >c/model.safetensors
	head -c "$end" data >>c/model.safetensors
	case $name in
	*lm_head* | *vision* | *visual* | *mlp1* | *projector* | *newline*) judge "without $name" any ;;
	*) judge "without $name" refused ;;
	esac
	# a number that is none, in every type of float
	end=$(jq "$HEADER | .[\$names[0]].data_offsets[0]" header.json)
	{ mkhead <header.json; head -c "$end" data; mkbytes hex:FFFFFFFF; tail -c +$((end + 5)) data; } >c/model.safetensors
	judge 'not a number' refused
	rm c/model.safetensors
}
mkhead() {      # the header that a line of JSON makes
	local text pad

	text=$(cat)
	pad=$(((8 - ${#text} % 8) % 8))
	mkbytes u64:$((${#text} + pad))
	printf "%s%${pad}s" "$text" ''
}

@test "weights of every family: shapes, types, names, numbers of layers and experts, more tensors and fewer, not numbers" {
	each weights
	[ "$tried" -gt 300 ]
}

# Indexes of shards, of the one file under its name in shards.
# shellcheck disable=SC2016     # variables of jq
INDEXES='
a directory before it|.[$k] = "sub/" + .[$k]
a directory above|.[$k] = "../" + .[$k]
from the root|.[$k] = "/dev/zero"
the index itself|map_values("model.safetensors.index.json")
the configuration|.[$k] = "config.json"
a file that is not there|.[$k] = "model-00009-of-00001.safetensors"
the same tensors in two|.[$k] = "again.safetensors"
a tensor more|. + {"later.weight": .[$k]}
a tensor less|del(.[$k])
another name|. + {(($k) + "s"): .[$k]} | del(.[$k])
a number|.[$k] = 1
a list|.[$k] = [.[$k]]
none|{}'

indexes() {
	local from

	from=$(readlink c/model.safetensors) || return 0
	cp "$1/config.json" c/
	mv c/model.safetensors c/model-00001-of-00001.safetensors
	ln -s "$from" c/again.safetensors
	mkdir c/sub
	ln -s "$from" c/sub/model-00001-of-00001.safetensors
	ln -sf "$from" model-00001-of-00001.safetensors
	tail -c +9 "$from" | head -c "$(od -An -t u8 -N 8 "$from")" |
		jq -c 'del(.__metadata__) | map_values("model-00001-of-00001.safetensors")' >map
	jq -c '{weight_map: .}' map >c/model.safetensors.index.json
	judge 'a proper index' any
	[ ! -s err ]
	while IFS='|' read -r what edit; do
		[ -n "$what" ] || continue
		jq -c "keys[0] as \$k | {weight_map: ($edit)}" map >c/model.safetensors.index.json
		judge "$what" refused
	done <<<"$INDEXES"
	sed 's/^{\("[^"]*"\)/{"weight_map":{\1:"model-00001-of-00001.safetensors",\1/; s/$/}/' map >c/model.safetensors.index.json
	judge 'a tensor twice' refused
}

@test "indexes of shards of every family: names that lead elsewhere, circles, tensors twice, of other shards, of none" {
	each indexes
}
