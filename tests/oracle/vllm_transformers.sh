#!/bin/sh
# Do the engines load what llmc-pack writes, and compute what we compute?  For a model directory or a GGUF, and for each
# spec: quantizes it, packs it for vllm, dequantizes it in F32, measures perplexity by llmc-eval, and runs transformers
# (with compressed-tensors) and vLLM.  In F32 all must agree with ours within 0.0005 in ln.  vLLM computes in 16 bits
# throughout: within 0.01 of ours, and its packed directory within 0.002 of its own dequantized one.
#
#	vllm_transformers.sh MODEL OUTDIR CHECKS TOKENS TRANSFORMERS_PYTHON VLLM_PYTHON [SPEC...]
#
# CHECKS is a folder with check_transformers.py and check_vllm.py; TOKENS a safetensors file with input_ids (rows of at
# most 2047 tokens: vLLM's check sets that limit); a python of "-" leaves an engine out.  The tools are taken from PATH.
# Prints a line for each: spec, engine, perplexity, greedy text.  From the environment:
#
#	WINDOWS=N       rows of TOKENS to measure (4)
#	QUANT=COMMAND   what quantizes (llmc-quant), such as "llmc-gptq --calib c.tok"
#	VLLM_NO=SPECS   for which vLLM has no kernel on a CPU: it only loads them
#
# Not run by CI: it needs gigabytes of Python.
set -u
model=$1 out=$2 checks=$3 tokens=$4 tr=$5 vl=$6
shift 6
[ $# -gt 0 ] || set -- int4:g32 int4:g32:asym int4:g64 int4:g64:asym int8:g64 int8:channel
n=${WINDOWS:-4}
mkdir -p "$out" || exit
bad=0

# check NAME PYTHON SCRIPT DIR ARGS: the line of JSON that a check ends with becomes one line of text
check() {
	[ "$2" != - ] || return 0
	# shellcheck disable=SC2086    # ARGS is a list
	line=$("$2" "$checks/$3" "$4" --tokens "$tokens" --windows "$n" --new 12 $5 2>"$out/log" | tail -n 1)
	if printf '%s\n' "$line" | jq -e .ok >/dev/null 2>&1; then
		got=$(printf '%s\n' "$line" | jq -r '.ppl // empty')
		printf '%s\n' "$line" | jq -r --arg n "$1" '[$n, .engine, .ppl // "loads", (.greedy // "" | tostring)] | @tsv'
	else
		printf '%s\tFAILED\t%s\n' "$1" "$line"
		bad=1
	fi
}

# ours NAME BUNDLE: sets $ppl
ours() {
	ppl=$(llmc-eval ppl -q -j --dtype f32 --tokens "$tokens" --samples "$n" "$2" | jq .ppl) || exit
	printf '%s\tllmc-eval\t%.4f\t%s\n' "$1" "$ppl" "$(llmc-eval gen -q --dtype f32 -p 'The capital of France is' \
		--length 12 "$2" | tr '\n' ' ')"
}

llmc-import -q "$model" -o "$out/m.llmc" || exit
rm -rf "$out/float"
llmc-pack -q -f hf -o "$out/float" "$out/m.llmc" || exit
ours float "$out/m.llmc"
check float "$tr" check_transformers.py "$out/float" "--dtype float32 --want-ppl $ppl --tol 0.0005"
check float "$vl" check_vllm.py "$out/float" "--want-ppl $ppl --tol 0.01"
for w; do
	rm -rf "$out/packed" "$out/plain" "$out/plain16"
	${QUANT:-llmc-quant} -q -w "$w" "$out/m.llmc" -o "$out/q.llmc" &&
		llmc-pack -q -f vllm -o "$out/packed" "$out/q.llmc" &&
		llmc-pack -q -f hf --dequantize --dtype f32 -o "$out/plain" "$out/q.llmc" &&
		llmc-pack -q -f hf --dequantize -o "$out/plain16" "$out/q.llmc" || exit
	ours "$w" "$out/q.llmc"
	check "$w dequantized" "$tr" check_transformers.py "$out/plain" "--dtype float32 --want-ppl $ppl --tol 0.0005"
	check "$w packed" "$tr" check_transformers.py "$out/packed" "--dtype float32 --want-ppl $ppl --tol 0.0005"
	case " ${VLLM_NO-} " in
	*" $w "*) check "$w packed" "$vl" check_vllm.py "$out/packed" --load-only ;;
	*)
		got=$ppl
		check "$w dequantized" "$vl" check_vllm.py "$out/plain16" "--want-ppl $ppl --tol 0.01"
		check "$w packed" "$vl" check_vllm.py "$out/packed" "--want-ppl $got --tol 0.002"
		;;
	esac
done
exit $bad
