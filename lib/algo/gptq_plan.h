/* What llmc-gptq would need (-n). */
#ifndef GPTQ_PLAN_H
#define GPTQ_PLAN_H

#include "algo/gptq.h"
#include "run/plan.h"

void gptq_plan(struct plan *, struct run *, const struct gptq_opts *);

#endif
