/* The calibration set's hidden states: the accumulator of the fold.
 *
 * x [N, T, C] F32, and between two stages of a tapped pass a [N, T, W] in the device's product type.  Both are kept in
 * memory as far as --ram goes, else in files of no name (states.h), and are walked in order in micro-batches whose
 * size depends on the model and T alone: where the states live shows in no bit. */
#ifndef CALIB_H
#define CALIB_H

#include "model/forward.h"

struct calib;

/* ids [N,T], borrowed.  The states' room is taken when the first of them come. */
struct calib *calib_new(struct dev *, const struct model *, const int32_t *ids, int64_t N, int T);
void calib_free(struct calib *);
/* Keeps, beside x, what the model as it comes in makes of the same tokens; call before calib_embed. */
void calib_twin(struct calib *);
bool calib_has_twin(const struct calib *);
int calib_embed(struct calib *, struct block *embed);
/* One pass of a block, or of each piece of it in turn, over all rows, stage by stage.  After each stage, for every site it feeds that the method wants:
 * see() for every micro-batch of its input, then done(), which may replace the site's linears; the next stage runs
 * through what it left.  x becomes the block's output. */
/* An expert's sites see the tokens that the router sends to it; with --all-experts, or where those are few, all of
 * them, which says more about its inputs than a handful: fewer than a sixteenth of its width, when a Gram matrix of them
 * would be mostly holes, or than 0.5 % of its even share. */
struct tap {
	bool (*wants)(void *arg, const struct site *);
	/* x [m, width], dev->mm or F32.  twin: the same input in the model as it came in; NULL without calib_twin. */
	int (*see)(void *arg, const struct site *, const struct tensor *x, const struct tensor *twin);
	int (*done)(void *arg, const struct site *);
	void *arg;
};
int calib_block(struct calib *, struct block *, const struct tap *);
/* A block that an earlier run has dealt with: the states go through what it made of it, the twin's through the block
 * as it came in (NULL without calib_twin).  The same bits as calib_block left then. */
int calib_redo(struct calib *, struct block *done, struct block *was);
/* n rows from `row` of N*T on, [n, C], borrowed until the next call.  NULL: error set. */
const float *calib_rows(struct calib *, int64_t row, int64_t n);
int calib_set(struct calib *, int64_t row, int64_t n, const float *x);  /* and the other way; -1: error set */

/* What the states will take, in bytes, and how rows are cut: for plans.  tapped: a is needed, too. */
struct calib_need {
	int64_t memory, disk;           /* states in memory, in files */
	int64_t buffers;                /* for what is in files, at most */
	int64_t tokens, batch, wide;    /* N*T; rows of a micro-batch; rows where the MLP is worked on */
};
struct calib_need calib_need(const struct calib *, bool tapped);
int64_t calib_see_bytes(const struct calib *, const struct site *);     /* of a site's micro-batch, as see() gets it */
int calib_seqlen(const struct calib *);         /* T */
struct fwd *calib_fwd(struct calib *);
struct dev *calib_dev(struct calib *);

#endif
