#include "model/site.h"

#include "base/err.h"

#include <string.h>

/* The program of a block whose norms stand before attention and MLP:
 *   stage 0:                                           feeds q k v, with n = norm(x)
 *   stage 1: a = attention(rope(q n), rope(k n), v n)  feeds o
 *   stage 2: x += o a                                  feeds gate up (or up alone), with n = norm(x)
 *   stage 3: a = act(gate n) * (up n)                  feeds down
 *   stage 4: x += down a */
int model_sites(const struct model *m, struct site *s)
{
	static const struct site pre[] = {
		{ "attn.in", 0, true, 0, 0, { R_Q, R_K, R_V }, 3 },
		{ "attn.out", 1, false, 0, 0, { R_O }, 1 },
		{ "mlp.in", 2, true, 0, 0, { R_GATE, R_UP }, 2 },
		{ "mlp.down", 3, false, 0, 0, { R_DOWN }, 1 },
	};

	memcpy(s, pre, sizeof(pre));
	s[0].width = m->d_model;
	s[1].width = m->n_head * m->d_head;
	s[2].width = m->d_model;
	s[3].width = m->d_ff;
	if (!m->gated) {
		s[2].lin[0] = R_UP;
		s[2].nlin = 1;
	}
	return 4;
}

int model_stages(const struct model *m)
{
	struct site s[MAX_SITE];

	return s[model_sites(m, s) - 1].stage + 2;
}

int model_width(const struct model *m)
{
	struct site s[MAX_SITE];
	int n = model_sites(m, s), w = 0;

	for (int i = 0; i < n; i++)
		if (!s[i].norm && s[i].col + s[i].width > w)
			w = s[i].col + s[i].width;
	return w;
}
