# The table of refusals in llmc-import(1): which words a message has, and why it is said.
# shellcheck shell=bash

# refusals: the words of each row; "..." is whatever the message has there.
refusals() {
	sed -n '/^\.Sh DIAGNOSTICS/,/^\.Sh/{s/^\.It Li \(.*\) Ta$/\1/p}' "$(dirname "${BASH_SOURCE[0]}")/../man/llmc-import.1"
}

# refusal MESSAGE: the words of the first row that it has; else fails.
refusal() {
	local words glob

	while read -r words; do
		glob="*${words//.../*}*"
		# shellcheck disable=SC2053     # a pattern
		[[ $1 != $glob ]] || { echo "$words"; return; }
	done < <(refusals)
	return 1
}
