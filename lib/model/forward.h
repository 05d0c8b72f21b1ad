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
void fwd_forget(struct fwd *, enum role);       /* the weight was changed: prepare it anew */
/* Runs stage s on n sequences.  x: [n*T, C] F32, updated; a: [n*T, model_width] F32 buffer, rows packed at
 * fwd_a_width(f, s-1) on entry and fwd_a_width(f, s) on return. */
int fwd_stage(struct fwd *, int s, int n, float *x, float *a);
int fwd_a_width(const struct fwd *, int s);     /* columns of `a` after stage s; 0 after the last */
int fwd_block(struct fwd *, int n, float *x);   /* all stages; allocates its own a */

/* x [m, C] = the input of block 0 for ids[m].  -1 also for an id outside the vocabulary (ST_BAD). */
int fwd_embed(struct fwd *, struct block *embed, const int32_t *ids, int64_t m, float *x);
/* Head: bind once; embed is needed when the head is tied (kept by the caller), else NULL.
 * fwd_head: y [m, C] = final norm of x.  fwd_logits: logits [m, V] of normed rows. */
int fwd_bind_head(struct fwd *, struct block *head, struct block *embed);
int fwd_final(struct fwd *, int64_t m, const float *x, float *y);
int fwd_logits(struct fwd *, int64_t m, const float *y, float *logits);

#endif
