# rules.mk: what recipes are made of.  llmc-recipes(7) tells how to use one, and how to write one.
#
#	$(call stage,NAME,COMMAND)      what COMMAND writes, to standard output or by $o, kept in CACHE under a digest of
#	                                the command, its programs and its files.  From then on $(NAME) is that file,
#	                                quoted for the shell, and `make NAME` makes it and prints its path
#	$(call row,LABEL,NAME)          a line of the table, about the bundle NAME
#	$(call out,COMMAND)             the directory OUT, which COMMAND writes by $o
#
# A stage is made when its file is not there, never because of a time: prerequisites are order-only.
MAKEFLAGS += -rR --no-print-directory
.SUFFIXES:
.DEFAULT_GOAL := all

here    := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
demo    := $(firstword $(wildcard $(here)/../demo-4m $(here)/../examples/demo-4m))
# In a shell's single quotes.
quote    = '$(subst ','\'',$1)'

MODEL   ?=
CALIB   ?= $(demo)/calib.txt
EVAL    ?= $(demo)/eval.txt
# Variables whose values are files that stages read.
FILES   += MODEL CALIB EVAL
OUT     ?=
# Beside OUT, so that what goes to one place shares its stages.
ifeq ($(origin CACHE),undefined)
CACHE   := $(if $(OUT),$(shell dirname -- $(call quote,$(OUT))),.)/llmc.cache
endif

SEQLEN  ?= 512
SAMPLES ?= 128
EVAL_SAMPLES ?= 0
# Options that change no result, of the tools that compute: no part of a key.
RUN     ?=
# For tools that write a file whole or not at all, and go on where they were killed.
o       := -o "$$O" --resume

ifeq ($(MODEL),)
$(error MODEL= is wanted: a Hugging Face directory or a GGUF file)
endif
# What make replaces before a shell could see it, or takes apart in the name of a target.
$(foreach v,$(FILES) OUT CACHE,$(if $(filter command environment,$(firstword $(origin $v))),$(if \
	$(findstring $$,$(value $v)),$(error $v='$(value $v)': make cannot have a '$$' in it))))
odd     := $$ \# % : ; = * ? [ ] ( ) { } < > \ ' " ` | & ~
$(foreach c,$(odd),$(if $(findstring $c,$(CACHE)),$(error CACHE='$(CACHE)': make cannot have a '$c' in it)))

empty   :=
space   := $(empty) $(empty)
cache   := $(subst $(space),\ ,$(CACHE))
given   := $(foreach v,$(FILES) FILES CACHE OUT RUN,$v=$(call quote,$($v)))
# $(call script,ARGUMENTS): what stage.sh says; what begins with '!' is why not.
script   = $(call said,$(shell $(given) bash $(here)/stage.sh $1))
said     = $(if $(filter !%,$1),$(error $(patsubst !%,%,$1)),$(or $1,$(error stage.sh failed)))
dollar   = $(subst $$,$$$$,$1)

stages  :=
# Those of the stages that a command mentions.
inputs   = $(foreach s,$(stages),$(if $(findstring "$$CACHE/$s",$1),$s))

stage    = $(call stage_,$1,$(call script,name $(call quote,$1) $(call quote,$2)),$2)
stage_   = $(if $(filter $2,$(stages)),,$(eval $(call rule,$2,$3,$(call inputs,$3))))$(eval $(call name_rule,$1,$2))
define name_rule
$1 := "$$$$CACHE/$2"
.PHONY: $1
$1: | $(cache)/$2
	@echo $(call dollar,$(call quote,$(CACHE)/$2))
endef
define rule
stages += $1
.PRECIOUS: $(cache)/$1
$(cache)/$1: $(if $3,| $(addprefix $(cache)/,$3))
	@$(call dollar,$(given)) bash $(here)/stage.sh run $1 $(call dollar,$(call quote,$2))
endef

# The directory is no file to make: what is in it tells whether it is what is wanted.
out      = $(call out_,$(call script,name out $(call quote,$1)),$1)
out_     = $(if $(filter out all,$(or $(MAKECMDGOALS),all)),$(if $(filter old,$(call script,state $1)),$(eval \
	$(call out_rule,$1,$2,$(call inputs,$2)))))
define out_rule
out: | $(addprefix $(cache)/,$3)
	@$(call dollar,$(given)) bash $(here)/stage.sh out $1 $(call dollar,$(call quote,$2)) $3
endef

# $(call tokens,NAME,VARIABLE): the token set that the variable names, or what becomes of the text that it names.
tokens   = $(if $(filter tokens,$(call script,kind $(call quote,$($2)))),$(eval $1 := "$$$$$2"),$(call \
	stage,$1,llmc-tokenize $(TOKENIZE_FLAGS) -m $(model.llmc) --seqlen $(SEQLEN) "$$$2"))

rows    :=
row      = $(call row_,$1,$2,$(basename $2),$(if $(KL),llmc-eval kl --ref $(model.llmc),llmc-eval ppl))
row_     = $(call stage,info-$3.json,llmc-info -j $($2))$(call \
	stage,eval-$3.json,$4 -j --tokens $(eval.tok) --samples $(EVAL_SAMPLES) $$RUN $(EVAL_FLAGS) $($2) $o)$(eval \
	rows += $(call dollar,$(call quote,$1) $($2) $(info-$3.json) $(eval-$3.json)))$(eval \
	all table: | $(addprefix $(cache)/,$(call inputs,$(info-$3.json) $(eval-$3.json))))

.PHONY: all table out
all: | out
all table:
	@$(given); bash $(here)/table.sh $(rows)

# What every recipe begins with.
$(call stage,model.llmc,llmc-import $(IMPORT_FLAGS) "$$MODEL" $o)
$(call tokens,calib.tok,CALIB)
$(call tokens,eval.tok,EVAL)
$(call row_,original,model.llmc,model,llmc-eval ppl)

# The largest groups that engines have kernels for and what all linears read is a multiple of, as a part of a spec.
widths  := .inputs as $$w | first((128, 64, 32) | select(. as $$g | all($$w[]; . % $$g == 0)) | "g\(.)") // "channel"
$(call stage,group.txt,llmc-info -j $(model.llmc) | jq -r $(call quote,$(widths)))
group   := $$(<$(group.txt))
