# llmc: one non-recursive Makefile.  make | make check | make demo | make lint | make install
include config.mk

B    := build$(if $(SAN),-san)
SRC  := $(wildcard lib/*/*.c lib/*/*/*.c kernels/*/*.c)
LIB  := $(SRC:%.c=$B/%.o)
O    := $(if $(SAN),$B/bin,bin)        # the plain build puts programs beside their sources
PROG := $(patsubst bin/%.c,$O/%,$(wildcard bin/llmc*.c))

all: $(PROG)
$(PROG): $O/%: $B/bin/%.o $B/libllmc.a
	$(CC) $(ALLFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$B/libllmc.a: $(LIB)
	rm -f $@ && $(AR) rcs $@ $^
# One such line per suffix: only these files may use what the processor may lack.
$B/%_avx2.o: ISA := -mavx2 -mfma -mf16c
$B/%_avx512.o: ISA := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c
$B/%.o: %.c config.mk | dirs
	$(CC) $(ALLFLAGS) $(ISA) -MMD -MP -c -o $@ $<
dirs:
	@mkdir -p $O $(sort $(dir $(LIB) $(PROG:$O/%=$B/bin/%.o)))
-include $(LIB:.o=.d) $(PROG:$O/%=$B/bin/%.d)

clean:
	rm -rf build build-san $(patsubst bin/%.c,bin/%,$(wildcard bin/llmc*.c))

.PHONY: all dirs clean
.DELETE_ON_ERROR:
.SECONDARY:
