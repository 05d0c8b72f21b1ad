/* The program of a block, and its sites: the groups of linears that share an input.  Derived from the knobs, never
 * listed by family.
 *
 * A block's forward pass is a short program of stages over x [m, C], the residual stream, and a [m, W], which one
 * stage makes and the next takes.  The linears of a site run in the stage after the one that feeds it.  So a calibrated
 * method runs a stage over all rows, solves the sites it fed, and goes on with the same pass through the compressed
 * weights (true sequential, one forward pass).  A site that reads x, a norm of it or a latent of that,
 * which nobody keeps, makes it anew where it is read. */
#ifndef SITE_H
#define SITE_H

#include "model/block.h"
#include "model/moe.h"

enum { MAX_SITE = 8, MAX_LINEAR = 5, MAX_STEP = 12, MAX_STAGE = 8 };

struct site {
	const char *name;               /* "attn.in", "attn.out", "mlp.in", "mlp.down", ...: for reports */
	int stage;                      /* after which its input is there */
	int expert;                     /* whose linears they are, where they are an expert's */
	int64_t routed;                 /* then, in calibration: how many tokens go to it, */
	bool all;                       /* and whether the method sees all there are instead (calib.h) */
	bool of_x;                      /* the input is x, or a norm of it; else a[:, col .. col + width) of the stage */
	enum role norm;                 /* of x; R_N: none */
	enum role latent;               /* or it is what R_QA or R_KVA makes of that, under its norm; else R_N */
	int col;
	int width;
	enum role lin[MAX_LINEAR];      /* linears that read it, in the order they are solved */
	int nlin;
};

enum step_op {
	DO_ATTN,                        /* a[:, col ..] = attention of what q, k, v make of site `in` */
	DO_MLP,                         /* a[:, col ..] = act(gate) * up, or act(up), of site `in` */
	DO_ADD,                         /* x += [norm] linear(a[:, col ..]) */
	DO_NORM                         /* x = norm(x) */
};
struct step {
	enum step_op op;
	int stage;
	int in;                         /* DO_ATTN, DO_MLP: the site */
	int col;
	enum role lin;                  /* DO_ADD */
	enum role norm;                 /* DO_ADD, DO_NORM; R_N: none */
};

struct program {                        /* of no stage: the block is passed over */
	int nstage, nsite, nstep;
	bool moe;                       /* then, each by itself, the experts: x += w * expert(norm of x before them) */
	int a_width[MAX_STAGE];         /* of the `a` that a stage makes; 0: it makes none */
	int width;                      /* W: the widest `a` that a stage makes */
	struct site site[MAX_SITE];     /* in order of execution */
	struct step step[MAX_STEP];     /* likewise */
};
void model_program(const struct model *, int layer, struct program *);
int model_width(const struct model *);          /* W: the widest `a` of any layer */

/* The two sites of an expert: its input, and what its down projection reads. */
void expert_sites(const struct model *, int expert, struct site *in, struct site *out);


#endif
