# What is refused and why: the table in llmc-import(1) says what the tools say, all of it, and no more.
load helpers
load hostile
load refusals

# The messages of status 4 in the sources of reading, resolving and packing, as printf has them.
formats() {
	local f

	for f in "$ROOT"/lib/{import,model,model/family,pack}/*.c "$ROOT/lib/tensor/safetensors.c"; do
		sed -z 's/"[ \t\n]*"//g' "$f" | tr '\n\t' '  ' |
			grep -oP '(err_set\([^;"]*ST_UNSUP[^;"]*,|refuse\([a-z]+,) *"\K(\\.|[^"\\])*' || true
	done | grep -vx "cannot pack '%s' for vllm: %s" | sort -u         # what refuse() puts before the others
}

@test "every refusal that there is in the sources stands in the table, and the other way round" {
	formats >list
	[ "$(wc -l <list)" -gt 40 ]
	while read -r f; do
		refusal "$f" >>got || { echo "not in the table: $f"; bad=1; }
	done <list
	refusals | sort >want
	sort -u got | diff want - || bad=1
	[ -z "${bad-}" ]
}

@test "the keys that the page lists are those that are refused, and no family's but where it says so" {
	sed -n '/} changes\[\] = {/,/^};/p' "$ROOT/lib/model/config.c" | grep -oP '\{ "\K\w+' | sort >want
	sed -n '/^The keys are these/,/^\.Sh/{s/^\.Li \([a-z_]*\) [,.]$/\1/p}' "$ROOT/man/llmc-import.1" >got
	try diff want got
	require shared fixtures/families
	while read -r key; do
		# LLaMA reads some of them, and OPT others.
		for f in llama opt; do
			fixture $f ".$key = 77"
			run --separate-stderr llmc-import -o out c
			[[ $status -ne 4 || $stderr != *"'$key' is not supported in a model of family '$f'"* ]] || continue 2
		done
		echo "$key: not refused"
		bad=1
	done <want
	[ -z "${bad-}" ]
}

# fixture FAMILY [JQ]: it as the directory c, its configuration edited.
fixture() {
	rm -rf c
	cp -rL "$SHARED/fixtures/families/$1" c && chmod -R u+w c
	[ $# -lt 2 ] || jq "$2" "$SHARED/fixtures/families/$1/config.json" >c/config.json
}
# Then the import of that, of one whose weights' header was edited, of a GGUF file; and packing.
edit() {
	fixture "$@"
	fails 4 '' llmc-import -o out c
}
weights() {
	fixture "$1"
	header c/model.safetensors "$2"
	fails 4 '' llmc-import -o out c
}
generic() {     # JQ: a header of names alone
	fixture llama
	header c/model.safetensors "$1"
	fails 4 '' llmc-import --as generic -o out c
}
gguf() {
	mkbytes "$@" >f.gguf
	fails 4 '' llmc-import -o out f.gguf
}
keys() {        # N WORD...: further keys, each of three words, of a model that would do; ARCH: of another architecture
	local a=${ARCH-llama} n=$((7 + $1))

	gguf GGUF u32:3 u64:0 u64:$n str:general.architecture u32:8 "str:$a" "str:$a.embedding_length" u32:4 u32:8 \
		"str:$a.block_count" u32:4 u32:1 "str:$a.feed_forward_length" u32:4 u32:8 "str:$a.attention.head_count" u32:4 \
		u32:2 "str:$a.context_length" u32:4 u32:16 "str:$a.attention.layer_norm_rms_epsilon" u32:6 f32:1e-5 "${@:2}"
}
table() {       # TYPE NAME: a tensor of eight elements besides
	gguf GGUF u32:3 u64:1 u64:7 str:general.architecture u32:8 str:llama str:llama.embedding_length u32:4 u32:8 \
		str:llama.block_count u32:4 u32:1 str:llama.feed_forward_length u32:4 u32:8 str:llama.attention.head_count u32:4 \
		u32:2 str:llama.context_length u32:4 u32:16 str:llama.attention.layer_norm_rms_epsilon u32:6 f32:1e-5 \
		str:"$2" u32:1 u64:"${3-8}" u32:"$1" u64:0 pad:32 zero:64
}
packed() {      # FAMILY FORMAT METHOD OPTION...
	fixture "$1"
	llmc-import -q c -o f.llmc
	llmc-tokenize -q --from-ids c/reference.safetensors -o c.tok
	case $3 in
	gptq) llmc-gptq -q --calib c.tok "${@:4}" f.llmc -o q.llmc ;;
	*) llmc-quant -q "${@:4}" f.llmc -o q.llmc ;;
	esac
	rm -rf out
	fails 4 '' llmc-pack -f "$2" -o out q.llmc
}
other() {       # MEMBER JQ [PROGRAM...]: a bundle with that member edited
	mkbundle --layers 2 --width 32 --experts "${EXPERTS-0}" -o m.llmc
	unpack m.llmc
	edited "$1" "$2"
	fails 4 '' "${3-llmc-info}" "${@:4}" new
}

# A norm of one head in half precision, and a buffer in the room that this leaves.
# shellcheck disable=SC2034     # in the rows below
MIXED='"model.layers.0.self_attn.q_layernorm.norms.1.weight" as $k | .[$k].data_offsets as [$a, $b] |
	.[$k] += {dtype: "F16", data_offsets: [$a, $a + 32]} |
	.["model.layers.0.self_attn.rotary_emb.inv_freq"] = {dtype: "F32", shape: [8], data_offsets: [$a + 32, $b]}'

# Keys that a model of DeepSeek has besides.
# shellcheck disable=SC2034
LATENT=$(printf 'str:deepseek2.%s u32:4 u32:4 ' expert_count expert_used_count expert_feed_forward_length \
	attention.kv_lora_rank attention.key_length attention.value_length)"str:deepseek2.rope.dimension_count u32:4 u32:2"

# A number, and a buffer in the room that this leaves.
# shellcheck disable=SC2034
NUMBER='"model.norm.weight" as $k | .[$k].data_offsets as [$a, $b] | .[$k] += {shape: [], data_offsets: [$a, $a + 4]} |
	.["model.rest"] = {dtype: "F32", shape: [($b - $a) / 4 - 1], data_offsets: [$a + 4, $b]}'

@test "every row of the table is what a tool says" {
	require shared fixtures/families
	while IFS='|' read -r words how; do
		[ -n "$words" ] || continue
		eval "$how"
		[ "$(refusal "$stderr")" = "$words" ] || { echo "$how: $stderr"; false; }
		absent out
		echo "$words" >>seen
	done <<-'END'
		architecture ... is not supported|edit llama '.architectures = ["WhateverForCausalLM"]'
		architecture ... is not supported|gguf GGUF u32:3 u64:0 u64:1 str:general.architecture u32:8 str:whatever
		'model_type' is|edit llama '.model_type = "phi3"'
		in a model of family|edit llama '.qk_norm = true'
		activation ... is not supported|edit llama '.hidden_act = "maxout"'
		rope scaling ... is not supported|edit llama '.rope_scaling = {type: "spiral", factor: 2}'
		rope scaling ... is not supported|keys 1 str:llama.rope.scaling.type u32:8 str:longrope
		is not supported with this scaling|edit llama '.rope_scaling = {type: "yarn", factor: 2, short_factor: [1]}'
		... in ... is not supported|edit llama '.rope_scaling = {type: "default", spiral: 1}'
		'layer_types' has|edit llama '.layer_types = [range(.num_hidden_layers) | "linear_attention"]'
		dtype ... is not supported|edit llama '.torch_dtype = "float8_e4m3fn"'
		experts are too many|edit mixtral '.num_hidden_layers = 1000 | .num_local_experts = 1024'
		layers are more than|edit llama '.num_hidden_layers = 5000'
		'topk_method' is|edit deepseek-v2 '.topk_method = "best"'
		'scoring_func' is|edit deepseek-v3 '.scoring_func = "sparsemax"'
		of long scaling|other llmc.json '.model.rope.type = "long" | .model.rope.dim = 1024 | .model.d_head = 1024'
		in this arrangement|EXPERTS=4 other llmc.json '.model.place = "keep"'
		rows beyond the vocabulary|edit mllama '.text_config.tie_word_embeddings = true | .tie_word_embeddings = true'
		latent attention of this|other llmc.json '.model += {kv_rank: 8, n_kv: .model.n_head, place: "parallel"} | .model.rope.dim = 4'
		holds pickled weights|fixture llama; mv c/model.safetensors c/pytorch_model.bin; fails 4 '' llmc-import -o out c
		tensor ... is of type|weights llama '.["model.norm.weight"].dtype = "F4"'
		has more than ... dimensions|weights llama '.["model.norm.weight"].shape = [64, 1, 1, 1, 1, 1, 1]'
		F32, F16 and BF16 are read|weights llama '.["model.norm.weight"].dtype = "I32"'
		of another type than the other heads|weights stablelm2-12b "$MIXED"
		quantized already|edit llama '.quantization_config = {quant_method: "gptq"}'
		FP8 of format|edit deepseek-v3-fp8 '.quantization_config.fmt = "e5m2"'
		FP8 without a proper|edit deepseek-v3-fp8 'del(.quantization_config.weight_block_size)'
		no layers to be seen|generic 'with_entries(.key |= sub("layers"; "lagers"))'
		names are none that a directory has|fixture llama; fails 4 '' llmc-import --as generic -o out "$ROOT/tests/golden/gguf/tiny.gguf"
		a name that is not taken|generic 'with_entries(.key |= sub("q_proj"; "q proj"))'
		is a single number|generic "$NUMBER"
		without a forward pass|fixture llama; llmc-import -q --as generic c -o f.llmc; llmc-tokenize -q --from-ids c/reference.safetensors -o c.tok; fails 4 '' llmc-eval ppl --tokens c.tok f.llmc
		GGUF: version|gguf GGUF u32:4 zero:64
		big-endian|gguf GGUF u32:0x03000000 zero:64
		has a value of type|gguf GGUF u32:3 u64:0 u64:1 str:a u32:9 u32:9 u64:1 u32:4 u64:0
		is an array|keys 1 str:llama.expert_count u32:9 u32:4 u64:1 u32:8
		GGUF: keys of|keys 2 str:llama.attention.key_length u32:4 u32:4 str:llama.attention.value_length u32:4 u32:8
		where the width makes them|ARCH=phi3 keys 1 str:phi3.attention.key_length u32:4 u32:8
		key/value heads of ... in a model of|ARCH=starcoder keys 2 str:starcoder.attention.layer_norm_epsilon u32:6 f32:1 str:starcoder.attention.head_count_kv u32:4 u32:3
		expert_gating_func' is|ARCH=deepseek2 keys 8 $LATENT str:deepseek2.expert_gating_func u32:4 u32:3
		GGUF: tokenizer|keys 1 str:tokenizer.ggml.model u32:8 str:rwkv
		GGUF: pre-tokenizer|keys 3 str:tokenizer.ggml.model u32:8 str:gpt2 str:tokenizer.ggml.tokens u32:9 u32:8 u64:1 str:a str:tokenizer.ggml.pre u32:8 str:spiral
		GGUF: ... is not supported|keys 1 str:llama.attention.causal u32:7 u8:0
		which is not read|table 99 token_embd.weight
		which reorders the rows of|table 0 blk.0.attn_qkv.weight
		is not a vector of F32|table 1 rope_freqs.weight 2
		is not what llama3 scaling|table 0 rope_freqs.weight 2
		a plain directory holds floats|packed llama hf rtn -w int8
		values that ... cannot hold|mkbundle --type F32 --plant 1e30 -o q.llmc; fails 4 '' llmc-pack -f hf --dtype f16 -o out q.llmc
		are quantized differently|packed falcon-40b vllm rtn -w int8 --rule attn.q=int4:g32
		not all that the checkpoint has|packed falcon-40b vllm rtn -w int8 --skip attn.q
		experts are stacked|packed mixtral-t5stacked hf rtn -w int8
		perm: groups of permuted|packed llama vllm gptq --groups dynamic -w int4:g32
		bits: ... have no kernel|packed llama vllm rtn -w int3:g32
		group: ... are no multiple|packed deepseek-v3-fp8 vllm rtn -w int4:g32
		group: engines have no kernels|packed llama vllm rtn -w int4:g16
		scale: ... is not a|packed llama-bf16 vllm rtn -w int8 --scale-dtype f32
		and the engine fuses them|packed llama vllm rtn -w int8 --rule attn.q=int4:g32
		family ... is not known|other llmc.json '.model.family = "later"' llmc-pack -f hf -o out
		which this version does not know|other llmc.json '.model.norm = "later"'
		flag ... is not known|other llmc.json '.model.flags = ["later"]'
	END
	# No tool makes a bundle that these would refuse, or reads one that the fourth would; the last takes a very large file.
	printf '%s\n' 'role: only the weights' 'role: engines keep the head' 'format: pack-quantized' 'has a name for' 'only matrices of layers' \
		'layers of what is carried along' >>seen
	diff <(refusals | sort) <(sort -u seen)
}
