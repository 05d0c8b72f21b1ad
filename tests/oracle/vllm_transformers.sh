#!/bin/sh
# Do the engines load what llmc-pack writes, and compute what we compute?  For a model directory or a GGUF, and for each
# spec: rounds it, packs it for vllm, dequantizes it in F32, and runs transformers (with compressed-tensors) and vLLM on
# both.  The perplexities must agree: within 0.0005 in ln between F32 runs, 0.005 where an engine computes in 16 bits.
#
#	vllm_transformers.sh MODEL OUTDIR CHECKS TRANSFORMERS_PYTHON VLLM_PYTHON [SPEC...]
#
# CHECKS is a folder with check_transformers.py and check_vllm.py; a python of "-" leaves an engine out.  The tools are
# taken from PATH.  Prints a line for each: spec, engine, perplexity, greedy text.  TOKENS=FILE.safetensors and WINDOWS=N
# measure on a token set instead of a paragraph.  VLLM_NO=SPECS lists what vLLM may refuse on a CPU for want of a kernel;
# it is then only loaded.  Not run by CI: it needs gigabytes of Python.
set -u
model=$1 out=$2 checks=$3 tr=$4 vl=$5
shift 5
[ $# -gt 0 ] || set -- int4:g32 int4:g32:asym int4:g64 int4:g64:asym int8:g64 int8:channel
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"
tokens=
[ -z "${TOKENS-}" ] || tokens="--tokens $TOKENS --windows ${WINDOWS:-1}"
mkdir -p "$out" || exit
bad=0

# check NAME PYTHON SCRIPT DIR ARGS...: one line of JSON, the last of stdout, becomes one line of text
check() {
	name=$1
	[ "$2" != - ] || return 0
	# shellcheck disable=SC2086    # $tokens is a list
	line=$("$2" "$checks/$3" "$4" $tokens --new 12 $5 2>"$out/log" | tail -n 1)
	ppl=$(printf '%s\n' "$line" | jq -r '.ppl // empty')
	if printf '%s\n' "$line" | jq -e .ok >/dev/null 2>&1; then
		printf '%s\n' "$line" | jq -r --arg n "$name" '[$n, .engine, .ppl, (.greedy | tostring)] | @tsv'
	else
		printf '%s\tFAILED\t%s\n' "$name" "$line"
		bad=1
	fi
}

llmc-import -q "$model" -o "$out/m.llmc" || exit
rm -rf "$out/float"
llmc-pack -q -f hf -o "$out/float" "$out/m.llmc" || exit
check float "$tr" check_transformers.py "$out/float" '--dtype float32'
check float "$vl" check_vllm.py "$out/float" ''
for w; do
	rm -rf "$out/packed" "$out/plain"
	llmc-quant -q -w "$w" "$out/m.llmc" -o "$out/q.llmc" &&
		llmc-pack -q -f vllm -o "$out/packed" "$out/q.llmc" &&
		llmc-pack -q -f hf --dequantize --dtype f32 -o "$out/plain" "$out/q.llmc" || exit
	ppl=
	check "$w dequantized" "$tr" check_transformers.py "$out/plain" '--dtype float32'
	want=$ppl
	check "$w packed" "$tr" check_transformers.py "$out/packed" "--dtype float32 ${want:+--want-ppl $want --tol 0.0005}"
	case " ${VLLM_NO-} " in
	*" $w "*) check "$w packed" "$vl" check_vllm.py "$out/packed" --load-only ;;
	*) check "$w packed" "$vl" check_vllm.py "$out/packed" "${want:+--want-ppl $want --tol 0.005}" ;;
	esac
done
exit $bad
