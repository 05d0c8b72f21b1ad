/* Sites: the groups of linears that share an input.  Derived from the knobs, never listed by family.
 *
 * A block's forward pass is a short program of stages.  Stage s takes (x, a) to (x, a): x [m, C] is the
 * residual stream, a [m, W] the input of the sites that stage s feeds; the linears of those sites run in
 * stage s + 1.  So a calibrated method runs a stage over all rows, solves the sites it fed, and goes on with
 * the same pass through the compressed weights (true sequential, one forward pass). */
#ifndef SITE_H
#define SITE_H

#include "model/block.h"

enum { MAX_SITE = 8, MAX_LINEAR = 4 };

struct site {
	const char *name;               /* "attn.in", "attn.out", "mlp.in", "mlp.down": for reports */
	int stage;                      /* whose `a` it reads */
	int col;                        /* its input is a[:, col .. col + width) */
	int width;
	enum role lin[MAX_LINEAR];      /* linears that read it, in the order they are solved */
	int nlin;
};

/* Fills s[MAX_SITE] in order of execution; returns how many. */
int model_sites(const struct model *, struct site *s);
int model_stages(const struct model *);         /* stages of a block's program */
int model_width(const struct model *);          /* W: the widest `a` between stages */

#endif
