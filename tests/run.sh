#!/usr/bin/env bash
# run.sh TEST...: runs test programs and .bats files, two at a time, from the project's root; shows what failed in
# full, and closes with a line "N passed, N failed, N skipped".  Exit status 0 only when something ran and nothing
# failed.  A program that dies, or leaves its plan unfulfilled, has failed once more than it says.
#
# A TEST is a .bats file, a TAP program, or tests/fuzz/fuzz_X, which is given tests/fuzz/corpus/fuzz_X.
# LLMC_BIN, LLMC_BUILD: where the tools and the helper programs are (bin, build).  TEST_SECONDS: after which a
# TEST is stopped (600).
set -u
cd "$(dirname "$0")/.." || exit

one() {         # one DIR N TEST: its TAP in DIR/N.tap, its messages in DIR/N.err, status and seconds in DIR/N.end
	local base=$1/$2 test=$3 t0=$EPOCHREALTIME status
	local cmd=("$test")

	[[ $test == */* ]] || cmd=("./$test")
	case $test in
	*.bats) cmd=(bats --formatter tap "$test") ;;
	*/fuzz/fuzz_*) cmd+=("tests/fuzz/corpus/${test##*/}") ;;
	esac
	timeout -k 10 "${TEST_SECONDS:-600}" "${cmd[@]}" </dev/null >"$base.tap" 2>"$base.err"
	status=$?
	echo "$status $(( (${EPOCHREALTIME/[.,]/} - ${t0/[.,]/}) / 1000 ))" >"$base.end"
	report "$base" "$test"
}

# One line for each TEST; below it the failed tests with what they said.  Leaves counts in DIR/N.sum.
report() {
	local base=$1 status ms
	read -r status ms <"$base.end"
	awk -v name="${2#"$PWD"/}" -v status="$status" -v ms="$ms" -v sum="$base.sum" -v err="$base.err" '
	function show(line) { text = text "    " line "\n" }
	/^1\.\.0 # ?(SKIP|skip)/ { planned = 1; skip++; why[$0]; next }
	/^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; planned = 1; next }
	/^ok / {
		ran++; bad = 0
		if (tolower($0) ~ /# skip/) { skip++; why[$0] } else pass++
		next
	}
	/^not ok / { ran++; fail++; bad = 1; show($0); next }
	{ if (bad) show($0); else loose = loose "    " $0 "\n" }
	END {
		if (!planned || plan != ran || (status && !fail)) {
			fail++
			if (status == 124 || status == 137) show("stopped: it ran too long")
			else if (!planned) show("ended with status " status " and no plan")
			else if (plan != ran) show("ended with status " status " after " ran + 0 " of " plan " tests")
			else show("ended with status " status)
			text = loose text
		}
		if (fail) while ((getline line < err) > 0) show(line)
		printf "%-6s %s: %d passed%s%s, %.1f s\n%s", fail ? "FAILED" : "ok", name, pass,
			fail ? ", " fail " failed" : "", skip ? ", " skip " skipped" : "", ms / 1000, text
		for (line in why) print "    " line
		print pass + 0, fail + 0, skip + 0 > sum
	}' "$base.tap" >"$base.txt"
	cat "$base.txt"         # in one write: two of these run at once
}

if [ "${1-}" = --one ]; then
	one "${@:2}"
	exit
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/llmc-tests.XXXXXX") || exit
trap 'rm -rf "$dir"' EXIT
export LLMC_CACHE=$dir/cache TMPDIR=$dir
mkdir "$dir/cache"
# The longest first would be best; .bats files are longest.
n=0
for t in $(printf '%s\n' "$@" | grep '\.bats$') $(printf '%s\n' "$@" | grep -v '\.bats$'); do
	printf '%s\0%s\0%s\0' "$dir" "$((n++))" "$t"
done | xargs -0 -r -n 3 -P 2 bash tests/run.sh --one

cat "$dir"/*.sum 2>/dev/null | awk -v tests="$#" '
	{ p += $1; f += $2; s += $3; n++ }
	END {
		if (n != tests) { f += tests - n; print "only " n + 0 " of " tests " files reported" }
		if (!(p + f)) print "no test was executed"
		printf "%d passed, %d failed%s\n", p, f, s ? ", " s " skipped" : ""
		exit !(p && !f)
	}'
