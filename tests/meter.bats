# What -v says of where the time went: that it is true, and that it changes nothing.
load helpers

# value ROW COLUMN: of the table in the last command's messages; columns as in the head: 2 calls, 3 seconds, 5 amount.
value() {
	awk -v row="$1" -v col="$2" '$1 == row { print $col; ok = 1 } END { exit !ok }' <<<"$stderr"
}

@test "operations counted are those of one forward pass, of Gram matrices, factors and columns" {
	"$BUILD/tests/unit/mkmodel" hf hidden=64 ffn=192 heads=4 kv=2 layers=3 vocab=128
	"$BUILD/tests/unit/mkmodel" -t tok rows=8 seqlen=128 vocab=128
	llmc-import hf -o m.llmc
	# 1024 tokens, 3 layers: q and o 64 x 64, k and v 32 x 64, three of 192 x 64; half of each square of attention.
	want() {
		awk -v t=1024 'BEGIN {
			linear = 2 * t * 3 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 192 * 64)
			attn = 3 * 8 * 4 * (128 * 129 / 2) * 4 * 16
			gram = 3 * t * (3 * 64 * 65 + 192 * 193)
			chol = 2 / 3 * 3 * (3 * 64 ^ 3 + 192 ^ 3)
			head = 2 * t * 128 * 64
			printf "%.2f", ('"$1"') * 1e-9 }'
	}
	try llmc-gptq -v --dtype f32 --calib tok -w int4:g32 m.llmc -o q.llmc
	[ "$(value linear.f32 5)" = "$(want linear)" ]
	[ "$(value linear.f32 2)" -eq 21 ]
	[ "$(value attn.f32 5)" = "$(want attn)" ]
	[ "$(value gram.f32 5)" = "$(want gram)" ]
	[ "$(value chol_inv 5)" = "$(want chol)" ]
	[ "$(value chol_inv 2)" -eq 12 ]
	# And what -n foretells is what is done.
	for o in '' '--refine 2' '--match 1'; do
		# shellcheck disable=SC2086      # words
		try llmc-gptq -v $o --dtype f32 --calib tok -w int4:g32 m.llmc -o q.llmc
		done=$(awk '$6 == "GFLOP" { s += $5 } END { print s }' <<<"$stderr")
		# shellcheck disable=SC2086
		try llmc-gptq -n -j $o --dtype f32 --calib tok -w int4:g32 m.llmc
		about "$(field 'map(select(.stage == "total"))[0].flops / 1e9')" "$done" 0.05
	done
	try llmc-eval ppl -v --dtype f32 --tokens tok m.llmc
	[ "$(value linear.f32 5)" = "$(want 'linear + head')" ]
	[ "$(value linear.f32 2)" -eq 22 ]
	try llmc-eval ppl -v --dtype bf16 --tokens tok m.llmc
	[ "$(value linear.bf16 5)" = "$(want 'linear + head')" ]
}

@test "the rows add up to the total, and the total is the wall time" {
	bundle m.llmc calib.tok
	t=$EPOCHREALTIME
	try llmc-gptq -v -d ref --calib calib.tok --samples 1 -w int4:g64 m.llmc -o q.llmc
	t=$(awk -v a="$t" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
	awk '$1 == "work" { on = 1; next } $1 == "total" { total = $3; on = 0 } on { sum += $3 }
		END { if (total <= 0 || sum - total > 0.02 || total - sum > 0.02) { print sum " is not " total; exit 1 } }' <<<"$stderr"
	# Measuring products, at the end, is not of the run.
	less "$(value total 3)" "$t"
	less "$(awk -v t="$t" 'BEGIN { print t - 3 }')" "$(value total 3)"
}

@test "bytes read and written are those of the files" {
	bundle m.llmc
	try llmc-quant -v -w int4:g64 m.llmc -o q.llmc
	about "$(value writing 5)" "$(awk -v n="$(stat -c %s q.llmc)" 'BEGIN { print n / 1e6 }')" 0.02
	about "$(value reading 5)" "$(awk -v n="$(stat -c %s m.llmc)" 'BEGIN { print n / 1e6 }')" 0.02
	try llmc-import -v "$DEMO" -o i.llmc
	about "$(value writing 5)" "$(awk -v n="$(stat -c %s i.llmc)" 'BEGIN { print n / 1e6 }')" 0.02
	try llmc-pack -v -f hf m.llmc -o out
	about "$(value writing 5)" "$(awk -v n="$(du -cb out/* | awk 'END { print $1 }')" 'BEGIN { print n / 1e6 }')" 0.02
	cat "$DEMO"/calib.txt{,,,,,,,,,} >text
	try llmc-tokenize -v -m m.llmc text -o t.tok
	about "$(value encoding 5)" "$(awk -v n="$(stat -c %s text)" 'BEGIN { print n / 1e6 }')" 0.05
}

@test "-v changes no byte; every tool that has a device says which" {
	bundle m.llmc calib.tok eval.tok
	llmc-gptq --calib calib.tok --samples 4 -w int4:g64 m.llmc -o a.llmc
	try llmc-gptq -v --calib calib.tok --samples 4 -w int4:g64 m.llmc -o b.llmc
	same a.llmc b.llmc
	has 'llmc-gptq: cpu: '
	try llmc-quant -v -w int4:g64 m.llmc -o c.llmc
	has 'llmc-quant: cpu: '
	for v in 'ppl --tokens eval.tok' 'kl --ref m.llmc --tokens eval.tok' 'gen -p Once' 'logits --samples 1 --tokens eval.tok -o l.st'; do
		# shellcheck disable=SC2086      # words
		try llmc-eval $v -v a.llmc
		[[ $stderr =~ llmc-eval:\ cpu:\ .*OpenBLAS\ [A-Za-z]+,\ oneDNN\ [a-z0-9_]+,\ [0-9]+\ thread ]]
		[ "$(value total 3)" != 0 ]
		# shellcheck disable=SC2086
		try llmc-eval $v a.llmc
		[ -z "$stderr" ]
	done
	try llmc-gptq -v -d ref --calib calib.tok --samples 1 --seqlen 16 -w int4:g64 m.llmc -o d.llmc
	has 'llmc-gptq: ref: plain C'
}

@test "peak memory is that which the kernel knows" {
	bundle m.llmc
	try llmc-quant -v -w int4:g64 m.llmc -o q.llmc
	mb=$(sed -n 's/.*at most \([0-9.]*\) MB of memory/\1/p' <<<"$stderr")
	less 1 "$mb"
	less "$mb" 200
}
