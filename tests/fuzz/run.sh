#!/bin/sh
# run.sh SECONDS DIR ENTRY...: each libFuzzer program (DIR/tests/fuzz/ENTRY.libfuzzer) for so long, from the corpus in
# tests/fuzz and what earlier runs found (DIR/corpus).  A line for each: seconds, executions, edges covered.  Stops at
# the first finding, shows it and leaves the input in DIR/corpus.
set -eu
cd "$(dirname "$0")/../.."
seconds=$1 dir=$2
shift 2
for e; do
	c=$dir/corpus/$e
	mkdir -p "$c"
	set -- -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=60 -print_final_stats=1
	[ ! -e "tests/fuzz/$e.dict" ] || set -- "$@" -dict="tests/fuzz/$e.dict"
	if ! "$dir/tests/fuzz/$e.libfuzzer" "$@" -artifact_prefix="$c-" "$c" "tests/fuzz/corpus/$e" >"$c.log" 2>&1; then
		tail -n 60 "$c.log"
		exit 1
	fi
	awk -v e="$e" -v s="$seconds" '/ cov: / { cov = $4 } /^stat::number_of_executed_units/ { n = $2 }
		END { printf "%s\t%d s\t%d runs\t%d edges\tnothing found\n", e, s, n, cov }' "$c.log"
done
