load helpers

# Logits and hidden states of the published implementation, in f32 (../shared/fixtures/families/README.md).
family() {
	local d=$SHARED/fixtures/families/$1

	require shared "fixtures/families/$1"
	try llmc-import "$d" -o f.llmc
	try llmc-eval logits --dtype f32 --hidden --tokens "$d/reference.safetensors" -o out.safetensors f.llmc
	try "$BUILD/tests/unit/mkstdiff" out.safetensors "$d/reference.safetensors"
	awk -F'\t' '{ n++; if (!($2 <= 1e-4)) bad = 1 } END { exit bad || n != 2 }' <<<"$output"
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

@test "family: bf16 products stay within two percent" {
	require shared fixtures/families/llama-bf16
	try llmc-import "$SHARED/fixtures/families/llama-bf16" -o f.llmc
	try llmc-eval logits --dtype bf16 --tokens "$SHARED/fixtures/families/llama-bf16/reference.safetensors" -o out.safetensors f.llmc
	try "$BUILD/tests/unit/mkstdiff" out.safetensors "$SHARED/fixtures/families/llama-bf16/reference.safetensors"
	awk -F'\t' '{ exit !($2 <= 2e-2) }' <<<"$output"
}

@test "family: one not known is refused by name, with those known" {
	require shared fixtures/families/bloom
	fails 4 'BloomForCausalLM' llmc-import "$SHARED/fixtures/families/bloom" -o x.llmc
	has LlamaForCausalLM
	absent x.llmc
}
