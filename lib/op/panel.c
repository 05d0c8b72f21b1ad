/* The panel of GPTQ: rows are independent, some of them an item. */
#include "op/host.h"

#include "base/err.h"
#include "base/pool.h"

#include <string.h>

/* Rows of an item of a panel: several times the kernel's lanes, a multiple of them. */
enum { PANEL_ROWS = 4 * K_GPTQ_LANES };

struct panel {
	struct host *h;
	int64_t rows, ldw, ldu, ldg, ldc;
	int nb, maxq;
	float *w, *e, *tmp;
	const float *u, *scale, *zero;
	const int32_t *grp;
	uint8_t *code;
};

static void panel_item(void *arg, int64_t i, int worker)
{
	const struct panel *p = arg;
	int64_t r = i * PANEL_ROWS, n = least(PANEL_ROWS, p->rows - r);

	p->h->k.gptq(n, p->nb, p->w + r * p->ldw, p->ldw, p->u, p->ldu, p->scale + r * p->ldg, p->zero + r * p->ldg,
	             p->ldg, p->grp, p->maxq, p->code + r * p->ldc, p->ldc, p->e + r * p->nb, p->nb,
	             p->tmp + (int64_t)worker * K_GPTQ_TMP * p->nb);
}

int op_gptq_panel(struct dev *d, int64_t rows, int nb, float *w, int64_t ldw, const float *u, int64_t ldu,
                  const float *scale, const float *zero, int64_t ldg, const int32_t *grp, int maxq, uint8_t *code,
                  int64_t ldc, float *e)
{
	struct panel p = { .h = host(d), .rows = rows, .ldw = ldw, .ldg = ldg, .ldc = ldc, .nb = nb,
	                   .maxq = maxq, .w = w, .e = e, .scale = scale, .zero = zero, .grp = grp,
	                   .code = code };
	float *tight;

	if (nb < 0 || maxq < 0 || maxq > 255)
		return err_set(ST_FAIL, "gptq_panel: %d columns, codes to %d", nb, maxq);
	/* The factor's rows are often a power of two apart, and would fall on the same few lines of the cache. */
	tight = host_scratch(p.h, (int64_t)nb * nb + (int64_t)pool_threads() * K_GPTQ_TMP * nb, sizeof(float));
	for (int j = 0; j < nb; j++)
		memcpy(tight + (int64_t)j * nb + j, u + j * ldu + j, (size_t)(nb - j) * sizeof(*tight));
	p.u = tight;
	p.ldu = nb;
	p.tmp = tight + (int64_t)nb * nb;
	pool_for(div_up(rows, PANEL_ROWS), panel_item, &p);
	return 0;
}
