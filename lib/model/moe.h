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

#endif
