# What comes from outside and means ill, or was made by somebody who erred: each kind with its status and its message.
# The fuzz entries look for what nobody thought of; here is what was.  All of it runs in little memory.
load helpers
load hostile

@test "safetensors: lengths, shapes, offsets, names and numbers that cannot be" {
	checkpoint
	f=c/model.safetensors
	n=0
	while IFS='|' read -r case status text words; do
		[ -n "$case" ] || continue
		eval "mkbytes $words" >$f
		bad "$status" "$text" llmc-import -o out c
		n=$((n + 1))
	done <<-'END'
		empty|3|only 0 bytes|
		seven bytes|3|only 7 bytes|zero:7
		a length of nothing|3|header of 0 bytes|u64:0
		a length beyond the file|3|header of 1000 bytes in a file of 18: truncated|u64:1000 '{"a":1}   '
		a length beyond what is read|3|not a safetensors file|u64:0x7fffffffffffffff '{}'
		all ones|3|not a safetensors file|u64:-1 '{}'
		a length of 4 GiB|3|not a safetensors file|u64:0x100000000 '{}'
		no object|3|not a safetensors file|u64:8 '[]      '
		no end|3|string without end|st:'{"a'
		deep|3|expected|u64:4096 "$(printf '{%.0s' {1..4096})"
		deep in a shape|3|whole number expected|st:'{"a":{"shape":[[[[[[[[1]]]]]]]]}}'
		a shape that overflows|3|shape [4294967296,4294967296,4294967296] overflows|st:"{$(t a 0 8 4294967296,4294967296,4294967296)}" zero:8
		a shape that overflows in bytes|3|overflows|st:"{$(t a 0 8 4611686018427387904)}" zero:8
		a shape larger than its data|3|offsets [0,8] do not hold F32 [3]|st:"{$(t a 0 8 3)}" zero:8
		a shape smaller than its data|3|do not hold F32 [1]|st:"{$(t a 0 8 1)}" zero:8
		more than the file has|3|ends at 16 of 8 bytes of data: truncated|st:"{$(t a 0 8),$(t b 8 16)}" zero:8
		bytes that nobody has|3|the tensors hold 8 bytes, the file 9|st:"{$(t a 0 8)}" zero:9
		a hole|3|'b' begins at 12, after a hole at 8|st:"{$(t a 0 8),$(t b 12 20)}" zero:20
		an overlap|3|'b' begins at 4, inside the one before|st:"{$(t a 0 8),$(t b 4 12)}" zero:12
		the same place|3|inside the one before|st:"{$(t a 0 8),$(t b 0 8)}" zero:8
		backwards|3|begins at 8, after a hole at 0|st:"{$(t a 8 0)}" zero:8
		an end that overflows|3|number too large|st:"{$(t a 0 18446744073709551616)}" zero:8
		a begin near the top|3|begins at 18446744073709551608|st:"{$(t a 18446744073709551608 18446744073709551615)}" zero:8
		a negative number|3|whole number expected|st:"{$(t a -8 0)}" zero:8
		a fraction|3|',' expected|st:"{$(t a 0.5 8)}" zero:8
		an exponent|3|expected|st:"{$(t a 0 8e0)}" zero:8
		a dimension above all|3|number too large|st:"{$(t a 0 8 99999999999999999999)}" zero:8
		seven dimensions|4|more than 6 dimensions|st:"{$(t a 0 8 1,1,1,1,1,1,2)}" zero:8
		a name twice|3|tensor 'a' stands twice|st:"{$(t a 0 8),$(t a 8 16)}" zero:16
		a key twice|3|key 'dtype' stands twice|st:'{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}' zero:8
		a key unknown|3|unknown key 'offset'|st:'{"a":{"dtype":"F32","offset":0}}'
		no shape|3|has no 'shape'|st:'{"a":{"dtype":"F32","data_offsets":[0,8]}}' zero:8
		metadata twice|3|'__metadata__' stands twice|st:'{"__metadata__":{},"__metadata__":{}}'
		metadata that is no text|3|expected|st:'{"__metadata__":{"a":1}}'
		a type unknown|4|is of type 'F4'|st:"{$(t a 0 8 2 F4)}" zero:8
		a control character|3|control character|u64:16 '{"a' hex:01 '":{}       }' zero:8
		a lone surrogate|3|lone surrogate|st:'{"\ud800":{}}'
		an escaped NUL|3|NUL in a string|st:'{"a\u0000b":{}}'
		bad UTF-8|3|bad UTF-8|u64:16 '{"a' hex:FF '":{}       }' zero:8
		something behind|3|after the JSON value|st:"{$(t a 0 8)}x" zero:8
	END
	[ "$n" -eq 40 ]
}

@test "GGUF: counts, lengths, types, places and keys that cannot be" {
	arch='str:general.architecture u32:8 str:llama'
	dims='str:llama.embedding_length u32:4 u32:8 str:llama.block_count u32:4 u32:1 str:llama.feed_forward_length u32:4 u32:8
		str:llama.attention.head_count u32:4 u32:2 str:llama.context_length u32:4 u32:16'
	eps='str:llama.attention.layer_norm_rms_epsilon u32:6 f32:1e-5'
	# shellcheck disable=SC2034
	base="$arch $dims $eps"
	# shellcheck disable=SC2034
	tok='str:tokenizer.ggml.model u32:8 str:llama str:tokenizer.ggml.tokens u32:9 u32:8 u64:2 str:a str:b'
	# shellcheck disable=SC2034
	types='str:tokenizer.ggml.token_type u32:9 u32:5 u64:2 u32:1 u32:1'
	n=0
	while IFS='|' read -r case status text nt nkv words; do
		[ -n "$case" ] || continue
		eval "mkbytes GGUF u32:3 u64:$nt u64:$nkv $words" >f.gguf
		bad "$status" "$text" llmc-import -o out f.gguf
		n=$((n + 1))
	done <<-'END'
		nothing behind the counts|3|truncated|0|1|
		tensors without number|3|tensors in|0x7fffffffffffffff|0|zero:100
		keys without number|3|keys and|0|0xffffffffffffffff|zero:100
		keys whose bytes overflow|3|keys and|0|0x1555555555555556|zero:100
		a key longer than the file|3|truncated|0|1|u64:0x7fffffffffffffff zero:64
		a key of all ones|3|truncated|0|1|u64:-1 zero:64
		a key without a name|3|empty, too long|0|1|u64:0 zero:64
		a key with a NUL|3|has a NUL|0|1|u64:3 a hex:00 b u32:4 u32:1
		a key too long|3|too long|0|1|u64:300 zero:320
		a type unknown|3|a value of type 99|0|1|str:a u32:99 u64:0
		arrays of arrays|4|a value of type 9|0|1|str:a u32:9 u32:9 u64:1 u32:4 u64:0
		an array longer than the file|3|truncated|0|1|str:a u32:9 u32:4 u64:0x1000000000 zero:64
		an array whose bytes overflow|3|elements|0|1|str:a u32:9 u32:10 u64:0x2000000000000001 zero:64
		strings without number|3|truncated|0|1|str:a u32:9 u32:8 u64:0x7fffffffffffffff zero:64
		a string longer than the file|3|truncated|0|1|str:a u32:8 u64:0xfffffffffffffff0 zero:64
		a key twice|3|'a' stands twice|0|2|str:a u32:4 u32:1 str:a u32:4 u32:1
		nine dimensions|3|has 9 dimensions|1|0|str:t u32:9 zero:100
		no dimension|3|has 0 dimensions|1|0|str:t u32:0 zero:100
		a dimension of nothing|3|impossible shape|1|0|str:t u32:2 u64:0 u64:4 u32:0 u64:0 zero:64
		a shape that overflows|3|impossible shape|1|0|str:t u32:2 u64:0x100000000 u64:0x100000000 u32:0 u64:0 zero:64
		a dimension below nothing|3|impossible shape|1|0|str:t u32:1 u64:-8 u32:0 u64:0 zero:64
		rows of half a block|3|no whole blocks of Q4_0|1|0|str:t u32:1 u64:33 u32:2 u64:0 zero:64
		data beyond the file|3|do not lie in the file|1|0|str:t u32:1 u64:1000 u32:0 u64:0 pad:32 zero:64
		a place beyond the file|3|do not lie in the file|1|0|str:t u32:1 u64:8 u32:0 u64:0xffffffffffffffe0 pad:32 zero:64
		a place between|3|do not lie in the file|1|0|str:t u32:1 u64:8 u32:0 u64:4 pad:32 zero:64
		an overlap|3|overlap another's|2|0|str:t u32:1 u64:16 u32:0 u64:0 str:u u32:1 u64:8 u32:0 u64:32 pad:32 zero:64
		a hole|3|come after a hole|1|0|str:t u32:1 u64:8 u32:0 u64:32 pad:32 zero:64
		a tensor twice|3|'t' stands twice|2|0|str:t u32:1 u64:8 u32:0 u64:0 str:t u32:1 u64:8 u32:0 u64:32 pad:32 zero:64
		an alignment of nothing|3|outside 1..|0|1|str:general.alignment u32:4 u32:0
		an alignment of three|3|no power of two|0|1|str:general.alignment u32:4 u32:3
		an alignment without end|3|outside 1..|0|1|str:general.alignment u32:10 u64:0x8000000000000000
		no architecture|3|no 'general.architecture'|0|1|str:a u32:4 u32:1
		an architecture that is a number|3|is not a string|0|1|str:general.architecture u32:4 u32:1
		another architecture|4|'rwkv6' is not supported; of the directory|0|1|str:general.architecture u32:8 str:rwkv6
		a key that changes the model|4|'llama.attention.causal' is not supported|0|8|$base str:llama.attention.causal u32:7 u8:0
		experts|4|'llama.expert_count' is not supported|0|8|$base str:llama.expert_count u32:4 u32:8
		a scale that is not one|4|'llama.logit_scale' is not supported|0|8|$base str:llama.logit_scale u32:6 f32:0.5
		one of three files|3|is the first of 3 files|0|8|$base str:split.count u32:2 u16:3
		heads without width|3|'llama.attention.head_count' is more than the width|0|7|$arch $eps str:llama.attention.head_count u32:4 u32:9 str:llama.embedding_length u32:4 u32:8 str:llama.block_count u32:4 u32:1 str:llama.feed_forward_length u32:4 u32:8 str:llama.context_length u32:4 u32:8
		no heads|3|'llama.attention.head_count' is outside|0|6|$arch $eps str:llama.attention.head_count u32:4 u32:0 str:llama.embedding_length u32:4 u32:8 str:llama.block_count u32:4 u32:1 str:llama.feed_forward_length u32:4 u32:8
		a width per layer|4|one value for all layers|0|3|$arch $eps str:llama.embedding_length u32:9 u32:4 u64:1 u32:8
		a width below nothing|3|'llama.embedding_length' is outside|0|3|$arch $eps str:llama.embedding_length u32:5 u32:-8
		a width that is a string|3|is not an integer|0|3|$arch $eps str:llama.embedding_length u32:8 str:8
		no width|3|no 'llama.embedding_length'|0|2|$arch $eps
		an epsilon that is none|3|is not finite|0|2|$arch str:llama.attention.layer_norm_rms_epsilon u32:6 f32:nan
		a base without end|3|is not finite|0|8|$base str:llama.rope.freq_base u32:6 f32:inf
		a split that is endless|3|'split.count' is outside|0|8|$base str:split.count u32:2 u16:65535
		a part by itself|3|is file 3 of 1 of a model|0|8|$base str:split.no u32:2 u16:2
		long rope by half|3|long rope wants|1|7|$base str:rope_factors_long.weight u32:1 u64:2 u32:0 u64:0 pad:32 zero:8
		factors too many|3|has 4 elements, not 2|1|7|$base str:rope_freqs.weight u32:1 u64:4 u32:0 u64:0 pad:32 zero:16
		factors that no scaling makes|4|is not what llama3 scaling|1|7|$base str:rope_freqs.weight u32:1 u64:2 u32:0 u64:0 pad:32 f32:nan f32:2
		factors in halves|4|is not a vector of F32|1|7|$base str:rope_freqs.weight u32:1 u64:2 u32:1 u64:0 pad:32 zero:4
		keys wider than values|4|keys of 8 and values of 4|0|9|$base str:llama.attention.value_length u32:4 u32:4 str:llama.attention.key_length u32:4 u32:8
		another scaling|4|rope scaling 'longrope'|0|8|$base str:llama.rope.scaling.type u32:8 str:longrope
		a type of tensor unknown|4|number 99|1|7|$base str:t u32:1 u64:8 u32:99 u64:0 pad:32 zero:64
		another tokenizer|4|tokenizer 'rwkv'|0|8|$base str:tokenizer.ggml.model u32:8 str:rwkv
		a token that is no text|3|token 1 is not UTF-8|0|10|$base str:tokenizer.ggml.model u32:8 str:llama $types str:tokenizer.ggml.tokens u32:9 u32:8 u64:2 str:a u64:1 hex:FF
		types of other tokens|3|1 token types for 2 tokens|0|10|$base $tok str:tokenizer.ggml.token_type u32:9 u32:5 u64:1 u32:1
		a token out of range|3|of 2 tokens|0|10|$base $tok str:tokenizer.ggml.bos_token_id u32:4 u32:2
		scores that are none|3|token 0 has a score|0|11|$base $tok $types str:tokenizer.ggml.scores u32:9 u32:6 u64:2 f32:nan f32:0
		too few scores|3|do not match|0|11|$base $tok $types str:tokenizer.ggml.scores u32:9 u32:6 u64:1 f32:0
		no merges|3|no 'tokenizer.ggml.merges'|0|10|$base str:tokenizer.ggml.model u32:8 str:gpt2 str:tokenizer.ggml.tokens u32:9 u32:8 u64:2 str:a str:b str:tokenizer.ggml.pre u32:8 str:gpt-2
	END
	[ "$n" -eq 62 ]
	for v in 0 1 4 0x03000000; do
		mkbytes GGUF u32:$v zero:64 >f.gguf
		bad 4 GGUF llmc-import -o out f.gguf
	done
}

@test "config.json: values of the wrong type, negative, absurd; and what would be computed otherwise" {
	cp -r "$DEMO" c
	chmod -R u+w c
	n=0
	while IFS='|' read -r status text edit; do
		[ -n "$status" ] || continue
		case=$edit
		jq "$edit" "$DEMO/config.json" >c/config.json
		bad "$status" "$text" llmc-import -o out c
		n=$((n + 1))
	done <<-'END'
		3|config.json: not an object|[]
		3|no 'architectures'|del(.architectures)
		3|no 'architectures'|.architectures = "LlamaForCausalLM"
		3|no 'architectures'|.architectures = [1]
		4|'' is not supported|.architectures = [""]
		4|'model_type' is 'phi3'|.model_type = "phi3"
		3|'model_type' is not a string|.model_type = 1
		3|'hidden_size' is missing|del(.hidden_size)
		3|'hidden_size' is not a whole number|.hidden_size = "256"
		3|'hidden_size' is missing|.hidden_size = null
		3|'hidden_size' is -256, outside|.hidden_size = -256
		3|'hidden_size' is not a whole number|.hidden_size = 256.5
		3|'hidden_size' is not a whole number|.hidden_size = 1e300
		3|'hidden_size' is 1000000000000|.hidden_size = 1000000000000
		3|'d_model' is 1|.hidden_size = 1073741824
		3|'hidden_size' is missing or zero|.hidden_size = 0
		3|'num_attention_heads' is missing or zero|.num_attention_heads = 0
		3|'n_head' is 1000000|.num_attention_heads = 1000000
		3|'num_hidden_layers' is missing or zero|.num_hidden_layers = 0
		4|100000 layers|.num_hidden_layers = 100000
		3|is missing|.num_hidden_layers = 500
		3|heads are not a multiple|.num_key_value_heads = 3
		3|'n_kv' is|.num_key_value_heads = 100000
		3|not a whole number|.head_dim = [32]
		3|'vocab_size' is missing or zero|.vocab_size = 0
		3|'vocab' is|.vocab_size = 1000000000
		3|outside|.max_position_embeddings = -1
		3|'eps'|.rms_norm_eps = -1
		3|'eps'|.rms_norm_eps = 1e30
		3|'rms_norm_eps' is not a finite number|.rms_norm_eps = "small"
		3|neither true nor false|.tie_word_embeddings = 1
		4|activation 'maxout'|.hidden_act = "maxout"
		3|'hidden_act' is not a string|.hidden_act = {}
		4|dtype 'float8_e4m3fn'|.torch_dtype = "float8_e4m3fn"
		3|'base'|.rope_theta = 0
		3|'rope_theta' is not a finite number|.rope_theta = "1e4"
		3|'rope_scaling' is not an object|.rope_scaling = [1]
		3|'partial_rotary_factor' is 2|.partial_rotary_factor = 2
		3|rotated elements|.partial_rotary_factor = 0.01
		3|'short_factor' is not a list of 32|.rope_scaling = {rope_type: "longrope", factor: 2}
		3|'long_factor' is not a list of 32|.rope_scaling = {type: "su", short_factor: [range(32) | 1]}
		3|has no 'factor'|.rope_scaling = {type: "linear"}
		3|'factor'|.rope_scaling = {type: "linear", factor: 0}
		3|'factor'|.rope_scaling = {type: "linear", factor: -4}
		3|high_freq 1 is not above|.rope_scaling = {rope_type: "llama3", factor: 8, low_freq_factor: 4, high_freq_factor: 1}
		3|'mrope_section' is not a list of sections of 32 pairs|.rope_scaling = {type: "default", mrope_section: [16, 24, 24]}
		4|'short_factor' in 'rope_scaling'|.rope_scaling = {type: "yarn", factor: 2, short_factor: [1]}
		4|'full_attention' in 'rope_parameters'|.rope_parameters = {full_attention: {rope_type: "default"}, sliding_attention: {rope_type: "linear", factor: 8}}
		4|'sliding_attention' for layer 1|.num_hidden_layers as $n | .layer_types = [range($n) | if . % 2 == 1 then "sliding_attention" else "full_attention" end]
		4|'linear_attention' for layer 0|.num_hidden_layers as $n | .layer_types = [range($n) | "linear_attention"]
		3|'layer_types' is not a list|.layer_types = ["full_attention"]
		4|'sliding_window' is not supported|.sliding_window = 4096
		4|'num_local_experts'|.num_local_experts = 8
		4|'final_logit_softcapping'|.final_logit_softcapping = 30
		4|'attn_logit_softcapping'|.attn_logit_softcapping = 50.0
		4|'embedding_multiplier'|.embedding_multiplier = 12
		4|'qk_norm'|.qk_norm = true
		4|'alibi'|.alibi = true
		4|'no_rope_layers'|.no_rope_layers = [1, 1, 1, 0]
		4|'dual_chunk_attention_config'|.dual_chunk_attention_config = {chunk_size: 262144}
		4|'kv_lora_rank'|.kv_lora_rank = 512
		4|FP8 without a proper|.quantization_config = {quant_method: "fp8"}
		3|'quant_method' is not a string|.quantization_config = {quant_method: 1}
	END
	[ "$n" -eq 63 ]
	# what leaves the model as it is
	jq '. + {sliding_window: 4096, use_sliding_window: false, num_local_experts: 0, final_logit_softcapping: null, qk_norm: false,
		embedding_multiplier: 1.0, no_rope_layers: [], rope_scaling: null, torch_dtype: "torch.bfloat16", later: {a: 1}}
		| .layer_types = [range(.num_hidden_layers) | "full_attention"]' "$DEMO/config.json" >c/config.json
	try llmc-import --no-pg -o a.llmc c
	try llmc-import --no-pg -o b.llmc "$DEMO"
	diff <(tar xOf a.llmc llmc.json) <(tar xOf b.llmc llmc.json)
}

@test "JSON: deep, cut, doubled, not UTF-8, huge, and what follows it" {
	checkpoint
	mkbytes st:{} >c/model.safetensors
	f=c/config.json
	n=0
	while IFS='|' read -r text words; do
		[ -n "$text" ] || continue
		case=$words
		eval "mkbytes $words" >$f
		bad 3 "config.json: $text" llmc-import -o out c
		n=$((n + 1))
	done <<-'END'
		bad JSON at byte 0|''
		bad JSON|'{'
		bad JSON|'{"a":1,}'
		bad JSON|'{"a":nan}'
		bad JSON|"{'a':1}"
		JSON nested deeper than 64 levels|"$(printf '[%.0s' {1..100})"
		JSON nested deeper than 64 levels|"$(printf '{"a":%.0s' {1..20000})"
		key 'a' stands twice|'{"a":1,"b":{},"a":2}'
		key 'c' stands twice|'{"a":[{"b":{"c":1,"c":1}}]}'
		bad UTF-8 at byte 6|'{"a":"' hex:C080 '"}'
		bad UTF-8 at byte 2|'{"' hex:EDA080 '":1}'
		bad UTF-8 at byte 0|hex:FEFF '{}'
		NUL in a string|'{"a":"x\u0000y"}'
		control character in a string|'{"a":"' hex:00 '"}'
		something after the JSON value|'{"a":1} {"b":2}'
		not an object|'"text"'
		not an object|1e999
	END
	[ "$n" -eq 17 ]
	# a message shows nothing that a terminal would obey
	mkbytes '{"architectures":["x\u001b[2J\u009b31m\n\u202e"]}' >$f
	try -4 llmc-import -o out c
	run ! grep -q $'[\x01-\x1f\x7f]' <<<"${stderr//$'\n'/}"
	run ! grep -q $'\xc2[\x80-\x9f]' <<<"$stderr"
	[ "${#stderr_lines[@]}" -eq 1 ]
}

@test "an index and its shards: names that lead elsewhere, doubled, missing, not files" {
	checkpoint
	index=c/model.safetensors.index.json
	mkbytes "st:{$(t model.norm.weight 0 8)}" zero:8 >c/a.safetensors
	cp c/a.safetensors away.safetensors
	cp c/a.safetensors c/two.safetensors
	mkdir c/d
	mkfifo c/fifo
	ln -s /dev/zero c/zero
	n=0
	while IFS='|' read -r text map; do
		[ -n "$text" ] || continue
		case=$map
		printf '%s' "$map" >$index
		bad 3 "$text" llmc-import -o out c
		n=$((n + 1))
	done <<-'END'
		no 'weight_map'|{}
		no 'weight_map'|{"weight_map":[]}
		no 'weight_map'|{"weight_map":{}}
		no plain file name|{"weight_map":{"a":1}}
		no plain file name|{"weight_map":{"a":""}}
		no plain file name|{"weight_map":{"a":"."}}
		no plain file name|{"weight_map":{"a":".."}}
		no plain file name|{"weight_map":{"a":"../away.safetensors"}}
		no plain file name|{"weight_map":{"a":"./a.safetensors"}}
		no plain file name|{"weight_map":{"a":"/dev/zero"}}
		no plain file name|{"weight_map":{"a":"sub/../a.safetensors"}}
		no plain file name|{"weight_map":{"a":"..\\away.safetensors"}}
		NUL in a string|{"weight_map":{"a":"a.safetensors\u0000/x"}}
		key 'a' stands twice|{"weight_map":{"a":"a.safetensors","a":"a.safetensors"}}
		cannot open 'c/b.safetensors'|{"weight_map":{"model.norm.weight":"a.safetensors","b":"b.safetensors"}}
		'c/d' is not a regular file|{"weight_map":{"model.norm.weight":"a.safetensors","b":"d"}}
		'c/fifo' is not a regular file|{"weight_map":{"model.norm.weight":"a.safetensors","b":"fifo"}}
		'c/zero' is not a regular file|{"weight_map":{"model.norm.weight":"a.safetensors","b":"zero"}}
		'b' is not in 'a.safetensors'|{"weight_map":{"model.norm.weight":"a.safetensors","b":"a.safetensors"}}
		tensor 'model.norm.weight' of 'a.safetensors' is not in the index|{"weight_map":{"zz":"a.safetensors"}}
		is in 'a.safetensors' and again in 'two.safetensors'|{"weight_map":{"model.norm.weight":"a.safetensors","b":"two.safetensors"}}
	END
	[ "$n" -eq 21 ]
}

@test "tokenizers: ids out of range, merges of nothing and in circles, expressions without end" {
	printf 'abab aab' >text
	n=0
	while IFS='|' read -r status text edit; do
		[ -n "$status" ] || continue
		case=$edit
		jq -nc "{model: {type: \"BPE\", vocab: {a: 0, b: 1, ab: 2, \"\": 3}, merges: [\"a b\"]}} | $edit" >tokenizer.json
		if [ "$status" = 0 ]; then
			try timeout 20 llmc-tokenize -m tokenizer.json --print-ids text
			[ "$output" = "$text" ]
		else
			bad "$status" "$text" llmc-tokenize -m tokenizer.json -o out text
		fi
		n=$((n + 1))
	done <<-'END'
		3|token 'a' has a bad id|.model.vocab.a = -1
		3|token 'a' has a bad id|.model.vocab.a = 1e300
		3|token 'a' has a bad id|.model.vocab.a = 4294967296
		3|token 'a' has a bad id|.model.vocab.a = 1.5
		3|token 'a' has a bad id|.model.vocab.a = "0"
		3|far beyond the 4 tokens|.model.vocab.a = 2000000000
		3|'c' is no token|.model.merges = ["a c"]
		3|'ba' is no token|.model.merges = ["b a"]
		3|not two parts|.model.merges = ["a b c"]
		3|not two parts|.model.merges = [["a"]]
		3|'merges' is not an array|.model.merges = 5
		0|2 2 0 2|.model.merges = [["a", "b"], ["a", "b"]]
		0|0 1 0 1 0 0 1|.model.merges = [["", "a"]]
		0|0 1 0 1 0 0 1|.model.merges = [["a", ""], ["", ""]]
		3|'id' is -1|.added_tokens = [{id: -1, content: "x"}]
		3|'id' is 4000000000|.added_tokens = [{id: 4000000000, content: "x"}]
		3|'added_tokens' is not an array|.added_tokens = 1
		4|'GPT' is not supported|.model.type = "GPT"
		3|no 'model' object|.model = 1
		3|piece 0 is not [text, score]|.model = {type: "Unigram", vocab: [["a"]], unk_id: 0}
		3|piece 0 is not [text, score]|.model = {type: "Unigram", vocab: [["a", "x"]], unk_id: 0}
		3|'unk_id' is 7|.model = {type: "Unigram", vocab: [["a", -1], ["b", -2]], unk_id: 7}
		4|missing closing parenthesis|.pre_tokenizer = {type: "Split", pattern: {Regex: "("}, behavior: "Isolated"}
		4|'Later' is not supported|.pre_tokenizer = {type: "Later"}
		3|bad character map|.normalizer = {type: "Precompiled", precompiled_charsmap: "////////"}
	END
	[ "$n" -eq 25 ]
	# a number that no double holds, which jq would change
	printf '{"model":{"type":"Unigram","vocab":[["a",1e999]],"unk_id":0}}' >tokenizer.json
	bad 3 'piece 0 is not [text, score]' llmc-tokenize -m tokenizer.json -o out text
	# matching in circles stops: an answer or a refusal, soon
	head -c 20000 /dev/zero | tr '\0' a >text
	printf '{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a*)*b(a+a+)+$"},"behavior":"Isolated"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}' >tokenizer.json
	run timeout 60 llmc-tokenize -m tokenizer.json --print-ids text
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ] || [ "$status" -eq 4 ] || [ "$status" -eq 5 ]
}

@test "no size in a file asks for memory before the bytes have come" {
	! grep -q asan <(ldd "$(command -v llmc-import)") || skip 'a sanitizer claims all there is'
	checkpoint
	# tensors of 4 TiB that the file has, as a hole
	mkbytes "st:{$(t model.embed_tokens.weight 0 4398046511104 4,274877906944)}" >c/model.safetensors
	truncate -s $((4398046511104 + $(wc -c <c/model.safetensors))) c/model.safetensors || skip 'no files of this size here'
	bad 3 'the configuration makes it [4,8]' llmc-import -o out c
	rm c/model.safetensors
	mkbytes GGUF u32:3 u64:0 u64:1 str:general.architecture u32:8 u64:0x40000000000 >f.gguf
	truncate -s 5T f.gguf
	bad 3 'GGUF: metadata of more than' llmc-import -o out f.gguf
}
