load helpers

FAMILIES=$ROOT/tests/golden/gguf/families

# Models that transformers made and llama.cpp's converter wrote (oracle/gguf_families.py): the logits of the original, its
# class and the names of its tensors.
original() {
	local file=$FAMILIES/$1.gguf

	[ -e "$file" ] || file=$(echo "$FAMILIES/$1"-00001-of-*.gguf)
	try llmc-import "$file" -o g.llmc
	try llmc-eval logits --dtype f32 --tokens "$FAMILIES/$1.safetensors" -o out.safetensors g.llmc
	try "$BUILD/tests/unit/mkstdiff" out.safetensors "$FAMILIES/$1.safetensors"
	awk -F'\t' '{ n++; if (!($2 <= 1e-5)) bad = 1 } END { exit bad || n != 1 }' <<<"$output"
	rm -rf back
	try llmc-pack -f hf -o back g.llmc
	"$BUILD/tests/unit/mksthash" back/model*.safetensors | cut -f 1 | LC_ALL=C sort | sha256sum | cut -d ' ' -f 1 >sum
	printf '%s\t%s\t%s\n' "$1" "$(jq -r '.architectures[0]' back/config.json)" "$(cat sum)" >got
	grep "^$1	" "$FAMILIES/families.tsv" >want
	same want got
}

# Bytes of a file exchanged for as many others.
patch() { # FILE TEXT TEXT
	local at

	at=$(grep -obUaF "$2" "$1" | head -n 1)
	printf '%b' "$3" | dd of="$1" bs=1 seek="${at%%:*}" conv=notrunc status=none
}

@test "GGUF: llama, with biases, stretched rotary positions, experts stacked and one by one" {
	for m in llama llama3 llama-linear llama-yarn mixtral mixtral-old; do original $m; done
}
@test "GGUF: qwen2 with q, k and v in one, qwen3 in three files, their mixtures" {
	for m in qwen2 qwen2moe qwen3 qwen3moe; do original $m; done
}
@test "GGUF: gemma, gemma2" { for m in gemma gemma2; do original $m; done; }
@test "GGUF: minicpm, internlm2" { for m in minicpm internlm2; do original $m; done; }
@test "GGUF: phi2, phi3, long rope" { for m in phi2 phi3 phi3-longrope; do original $m; done; }
@test "GGUF: stablelm, starcoder, starcoder2" {
	for m in stablelm stablelm-12b starcoder starcoder2; do original $m; done
}
@test "GGUF: falcon, bloom, gptneox" {
	for m in falcon-7b falcon-11b falcon-40b bloom gptneox gptneox-seq; do original $m; done
}
@test "GGUF: deepseek2, keys and values of the latent apart and together" {
	for m in deepseek2 deepseek3 deepseek3-old; do original $m; done
	"$BUILD/tests/unit/mksthash" back/model.safetensors >got
	[ "$(grep e_score_correction_bias got | cut -f 2)" = F32 ]
	cp "$FAMILIES/deepseek3.gguf" x.gguf
	patch x.gguf blk.1.attn_v_b.weight blk.1.attn_v_c.weight
	fails 3 "tensor 'blk.1.attn_v_b.weight' is missing" llmc-import -o x.llmc x.gguf
	cp "$FAMILIES/deepseek3.gguf" x.gguf
	patch x.gguf blk.1.attn_v_b.weight 'blk.1.attn_v_b.weight\x03\0\0\0\x06\0\0\0\0\0\0\0\x08'
	fails 3 "do not fit each other" llmc-import -o x.llmc x.gguf
}

@test "GGUF in several files: named by the first, and all of them there" {
	cp "$FAMILIES"/qwen3-*.gguf .
	fails 3 "is file 2 of 3 of a model: the first is to be named" llmc-import -o x.llmc qwen3-00002-of-00003.gguf
	cp qwen3-00001-of-00003.gguf one.gguf
	fails 3 "its name does not end in '-00001-of-00003.gguf'" llmc-import -o x.llmc one.gguf
	mv qwen3-00003-of-00003.gguf away
	fails 3 "cannot open 'qwen3-00003-of-00003.gguf'" llmc-import -o x.llmc qwen3-00001-of-00003.gguf
	cp qwen3-00002-of-00003.gguf qwen3-00003-of-00003.gguf
	fails 3 "'qwen3-00003-of-00003.gguf' says that it is file 2 of 3" llmc-import -o x.llmc qwen3-00001-of-00003.gguf
	mv away qwen3-00003-of-00003.gguf
	patch qwen3-00003-of-00003.gguf blk.1.attn_q.weight blk.0.attn_q.weight
	fails 3 "comes twice" llmc-import -q -o x.llmc qwen3-00001-of-00003.gguf
	cp "$FAMILIES"/qwen3-*.gguf .
	patch qwen3-00001-of-00003.gguf split.tensors.count split.tensors.count'\x05\0\0\0\x17'
	fails 3 "where 'split.tensors.count' is 23" llmc-import -o x.llmc qwen3-00001-of-00003.gguf
	patch qwen3-00002-of-00003.gguf split.count split.count'\x02\0\0\0\x09'
	fails 3 "says that it is file 2 of 9" llmc-import -o x.llmc qwen3-00001-of-00003.gguf
	head -c 500 "$FAMILIES/qwen3-00003-of-00003.gguf" >qwen3-00003-of-00003.gguf
	cp "$FAMILIES"/qwen3-00002-*.gguf .
	fails 3 truncated llmc-import -o x.llmc qwen3-00001-of-00003.gguf
	absent x.llmc
}
