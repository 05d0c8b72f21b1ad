/* Which experts a token goes to, and with which weights: the one place that knows how families differ in that.
 *
 * Mixtral, Qwen: softmax of all scores, the top_k of them, divided by their sum if norm_topk.
 * DeepSeek-V2 (arXiv 2405.04434): softmax; where there are groups, of the topk_group with the best expert.
 * DeepSeek-V3 (arXiv 2412.19437): sigmoid; the choice is made by score + bias, groups by the sum of their best two;
 * the weights are the scores themselves. */
#ifndef MOE_H
#define MOE_H

#include "model/model.h"

/* score [n_expert], the router's, is overwritten; bias [n_expert] or NULL; work [2 * n_expert].  expert, weight [top_k].
 * Of equals the first. */
void moe_route(const struct model *, float *score, const float *bias, float *work, int32_t *expert, float *weight);

enum { SHARED = -1 };                   /* the expert that all tokens share */
int expert_width(const struct model *, int expert);
/* Which of n rows go to the expert, of whose rows moe_route made to, weight [n, top_k]: row [n], in order, and w [n], 1
 * for the shared one.  Returns how many. */
int64_t moe_pick(const struct model *, int expert, int64_t n, const int32_t *to, const float *weight, int64_t *row,
                 float *w);
/* Those rows of a, `bytes` each, behind each other in `in`. */
void moe_gather(void *in, const void *a, size_t bytes, const int64_t *row, int64_t n);
/* x [., C] of those rows += w * y [n, C]. */
void moe_add(float *x, int C, const float *y, const int64_t *row, const float *w, int64_t n);

#endif
