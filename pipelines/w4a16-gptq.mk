# Four-bit weights by GPTQ, packed for vLLM; W= and FORMAT= say otherwise.
include $(dir $(lastword $(MAKEFILE_LIST)))rules.mk

W       ?= int4:$(group):asym
FORMAT  ?= vllm

$(call stage,gptq.llmc,llmc-gptq -w $W $(GPTQ_FLAGS) $$RUN --calib $(calib.tok) --samples $(SAMPLES) $(model.llmc) $o)
$(call row,gptq,gptq.llmc)
$(call out,llmc-pack -f $(FORMAT) $(PACK_FLAGS) $(gptq.llmc) $o)
