# The layers: a file may include those before its layer, never after; kernels include only kern.h.
load helpers

# Includes of quoted names, as "FILE:DIR/NAME.h".
includes() {
	(cd "$ROOT" && grep -rHoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*"' --include='*.[ch]' "$@") |
		sed -E 's/:[^"]*"/:/; s/"$//'
}

@test "no include of lib points upward, or sideways into a room of the same layer" {
	try_sh 'cat' < <(includes lib)
	[ -n "$output" ]
	awk -F: '
		BEGIN {
			n = split("base tensor op model bundle quant,grad,data run algo,eval,pack,import", layer, " ")
			for (i = 1; i <= n; i++) {
				k = split(layer[i], room, ",")
				for (j = 1; j <= k; j++) rank[room[j]] = i
			}
		}
		{
			split($1, from, "/"); split($2, to, "/")
			if ($2 == "kernels/kern.h" && from[2] == "op") next
			if (!(from[2] in rank)) { print $1 ": in a room that has no layer"; bad = 1; next }
			if (!(to[1] in rank)) { print $1 ": includes \"" $2 "\", which is in no room"; bad = 1; next }
			if (from[2] != to[1] && rank[to[1]] >= rank[from[2]]) {
				print $1 ": \"" $2 "\" is not below it"; bad = 1
			}
		}
		END { exit bad }' <<<"$output"
}

@test "kernels include kern.h, what they share among themselves and the C library, nothing else" {
	[ -n "$(includes kernels)" ]
	run grep -vE '^(kernels/[a-z]+/).*:(kernels/kern|\1[a-z0-9_]+)\.h$' < <(includes kernels)
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "programs and examples include rooms of lib, not kernels" {
	[ -n "$(includes bin)" ]
	run grep -vE ':(base|tensor|op|model|bundle|quant|grad|data|run|algo|eval|pack|import)/[a-z0-9_]+\.h$' < <(includes bin examples)
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "every quoted include names a file that is there" {
	while IFS=: read -r file name; do
		[ -e "$ROOT/lib/$name" ] || [ -e "$ROOT/$name" ] || [ -e "$ROOT/$(dirname "$file")/$name" ] ||
			{ echo "$file: \"$name\" is nowhere"; bad=1; }
	done < <(includes lib kernels bin tests examples)
	[ -z "${bad-}" ]
}

@test "only import, the packers and model know families" {
	run grep -rlE 'include "model/family\.h"' "$ROOT/lib" "$ROOT/bin"
	run grep -vE '/lib/(model|import|pack)/' <<<"$output"
	echo "$output"
	[ "$status" -eq 1 ]
}
