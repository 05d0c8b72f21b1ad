# Rounding and GPTQ at several widths, one table: W='int4:g128:asym int3:g64:asym ...'; packs nothing.
include $(dir $(lastword $(MAKEFILE_LIST)))rules.mk

W       ?= int4:g128:asym int3:g64:asym int2:g64:asym

name     = $1-$(subst :,-,$2).llmc
both     = $(call stage,$(call name,rtn,$1),llmc-quant -w $1 $(QUANT_FLAGS) $$RUN $(model.llmc) $o)$(call \
	stage,$(call name,gptq,$1),llmc-gptq -w $1 $(GPTQ_FLAGS) $$RUN --calib $(calib.tok) --samples $(SAMPLES) \
	$(model.llmc) $o)$(foreach m,rtn gptq,$(call row,$m,$(call name,$m,$1)))
$(foreach w,$W,$(call both,$w))
