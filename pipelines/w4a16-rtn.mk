# Four-bit weights by rounding to nearest, packed for vLLM: no data needed; W= and FORMAT= say otherwise.
include $(dir $(lastword $(MAKEFILE_LIST)))rules.mk

W       ?= int4:$(group):asym
FORMAT  ?= vllm

$(call stage,rtn.llmc,llmc-quant -w $W $(QUANT_FLAGS) $$RUN $(model.llmc) $o)
$(call row,rtn,rtn.llmc)
$(call out,llmc-pack -f $(FORMAT) $(PACK_FLAGS) $(rtn.llmc) $o)
