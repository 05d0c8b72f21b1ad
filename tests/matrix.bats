# Families x methods x what reads their results: of every family one fixture; `make matrix` has them all.
load helpers
load fixtures

@test "matrix: one checkpoint of every family, every method, and who reads its results; refusals are in the manual" {
	require shared fixtures/families
	JOBS=2 LLMC_BIN=$BIN LLMC_BUILD=$BUILD LLMC_SHARED=$SHARED try "$ROOT/tests/matrix.sh" few
	has ' 0 failed'
	grep -c $'\tgptq4\tbetter\t.*\tok$' <<<"$output"
}

@test "families.md: errors within what is allowed, tensors back, and what it says is refused is" {
	require shared fixtures/families
	n=0
	while IFS='|' read -r _ name _ _ logits hidden back _; do
		d=$SHARED/fixtures/families/${name// /}
		[ -e "$d/config.json" ] || continue
		run llmc-import -q "$d" -o f.llmc
		case $logits in
		*refused*) [ "$status" -eq 4 ] || bad="$bad$name is not refused, " ;;
		*)
			[ "$status" -eq 0 ] || bad="$bad$name is refused, "
			less "$logits" 1e-4 && { [ -z "${hidden// /}" ] || less "$hidden" 1e-4; }
			[[ $back =~ ([0-9]+)\ of\ ([0-9]+) ]]
			[ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ] || jq -e .quantization_config "$d/config.json" >/dev/null
			;;
		esac
		n=$((n + 1))
	done < <(sed -n 's/^| /|/p' "$ROOT/tests/families.md")
	echo "$n rows; ${bad-}"
	[ -z "${bad-}" ] && [ "$n" -gt 50 ]
}
