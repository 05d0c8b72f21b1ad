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

@test "special tokens have their text, or with --skip-special none" {
	require shared models/stories260K
	local m=$SHARED/models/stories260K
	for f in "$m/tokenizer.json" "$m/tokenizer.model"; do
		echo 1 403 407 261 378 2 >ids
		try llmc-tokenize -m "$f" -d --skip-special ids
		[ "$output" = 'Once upon a time' ]
	done
	try llmc-tokenize -m "$m/tokenizer.json" -d ids
	[ "$output" = '<s> Once upon a time</s>' ]
	fails 2 '--decode' llmc-tokenize -m "$m" --skip-special --print-ids ids
	echo 1 999999 >ids
	fails 3 '999999 is outside' llmc-tokenize -m "$m" -d ids
}

# A directory with stories260K's tokenizer, or the demo's, and a chat template in it.
chat_model() {
	mkdir "$1"
	cp "$DEMO"/tokenizer*.json "$DEMO/special_tokens_map.json" "$1"
	printf '%s' "$2" >"$1/chat_template.jinja"
}
as_text() {     # as_text MODEL [OPTION...]: the text of the conversations on standard input
	llmc-tokenize -m "$1" --chat --print-ids "${@:2}" | llmc-tokenize -m "$1" -d
}

@test "conversations become text by the model's template, and nothing is added" {
	chat_model m '{%- for m in messages %}
  <{{ m.role }}> {{ m["content"] | trim }}
{% endfor %}{{ "go" if add_generation_prompt }}'
	cat >c.jsonl <<-'EOT'
		{"messages": [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi\n"}]}

		[{"role": "user", "content": "a list will do"}]
	EOT
	try_sh 'llmc-tokenize -m m --chat --print-ids c.jsonl | llmc-tokenize -m m -d'
	[ "$output" = $'  <system> Be brief.\n  <user> Hi\n  <user> a list will do' ]
	try_sh 'head -n 1 c.jsonl | llmc-tokenize -m m --chat --chat-set add_generation_prompt=true --print-ids | llmc-tokenize -m m -d'
	[ "${lines[2]}" = go ]
	try_sh 'sed s/messages/talk/ c.jsonl | head -n 1 | llmc-tokenize -m m --chat --field talk --print-ids'
	try llmc-tokenize -m m --chat --seqlen 8 c.jsonl -o c.tok
	try_sh 'tar xOf c.tok llmc.json'
	[[ $(field .tokens.chat_template) == xxh3:* ]]
	[ "$(field '.pg[0].argv | index("--chat") != null')" = true ]
}

@test "a template from the configuration, from a bundle, and the one for tools" {
	local t='{{ bos_token }}{{ messages[0].content }}'
	mkdir m
	cp "$DEMO"/{tokenizer,config,special_tokens_map}.json "$DEMO"/model.safetensors m
	jq --arg t "$t" '.chat_template = [{name: "default", template: $t}, {name: "tool_use", template: "{{ tools[0].name }}"}]' \
		"$DEMO/tokenizer_config.json" >m/tokenizer_config.json
	try llmc-import m -o m.llmc
	echo '{"messages": [{"role": "user", "content": "hello"}]}' >c
	echo '{"messages": [{"role": "user", "content": "hello"}], "tools": [{"name": "bell"}]}' >t
	for m in m m.llmc; do
		run -0 as_text "$m" <c
		[ "$output" = "$(jq -r '.bos_token.content? // .bos_token' m/tokenizer_config.json)hello" ]
		run -0 as_text "$m" <t
		[ "$output" = bell ]
	done
}

@test "what a template cannot do, refuses or lacks has its status and its lines" {
	chat_model m $'{% for m in messages %}\n{% if m.role == "x" %}{{ raise_exception("No x, please.") }}{% endif %}\n{{ m.content + "" }}{% endfor %}'
	printf '%s\n' '[{"role": "user", "content": "a"}]' '[{"role": "x", "content": "a"}]' >c.jsonl
	fails 3 'c.jsonl: line 2: template: line 2: the template refuses it: No x, please' llmc-tokenize -m m --chat --print-ids c.jsonl
	echo '[{"role": "user"}]' >c.jsonl
	fails 3 "c.jsonl: line 1: template: line 3: 'content' is undefined" llmc-tokenize -m m --chat --print-ids c.jsonl
	echo '{"messages": []}' >c.jsonl
	fails 3 'without messages' llmc-tokenize -m m --chat --print-ids c.jsonl
	echo '{"message": []}' >c.jsonl
	fails 3 "no field 'messages'" llmc-tokenize -m m --chat --print-ids c.jsonl
	echo '["hi"]' >c.jsonl
	fails 3 'not an object' llmc-tokenize -m m --chat --print-ids c.jsonl
	echo '[{"role": "user", "content": "a"}]' >c.jsonl
	chat_model include '{% include "x" %}'
	fails 4 "line 1: the tag 'include' is not supported" llmc-tokenize -m include --chat --print-ids c.jsonl
	chat_model filter '{{ messages | xmlattr }}'
	fails 4 "the filter 'xmlattr' is not supported" llmc-tokenize -m filter --chat --print-ids c.jsonl
	chat_model broken '{% if messages %}'
	fails 3 'endif' llmc-tokenize -m broken --chat --print-ids c.jsonl
	chat_model forever '{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}'
	fails 4 'end soon enough' llmc-tokenize -m forever --chat --print-ids c.jsonl
	chat_model date '{{ strftime_now("%d %b %Y") }}'
	fails 4 'asks for the date' llmc-tokenize -m date --chat --print-ids c.jsonl
	run -0 as_text date --chat-date 2024-02-29 <c.jsonl
	[ "$output" = '29 Feb 2024' ]
	fails 2 'no date' llmc-tokenize -m date --chat --chat-date 2023-02-29 --print-ids c.jsonl
	fails 2 'NAME=VALUE' llmc-tokenize -m m --chat --chat-set x --print-ids c.jsonl
	fails 2 'for --chat' llmc-tokenize -m m --chat-set x=1 --print-ids c.jsonl
	fails 2 'template' llmc-tokenize -m m --chat --add-special yes --print-ids c.jsonl
	fails 4 'no chat template' llmc-tokenize -m "$DEMO" --chat --print-ids c.jsonl
}

@test "text comes through compressors, by its bytes and not its name" {
	bundle m.llmc eval.txt
	try llmc-tokenize -m m.llmc --print-ids eval.txt -o want
	for c in gzip bzip2 xz zstd; do
		command -v $c >/dev/null || continue
		n=$((n + 1))
		$c -c eval.txt >packed
		try llmc-tokenize -m m.llmc --print-ids packed -o got
		same got want
		try_sh 'cat packed | llmc-tokenize -m m.llmc --print-ids -o got'
		same got want
		try llmc-tokenize -m m.llmc -d <($c -c want) -o back
		same back eval.txt
	done
	[ "$n" -gt 1 ]
	gzip -c eval.txt >packed
	head -c 1000 packed >cut
	fails 3 "cannot read 'cut'" llmc-tokenize -m m.llmc --print-ids cut
	printf '%s\n' '{"text":"Once"}' '{"text":" upon"}' | gzip -c >a.jsonl.gz
	try llmc-tokenize -m m.llmc --print-ids a.jsonl.gz
	[ "$output" = "$(printf 'Once upon' | llmc-tokenize -m m.llmc --print-ids)" ]
}

@test "keys that come twice, odd files beside the tokenizer, and one name for two outputs" {
	bundle m.llmc eval.txt
	echo '{"text":"a","text":"b"}' >a.jsonl
	fails 3 "a.jsonl: line 1: jsonl: the key 'text' comes twice" llmc-tokenize -m m.llmc --print-ids a.jsonl
	sed '0,/"version"/s//"version":"1.0","version"/' "$DEMO/tokenizer.json" >twice.json
	fails 3 "'version' comes twice" llmc-tokenize -m twice.json --print-ids eval.txt
	mkdir odd
	cp "$DEMO/tokenizer.json" odd
	for f in '[]' '{"bos_token":7}' '{"eos_token":{"contents":"x"}}' '{"additional_special_tokens":[1]}' '{"pad_token":'; do
		echo "$f" >odd/special_tokens_map.json
		fails 3 'special_tokens_map.json' llmc-tokenize -m odd --print-ids eval.txt
	done
	mkdir old
	echo '{"a":0,"b":1}' >old/vocab.json
	echo '#version: 0.2' >old/merges.txt
	echo ab >ab
	try llmc-tokenize -m old --print-ids ab
	[ "$output" = '0 1' ]
	for f in '[]' '{"x":"y"}' '{"x":-1}' '{"x":1.5}' '{"x":3,"x":4}'; do
		echo "$f" >old/added_tokens.json
		fails 3 'added_tokens.json' llmc-tokenize -m old --print-ids ab
	done
	echo '{"ab":2}' >old/added_tokens.json
	try llmc-tokenize -m old --print-ids ab
	[ "$output" = 2 ]
	echo '{"a":0},"merges":["a b"],"x":{' >old/vocab.json
	fails 3 'vocab.json' llmc-tokenize -m old --print-ids ab
	mkdir d
	ln -s d e
	fails 2 'same file' llmc-tokenize -m m.llmc --seqlen 8 eval.txt -o d/x --to-ids e/../d/x
	fails 2 'same file' llmc-tokenize -m m.llmc --seqlen 8 eval.txt -o x --to-ids ./x
	absent d/x x
}

@test "what is not there is bad input, and what cannot be written a failure" {
	bundle m.llmc eval.txt
	fails 3 'nowhere' llmc-tokenize -m m.llmc --print-ids nowhere
	fails 3 'nowhere' llmc-tokenize -m m.llmc -d nowhere
	fails 3 'nowhere' llmc-tokenize --from-ids nowhere -o x
	fails 3 'nowhere' llmc-tokenize -m m.llmc -d --from-ids nowhere
	fails 3 'cannot read' llmc-tokenize -m m.llmc --print-ids .
	fails 5 'nowhere/x' llmc-tokenize -m m.llmc --print-ids eval.txt -o nowhere/x
}
