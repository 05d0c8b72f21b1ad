# Recipes: makefiles whose stages are kept under digests of what they depend on.
load helpers

P=$ROOT/pipelines

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	unset MAKEFLAGS MAKELEVEL
	# In front of the tools, programs that count and then become them: what a run did is not the recipe's word.
	mkdir counted
	for t in $(tools); do
		printf '#!/bin/sh\necho %s >>"%s/calls"\nexec "%s/%s" "$@"\n' "${t#llmc-}" "$PWD" "$BIN" "$t" >"counted/$t"
	done
	chmod +x counted/*
	PATH=$PWD/counted:$PATH
	: >calls
	make_once short.txt beginning 4000 "$DEMO/eval.txt"
	make_once calib-short.txt beginning 8000 "$DEMO/calib.txt"
	cp "$CACHE/short.txt" eval.txt
	cp "$CACHE/calib-short.txt" calib.txt
	export -n CACHE
}
beginning() {
	head -c "$1" "$2" >"$3"
}
# recipe NAME VARIABLE=VALUE...: on the small model, with little data.
recipe() {
	make -f "$P/$1.mk" MODEL="$DEMO" CALIB=calib.txt EVAL=eval.txt SEQLEN=64 SAMPLES=4 "${@:2}"
}
# ran 'TOOL...': which tools ran since the last time, in alphabetical order.
ran() {
	local got
	got=$(sort calls | tr '\n' ' ')
	: >calls
	printf 'ran %s\nwanted %s\n' "$got" "$1"
	[ "$got" = "${1:+$1 }" ]
}
# The number in column COLUMN of the table's row that begins with ROW: model and weights.
cell() {
	awk -v row="$1" -v c="$2" 'index($1 " " $2, row) == 1 { print $c }' <<<"$output"
}

@test "the recipe is the pipe that one would type, and its table the tools' numbers" {
	try recipe w4a16-gptq OUT=out W=int4:g64
	ran 'eval eval gptq import info info pack tokenize tokenize'
	llmc-import "$DEMO" -o m.llmc
	for t in calib "eval"; do
		llmc-tokenize -q -m m.llmc --seqlen 64 $t.txt -o $t.tok
	done
	llmc-gptq -w int4:g64 --calib calib.tok --samples 4 m.llmc -o q.llmc
	llmc-pack -q -f vllm -o packed q.llmc
	[ "$(tail -n 1 out/llmc-recipe.txt | cut -d ' ' -f 1-4)" = 'out: llmc-pack -f vllm' ]
	try diff -r -x llmc-recipe.txt out packed
	try recipe w4a16-gptq CACHE=llmc.cache W=int4:g64 table
	base=$(llmc-eval ppl -j --tokens eval.tok m.llmc | jq .ppl)
	ppl=$(llmc-eval ppl -j --tokens eval.tok q.llmc | jq .ppl)
	about "$(cell 'original BF16' 5)" "$base" 1e-4
	about "$(cell 'gptq int4:g64:sym' 5)" "$ppl" 1e-4
	about "$(cell gptq 6)" "$(jq -n "$ppl / $base")" 1e-4
	about "$(cell gptq 3)" "$(llmc-info -j q.llmc | jq .bits_per_weight)" 1e-3
	# The bytes of the weights, which the packed file has under a header.
	about "$(cell gptq 4)" "$(wc -c <packed/model.safetensors)" 0.01
	about "$(cell original 4)" "$(wc -c <"$DEMO/model.safetensors")" 0.01
}

@test "what was made is not made again: run again, inputs touched, moved, replaced by the same" {
	try recipe w4a16-gptq OUT=out
	table=$output
	: >calls
	try recipe w4a16-gptq OUT=out
	ran ''
	[ "$output" = "$table" ]
	touch calib.txt eval.txt
	cp -r "$DEMO" copy
	mkdir copy/.git && echo x >copy/.git/config
	cp calib.txt other && mv other calib.txt
	try recipe w4a16-gptq OUT=out MODEL=copy
	ran ''
	touch copy/*
	try make -n -f "$P/w4a16-gptq.mk" MODEL=copy CALIB=calib.txt EVAL=eval.txt SEQLEN=64 SAMPLES=4 OUT=out
	lacks 'stage.sh run'
	ran ''
}

@test "a change runs what depends on it, and going back nothing" {
	try recipe w4a16-gptq OUT=out
	: >calls
	try recipe w4a16-gptq OUT=out W=int4:g64
	ran 'eval gptq info pack'
	try recipe w4a16-gptq OUT=out W=int4:g64 PACK_FLAGS='--shard-size 4M'
	ran 'pack'
	[ -e out/model.safetensors.index.json ]
	try recipe w4a16-gptq OUT=out
	ran 'pack'
	[ ! -e out/model.safetensors.index.json ]
	echo 'And one more sentence of it.' >>eval.txt
	try recipe w4a16-gptq OUT=out
	ran 'eval eval tokenize'
	echo 'And one more sentence of it.' | cat - calib.txt >longer.txt
	try recipe w4a16-gptq OUT=out CALIB=longer.txt
	ran 'eval gptq info pack tokenize'
	try recipe w4a16-gptq OUT=out RUN='-t 1 -q'
	ran 'pack'
	try recipe w4a16-rtn OUT=rtn
	ran 'eval info pack quant'
	cp -r "$DEMO" other
	sed 's/"rms_norm_eps": 1e-0./"rms_norm_eps": 2e-05/' "$DEMO/config.json" >other/config.json
	differ "$DEMO/config.json" other/config.json
	try recipe w4a16-rtn OUT=rtn MODEL=other
	ran 'eval eval import info info info pack quant tokenize'
	echo '# another version' >>counted/llmc-quant
	try recipe w4a16-rtn OUT=rtn MODEL=other
	ran 'eval info pack quant'
}

@test "killed at any moment and run again, it ends in the same bytes; there is never half of anything" {
	src=$DEMO
	[ ! -e "$SHARED/models/stories260K" ] || src=$SHARED/models/stories260K
	set -- w4a16-gptq MODEL="$src" W=int4:g32 SAMPLES=8 FORMAT=hf PACK_FLAGS=--dequantize
	try recipe "$@" OUT=want/out
	whole=$output
	for i in $(seq 40); do
		setsid make -f "$P/w4a16-gptq.mk" CALIB=calib.txt EVAL=eval.txt SEQLEN=64 "${@:2}" OUT=got/out >log 2>&1 &
		pid=$!
		( sleep "$(awk -v i="$i" 'BEGIN { printf "%.2f", 0.05 + i % 7 * 0.09 + i * 0.02 }')"
			kill -9 -- "-$pid" ) 2>/dev/null &
		killer=$!
		wait "$pid" && done=1 || done=0
		kill "$killer" 2>/dev/null || true
		wait "$killer" || true
		[ ! -e got/out ] || diff -r -x llmc-recipe.txt want/out got/out
		for f in got/llmc.cache/*.llmc; do
			[ ! -e "$f" ] || llmc-info -c "$f"
		done
		for f in got/llmc.cache/*.json; do
			[ ! -e "$f" ] || jq -e . "$f" >/dev/null
		done
		[ "$done" = 0 ] || break
		kills=$((${kills-0} + 1))
	done
	echo "killed ${kills-0} times"
	[ "${kills-0}" -gt 2 ]
	try recipe "$@" OUT=got/out
	diff -r -x llmc-recipe.txt want/out got/out
	for f in want/llmc.cache/*.llmc want/llmc.cache/*.tok; do
		cmp "$f" "got/llmc.cache/${f##*/}"
	done
	# But for the seconds, which are those of other runs.
	[ "$(awk '{ NF--; print }' <<<"$output")" = "$(awk '{ NF--; print }' <<<"$whole")" ]
	[ -z "$(ls got/llmc.cache/part)" ]
	[ "$(ls got)" = $'llmc.cache\nout' ]
}

@test "a tool that outlives a killed make is waited for, not run twice" {
	mkfifo gate
	mv counted/llmc-quant real-quant
	printf '#!/bin/sh\necho quant >>"%s/calls"\n: >started\nread -r line <gate\nexec "%s/llmc-quant" "$@"\n' "$PWD" "$BIN" \
		>counted/llmc-quant
	chmod +x counted/llmc-quant
	make -f "$P/w4a16-rtn.mk" MODEL="$DEMO" EVAL=eval.txt SEQLEN=64 OUT=out rtn.llmc >log 2>&1 &
	pid=$!
	for _ in $(seq 200); do [ -e started ] && break; sleep 0.1; done
	[ -e started ]
	kill -9 $pid
	wait $pid || true
	recipe w4a16-rtn OUT=out rtn.llmc >second 2>&1 &
	for _ in $(seq 300); do grep -q 'waiting for another run' second && break; sleep 0.1; done
	echo go >gate
	wait $!
	cat second
	grep -q 'waiting for another run' second
	ran 'import info quant'
	llmc-info -c "$(tail -n 1 second)"
}

@test "two at a time, and two runs in one cache: each stage once, the same bytes" {
	try recipe sweep CACHE=one W='int4:g64 int3:g64'
	one=$(sort calls)
	: >calls
	recipe sweep CACHE=two W='int4:g64 int3:g64' -j2 >first 2>first.err &
	try recipe sweep CACHE=two W='int4:g64 int3:g64' -j2
	wait $!
	[ "$(sort calls)" = "$one" ]
	[ "$(ls one)" = "$(ls two)" ]
	for f in one/*.llmc one/*.tok; do
		cmp "$f" "two/${f##*/}"
	done
}

@test "divergence from the original, when asked for" {
	try recipe sweep W='int4:g64 int2:g64' KL=yes
	[[ ${lines[0]} == *'KL, nats'*top-1* ]]
	less "$(cell 'gptq int4' 7)" "$(cell 'gptq int2' 7)"
	[ "$(cell original 7)" = - ]
	less 1 "$(cell 'rtn int2' 6)"
	ran 'eval eval eval eval eval gptq gptq import info info info info info quant quant tokenize tokenize'
	# Without it the bundles are the same; only what measures them runs.
	try recipe sweep W='int4:g64 int2:g64'
	[[ ${lines[0]} != *'KL, nats'* ]]
	ran 'eval eval eval eval'
}

@test "the default groups are the largest that all widths of the model are multiples of" {
	require shared models/stories260K
	try recipe w4a16-rtn OUT=out
	[ -n "$(cell 'rtn int4:g128:asym' 3)" ]
	try recipe w4a16-rtn OUT=other MODEL="$SHARED/models/stories260K"
	[ -n "$(cell 'rtn int4:channel:asym' 3)" ]
	[ -e other/model.safetensors ]
}

@test "the default spec is one that can be packed, whatever the family" {
	require shared fixtures/families
	load fixtures
	n=0
	for d in $(fixtures few); do
		llmc-import -q "$d" -o m.llmc 2>said || { grep -q 'is not supported' said; continue; }
		try recipe w4a16-gptq MODEL="$d" EVAL="$d/reference.safetensors" CALIB="$d/reference.safetensors" CACHE=cache group.txt
		llmc-quant -q -w "int4:$(cat "$output"):asym" m.llmc -o q.llmc
		rm -rf out
		try llmc-pack -f vllm -o out q.llmc
		n=$((n + 1))
	done
	[ "$n" -gt 20 ]
}

@test "token sets are taken as they are, bundles or safetensors" {
	bundle m.llmc
	llmc-tokenize -q -m m.llmc --seqlen 32 calib.txt -o c.tok
	llmc-tokenize -q -m m.llmc --seqlen 32 eval.txt --to-ids e.safetensors
	: >calls
	try recipe w4a16-gptq OUT=out CALIB=c.tok EVAL=e.safetensors
	ran 'eval eval gptq import info info info pack'
	has 'rows of 32 tokens'
}

@test "a model in several GGUF files is all of them" {
	local m='my qwen-00001-of-00003.gguf' f

	for f in "$ROOT"/tests/golden/gguf/families/qwen3-*.gguf; do cp "$f" "my qwen${f##*/qwen3}"; done
	try recipe w4a16-rtn MODEL="$m" CACHE=cache model.llmc
	f=${lines[-1]}
	try llmc-info -c "$f"
	try recipe w4a16-rtn MODEL="$m" CACHE=cache model.llmc
	[ "${lines[-1]}" = "$f" ]
	printf x | dd of='my qwen-00003-of-00003.gguf' bs=1 seek=1000 conv=notrunc status=none
	try recipe w4a16-rtn MODEL="$m" CACHE=cache model.llmc
	[ "${lines[-1]}" != "$f" ]
}

@test "stages can be asked for by name, and where they are is said" {
	try recipe w4a16-gptq OUT=out model.llmc
	[[ $output == ./llmc.cache/import-*.llmc ]]
	llmc-info -c "$output"
	ran 'import info'
	[ ! -e out ]
}

@test "paths with spaces and quotes" {
	mkdir 'my dir' "it's"
	cp -r "$DEMO" 'my dir/the  model'
	cp calib.txt "it's/calib & more.txt"
	try recipe w4a16-gptq MODEL='my dir/the  model' CALIB="it's/calib & more.txt" OUT="my dir/o's t" CACHE='my dir/c c'
	[ -e "my dir/o's t/model.safetensors" ]
	: >calls
	try recipe w4a16-gptq MODEL='my dir/the  model' CALIB="it's/calib & more.txt" OUT="my dir/o's t" CACHE='my dir/c c'
	ran ''
}

# A make that says no: nothing on standard output, one line, no tool run.
refuses() {
	local text=$1
	shift

	try -2 "$@"
	[ -z "$output" ]
	has "$text"
	[ "${#stderr_lines[@]}" -eq 1 ]
	ran ''
}

@test "what is wrong is said in one line, before any work" {
	refuses 'MODEL= is wanted' make -f "$P/w4a16-rtn.mk"
	refuses "OUT= is wanted" recipe w4a16-rtn
	refuses "MODEL='nowhere' cannot be read" recipe w4a16-rtn MODEL=nowhere OUT=out
	refuses "'nowhere' cannot be read" recipe w4a16-rtn EVAL=nowhere OUT=out
	refuses "make cannot have a ':' in it" recipe w4a16-rtn CACHE=a:b OUT=out
	refuses "make cannot have a '%' in it" recipe w4a16-rtn CACHE=50% OUT=out
	# shellcheck disable=SC2016     # what make would expand
	refuses "make cannot have a '\$' in it" recipe w4a16-rtn MODEL='$HOME' OUT=out
	[ ! -e out ]
}

@test "what no recipe made is not replaced" {
	mkdir mine
	echo precious >mine/file
	echo precious >file
	refuses "OUT='mine' is there, and no recipe made it" recipe w4a16-rtn OUT=mine
	refuses "OUT='file' is there, and no recipe made it" recipe w4a16-rtn OUT=file
	[ "$(cat mine/file file)" = $'precious\nprecious' ]
	mkdir empty
	try recipe w4a16-rtn OUT=empty
	[ -e empty/model.safetensors ]
}

@test "a tool that fails: its message, status 2, what was done is kept, what was there stays" {
	try recipe w4a16-rtn OUT=out
	cp -r out before
	: >calls
	try -2 recipe w4a16-rtn OUT=out W=int3:g64
	has "llmc-pack: cannot pack"
	has 'Error 4'
	ran 'pack quant'
	diff -r before out
	try -2 recipe w4a16-rtn OUT=out W=int3:g64
	ran 'pack'
	try recipe w4a16-rtn OUT=out W=int3:g64 PACK_FLAGS=--force
	ran 'eval info pack'
}

@test "an input that changes while a stage reads it is noticed" {
	cp -r "$DEMO" model
	printf '#!/bin/sh\n"%s/llmc-import" "$@" && echo >>model/README.md\n' "$BIN" >counted/llmc-import
	try -2 recipe w4a16-rtn MODEL=model OUT=out
	has 'changed while it was being made'
	[ -z "$(compgen -G 'llmc.cache/import-*.llmc')" ]
}

# block N: a literal block of the page.
block() {
	awk -v n="$1" '/^\.Bd -literal/ { k++; on = 1; next } /^\.Ed/ { on = 0 } on && k == n' "$ROOT/man/llmc-recipes.7" |
		sed 's/\\e/\\/g'
}

@test "the recipes printed in llmc-recipes(7) work" {
	block 1 >mixed.mk
	head -n 1 mixed.mk | grep -qx '# Mixed precision.'
	try make -f mixed.mk MODEL="$DEMO" EVAL=eval.txt SEQLEN=64 OUT=out
	about "$(cell 'mixed mixed' 3)" 5.7 0.1
	block 3 >sweep.mk
	P=$PWD try recipe sweep
	[ "$(grep -c '^gptq-0' <<<"$output")" -eq 3 ]
}

@test "an installed tree: recipes are found, run with its own tools and texts, completion lies where shells look" {
	install_to "$PWD/root"
	PATH=/usr/bin:/bin
	run ! command -v llmc-import
	root/usr/bin/llmc recipe >list
	grep -q '^w4a16-gptq	' list
	run ! grep rules list
	try root/usr/bin/llmc recipe w4a16-gptq
	[ "$output" = "$PWD/root/usr/share/llmc/recipes/w4a16-gptq.mk" ]
	try make -f "$output" MODEL=root/usr/share/llmc/demo-4m OUT=out SAMPLES=2 EVAL_SAMPLES=2
	[ -e out/model.safetensors ]
	# As bash-completion does: by the name of the command, one file.
	for t in llmc llmc-gptq; do
		try bash --norc --noprofile -c '. root/usr/share/bash-completion/completions/'$t' && complete -p '$t
		has '_llmc'
	done
	[ "$(head -n 1 root/usr/share/zsh/site-functions/_llmc | cut -d ' ' -f 1-2)" = '#compdef llmc' ]
	try man -M root/usr/share/man -w 7 llmc-recipes
}

@test "uninstall removes all that install brought, and nothing else" {
	mkdir -p root/usr/bin root/usr/share/llmc/mine
	echo x >root/usr/bin/mine
	echo x >root/usr/share/llmc/mine/file
	find root ! -type d | sort >before
	install_to "$PWD/root"
	[ "$(find root ! -type d | wc -l)" -gt 40 ]
	make -s -C "$ROOT" uninstall O="$BIN" DESTDIR="$PWD/root" PREFIX=/usr >/dev/null
	find root ! -type d | sort | diff before -
	rm -r root/usr/share/llmc/mine
	install_to "$PWD/root"
	make -s -C "$ROOT" uninstall O="$BIN" DESTDIR="$PWD/root" PREFIX=/usr >/dev/null
	[ ! -e root/usr/share/llmc ]
}

@test "an archive of the sources has recipes, manuals, tests" {
	require cmd git
	git -C "$ROOT" rev-parse HEAD >/dev/null 2>&1 || skip 'needs a checkout'
	git -C "$ROOT" archive HEAD | tar t >list
	for f in pipelines/{rules.mk,w4a16-rtn.mk,w4a16-gptq.mk,sweep.mk,stage.sh,table.sh,demo.sh} man/llmc-recipes.7 \
		tests/{recipes,completion}.bats examples/demo-4m/calib.txt; do
		grep -qx "$f" list || { echo "not $f"; bad=1; }
	done
	[ -z "${bad-}" ]
}
