# llmc: one non-recursive Makefile.
#	make            programs into bin/              make demo       the main job on a small model, from nothing
#	make check      all tests (unit check-ops: some)  make lint     what a reader would point out
#	make fuzz       look for crashes                make install    PREFIX, DESTDIR
#	make soak       long campaigns: faults, kills           make matrix     every family through every method
#	make deps       Debian packages, for demo and check too         dist clean uninstall
include config.mk

B     := build$(if $(SAN),-san)
# The plain build puts programs beside their sources.
O     := $(if $(SAN),$B/bin,bin)
SRC   := $(wildcard lib/*/*.c lib/*/*/*.c kernels/*/*.c)
LIB   := $(SRC:%.c=$B/%.o)
PROG  := $(patsubst bin/%.c,$O/%,$(wildcard bin/llmc*.c))
UNIT  := $(patsubst %.c,$B/%,$(filter-out tests/unit/mk%,$(wildcard tests/unit/*.c)))
# For the .bats files.
HELP  := $(patsubst %.c,$B/%,$(wildcard tests/unit/mk*.c tests/bench/*.c examples/*.c))
SHIM  := $(patsubst %.c,$B/%.so,$(wildcard tests/faults/*.c))
OPS   := $(if $(wildcard tests/check/*.c),$B/tests/check/check)
FUZZ  := $(patsubst %.c,$B/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_WITH := $B/tests/fuzz/limit.o $B/tests/fuzz/tarmut.o $B/libllmc.a
BATS  := $(wildcard tests/*.bats)
MAN   := $(wildcard man/*.[1-8])

FUZZ_SECONDS ?= 60
# Tests to run: make check T='tests/import.bats build/tests/unit/grid'
T     ?= $(UNIT) $(OPS) $(FUZZ) $(BATS)
RUN   := LLMC_BIN=$(abspath $O) LLMC_BUILD=$(abspath $B) tests/run.sh
# Without -j of its own, make uses the processors that are there.
JOBS   = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# make V=1 shows commands, else their results' names.
SAY    = $(if $V,,@echo '  $@'; )

all: $(PROG)
$(PROG): $O/%: $B/bin/%.o $B/libllmc.a
	@mkdir -p $(@D)
	$(SAY)$(CC) $(ALLFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$B/libllmc.a: $(LIB)
	$(SAY)rm -f $@ && $(AR) rcs $@ $^
# One such line per suffix: only these files may use what the processor may lack.
$B/%_avx2.o: ISA := -mavx2 -mfma -mf16c
$B/%_avx512.o: ISA := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c
$B/%_avx512_bf16.o: ISA := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mfma -mf16c
$B/%.o: %.c config.mk
	@mkdir -p $(@D)
	$(SAY)$(CC) $(ALLFLAGS) $(ISA) -MMD -MP -c -o $@ $<

# Test programs: one a file, but the conformance suite of the operators, which is one of many.
$(UNIT) $(HELP): %: %.o $B/libllmc.a
	$(SAY)$(CC) $(ALLFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$B/tests/check/check: $(patsubst %.c,$B/%.o,$(wildcard tests/check/*.c)) $B/libllmc.a
	$(SAY)$(CC) $(ALLFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
# Loaded before a tool; never with sanitizers, which want to come first.
$(SHIM): $B/%.so: %.c config.mk
	@mkdir -p $(@D)
	$(SAY)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -fPIC -shared -o $@ $<
$(FUZZ): %: %.o $B/tests/fuzz/replay.o $(FUZZ_WITH)
	$(SAY)$(CC) $(ALLFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(FUZZ:=.libfuzzer): %.libfuzzer: %.o $(FUZZ_WITH)
	$(SAY)$(CC) $(ALLFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LDLIBS)

deps:
	@sh pipelines/deps.sh $(DEBS) $(DEBS_TEST) $(DEBS_FUZZ)
# These may find a bare machine: what follows the installation is another make, which sees what is there.
check:
	@sh pipelines/deps.sh $(DEBS) $(DEBS_TEST)
	+@$(MAKE) --no-print-directory $(JOBS) programs
	+@$(MAKE) --no-print-directory tests
demo:
	@sh pipelines/deps.sh $(DEBS)
	+@$(MAKE) --no-print-directory $(JOBS) all
	@PATH="$(abspath $O):$$PATH" sh pipelines/demo.sh $(if $(MODEL),'$(MODEL)')

programs: $(PROG) $(UNIT) $(HELP) $(SHIM) $(OPS) $(FUZZ)
tests: programs
	@$(RUN) $T
# Programs, and the tools that read what comes from outside: for sanitizers.
quick:
	@sh pipelines/deps.sh $(DEBS) $(DEBS_TEST)
	+@$(MAKE) --no-print-directory $(JOBS) programs
	@$(RUN) $(UNIT) $(OPS) $(FUZZ) $(wildcard $(patsubst %,tests/%.bats,import info cat tokenize pack quant))
# The tools against this machine's own rate of products: make bench BENCH='forward gram' SMOLLM2=DIR
bench:
	@sh pipelines/deps.sh $(DEBS)
	+@$(MAKE) --no-print-directory $(JOBS) all $(HELP)
	@CC=$(CC) LLMC_BIN=$(abspath $O) LLMC_BUILD=$(abspath $B) tests/bench/bench.sh $(BENCH)
bench-table:
	tests/bench/table.sh bench/results.tsv README.md
# Fixtures of families through every method, and against their references: the second writes tests/families.md.
matrix families-table:
	@sh pipelines/deps.sh $(DEBS) $(DEBS_TEST)
	+@$(MAKE) --no-print-directory $(JOBS) all $(HELP)
	@LLMC_BIN=$(abspath $O) LLMC_BUILD=$(abspath $B) tests/$@.sh
unit: $(UNIT)
	@$(RUN) $(UNIT)
check-ops: $(OPS)
	@$(RUN) $(OPS)
fuzz:
	@sh pipelines/deps.sh $(DEBS) $(DEBS_FUZZ)
	+@$(MAKE) --no-print-directory $(JOBS) B=$B-fuzz CC=clang SAN=fuzzer-no-link,address,undefined fuzz-run
fuzz-run: $(FUZZ:=.libfuzzer)
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $B $(notdir $(FUZZ))

# Long campaigns; each prints what it did in a line.
soak:
	@sh pipelines/deps.sh $(DEBS) $(DEBS_TEST)
	+@$(MAKE) --no-print-directory $(JOBS) programs
	@bad=0; for t in $(wildcard tests/soak/*.sh); do \
		LLMC_BIN=$(abspath $O) LLMC_BUILD=$(abspath $B) bash $$t || bad=1; done; exit $$bad

# A second compiler's warnings, two checkers of C and shell, one of manuals.  The house's own rules are tests.
lint:
	@sh pipelines/deps.sh $(DEBS) $(DEBS_TEST)
	+@$(MAKE) --no-print-directory $(JOBS) B=$B-clang O=$B-clang/bin CC=clang CFLAGS=-O0 programs
	cppcheck --quiet --error-exitcode=1 --inline-suppr --suppressions-list=tests/cppcheck.txt --std=c11 -j2 \
		--enable=warning,performance,portability -Ilib -I. -D_GNU_SOURCE -DVERSION='""' \
		--library=tests/cppcheck.cfg bin lib kernels tests examples
	shellcheck -x .ci/run $(wildcard pipelines/*.sh tests/*.sh tests/*.bash tests/*.bats tests/*/*.sh)
	mandoc -T lint -W warning $(MAN)

# Completion is what the programs' own tables say.  The programs look for recipes beside their own directory, in
# ../share/llmc, and recipes for their texts.
SHARE   := $(DESTDIR)$(PREFIX)/share/llmc
RECIPES := $(filter-out %/demo.sh %/deps.sh,$(wildcard pipelines/*.mk pipelines/*.sh))
DEMO    := $(wildcard examples/demo-4m/*)
NAMES   := $(notdir $(PROG))
install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install $(PROG) $(DESTDIR)$(PREFIX)/bin
	for m in $(notdir $(MAN)); do install -D -m 644 man/$$m $(DESTDIR)$(MANDIR)/man$${m##*.}/$$m || exit; done
	install -d $(SHARE)/recipes $(SHARE)/demo-4m $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR)
	install -m 644 $(RECIPES) $(SHARE)/recipes
	install -m 644 $(DEMO) $(SHARE)/demo-4m
	$O/llmc completion bash >$B/llmc.bash
	install -m 644 $B/llmc.bash $(DESTDIR)$(BASHDIR)/llmc
	for p in $(filter llmc-%,$(NAMES)); do ln -sf llmc $(DESTDIR)$(BASHDIR)/$$p || exit; done
	$O/llmc completion zsh >$B/llmc.zsh
	install -m 644 $B/llmc.zsh $(DESTDIR)$(ZSHDIR)/_llmc
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(NAMES))
	for m in $(notdir $(MAN)); do rm -f $(DESTDIR)$(MANDIR)/man$${m##*.}/$$m || exit; done
	rm -f $(addprefix $(DESTDIR)$(BASHDIR)/,$(NAMES)) $(DESTDIR)$(ZSHDIR)/_llmc
	rm -f $(addprefix $(SHARE)/recipes/,$(notdir $(RECIPES))) $(addprefix $(SHARE)/demo-4m/,$(notdir $(DEMO)))
	for d in $(SHARE)/recipes $(SHARE)/demo-4m $(SHARE); do \
		[ ! -d $$d ] || rmdir --ignore-fail-on-non-empty $$d || exit; done
dist:
	git archive --format=tar.gz --prefix=llmc-$(VERSION)/ -o llmc-$(VERSION).tar.gz HEAD
clean:
	rm -rf build build-* $(patsubst bin/%.c,bin/%,$(wildcard bin/llmc*.c))

-include $(wildcard $B/lib/*/*.d $B/lib/*/*/*.d $B/kernels/*/*.d $B/bin/*.d $B/tests/*/*.d $B/examples/*.d)
.PHONY: all deps check demo programs tests quick unit check-ops bench bench-table matrix families-table fuzz fuzz-run soak lint install uninstall dist clean
.DELETE_ON_ERROR:
.SECONDARY:
