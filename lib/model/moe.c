#include "model/moe.h"

#include <math.h>
#include <string.h>

static void softmax(float *s, int n)
{
	float max = s[0], sum = 0;

	for (int i = 1; i < n; i++)
		max = fmaxf(max, s[i]);
	for (int i = 0; i < n; i++)
		sum += s[i] = expf(s[i] - max);
	for (int i = 0; i < n; i++)
		s[i] /= sum;
}

/* The greatest of v[n] that is not taken; taken ones are marked by -Inf. */
static int best(const float *v, int n)
{
	int k = 0;

	for (int i = 1; i < n; i++)
		if (v[i] > v[k])
			k = i;
	return k;
}

static float group_score(const float *v, int n, bool two)
{
	int k = best(v, n);
	float second = -INFINITY;

	for (int i = 0; two && i < n; i++)
		if (i != k && v[i] > second)
			second = v[i];
	return two ? v[k] + second : v[k];
}

/* Experts of the groups that are not chosen are out of it: some implementations give them the score 0 instead, with
 * which they would win over a negative one. */
static void choose_groups(const struct model *m, float *choice, float *score)
{
	int n = m->n_expert / m->n_group;

	for (int g = 0; g < m->n_group; g++)
		score[g] = group_score(choice + g * n, n, m->router == ROUTER_SIGMOID_TOP2);
	for (int k = 0; k < m->topk_group; k++)
		score[best(score, m->n_group)] = -INFINITY;
	for (int g = 0; g < m->n_group; g++)
		if (score[g] != -INFINITY)
			for (int i = 0; i < n; i++)
				choice[g * n + i] = -INFINITY;
}

void moe_route(const struct model *m, float *score, const float *bias, float *work, int32_t *expert, float *weight)
{
	int n = m->n_expert;
	float *choice = work, sum = 0;

	if (m->router == ROUTER_SOFTMAX || m->router == ROUTER_SOFTMAX_MAX)
		softmax(score, n);
	else
		for (int i = 0; i < n; i++)
			score[i] = 1 / (1 + expf(-score[i]));
	for (int i = 0; i < n; i++)
		choice[i] = score[i] + (bias ? bias[i] : 0);
	if (m->n_group)
		choose_groups(m, choice, work + n);
	for (int k = 0; k < m->top_k; k++) {
		expert[k] = best(choice, n);
		choice[expert[k]] = -INFINITY;
		weight[k] = score[expert[k]];
		sum += weight[k];
	}
	for (int k = 0; k < m->top_k; k++) {
		if (m->norm_topk)
			weight[k] /= sum + 1e-20f;
		if (m->route_scale > 0)
			weight[k] *= (float)m->route_scale;
	}
}

int expert_width(const struct model *m, int expert)
{
	return expert == SHARED ? m->d_shared : m->d_expert;
}

int64_t moe_pick(const struct model *m, int expert, int64_t n, const int32_t *to, const float *weight, int64_t *row,
                 float *w)
{
	int64_t some = 0;

	for (int64_t i = 0; i < n; i++)
		for (int k = 0; k < (expert == SHARED ? 1 : m->top_k); k++)
			if (expert == SHARED || to[i * m->top_k + k] == expert) {
				w[some] = expert == SHARED ? 1 : weight[i * m->top_k + k];
				row[some++] = i;
			}
	return some;
}

void moe_gather(void *in, const void *a, size_t bytes, const int64_t *row, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		memcpy((char *)in + (size_t)i * bytes, (const char *)a + (size_t)row[i] * bytes, bytes);
}

void moe_add(float *x, int C, const float *y, const int64_t *row, const float *w, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < C; j++)
			x[row[i] * C + j] += w[i] * y[i * C + j];
}
