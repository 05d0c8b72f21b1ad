# What the tests of the tools share: load it with `load helpers`.  Every test starts in a directory of its own,
# with the tools in PATH.  tests/README.md explains; it needs bats 1.8.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BIN=${LLMC_BIN:-$ROOT/bin}                      # the sanitizer build lives elsewhere
export BUILD=${LLMC_BUILD:-$ROOT/build}         # helper programs: $BUILD/tests/unit/mkX
SHARED=${LLMC_SHARED:-$ROOT/../shared}          # models and fixtures too large for the project; may be absent
DEMO=$ROOT/examples/demo-4m
# Bundles made once a run: tests/run.sh sets a directory that all files share.
CACHE=${LLMC_CACHE:-${BATS_RUN_TMPDIR:-/tmp}/cache}
PATH=$BIN:$PATH
export LC_ALL=C OPENBLAS_NUM_THREADS=1
# A tool that dies leaves its memory to the system; the unit tests and fuzz entries are the ones that look for leaks.
export ASAN_OPTIONS=detect_leaks=0

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

# install_to DIR: what is built, into DIR/usr.
install_to() {
	make -s -C "$ROOT" -o all install B="$BUILD" O="$BIN" DESTDIR="$1" PREFIX=/usr >/dev/null
}

# try [-STATUS] COMMAND...: runs it, shows command, status and output, and fails unless the exit status is
# STATUS (0).  Leaves $status, $output, $stderr, $lines, $stderr_lines.  Not for binary output: let it go to a file.
try() {
	local want=0

	if [[ $1 =~ ^-[0-9]+$ ]]; then
		want=${1#-}
		shift
	fi
	run --separate-stderr "$@"
	printf '$ %s\nstatus %s, wanted %s\n' "$*" "$status" "$want"
	[ -z "$output" ] || printf '%s\n' "$output" | head -n 60 | sed 's/^/| /'
	[ -z "$stderr" ] || printf '%s\n' "$stderr" | head -n 60 | sed 's/^/! /'
	[ "$status" -eq "$want" ]
}

# try_sh [-STATUS] 'a | b > c': the same for a line of shell with pipefail (`run a | b` would be `(run a) | b`).
try_sh() {
	local flag=-0

	if [[ $1 =~ ^-[0-9]+$ ]]; then
		flag=$1
		shift
	fi
	try "$flag" bash -o pipefail -c "$1" "${2:-sh}" "${@:3}"
}

# stages 'a | b | c' STATUS...: runs the pipe and holds the status of each stage against the list; '*' is any
# but 0, '?' any at all.
stages() {
	local line=$1 got wanted i
	shift

	run --separate-stderr bash -c "$line"'
		printf "%s\n" "${PIPESTATUS[*]}" >&3' 3>stages.got
	read -ra got <stages.got
	wanted=("$@")
	printf '$ %s\nstatus %s, wanted %s\n' "$line" "${got[*]}" "${wanted[*]}"
	[ -z "$stderr" ] || printf '%s\n' "$stderr" | head -n 60 | sed 's/^/! /'
	[ "${#got[@]}" -eq "${#wanted[@]}" ] || return 1
	for i in "${!wanted[@]}"; do
		case ${wanted[i]} in
		'?') ;;
		'*') [ "${got[i]}" -ne 0 ] || return 1 ;;
		*) [ "${got[i]}" -eq "${wanted[i]}" ] || return 1 ;;
		esac
	done
}

# has TEXT / lacks TEXT: the last command's output, both streams, contains TEXT or does not.
has() {
	[[ $output$'\n'$stderr == *"$1"* ]] || { printf "output lacks '%s'\n" "$1"; return 1; }
}
lacks() {
	[[ $output$'\n'$stderr != *"$1"* ]] || { printf "output has '%s'\n" "$1"; return 1; }
}

# fails STATUS TEXT COMMAND...: the exit status, nothing on stdout, and a message of one line in the house's
# form ("tool: lower case, no full stop") that contains TEXT.
fails() {
	local want=$1 text=$2
	shift 2

	try "-$want" "$@" || return 1
	[ -z "$output" ] || { echo "a failing tool wrote to standard output"; return 1; }
	has "$text" || return 1
	[ "${#stderr_lines[@]}" -eq 1 ] || { echo "the message is not one line"; return 1; }
	[[ $stderr =~ ^llmc[a-z-]*:\ [^A-Z] ]] || [[ $stderr =~ ^llmc[a-z-]*:\ [A-Z][A-Z0-9]+ ]] ||
		{ echo "the message lacks its prefix or begins in upper case"; return 1; }
	[[ $stderr != *. ]] || { echo "the message ends in a full stop"; return 1; }
}

same() {        # same FILE FILE: byte for byte
	cmp "$1" "$2"
}
differ() {
	run cmp -s "$1" "$2"
	[ "$status" -eq 1 ] || { printf '%s and %s are the same\n' "$1" "$2"; return 1; }
}
absent() {      # absent PATH...: no such file, and no temporary left beside it
	local f

	for f; do
		if [ -e "$f" ] || compgen -G "$(dirname "$f")/.*$(basename "$f")*" >/dev/null ||
			compgen -G "$f?*" >/dev/null; then
			ls -la "$(dirname "$f")"
			return 1
		fi
	done
}

tools() {       # the programs that are built, but llmc itself
	local f

	for f in "$BIN"/llmc-*; do
		case ${f##*/} in
		*.*) ;;
		*) [ ! -x "$f" ] || echo "${f##*/}" ;;
		esac
	done
}

# about GOT WANT RELATIVE: two numbers agree.
about() {
	awk -v a="$1" -v b="$2" -v r="$3" 'BEGIN {
		d = a - b; if (d < 0) d = -d; if (b < 0) b = -b
		if (a "" == "" || !(d <= r * b)) { print "got " a ", want " b " within " r; exit 1 } }'
}
less() {        # less A B: A < B as numbers
	awk -v a="$1" -v b="$2" 'BEGIN { if (a "" == "" || b "" == "" || !(a + 0 < b + 0)) { print a " is not less than " b; exit 1 } }'
}
field() {       # field JQ: of the last command's JSON output
	jq -er "$1" <<<"$output"
}

# require shared [PATH] | require file PATH | require cmd NAME: else the test is skipped, with the reason.
require() {
	case $1 in
	shared) [ -e "$SHARED/${2:-.}" ] || skip "needs shared/${2:-}" ;;
	file) [ -e "$2" ] || skip "needs $2" ;;
	cmd) command -v "$2" >/dev/null || skip "needs $2" ;;
	*) echo "require: '$1' is none of shared, file, cmd"; return 1 ;;
	esac
}

# make_once NAME COMMAND...: the command writes its last argument, a path in the cache, if NAME is not there yet.
# Two files may do so at once: both make the same, renaming is atomic, and a directory's second comer fails to.
make_once() {
	local f=$CACHE/$1
	shift

	[ -e "$f" ] || { mkdir -p "$CACHE" && "$@" "$f.$$" && mv -T "$f.$$" "$f" 2>/dev/null; } || [ -e "$f" ]
}

# The programs look for recipes beside themselves.  Of a build that lies elsewhere, what is installed is tested.
if [ ! -e "$BIN/../pipelines" ] && [ ! -e "$BIN/../../pipelines" ] && [ -x "$BIN/llmc" ]; then
	make_once installed install_to || return 1
	BIN=$CACHE/installed/usr/bin
	PATH=$BIN:$PATH
fi

# bundle NAME...: makes standard bundles and copies them into the current directory under that name.
#	m.llmc                  examples/demo-4m, imported
#	q.llmc                  m.llmc rounded to int4:g128:asym
#	calib.txt eval.txt      the beginning of the demo's texts, 16,000 and 4,000 tokens
#	calib.tok eval.tok      those, in rows of 128
#	stories.llmc            shared/models/stories260K, imported (the test is skipped where it is absent)
bundle() {
	local n

	for n; do
		case $n in
		m.llmc) make_once "$n" llmc-import "$DEMO" -o ;;
		q.llmc) bundle m.llmc && make_once "$n" llmc-quant -w int4:g128:asym "$CACHE/m.llmc" -o ;;
		calib.txt | eval.txt) make_once "$n" cut_text "$DEMO/$n" ;;
		calib.tok | eval.tok)
			bundle m.llmc "${n%.tok}.txt" &&
				make_once "$n" llmc-tokenize -m "$CACHE/m.llmc" --seqlen 128 "$CACHE/${n%.tok}.txt" -o
			;;
		stories.llmc)
			require shared models/stories260K
			make_once "$n" llmc-import "$SHARED/models/stories260K" -o
			;;
		*) echo "bundle: '$n' is not a standard one" && return 1 ;;
		esac || return 1
		[ -e "$n" ] || cp "$CACHE/$n" "$n" || return 1
	done
}
cut_text() {
	case $1 in
	*calib*) head -c 48000 "$1" >"$2" ;;
	*) head -c 12000 "$1" >"$2" ;;
	esac
}
