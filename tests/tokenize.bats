# llmc-tokenize: text to rows of ids.
load helpers

# ids NAME: the numbers in a safetensors file's or token bundle's rows, one a line.
ids() {
	local f=$1

	[ "$(head -c 9 "$f" | tail -c 1)" = '{' ] || { tar xOf "$f" tokens.safetensors >ids.tmp && f=ids.tmp; }
	tail -c +$((9 + $(od -An -tu8 -N8 "$f"))) "$f" | od -An -v -tu4 -w4 | tr -d ' '
}

@test "the demo's texts give the reference's ids" {
	try llmc-tokenize -m "$DEMO" --print-ids "$DEMO/eval.txt" -o eval.ids
	[ "$(wc -l <eval.ids)" -eq 1 ]
	[ "$(wc -w <eval.ids)" -eq "$(jq .eval_tokens "$DEMO/reference.json")" ]
	try llmc-tokenize -m "$DEMO" --seqlen 512 "$DEMO/eval.txt" -o eval.tok
	[ "$(ids eval.tok | wc -l)" -eq $((95 * 512)) ]
	got=$(tar xOf eval.tok tokens.safetensors | tail -c $((95 * 512 * 4)) | sha256sum | cut -d' ' -f1)
	[ "$got" = "$(jq -r .eval_ids_sha256 "$DEMO/reference.json")" ]
	try llmc-tokenize -m "$DEMO" --print-ids "$DEMO/calib.txt"
	[ "$(wc -w <<<"$output")" -eq "$(jq .calib_tokens "$DEMO/reference.json")" ]
	[ "$(cut -d' ' -f1-16 <<<"$output")" = "$(jq -r '.calib_first_ids | map(tostring) | join(" ")' "$DEMO/reference.json")" ]
}

@test "directory, tokenizer file and bundle are the same tokenizer" {
	bundle m.llmc eval.txt
	try llmc-tokenize -m m.llmc --print-ids eval.txt -o a
	try llmc-tokenize -m "$DEMO" --print-ids eval.txt -o b
	try llmc-tokenize -m "$DEMO/tokenizer.json" --print-ids eval.txt -o c
	cp "$DEMO/tokenizer.json" tok
	try llmc-tokenize -m tok --print-ids eval.txt -o d
	try_sh 'llmc-tokenize -m - --print-ids eval.txt <m.llmc >e'
	same a b && same a c && same a d && same a e
	try llmc-tokenize -m m.llmc -d a -o text
	same text eval.txt
}

@test "SmolLM2's token sets come out bit for bit" {
	local m=models/smollm2-135m-instruct name file n t
	require shared $m
	while read -r name file n t; do
		try llmc-tokenize -m "$SHARED/$m" --samples "$n" --seqlen "$t" "$SHARED/data/$file" --to-ids x.safetensors
		ids x.safetensors >got
		ids "$SHARED/$m/tokens/$name.safetensors" >want
		same got want
	done <<-EOF
		wiki2_32x2048 wikitext-2/test.txt 32 2048
		calib_c4_128x512 calib/c4.utf8 128 512
	EOF
}

@test "rows are the first ids, in order, without overlap" {
	bundle m.llmc eval.txt
	try llmc-tokenize -m m.llmc --print-ids eval.txt -o all
	try -0 llmc-tokenize -v -m m.llmc --seqlen 100 --samples 7 eval.txt -o r.tok
	has '7 rows of 100'
	ids r.tok >got
	tr ' ' '\n' <all | head -n 700 >want
	same got want
	try_sh 'tar xOf r.tok llmc.json'
	[ "$(field .kind)" = tokens ]
	[ "$(field .tokens.samples)" = 7 ]
	[ "$(field .tokens.seqlen)" = 100 ]
	[ "$(field .tokens.add_special)" = auto ]
	[ "$(field .tokens.source_bytes)" = "$(wc -c <eval.txt)" ]
	[ "$(field '.pg[0].tool')" = llmc-tokenize ]
	lacks "$PWD"
	lacks eval.txt
}

@test "several files are one text, whatever the cut; file and pipe write the same bytes" {
	bundle m.llmc eval.txt
	head -c 1001 eval.txt >a
	tail -c +1002 eval.txt >b
	try llmc-tokenize -m m.llmc --seqlen 64 a b -o x.tok
	try llmc-tokenize -m m.llmc --seqlen 64 eval.txt -o y.tok
	try_sh 'cat eval.txt | llmc-tokenize -m m.llmc --seqlen 64 >z.tok'
	try_sh 'cat b | llmc-tokenize -m m.llmc --seqlen 64 a - >w.tok'
	same x.tok y.tok && same x.tok z.tok && same x.tok w.tok
}

@test "BOS is added by itself, on demand or not at all" {
	local m=$SHARED/models/stories260K
	require shared models/stories260K
	for f in "$m" "$m/tokenizer.json" "$m/tokenizer.model"; do
		try_sh 'printf "Once upon a time" | llmc-tokenize -m "$1" --print-ids' sh "$f"
		[ "$output" = "1 403 407 261 378" ]
		try_sh 'printf "Once upon a time" | llmc-tokenize -m "$1" --add-special no --print-ids' sh "$f"
		[ "$output" = "403 407 261 378" ]
		try_sh 'printf "Once upon a time" | llmc-tokenize -m "$1" --add-special yes --print-ids' sh "$f"
		[ "$output" = "1 403 407 261 378" ]
	done
	# The demo's tokenizer has a BOS (id 0) and adds none by itself.
	try_sh 'printf hello | llmc-tokenize -m "$1" --print-ids' sh "$DEMO"
	[ "${output%% *}" != 0 ]
	try_sh 'printf hello | llmc-tokenize -m "$1" --add-special yes --print-ids' sh "$DEMO"
	[ "${output%% *}" = 0 ]
}

@test "jsonl: each line is a text of its own" {
	require shared models/stories260K
	printf '%s\n' '{"text":"Once upon a time","n":1}' '' '{"text":"Once upon\u0020a time"}' >a.jsonl
	try llmc-tokenize -m "$SHARED/models/stories260K" --print-ids a.jsonl
	[ "$output" = "1 403 407 261 378 1 403 407 261 378" ]
	try_sh 'sed s/text/body/ a.jsonl | llmc-tokenize -m "$1" --field body --print-ids' sh "$SHARED/models/stories260K"
	[ "$output" = "1 403 407 261 378 1 403 407 261 378" ]
	fails 3 "no field 'body'" llmc-tokenize -m "$SHARED/models/stories260K" --field body --print-ids a.jsonl
	echo '{"text":3}' >>a.jsonl
	fails 3 'line 4' llmc-tokenize -m "$SHARED/models/stories260K" --print-ids a.jsonl
	echo nonsense >b.jsonl
	fails 3 'line 1' llmc-tokenize -m "$SHARED/models/stories260K" --print-ids b.jsonl
}

@test "token sets of others: in and out again, I32 or I64, cut to size" {
	bundle m.llmc eval.tok
	try llmc-tokenize --from-ids eval.tok --to-ids a.safetensors
	try llmc-tokenize --from-ids a.safetensors -o a.tok
	ids a.tok >x
	ids eval.tok >y
	same x y
	try llmc-tokenize --from-ids a.safetensors --samples 2 --seqlen 5 -o b.tok --to-ids b.safetensors
	ids b.tok >x
	ids b.safetensors >z
	{ head -n 5 y; sed -n 129,133p y; } >want
	same x want && same z want
	# [2,3] of I64 beside a tensor that is not asked for
	head='{"attention_mask":{"dtype":"U8","shape":[1],"data_offsets":[48,49]},"input_ids":{"dtype":"I64","shape":[2,3],"data_offsets":[0,48]}}'
	{ printf '%b' "\\x$(printf %02x ${#head})\\0\\0\\0\\0\\0\\0\\0"; printf %s "$head"
	  printf '\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\1\1\0\0\0\0\0\0x'; } >i64.safetensors
	try llmc-tokenize --from-ids i64.safetensors -o c.tok
	[ "$(ids c.tok | tr '\n' ' ')" = "1 2 3 4 5 257 " ]
	sed 's/input_ids/output_ids/; s/"attention_mask"/"attention_mas"/' i64.safetensors >bad.safetensors
	fails 3 "input_ids" llmc-tokenize --from-ids bad.safetensors -o d.tok
	sed 's/I64/F64/' i64.safetensors >bad.safetensors
	fails 3 "F64" llmc-tokenize --from-ids bad.safetensors -o d.tok
	fails 3 "3 rows wanted" llmc-tokenize --from-ids i64.safetensors --samples 3 -o d.tok
	absent d.tok
}

@test "what cannot be read is refused with the right status, and nothing is left" {
	bundle m.llmc eval.txt calib.tok
	fails 2 '-m' llmc-tokenize eval.txt
	fails 2 'standard input' llmc-tokenize -m -
	fails 2 'print-ids' llmc-tokenize -m m.llmc --print-ids --to-ids x eval.txt
	fails 3 'no-such' llmc-tokenize -m m.llmc --print-ids no-such
	fails 3 'no-such' llmc-tokenize -m no-such --print-ids eval.txt
	fails 3 'not enough' llmc-tokenize -m m.llmc --seqlen 1000000 eval.txt -o x.tok
	fails 3 'enough for' llmc-tokenize -m m.llmc --samples 1000000 --seqlen 8 eval.txt -o x.tok
	mkdir empty
	fails 3 'no tokenizer' llmc-tokenize -m empty --print-ids eval.txt
	fails 3 'no tokenizer' llmc-tokenize -m calib.tok --print-ids eval.txt
	head -c 100000 "$DEMO/tokenizer.json" >tokenizer.json
	fails 3 'tokenizer.json' llmc-tokenize -m tokenizer.json --print-ids eval.txt
	head -c 200000 m.llmc >cut.llmc
	fails 3 'cut.llmc' llmc-tokenize -m cut.llmc --print-ids eval.txt
	jq '.model.type = "Kaleidoscope"' "$DEMO/tokenizer.json" >k.json
	fails 4 'Kaleidoscope' llmc-tokenize -m k.json --print-ids eval.txt
	jq '.pre_tokenizer = {"type": "Astrology"}' "$DEMO/tokenizer.json" >k.json
	fails 4 'Astrology' llmc-tokenize -m k.json --print-ids eval.txt
	jq -c '.model.merges[7] = "a b c"' "$DEMO/tokenizer.json" >k.json
	fails 3 'merge 7' llmc-tokenize -m k.json --print-ids eval.txt
	absent x.tok
	echo 1 2 x >ids
	fails 3 "'x'" llmc-tokenize -m m.llmc -d ids
}

@test "the older files: vocab.json with merges.txt, vocab.txt, ranks" {
	local d=$SHARED/data/tokenizers
	require shared data/tokenizers
	printf 'Hello world, it'"'"'s 2024 <|endoftext|>' >text
	try llmc-tokenize -m "$d/gpt2" --print-ids text
	[ "$output" = "15496 995 11 340 338 48609 220 50256" ]
	try llmc-tokenize -m "$d/llama3" --print-ids text
	[ "${output%% *}" = 128000 ]
	try llmc-tokenize -m "$d/llama3/tokenizer.model" --add-special no --print-ids text -o ids
	try llmc-tokenize -m "$d/llama3" -d ids -o back
	same back text
	try llmc-tokenize -m "$d/qwen2/qwen.tiktoken" --print-ids text
	[ "$output" = "9707 1879 11 432 594 220 17 15 17 19 220 151643" ]
	try llmc-tokenize -m "$d/qwen2" --print-ids text
	[ "${output##* }" = 151643 ]
	echo 'Hello, world' >text
	try llmc-tokenize -m "$d/bert/vocab.txt" --print-ids text
	[ "$output" = "101 7592 1010 2088 102" ]
	mkdir clip
	cp "$d/gpt2/vocab.json" "$d/gpt2/merges.txt" clip
	echo '{"tokenizer_class":"CLIPTokenizer"}' >clip/tokenizer_config.json
	fails 4 'CLIPTokenizer' llmc-tokenize -m clip --print-ids text
	head -n 100 "$d/qwen2/qwen.tiktoken" >short.tiktoken
	fails 4 '100 tokens' llmc-tokenize -m short.tiktoken --print-ids text
}

@test "a full disk is noticed" {
	bundle m.llmc eval.txt
	try -5 llmc-tokenize -m m.llmc --seqlen 64 eval.txt -o /dev/full
	try_sh -5 'llmc-tokenize -m m.llmc --print-ids eval.txt >/dev/full'
}

@test "any bytes are text: NUL, broken UTF-8, none at all" {
	printf 'a\0b\xff\xc3' >odd
	try llmc-tokenize -m "$DEMO" --print-ids odd -o ids
	try llmc-tokenize -m "$DEMO" -d ids -o back
	printf 'a\0b\xef\xbf\xbd\xef\xbf\xbd' >want
	same back want
	: >none
	try llmc-tokenize -m "$DEMO" --print-ids none -o ids
	[ "$(od -An -c ids | tr -d ' ')" = '\n' ]
}
