#!/bin/sh
# table.sh RESULTS.tsv [README]: what bench.sh measured as a table in Markdown, on standard output; or between the lines
# <!-- bench --> and <!-- /bench --> of a file.
set -eu
export LC_ALL=C

table() {
	awk -F '\t' '
	function num(x) {
		return x == "-" ? "" : x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.3g", x)
	}
	/^# / { print (n++ ? "" : "Measured on: ") substr($0, 3) "\\"; next }
	/^#/ {
		print "\n| | stage | size | seconds | rate | percent of floor | peak MB | |\n|---|---|---|--:|--:|--:|--:|---|"
		next
	}
	{
		size = $3
		if (split($3, s, " ") == 2 && s[2] == "B")
			size = num(s[1] / 1e6) " MB"
		printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", $1 == last ? "" : $1, $2, size, num($4),
			$5 == "-" ? "" : num($5) " " $6, $8 == "-" ? "" : $8 " %", num($9), $10 == "-" ? "" : $10
		last = $1
	}' "$1"
}

case $# in
1)
	table "$1"
	exit
	;;
2) ;;
*)
	echo 'usage: table.sh RESULTS.tsv [README]' >&2
	exit 2
	;;
esac
t=$(mktemp)
trap 'rm -f "$t"' EXIT
table "$1" >"$t"
awk -v table="$t" '
	/^<!-- \/bench -->/ { skip = 0 }
	!skip
	/^<!-- bench -->/ { while ((getline line <table) > 0) print line; skip = 1; found = 1 }
	END { exit !found }' "$2" >"$t.new" && cat "$t.new" >"$2"
rm -f "$t.new"
