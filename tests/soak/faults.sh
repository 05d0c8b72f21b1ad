#!/usr/bin/env bash
# Every call of every tool fails once: tests/faults/faults.sh says how that is judged.  On the tiny model all calls; on
# stories260K of ../shared, where it is, FAULT_MAX of a kind (100).  Prints faults by call and tool, and a last line.
#
# LLMC_BIN, LLMC_BUILD: where the tools and shim.so are.  FAULT_MAX=N: the limit for both models.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
shared=${LLMC_SHARED:-$root/../shared}
faults=$root/tests/faults/faults.sh
dir=$(mktemp -d "${TMPDIR:-/tmp}/llmc-soak.XXXXXX") || exit
trap 'rm -rf "$dir"' EXIT

# campaign NAME MAX CHECKPOINT TEXT
campaign() {
	bash "$faults" "$dir/$1" prepare "$3" "$4" || exit
	bash "$faults" -l | xargs -P "$(nproc)" -I{} bash -c \
		'bash "$1" -n "$2" "$3/$4" "$5" >"$3/$4-$5.tsv" 2>"$3/$4-$5.err"; sed "s/^/$4: /" "$3/$4-$5.err" >&2' \
		- "$faults" "$2" "$dir" "$1" {}
}

campaign tiny "${FAULT_MAX:-0}" "$root/tests/golden/gguf/tiny.gguf" "$root/README.md"
[ ! -e "$shared/models/stories260K" ] ||
	campaign stories "${FAULT_MAX:-100}" "$shared/models/stories260K" "$shared/models/stories260K/eval_text.txt"

cat "$dir"/*.tsv | awk -F'\t' -v cases="$(bash "$faults" -l | wc -l)" '
	function tool(name) {
		if (name ~ /^(import|tokenize|quant|gptq|pack)/) { sub(/-.*/, "", name); return name }
		return name ~ /^(ppl|kl|gen|logits)/ ? "eval" : name == "decode" ? "tokenize" : \
			name == "check" ? "info" : name == "join" ? "cat" : name
	}
	BEGIN { n = split("import tokenize quant gptq eval pack info cat diff", tools, " ") }
	{
		how = $2 " " $3; if (!(how in seen)) { seen[how]; order[++k] = how }
		got[how, tool($1)] += $5; sum[how] += $5; lived[how] += $6; bad[how] += $7
		faults += $5; survived += $6; failures += $7
	}
	END {
		printf "| call | fails with |"; for (i = 1; i <= n; i++) printf " %s |", tools[i]; print " survived | failures |"
		printf "|---|---|"; for (i = 0; i < n + 2; i++) printf "--:|"; print ""
		for (j = 1; j <= k; j++) {
			split(order[j], part, " "); printf "| %s | %s |", part[1], part[2]
			for (i = 1; i <= n; i++) printf " %s |", got[order[j], tools[i]] + 0 ? got[order[j], tools[i]] : ""
			printf " %d | %d |\n", lived[order[j]], bad[order[j]]
		}
		printf "faults: %d in %d cases, %d survived, %d failures\n", faults, cases, survived, failures
		exit !faults || failures > 0
	}'
