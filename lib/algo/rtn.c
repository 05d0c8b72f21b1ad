/* Round to nearest: every linear of every layer onto a grid fitted to its own weights. */
#include "algo/rtn.h"

#include "algo/linear.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>

struct state {
	int scale;                      /* enum scale_opt */
};

static const struct opt opts[] = {
	SCALE_OPT(struct state, scale),
	{ .type = O_END }
};

/* Rows are rounded some at a time, but all at once where they share one scale. */
static int round_linear(struct linear *l, struct block *b)
{
	enum { BYTES = 32 << 20 };
	int64_t step = BYTES / (int64_t)sizeof(float) / l->in + 1;
	float *w;
	int r = 0;

	if (step > l->out || l->q.spec.gran == G_TENSOR)
		step = l->out;
	w = xmalloc((size_t)step * (size_t)l->in * sizeof(*w));
	for (int64_t r0 = 0; r0 < l->out && r == 0; r0 += step) {
		int64_t n = l->out - r0 < step ? l->out - r0 : step;
		struct qrec q = qrec_rows(&l->q, l->in, r0);

		r = linear_rows(l, b, r0, r0 + n, w);
		if (r == 0) {
			grid_fit_rows(&q, w, NULL, n, l->in);
			grid_round_rows(&q, w, n, l->in);
		}
	}
	free(w);
	return r < 0 ? -1 : linear_store(l, b, true);
}

static int block(void *st, struct run *run, struct block *b)
{
	struct state *s = st;
	struct linear l;

	if (b->kind != BLK_KIND_DENSE)
		return 0;
	for (int r = 0; r < R_N; r++) {
		int got;

		if (!role_linear((enum role)r))
			continue;
		got = linear_open(&l, run, b, (enum role)r, (enum scale_opt)s->scale);
		if (got < 0 || (got > 0 && round_linear(&l, b) < 0))
			return -1;
	}
	return 0;
}

const struct filter filter_quant = {
	.tool = { "llmc-quant", "[options] -w SPEC [FILE]", "quantize weights without calibration",
	          OPT_IO | OPT_RESUME | OPT_TALK | OPT_DEVICE | OPT_QSPEC, opts },
	.state = sizeof(struct state),
	.block = block,
};
