# The memory contract: what -n says is what a run takes, the number of layers does not matter, where the hidden states
# live shows in no byte, and where there is no memory a tool says so.
load helpers

# A sanitizer's shadow is memory, too.
measurable() {
	[[ $BUILD != *-san* ]] || skip "memory is not measured with sanitizers"
}

# generated NAME KEY=VALUE...: a random model as a bundle; tokens for it
generated() {
	local name=$1
	shift

	[ -e "$name" ] || { "$BUILD/tests/unit/mkmodel" "$name.d" "$@" && llmc-import "$name.d" -o "$name" && rm -r "$name.d"; }
}
rows() {
	[ -e "$1" ] || "$BUILD/tests/unit/mkmodel" -t "$@"
}

# peak COMMAND...: runs it, its standard output to `out`, sets $kb to the most memory that it held
peak() {
	try_sh '/usr/bin/time -o kb -f %M "$@" >out' sh "$@"
	kb=$(tail -n 1 kb)
}

# planned COMMAND...: the same after asking -n, which does no work; holds one against the other: 5 % or 32 MB
planned() {
	local want

	try "$@" -n -j
	want=$(jq '.[] | select(.stage == "total") | .memory / 1024 | floor' <<<"$output")
	peak "$@"
	echo "planned $want kB, took $kb kB"
	awk -v a="$want" -v b="$kb" 'BEGIN { d = a > b ? a - b : b - a; exit !(d <= 32 * 1024 || d <= .05 * a) }'
}

small=(hidden=256 ffn=1024 heads=8 kv=2 vocab=512)

@test "the plan says what a run takes: files and pipes, matched, refined, in F32, states in a file" {
	local line a

	measurable
	generated m.llmc "${small[@]}" layers=3
	rows t.st rows=64 seqlen=512 vocab=512
	for line in '' '--ram 1M' '--match 1' '--refine 2 --compare' '--dtype f32' '--skip mlp.*' \
		'--order none --groups dynamic'; do
		read -ra a <<<"$line"
		planned llmc-gptq --calib t.st -w int4:g64:asym "${a[@]}" m.llmc -o q.llmc
	done
	try_sh 'llmc-gptq -n -j --calib t.st -w int4 < m.llmc'
	[ "$(field '[.[].stage] | join(" ")')" = 'embed forward gram factor columns total' ]
	planned llmc-quant -w int4:g64:asym m.llmc -o r.llmc
	planned llmc-eval ppl --tokens t.st m.llmc
	planned llmc-eval ppl --tokens t.st --ram 1M r.llmc
	planned llmc-eval kl --tokens t.st --samples 8 --ref m.llmc r.llmc
}

@test "the plan does no work: no output, no time, columns for people" {
	bundle m.llmc calib.tok
	try llmc-gptq -n --calib calib.tok -w int4:g64 m.llmc -o q.llmc
	absent q.llmc
	[ "${lines[0]}" = $'#stage\tmemory_mb\tdisk_mb\tgflop\tseconds' ]
	[ "${#lines[@]}" -eq 7 ]
	# Of 2 layers of 64 wide, 192 in the MLP, 4 heads of 16 and 2 of keys, on 8 rows of 128, by hand.  A token's forward
	# pass: two a weight (64*64*2 + 64*32*2 + 3*64*192), and attention's half square, 2 * 129 * 64.  Gram matrices: the
	# squares of 64, 64, 64 and 192 a token.
	generated tiny.llmc
	rows t.st
	try llmc-gptq -n -j --calib t.st -w int4:g64 tiny.llmc
	[ "$(field '.[] | select(.stage == "forward") | .flops')" -eq $((2 * 1024 * (2 * 49152 + 2 * 129 * 64))) ]
	[ "$(field '.[] | select(.stage == "gram") | .flops')" -eq $((2 * 1024 * (3 * 64 * 64 + 192 * 192))) ]
}

@test "disk of the plan is the file that comes" {
	local want f a

	generated m.llmc "${small[@]}" layers=3
	try llmc-quant -n -j -w int4:g64:asym m.llmc -o q.llmc
	want=$(jq '.[] | select(.stage == "total") | .disk' <<<"$output")
	try llmc-quant -w int4:g64:asym m.llmc -o q.llmc
	about "$want" "$(stat -c %s q.llmc)" 0.05
	for f in '-f vllm' '-f hf --dequantize' '-f hf --dequantize --dtype f32'; do
		read -ra a <<<"$f"
		try llmc-pack -n -j "${a[@]}" -o d q.llmc
		[ ! -e d ]
		want=$(field '.[] | select(.stage == "total") | .disk')
		try llmc-pack "${a[@]}" -o d q.llmc
		about "$want" "$(du -sb d | cut -f1)" 0.05
		rm -r d
	done
}

@test "hidden states in memory or in a file: the same bytes" {
	local f

	bundle m.llmc calib.tok
	try llmc-gptq --calib calib.tok --samples 40 -w int3:g64:asym m.llmc -o a.llmc
	try llmc-gptq --calib calib.tok --samples 40 -w int3:g64:asym --ram 1 m.llmc -o b.llmc
	# x in memory, what lies between stages in a file
	try llmc-gptq --calib calib.tok --samples 40 -w int3:g64:asym --ram 6M m.llmc -o c.llmc
	same a.llmc b.llmc
	same a.llmc c.llmc
	try llmc-gptq --calib calib.tok --samples 9 --match 1 --refine 1 -w int3:g64:asym m.llmc -o d.llmc
	try llmc-gptq --calib calib.tok --samples 9 --match 1 --refine 1 -w int3:g64:asym --ram 1 m.llmc -o e.llmc
	same d.llmc e.llmc
	for f in ppl logits; do
		llmc-eval $f --tokens calib.tok --samples 7 m.llmc >x
		llmc-eval $f --tokens calib.tok --samples 7 --ram 1 m.llmc >y
		same x y
	done
}

@test "states go to TMPDIR, and a disk that is full or not there is status 5" {
	bundle m.llmc calib.tok
	mkdir tmp
	TMPDIR=$PWD/tmp try llmc-gptq --calib calib.tok --samples 4 --ram 1 -w int4:g64 m.llmc -o q.llmc
	[ -z "$(ls -A tmp)" ]
	TMPDIR=$PWD/none fails 5 'hidden states' llmc-gptq --calib calib.tok --samples 4 --ram 1 -w int4:g64 m.llmc -o x.llmc
	absent x.llmc
	if [ -d /dev/shm ] && [ "$(df --output=avail /dev/shm | tail -n 1)" -lt 4000000 ]; then
		rows t.st rows=8192 seqlen=2048 vocab=256
		TMPDIR=/dev/shm fails 5 'do not fit' llmc-gptq --calib t.st --ram 1 -w int4:g64 m.llmc -o x.llmc
	fi
}

@test "more layers need no more memory" {
	local n kb2 line tool

	measurable
	rows t.st rows=16 seqlen=256 vocab=512
	for line in 'llmc-gptq --calib t.st -w int4:g64 -o q.llmc' 'llmc-quant -w int4:g64 -o q.llmc' \
		'llmc-eval ppl --tokens t.st' 'llmc-pack -f hf -o out.d' 'llmc-cat -o q.llmc'; do
		read -ra tool <<<"$line"
		for n in 2 32; do
			generated m$n.llmc "${small[@]}" layers=$n
			rm -rf out.d
			peak "${tool[@]}" m$n.llmc
			[ $n -eq 2 ] && kb2=$kb
			echo "$line: $n layers, $kb kB"
		done
		# the larger file has 57 MB more
		[ "$kb" -lt $((kb2 + 12000)) ]
	done
}

@test "where address space is short a tool works, or says so in one line, and never waits" {
	local v kind=0 t

	measurable
	bundle m.llmc calib.tok
	for t in 'llmc-quant -w int4:g64' 'llmc-gptq --calib calib.tok --samples 4 -w int4:g64'; do
		for v in 90 120 160 200 250 300 350 400 500; do
			# 127: the loader could not even begin
			try_sh "ulimit -v $((v * 1024)); timeout 60 $t m.llmc -o x.llmc; r=\$?; [ \$r -eq 127 ] || exit \$r" || {
				[ "$status" -eq 5 ] && [ "${#stderr_lines[@]}" -eq 1 ] && has 'llmc-'
				absent x.llmc
				kind=$((kind + 1))
			}
			rm -f x.llmc
		done
	done
	[ "$kind" -gt 0 ]
	try_sh 'ulimit -v 204800; llmc-quant -w int4:g64 m.llmc -o q.llmc'
}
