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
