# The house's rules that a machine can hold the tree to.
load helpers

# Source files, committed or about to be, that match a pattern; a release archive has no git.
sources() {
	(cd "$ROOT" && { git ls-files -co --exclude-standard 2>/dev/null ||
		find . -path './build*' -prune -o -type f -printf '%P\n'; }) | grep -E "$1" || true
}

@test "file names of the code are unique across the tree" {
	dup=$(sources '\.([ch]|cu)$' | sed 's|.*/||' | sort | uniq -d)
	echo "more than once: $dup"
	[ -z "$dup" ]
}

@test "no source file has more than 600 lines" {
	long=$(sources '^(bin|lib|kernels|tests|examples|pipelines)/.*\.([ch]|cu|sh|bash|bats|py)$' |
		(cd "$ROOT" && xargs wc -l) | awk '$2 != "total" && $1 > 600')
	echo "$long"
	[ -z "$long" ]
}

@test "a program is a table and a call: at most 90 lines" {
	long=$(cd "$ROOT" && wc -l bin/*.c | awk '$2 != "total" && $1 > 90')
	echo "$long"
	[ -z "$long" ]
}

@test "every source file begins with what it is" {
	sources '^(bin|lib|kernels|examples)/.*\.([ch]|cu)$' >list
	[ -s list ]
	while read -r f; do
		# A .c file may leave that to the header of its name.
		case $(head -c 2 "$ROOT/$f") in
		'/*') ;;
		*) [ -e "$ROOT/${f%.c}.h" ] || { echo "$f: no comment at its top"; bad=1; } ;;
		esac
	done <list
	[ -z "${bad-}" ]
}

@test "no code asks for a family by name outside the families" {
	run grep -rnE 'str(n?case)?n?cmp\([^;]*(family|arch)' "$ROOT/lib" "$ROOT/bin" --include='*.[ch]' \
		--exclude-dir=family --exclude='family*'
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "nothing is left to do" {
	run grep -rnwE 'TODO|FIXME|XXX|HACK' "$ROOT/bin" "$ROOT/lib" "$ROOT/kernels" "$ROOT/man" "$ROOT/pipelines" "$ROOT/examples" --include='*.[ch1-8]' --include='*.sh'
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "no line ends in a space, every file in a newline" {
	sources '^(bin|lib|kernels|tests|examples|pipelines)/.*\.([ch]|cu|sh|bash|bats)$' >list
	[ -s list ]
	while read -r f; do
		! grep -HnE '[[:space:]]+$' "$ROOT/$f" || bad=1
		[ -z "$(tail -c 1 "$ROOT/$f")" ] || { echo "$f: no newline at its end"; bad=1; }
	done <list
	[ -z "${bad-}" ]
}

@test "flags that let results depend on the machine are nowhere" {
	run grep -nE -e '-ffast-math|-march=native|-Ofast|-mtune' "$ROOT/Makefile" "$ROOT/config.mk"
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "every tool has a page and a file of tests" {
	for f in "$ROOT"/bin/llmc-*.c; do
		t=$(basename "$f" .c)
		[ -e "$ROOT/man/$t.1" ] || { echo "no man/$t.1"; bad=1; }
		compgen -G "$ROOT/tests/${t#llmc-}*.bats" >/dev/null || { echo "no tests/${t#llmc-}.bats"; bad=1; }
	done
	[ -z "${bad-}" ]
}
