/* The target of GPTQ when the inputs of a layer are not those of the float model any more. */
#include "algo/gptq.h"

#include "base/mem.h"
#include "base/pool.h"

#include <stdlib.h>

struct move {
	const int32_t *perm;
	int64_t n;
	const float *from;
	float *to, scale;
};

static void into_order(void *arg, int64_t o, int worker)
{
	struct move *m = arg;

	(void)worker;
	for (int64_t k = 0; k < m->n; k++)
		m->to[o * m->n + k] = m->from[o * m->n + m->perm[k]];
}

static void add_back(void *arg, int64_t o, int worker)
{
	struct move *m = arg;

	(void)worker;
	for (int64_t k = 0; k < m->n; k++)
		m->to[o * m->n + m->perm[k]] += m->scale * m->from[o * m->n + k];
}

int gptq_aim(struct dev *dev, const struct gptq_hess *s, double match, const float *cross, int64_t tokens, float *w,
             int64_t out)
{
	int64_t n = s->n;
	size_t size = (size_t)out * (size_t)n * sizeof(float);
	float *a = xmalloc(size), *b = xmalloc(size);
	int r = dev->ops->gemm(dev, 0, 0, out, n, n, 1 / (float)tokens, w, n, cross, n, 0, a, n);

	/* H^-1 = u^T u, in processing order */
	pool_for(out, into_order, &(struct move){ s->perm, n, a, b, 1 });
	if (r == 0)
		r = dev->ops->gemm(dev, 0, 1, out, n, n, 1, b, n, s->u, n, 0, a, n);
	if (r == 0)
		r = dev->ops->gemm(dev, 0, 0, out, n, n, 1, a, n, s->u, n, 0, b, n);
	pool_for(out, add_back, &(struct move){ s->perm, n, b, w, (float)match });
	free(a);
	free(b);
	return r;
}
