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

const struct program *fwd_program(const struct fwd *);
/* Runs stage s (site.h) on m rows: x [m, C] F32 and a [m, fwd_a_width], dev->mm or F32, which one stage makes and the
 * next takes.  Rows are cut by the caller: which rows a call gets may show in the last bits. */
int fwd_stage(struct fwd *, int s, int64_t m, float *x, struct tensor *a);
bool fwd_idle(const struct fwd *, int s);       /* the stage does nothing */
int fwd_a_width(const struct fwd *, int s);     /* columns of the `a` that stage s makes; 0: it makes none */
/* y [m, C], dev->mm or F32 = the input of site k, which is x or a norm of it. */
int fwd_input(struct fwd *, int k, int64_t m, const float *x, struct tensor *y);
/* Experts (site.h), of which calib.h is the conductor.  fwd_route: a [m, C], dev->mm, the norm of x that experts read;
 * expert, weight [m, top_k].  fwd_expert: h [m, width] = act(gate) * up of rows of a; of the shared expert also the
 * weight [m].  fwd_expert_out: y [m, C] = down h. */
int fwd_route(struct fwd *, int64_t m, const float *x, struct tensor *a, int32_t *expert, float *weight);
int fwd_expert(struct fwd *, int expert, const struct tensor *in, struct tensor *h, float *weight);
int fwd_expert_out(struct fwd *, int expert, const struct tensor *h, struct tensor *y);
int fwd_mixture(struct fwd *, int64_t rows, float *x);  /* all of that, on rows that are wholly in memory */
/* How everybody cuts rows: fwd_batch sequences at a time, and, but for attention, fwd_rows rows of those. */
int fwd_batch(const struct fwd *);
int64_t fwd_rows(const struct fwd *, int s);
int64_t fwd_wide(const struct fwd *);           /* fwd_rows where nothing attends, of long enough batches */
/* All stages on n sequences, n at most fwd_batch; of a layer of experts, those come after. */
int fwd_block(struct fwd *, int n, float *x);

/* x [m, C] = the input of block 0 for ids[m], whole sequences.  -1 also for an id outside the vocabulary (ST_BAD). */
int fwd_embed(struct fwd *, struct block *embed, const int32_t *ids, int64_t m, float *x);
/* Head: bind once; embed is needed when the head is tied (kept by the caller), else NULL.
 * fwd_head: y [m, C] = final norm of x.  fwd_logits: logits [m, V] of normed rows. */
int fwd_bind_head(struct fwd *, struct block *head, struct block *embed);
int fwd_final(struct fwd *, int64_t m, const float *x, float *y);
int fwd_logits(struct fwd *, int64_t m, const float *y, float *logits);

#endif
