/* Round to nearest: every linear of every layer onto a grid fitted to its own weights. */
#include "algo/rtn.h"

#include "algo/linear.h"
#include "base/err.h"

struct state {
	int scale;                      /* enum scale_opt */
};

static const struct opt opts[] = {
	SCALE_OPT(struct state, scale),
	{ .type = O_END }
};

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
		if ((got = linear_open(&l, run, b, (enum role)r, (enum scale_opt)s->scale)) < 0)
			return -1;
		if (!got)
			continue;
		grid_fit_rows(&l.q, l.w, NULL, l.out, l.in);
		grid_round_rows(&l.q, l.w, l.out, l.in);
		if (linear_store(&l, b) < 0)
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
