#!/bin/bash
# families-table.sh [FILE]: writes the table tests/families.md, or FILE: every fixture of a family against its reference.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
mk=${LLMC_BUILD:-$root/build}/tests/unit
export PATH=${LLMC_BIN:-$root/bin}:$PATH LC_ALL=C OPENBLAS_NUM_THREADS=1
# shellcheck source=tests/fixtures.bash
. "$root/tests/fixtures.bash"
dir=$(mktemp -d "${TMPDIR:-/tmp}/llmc-families.XXXXXX")
trap 'rm -rf "$dir"' EXIT
to=$(realpath "${1:-$root/tests/families.md}")
cd "$dir"

hashes() {
	"$mk/mksthash" "$1"/model*.safetensors | sort
}

# one DIR: its row.
one() {
	local d=$1 t0=$EPOCHREALTIME name type what back
	name=$(basename "$d")
	type=$(jq -r .model_type "$d/config.json")
	what=$(head -n 1 "$d/note.txt")
	rm -rf f.llmc back out.safetensors
	if ! llmc-import -q "$d" -o f.llmc 2>said; then
		printf '| %s | %s | %s | refused: %s | | | |\n' "$name" "$type" "${what#"$name": }" "$(sed 's/^llmc-import: //; s/;.*//' said)"
		return
	fi
	reference "$d" r.safetensors
	llmc-eval logits -q --dtype f32 --hidden --tokens r.safetensors -o out.safetensors f.llmc
	llmc-pack -q -f hf -o back f.llmc
	back=$(comm -12 <(hashes "$d") <(hashes back) | wc -l)
	"$mk/mkstdiff" out.safetensors r.safetensors >errors
	printf '| %s | %s | %s | %s | %s | %s of %s | %.2f |\n' "$name" "$type" "${what#"$name": }" \
		"$(awk '$1 == "logits" { printf "%.1e", $2 }' errors)" "$(awk '$1 == "hidden" { printf "%.1e", $2 }' errors)" \
		"$back" "$(hashes "$d" | wc -l)" "$(((${EPOCHREALTIME/./} - ${t0/./}) / 1000))e-3"
}

{
	cat <<-'END'
		# Families, measured

		Written by `make families-table`, from the checkpoints in `../shared/fixtures/families`, which come with logits and
		hidden states of the published implementations in f32. The errors are ours, with `--dtype f32`: the largest
		difference, over the largest magnitude of the reference; for logits 1e-4 is allowed. Hidden states are those of all
		layers; for models that see, the text is compared, of which there are none. The last but one column counts the
		checkpoint's tensors that `llmc-pack -f hf` gives back byte for byte, of all it has; blocks of FP8 come back as floats.
		Seconds are of import, logits and packing together.

		| fixture | model_type | what it is | logits | hidden states | tensors back | seconds |
		|---|---|---|--:|--:|--:|--:|
	END
	fixtures all | while read -r d; do one "$d"; done
} >table.md
cp table.md "$to"
