#!/bin/bash
# table.sh {LABEL BUNDLE INFO EVAL}...: a table of models.  INFO is what llmc-info -j says of the bundle, EVAL what
# llmc-eval ppl -j or kl -j does; perplexities are divided by that of the first.  BUNDLE.txt tells how long it took to
# make: "seconds N".
set -euo pipefail

protocol=$(jq -r .protocol "$4")
while [ $# -gt 0 ]; do
	seconds=$(sed -n 's/^seconds //p' "$2.txt" 2>/dev/null || :)
	jq -nr --slurpfile i "$3" --slurpfile e "$4" --arg model "$1" --arg seconds "$seconds" '
		$i[0] as $i | $e[0] as $e |
		([$i.blocks[] | select(.block | type == "number").stored] | unique) as $stored |
		[$model, if ($stored | length > 1) or ($stored[0] | contains(" ")) then "mixed" else $stored[0] end,
			$i.bits_per_weight, $i.bits_per_parameter * $i.parameters / 8, $e.ppl, $e.kld, $e.top1, $seconds] |
		map(. // "-") | @tsv'
	shift 4
done | awk -F '\t' '
	function number(x, format) {
		cell[NR, ++n] = x == "-" ? x : sprintf(format, x)
	}
	BEGIN { split("model|weights|bits/w|bytes|perplexity|ratio|KL, nats|top-1|seconds", head, "|") }
	{
		if (NR == 1) base = $5
		n = 0
		number($1, "%s")
		number($2, "%s")
		number($3, "%.3f")
		number($4, "%.0f")
		number($5, "%.4f")
		number($5 / base, "%.4f")
		number($6, "%.5f")
		number($7 == "-" ? $7 : $7 * 100, "%.2f%%")
		number($8, "%.1f")
		if ($6 != "-") kl = 1
	}
	END {
		for (r = 0; r <= NR; r++)
			for (i = 1; i <= n; i++) {
				if (!r) cell[r, i] = head[i]
				if (length(cell[r, i]) > width[i]) width[i] = length(cell[r, i])
			}
		for (r = 0; r <= NR; r++) {
			line = sprintf("%-" width[1] "s  %-" width[2] "s", cell[r, 1], cell[r, 2])
			for (i = 3; i <= n; i++)
				if (kl || (i != 7 && i != 8)) line = line sprintf("  %" width[i] "s", cell[r, i])
			print line
		}
	}'
printf '\n%s\nbytes as they are packed: a bundle holds its codes unpacked, a byte each\n' "$protocol"
