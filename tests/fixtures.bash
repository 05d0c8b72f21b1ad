# The fixtures of families: small checkpoints with what the published implementations make of them.
# shellcheck shell=bash

# fixtures all|few: their directories; few: the first of each model_type.
fixtures() {
	local d type seen=' '

	for d in "${LLMC_SHARED:-$(dirname "${BASH_SOURCE[0]}")/../../shared}"/fixtures/families/*/; do
		[ -e "$d/config.json" ] || continue
		type=$(jq -r .model_type "$d/config.json")
		[[ $1 != few || $seen != *" $type "* ]] || continue
		seen+="$type "
		realpath "$d"
	done
}

# reference DIR FILE: its tokens and logits.  Of a model that sees, those of text alone, which stand there under other
# names; renamed in place, so that no length changes.
reference() {
	if grep -qa '"text\.input_ids"' "$1/reference.safetensors"; then
		sed -e 's/"input_ids"/"image_ids"/; s/"logits"/"l_else"/; s/"hidden"/"h_else"/' \
			-e 's/"text\.logits"/"logits"     /; s/"text\.input_ids"/"input_ids"     /' "$1/reference.safetensors" >"$2"
	else
		cp "$1/reference.safetensors" "$2"
	fi
}
