# Manuals are true: every option of a tool stands in its page and the other way round, every example runs, and
# what llmc-bundle(5) prints as a program is the program in examples/.
load helpers

# Without bold and underline, which are struck over.
plain() {
	sed 's/.\x08//g'
}
# As a reader sees the page.
page() {
	mandoc -T ascii -O width=200 "$ROOT/man/$1" | plain
}

# All help texts of a tool: its own, and that of each of its verbs ("WHAT is one of", then a list).
helps() {
	local v

	"$1" --help
	for v in $("$1" --help | awk '/ is one of$/ { on = 1; next } on && /^  [a-z]/ { print $1; next } { on = 0 }'); do
		"$1" "$v" --help
	done
}
# Options in a text, as "-x" and "--long".
options() {
	grep -oE "(^|[^[:alnum:]_'-])--?[[:alpha:]][[:alnum:]-]*" | sed -E 's/^[^-]*//; s/-+$//' | sort -u
}
# Of a help text, those that open a row; of a page, those anywhere.
help_options() {
	helps "$1" | grep -E '^ +-' | sed -E 's/^( +(-[[:alnum:]]( |, |$))?(--[[:alnum:]-]+)?).*/\1/' | options
}

@test "every tool and every verb has options in its help" {
	for t in $(tools); do
		help_options "$t" >list
		grep -qx -e --help list || { echo "$t: no --help"; bad=1; }
	done
	[ -z "${bad-}" ]
}

@test "every option of a tool stands in its page, or in llmc-options(7) where the page points there" {
	page llmc-options.7 | options >shared
	for t in $(tools); do
		[ -e "$ROOT/man/$t.1" ] || { echo "no man/$t.1"; bad=1; continue; }
		page "$t.1" >text
		options <text >own
		while read -r o; do
			grep -qxF -e "$o" own && continue
			grep -qxF -e "$o" shared && grep -q 'llmc-options(7)' text && continue
			echo "$t: $o is not in its page"
			bad=1
		done < <(help_options "$t")
	done
	[ -z "${bad-}" ]
}

@test "every option that a page describes is one of the tool's" {
	for t in $(tools); do
		[ -e "$ROOT/man/$t.1" ] || { echo "no man/$t.1"; bad=1; continue; }
		# The heads of the lists of options, rendered alone.
		{ printf '.Dd January 1, 2000\n.Dt X 1\n.Os\n.Sh OPTIONS\n'
			sed -n '/^\.It Fl/p' "$ROOT/man/$t.1" | sed 's/^\.It/.Op/'; } |
			mandoc -T ascii -O width=200 | plain | options >described
		n=$((${n-0} + $(wc -l <described)))
		help_options "$t" >have
		while read -r o; do
			grep -qxF -e "$o" have || { echo "$t.1: the tool has no $o"; bad=1; }
		done <described
	done
	[ -z "${bad-}" ] && [ "$n" -gt 20 ]
}

@test "every page names exit statuses, examples and other pages" {
	for t in $(tools); do
		for s in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
			grep -qx "\.Sh $s" "$ROOT/man/$t.1" || { echo "$t.1: no $s"; bad=1; }
		done
	done
	[ -z "${bad-}" ]
}

@test "every page that a page refers to is there" {
	while read -r name sec; do
		[ -e "$ROOT/man/$name.$sec" ] || { echo "no man/$name.$sec"; bad=1; }
	done < <(sed -nE 's/.*\.?\bXr (llmc[a-z-]*) ([0-9]).*/\1 \2/p' "$ROOT"/man/*.[1-8] | sort -u)
	[ -z "${bad-}" ]
}

@test "llmc(1) names every tool" {
	page llmc.1 >text
	for t in $(tools); do
		grep -q "$t" text || { echo "not $t"; bad=1; }
	done
	[ -z "${bad-}" ]
}

@test "pages pass mandoc's lint" {
	require cmd mandoc
	try mandoc -T lint -W warning "$ROOT"/man/*.[1-8]
	[ -z "$output" ]
}

# The directory in which examples run: tests/README.md lists what is in it.
example_dir() {
	mkdir "$1" && cd "$1" || return 1
	bundle m.llmc q.llmc || return 1
	ln -s "$DEMO" SomeLlama
	ln -s "$ROOT/tests/golden/gguf/tiny.gguf" SomeLlama.gguf
	for n in calib wiki.train wiki.test; do
		src=calib
		[ $n != wiki.test ] || src="eval"
		head -c 60000 "$DEMO/$src.txt" >"$n.txt"
		make_once "$n.x.tok" llmc-tokenize -q -m m.llmc --seqlen 128 "$n.txt" -o || return 1
		cp "$CACHE/$n.x.tok" "$n.tok"
	done
	head -n 40 "$DEMO/calib.txt" | jq -Rc '{text: .}' >chat.jsonl
	jq -c '{messages: [{role: "user", content: .text}]}' chat.jsonl >talks.jsonl
	mkdir SomeChat && ln -s "$DEMO"/tokenizer*.json SomeChat || return 1
	echo '{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}' >SomeChat/chat_template.jinja
	make_once ids.x.st llmc-tokenize -q -m m.llmc --seqlen 128 calib.txt --to-ids || return 1
	cp "$CACHE/ids.x.st" ids.safetensors
}

# The lines that a page's EXAMPLES tell a reader to type.
examples() {
	{ printf '.Dd January 1, 2000\n.Dt X 1\n.Os\n.Sh EXAMPLES\n'
		sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$1" | sed -n 's/^\.Dl .*/&\n.Pp/p'; } |
		mandoc -T ascii -O width=1000 | plain | sed -n 's/^           *//p'
}

run_examples() {        # PAGE: what failed goes to stdout
	local line status out

	while read -r line; do
		case $line in
		'man '*) continue ;;
		esac
		out=$(bash -o pipefail -c "$line" 2>&1 </dev/null | tr -d '\0' | head -c 2000; exit "${PIPESTATUS[0]}")
		status=$?
		case $status:$line in
		0:* | 1:*llmc-diff*) ;;
		*) printf '%s\n$ %s\nstatus %s\n%s\n' "${1##*/}" "$line" "$status" "$out" ;;
		esac
	done < <(examples "$1")
}

@test "every example of every page runs" {
	for f in "$ROOT"/man/*.[1-8]; do
		[ -n "$(examples "$f")" ] || continue
		(example_dir "${f##*/}" && run_examples "$f" >>../failed) || { echo "no directory for ${f##*/}"; false; }
		pages=$((${pages-0} + 1))
	done
	cat failed
	[ "$pages" -gt 0 ] && [ ! -s failed ]
}

@test "the filter printed in llmc-bundle(5) is examples/identity.c" {
	sed -n '/^\.Bd -literal.*$/,/^\.Ed/p' "$ROOT/man/llmc-bundle.5" |
		sed -n '/int main\|#include/,$p' >all
	[ -s all ]
	mandoc -T ascii -O width=200 "$ROOT/man/llmc-bundle.5" | plain >page
	# Every line of the program, in its order, however the page indents.
	awk 'NR == FNR { gsub(/[ \t]+/, ""); if ($0 != "") want[++n] = $0; next }
		{ gsub(/[ \t]+/, ""); if (k < n && $0 == want[k + 1]) k++; else if (k && k < n && $0 != "") k = ($0 == want[1]) }
		END { if (k < n) { print "the page and the program part at line: " want[k + 1]; exit 1 } }' \
		"$ROOT/examples/identity.c" page
}

@test "the row printed in llmc-families(7) compiles" {
	sed -n '/^\.Bd -literal/,/^\.Ed/p' "$ROOT/man/llmc-families.7" | sed '1d;$d' >row.c
	grep -q 'const struct family' row.c
	try "${CC:-cc}" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -I"$ROOT/lib" -I"$ROOT" row.c
}

@test "pages render without complaint under the other man too" {
	require cmd man
	for m in "$ROOT"/man/*; do
		man "$m" 2>&1 >/dev/null | sed "s@^@${m##*/}: @"
	done >said
	cat said
	[ ! -s said ]
}
