#!/usr/bin/env bats
# Results do not depend on the processor or the number of threads: tests/soak/exact.sh on the model of examples/.
load helpers

@test "perplexity, codes and bytes are the same on every level of the processor and any number of threads" {
	try env LLMC_BIN="$BIN" LLMC_BUILD="$BUILD" bash "$ROOT/tests/soak/exact.sh" quick
	[ "${lines[-1]}" = "failures: 0" ]
}
