# Bundles and token sets that mean ill, as hostile.bats has checkpoints: each kind with its status and its message.
load helpers
load hostile

@test "a manifest: values of the wrong type, negative, absurd, of a later version" {
	mkbundle --layers 2 --width 16 -o m.llmc
	unpack m.llmc
	n=0
	while IFS='|' read -r status text edit; do
		[ -n "$status" ] || continue
		case=$edit
		edited llmc.json "$edit"
		bad "$status" "$text" llmc-info new
		n=$((n + 1))
	done <<-'END'
		3|'llmc' is missing|del(.llmc)
		3|'llmc' is not a whole number|.llmc = "1"
		3|'llmc' is not a whole number|.llmc = 1.5
		3|'llmc' is 0|.llmc = 0
		3|'llmc' is not a whole number|.llmc = 1e300
		4|a bundle of version 2|.llmc = 2
		3|'requires' is not a list|.requires = {"a": 1}
		4|requires 'experts'|.requires = ["experts"]
		4|requires '?'|.requires = [1]
		4|requires 'window'|.requires = ["cap_attn", "window"]
		3|'pg' is not a list|.pg = "x"
		3|'pg' is not a list of at most 10000|.pg = [range(10001) | {id: "a", tool: "b"}]
		3|without 'id'|.pg = [{"tool": "x"}]
		3|without 'id'|.pg = [1]
		3|no proper 'kind'|.kind = 1
		3|has no description|del(.model)
		3|has no description|.model = []
		3|no proper 'family'|.model.family = ("x" * 100)
		3|'n_layer' is missing|del(.model.n_layer)
		3|'n_layer' is 0|.model.n_layer = 0
		3|'n_layer' is -1|.model.n_layer = -1
		3|'n_layer' is 1025|.model.n_layer = 1025
		3|'n_layer' is not a whole number|.model.n_layer = "2"
		3|'d_model' is 1099511627776|.model.d_model = 1099511627776
		3|'d_model' is not a whole number|.model.d_model = 1e300
		3|heads are not a multiple|.model.n_kv = 3
		3|too wide|.model.n_head = 65536 | .model.n_kv = 1 | .model.d_head = 65536
		3|'eps' is out of range|.model.eps = -1
		3|'eps' is out of range|.model.eps = 1e999
		4|'norm' is 'later'|.model.norm = "later"
		3|'norm' is not a string|.model.norm = 1
		3|'gated' is neither|.model.gated = 1
		3|dtype|.model.dtype = "I8"
		3|'cap_attn' is out of range|.model.cap_attn = -1
		3|'type' is missing|.model.rope = null
		4|'type' is 'spiral'|.model.rope.type = "spiral"
		3|rotated elements|.model.rope.dim = 3
		3|rotated elements|.model.rope.dim = 4096
		3|'base' is out of range|.model.rope.base = 0
		4|flag 'later'|.model.flags = ["later"]
		4|flag '?'|.model.flags = [[]]
		3|'flags' is not a list|.model.flags = {"tied": 1}
		3|'flags' is not a list|.model.flags = "tied"
		3|'window_layers' is not a list|.model.window_layers = 1
		3|no layer|.model.window_layers = [2]
		3|no layer|.model.window_layers = [0.5]
		3|'blocks' of the manifest|.blocks = 1
		3|'blocks' of the manifest|.blocks = [1, 0]
		3|'blocks' of the manifest|.blocks = [0, 0]
		3|'blocks' of the manifest|.blocks = ["embed", 2]
		3|where|.blocks = []
		3|'attn.q.weight' is [16,16], the model makes it [32,16]|.model.d_head = 8
	END
	[ "$n" -eq 52 ]
	# what came later may be absent when it is off, and is listed when it is on
	edited llmc.json 'del(.model.cap_attn, .model.cap_logit)'
	try llmc-info -c new
	edited llmc.json '.model.cap_attn = 50'
	try identity --no-pg -o capped new
	try_sh 'tar xOf capped llmc.json | jq -c .requires'
	[ "$output" = '["cap_attn"]' ]
	try_sh 'identity --no-pg capped | tar xOf - llmc.json | jq -c .requires'
	[ "$output" = '["cap_attn"]' ]
	unpack capped
	edited llmc.json '.model.cap_attn = 0'
	try_sh 'identity --no-pg new | tar xOf - llmc.json | jq -c .requires'
	[ "$output" = '[]' ]
}

@test "notes, records and trailers that are wrong and consistent" {
	mkbundle --layers 2 --width 16 --quant int4:g8:asym -o q.llmc
	unpack q.llmc
	n=0
	while IFS='|' read -r status text file edit; do
		[ -n "$status" ] || continue
		case=$edit
		edited "$file" "$edit"
		bad "$status" "$text" llmc-info new
		n=$((n + 1))
	done <<-'END'
		3|'block/0001.json' is not an object|block/0001.json|[]
		3|'kind' is not a string|block/0001.json|.kind = 1
		4|kind 'moe'|block/0001.json|.kind = "moe"
		3|'q' of the note is not an object|block/0001.json|.q = []
		3|tensor 'attn.q.weight' is missing|block/0001.json|del(.q["attn.q.weight"])
		3|a record of 'attn.z.weight', which is not there|block/0001.json|.q["attn.z.weight"] = .q["attn.q.weight"]
		3|no proper 'spec'|block/0001.json|.q["attn.q.weight"] = 4
		3|no proper 'spec'|block/0001.json|del(.q["attn.q.weight"].spec)
		3|no proper 'shape'|block/0001.json|del(.q["attn.q.weight"].shape)
		3|no proper 'shape'|block/0001.json|.q["attn.q.weight"].shape = [16]
		3|no proper 'shape'|block/0001.json|.q["attn.q.weight"].shape = [32, 8]
		3|no proper 'shape'|block/0001.json|.q["attn.q.weight"].shape = ["16", 16]
		3|record of 'attn.q.weight': 'int99|block/0001.json|.q["attn.q.weight"].spec = "int99"
		3|record of 'attn.q.weight': |block/0001.json|.q["attn.q.weight"].spec = "int4:g0"
		3|record of 'attn.q.weight': |block/0001.json|.q["attn.q.weight"].spec = "int4:g99999999999999999999"
		4|record of 'attn.q.weight': |block/0001.json|.q["attn.q.weight"].spec = "nf4"
		3|nothing that is quantized|block/0001.json|.q["attn.q.weight"].spec = "none"
		3|scale' is [16,2], the model makes it [16,1]|block/0001.json|.q["attn.q.weight"].spec = "int4:channel:asym"
		3|unknown tensor 'attn.q.weight.zero'|block/0001.json|.q["attn.q.weight"].spec = "int4:g8"
		3|above 3|block/0001.json|.q["attn.q.weight"].spec = "int2:g8:asym"
		3|scales of type|block/0001.json|.q["attn.q.weight"].scale_dtype = "I8"
		3|dtype 'Q4'|block/0001.json|.q["attn.q.weight"].dtype = "Q4"
		3|scale' is [16,2], the model makes it [16,1]|block/0001.json|.q["attn.q.weight"].spec = "int4:tensor:asym"
		3|'report' is not an object|end.json|.report = []
		3|no ledger|end.json|del(.ledger)
		3|no ledger|end.json|.ledger = []
		3|ledger: not an array|end.json|.ledger = {}
		3|ledger: not an array|end.json|.ledger = null
		3|a stage without a name|end.json|.ledger[0].stage = 1
		3|no proper 'kept'|end.json|.ledger[0].kept = -1
		3|no proper 'in'|end.json|.ledger[0].in = 1e300
		3|no proper 'dropped'|end.json|.ledger[0].dropped = 0
		3|accounts for|end.json|.ledger[0].kept += 1
		3|were handed on, the blocks have|end.json|.ledger[0].kept += 1 | .ledger[0].in += 1
	END
	[ "$n" -eq 34 ]
	# the list of members, which remake would set right
	while IFS='|' read -r text edit; do
		case=$edit
		jq -c "$edit" x/end.json >end && cp -r x y && mv end y/end.json
		tar -C y -cf new -T x.list
		rm -r y
		bad 3 "$text" llmc-info new
	done <<-'END'
		no list of members|del(.members)
		no list of members|.members = {}
		entry 0 is not a member's|.members[0] = 1
		entry 1 is not a member's|.members[1].size = -1
		entry 1 is not a member's|.members[1].size = 1e300
		entry 1 is not a member's|.members[1].xxh3 = 5
		is damaged|.members[1].xxh3 = "0123456789abcdef0123456789abcdef"
		bytes,|.members[1].size += 1
		where 'tokenizer/tokenizer.json' is|.members[1].name = "../x"
		which is not there|.members += [.members[0]]
		is not in the list|.members |= .[:-1]
	END
}

@test "keys that nobody knows, without number: passed on in a time that grows as they do" {
	mkbundle --layers 1 --width 16 -o m.llmc
	unpack m.llmc
	for f in llmc.json block/0000.json end.json; do
		jq -c '. + ([range(200000) | {key: "k\(.)", value: .}] | from_entries)' x/$f >l && mv l x/$f
	done
	remake
	try timeout 100 llmc-quant -w int8 -o out new
	[ "$(tar -xOf out block/0000.json | jq -c .k199999)" = 199999 ]
	[ "$(tar -xOf out end.json | jq -c .k199999)" = 199999 ]
	rm out
	jq -c '.report = ([range(10001) | {key: "k\(.)", value: .}] | from_entries)' x/end.json >l && mv l x/end.json
	remake
	bad 3 "'report' is not an object of at most 10000" llmc-info new
}

@test "what a bundle says of itself is shown without what a terminal would obey" {
	mkbundle --layers 1 --width 16 -o m.llmc
	unpack m.llmc
	edited llmc.json '.pg[0].tool = "a\u001b[2Jb\u009b31mc\td\u007f"'
	try llmc-info new
	has $'a?[2Jb??31mc?d?\t'
	try_sh -3 'head -c 12000 new | identity -o out'
	has '(from a?[2Jb??31mc?d?)'
}

@test "files that a bundle brings along take no other's place, and stay in the directory" {
	require file "$DEMO/config.json"
	bundle m.llmc
	unpack m.llmc
	for name in extra/model.safetensors extra/model-00001-of-00001.safetensors tokenizer/model.safetensors.index.json \
		extra/.hidden extra/README.md; do
		cp x.list keep.list
		sed -i "s|^extra/config.json|&\n$name|" x.list
		echo '{}' >"x/$name"
		remake
		case=$name
		bad 3 "member '$name' would take the place of another file" llmc-pack -f hf -o out new
		mv keep.list x.list
		rm "x/$name"
	done
	mkdir x/extra/sub
	echo >x/extra/sub/y
	sed -i "s|^extra/config.json|&\nextra/sub/y|" x.list
	remake
	bad 3 'sub/y' llmc-pack -f hf -o out new
}

# at FILE NAME: where the data of a tensor begin in a safetensors file.
at() {
	local n
	n=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
	echo $((8 + n + $(tail -c +9 "$1" | head -c "$n" | jq --arg n "$2" '.[$n].data_offsets[0]')))
}
# poke FILE OFFSET WORD...: bytes over those that are there.
poke() {
	mkbytes "${@:3}" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "weights and scales: not finite, zero, denormal; codes off their grid; permutations that are none" {
	for x in nan inf -inf; do
		mkbundle --layers 1 --width 16 --plant $x -o w.llmc
		fails 1 "block 0: tensor 'attn.q.weight' is not finite at element 0" llmc-info -c w.llmc
		bad 3 'not finite' llmc-quant -w int4:g8 -o out w.llmc
	done
	mkbundle --layers 1 --width 16 --quant int4:g8:asym -o q.llmc
	b=x/block/0000.safetensors
	while IFS='|' read -r text name offset words; do
		unpack q.llmc
		case="$name $words"
		poke $b $(($(at $b "$name") + offset)) "$words"
		remake
		bad 3 "block 0: 'attn.q.weight': $text" llmc-info new
		try -1 llmc-info -c new
	done <<-'END'
		scale 0 is 0|attn.q.weight.scale|0|u32:0
		scale 1 is -0|attn.q.weight.scale|4|u32:0x80000000
		scale 2 is nan|attn.q.weight.scale|8|u32:0x7fc00000
		scale 0 is inf|attn.q.weight.scale|0|f32:inf
		scale 0 is -1|attn.q.weight.scale|0|f32:-1
		scale 0, 0.1, is not a value of BF16|attn.q.weight.scale|0|f32:0.1
		code 5 is 16, above 15|attn.q.weight.code|5|u8:16
		zero 3 is 255, above 15|attn.q.weight.zero|3|u8:255
	END
	# a scale may be as small as its type has it
	unpack q.llmc
	poke $b "$(at $b attn.q.weight.scale)" u32:0x00010000
	remake
	try llmc-info -c new
	try identity -o a new
	rm a
	# a checkpoint's weights
	checkpoint
	mkbytes "st:{$(t model.embed_tokens.weight 0 128 4,8)}" zero:60 u32:0x7f800000 zero:64 >c/model.safetensors
	bad 3 "is missing" llmc-import -o out c
}

@test "a tar: nothing in it that the digests do not cover" {
	mkbundle --layers 1 --width 16 -o m.llmc
	# a byte of what fills up a member: after each of them
	tar -tRf m.llmc | sed -nE 's/^block ([0-9]+): (.*)/\1 \2/p' | grep -v NULs >heads
	while read -r block name; do
		size=$(tar -xOf m.llmc "$name" | wc -c)
		[ $((size % 512)) -ne 0 ] || continue
		cp m.llmc new
		poke new $((block * 512 + 512 + size)) u8:1
		case=$name
		bad 3 "what fills up '$name' is not zeros" llmc-info new
		try_sh -3 'cat new | identity -o out'
		cp m.llmc new
		poke new $((block * 512 + (size + 511) / 512 * 512 + 511)) u8:1
		bad 3 "what fills up '$name' is not zeros" llmc-info new
		n=$((${n-0} + 1))
	done <heads
	[ "$n" -ge 4 ]
	# members of types that no bundle has, before extra/config.json
	at=$(($(grep 'extra/config' heads | cut -d ' ' -f 1) * 512))
	head -c $at m.llmc >front
	tail -c +$((at + 1)) m.llmc >back
	while IFS='|' read -r type size data text; do
		case="$type $size"
		mkbytes "tar:extra/x:$size:$type" >mid
		{ cat front mid; printf '%s' "$data"; head -c $(((512 - ${#data} % 512) % 512)) /dev/zero; cat back; } >new
		bad 3 "$text" llmc-info new
		try_sh -3 'cat new | identity -o out'
	done <<-'END'
		K|0||not a plain file
		V|0||not a plain file
		X|0||not a plain file
		g|0||not a plain file
		g|00000000014|12 comment=a|not a plain file
		x|0||an extension ('x') of 0 bytes
		L|0||an extension ('L') of 0 bytes
		x|77777777777||an extension ('x') of 8589934591 bytes
		A|0||not a plain file
		D|0||not a plain file
		M|0||not a plain file
		N|0||not a plain file
		S|0||not a plain file
		1|0||not a plain file
		2|0||not a plain file
		3|0||not a plain file
		6|0||not a plain file
		7|0||not a plain file
	END
	# two of one kind, and one that belongs to nothing
	mkbytes tar:ext:00000000015:x '13 comment=a' hex:0A pad:512 >ext
	cat front ext back >new
	try identity --no-pg -o a new
	try identity --no-pg -o b m.llmc
	same a b
	rm a b
	cat front ext ext back >new
	bad 3 "two extensions ('x') of one member" llmc-info new
	head -c -1024 m.llmc >new
	cat ext >>new
	head -c 1024 /dev/zero >>new
	bad 3 'an extension without its member' llmc-info new
	# sizes: larger than what there is, of another base, of no base
	for size in 77777777777 00000001000; do
		mkbytes tar:llmc.json:$size:0 >new
		tail -c +513 m.llmc >>new
		bad 3 '' llmc-info new
	done
	# a pax record that gives a member another size
	{ mkbytes tar:ext:00000000025:x '21 size=999999999999' hex:0A pad:512; cat m.llmc; } >new
	bad 3 "'llmc.json' of 999999999999 bytes" llmc-info new
	# a bomb
	{ mkbytes tar:llmc.json:77777777777:0; head -c 300000000 /dev/zero; } | gzip >new
	bad 3 "'llmc.json' of 8589934591 bytes" llmc-info new
}

@test "token sets: what is no table of ids, and ids that the model does not have" {
	mkbundle --layers 1 --width 16 --vocab 64 -o m.llmc
	ids() { printf '{"input_ids":{"dtype":"%s","shape":[%s],"data_offsets":[0,%s]}}' "$1" "$2" "$3"; }
	n=0
	while IFS='|' read -r text words; do
		[ -n "$text" ] || continue
		# shellcheck disable=SC2034
		case=$words
		eval "mkbytes $words" >t.st
		bad 3 "$text" llmc-eval ppl --tokens t.st m.llmc
		n=$((n + 1))
	done <<-'END'
		no tensor 'input_ids'|"st:{$(t ids 0 8 2 I32)}" zero:8
		is not [rows, tokens]|"st:$(ids I32 '' 4)" zero:4
		is not [rows, tokens]|"st:$(ids I32 1,1,2 8)" zero:8
		is not [rows, tokens]|"st:$(ids I32 0,2 0)"
		is F32, not I32 or I64|"st:$(ids F32 1,2 8)" zero:8
		row 0, column 1: -1 is no token id|"st:$(ids I32 1,2 8)" u32:5 u32:-1
		row 1, column 0: 4294967296 is no token id|"st:$(ids I64 2,1 16)" u64:5 u64:0x100000000
		overflows|"st:$(ids I64 4294967296,4294967296 16)" zero:16
		do not hold|"st:$(ids I32 2,4 8)" zero:8
		token 64, but the model's vocabulary has 64|"st:$(ids I32 1,4 16)" u32:1 u32:2 u32:64 u32:3
		something after the JSON value|"st:$(ids I32 1,2 8)x" zero:8
		not a bundle, or truncated|u64:99
	END
	[ "$n" -eq 12 ]
	unpack "$ROOT/tests/fuzz/corpus/fuzz_tokens/bundle"
	sed -i '/tokens.safetensors/d' x.list
	remake
	bad 3 "no member 'tokens.safetensors'" llmc-eval ppl --tokens new m.llmc
	fails 1 "no member 'tokens.safetensors'" llmc-info -c new
	bad 3 "holds model, not tokens" llmc-eval ppl --tokens m.llmc m.llmc
}

@test "a checkpoint where a bundle is wanted: told what makes one of it" {
	checkpoint
	mkbytes "st:{$(t a 0 8)}" zero:8 >a.safetensors
	mkbytes GGUF u32:3 zero:64 >a.gguf
	mkdir empty
	bad 3 'not a bundle but a directory: llmc-import makes one of it' llmc-quant -w int8 -o out c
	bad 3 'not a bundle but a safetensors file: llmc-import makes one of it' llmc-quant -w int8 -o out a.safetensors
	bad 3 'not a bundle but a GGUF file: llmc-import makes one of it' llmc-quant -w int8 -o out a.gguf
	bad 3 'not a bundle but a directory' llmc-quant -w int8 -o out empty
	lacks llmc-import
}

@test "files that change while they are read" {
	cp -r "$DEMO" c
	chmod -R u+w c
	# the importer waits for its reader, which meanwhile writes into the weights
	stages 'llmc-import c | { head -c 5000; sleep 0.5; printf x | dd of=c/model.safetensors bs=1 seek=4000000 conv=notrunc; cat; } >/dev/null 2>&1' 3 0
	has "'c/model.safetensors' changed while it was read"
	mkbundle --layers 2 --width 512 -o m.llmc
	[ "$(wc -c <m.llmc)" -gt 4000000 ]
	stages 'identity m.llmc | { head -c 5000; sleep 0.5; touch -d yesterday m.llmc; cat; } >/dev/null 2>&1' 3 0
	has 'm.llmc: changed while it was read'
	# cut off under a map: a signal, and nothing in its place
	stages 'llmc-import -o out c | cat' 0 0
	mv out m.llmc
	stages 'identity m.llmc | { head -c 5000 >/dev/null; sleep 0.5; : >m.llmc; identity -o out; }' '*' 3
	absent out
}

@test "a bundle whose names make one of two tensors" {
	bundle m.llmc
	unpack m.llmc
	case="an embedding that is layer 0's"
	edited llmc.json '.requires += ["roles"] | .names.roles = {embed: "q0", "norm.attn": "a%L", "attn.q": "q%L", "attn.k": "k%L",
		"attn.v": "v%L", "attn.o": "o%L", "norm.mlp": "m%L", "mlp.gate": "g%L", "mlp.up": "u%L", "mlp.down": "d%L",
		"norm.final": "n", head: "h"}'
	bad 3 "two tensors would be called 'q0.weight'" llmc-pack -f hf -o d new
	absent d
	# shellcheck disable=SC2034
	case="matrices that do not fit side by side"
	edited llmc.json '.requires += ["roles"] | .names = {roles: {embed: "e", "norm.attn": "a%L", "attn.q": "q%L", "attn.k": "k%L",
		"attn.v": "v%L", "attn.o": "o%L", "norm.mlp": "m%L", "mlp.up": "u%L", "norm.final": "n", head: "h"},
		fused: [{name: "z%L", as: "rows", roles: ["mlp.gate", "mlp.down"]}]}'
	bad 3 "its rows are of another width" llmc-pack -f hf -o d new
}

@test "a bundle that carries towers along: not what its manifest says, names of others, out of order" {
	require shared fixtures/families/llava
	llmc-import "$SHARED/fixtures/families/llava" -o m.llmc
	unpack m.llmc
	n=0
	while IFS='|' read -r status text edit; do
		[ -n "$status" ] || continue
		case=$edit
		edited llmc.json "$edit"
		bad "$status" "$text" llmc-pack -f hf -o d new
		absent d
		n=$((n + 1))
	done <<-'END'
		3|'carried' of the manifest is not a list|.carried = 1
		3|no proper 'bytes'|.carried[2] = 1
		3|no proper 'bytes'|del(.carried[0].bytes)
		3|'bytes' is -1|.carried[0].bytes = -1
		3|'vision/0001.safetensors' is not what the manifest says|.carried[1].bytes += 1
		3|'vision/0001.safetensors' is not what the manifest says|.carried[1].tensors = 3
		3|has 1 of 5 members of what is carried|.carried |= reverse
		3|has 5 of 6 members of what is carried|.carried[5] = {member: "a", tensors: 1, bytes: 1}
		3|no proper 'trunk' and 'rest'|del(.names.rest)
		3|no proper 'trunk' and 'rest'|.names.trunk = ("x" * 100)
		4|requires 'towers'|.requires += ["towers"]
		3|which the ledger says is carried along|.carried |= .[:4]
		3|which the ledger says is carried along|del(.carried)
	END
	[ "$n" -eq 13 ]
	case="a member less"
	cp x.list list
	grep -v vision/0003 list >x.list
	remake
	bad 3 "has 3 of 5 members of what is carried" llmc-pack -f hf -o d new
	case="behind blocks"
	{ grep -v vision/0004 list | grep -v end.json; echo vision/0004.safetensors; echo end.json; } >x.list
	remake
	bad 3 "'vision/0004.safetensors' comes after blocks" llmc-pack -f hf -o d new
	# shellcheck disable=SC2034
	case="a name of the language model's"
	cp list x.list
	sed 's/multi_modal_projector.linear_1.weight/language_model.lm_head.weight/' x/vision/0004.safetensors >v
	mksthead v x/vision/0004.safetensors
	remake
	bad 3 "tensor 'language_model.lm_head.weight' comes twice" llmc-pack -f hf -o d new
	sed 's/multi_modal_projector.linear_1.weight/vision_tower.vision_model.pre_layrnorm.weight/' v >w
	sed -i 's/language_model.lm_head.weight/vision_tower.vision_model.pre_layrnorm.weight/' w
	mksthead w x/vision/0004.safetensors
	remake
	bad 3 "tensor 'vision_tower.vision_model.pre_layrnorm.weight' comes twice" llmc-pack -f hf -o d new
	absent d
}

@test "names as long as a manifest may have them come out whole" {
	local long trunk

	long=$(printf 'n%.0s' {1..180})
	trunk=${long::63}.
	echo '{"like": "llama", "names": {"roles": {"head": "lm_head"}}}' >m.json
	try llmc-import --model m.json "$DEMO" -o f.llmc
	unpack f.llmc
	edited llmc.json ".names += {trunk: \"$trunk\", rest: \"\"} | .names.roles[\"attn.q\"] = \"model.$long.%L.x\""
	for f in hf vllm; do
		try llmc-pack -f $f -o $f new
		mksthash $f/model.safetensors | cut -f 1 >got
		grep -qx "$trunk$long.0.x.weight" got
	done
}
