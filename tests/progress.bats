# The progress line, on a pseudo-terminal: what a person sees of one tool, of a pipe of four, of messages in between.
# tests/unit/mkpty.c says how it tells that.
load helpers
export TERM=xterm

PTY=$BUILD/tests/unit/mkpty

# see [-c COLUMNS] COMMAND: the lines of mkpty go to the file `seen` and are shown.
see() {
	try "$PTY" "$@" || return 1
	printf '%s\n' "$output" >seen
}
# Nothing but whole lines: progress as one of the tools draws it, ended lines that match, no line over the edge, and in
# the end an empty line.
clean() {
	local bad

	bad=$(grep -vE '^~(llmc-[a-z]+: (block|position) [0-9]+(/[0-9]+ \([0-9]+%\))?(, [a-z_0-9.]+)?(, [0-9.]+ (GFLOP|MB)/s)?(, [0-9]+(:[0-9]{2})+)?(, [0-9]+(:[0-9]{2})+ to go)?)?$|^=$'"${1:+|^\\|($1)\$}" seen) || true
	[ -z "$bad" ] || { printf 'garbled:\n%s\n' "$bad"; return 1; }
}
drawn() {       # drawn TOOL: has its line been seen
	grep -q "^~$1: " seen || { echo "no line of $1"; return 1; }
}
# slow FILE [SECONDS]: its bytes, the last third after a while.
slow() {
	local n

	n=$(wc -c <"$1")
	head -c $((n * 2 / 3)) "$1"
	sleep "${2-1.6}"
	tail -c +$((n * 2 / 3 + 1)) "$1"
}
export -f slow

@test "a terminal sees a line after a second; it goes when the work is done" {
	bundle m.llmc
	see 'slow m.llmc | llmc-quant -w int4:g64 -o q.llmc'
	clean
	drawn llmc-quant
	run grep -E '^~llmc-quant: block [0-9]+/4 \([0-9]+%\), reading, [0-9.]+ MB/s, 0:01' seen
	[ "$status" -eq 0 ]
	see 'llmc-import '"$DEMO"' -o quick.llmc'
	[ "$(cat seen)" = = ]
}

@test "kind of work, rate and time left of a calibrated run" {
	bundle m.llmc calib.tok
	see 'llmc-gptq --progress always -d ref -t 1 --calib calib.tok --samples 2 -w int4:g64 m.llmc -o g.llmc'
	clean
	run grep -E '^~llmc-gptq: block [123]/4 \([257]+0?%\), (linear|gram|gemm|chol_inv|attn)[.a-z0-9]*, [0-9.]+ GFLOP/s, 0:[0-9]{2}, 0:[0-9]{2} to go$' seen
	[ "$status" -eq 0 ]
	# Before the first block is done the operations foretold tell the time left.
	grep -qE '^~llmc-gptq: block 0/4 .*, [0-9.]+ GFLOP/s, 0:[0-9]{2}, 0:[0-9]{2} to go$' seen
}

@test "no line off a terminal, at -q, at --progress never, on a dumb terminal, in the background" {
	bundle m.llmc
	slow m.llmc | llmc-quant -w int4:g64 -o q.llmc 2>err
	[ ! -s err ]
	for how in 'llmc-quant -q' 'llmc-quant --progress never' 'TERM=dumb llmc-quant'; do
		see 'slow m.llmc | '"$how"' -w int4:g64 -o q.llmc'
		[ "$(cat seen)" = = ]
	done
	see 'set -m; slow m.llmc | llmc-quant -w int4:g64 -o q.llmc & wait $! 2>/dev/null'
	run ! grep llmc-quant: seen
	slow m.llmc 0.3 | llmc-quant --progress always -w int4:g64 -o q.llmc 2>err
	[ -s err ]
}

@test "a pipe of four tools: one of them shows its line, the one that computes" {
	bundle m.llmc calib.tok
	see 'set -o pipefail; slow m.llmc | llmc-cat | llmc-gptq --progress always -d ref -t 1 --calib calib.tok --samples 2 -w int4:g64 |
		llmc-cat | llmc-pack -f hf --dequantize -o out'
	clean
	drawn llmc-gptq
	# Once it computes no other has the line, until it is done.
	awk '/^~llmc-gptq: .*GFLOP/ { on = 1; last = NR } /^~llmc-/ && !/^~llmc-gptq/ && on { other = NR }
		END { exit !(on && !(other && other < last)) }' seen
}

@test "messages of any program stand on lines of their own while another's line is on the screen" {
	bundle m.llmc
	head -c 100000 m.llmc >cut.llmc
	see 'slow m.llmc | llmc-quant --progress always -w int4:g64 -o q.llmc &
		for i in 1 2 3 4 5; do llmc-info -c cut.llmc; sleep 0.3; done; wait %1'
	clean 'llmc-info: cut.llmc: truncated .*: no end.json'
	drawn llmc-quant
	[ "$(grep -c '^|llmc-info' seen)" -eq 5 ]
}

@test "the tables of four tools at -v are whole" {
	bundle m.llmc calib.tok
	see -c 200 'slow m.llmc 0.6 | llmc-quant -v --progress always -w int4:g64 --rule "*.mlp.*=none" | llmc-gptq -v --progress always --calib calib.tok --samples 2 -w none --rule "*.mlp.*=int4:g64" |
		llmc-pack -v --progress always -f hf --dequantize -o out'
	clean 'llmc-[a-z]+: .*|work +calls +seconds share +amount +rate +GEMM|[a-z][a-z_.0-9]+ +[0-9-]+ +[0-9.]+ +[0-9]+%.*|GEMM: .* GFLOP/s'
	[ "$(grep -c '^|total ' seen)" -eq 3 ]
	[ "$(grep -c '^|work ' seen)" -eq 3 ]
	# A table stands in one piece.
	awk '/^\|work / { open++ } /^\|(llmc-|work )/ && open > 1 { exit bad = 1 } /^\|total / { open-- } END { exit bad || open }' seen
}

@test "narrow terminals: the line is cut, never wrapped" {
	bundle m.llmc
	for c in 1 2 10 24 33 50; do
		see -c $c 'slow m.llmc 0.4 | llmc-quant --progress always -w int4:g64 -o q.llmc'
		run ! grep -q '^[!|]' seen
		run grep -E "^~.{$c,}" seen
		[ "$status" -eq 1 ]
		[ "$(tail -n 1 seen)" = = ]
	done
	grep -qE '^~llmc-quant: block [0-9]/4 \([0-9]+%\), reading, [0-9.]+' seen
	see -c 33 'slow m.llmc 0.4 | llmc-quant --progress always -w int4:g64 -o q.llmc'
	grep -qE '^~llmc-quant: block [0-9]/4 \([0-9]+%\)$' seen
}

@test "when the program that shows its line is killed, another takes over" {
	bundle m.llmc
	see 'slow m.llmc | llmc-quant --progress always -w int4:g64 -o a.llmc & a=$!
		sleep 0.2; slow m.llmc | { exec llmc-quant --progress always -w int4:g64 -o b.llmc; } & b=$!
		disown $b
		sleep 1; echo killed; kill -9 $b; wait $a'
	# Of two equals the one that came last shows its line; both are llmc-quant, told apart by the break.
	awk 'BEGIN { after = 0 } /^\|.*killed$/ { after = 1; next } /^~llmc-quant: / { n[after]++ } END { exit !(n[0] > 0 && n[1] > 0) }' seen
	[ "$(tail -n 1 seen)" = = ]
	[ -e a.llmc ] && [ ! -e b.llmc ]
}

@test "a program ended by a signal takes its line along" {
	bundle m.llmc
	for s in HUP TERM PIPE; do
		see '{ slow m.llmc | exec llmc-quant --progress always -w int4:g64 -o a.llmc; } & sleep 0.7; kill -'$s' $(pgrep -P $! llmc-quant); wait $!; true'
		drawn llmc-quant
		[ "$(tail -n 1 seen)" = = ]
		absent a.llmc
	done
}
