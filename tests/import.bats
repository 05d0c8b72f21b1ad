#!/usr/bin/env bats
# llmc-import: a checkpoint becomes a bundle, whole or not at all; what does not fit is named.
load helpers

# hash FILE...: names, types, shapes and digests of tensors, whatever file they are in.
hash() {
	"$BUILD/tests/unit/mksthash" "$@"
}

# A copy of the demo, writable.
model() {
	cp -r "$DEMO" model
	chmod -R u+w model
}

# edit JQ: of the copy's config.json.
edit() {
	jq "$1" model/config.json >c && mv c model/config.json
}

# header JQ: of the copy's one weights file: its header is rewritten and padded to the length it had, or grows.
header() {
	local f=model/model.safetensors n new
	n=$(od -An -t u8 -N 8 "$f" | tr -d ' ')
	new=$(tail -c +9 "$f" | head -c "$n" | jq -c "$1")
	n=$((n + 8))
	printf '%b' "$(printf '%016x' "${#new}" | sed 's/\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)/\\x\8\\x\7\\x\6\\x\5\\x\4\\x\3\\x\2\\x\1/')" >w
	printf '%s' "$new" >>w
	tail -c +$((n + 1)) "$f" >>w
	mv w "$f"
}

@test "every supported fixture goes through and comes back: names, types and bytes" {
	require shared fixtures/families
	for d in "$SHARED"/fixtures/families/{llama*,mistral*,qwen2,qwen2-f16,qwen2-tied,smollm}; do
		n=$(basename "$d")
		try_sh "llmc-import '$d' | llmc-pack -f hf -o '$n'"
		hash "$d"/model*.safetensors >want
		hash "$n"/model*.safetensors >got
		same want got
		same "$d/config.json" "$n/config.json"
	done
}

@test "the demo model comes back with all its files" {
	try_sh "llmc-import '$DEMO' | llmc-pack -f hf -o out"
	hash "$DEMO"/model.safetensors >want
	hash out/model.safetensors >got
	same want got
	for f in config.json generation_config.json tokenizer.json tokenizer_config.json special_tokens_map.json; do
		same "$DEMO/$f" "out/$f"
	done
	[ "$(find out -type f | wc -l)" -eq 6 ]
}

@test "a tiny GGUF equals the model that the gguf package makes of it" {
	try llmc-import --dtype f32 -o g.llmc "$ROOT/tests/golden/gguf/tiny.gguf"
	try llmc-pack -f hf -o out g.llmc
	hash out/model.safetensors >got
	hash "$ROOT/tests/golden/gguf/tiny.safetensors" >want
	same want got
	[ -s out/tokenizer.model ]
}

@test "--dtype decides what a GGUF's tensors become, and a directory's stay" {
	try llmc-import --dtype f16 -o g.llmc "$ROOT/tests/golden/gguf/tiny.gguf"
	try llmc-pack -f hf -o out g.llmc
	hash out/model.safetensors >got
	[ "$(cut -f 2 got | sort -u)" = F16 ]
	[ "$(jq -r .torch_dtype out/config.json)" = float16 ]
	try llmc-import -o b.llmc "$ROOT/tests/golden/gguf/tiny.gguf"
	try llmc-pack -f hf -o out2 b.llmc
	hash out2/model.safetensors >got
	[ "$(cut -f 2 got | sort -u)" = BF16 ]
	fails 2 --dtype llmc-import --dtype f16 -o x "$DEMO"
	absent x
}

@test "SmolLM2's tokenizer out of its GGUF gives the ids of the original" {
	require shared models/smollm2-135m-instruct
	try llmc-import -o g.llmc "$SHARED"/models/smollm2-135m-instruct/*.gguf
	head -c 20000 "$DEMO/eval.txt" >text
	printf '<|im_start|>user\n  12345 caf\xc3\xa9\t\xe6\xbc\xa2\n\n<|im_end|>' >>text
	try_sh 'llmc-tokenize -m g.llmc --print-ids text >a'
	try_sh "llmc-tokenize -m '$SHARED/models/smollm2-135m-instruct' --print-ids text >b"
	same a b
}

@test "a weights file alone will do, with its configuration beside it" {
	try llmc-import -o a.llmc "$DEMO/model.safetensors"
	try llmc-import -o b.llmc "$DEMO"
	same a.llmc b.llmc
}

@test "file and standard output have the same bytes, and twice the same" {
	try llmc-import -o a.llmc "$DEMO"
	try_sh "llmc-import '$DEMO' >b.llmc"
	same a.llmc b.llmc
}

@test "names without the family's prefix are taken, and given back" {
	model
	header 'with_entries(.key |= sub("^model\\."; ""))'
	try_sh 'llmc-import model | llmc-pack -f hf -o out'
	hash model/model.safetensors >want
	hash out/model.safetensors >got
	same want got
	grep -q ^embed_tokens got
	header 'with_entries(.key |= sub("^layers.0"; "model.layers.0"))'
	fails 3 prefix llmc-import -o x model
}

@test "an unknown architecture is unsupported, the nearest known is told, and all of them at -v" {
	model
	edit '.architectures = ["Qwen2MoEForCausalLM"]'
	fails 4 "'Qwen2MoEForCausalLM' is not supported; the nearest known is 'Qwen2MoeForCausalLM'" llmc-import -o x model
	lacks LlamaForCausalLM
	has '; a way out is --as or --model, see llmc-import(1)'
	absent x
	# As many letters as in no name that is known; the end that classes share makes none near.
	edit '.architectures = ["MambaForCausalLM"]'
	fails 4 "'MambaForCausalLM' is not supported; a way out is --as or --model" llmc-import -o x model
	edit '.architectures = ["Qwen2MoEForCausalLM"]'
	try -4 llmc-import -v -o x model
	has 'known architectures: '
	has LlamaForCausalLM
}

@test "a checkpoint that is quantized already is unsupported" {
	model
	edit '.quantization_config = {"quant_method": "gptq"}'
	fails 4 gptq llmc-import -o x model
}

@test "a tensor that the family does not know is named" {
	model
	header 'with_entries(if .key == "model.norm.weight" then .key = "model.norm.gain" else . end)'
	fails 3 "'model.norm.gain'" llmc-import -o x model
	absent x
}

@test "a missing tensor is named" {
	model
	edit '.num_hidden_layers = 5'
	fails 3 "'model.layers.4." llmc-import -o x model
}

@test "a tensor of a layer too many is named" {
	model
	edit '.num_hidden_layers = 3'
	fails 3 "'model.layers.3." llmc-import -o x model
}

@test "a tensor of another shape is named with both shapes" {
	model
	edit '.intermediate_size = 512'
	fails 3 "[768,256]" llmc-import -o x model
	has "[512,256]"
}

@test "a value that is not finite is named" {
	model
	printf '\xff\xff' | dd of=model/model.safetensors bs=1 seek=$(($(stat -c %s model/model.safetensors) - 2)) conv=notrunc status=none
	fails 3 "not finite" llmc-import -o x model
	absent x
	require shared fixtures/families/llava
	rm -r model
	cp -rL "$SHARED/fixtures/families/llava" model && chmod -R u+w model
	n=$(od -An -t u8 -N 8 model/model.safetensors | tr -d ' ')
	at=$(tail -c +9 model/model.safetensors | head -c "$n" |
		jq '[to_entries[] | select(.key | startswith("vision_tower")) | .value.data_offsets[0]] | min')
	printf '\xff\xff\xff\xff' | dd of=model/model.safetensors bs=1 seek=$((8 + n + at)) conv=notrunc status=none
	fails 3 "not finite at element 0" llmc-import -o x model
	has "tensor 'vision_tower"
	absent x
}

@test "a truncated file is refused" {
	model
	truncate -s -1 model/model.safetensors
	fails 3 model.safetensors llmc-import -o x model
	truncate -s 5 model/model.safetensors
	fails 3 model.safetensors llmc-import -o x model
	truncate -s 0 model/model.safetensors
	fails 3 model.safetensors llmc-import -o x model
	head -c 20000 "$ROOT/tests/golden/gguf/tiny.gguf" >cut.gguf
	fails 3 truncated llmc-import -o x cut.gguf
}

@test "an index is held to its word" {
	require shared fixtures/families/llama-sharded
	cp -r "$SHARED/fixtures/families/llama-sharded" model
	chmod -R u+w model
	local index=model/model.safetensors.index.json
	cp "$index" good
	jq '.weight_map["model.norm.weight"] = "../model-00001-of-00003.safetensors"' good >"$index"
	fails 3 model.norm.weight llmc-import -o x model
	jq '.weight_map["model.norm.weight"] = "/etc/passwd"' good >"$index"
	fails 3 model.norm.weight llmc-import -o x model
	jq '.weight_map["model.norm.weight"] = "model-00001-of-00003.safetensors"' good >"$index"
	fails 3 model.norm.weight llmc-import -o x model
	jq 'del(.weight_map["model.norm.weight"])' good >"$index"
	fails 3 model.norm.weight llmc-import -o x model
	jq '.weight_map["model.extra.weight"] = "model-00001-of-00003.safetensors"' good >"$index"
	fails 3 model.extra.weight llmc-import -o x model
	jq '.weight_map = {}' good >"$index"
	fails 3 weight_map llmc-import -o x model
	cp good "$index"
	mv model/model-00002-of-00003.safetensors away
	fails 3 model-00002-of-00003.safetensors llmc-import -o x model
	mv away model/model.safetensors
	fails 3 both llmc-import -o x model
	absent x
}

@test "what is no model is refused" {
	mkdir empty
	fails 3 config.json llmc-import -o x empty
	fails 3 absent llmc-import -o x absent
	echo '{}' >empty/config.json
	fails 3 model.safetensors llmc-import -o x empty
	touch empty/pytorch_model.bin
	fails 4 pickled llmc-import -o x empty
	mkfifo pipe
	fails 3 regular llmc-import -o x pipe
	fails 2 one llmc-import
	fails 2 one llmc-import -o x a b
}

@test "the manifest names source and settings, and --no-pg leaves them out" {
	try llmc-import -o m.llmc "$DEMO"
	try_sh 'tar xOf m.llmc llmc.json'
	[ "$(field '.pg[0].id')" = import.1 ]
	[[ $(field '.pg[0].inputs.source') =~ ^xxh3:[0-9a-f]{16}$ ]]
	[ "$(field .model.family)" = llama ]
	try llmc-import --no-pg -o n.llmc "$DEMO"
	try_sh 'tar xOf n.llmc llmc.json'
	[ "$(field '.pg | length')" = 0 ]
}

@test "the ledger counts every tensor" {
	model
	try llmc-import -o m.llmc model
	try_sh 'tar xOf m.llmc end.json'
	[ "$(field '.ledger[0].kept')" -eq "$(hash "$DEMO/model.safetensors" | wc -l)" ]
}

@test "a full disk is a failure, and a terminal or a closed pipe gets nothing" {
	require file /dev/full
	try_sh -5 "llmc-import '$DEMO' >/dev/full"
	stages "llmc-import '$DEMO' | head -c 1000 >/dev/null" 141 0
}

@test "--list prints the families and what they allow, and the page has them all" {
	try llmc-import --list
	has $'#family\tarchitectures\trotate\tshift\tmoe'
	has $'llama\tLlamaForCausalLM,LLaMAForCausalLM\ttrue\tfalse\tfalse\tfalse\tllama'
	has $'gemma2\tGemma2ForCausalLM\tfalse\tfalse\tfalse'
	has $'phi\tPhiForCausalLM\ttrue\ttrue\tfalse'
	has $'mixtral\tMixtralForCausalLM\ttrue\tfalse\ttrue'
	cut -f 1 <<<"$output" | tail -n +2 | sort >have
	sed -n '/^\.Bl -column "gpt_bigcode"/,/^\.El/s/^\.It \(.*\) Ta .*/\1/p' "$ROOT/man/llmc-import.1" | tr -d ' ' | tr , '\n' | sort >page
	try diff page have
	try llmc-import --list -j
	[ "$(field 'length')" -eq "$(wc -l <have)" ]
	[ "$(field '.[] | select(.family == "falcon") | .architectures[1]')" = RWForCausalLM ]
	fails 2 -j llmc-import -j "$DEMO" -o x
	fails 2 'one of them' llmc-import --list --explain
}

# row TABLE KEY: of the last output, the row that begins with KEY in the table whose header begins with #TABLE.
row() {
	awk -F'\t' -v t="#$1" -v k="$2" '/^#/ { on = $1 == t } on && $1 == k' <<<"$output"
}

@test "--explain says which row it is, where each knob comes from, what each tensor is" {
	try llmc-import --explain "$DEMO"
	[ "$(row architecture LlamaForCausalLM | cut -f 2,4,5)" = $'llama\tyes\tno: norms without a bias' ]
	[ "$(row knob d_model | cut -f 2,3)" = $'256\thidden_size' ]
	[ "$(row knob norm | cut -f 2,3)" = $'rms\tdefault' ]
	[ "$(row knob dtype | cut -f 3)" = tensors ]
	[ "$(row idle_key use_cache)" = use_cache ]
	[ -z "$(row idle_key hidden_size)" ]
	[ "$(row tensor model.layers.1.mlp.up_proj.weight | cut -f 3-)" = $'BF16\t1\tmlp.up.weight\twhole' ]
	[ "$(awk -F'\t' '/^#/ { on = $1 == "#tensor"; next } on' <<<"$output" | wc -l)" -eq "$(hash "$DEMO/model.safetensors" | wc -l)" ]
	try llmc-import --explain -j "$DEMO"
	[ "$(field '.tensors[] | select(.tensor == "model.norm.weight") | .block')" = head ]
	[ "$(field '.knobs[] | select(.knob == "attn_scale") | .from[]')" = head_dim ]
	fails 2 '--explain' llmc-import --explain -o x "$DEMO"
	absent x
}

@test "--explain knows every knob of every fixture's, and every tensor" {
	require shared fixtures/families
	for d in "$SHARED"/fixtures/families/{bloom,deepseek-v3,falcon-40b,gemma2,mixtral-t5stacked,opt-350m,phi3-longrope,stablelm2-12b}; do
		try llmc-import --explain -j "$d"
		field '.tensors | length > 0 and all(.roles | length > 0)'
		field '.knobs | all(.from | length > 0)'
		# what import writes is what was explained
		try llmc-import -o m.llmc "$d"
		tar xOf m.llmc llmc.json | jq -S '.model | . + (.rope | with_entries(.key |= "rope." + .)) | del(.rope)' >want
		try llmc-import --explain -j "$d"
		jq -S '.knobs | map({ (.knob): .value }) | add' <<<"$output" >got
		same want got
	done
	try llmc-import --explain "$SHARED/fixtures/families/mixtral-t5stacked"
	[ "$(row tensor model.layers.1.mlp.experts.gate_up_proj | cut -f 5,6)" = $'expert.*.gate.weight,expert.*.up.weight\tfused: experts stacked' ]
	[ "$(row knob family | cut -f 2,3)" = $'mixtral_stacked\ttensors' ]
	try llmc-import --explain "$SHARED/fixtures/families/falcon-40b"
	[[ $(row architecture FalconForCausalLM) == *$'\tfalcon_2\tof 2 '* ]]
}

@test "--explain takes GGUF" {
	try llmc-import --explain "$ROOT/tests/golden/gguf/tiny.gguf"
	[ "$(row knob d_model | cut -f 2,3)" = $'32\thidden_size' ]
	[ "$(row tensor blk.0.attn_q.weight | cut -f 5)" = attn.q.weight ]
}

@test "--explain goes as far as it comes, and then says what is wrong, with its status" {
	model
	edit '.num_hidden_layers = 3'
	try -3 llmc-import --explain model
	[ "$(row knob n_layer | cut -f 2)" = 3 ]
	[ "$(row tensor model.layers.0.mlp.up_proj.weight | cut -f 4)" = 0 ]
	[ "$(row tensor model.norm.weight | cut -f 4-)" = $'-\t-\t-' ]
	has "'model.layers.3."
	try -3 llmc-import --explain -j model
	[ "$(field '.error.status')" = 3 ]
	edit '.rope_scaling = { rope_type: "other" }'
	try -4 llmc-import --explain model
	[ "$(row architecture LlamaForCausalLM | cut -f 2)" = llama ]
	header 'with_entries(if .key == "model.norm.weight" then .key = "model.layers.0.rotary_emb.inv_freq" else . end)'
	edit '.architectures = ["Other"]'
	try -4 llmc-import --explain model
	has "'Other' is not supported"
	[ -n "$(row tensor lm_head.weight)$(row tensor model.embed_tokens.weight)" ]
	edit '.architectures = ["LlamaForCausalLM"] | .num_hidden_layers = 4 | del(.rope_scaling)'
	try -3 llmc-import --explain model
	[[ $(row tensor model.layers.0.rotary_emb.inv_freq) == *'left out: a buffer'* ]]
}
