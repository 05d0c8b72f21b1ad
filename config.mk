# What the build asks of its surroundings.  Everything here may be set on the command line.
PREFIX  ?= /usr/local
CC      ?= cc
AR      ?= ar
CFLAGS  ?= -O3 -g
SAN     ?=
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           -Wwrite-strings -Wvla -Wformat=2 -Werror
PKGS    := openblas libarchive libcjson libpcre2-8 libutf8proc libxxhash
VERSION := 0.1.0

# Packages by their Debian names: to build, and further ones for the tests.
DEBS      := gcc make pkg-config libopenblas-dev libdnnl-dev libarchive-dev libcjson-dev libpcre2-dev \
             libutf8proc-dev libxxhash-dev
DEBS_TEST := bats mandoc shellcheck cppcheck jq clang libclang-rt-14-dev strace

ALLFLAGS = -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Ilib -I. $(WARN) -pthread -ffp-contract=off $(CFLAGS)
# oneDNN has no pkg-config file: it is there when its header is.
HAVE_DNNL := $(if $(wildcard /usr/include/dnnl.h /usr/local/include/dnnl.h),1)
ifneq ($(HAVE_DNNL),)
ALLFLAGS += -DHAVE_DNNL
DNNL_LIBS := -ldnnl -lgomp
endif
ifneq ($(SAN),)
ALLFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS  += -fsanitize=$(SAN)
endif
ifneq ($(filter-out deps clean dist,$(or $(MAKECMDGOALS),all)),)
ALLFLAGS += $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LDLIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) $(DNNL_LIBS) -lm -pthread
endif
LDFLAGS += -Wl,--as-needed
