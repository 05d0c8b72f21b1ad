#!/usr/bin/env bash
# Runs with --resume are killed at every call that changes a file or begins a thread, and every such call fails once for
# want of space (tests/faults/shim.c); each time the run is resumed, and must leave what a run that nothing happened to
# leaves, and nothing beside it.
#
# stops.sh [MAX [JOB...]]: at most MAX of each call's occurrences, spread evenly (0, the default: all); of these jobs (all).
# Prints a table; status 1 when anything failed.
# LLMC_BIN, LLMC_BUILD: where tools and shim.so are.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=${LLMC_BIN:-$root/bin}:$PATH
shim=${LLMC_BUILD:-$root/build}/tests/faults/shim.so
[ -e "$shim" ] || { echo "no $shim: not with sanitizers" >&2; exit 1; }
MODEL=$root/tests/golden/gguf/tiny.gguf
max=${1:-0}
[ $# -eq 0 ] || shift
dir=$(mktemp -d "${TMPDIR:-/tmp}/llmc-stops.XXXXXX") || exit
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
# shellcheck source=tests/soak/jobs.bash
. "$root/tests/soak/jobs.bash"
names=("${@:-${jobs[@]}}")
inputs 20000 || exit
calls=(open write pwrite ftruncate rename unlink mkdir fsync close pthread_create)

run() {         # run JOB OUT [VARIABLE...]: --resume, in a surrounding with these
	local l
	l=$(line "$1" "$2" --resume)

	shift 2
	# of a pipe, the last stage
	env "$@" bash -c "exec 2>>log; ${l/llmc-/"LD_PRELOAD=\$SHIM exec llmc-"}"
}

# The run is stopped by the fault, resumed, and held against the whole one.
one() {         # one JOB CALL N HOW
	rm -rf out .out.*
	: >log
	# some faults are survived: a directory that cannot be synced, a journal that cannot be removed
	run "$1" out "SHIM=$shim" "FAULT=$2:$3:$4" 2>/dev/null || whole out "$1.ref" || run "$1" out SHIM= || {
		complain "$@"
		return
	}
	[ "$2$4" != unlinkENOSPC ] || rm -f .out.*
	whole out "$1.ref" || complain "$@"
}

complain() {
	echo "$1: $4 at $2 $3: $(tail -n 2 log | tr '\n' ' ')" >&2
	failures=$((failures + 1))
}

echo "| job | calls | killed | failed | failures |"
echo "|---|--:|--:|--:|--:|"
bad=0 total=0
for name in "${names[@]}"; do
	failures=0 n=0 done=0
	bash -c "$(line "$name" "$name.ref")" 2>>log || { tail -n 3 log; exit 1; }
	run "$name" out "SHIM=$shim" "FAULT_COUNT=$dir/count" || { tail -n 3 log; exit 1; }
	for call in "${calls[@]}"; do
		k=$(awk -v c="$call" '$1 == c { print $2 }' count)
		k=${k:-0}
		n=$((n + k))
		step=$((max && k > max ? (k + max - 1) / max : 1))
		for ((i = 1; i <= k; i += step)); do
			one "$name" "$call" "$i" kill
			one "$name" "$call" "$i" ENOSPC
			done=$((done + 1))
		done
	done
	echo "| $name | $n | $done | $done | $failures |"
	bad=$((bad + failures)) total=$((total + 2 * done))
	rm -rf "$name.ref" out
done
echo "$total stops, $bad failures"
[ "$bad" -eq 0 ]
