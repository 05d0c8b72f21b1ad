/* The interpreter of struct model. */
#ifndef FORWARD_H
#define FORWARD_H

#include "model/site.h"

struct fwd;

struct fwd *fwd_new(struct dev *, const struct model *, int T);  /* T: tokens a sequence; borrows both */
void fwd_free(struct fwd *);
void fwd_resize(struct fwd *, int T);           /* sequences of T tokens from now on; prepared weights stay */

/* Binds a layer; its weights are prepared (dequantized, converted to dev->mm) when first used. */
int fwd_bind(struct fwd *, struct block *);
void fwd_unbind(struct fwd *);                  /* drops prepared weights */
void fwd_rest(struct fwd *);                    /* drops prepared weights and working memory until the next stage */

/* Runs stage s (site.h) on m rows: x [m, C] F32, which stages 2 and 4 change, and a [m, fwd_a_width], dev->mm or F32,
 * which stages 1 and 3 make and 2 and 4 take; a is not read nor written by stage 0.  Rows are cut by the caller: which
 * rows a call gets may show in the last bits. */
int fwd_stage(struct fwd *, int s, int64_t m, float *x, struct tensor *a);
int fwd_a_width(const struct fwd *, int s);     /* columns of the `a` that stage s makes; 0: it makes none */
/* y [m, C], dev->mm or F32 = the norm of x that the sites after stage s read. */
int fwd_norm(struct fwd *, int s, int64_t m, const float *x, struct tensor *y);
/* How everybody cuts rows: fwd_batch sequences at a time, and in stages other than 1 fwd_rows rows of those. */
int fwd_batch(const struct fwd *);
int64_t fwd_rows(const struct fwd *, int s);
/* All stages on n sequences, n at most fwd_batch. */
int fwd_block(struct fwd *, int n, float *x);

/* x [m, C] = the input of block 0 for ids[m].  -1 also for an id outside the vocabulary (ST_BAD). */
int fwd_embed(struct fwd *, struct block *embed, const int32_t *ids, int64_t m, float *x);
/* Head: bind once; embed is needed when the head is tied (kept by the caller), else NULL.
 * fwd_head: y [m, C] = final norm of x.  fwd_logits: logits [m, V] of normed rows. */
int fwd_bind_head(struct fwd *, struct block *head, struct block *embed);
int fwd_final(struct fwd *, int64_t m, const float *x, float *y);
int fwd_logits(struct fwd *, int64_t m, const float *y, float *logits);

#endif
