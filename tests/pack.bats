#!/usr/bin/env bats
# llmc-pack: a bundle becomes a directory, whole or not at all.
load helpers

hash() {
	"$BUILD/tests/unit/mksthash" "$@"
}

# q.llmc with the spec and options given.
quant() {
	bundle m.llmc
	try llmc-quant -o q.llmc "$@" m.llmc
}

# What a reader of the packed directory computes with is what we call dequantized.
reads_right() {
	rm -rf packed plain
	try llmc-pack -q -f vllm -o packed "$@" q.llmc
	try llmc-pack -f hf --dequantize --dtype f32 -o plain q.llmc
	"$BUILD/tests/unit/mkctread" packed >got
	hash plain/*.safetensors >want
	same want got
}

@test "int4 and int8, both symmetries, all group sizes: a reader finds our values" {
	for w in int4:g32 int4:g64:asym int4:g128 int4:g128:asym int4:channel int8:g128 int8:channel int8:g32:asym int4:channel:asym; do
		quant -w "$w"
		reads_right
	done
}

@test "a mixture of grids names every linear" {
	quant -w int4:g128:asym --rule 'mlp.down=int8:channel' --skip '0.*'
	reads_right
	[ "$(jq '.quantization_config.config_groups | length' packed/config.json)" -eq 2 ]
	[ "$(jq '.quantization_config.ignore | length' packed/config.json)" -eq 8 ]
	jq -e '.quantization_config.config_groups.group_1.targets | index("model.layers.3.mlp.down_proj")' packed/config.json
}

@test "one grid is given for all linears, with the head left out" {
	quant -w int4:g64
	reads_right
	[ "$(jq -c '.quantization_config.config_groups.group_0.targets' packed/config.json)" = '["Linear"]' ]
	[ "$(jq -c '.quantization_config.ignore' packed/config.json)" = '["lm_head"]' ]
	[ "$(jq -r .torch_dtype packed/config.json)" = bfloat16 ]
}

@test "--force writes widths and groups that engines lack" {
	for w in int2:g32:asym int3:g64 int5:channel int6:g128:asym int7:g32 int4:g16; do
		quant -w "$w"
		fails 4 "--force" llmc-pack -f vllm -o out q.llmc
		absent out
		reads_right --force
	done
}

@test "a group that does not divide is refused, forced or not" {
	quant -w int4:g96
	fails 4 "'model.layers.0." llmc-pack -f vllm --force -o out q.llmc
	absent out
	has 'quantize with g32, g64, g128 or channel'
	quant -w int4:g16
	fails 4 'quantize with g32, g64, g128 or channel, or --force' llmc-pack -f vllm -o out q.llmc
}

@test "members of a fused set must agree" {
	quant -w int4:g128 --skip attn.v
	fails 4 v_proj llmc-pack -f vllm -o out q.llmc
	has q_proj
	absent out
}

@test "tokenizer files and the rest of the configuration keep their bytes" {
	bundle q.llmc
	try llmc-pack -q -f vllm -o out q.llmc
	for f in generation_config.json tokenizer.json tokenizer_config.json special_tokens_map.json; do
		same "$DEMO/$f" "out/$f"
	done
	jq 'del(.quantization_config)' out/config.json >a
	jq . "$DEMO/config.json" >b
	same a b
	grep -q 'quant\.1' out/README.md
	grep -q 'import\.1' out/README.md
}

@test "a plain directory refuses quantized weights, and --dequantize rounds them to the model's type" {
	bundle q.llmc
	fails 4 "--dequantize" llmc-pack -f hf -o out q.llmc
	absent out
	try llmc-pack -f hf --dequantize -o out q.llmc
	hash out/model.safetensors >got
	[ "$(cut -f 2 got | sort -u)" = BF16 ]
	try llmc-import -o again.llmc out
	same "$DEMO/config.json" out/config.json
}

@test "shards hold what they may, and the index finds everything" {
	bundle m.llmc
	try llmc-pack -f hf --shard-size 3M -o out m.llmc
	[ ! -e out/model.safetensors ]
	n=$(find out -name 'model-*.safetensors' | wc -l)
	[ "$n" -gt 1 ]
	[ -e "$(printf 'out/model-00001-of-%05d.safetensors' "$n")" ]
	hash out/*.safetensors >got
	hash "$DEMO/model.safetensors" >want
	same want got
	[ "$(jq .metadata.total_size out/model.safetensors.index.json)" -eq 8393216 ]
	for f in out/*.safetensors; do
		[ "$(stat -c %s "$f")" -le $((3 * 1048576 + 65536)) ]
		hash "$f" | cut -f 1 >a
		jq -r --arg f "$(basename "$f")" '.weight_map | to_entries[] | select(.value == $f).key' \
			out/model.safetensors.index.json | sort >b
		same a b
	done
	try llmc-import -o again.llmc out
	try_sh 'tar xf again.llmc block/0002.safetensors embed.safetensors && sha256sum block/*.safetensors embed.safetensors >a'
	try_sh 'tar xf m.llmc block/0002.safetensors embed.safetensors && sha256sum block/*.safetensors embed.safetensors >b'
	same a b
}

@test "a pipe and a file give the same directory" {
	bundle q.llmc
	try llmc-pack -q -f vllm -o a q.llmc
	try_sh 'llmc-pack -q -f vllm -o b <q.llmc'
	try_sh 'cat q.llmc | llmc-pack -q -f vllm -o c -'
	diff -r a b
	diff -r a c
}

@test "a bundle with nothing quantized becomes a plain directory" {
	bundle m.llmc
	try llmc-pack -f vllm -o out m.llmc
	hash out/model.safetensors >got
	hash "$DEMO/model.safetensors" >want
	same want got
	[ "$(jq 'has("quantization_config")' out/config.json)" = false ]
}

@test "--dtype converts floats and says so in the configuration" {
	bundle m.llmc
	try llmc-pack -f hf --dtype f32 -o out m.llmc
	[ "$(jq -r .torch_dtype out/config.json)" = float32 ]
	hash out/model.safetensors >a
	[ "$(cut -f 2 a | sort -u)" = F32 ]
	try llmc-import -o f32.llmc out
	try llmc-pack -f hf --dtype bf16 -o back f32.llmc
	hash back/model.safetensors >got
	hash "$DEMO/model.safetensors" >want
	same want got
	same "$DEMO/config.json" back/config.json
}

@test "a truncated, a damaged and a foreign bundle leave nothing" {
	bundle m.llmc
	size=$(stat -Lc %s m.llmc)
	for n in 0 100 512 5000 $((size / 2)) $((size - 512)); do
		head -c "$n" m.llmc >cut.llmc
		try -3 llmc-pack -f hf -o out cut.llmc
		absent out
	done
	cp m.llmc bad
	printf 'x' | dd of=bad bs=1 seek=$((size / 3)) conv=notrunc status=none
	try -3 llmc-pack -f hf -o out bad
	absent out
	bundle calib.tok
	fails 3 tokens llmc-pack -f hf -o out calib.tok
	absent out
}

@test "an upstream that dies leaves nothing" {
	bundle m.llmc
	stages 'head -c 3000000 m.llmc | llmc-quant -w int4:g128 | llmc-pack -q -f vllm -o out' 0 3 3
	absent out
	stages "llmc-import absent | llmc-pack -f hf -o out" 3 3
	absent out
}

@test "a directory that is not empty, and misuse" {
	bundle m.llmc
	mkdir full empty
	touch full/x
	fails 2 "not empty" llmc-pack -f hf -o full m.llmc
	try llmc-pack -f hf -o empty m.llmc
	[ -e empty/model.safetensors ]
	fails 2 format llmc-pack -o out m.llmc
	fails 2 directory llmc-pack -f hf m.llmc
	fails 2 nosuch llmc-pack -f nosuch -o out m.llmc
	fails 2 one llmc-pack -f hf -o out m.llmc m.llmc
	try llmc-pack --list
	has vllm
	absent out
}

@test "columns permuted in one of fused matrices, and not in another, are no one matrix" {
	local d=$SHARED/fixtures/families/phi3 some

	require shared fixtures/families/phi3
	try llmc-import "$d" -o m.llmc
	for some in attn.k attn.q; do
		try llmc-gptq --calib "$d/reference.safetensors" --groups dynamic -w int4:g32 --skip $some m.llmc -o a.llmc
		try llmc-quant -w none --rule $some=int4:g32 a.llmc -o b.llmc
		fails 4 'are quantized differently' llmc-pack -f vllm --force b.llmc -o v
	done
}

@test "a head that engines call lm_head, whatever the checkpoint calls it, stays float" {
	require shared fixtures/families/gpt-neox
	try llmc-import "$SHARED/fixtures/families/gpt-neox" -o m.llmc
	try llmc-quant -w int8:channel m.llmc -o q.llmc
	try llmc-pack -q -f vllm q.llmc -o v
	[ "$(jq -c .quantization_config.ignore v/config.json)" = '["embed_out","lm_head"]' ]
}

@test "roles that do not fit into one tensor are not fused" {
	"$BUILD/tests/unit/mkmodel" n.d hidden=48 ffn=18 heads=8 kv=4 head_dim=8 vocab=64 layers=1
	echo '{"like": "llama", "names": {"fused": [{"name": "z%L", "as": "rows", "roles": ["attn.q", "mlp.down"]}]}}' >a.json
	fails 3 "'z%L' cannot hold 'mlp.down' beside the others: its rows are of another width" llmc-import --model a.json n.d
	echo '{"like": "llama", "names": {"fused": [{"name": "z%L", "as": "groups", "roles": ["mlp.gate", "mlp.up"]}]}}' >b.json
	fails 3 "'z%L' cannot hold 'mlp.gate' in turns: 18 rows of 4 heads" llmc-import --model b.json n.d
}

@test "-n says what would be refused of the first layer" {
	bundle m.llmc
	try llmc-quant -w int4:g16 m.llmc -o q.llmc
	fails 4 "engines have no kernels for groups of 16" llmc-pack -n -f vllm q.llmc -o o
	fails 4 "a plain directory holds floats" llmc-pack -n -f hf q.llmc -o o
	try llmc-pack -n -f vllm --force q.llmc -o o
	try llmc-pack -n -f hf --dequantize q.llmc -o o
	absent o
}
