/* The calibration set's hidden states: the accumulator of the fold. */
#ifndef CALIB_H
#define CALIB_H

#include "model/forward.h"

struct calib;

/* ids [N,T], borrowed.  Holds x [N,T,C] (F32) and, between stages, a. */
struct calib *calib_new(struct dev *, const struct model *, const int32_t *ids, int64_t N, int T);
void calib_free(struct calib *);
/* Keeps, beside x, what the model as it comes in makes of the same tokens; call before calib_embed. */
void calib_twin(struct calib *);
bool calib_has_twin(const struct calib *);
int calib_embed(struct calib *, struct block *embed);
/* One pass of a block over all rows, stage by stage.  After each stage, for every site it feeds: see() for
 * every micro-batch of its input, [m, width] F32, then done(), which may replace the site's linears; the next
 * stage runs through what it left.  x becomes the block's output.  Either callback may be NULL. */
struct tap {
	/* k: index in model_sites.  twin: the same input in the model as it came in; NULL without calib_twin. */
	int (*see)(void *arg, const struct site *, int k, const struct tensor *x, const struct tensor *twin);
	int (*done)(void *arg, const struct site *, int k);
	void *arg;
};
int calib_block(struct calib *, struct block *, const struct tap *);
/* A block that an earlier run has dealt with: the states go through what it made of it, the twin's through the block
 * as it came in (NULL without calib_twin).  The same bits as calib_block left then. */
int calib_redo(struct calib *, struct block *done, struct block *was);
/* Rows of the current hidden states: x + row*T*C of sequence `row`. */
float *calib_x(struct calib *);
int64_t calib_rows(const struct calib *);       /* N */
int calib_seqlen(const struct calib *);         /* T */
struct fwd *calib_fwd(struct calib *);
struct dev *calib_dev(struct calib *);

#endif
