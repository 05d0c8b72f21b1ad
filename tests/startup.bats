# What the programs drag along when they start.  (How long that takes is a measurement, and no test.)
load helpers

# The dynamic libraries of the tools given, one line each: "TOOL LIBRARY".
libraries() {
	for t; do
		ldd "$BIN/$t" | awk -v t="$t" '{ print t, $1 }'
	done
}

@test "no tool links CUDA" {
	mapfile -t all < <(tools)
	libraries "${all[@]}" >list
	[ "$(wc -l <list)" -gt 10 ]
	run grep -iE ' lib(cuda|cudart|cublas|cudnn|nvrtc|nccl)' list
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "tools that only read bundles link neither BLAS nor oneDNN" {
	libraries llmc-info llmc-cat llmc >list
	[ -s list ]
	run grep -iE 'blas|dnnl|gomp|gfortran' list
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "no tool links OpenBLAS: those that multiply load it when they do" {
	mapfile -t all < <(tools)
	libraries "${all[@]}" >list
	run grep -iE ' lib(open)?blas| libgfortran' list
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "every tool answers -h, --help and --version, and misuse with status 2 and one line" {
	for t in llmc $(tools); do
		try "$t" -h
		[ -n "$output" ] && [ -z "$stderr" ]
		help=$output
		try "$t" --help
		[ "$output" = "$help" ]
		try "$t" --version
		[[ $output == "$t "* ]]
		fails 2 no-such-option "$t" --no-such-option
	done
}

@test "help and version that cannot be written end with status 5" {
	for t in llmc $(tools); do
		try_sh -5 "$t --help >/dev/full"
		try_sh -5 "$t --version >/dev/full"
	done
}
