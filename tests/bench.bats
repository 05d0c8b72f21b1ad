# The benchmarks run whole, on sizes that take seconds; their table is the README's.
load helpers

@test "every benchmark gives its rows, with a floor where there is one" {
	HIDDEN=256 FFN=512 HEADS=4 KV=2 LAYERS=2 VOCAB=256 ROWS=2 SEQLEN=128 TEXT_MB=1 SIDES=128 THREADS=1 TMPDIR=$PWD OUT=$PWD/r.tsv \
		try "$ROOT/tests/bench/bench.sh"
	for want in import:whole pack:hf pack:vllm tokenize:encoding forward:whole rtn:rounding gram:operator factor:operator \
		columns:operator gptq:{forward,gram,factorisation,columns,other,whole}; do
		awk -F '\t' -v b="${want%:*}" -v s="${want#*:}" '$1 == b && $2 == s && $4 > 0 { ok = 1 } END { exit !ok }' r.tsv ||
			{ echo "no $want"; return 1; }
	done
	# Ten columns; a floor has a percentage that is it over the seconds.
	awk -F '\t' '/^#/ { head += /^#bench\t/; next }
		NF != 10 { print "columns: " $0; bad = 1 }
		$7 != "-" && ($7 <= 0 || ($8 - 100 * $7 / $4) ^ 2 > 1) { print "floor: " $0; bad = 1 }
		($7 == "-") != ($8 == "-") { print "percent: " $0; bad = 1 }
		$1 == "gptq" { if ($2 == "whole") whole = $4; else sum += $4 }
		END { if (sum < whole - 0.01 || sum > whole + 0.01) { print "stages of gptq: " sum " of " whole; bad = 1 } exit bad || head != 1 }' r.tsv
	grep -q '^# processor: .* 1 threads used' r.tsv
	grep -q '^# products: f32 [0-9.]* GFLOP/s' r.tsv
	try "$ROOT/tests/bench/table.sh" r.tsv
	[ "$(grep -c '^|' <<<"$output")" -eq $(($(grep -vc '^#' r.tsv) + 2)) ]
	[ -z "$(find . -name 'llmc-bench.*')" ]
}

@test "some benchmarks alone; one that there is not" {
	HIDDEN=64 FFN=128 HEADS=2 KV=1 SEQLEN=64 SIDES=64 TMPDIR=$PWD try "$ROOT/tests/bench/bench.sh" gram columns
	[ "$(grep -v '^#' <<<"$output" | cut -f 1 | sort -u | tr '\n' ' ')" = 'columns gram ' ]
	try -2 "$ROOT/tests/bench/bench.sh" forward gramm
	has "'gramm' is none of"
}

@test "the README's table is that of bench/results.tsv" {
	[ -e "$ROOT/bench/results.tsv" ] || skip 'there are no results'
	cp "$ROOT/README.md" README
	try "$ROOT/tests/bench/table.sh" "$ROOT/bench/results.tsv" README
	same README "$ROOT/README.md"
}
