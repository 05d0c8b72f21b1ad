#!/usr/bin/env bats
# llmc-import --model and --as: a model whose architecture nobody knows, described by hand.
load helpers

hash() {
	"$BUILD/tests/unit/mksthash" "$@" | sort
}

# copy FIXTURE [JQ [SED]]: a copy under `model`, its configuration edited, names of its tensors too (in a header of the
# same length).
copy() {
	local d=$SHARED/fixtures/families/$1 n f=model/model.safetensors

	require shared "fixtures/families/$1"
	rm -rf model
	cp -r "$d" model
	chmod -R u+w model
	jq "${2:-.}" "$d/config.json" >model/config.json
	[ -n "${3-}" ] || return 0
	n=$(od -An -t u8 -N 8 "$f" | tr -d ' ')
	tail -c +9 "$f" | head -c "$n" | sed "$3" >head
	[ "$(stat -c %s head)" -eq "$n" ]
	dd if=head of="$f" bs=8 seek=1 conv=notrunc status=none
}

# described [OPTION...]: the copy is imported so; its logits are those of the fixture, and its tensors come back.
described() {
	try llmc-import "$@" model -o f.llmc
	try llmc-eval logits --dtype f32 --tokens model/reference.safetensors -o out.safetensors f.llmc
	try "$BUILD/tests/unit/mkstdiff" out.safetensors model/reference.safetensors
	awk -F'\t' '{ n++; if (!($2 <= 1e-4)) bad = 1 } END { exit bad || n < 1 }' <<<"$output"
	rm -rf back
	try llmc-pack -f hf -o back f.llmc
	hash model/model*.safetensors >want
	hash back/model*.safetensors >got
	same want got
	same model/config.json back/config.json
}

other='.architectures = ["OtherForCausalLM"] | .model_type = "other"'

@test "--as: an architecture that is a known one under another name" {
	copy qwen2 "$other"
	fails 4 OtherForCausalLM llmc-import model -o x.llmc
	described --as qwen2
	fails 4 "'qwen2'" llmc-import --as qwen22 model -o x.llmc
	absent x.llmc
	copy mixtral-t5stacked "$other"
	described --as mixtral
	copy qwen2-tied "$other"
	described --as qwen2
}

@test "--model: the manifest of a bundle describes its model" {
	copy gemma2
	try llmc-import model -o m.llmc
	tar xOf m.llmc llmc.json >m.json
	copy gemma2 "$other"
	described --model m.json
	try llmc-diff m.llmc f.llmc
}

@test "--model: like a family, but for knobs, keys and names" {
	copy minicpm "$other" 's/self_attn.q_proj/attention.q_proj/g; s/embed_tokens/token_embeds/'
	cat >m.json <<-END
		{"like": "llama",
		 "keys": {"scale_emb": "mul_embed", "scale_depth": null, "dim_model_base": null},
		 "model": {"family": "other", "flags": ["tied"], "mul_resid": $(jq '.scale_depth / (.num_hidden_layers | sqrt)' model/config.json),
		 	"mul_logit": $(jq '.dim_model_base / .hidden_size' model/config.json)},
		 "names": {"roles": {"attn.q": "model.layers.%L.attention.q_proj", "embed": "model.token_embeds"}}}
	END
	described --model m.json
	tar xOf f.llmc llmc.json >man.json
	jq -e '.model.family == "other" and (.requires | sort) == ["mul_embed", "mul_logit", "mul_resid", "roles"]' man.json
	# the chain goes on with the names
	try llmc-quant -w int4:g16 f.llmc -o q.llmc
	rm -rf v
	try llmc-pack -f vllm --force -o v q.llmc
	hash v/model.safetensors | cut -f 1 >names
	grep -qx 'model.layers.0.attention.q_proj.weight_packed' names
	try llmc-import --explain -j --model m.json model
	[ "$(field '.knobs[] | select(.knob == "mul_embed").from[]')" = scale_emb ]
	[ "$(field '.knobs[] | select(.knob == "mul_resid").from[]')" = --model ]
	[ "$(field .why)" = '--model says so' ]
}

@test "--model: fused, experts and heads under names of their own" {
	copy gpt-neox "$other" 's/query_key_value/query_key_VALUE/g'
	echo '{"like": "gpt_neox", "names": {"fused": [{"name": "gpt_neox.layers.%L.attention.query_key_VALUE",
		"as": "groups", "roles": ["attn.q", "attn.k", "attn.v"]}]}}' >m.json
	described --model m.json
	copy deepseek-v3 "$other" 's/e_score_correction_bias/E_score_correction_bias/g; s/mlp.experts/mlp.Experts/g'
	echo '{"like": "deepseek_v3", "names": {"roles": {
		"router.bias": "model.layers.%L.mlp.gate.E_score_correction_bias",
		"expert.gate": "model.layers.%L.mlp.Experts.%E.gate_proj", "expert.up": "model.layers.%L.mlp.Experts.%E.up_proj",
		"expert.down": "model.layers.%L.mlp.Experts.%E.down_proj"}}}' >m.json
	described --model m.json
	copy stablelm2-12b "$other" 's/q_layernorm.norms/q_layernorm.Norms/g'
	echo '{"like": "stablelm", "names": {"roles": {"norm.q": "model.layers.%L.self_attn.q_layernorm.Norms.%H"}}}' >m.json
	described --model m.json
	copy phi3 "$other" 's/gate_up_proj/gate_UP_proj/g'
	echo '{"like": "phi3", "names": {"fused": [
		{"name": "model.layers.%L.self_attn.qkv_proj", "as": "rows", "roles": ["attn.q", "attn.k", "attn.v"]},
		{"name": "model.layers.%L.mlp.gate_UP_proj", "as": "rows", "roles": ["mlp.gate", "mlp.up"]}]}}' >m.json
	described --model m.json
}

# refused STATUS TEXT JSON
refused() {
	echo "$3" >m.json
	fails "$1" "$2" llmc-import --model m.json "$DEMO" -o x.llmc
	absent x.llmc
}

@test "a description that is wrong says where" {
	refused 3 'not an object' '[]'
	refused 3 m.json '{'
	refused 3 "no 'modle'; the nearest is 'model'" '{"like": "llama", "modle": {"n_layer": 1}}'
	refused 3 "'names' has no 'rolls'; the nearest is 'roles'" '{"like": "llama", "names": {"rolls": {"attn.q": "x.%L"}}}'
	refused 3 "'names' is not an object" '{"like": "llama", "names": ["roles"]}'
	refused 3 'no names of tensors' '{}'
	refused 3 'no names of tensors' '{"model": {"family": "other"}}'
	refused 4 "nearest is 'llama'" '{"like": "lama"}'
	refused 3 'like' '{"like": 1}'
	refused 3 "no knob 'nlayer'; the nearest is 'n_layer'" '{"like": "llama", "model": {"nlayer": 4}}'
	refused 3 "no knob 'bas'; the nearest is 'base'" '{"like": "llama", "model": {"rope": {"bas": 4}}}'
	refused 3 "'rope' is not an object" '{"like": "llama", "model": {"rope": 1}}'
	refused 3 "'model' is not an object" '{"like": "llama", "model": 1}'
	refused 3 "no knob 'mul_embd'" '{"like": "llama", "keys": {"a": "mul_embd"}}'
	refused 3 "neither a knob" '{"like": "llama", "keys": {"a": 1}}'
	for k in flags window_layers moe_layers cross_layers rope.near rope.far; do
		refused 3 "'a' is '$k', which is a list" '{"like": "mixtral", "keys": {"b": ["d_ff", "tied"], "a": "'$k'"}}'
	done
	refused 3 "'keys' is not an object" '{"like": "llama", "keys": []}'
	refused 3 "'rms_norm_eps' is neither true nor false" '{"like": "llama", "keys": {"rms_norm_eps": "bias_o"}}'
	refused 3 "'n_layer' is 0" '{"like": "llama", "model": {"n_layer": 0}}'
	refused 4 "'act' is 'tanh'" '{"like": "llama", "model": {"act": "tanh"}}'
	refused 3 "'n_head' is missing" '{"model": {"family": "llama", "n_layer": 4, "d_model": 4}}'
	refused 3 "'norm.attn_out.weight', which family 'llama' does not name" '{"like": "llama", "model": {"place": "sandwich"}}'
	refused 3 "no role 'attn.qq'; the nearest is 'attn.q'" '{"like": "llama", "names": {"roles": {"attn.qq": "x.%L"}}}'
	refused 3 "%L stands for the layer" '{"like": "llama", "names": {"roles": {"attn.q": "x"}}}'
	refused 3 "%L stands for the layer" '{"like": "llama", "names": {"roles": {"attn.q": "x.%L.%L"}}}'
	refused 3 "%L stands for the layer" '{"like": "llama", "names": {"roles": {"embed": "x.%L"}}}'
	refused 3 "%E for the expert" '{"like": "mixtral", "names": {"roles": {"expert.up": "x.%L"}}}'
	refused 3 "plain characters" '{"like": "llama", "names": {"roles": {"attn.q": "x.%L.%"}}}'
	refused 3 "plain characters" '{"like": "llama", "names": {"roles": {"attn.q": "x.%L.\n"}}}'
	refused 3 "0 bytes" '{"like": "llama", "names": {"roles": {"attn.q": ""}}}'
	refused 3 "both" '{"like": "llama", "names": {"roles": {"attn.q": "model.layers.%L.self_attn.k_proj"}}}'
	refused 3 "'attn.q' is not a string" '{"like": "llama", "names": {"roles": {"attn.q": 1}}}'
	refused 3 "'names' is not an object" '{"like": "llama", "names": 1}'
	refused 3 "'fused' not a list" '{"like": "llama", "names": {"fused": {}}}'
	refused 3 "fused of nothing" '{"like": "llama", "names": {"fused": [{"name": "a", "as": "rows", "roles": []}]}}'
	refused 3 "not as rows" '{"like": "llama", "names": {"fused": [{"name": "a", "as": "r", "roles": ["attn.q"]}]}}'
	refused 3 "as experts" '{"like": "llama", "names": {"fused": [{"name": "a.%L", "as": "experts", "roles": ["attn.q"]}]}}'
	refused 3 "no role 'embed'" '{"names": {"roles": {"attn.q": "x.%L"}}}'
	refused 3 "unknown tensor" '{"like": "llama", "names": {"roles": {"attn.q": "model.layers.%L.q"}}}'
	fails 2 '--as' llmc-import --as llama --model m.json "$DEMO" -o x.llmc
	fails 3 none.json llmc-import --model none.json "$DEMO" -o x.llmc
}

@test "names of a bundle's own are held to the same rules" {
	echo '{"like": "llama", "names": {"roles": {"head": "lm_head"}}}' >m.json
	try llmc-import --model m.json "$DEMO" -o f.llmc
	try llmc-pack -f hf -o back f.llmc
	mkdir parts && tar xf f.llmc -C parts
	for bad in '.names.roles["attn.q"] = "a%"' 'del(.names.roles.embed)' '.names.roles.other = "x"' '.names.fused = 1'; do
		jq -c "$bad" parts/llmc.json >l && cp l parts/llmc.json.new
		(cd parts && cp llmc.json keep && mv llmc.json.new llmc.json &&
			tar tf ../f.llmc | tar cf ../bad.llmc --format=pax -T - && mv keep llmc.json)
		fails 3 names llmc-pack -f hf -o x bad.llmc
		absent x
	done
}

@test "--explain calls the family of a manifest as the bundle does" {
	try llmc-import "$DEMO" -o f.llmc
	tar xOf f.llmc llmc.json >m.json
	try llmc-import --explain -j --model m.json "$DEMO"
	[ "$(field .family)" = "$(jq -r .model.family m.json)" ]
}

# rebundle JQ: f.llmc with its manifest edited so, as bad.llmc.
rebundle() {
	rm -rf parts && mkdir parts && tar xf f.llmc -C parts
	jq -c "$1" parts/llmc.json >l && mv l parts/llmc.json
	(cd parts && tar tf ../f.llmc | tar cf ../bad.llmc --format=pax -T -)
}

@test "--as generic: tensors by their names, of any architecture: rounded and packed, byte for byte what is not" {
	for f in chatglm qwen1 mixtral opt-350m; do
		require shared "fixtures/families/$f"
		d=$SHARED/fixtures/families/$f
		try llmc-import --as generic "$d" -o f.llmc
		try llmc-info -c f.llmc
		rm -rf back
		try llmc-pack -f hf -o back f.llmc
		hash "$d"/model*.safetensors >want
		hash back/model*.safetensors >got
		same want got
		same "$d/config.json" back/config.json
		try llmc-quant -w int4:g16 f.llmc -o q.llmc
		try llmc-info -c q.llmc
		try -1 llmc-diff f.llmc q.llmc
		try llmc-cat q.llmc -o c.llmc
		same q.llmc c.llmc
		rm -rf back
		try llmc-pack -f hf --dequantize -o back q.llmc
		hash back/model*.safetensors | cut -f 1,3 >got
		cut -f 1,3 want | try diff - got
	done
}

@test "--as generic: what engines load, rules by the tensors' own names" {
	require shared fixtures/families/chatglm
	try llmc-import --as generic "$SHARED/fixtures/families/chatglm" -o f.llmc
	try llmc-quant -w int4:g16 --rule '*.self_attention.dense=int8:channel' --skip '1.mlp.*' f.llmc -o q.llmc
	try llmc-info --tensors q.llmc
	[ "$(grep -c $'self_attention.dense.weight\t.*\tint8:channel' <<<"$output")" -eq 2 ]
	[ "$(grep -c $'weight\t.*\tint4:g16:sym' <<<"$output")" -eq 4 ]
	fails 2 "nearest: 'mlp.dense_4h_to_h'" llmc-quant -w int4:g16 --skip '*.mlp.dense_4h' f.llmc -o x.llmc
	try llmc-pack -f vllm --force -o v q.llmc
	hash v/model.safetensors | cut -f 1 >names
	grep -qx transformer.encoder.layers.1.self_attention.dense.weight_packed names
	grep -qx transformer.encoder.layers.1.mlp.dense_4h_to_h.weight names
	jq -e '.quantization_config | .quant_method == "compressed-tensors" and
		(.ignore | contains(["transformer.output_layer", "transformer.encoder.layers.1.mlp.dense_4h_to_h"]))' v/config.json
	jq -S 'del(.quantization_config)' v/config.json >got
	jq -S . "$SHARED/fixtures/families/chatglm/config.json" | diff - got
	try llmc-import --explain -j --as generic "$SHARED/fixtures/families/chatglm"
	[ "$(field '.tensors | map(select(.how == "a linear")) | length')" -eq 8 ]
}

@test "--as generic: no forward pass, said in a line" {
	bundle calib.tok
	try llmc-import --as generic "$DEMO" -o f.llmc
	for c in 'gptq --calib calib.tok -w int4:g128 f.llmc -o x.llmc' 'eval ppl --tokens calib.tok f.llmc' \
		'eval kl --tokens calib.tok --ref f.llmc f.llmc' 'eval logits --tokens calib.tok -o x.llmc f.llmc' \
		'eval gen --prompt x f.llmc'; do
		# shellcheck disable=SC2086
		fails 4 'without a forward pass' llmc-$c
		absent x.llmc
	done
	try llmc-tokenize -m f.llmc --print-ids "$DEMO/eval.txt"
}

@test "--as generic: what no layers can be seen in, or is no list of floats, is refused" {
	copy qwen2 . 's/layers/lagers/g'
	fails 4 'no layers to be seen' llmc-import --as generic model -o x.llmc
	copy qwen2 . 's/model.layers.1.mlp/model.layers.3.mlp/g'
	fails 3 'layer 2 of 4 has no tensors' llmc-import --as generic model -o x.llmc
	copy qwen2 . 's/model.layers.1.mlp/model.layers.1.m p/g'
	fails 4 'a name that is not taken' llmc-import --as generic model -o x.llmc
	fails 4 'none that a directory has' llmc-import --as generic "$ROOT/tests/golden/gguf/tiny.gguf" -o x.llmc
	try -4 llmc-import --explain --as generic "$ROOT/tests/golden/gguf/tiny.gguf"
	has "none that a directory has"
	absent x.llmc
}

@test "--as generic: a number with leading zeros is no layer's, and comes back as it was" {
	copy qwen2 . 's/model.layers.1.self_attn/model.layers.00.sef_attn/g'
	try llmc-import --as generic model -o f.llmc
	try llmc-pack -f hf -o back f.llmc
	hash model/model.safetensors >want
	hash back/model.safetensors >got
	grep -q 'model.layers.00.sef_attn' got
	same want got
	copy qwen2 . 's/model.layers.\([01]\)./model.layer.0\1./g'
	fails 4 'no layers to be seen' llmc-import --as generic model -o x.llmc
}

@test "a list of tensors is held to its rules" {
	try llmc-import --as generic "$DEMO" -o f.llmc
	for bad in '3|is not a list of 6|.model.tensors |= .[1:]' '3|is not a list of 6|.model.tensors = {}' \
		'3|list of lists|.model.tensors[0] = 1' '3|without name|.model.tensors[0][0] = []' \
		'3|without name|.model.tensors[0][0][1] = []' '3|without name|.model.tensors[0][0][1] = [1,1,1,1,1,1,1]' \
		'3|of no shape|.model.tensors[0][0][1][0] = 0' '3|of no shape|.model.tensors[0][0][1][0] = 1e300' \
		'3|too large|.model.tensors[0][0][1] = [2147483648,2147483648]' \
		'3|out of order|.model.tensors[1] |= reverse' '3|out of order|.model.tensors[1][1] = .model.tensors[1][0]' \
		'3|printable|.model.tensors[0][0][0] = "a\u0007"' '3|of 0 bytes|.model.tensors[0][0][0] = ""' \
		'3|part of another|.model.tensors[0][0][0] = "a.weight.code"' \
		'3|is missing|.model.tensors[0][0][0] = "other.weight"' '3|unknown tensor|.model.tensors[1] |= .[1:]' \
		'3|the model makes it|.model.tensors[0][0][1][0] = 5' "4|requires 'tensor'|.requires = [\"tensor\"]"; do
		IFS='|' read -r code text _ <<<"$bad"
		rebundle "${bad#*|*|}"
		run llmc-info bad.llmc
		[ "$status" -eq "$code" ] || { echo "$bad: $status $output"; false; }
		[[ $output == *"$text"* ]] || { echo "$bad: $output"; false; }
	done
	for bad in 'del(.names)' '.names.layers = "a."' '.names.layers = "a.%Lb."' '.names.layers = 1' '.names.layers = "%L\n"'; do
		rebundle "$bad"
		fails 3 layers llmc-pack -f hf -o x bad.llmc
	done
}

@test "--as generic: what looks like a pattern in a name is none" {
	copy qwen2 . 's/model.layers/mo%Ll.layers/g'
	try llmc-import --as generic model -o f.llmc
	try llmc-pack -f hf -o back f.llmc
	hash model/model.safetensors >want
	hash back/model.safetensors >got
	same want got
}

@test "--as generic: tensors of three dimensions count whole where files are planned" {
	require shared fixtures/families/mixtral-t5stacked
	try llmc-import --as generic "$SHARED/fixtures/families/mixtral-t5stacked" -o f.llmc
	try llmc-pack -f hf --shard-size 100K -o back f.llmc
	# Each layer is larger than a file should be: it has its own.
	layers=$(tar xOf f.llmc llmc.json | jq .model.n_layer)
	[ "$(find back -name 'model-*.safetensors' | wc -l)" -eq $((layers + 2)) ]
}
