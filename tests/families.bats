load helpers

# Where a fixture is: the project has some of its own, which oracle/families.py and oracle/vision.py wrote.
at() {
	echo "$ROOT/tests/families/$1" >at
	[ -d "$ROOT/tests/families/$1" ] || require shared "fixtures/families/$1"
	[ -d "$ROOT/tests/families/$1" ] || echo "$SHARED/fixtures/families/$1" >at
}

# Logits and hidden states of the published implementation, in f32 (../shared/fixtures/families/README.md).
logits() {
	local d

	at "$1"
	d=$(cat at)
	try llmc-import "$d" -o f.llmc
	try llmc-eval logits --dtype f32 --hidden --tokens "$d/reference.safetensors" -o out.safetensors f.llmc
	try "$BUILD/tests/unit/mkstdiff" out.safetensors "$d/reference.safetensors"
	awk -F'\t' '{ n++; if (!($2 <= 1e-4)) bad = 1 } END { exit bad || n != 2 }' <<<"$output"
}

# And the checkpoint's own tensors come back, under their names.
family() {
	logits "$1"
	back "$1"
}
back() {
	local d

	at "$1"
	d=$(cat at)
	rm -rf back
	try llmc-pack -f hf -o back f.llmc
	"$BUILD/tests/unit/mksthash" "$d"/model*.safetensors | sort >want
	"$BUILD/tests/unit/mksthash" back/model*.safetensors | sort >got
	try cmp want got
	try cmp "$d/config.json" back/config.json
}

# The language half of a model that sees: its text among the references, under the names that others have whole models'.
text_of() {
	local d

	at "$1"
	d=$(cat at)
	if ! grep -q text.input_ids "$d/reference.safetensors"; then
		cp "$d/reference.safetensors" ref.safetensors
		return
	fi
	sed -e 's/"input_ids"/"image_ids"/; s/"logits"/"l_else"/; s/"text.logits"/"logits"     /' \
		-e 's/"text.input_ids"/"input_ids"     /' "$d/reference.safetensors" >ref.safetensors
}
vision() {
	text_of "$1"
	try llmc-import "$SHARED/fixtures/families/$1" -o f.llmc
	try llmc-eval logits --dtype f32 --tokens ref.safetensors -o out.safetensors f.llmc
	try "$BUILD/tests/unit/mkstdiff" out.safetensors ref.safetensors
	awk -F'\t' '{ exit !($2 <= 1e-5) }' <<<"$output"
	back "$1"
	# what is carried is on the books, by name
	grep -vE '^(language_model|model|lm_head)\.' want | cut -f 1 | cmp - <(tar xOf f.llmc end.json | jq -r '.ledger[0].carried[]' | sort)
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

@test "family: qwen3-moe, a window in every layer" { family qwen3-moe-window; }
@test "family: deepseek-v3, experts stacked, shards" { family deepseek-v3-stacked; }
@test "family: phi, the embedding as head under a bias" { family phi-tied; }
@test "family: phi-3, long rope by its first name, shards" { family phi3-yarn; }
@test "family: opt, norms without weights" { family opt-plain; }
@test "family: granite, long rope" { family granite; }
@test "family: olmo2, yarn rope, head width of its own" { family olmo2; }

@test "family: llava-next, names and configuration of later, tied, a window" { family llava-next-memory; }
@test "family: mllama, the first layer attends to images" { family mllama-first; }
@test "family: mllama, text" { family mllama-text; }
@test "family: qwen2-vl, text" { family qwen2-vl-text; }
@test "vision: llava" { vision llava; }
@test "vision: llava-onevision" { vision llava-onevision; }
@test "vision: qwen2-vl" { vision qwen2-vl; }
@test "vision: mllama" { vision mllama; }
@test "vision: mllama, a tile of padding" { vision mllama-padtile; }
@test "vision: internvl2" { vision internvl2; }
@test "vision: internvl2 around qwen2" { vision internvl2-qwen2; }

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

@test "family: a factor of 0, or below, is refused, for a knob of 0 is off" {
	local d=$ROOT/tests/families/granite key value

	for key in embedding_multiplier attention_multiplier residual_multiplier logits_scaling; do
		for value in 0 -1; do
			rm -rf bad
			cp -r "$d" bad
			jq ".$key = $value" "$d/config.json" >bad/config.json
			fails 3 "'$key' is $value" llmc-import bad -o x.llmc
		done
	done
}

@test "family: bf16 products stay within two percent" {
	require shared fixtures/families/llama-bf16
	try llmc-import "$SHARED/fixtures/families/llama-bf16" -o f.llmc
	try llmc-eval logits --dtype bf16 --tokens "$SHARED/fixtures/families/llama-bf16/reference.safetensors" -o out.safetensors f.llmc
	try "$BUILD/tests/unit/mkstdiff" out.safetensors "$SHARED/fixtures/families/llama-bf16/reference.safetensors"
	awk -F'\t' '{ exit !($2 <= 2e-2) }' <<<"$output"
}

@test "vision: what is carried passes through every tool, unchanged" {
	text_of llava
	try llmc-import "$SHARED/fixtures/families/llava" -o f.llmc
	try llmc-tokenize --from-ids ref.safetensors -o c.tok
	try_sh 'llmc-quant -w int8:channel <f.llmc | llmc-cat -o q.llmc'
	tar xOf f.llmc end.json | jq -c '.members[] | select(.name | startswith("vision/"))' >want
	tar xOf q.llmc end.json | jq -c '.members[] | select(.name | startswith("vision/"))' >got
	[ "$(wc -l <want)" -eq 5 ]
	try cmp want got
	try llmc-info -c q.llmc
	try llmc-cat -b embed,0 q.llmc -o a.llmc
	try llmc-cat -b 1,head q.llmc -o b.llmc
	try llmc-cat a.llmc b.llmc -o c.llmc
	same q.llmc c.llmc
	# layers in order, by number
	for k in 1 2 3; do
		tar xOf f.llmc "vision/000$k.safetensors" | head -c 300 | grep -q "encoder.layers.$((k - 1))\."
	done
	# a run that was stopped among them goes on
	n=$(grep -abo vision/0003.safetensors f.llmc | head -n 1 | cut -d : -f 1)
	try_sh -3 "head -c $n f.llmc | llmc-quant -w int8:channel --resume -o r.llmc"
	try llmc-quant -w int8:channel --resume -o r.llmc f.llmc
	try llmc-quant -w int8:channel -o s.llmc f.llmc
	same s.llmc r.llmc
	# a difference in one of them is one
	try llmc-diff f.llmc f.llmc
	# in shards, each of them whole
	try llmc-pack -f hf --dequantize --shard-size 100K -o o q.llmc
	"$BUILD/tests/unit/mksthash" o/model-*.safetensors | cut -f 1 | sort >names
	jq -r '.weight_map | keys[]' o/model.safetensors.index.json | sort | cmp - names
	[ "$(wc -l <names)" -eq 80 ]
	# and of engines it is said that they stay float
	try llmc-pack -f vllm --force -o v q.llmc
	jq -e '.quantization_config.ignore | index("vision_tower.vision_model.encoder.layers.2.mlp.fc1") and
		index("multi_modal_projector.linear_2")' v/config.json >/dev/null
	# whatever they put before the names
	jq -r '.quantization_config.ignore[] | select(startswith("re:"))' v/config.json | sed 's/^re://' >ignore
	for m in model.vision_tower.vision_model.encoder.layers.0.mlp.fc1 vision_tower.vision_model.post_layernorm \
		multi_modal_projector.linear_1 model.language_model.lm_head lm_head; do
		grep -qP -f <(paste -sd'|' ignore) <<<"$m" || { echo "$m is not ignored"; false; }
	done
	run ! grep -qP -f <(paste -sd'|' ignore) <<<"model.language_model.layers.0.mlp.gate_proj"
	# two kinds of linears: each is named, in such a way
	try llmc-quant -w int8:channel --rule 'mlp.down=int4:g32' f.llmc -o q2.llmc
	try llmc-pack -f vllm --force -o v2 q2.llmc
	[ "$(jq -r '.quantization_config.config_groups.group_1.targets[0]' v2/config.json)" = 're:(.*\.)?layers\.0\.mlp\.down_proj$' ]
}

@test "vision: names as transformers has them since version 5" {
	local d f

	for f in llava qwen2-vl; do
		text_of "$f"
		d=$SHARED/fixtures/families/$f
		rm -rf five
		mkdir five
		case $f in
		llava) jq '.text_config += {architectures: ["LlavaForConditionalGeneration"]}' "$d/config.json" >five/config.json
			sed -e 's/"language_model\.model\./"model.language_model./g; s/"language_model\.lm_head\.weight"/"lm_head.weight"/' \
				-e 's/"multi_modal_projector\./"model.multi_modal_projector./g; s/"vision_tower\./"model.vision_tower./g' \
				"$d/model.safetensors" >five/renamed ;;
		*) jq '. as $c | {architectures, model_type, image_token_id, vision_config, tie_word_embeddings, dtype: "float32",
				text_config: (del(.vision_config, .image_token_id, .rope_scaling, .rope_theta, .torch_dtype) +
				{model_type: "qwen2_vl_text", rope_parameters: {rope_type: "default", mrope_section: [2, 3, 3], rope_theta: .rope_theta}})}' \
				"$d/config.json" >five/config.json
			sed -e 's/"model\./"model.language_model./g; s/"visual\./"model.visual./g' "$d/model.safetensors" >five/renamed ;;
		esac
		"$BUILD/tests/unit/mksthead" five/renamed five/model.safetensors
		rm five/renamed
		try llmc-import five -o f.llmc
		tar xOf f.llmc llmc.json | jq -e '.requires | index("names")'
		try llmc-eval logits --dtype f32 --tokens ref.safetensors -o out.safetensors f.llmc
		try "$BUILD/tests/unit/mkstdiff" out.safetensors ref.safetensors
		awk -F'\t' '{ exit !($2 <= 1e-5) }' <<<"$output"
		rm -rf back
		try llmc-pack -f hf -o back f.llmc
		"$BUILD/tests/unit/mksthash" five/model.safetensors | sort >want
		"$BUILD/tests/unit/mksthash" back/model.safetensors | sort >got
		try cmp want got
	done
}

@test "vision: a preprocessor's files travel along; types and ties are said in both configurations" {
	local d=$SHARED/fixtures/families/llava

	require shared fixtures/families/llava
	mkdir x
	ln -s "$(realpath "$d/model.safetensors")" x/model.safetensors
	for f in preprocessor_config processor_config video_preprocessor_config; do echo "{\"$f\": 1}" >x/$f.json; done
	# tied by the configuration, with a head of its own: the head counts
	jq '.text_config += {tie_word_embeddings: true, torch_dtype: "float32"}' "$d/config.json" >x/config.json
	try llmc-import x -o f.llmc
	try llmc-pack -f hf --dtype bf16 -o o f.llmc
	for f in preprocessor_config processor_config video_preprocessor_config; do same x/$f.json o/$f.json; done
	[ "$(jq -c '[.torch_dtype, .text_config.torch_dtype, .tie_word_embeddings, .text_config.tie_word_embeddings]' o/config.json)" = \
		'["bfloat16","bfloat16",false,false]' ]
	[ "$(jq '.text_config | del(.torch_dtype, .tie_word_embeddings)' o/config.json)" = \
		"$(jq '.text_config | del(.torch_dtype, .tie_word_embeddings)' x/config.json)" ]
	# what is carried keeps its type
	"$BUILD/tests/unit/mksthash" o/model.safetensors >h
	grep -q $'multi_modal_projector.linear_1.weight\tF32' h
	grep -q $'language_model.model.norm.weight\tBF16' h
	try llmc-import --explain x
	has $'vision_tower.vision_model.pre_layrnorm.bias\t[32]\tF32\t-\t-\tcarried along'
	has $'language_model.lm_head.weight\t[96,64]\tF32\thead\thead.weight\twhole'
}

@test "vision: layers that attend to images are never compressed, and rules that name them are told so" {
	require shared fixtures/families/mllama
	try llmc-import "$SHARED/fixtures/families/mllama" -o f.llmc
	try llmc-quant -w int8:channel --rule 'mlp.down=int4:g16' f.llmc -o q.llmc
	for k in 1 3; do
		[ "$(tar xOf q.llmc "block/000$k.json" | jq '.q | length')" -eq 0 ]
		tar xOf q.llmc "block/000$k.safetensors" | cmp - <(tar xOf f.llmc "block/000$k.safetensors")
	done
	[ "$(tar xOf q.llmc block/0002.json | jq '.q | length')" -eq 7 ]
	fails 2 "'1.mlp.down' matches what is not compressed: layer 1 attends to images" \
		llmc-quant -w int8:channel --rule '1.mlp.down=int4:g16' f.llmc -o x.llmc
	fails 2 "'cross.q' matches what is not compressed" llmc-quant -w int8:channel --skip cross.q f.llmc -o x.llmc
	absent x.llmc
}

# bad FIXTURE JQ: the fixture with its configuration changed.
bad() {
	require shared "fixtures/families/$1"
	rm -rf bad
	mkdir bad
	ln -s "$(realpath "$SHARED/fixtures/families/$1/model.safetensors")" bad/model.safetensors
	jq "$2" "$SHARED/fixtures/families/$1/config.json" >bad/config.json
}
@test "vision: configurations that say too little, or what is not known" {
	bad llava 'del(.text_config)'
	fails 3 "no 'text_config'" llmc-import bad -o x.llmc
	bad llava '.text_config = 3'
	fails 3 "'text_config' is not an object" llmc-import bad -o x.llmc
	bad llava '.text_config.model_type = "chatglm"'
	fails 4 "'chatglm' is not supported" llmc-import bad -o x.llmc
	bad llava '.text_config.architectures = ["ChatGLMModel"]'
	fails 4 "'ChatGLMModel' is not supported" llmc-import bad -o x.llmc
	bad llava '.text_config.model_type = "llava"'
	fails 4 "describes a model around another" llmc-import bad -o x.llmc
	bad internvl2 'del(.llm_config.architectures, .llm_config.model_type)'
	fails 3 "'llm_config' says neither" llmc-import bad -o x.llmc
	bad mllama '.text_config.cross_attention_layers = [1, 4]'
	fails 3 "'cross_attention_layers' holds something that is no layer" llmc-import bad -o x.llmc
	bad mllama '.text_config.cross_attention_layers = [1]'
	fails 3 "tensor 'language_model.model.layers.3.self_attn.q_proj.weight' is missing" llmc-import bad -o x.llmc
	bad qwen2-vl '.rope_scaling.mrope_section = [2, 3]'
	fails 3 "'mrope_section' is not a list of sections of 8 pairs" llmc-import bad -o x.llmc
	# what is silent is what the class has: too large for these weights
	bad llava 'del(.text_config.hidden_size)'
	fails 3 'the configuration makes it [' llmc-import bad -o x.llmc
	# a tower of another kind
	bad llava .
	rm bad/model.safetensors
	sed 's/"vision_tower\./"audio_tower.x/g' "$SHARED/fixtures/families/llava/model.safetensors" >bad/renamed
	"$BUILD/tests/unit/mksthead" bad/renamed bad/model.safetensors
	fails 3 "unknown tensor 'audio_tower.x" llmc-import bad -o x.llmc
	absent x.llmc
}

@test "vision: a configuration of the language model may leave out what its class has" {
	bad llava 'del(.text_config.model_type, .text_config.hidden_act, .text_config.rms_norm_eps, .text_config.rope_theta)'
	try llmc-import bad -o a.llmc
	bad llava .
	try llmc-import bad -o b.llmc
	cmp <(tar xOf a.llmc llmc.json | jq .model) <(tar xOf b.llmc llmc.json | jq .model)
}

@test "family: one not known is refused by name, and none that is not near is offered" {
	require shared fixtures/families/chatglm
	fails 4 'ChatGLM' llmc-import "$SHARED/fixtures/families/chatglm" -o x.llmc
	lacks 'nearest'
	has '--as or --model'
	absent x.llmc
}

# Every method on every family: errors of GPTQ below those of rounding on each linear, what engines and transformers load.
methods() {
	local f

	for f; do
		text_of "$f"
		try llmc-import "$(cat at)" -o f.llmc
		try llmc-tokenize --from-ids ref.safetensors -o c.tok
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

@test "methods: LLaMA and its kin" { methods llama mistral qwen2 qwen3 internlm2 minicpm granite; }
@test "methods: norms elsewhere" { methods bloom bloom-resnorm gemma gemma2 olmo2 opt opt-350m; }
@test "methods: side by side" { methods falcon-7b falcon-11b falcon-40b gpt-neox phi2 stablelm2-12b; }
@test "methods: experts" { methods mixtral mixtral-t5stacked qwen2-moe qwen3-moe; }
@test "methods: more experts than a layer has other tensors" {
	try "$BUILD/tests/unit/mkbundle" --layers 2 --width 32 --experts 150 -o m.llmc
	try llmc-info -c m.llmc
	try llmc-quant -w int4:g32 m.llmc -o q.llmc
	try llmc-info -c q.llmc
	[ "$(tar xOf q.llmc block/0001.json | jq '.q | length')" -eq $((4 + 3 * 150)) ]
}
@test "methods: the language half of models that see" { methods llava llava-onevision qwen2-vl mllama internvl2 internvl2-qwen2; }
@test "methods: latent attention" { methods deepseek-v2 deepseek-v2-lite deepseek-v3; }
@test "methods: the others" { methods falcon-rw gpt-neox-seq phi3 stablelm starcoder starcoder-mha starcoder2; }

@test "layers behind the model's, which foretell further tokens, are carried along" {
	"$BUILD/tests/unit/mkmodel" m.d hidden=64 ffn=96 heads=4 kv=2 vocab=64 layers=3
	jq '.num_hidden_layers = 2' m.d/config.json >c.json
	mv c.json m.d/config.json
	fails 3 "unknown tensor 'model.layers.2." llmc-import m.d
	jq '.num_nextn_predict_layers = 1' m.d/config.json >c.json
	mv c.json m.d/config.json
	try llmc-import m.d -o m.llmc
	[ "$(tar tf m.llmc | grep -c further/)" -eq 1 ]
	try llmc-quant -w int4:g32 m.llmc -o q.llmc
	tar xOf m.llmc further/0000.safetensors >m.sum
	tar xOf q.llmc further/0000.safetensors >q.sum
	same m.sum q.sum
	try llmc-pack -f hf m.llmc -o back
	diff <("$BUILD/tests/unit/mksthash" m.d/model.safetensors | sort) <("$BUILD/tests/unit/mksthash" back/model.safetensors | sort)
	try llmc-pack -q -f vllm q.llmc -o v
	[ "$(jq -c '.quantization_config.ignore' v/config.json)" = '["re:(.*\\.)?lm_head$","re:(.*\\.)?layers\\.2(\\..*)?$"]' ]
	# a name that the model has is not theirs
	jq '.num_hidden_layers = 4' m.d/config.json >c.json
	mv c.json m.d/config.json
	fails 3 "model.layers.3." llmc-import m.d
}
