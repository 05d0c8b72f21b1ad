# What the build asks of its surroundings.  Everything here may be set on the command line.
PREFIX  ?= /usr/local
MANDIR  ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
CFLAGS  ?= -O3 -g
# SAN=address,undefined builds a second tree, with those sanitizers.
SAN     ?=
WARN    ?= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           -Wwrite-strings -Wvla -Wformat=2 -Werror
VERSION := 0.1.0

# Packages by their Debian names: to build and run the demo, and further ones for the tests and the fuzzers.
DEBS      := gcc make pkg-config libc6-dev libopenblas-pthread-dev libdnnl-dev libarchive-dev libcjson-dev \
             libpcre2-dev libutf8proc-dev libxxhash-dev jq
DEBS_TEST := bats mandoc shellcheck cppcheck clang
DEBS_FUZZ := clang libclang-rt-14-dev
# The same libraries as pkg-config knows them; oneDNN is unknown to it and there when its header is.  OpenBLAS is loaded
# when it is needed (lib/op/blas.c), not linked.
PKGS      := openblas libarchive libcjson libpcre2-8 libutf8proc libxxhash
DNNL      ?= $(if $(wildcard /usr/include/dnnl.h /usr/local/include/dnnl.h),1)

# Targets that install what is missing, or compile nothing, must do without the libraries.
ifneq ($(filter-out deps demo check quick lint fuzz soak bench bench-table matrix families-table clean dist uninstall,$(or $(MAKECMDGOALS),all)),)
PKG_FLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS  := $(filter-out -lopenblas,$(shell pkg-config --libs $(PKGS) 2>/dev/null))
ifeq ($(PKG_LIBS),)
$(error compiler, pkg-config or libraries are missing: 'make deps' installs them ($(DEBS)))
endif
endif

# No multiplication is contracted with an addition, so that results are the same everywhere; and nobody asks which
# exceptions floating point raised, so that comparisons may be made in vectors.
ALLFLAGS = -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Ilib -I. $(PKG_FLAGS) $(if $(DNNL),-DHAVE_DNNL) \
           $(WARN) -pthread -ffp-contract=off -fno-trapping-math $(CFLAGS) $(SANFLAGS)
SANFLAGS = $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
LDFLAGS += -Wl,--as-needed
LDLIBS   = $(PKG_LIBS) $(if $(DNNL),-ldnnl -lgomp) -lm -pthread
