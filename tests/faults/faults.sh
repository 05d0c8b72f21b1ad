#!/usr/bin/env bash
# faults.sh [-l] [-n MAX] [-k CALL] DIR CASE...: lets every call that a tool makes fail once, in turn (shim.c), and holds
# what the tool then does against this:
#
#	it ends by itself and in time, not by a signal
#	its output stands under its name whole, the same as without the fault, or not at all; no temporary is left
#	either nothing is to be seen of the fault, in output, messages and status; or the status is 5 (3 where input
#	could not be read), and standard error has one line, the tool's
#	a call that is interrupted, or does less than it was asked for, is never to be seen
#	standard output holds the beginning of what it would have (unless the fault was to lose a piece of it)
#	with --resume the unfinished output may stay, and the same command without a fault makes the whole of it
#
# DIR has the models that the cases name; `faults.sh DIR prepare CHECKPOINT TEXT` makes it.  `all` is every case,
# and -l lists them.  -n: at most MAX faults of a kind, spread evenly, the first and the last call among them (0, the
# default: all).  -k: this call alone.
#
# Prints a line for each case and kind of fault: CASE CALL HOW CALLS FAULTS SURVIVED FAILURES, tabs between; what failed
# goes to standard error.  Exit status 0 when nothing did.
#
# LLMC_BIN, LLMC_BUILD: where the tools and shim.so are.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=${LLMC_BIN:-$root/bin}:$PATH
shim=${LLMC_BUILD:-$root/build}/tests/faults/shim.so
export LC_ALL=C OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
shopt -s nullglob dotglob
max=0 only=

# What runs, in an empty directory, DIR/CASE/run; it writes `out`, or standard output.
CASES=(import import-pipe import-gguf import-resume tokenize tokenize-json decode quant quant-pipe gptq gptq-bf16
	gptq-ram gptq-resume ppl ppl-resume kl gen logits pack-vllm pack-hf pack-resume info check cat join diff)
command_of() {
	input='' resume=''
	case $1 in
	import) cmd=(llmc-import ../../model -o out) ;;
	import-pipe) cmd=(llmc-import ../../model) ;;
	import-gguf) cmd=(llmc-import "$root/tests/golden/gguf/llama3.gguf" -o out) ;;
	import-resume) cmd=(llmc-import --resume ../../model -o out) resume=1 ;;
	tokenize) cmd=(llmc-tokenize -m ../../model --seqlen 16 ../../text -o out) ;;
	tokenize-json) cmd=(llmc-tokenize -m "$root/tests/golden/tok/stories260K.json" --seqlen 16 -o out) input=../../text ;;
	decode) cmd=(llmc-tokenize -m ../../m.llmc -d --from-ids ../../m.tok) ;;
	quant) cmd=(llmc-quant -t 1 -w int4:g16:asym ../../m.llmc -o out) ;;
	quant-pipe) cmd=(llmc-quant -t 2 -w int3:g16:mse -) input=../../m.llmc ;;
	gptq) cmd=(llmc-gptq -t 1 --calib ../../m.tok -w int4:g16:asym ../../m.llmc -o out) ;;
	gptq-bf16) cmd=(llmc-gptq -t 2 --dtype bf16 --calib ../../m.tok -w int4:channel ../../m.llmc -o out) ;;
	gptq-ram) cmd=(llmc-gptq -t 1 --ram 1K --calib ../../m.tok -w int4:g16:asym ../../m.llmc -o out) ;;
	gptq-resume) cmd=(llmc-gptq -t 1 --resume --calib ../../m.tok -w int4:g16:asym ../../m.llmc -o out) resume=1 ;;
	ppl) cmd=(llmc-eval ppl -t 1 --tokens ../../m.tok ../../q.llmc) ;;
	ppl-resume) cmd=(llmc-eval ppl -t 1 --resume --tokens ../../m.tok ../../q.llmc -o out) resume=1 ;;
	kl) cmd=(llmc-eval kl -j -t 2 --dtype bf16 --ref ../../m.llmc --tokens ../../m.tok ../../q.llmc) ;;
	gen) cmd=(llmc-eval gen -t 1 --length 4 --prompt 'One day' ../../m.llmc) ;;
	logits) cmd=(llmc-eval logits -t 1 --tokens ../../m.tok -o out ../../m.llmc) ;;
	pack-vllm) cmd=(llmc-pack -q -f vllm -o out ../../c.llmc) ;;
	pack-hf) cmd=(llmc-pack -f hf --dequantize --shard-size 60K -o out ../../q.llmc) ;;
	pack-resume) cmd=(llmc-pack -f hf --resume --dequantize --shard-size 60K -o out ../../q.llmc) resume=1 ;;
	info) cmd=(llmc-info ../../q.llmc) ;;
	check) cmd=(llmc-info -c ../../q.llmc) ;;
	cat) cmd=(llmc-cat -b 0-1 ../../q.llmc -o out) ;;
	join) cmd=(llmc-cat ../../head.llmc ../../tail.llmc -o out) ;;
	diff) cmd=(llmc-diff ../../m.llmc ../../q.llmc) ;;
	*) echo "faults.sh: no case '$1'" >&2 && return 1 ;;
	esac
}

prepare() {
	llmc-import "$1" -o m.llmc && llmc-pack -f hf -o model m.llmc && head -c 1500 "$2" >text &&
		llmc-tokenize -m m.llmc --seqlen 16 --samples 4 text -o m.tok &&
		llmc-quant -w int4:g16:asym m.llmc -o q.llmc && llmc-quant -w int8:channel m.llmc -o c.llmc &&
		llmc-cat -b embed,0 q.llmc -o head.llmc && llmc-cat -b "1-$(llmc-info m.llmc | awk 'NR == 2 { print $3 - 1 }'),head" q.llmc -o tail.llmc
}

# How a call may fail; "!": it must not be seen.
ways_of() {
	case $1 in
	*alloc | memalign | mmap | madvise) ways=(ENOMEM) ;;
	pthread_create) ways=(EAGAIN) ;;
	open | opendir | fopen) ways=(EMFILE) ;;
	read | pread) ways=(EIO '!EINTR' '!short') ;;
	write | pwrite) ways=(ENOSPC EIO '!EINTR' '!short') ;;
	fwrite | fflush | ftruncate | mkdir) ways=(ENOSPC) ;;
	getrandom) ways=(ENOSYS '!EINTR') ;;
	*) ways=(EIO) ;;
	esac
}

# go FAULT COUNT: runs the case in a fresh run/; leaves $status, and run.out, run.err, run.hit beside it.
go() {
	rm -rf run run.hit
	mkdir run && cd run || exit
	FAULT=$1 FAULT_HIT=../run.hit FAULT_COUNT=$2 FAULT_ALARM=60 LD_PRELOAD=$shim "${cmd[@]}" \
		< <([ -z "$input" ] || exec cat "$input" 2>/dev/null) >../run.out 2>../run.err
	status=$?
	cd ..
}

# Can what a run left be resumed?  Only its own files may be there; where it had the whole already, that alone.
resumed() {
	local f left

	for f in run/*; do
		[[ $f =~ ^run/(out|\.out\.(part|journal|states.*))$ ]] || return 1
	done
	[ -e run/out ] || (cd run && "${cmd[@]}" >/dev/null 2>&1) || return 1
	left=(run/*)
	[ "${left[*]}" = run/out ] && same run/out good
}

same() {        # same A B: files or directories
	if [ -d "$1" ]; then diff -r "$1" "$2" >/dev/null; else cmp -s "$1" "$2"; fi
}

# Is what run/ holds as it should be?  Sets $wrong, empty when it is, and $survived, 1 when nothing is to be seen of
# the fault.  $want: the status without one; $outputs: 1 where `out` is written.
judge() {
	local must=$2 files err
	survived=0 wrong=
	files=(run/*)
	mapfile -t err <run.err
	if [ "$resume" ] && [ "$status" -ne "$want" ]; then
		resumed || wrong="cannot be resumed; there was ${files[*]}"
		rm -rf run && mkdir run && files=()
	elif [ "$resume" ] && [ "$call" = unlink ] && [ "${#err[@]}" -eq 1 ]; then
		rm -f run/.out.* && cp good.err run.err         # it stayed, and that was said
		files=(run/*)
	fi
	if [ "$wrong" ]; then
		:
	elif [ "$status" -ge 124 ]; then
		wrong="ended with status $status"
	elif [ "${#files[@]}" -gt 0 ] && [ "${files[*]}" != run/out ]; then
		wrong="left ${files[*]}"
	elif [ -e run/out ] && ! same run/out good; then
		wrong='left an output that differs'
	elif [ "$status" -eq "$want" ] && [ "${#files[@]}" -eq "$outputs" ] && same run.out good.out && same run.err good.err; then
		survived=1
	elif [ "$must" ]; then
		wrong="was seen: status $status, ${err[*]}"
	elif [ "$status" -ne 5 ] && { [ "$status" -ne 3 ] || [[ ! $call =~ ^(f?open|opendir|f?stat|f?read|pread)$ ]]; }; then
		wrong="ended with status $status: ${err[*]}"
	elif [ "${#err[@]}" -ne 1 ] || [[ ! ${err[0]} =~ ^llmc[a-z-]*:\ [^A-Z] ]] || [[ ${err[0]} = *. ]]; then
		wrong="said: ${err[*]@Q}"
	elif [ "$call" != fwrite ] && [ -s run.out ] && ! cmp -s -n "$(stat -c %s run.out)" run.out good.out; then
		wrong='wrote something else to standard output'
	fi
	[ -z "$wrong" ] || { bad=$((bad + 1)); echo "$name: $call:$1:$how: $wrong" >&2; }
	lived=$((lived + survived)) faults=$((faults + 1))
}

# Every fault of one kind and one way.
campaign() {
	local name=$1 how=${2#!} calls=$3 must='' n=$3 faults=0 lived=0 bad=0 k at

	[ "$how" = "$2" ] || must=1
	[ "$max" -eq 0 ] || [ "$n" -le "$max" ] || n=$max
	for ((k = 0; k < n; k++)); do
		at=$((n == 1 ? calls : 1 + k * (calls - 1) / (n - 1)))
		go "$call:$at:$how" ''
		[ ! -e run.hit ] || judge "$at" "$must"         # not every run makes exactly as many calls
	done
	if [ "$must" ]; then
		go "$call:0:$how" ''
		judge all "$must"
	fi
	printf '%s\t%s\t%s\t%d\t%d\t%d\t%d\n' "$name" "$call" "$how" "$calls" "$faults" "$lived" "$bad"
	failures=$((failures + bad))
}

one_case() {
	local name=$1 call calls how

	command_of "$name" || exit
	mkdir -p "$dir/$name" && cd "$dir/$name" || exit
	go '' ../count
	cp run.out good.out && cp run.err good.err && rm -rf good || exit
	want=$status outputs=0
	[ ! -e run/out ] || { mv run/out good && outputs=1; }
	if [ "$want" -gt 1 ]; then
		echo "faults.sh: '$name' fails without a fault: $(cat run.err)" >&2
		exit 1
	fi
	while read -r call calls; do
		[ "$calls" -gt 0 ] || continue
		[ -z "$only" ] || [ "$call" = "$only" ] || continue
		ways_of "$call"
		for how in "${ways[@]}"; do
			campaign "$name" "$how" "$calls"
		done
	done <count
	cd "$root" && rm -rf "${dir:?}/$name"
}

while getopts ln:k: o; do
	case $o in
	l) printf '%s\n' "${CASES[@]}" && exit ;;
	n) max=$OPTARG ;;
	k) only=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
[ -e "$shim" ] || { echo "faults.sh: no '$shim'" >&2; exit 2; }
mkdir -p "$1" && dir=$(cd "$1" && pwd) || exit
shift
failures=0
if [ "$1" = prepare ]; then
	checkpoint=$(realpath "$2") text=$(realpath "$3")
	cd "$dir" && prepare "$checkpoint" "$text"
	exit
fi
[ "$1" != all ] || set -- "${CASES[@]}"
for c; do
	one_case "$c"
done
[ "$failures" -eq 0 ]
