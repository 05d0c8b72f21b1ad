#!/bin/bash
# stage.sh WHAT ARGUMENT...: what rules.mk has a shell do.  In the environment: CACHE, FILES (names of the variables
# that name input files), those variables, OUT.
#
#	kind PATH               prints "tokens" for a token set, "text" for anything else
#	name NAME COMMAND       prints the file in CACHE that holds what COMMAND makes: PROGRAM-KEY, with NAME's suffix
#	run FILE COMMAND        makes it, unless it is there
#	state FILE              whether OUT is what FILE stands for: prints "current" or "old"
#	out FILE COMMAND STAGE...       makes OUT, out of those files of CACHE
#
# A KEY is a digest of the command, of the programs in it and of the files in it; those that are stages have keys in
# their names.  So a file's name says all that its content depends on, and a file that is there is never made again.
# kind, name and state say "!WHY" where they cannot.
#
#	CACHE/PROGRAM-KEY.SUFFIX        what a stage made, whole
#	CACHE/PROGRAM-KEY.SUFFIX.txt    the command, the digests, seconds; locked by who makes it
#	CACHE/part/PROGRAM-KEY.SUFFIX/  while it is being made
#	CACHE/seen/STATE                digest of what was so, by names, sizes, inodes and times
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Beside the recipes, in a source tree or installed, are tools too; PATH goes first.
export PATH=$PATH:$here/../bin:$here/../../../bin LC_ALL=C

no() {
	echo "!$*"
	exit 0
}
short() {
	sha256sum | cut -c 1-16
}

# Whether other files belong to it: a directory, the weights of a model beside its configuration, a GGUF in parts.
several() {
	[ -d "$1" ] || parts "$1" || { [[ $1 == *.safetensors ]] && [ -e "$(dirname "$1")/config.json" ]; }
}
parts() {
	[[ $1 == *-00001-of-?????.gguf ]]
}

# The files whose content is what PATH stands for, within its directory.
inputs() {
	if [ -d "$1" ]; then
		find -L "$1/" -mindepth 1 -maxdepth 1 -type f ! -name '.*' -printf '%f\0'
	elif parts "$1"; then
		(
			cd "$(dirname "$1")" && shopt -s nullglob && set -- "$(basename "$1")"
			printf '%s\0' "${1%-00001-of-*}"-?????-of-"${1##*-of-}"
		)
	else
		printf '%s\0' "$(basename "$1")"
		! several "$1" || find -L "$(dirname "$1")/" -mindepth 1 -maxdepth 1 -type f ! -name '.*' \
			! -name '*.safetensors' -printf '%f\0'
	fi | sort -z
}

# digest PATH: of the content alone, wherever it lies, whenever it was written.
digest() {
	local dir state seen
	dir=$1
	[ -d "$1" ] || dir=$(dirname "$1")
	state=$(inputs "$1" | (cd "$dir" && xargs -0 stat -L -c '%n %d %i %s %y %z' --) | sha256sum)
	seen=$CACHE/seen/${state%% *}
	if [ ! -s "$seen" ]; then
		mkdir -p "$CACHE/seen"
		[ "$(du -sLk "$1" | cut -f 1)" -lt 1000000 ] || echo "  reading $1" >&2
		if several "$1"; then
			inputs "$1" | (cd "$dir" && xargs -0 sha256sum --) | short
		else
			short <"$1"
		fi >"$seen.$$"
		mv "$seen.$$" "$seen"
	fi
	cat "$seen"
}

# What a stage's result depends on, a line each.
ingredients() {
	local word path
	printf 'command %s\n' "$1"
	for word in $(grep -oE '(^|[ |&;(])llmc[a-z0-9-]*' <<<"$1" | tr -d ' |&;(' | sort -u); do
		path=$(type -P "$word") || no "no program '$word' in PATH"
		printf 'program %s %s\n' "$word" "$(digest "$path")"
	done
	for word in $FILES; do
		[[ $1 =~ \$$word([^A-Za-z0-9_]|$) ]] || continue
		[ -n "${!word-}" ] || no "$word= is wanted: see llmc-recipes(7)"
		[ -r "${!word}" ] || no "$word='${!word}' cannot be read"
		printf 'file %s %s\n' "$word" "$(digest "${!word}")"
	done
}

name() {
	local text key program need
	for need in flock jq sha256sum; do
		type -P "$need" >/dev/null || no "no program '$need' in PATH, and recipes use it"
	done
	[[ $1 =~ ^[A-Za-z0-9._-]+$ ]] || no "'$1' cannot be the name of a stage: letters, digits, '.', '_', '-'"
	text=$(ingredients "$2")
	! grep -m 1 '^!' <<<"$text" || exit 0
	key=$(short <<<"$text")
	# By the program, so that recipes that call a thing differently share it.
	read -r program _ <<<"$2"
	program=${program##*/}
	case $1 in
	*.*) echo "${program#llmc-}-$key.${1##*.}" ;;
	*) echo "${program#llmc-}-$key" ;;
	esac
}

# Waits for who holds the lock; descendants keep it when this shell is killed, so an orphan is waited for too.
lock() {
	exec 9>>"$1"
	flock -n 9 || {
		echo "  waiting for another run, which makes ${2##*/}" >&2
		flock 9
	}
}

# make_part FILE COMMAND: runs the command, which writes FILE, as $O, or its standard output; fails as it does.
# Leaves the seconds that took in $took.
make_part() {
	local t0=$EPOCHREALTIME
	export O=$1
	took=-
	mkdir -p "$(dirname "$O")"
	# shellcheck disable=SC2016     # the name, not the value
	if [[ $2 != *'"$O"'* ]]; then
		bash -euo pipefail -c "$2" </dev/null >"$O"
	elif [ -e "$O" ]; then
		return          # It is whole: its tool outlived the run that started it.
	else
		bash -euo pipefail -c "$2" </dev/null
	fi
	took=$(awk -v a="$t0" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
}

run() {
	local target=$CACHE/$1 part=$CACHE/part/$1 text
	mkdir -p "$CACHE/part"
	lock "$target.txt" "$1"
	[ ! -e "$target" ] || exit 0
	printf '  %s: %s\n' "$1" "${2//  / }" >&2
	make_part "$part/$1" "$2"
	text=$(ingredients "$2")
	if [[ ${1%.*} != *-$(short <<<"$text") ]]; then
		rm -rf "$part"
		echo "stage.sh: what '$1' depends on changed while it was being made" >&2
		exit 1
	fi
	printf '%s\nseconds %s\n' "$text" "$took" >"$target.txt"
	sync "$part/$1" "$target.txt"
	mv -T "$part/$1" "$target"
	rm -rf "$part"
}

made() {        # the key of what lies at OUT
	[ ! -r "$OUT/llmc-recipe.txt" ] || sed -n '1s/^made by //p' "$OUT/llmc-recipe.txt"
}

state() {
	[ -n "$OUT" ] || no 'OUT= is wanted: the directory to make'
	if [ "$(made)" = "$1" ] && [ ! -e "${OUT%/}.part" ]; then
		echo current
	elif [ -e "$OUT" ] && [ -z "$(made)" ] && { [ ! -d "$OUT" ] || [ -n "$(ls -A "$OUT")" ]; }; then
		no "OUT='$OUT' is there, and no recipe made it"
	else
		echo old
	fi
}

how() {         # how FILE: the commands that led to it, in order
	local line s
	line=$(sed -n 's/^command //p' "$CACHE/$1.txt" 2>/dev/null || :)
	while read -r s; do
		how "$s"
	done < <(grep -oE '"[$]CACHE/[^"]+"' <<<"$line" | sed 's/^.*[/]//; s/"$//')
	echo "$1: ${line//  / }"
}

out() {
	local dir=${OUT%/}.part file=$1 text=$2 s
	shift 2
	mkdir -p "$dir"
	lock "$dir.lock" "$OUT"
	if [ "$(made)" != "$file" ]; then
		printf '  %s: %s\n' "$OUT" "${text//  / }" >&2
		make_part "$dir/$file" "$text"
		{
			echo "made by $file"
			for s; do
				how "$s"
			done | awk '!seen[$0]++'
			printf "%s\n" "$OUT: ${text//  / }"
		} >"$dir/$file/llmc-recipe.txt"
		sync "$dir/$file/llmc-recipe.txt"
		# A kill between the two leaves no OUT, and the next run makes it.
		[ ! -e "$OUT" ] || mv -T "$OUT" "$(mktemp -u "$dir/old.XXXXXX")"
		mv -T "$dir/$file" "${OUT%/}"
	fi
	rm -rf "$dir" "$dir.lock"
}

case $1 in
kind)
	[ -r "$2" ] || no "'$2' cannot be read"
	# A tar, or safetensors: a length below 2^24, then JSON.
	if [ -f "$2" ] && { [ "$(tail -c +258 "$2" | head -c 5 | tr -d '\0')" = ustar ] ||
		[[ $(head -c 9 "$2" | od -An -v -tx1) == *' 00 00 00 00 00 7b' ]]; }; then
		echo tokens
	else
		echo text
	fi
	;;
name | run | state | out) "$@" ;;
*) echo "stage.sh: what is '$1'?" >&2; exit 2 ;;
esac
