#!/bin/bash
# bench.sh [NAME...]: measures the tools on this machine against its own rate of matrix products.  Run it by
#	make bench [BENCH='forward gram'] [SMOLLM2=DIR [CALIB=FILE]]
# on a machine with nothing else to do.  NAME: import pack tokenize forward rtn gram factor columns gptq smollm2 (needs
# SMOLLM2=DIR); none: all.  The result goes to standard output and, as TSV, to OUT (bench/results.tsv when all ran, else
# only if given).  Sizes: HIDDEN FFN HEADS KV LAYERS VOCAB of the generated model, ROWS x SEQLEN tokens, TEXT_MB;
# THREADS; SIDES of the products that make the yardstick.  TMPDIR needs some 5 GB.
#
# A floor is the least number of operations (a Gram matrix as a symmetric product, half of attention's square, one
# forward pass) over the best rate of a product of their type that OpenBLAS or oneDNN reach here.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/bench
BIN=${LLMC_BIN:-$PWD/bin} BUILD=${LLMC_BUILD:-$PWD/build}
PATH=$BIN:$PATH
export LC_ALL=C
unset OPENBLAS_CORETYPE

HIDDEN=${HIDDEN:-4096} FFN=${FFN:-14336} HEADS=${HEADS:-32} KV=${KV:-8} LAYERS=${LAYERS:-2} VOCAB=${VOCAB:-4096}
ROWS=${ROWS:-16} SEQLEN=${SEQLEN:-2048} TEXT_MB=${TEXT_MB:-32} THREADS=${THREADS:-$(nproc)} SIDES=${SIDES:-2048 4096}
SMOLLM2=${SMOLLM2:-} CALIB=${CALIB:-} OUT=${OUT:-}
all='import pack tokenize forward rtn gram factor columns gptq'
names=${*:-$all${SMOLLM2:+ smollm2}}
[ $# -gt 0 ] || OUT=${OUT:-bench/results.tsv}

d=$(mktemp -d "${TMPDIR:-/tmp}/llmc-bench.XXXXXX")
trap 'rm -rf "$d"' EXIT

say() {
	printf '%s\n' "$*" >&2
}
die() {         # die STATUS MESSAGE
	say "bench.sh: $2"
	exit "$1"
}
for n in $names; do
	case " $all smollm2 " in
	*" $n "*) ;;
	*) die 2 "'$n' is none of $all smollm2" ;;
	esac
done
wants() {
	local n

	for n; do
		case " $names " in
		*" $n "*) return 0 ;;
		esac
	done
	return 1
}

# run COMMAND...: leaves $wall, $cpu, $peak (MB) and, of a tool with -v, its table in $d/log.
run() {
	local TIMEFORMAT=%R

	wall=$({ time "$@" 2>"$d/log" >"$d/stdout" || echo failed; } 2>&1)
	case $wall in
	failed*) cat "$d/log" >&2; die 5 "failed: $*" ;;
	esac
	cpu=$(sed -n 's/.* s, \([0-9.]*\) s of processor time.*/\1/p' "$d/log" | tail -n 1)
	peak=$(sed -n 's/.*at most \([0-9.]*\) MB of memory$/\1/p' "$d/log" | tail -n 1)
}
# best N COMMAND...: the quickest of N runs; what a run makes at $made goes before the next.
best() {
	local n=$1 w=

	shift
	while [ $((n--)) -gt 0 ]; do
		rm -rf "$made"
		sync -f "$d"
		run "$@"
		if [ -z "$w" ] || awk -v a="$wall" -v b="$w" 'BEGIN { exit !(a < b) }'; then
			w=$wall
			cp "$d/log" "$d/best"
		fi
	done
	wall=$w
	mv "$d/best" "$d/log"
}
# spent 'REGEX': seconds of the table's rows of these names.
spent() {
	awk -v re="^($1)\$" '$1 ~ re && $3 ~ /^[0-9.]+$/ { s += $3 } END { printf "%.4f", s }' "$d/log"
}
bytes() {
	du -cLb "$@" | awk 'END { print $1 }'
}
calc() {
	awk -v f32="${f32:-0}e9" -v bf16="${bf16:-0}e9" -v mm="${mm:-0}e9" "BEGIN { printf \"%.6g\", $1 }"
}

# rate AMOUNT SECONDS [UNIT]: units a second; "-" of what took no time that shows.
rate() {
	awk -v a="$1" -v s="$2" -v u="${3:-1}" 'BEGIN { if (s > 0) printf "%.5g", a / s / u; else print "-" }'
}

titles='#bench	stage	size	seconds	rate	unit	floor_s	percent	peak_mb	note'
# row BENCH STAGE SIZE SECONDS [RATE UNIT [FLOOR [PEAK [NOTE]]]]; "-": none.  PERCENT is FLOOR of SECONDS.
row() {
	local pct=-

	[ "${7:--}" = - ] || pct=$(awk -v f="$7" -v s="$4" 'BEGIN { if (s > 0) printf "%.0f", 100 * f / s; else print "-" }')
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "${5:--}" "${6:--}" "${7:--}" "$pct" "${8:--}" \
		"${9:--}" | tee -a "$d/rows"
}

yardstick() {
	local core side got

	f32=0 bf16=0
	for side in $SIDES; do
		for core in '' Haswell Zen SkylakeX Cooperlake; do
			# A kernel that the processor lacks ends the program.
			got=$(OPENBLAS_CORETYPE=$core "$BUILD/$here/gemm" f32 openblas "$side" "$THREADS" 2>/dev/null) || continue
			better f32 "$got" OpenBLAS
		done
		got=$("$BUILD/$here/gemm" f32 dnnl "$side" "$THREADS" 2>/dev/null) && better f32 "$got" oneDNN
		got=$("$BUILD/$here/gemm" bf16 dnnl "$side" "$THREADS" 2>/dev/null) && better bf16 "$got" oneDNN
	done
	[ "$f32" != 0 ] || die 4 'neither OpenBLAS nor oneDNN multiplies'
}
# better TYPE 'RATE	KERNEL' LIBRARY
better() {
	local r=${2%%	*}

	awk -v a="$r" -v b="${!1}" 'BEGIN { exit !(a > b) }' || return 0
	printf -v "$1" %s "$r"
	printf -v "$1_by" %s "$3 ${2#*	}"
}

machine() {
	local cpu_name

	cpu_name=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
	printf '# processor: %s, %s cores, %s threads used; %s GB of memory\n' "${cpu_name:-$(uname -m)}" "$(nproc)" "$THREADS" \
		"$(awk '/^MemTotal/ { printf "%.0f", $2 / 1e6 }' /proc/meminfo)"
	printf '# products: f32 %s GFLOP/s (%s), bf16 %s GFLOP/s (%s)\n' "$f32" "$f32_by" "$bf16" "${bf16_by:-none}"
	printf '# device: %s\n' "$device"
	printf '# compiler: %s; system: %s; commit: %s\n' "$("${CC:-cc}" --version | head -n 1)" "$(uname -sr)" \
		"$(git describe --always --dirty 2>/dev/null || llmc --version | head -n 1)"
	printf '# model: %s layers of width %s, %s inside, %s heads over %s, vocabulary %s; %s x %s tokens\n' "$LAYERS" "$HIDDEN" \
		"$FFN" "$HEADS" "$KV" "$VOCAB" "$ROWS" "$SEQLEN"
}

# The least operations of a model of these sizes: shape LAYERS WIDTH FFN HEADS KV HEAD_WIDTH VOCAB ROWS SEQLEN.
shape() {
	eval "$(awk -v L="$1" -v C="$2" -v F="$3" -v H="$4" -v K="$5" -v D="$6" -v V="$7" -v N="$8" -v T="$9" 'BEGIN {
		t = N * T; q = H * D; k = K * D
		printf "tokens=%d linear=%.0f attn=%.0f head=%.0f gram=%.0f factor=%.0f columns=%.0f\n", t,
			2 * t * L * (2 * C * q + 2 * C * k + 3 * C * F), 4 * L * N * q * T * (T + 1) / 2, 2 * t * C * V,
			L * t * (2 * C * (C + 1) + q * (q + 1) + F * (F + 1)), 2 / 3 * L * (2 * C ^ 3 + q ^ 3 + F ^ 3),
			L * (q * C ^ 2 + 2 * k * C ^ 2 + C * q ^ 2 + 2 * F * C ^ 2 + C * F ^ 2)
	}')"
}

model() {       # the generated one, and its bundle
	[ -e "$d/hf" ] || {
		say 'making a model'
		"$BUILD/tests/unit/mkmodel" "$d/hf" hidden="$HIDDEN" ffn="$FFN" heads="$HEADS" kv="$KV" layers="$LAYERS" vocab="$VOCAB"
		"$BUILD/tests/unit/mkmodel" -t "$d/tokens" rows="$ROWS" seqlen="$SEQLEN" vocab="$VOCAB"
		size=$(bytes "$d/hf/model.safetensors")
	}
}
bundle() {
	model
	[ -e "$d/m.llmc" ] || llmc-import -q "$d/hf" -o "$d/m.llmc"
}
# What cp makes of a file, to disk: seconds.
copy() {
	made=$d/copy
	best 3 sh -c 'cp "$1" "$2" && sync "$2"' sh "$1" "$made"
	rm -f "$made"
}

bench_import() {
	local base

	model
	cat "$d/hf/model.safetensors" >/dev/null
	copy "$d/hf/model.safetensors"
	base=$wall made=$d/m.llmc
	best 3 llmc-import -v "$d/hf" -o "$made"
	row import whole "$size B" "$wall" "$(rate "$size" "$wall" 1e6)" MB/s - "$peak" "cp: $(rate "$size" "$base" 1e6) MB/s"
}
bench_pack() {
	local base n

	bundle
	cat "$d/m.llmc" >/dev/null
	copy "$d/m.llmc"
	base=$wall made=$d/out
	best 3 llmc-pack -v -f hf "$d/m.llmc" -o "$made"
	row pack hf "$size B" "$wall" "$(rate "$size" "$wall" 1e6)" MB/s - "$peak" "cp: $(rate "$size" "$base" 1e6) MB/s"
	quantized
	best 3 llmc-pack -v -f vllm --force "$d/q.llmc" -o "$made"
	n=$(bytes "$d/q.llmc")
	row pack vllm "$n B" "$wall" "$(rate "$n" "$wall" 1e6)" MB/s - "$peak"
	rm -rf "$made"
}
group() {       # of quantization: 128, or what divides small widths
	awk -v c="$HIDDEN" -v f="$FFN" 'BEGIN { for (g = 128; c % g || f % g; g /= 2); print g }'
}
quantized() {
	bundle
	[ -e "$d/q.llmc" ] || llmc-quant -q -w "int4:g$(group)" "$d/m.llmc" -o "$d/q.llmc"
}
bench_tokenize() {
	local n m

	while [ "$(stat -c %s "$d/text" 2>/dev/null || echo 0)" -lt $((TEXT_MB * 1000000)) ]; do
		cat examples/demo-4m/calib.txt examples/demo-4m/eval.txt >>"$d/text"
	done
	n=$(bytes "$d/text") made=$d/t.tok
	for m in examples/demo-4m ${SMOLLM2:+"$SMOLLM2"}; do
		best 3 llmc-tokenize -v -m "$m" "$d/text" -o "$made"
		row tokenize whole "$n B" "$wall" "$(rate "$n" "$wall" 1e6)" MB/s - "$peak" "$(basename "$m")"
		row tokenize encoding "$n B" "$(spent encoding)" "$(rate "$n" "$(spent encoding)" 1e6)" MB/s - - "$(basename "$m")"
	done
	rm -f "$d/text" "$made"
}

# Type of the products in the forward pass, from the table of the run just done.
products() {
	if grep -q '^linear.bf16' "$d/log"; then
		mm=$bf16
	else
		mm=$f32
	fi
}
elements='norm|rope|glu|axpy|embed|weights|copy'
# forward_row BENCH: every second of llmc-eval but input, output and the loss.
bench_forward() {
	local s

	bundle
	made=$d/none
	best 2 llmc-eval ppl -v -t "$THREADS" --tokens "$d/tokens" "$d/m.llmc"
	shape "$LAYERS" "$HIDDEN" "$FFN" "$HEADS" "$KV" $((HIDDEN / HEADS)) "$VOCAB" "$ROWS" "$SEQLEN"
	products
	s=$(calc "$(spent total) - $(spent 'reading|writing|states|nll')")
	row forward whole "$tokens tokens" "$s" "$(rate "$tokens" "$s")" tokens/s "$(calc "($linear + $attn + $head) / mm")" "$peak"
	row forward linear "$tokens tokens" "$(spent 'linear.*')" - - "$(calc "($linear + $head) / mm")"
	row forward attention "$tokens tokens" "$(spent 'attn.*')" - - "$(calc "$attn / mm")"
	row forward elementwise "$tokens tokens" "$(spent "$elements")"
}
bench_rtn() {
	local n s

	bundle
	made=$d/q.llmc
	best 3 llmc-quant -v -t "$THREADS" -w "int4:g$(group)" "$d/m.llmc" -o "$made"
	n=$((LAYERS * (2 * HIDDEN * (HIDDEN + HIDDEN * KV / HEADS) + 3 * HIDDEN * FFN) * 2))
	row rtn whole "$n B" "$wall" "$(rate "$n" "$wall" 1e9)" GB/s - "$peak"
	s=$(spent 'grids|rounding')
	row rtn rounding "$n B" "$s" "$(rate "$n" "$s" 1e9)" GB/s
}
# Operators alone: NAME.
operator() {
	local what dims s flops type

	while IFS=$'\t' read -r what dims s flops type; do
		row "$what" operator "$dims" "$s" "$(rate "$flops" "$s" 1e9)" "GFLOP/s" "$(calc "$flops / $type")" - "$type"
	done < <("$BUILD/$here/opbench" "$1" "$HIDDEN" "$FFN" "$SEQLEN" "$THREADS")
}
# gptq_rows BENCH SIZE: the table of the llmc-gptq run just done, by stage.
gptq_rows() {
	products
	row "$1" forward "$2" "$(spent "linear.*|attn.*|$elements")" "$(rate "$tokens" "$(spent "linear.*|attn.*|$elements")")" \
		tokens/s "$(calc "($linear + $attn) / mm")"
	row "$1" gram "$2" "$(spent 'gram.*')" - - "$(calc "$gram / mm")"
	row "$1" factorisation "$2" "$(spent chol_inv)" - - "$(calc "$factor / f32")"
	row "$1" columns "$2" "$(spent 'gptq_panel|gemm')" - - "$(calc "$columns / f32")"
	row "$1" grids "$2" "$(spent 'grids|rounding')"
	row "$1" input,output "$2" "$(spent 'reading|writing|states')"
	row "$1" other "$2" "$(spent other)"
	# Not the time outside: at -v that includes the measuring of products, once the work is done.
	row "$1" whole "$2" "$(spent total)" "$(rate "$tokens" "$(spent total)")" tokens/s \
		"$(calc "($linear + $attn + $gram) / mm + ($factor + $columns) / f32")" "$peak" "processor time: $cpu s"
}
bench_gptq() {
	bundle
	rm -f "$d/q.llmc"
	run llmc-gptq -v -t "$THREADS" --calib "$d/tokens" -w "int4:g$(group)" "$d/m.llmc" -o "$d/g.llmc"
	shape "$LAYERS" "$HIDDEN" "$FFN" "$HEADS" "$KV" $((HIDDEN / HEADS)) "$VOCAB" "$ROWS" "$SEQLEN"
	gptq_rows gptq "$tokens tokens"
	rm -f "$d/g.llmc"
}
bench_smollm2() {
	local calib=${CALIB:-$SMOLLM2/tokens/calib_c4_128x512.safetensors}

	[ -n "$SMOLLM2" ] || die 2 'smollm2 needs SMOLLM2=DIR'
	[ -e "$calib" ] || calib=$SMOLLM2/../tokens/calib_c4_128x512.safetensors
	[ -e "$calib" ] || die 2 "no calib_c4_128x512.safetensors beside '$SMOLLM2': CALIB=FILE says where"
	llmc-import -q "$SMOLLM2" -o "$d/s.llmc"
	# shellcheck disable=SC2046     # nine numbers
	shape $(llmc-info -j "$d/s.llmc" | jq -r '[.layers, .width, .ffn_width, .heads, .kv_heads, .head_width, .vocabulary] |
		map(tostring) | join(" ")') 128 512
	run llmc-gptq -v -t "$THREADS" --calib "$calib" -w int4:g64 "$d/s.llmc" -o "$d/g.llmc"
	gptq_rows smollm2 "$tokens tokens"
	rm -f "$d/s.llmc" "$d/g.llmc"
}

say 'the yardstick'
yardstick
device=$({ "$BUILD/tests/unit/mkmodel" "$d/tiny" && "$BUILD/tests/unit/mkmodel" -t "$d/tiny.tok" &&
	llmc-import -q "$d/tiny" | llmc-eval ppl -v -t "$THREADS" --tokens "$d/tiny.tok"; } 2>&1 |
	sed -n 's/^llmc-eval: \(cpu: .*\)/\1/p')
machine | tee "$d/head"
printf '%s\n' "$titles"
: >"$d/rows"
for n in $names; do
	say "$n"
	case $n in
	gram | factor | columns) operator "$n" ;;
	*) "bench_$n" ;;
	esac
done
[ -z "$OUT" ] || { mkdir -p "$(dirname "$OUT")" && { cat "$d/head"; printf '%s\n' "$titles"; cat "$d/rows"; } >"$OUT"; }
