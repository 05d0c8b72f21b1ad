#!/usr/bin/env bash
# Runs of every tool with --resume are killed (SIGKILL) at random moments, each up to four times, and resumed until they
# end: what they leave must be, byte for byte, what a run that nobody disturbed leaves, and nothing beside it.  Every
# fourth kill is a power cut as well: a file of the unfinished output is cut off, zeroed in part, or gone.
#
# resume.sh [KILLS [JOB...]]: so many kills (200), of these jobs (all).  Prints a table; status 1 when anything failed.
# LLMC_BIN, LLMC_BUILD: where tools and mkkill are.  MODEL: a checkpoint (stories260K of ../shared, else the demo).
# SEED: of the random numbers.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=${LLMC_BIN:-$root/bin}:$PATH
mkkill=${LLMC_BUILD:-$root/build}/tests/unit/mkkill
shared=${LLMC_SHARED:-$root/../shared}
MODEL=${MODEL:-$shared/models/stories260K}
[ -e "$MODEL" ] || MODEL=$root/examples/demo-4m
MODEL=$(realpath "$MODEL") || exit
RANDOM=${SEED:=$(date +%s)}
kills=${1:-200}
[ $# -eq 0 ] || shift
dir=$(mktemp -d "${TMPDIR:-/tmp}/llmc-resume.XXXXXX") || exit
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit

# shellcheck source=tests/soak/jobs.bash
. "$root/tests/soak/jobs.bash"
names=("${@:-${jobs[@]}}")
inputs 60000 || exit

run() {         # run MICROSECONDS JOB
	"$mkkill" "$1" bash -c "exec 2>>log; $(line "$2" "$2.out" --resume)"
}

# The disk forgot something: the end of a file, a stretch of it, all of it.  Not after the output got its name: what
# went before that is on the disk.
cut_power() {
	local files f n at

	[ ! -e "$1.out" ] || return 1
	mapfile -t files < <(find . -path "./.$1.out.*" -type f)
	[ "${#files[@]}" -gt 0 ] || return 1
	f=${files[RANDOM % ${#files[@]}]}
	n=$(stat -c %s "$f")
	at=$((n ? (RANDOM * 32768 + RANDOM) % n : 0))
	case $((RANDOM % 3)) in
	0) truncate -s "$at" "$f" ;;
	1) dd if=/dev/zero of="$f" bs=1 seek="$at" count=$((n - at < 4096 ? n - at : 4096)) conv=notrunc status=none ;;
	2) rm "$f" ;;
	esac
}

complain() {
	echo "$1: $2" >&2
	tail -n 3 log >&2
	failures=$((failures + 1))
}

# One output: killed up to four times, then left alone.
one() {
	local name=$1 n=$((RANDOM % 4 + 1)) status=137

	rm -rf "$name.out"
	while [ "$n" -gt 0 ] && [ "$got" -lt "$2" ] && [ "$status" -eq 137 ]; do
		run $(((RANDOM * 32768 + RANDOM) % span)) "$name"
		status=$?
		n=$((n - 1))
		[ "$status" -ne 137 ] || got=$((got + 1))
		if [ "$status" -eq 137 ] && [ $((RANDOM % 4)) -eq 0 ]; then
			cut_power "$name" && cuts=$((cuts + 1))
		fi
	done
	outputs=$((outputs + 1))
	if [ "$status" -eq 137 ] && ! whole "$name.out" "$name.ref"; then
		: >log
		run 600000000 "$name"
		status=$?
		! grep -q already log || resumed=$((resumed + 1))
	elif [ "$status" -eq 137 ]; then
		status=0
	fi
	if [ "$status" -ne 0 ]; then
		complain "$name" "status $status"
	elif ! whole "$name.out" "$name.ref"; then
		complain "$name" "another result, or something was left: $(find . -maxdepth 1 -name ".$name.out*" | tr '\n' ' ')"
	fi
	rm -rf ".$name.out".*
}

echo "model: ${MODEL##*/}, seed $SEED"
echo "| job | kills | power cuts | outputs | of them not from the beginning | failures |"
echo "|---|--:|--:|--:|--:|--:|"
i=0 total=0 bad=0
for name in "${names[@]}"; do
	i=$((i + 1))
	want=$((kills * i / ${#names[@]} - total))
	got=0 cuts=0 outputs=0 resumed=0 failures=0
	: >log
	span=${EPOCHREALTIME/[.,]/}
	bash -c "$(line "$name" "$name.ref")" 2>>log || { complain "$name" "the first run failed"; exit 1; }
	span=$((${EPOCHREALTIME/[.,]/} - span + 1000))
	tries=0
	while [ "$got" -lt "$want" ] && [ $((tries += 1)) -lt $((want * 20 + 20)) ]; do
		one "$name" "$want"
	done
	[ "$got" -ge "$want" ] || complain "$name" "only $got kills of $want struck"
	echo "| $name | $got | $cuts | $outputs | $resumed | $failures |"
	rm -rf "$name.ref" "$name.out"
	total=$((total + got)) bad=$((bad + failures))
done
echo "$total kills, $bad failures"
[ "$bad" -eq 0 ]
