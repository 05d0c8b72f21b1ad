load helpers

# Logits and hidden states of the published implementation, in f32 (../shared/fixtures/families/README.md).
logits() {
	local d=$SHARED/fixtures/families/$1

	require shared "fixtures/families/$1"
	try llmc-import "$d" -o f.llmc
	try llmc-eval logits --dtype f32 --hidden --tokens "$d/reference.safetensors" -o out.safetensors f.llmc
	try "$BUILD/tests/unit/mkstdiff" out.safetensors "$d/reference.safetensors"
	awk -F'\t' '{ n++; if (!($2 <= 1e-4)) bad = 1 } END { exit bad || n != 2 }' <<<"$output"
}

# And the checkpoint's own tensors come back, under their names.
family() {
	local d=$SHARED/fixtures/families/$1

	logits "$1"
	try llmc-pack -f hf -o back f.llmc
	"$BUILD/tests/unit/mksthash" "$d"/model*.safetensors | sort >want
	"$BUILD/tests/unit/mksthash" back/model*.safetensors | sort >got
	try cmp want got
}

@test "family: llama, grouped heads" { family llama; }
@test "family: llama, bfloat16 storage" { family llama-bf16; }
@test "family: llama, head width of its own" { family llama-headdim; }
@test "family: llama, all biases, tied head" { family llama-mha-bias-tied; }
@test "family: llama, dynamic rope" { family llama-rope-dynamic; }
@test "family: llama, linear rope" { family llama-rope-linear; }
@test "family: llama, yarn rope" { family llama-rope-yarn; }
@test "family: llama, shards" { family llama-sharded; }
@test "family: llama, the newer configuration keys" { family llama-t5; }
@test "family: llama 3 rope" { family llama3-rope; }
@test "family: mistral, sliding window" { family mistral; }
@test "family: mistral, no window" { family mistral-nowindow; }
@test "family: qwen2" { family qwen2; }
@test "family: qwen2, float16 storage" { family qwen2-f16; }
@test "family: qwen2, tied" { family qwen2-tied; }
@test "family: smollm" { family smollm; }
@test "family: deepseek-v2" { family deepseek-v2; }
@test "family: deepseek-v2 lite" { family deepseek-v2-lite; }
@test "family: deepseek-v3" { family deepseek-v3; }
@test "family: mixtral" { family mixtral; }
@test "family: mixtral, the newer configuration keys" { family mixtral-t5; }
@test "family: mixtral, experts stacked" { family mixtral-t5stacked; }
@test "family: qwen2-moe" { family qwen2-moe; }
@test "family: qwen3-moe" { family qwen3-moe; }
@test "family: bloom" { family bloom; }
@test "family: bloom, residual from the norm" { family bloom-resnorm; }
@test "family: falcon 7b" { family falcon-7b; }
@test "family: falcon 11b" { family falcon-11b; }
@test "family: falcon 40b" { family falcon-40b; }
@test "family: falcon, alibi" { family falcon-rw; }
@test "family: gemma" { family gemma; }
@test "family: gemma2" { family gemma2; }
@test "family: gpt-neox, side by side" { family gpt-neox; }
@test "family: gpt-neox, in turn" { family gpt-neox-seq; }
@test "family: internlm2" { family internlm2; }
@test "family: internlm2.5, dynamic rope" { family internlm2-dynamic; }
@test "family: minicpm" { family minicpm; }
@test "family: opt" { family opt; }
@test "family: opt 350m" { family opt-350m; }
@test "family: phi-2" { family phi2; }
@test "family: phi-3" { family phi3; }
@test "family: phi-3, long rope beyond its context" { family phi3-longrope; }
@test "family: phi-3, long rope within its context" { family phi3-longrope-short; }
@test "family: qwen3" { family qwen3; }
@test "family: stablelm" { family stablelm; }
@test "family: stablelm 2 12b" { family stablelm2-12b; }
@test "family: starcoder" { family starcoder; }
@test "family: starcoder, a key for each head" { family starcoder-mha; }
@test "family: starcoder2" { family starcoder2; }

@test "family: deepseek-v3, FP8 blocks" {
	logits deepseek-v3-fp8
	try llmc-pack -f hf -o back f.llmc
	run jq -e .quantization_config back/config.json
	[ "$status" -eq 1 ]
	try llmc-import --dtype bf16 "$SHARED/fixtures/families/deepseek-v3-fp8" -o half.llmc
	less "$(stat -c %s half.llmc)" "$(($(stat -c %s f.llmc) * 6 / 10))"
	cp -r "$SHARED/fixtures/families/deepseek-v3-fp8" bad
	jq '.quantization_config.weight_block_size = [64, 128]' bad/config.json >c && mv c bad/config.json
	fails 3 "weight_scale_inv' is F32 [" llmc-import bad -o x.llmc
}

@test "family: bf16 products stay within two percent" {
	require shared fixtures/families/llama-bf16
	try llmc-import "$SHARED/fixtures/families/llama-bf16" -o f.llmc
	try llmc-eval logits --dtype bf16 --tokens "$SHARED/fixtures/families/llama-bf16/reference.safetensors" -o out.safetensors f.llmc
	try "$BUILD/tests/unit/mkstdiff" out.safetensors "$SHARED/fixtures/families/llama-bf16/reference.safetensors"
	awk -F'\t' '{ exit !($2 <= 2e-2) }' <<<"$output"
}

@test "family: one not known is refused by name, with the nearest that is" {
	require shared fixtures/families/chatglm
	fails 4 'ChatGLM' llmc-import "$SHARED/fixtures/families/chatglm" -o x.llmc
	has 'the nearest known is'
	absent x.llmc
}

# Every method on every family: errors of GPTQ below those of rounding on each linear, what engines and transformers load.
methods() {
	local f

	for f; do
		require shared "fixtures/families/$f"
		try llmc-import "$SHARED/fixtures/families/$f" -o f.llmc
		try llmc-tokenize --from-ids "$SHARED/fixtures/families/$f/reference.safetensors" -o c.tok
		try llmc-gptq --calib c.tok --dtype f32 -w int4:g16:asym --compare f.llmc -o q.llmc
		try llmc-quant -w int8:channel:sym f.llmc -o r.llmc
		tar xOf q.llmc end.json | jq -e '[.. | .linears? // empty | .[]] | length > 0 and all(.loss < .rtn_loss)' >/dev/null ||
			{ echo "$f: a linear that GPTQ does not better"; false; }
		try llmc-eval ppl --tokens c.tok r.llmc
		rm -rf o p
		try llmc-pack -f vllm --force -o o r.llmc
		# what stays in float and is a linear to engines is said so
		"$BUILD/tests/unit/mksthash" o/model.safetensors | cut -f 1 | grep -E '(gate|project_in|project_out)\.weight$' |
			sed 's/\.weight$//' >float || true
		jq -r '.quantization_config.ignore[]' o/config.json >ignore
		while read -r module; do grep -qx "$module" ignore || { echo "$f: $module"; false; }; done <float
		try llmc-pack -f hf --dequantize -o p q.llmc
	done
}

@test "methods: LLaMA and its kin" { methods llama mistral qwen2 qwen3 internlm2 minicpm; }
@test "methods: norms elsewhere" { methods bloom bloom-resnorm gemma gemma2 opt opt-350m; }
@test "methods: side by side" { methods falcon-7b falcon-11b falcon-40b gpt-neox phi2 stablelm2-12b; }
@test "methods: experts" { methods mixtral mixtral-t5stacked qwen2-moe qwen3-moe; }
@test "methods: more experts than a layer has other tensors" {
	try "$BUILD/tests/unit/mkbundle" --layers 2 --width 32 --experts 150 -o m.llmc
	try llmc-info -c m.llmc
	try llmc-quant -w int4:g32 m.llmc -o q.llmc
	try llmc-info -c q.llmc
	[ "$(tar xOf q.llmc block/0001.json | jq '.q | length')" -eq $((4 + 3 * 150)) ]
}
@test "methods: latent attention" { methods deepseek-v2 deepseek-v2-lite deepseek-v3; }
@test "methods: the others" { methods falcon-rw gpt-neox-seq phi3 stablelm starcoder starcoder-mha starcoder2; }
