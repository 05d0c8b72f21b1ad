/* The part of a plan that multiplies; apart, so that tools which do not multiply need not link what does. */
#include "run/plan.h"

#include "op/meter.h"

/* What the libraries of products compile and keep while a model of any size runs. */
static const double KERNELS = 6e6;

void plan_device(struct plan *p, struct dev *dev)
{
	p->f32 = meter_rate(dev, DT_F32);
	p->mm = dev->mm == DT_F32 ? p->f32 : meter_rate(dev, dev->mm);
	p->base = process_bytes() + KERNELS;
}
