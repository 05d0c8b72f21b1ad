#!/usr/bin/env bash
# The memory contract at length: plans against peaks, the number of layers, bytes under --ram, and a walk through limits
# of address space in small steps.  A line a run; the last says how many failed.  LLMC_BIN and LLMC_BUILD as in run.sh.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${LLMC_BUILD:-$root/build}
PATH=${LLMC_BIN:-$root/bin}:$PATH
dir=$(mktemp -d) bad=0 runs=0
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

model() {       # model NAME KEY=VALUE...
	"$BUILD/tests/unit/mkmodel" d "${@:2}" && llmc-import d -o "$1" && rm -r d
}
verdict() {     # verdict STATUS WORDS
	runs=$((runs + 1))
	if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2"; bad=$((bad + 1)); fi
}
peak() {        # kilobytes at most
	/usr/bin/time -o kb -f %M "$@" >out 2>err && tail -n 1 kb
}
planned() {     # 5 % or 32 MB
	local want got

	want=$("$@" -n -j | jq '.[] | select(.stage == "total") | .memory / 1024 | floor')
	got=$(peak "$@")
	awk -v a="$want" -v b="$got" 'BEGIN { d = a > b ? a - b : b - a; exit !(b && (d <= 32 * 1024 || d <= .05 * a)) }'
	verdict $? "planned $want kB, took $got kB: $*"
}

# widths at which everything that is counted shows: 800 MB of model in 32 layers
shape=(hidden=1024 ffn=2816 heads=16 kv=4 vocab=4096)
"$BUILD/tests/unit/mkmodel" -t t.st rows=32 seqlen=1024 vocab=4096
for n in 2 8 32; do
	model m$n.llmc "${shape[@]}" layers=$n
done
for a in '' '--ram 1M' '--ram 200M' '--match 1' '--refine 1' '--compare' '--dtype f32' '--match 1 --ram 1M' '-t 1' '--seqlen 100'; do
	read -ra a <<<"$a"
	planned llmc-gptq --calib t.st -w int4:g128:asym "${a[@]}" m2.llmc -o q.llmc
done
planned llmc-quant -w int4:g128:asym:mse m8.llmc -o r.llmc
planned llmc-quant -w int8:channel m8.llmc -o r.llmc
planned llmc-eval ppl --tokens t.st m2.llmc
planned llmc-eval ppl --tokens t.st --ram 1M m2.llmc

for n in 2 8 32; do
	kb=$(peak llmc-gptq --calib t.st --samples 8 -w int4:g128 m$n.llmc -o q.llmc)
	[ $n -eq 2 ] && first=$kb
	[ "$kb" -le $((first + first / 20 + 8192)) ]
	verdict $? "llmc-gptq, $n layers: $kb kB"
done

llmc-gptq --calib t.st -w int4:g128 m2.llmc -o a.llmc
for ram in 1 10M 100M 150M 1G; do
	llmc-gptq --calib t.st -w int4:g128 --ram $ram m2.llmc -o b.llmc && cmp a.llmc b.llmc
	verdict $? "the same bytes with --ram $ram"
done

rm m*.llmc
model m.llmc layers=3
"$BUILD/tests/unit/mkmodel" -t s.st rows=8 seqlen=64
for tool in 'llmc-quant' 'llmc-gptq --calib s.st' 'llmc-eval'; do
	worst=0 ok=0
	for ((v = 80000; v < 700000; v += 1500)); do
		rm -f x.llmc
		read -ra t <<<"$tool"
		case $tool in
		llmc-eval) t=(llmc-eval ppl --tokens s.st m.llmc) ;;
		*) t+=(-w int4:g32 m.llmc -o x.llmc) ;;
		esac
		(ulimit -v $v && exec timeout 120 "${t[@]}" >out 2>err)
		r=$?
		# 127: not even the loader found room
		case $r in
		0) ok=$((ok + 1)) ;;
		5) [ "$(wc -l <err)" -eq 1 ] && ! compgen -G '*x.llmc*' >/dev/null || worst=$v ;;
		127) ;;
		*) worst=$v ;;
		esac
	done
	[ $worst -eq 0 ] && [ $ok -gt 0 ]
	verdict $? "$tool under limits of address space: $ok of 414 had room (wrong at $worst)"
done
echo "memory: $runs runs, $bad failed"
exit $((bad > 0))
