#!/usr/bin/env bats
# Calls that fail, disks that are full, readers and writers that go away: whole or not at all, a status and a line.
# All of it at length is tests/soak/faults.sh.
load helpers

shim=$BUILD/tests/faults/shim.so

needs_shim() {
	LD_PRELOAD=$shim llmc-info --version >/dev/null 2>&1 || skip "sanitizers bring a malloc of their own"
}

# A few faults of every kind in these cases of tests/faults/faults.sh.
faults() {
	needs_shim
	make_once faults prepare_faults
	cp -r "$CACHE/faults" f
	LLMC_BIN=$BIN try bash "$ROOT/tests/faults/faults.sh" -n 4 f "$@"
	[ "$(wc -l <<<"$output")" -gt $((10 * $#)) ]
	awk -F'\t' '$5 < 1 || $7 != 0 { print "no faults, or failures: " $0; bad = 1 } END { exit bad }' <<<"$output"
}
prepare_faults() {
	LLMC_BIN=$BIN bash "$ROOT/tests/faults/faults.sh" "$1" prepare "$ROOT/tests/golden/gguf/tiny.gguf" "$ROOT/README.md"
}

@test "faults: import, of a directory and of a GGUF" { faults import import-gguf; }
@test "faults: tokenize" { faults tokenize tokenize-json decode; }
@test "faults: quant, between files and between pipes" { faults quant quant-pipe; }
@test "faults: gptq" { faults gptq; }
@test "faults: eval" { faults kl gen; }
@test "faults: pack" { faults pack-vllm pack-hf; }
@test "faults: info, cat and diff" { faults info join diff; }
@test "faults: what can be resumed" { faults import-resume gptq-resume pack-resume; }

@test "the shim makes a call fail that would not" {
	needs_shim
	bundle m.llmc
	FAULT=write:1:ENOSPC LD_PRELOAD=$shim fails 5 "No space left" llmc-quant -w int4:g64 m.llmc -o q.llmc
	FAULT=malloc:100:ENOMEM LD_PRELOAD=$shim fails 5 "out of memory" llmc-quant -w int4:g64 m.llmc -o q.llmc
	absent q.llmc
}

# What writes, in a line each, into small/, where there is too little room for any of it.
writers() {
	cat <<-EOF
		llmc-import '$DEMO' -o small/m.llmc
		llmc-tokenize -m m.llmc --seqlen 128 --to-ids small/ids.safetensors calib.txt
		llmc-quant -w int8:channel m.llmc -o small/q.llmc
		llmc-gptq --calib calib.tok --samples 2 -w int8:channel m.llmc -o small/g.llmc
		llmc-eval logits --tokens calib.tok --samples 4 -o small/l.safetensors m.llmc
		llmc-pack -f hf -o small/dir m.llmc
		llmc-pack -f vllm --shard-size 2M -o small/dir q.llmc
		llmc-cat -b embed,0-2 m.llmc -o small/c.llmc
	EOF
}
# Runs them after PREPARATION, in one shell; each must fail with TEXT.
no_room() {     # no_room TEXT PREPARATION [SHELL...]
	bundle m.llmc q.llmc calib.tok
	mkdir small
	writers >lines
	cat >run.sh <<-EOF
		$2
		while read -r line; do
			bash -c "\$line" >out 2>err </dev/null
			echo "\$? \$(wc -l <err) \$(wc -c <out) \$(cat err)"
		done <lines
		ls -A small
	EOF
	try "${@:3}" bash run.sh
	[ "${#lines[@]}" -eq "$(wc -l <lines)" ]
	for line in "${lines[@]}"; do
		[[ $line == "5 1 0 llmc-"*"$1" ]] || { echo "not as it should be: $line"; return 1; }
	done
}

@test "a file larger than it may be is an error, not a signal" {
	no_room "File too large" 'ulimit -f 40'
}

@test "a full disk is an error, and nothing stays on it" {
	unshare -rm mount -t tmpfs -o size=40k tmpfs /tmp 2>/dev/null || skip "needs the right to mount"
	no_room "No space left on device" 'mount -t tmpfs -o size=40k tmpfs small' unshare -rm
}

@test "a reader that leaves ends each writer without a word" {
	bundle m.llmc q.llmc calib.tok
	for t in "llmc-import '$DEMO'" 'llmc-quant -w int8:channel m.llmc' 'llmc-cat m.llmc' \
		'llmc-gptq --calib calib.tok --samples 2 -w int8:channel m.llmc'; do
		stages "$t | head -c 5000 >/dev/null" 141 0
		[ -z "$stderr" ]
	done
	stages 'llmc-info q.llmc | true' '?' 0
	[ -z "$stderr" ]
}

@test "any stage of a pipe may be killed: those after it say where they read from, and nothing appears" {
	needs_shim
	bundle m.llmc calib.tok
	local k=0 n stage s=("llmc-import '$DEMO'" 'llmc-quant --rule mlp.down=int8:channel' 'llmc-gptq --calib calib.tok --samples 2 -w int4:g64 --skip mlp.down'
		'llmc-pack -q -f vllm -o out')
	for stage in 0 1 2; do
		for n in 2 5 8; do
			w=("${s[@]}")
			w[stage]="env FAULT=write:$n:kill LD_PRELOAD=$shim ${s[stage]}"
			want=('?' '?' '?' 3)
			want[stage]=137
			for ((k = stage + 1; k < 4; k++)); do want[k]=3; done
			stages "${w[0]} | ${w[1]} | ${w[2]} | ${w[3]}" "${want[@]}"
			[ ! -e out ]
			[ "${#stderr_lines[@]}" -eq $((3 - stage)) ]
			for line in "${stderr_lines[@]}"; do
				[[ $line == "llmc-"*": standard input (from llmc-"*"truncated"* ]]
			done
			absent out
		done
	done
}
