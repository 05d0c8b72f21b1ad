/* Sites: the groups of linears that share an input.  Derived from the knobs, never listed by family.
 *
 * A block's forward pass is a short program of stages over x [m, C], the residual stream, and a [m, W], which one
 * stage makes and the next takes.  The linears of a site run in the stage after the one that feeds it.  So a calibrated
 * method runs a stage over all rows, solves the sites it fed, and goes on with the same pass through the compressed
 * weights (true sequential, one forward pass).  A site behind a norm reads a norm of x, which nobody keeps: it is made
 * anew where it is read. */
#ifndef SITE_H
#define SITE_H

#include "model/block.h"

enum { MAX_SITE = 8, MAX_LINEAR = 4 };

struct site {
	const char *name;               /* "attn.in", "attn.out", "mlp.in", "mlp.down": for reports */
	int stage;                      /* after which its input is there */
	bool norm;                      /* the input is a norm of x; else a[:, col .. col + width) of the stage */
	int col;
	int width;
	enum role lin[MAX_LINEAR];      /* linears that read it, in the order they are solved */
	int nlin;
};

/* Fills s[MAX_SITE] in order of execution; returns how many. */
int model_sites(const struct model *, struct site *s);
int model_stages(const struct model *);         /* stages of a block's program */
int model_width(const struct model *);          /* W: the widest `a` that a stage makes */

#endif
