#include "model/site.h"

#include <string.h>

static int add_site(struct program *p, const char *name, int stage, int col, int width)
{
	p->site[p->nsite] = (struct site){ .name = name, .stage = stage, .norm = R_N, .latent = R_N, .col = col, .width = width };
	return p->nsite++;
}

/* A site that reads a norm of x, or x itself. */
static int x_site(struct program *p, const struct model *m, const char *name, int stage, enum role norm)
{
	int k = add_site(p, name, stage, 0, m->d_model);

	p->site[k].of_x = true;
	p->site[k].norm = norm;
	return k;
}

static void linear(struct program *p, int site, enum role r)
{
	p->site[site].lin[p->site[site].nlin++] = r;
}

static void step(struct program *p, struct step s)
{
	p->step[p->nstep++] = s;
}

static void qkv(struct program *p, int site)
{
	linear(p, site, R_Q);
	linear(p, site, R_K);
	linear(p, site, R_V);
}

static void latent_site(struct program *p, const char *name, int in, enum role from, int width, enum role r)
{
	int k = add_site(p, name, 1, 0, width);

	p->site[k].of_x = true;
	p->site[k].norm = p->site[in].norm;
	p->site[k].latent = from;
	linear(p, k, r);
}

/* Attention of the input that the site has; its output is there after the stage that is returned: after 1, or, where
 * keys and values come of a latent, after 2, and the linears that make the latents feed others after 1. */
static int attention(struct program *p, const struct model *m, int site)
{
	int t = m->kv_rank ? 2 : 1;

	if (m->kv_rank) {
		linear(p, site, m->q_rank ? R_QA : R_Q);
		linear(p, site, R_KVA);
		if (m->q_rank)
			latent_site(p, "attn.q_latent", site, R_QA, m->q_rank, R_QB);
		latent_site(p, "attn.kv_latent", site, R_KVA, m->kv_rank, R_KVB);
	} else
		qkv(p, site);
	step(p, (struct step){ .op = DO_ATTN, .stage = t, .in = site });
	return t;
}

static void gate_up(struct program *p, const struct model *m, int site)
{
	if (m->gated)
		linear(p, site, R_GATE);
	linear(p, site, R_UP);
}

/* Attention and MLP after each other; attention's output is there after stage t, 1 or 2:
 *   stage 0: [x = N x]                                  feeds q k v
 *   stage t: a = attention                              feeds o
 *   stage t + 1: x += [N] o a [x = N x]                 feeds gate up
 *   stage t + 2: a = act(gate) * up                     feeds down
 *   stage t + 3: x += [N] down a [x = N x] */
static void in_turn(struct program *p, const struct model *m, int layer, int attn)
{
	bool keep = m->place == PLACE_KEEP, post = m->place == PLACE_POST, behind = m->place == PLACE_BEHIND;
	bool out = behind || m->place == PLACE_SANDWICH, bare = keep || post || behind;
	int s = x_site(p, m, "attn.in", 0, bare ? R_N : R_NORM_ATTN), t;

	if (keep)
		step(p, (struct step){ .op = DO_NORM, .stage = 0, .norm = R_NORM_ATTN });
	t = attention(p, m, s);
	linear(p, add_site(p, "attn.out", t, 0, attn), R_O);
	step(p, (struct step){ .op = DO_ADD, .stage = ++t, .lin = R_O, .norm = out ? R_NORM_ATTN_OUT : R_N });
	if (keep || post)
		step(p, (struct step){ .op = DO_NORM, .stage = t, .norm = keep ? R_NORM_MLP : R_NORM_ATTN });
	p->moe = m->moe[layer];
	if (!p->moe) {
		s = x_site(p, m, "mlp.in", t, bare ? R_N : R_NORM_MLP);
		gate_up(p, m, s);
		step(p, (struct step){ .op = DO_MLP, .stage = ++t, .in = s });
		linear(p, add_site(p, "mlp.down", t, 0, m->d_ff), R_DOWN);
		step(p, (struct step){ .op = DO_ADD, .stage = ++t, .lin = R_DOWN, .norm = out ? R_NORM_MLP_OUT : R_N });
	}
	if (post)
		step(p, (struct step){ .op = DO_NORM, .stage = t, .norm = R_NORM_MLP });
	p->nstage = t + 1;
}

/* Side by side:
 *   stage 0:                                            feeds q k v gate up
 *   stage 1: a = [attention, act(gate) * up]            feeds o down
 *   stage 2: x += o a, x += down a */
static void side_by_side(struct program *p, const struct model *m, int attn)
{
	int s = x_site(p, m, m->place == PLACE_PARALLEL ? "in" : "attn.in", 0, R_NORM_ATTN), t = s;

	attention(p, m, s);
	if (m->place == PLACE_PARALLEL_2)
		t = x_site(p, m, "mlp.in", 0, R_NORM_MLP);
	gate_up(p, m, t);
	step(p, (struct step){ .op = DO_MLP, .stage = 1, .in = t, .col = attn });
	linear(p, add_site(p, "attn.out", 1, 0, attn), R_O);
	linear(p, add_site(p, "mlp.down", 1, attn, m->d_ff), R_DOWN);
	step(p, (struct step){ .op = DO_ADD, .stage = 2, .lin = R_O, .norm = R_N });
	step(p, (struct step){ .op = DO_ADD, .stage = 2, .lin = R_DOWN, .norm = R_N, .col = attn });
	p->nstage = 3;
}

void model_program(const struct model *m, int layer, struct program *p)
{
	int attn = m->n_head * model_dv(m);

	memset(p, 0, sizeof(*p));
	if (m->cross[layer])                    /* of text alone there is nothing to attend to */
		return;
	if (m->place == PLACE_PARALLEL || m->place == PLACE_PARALLEL_2)
		side_by_side(p, m, attn);
	else
		in_turn(p, m, layer, attn);
	for (int i = 0; i < p->nsite; i++) {
		const struct site *s = &p->site[i];

		if (!s->of_x && s->col + s->width > p->a_width[s->stage])
			p->a_width[s->stage] = s->col + s->width;
	}
	for (int s = 0; s < p->nstage; s++)
		if (p->a_width[s] > p->width)
			p->width = p->a_width[s];
}

int model_width(const struct model *m)
{
	struct program p;
	int w = 0;

	for (int i = 0; i < m->n_layer; i++) {
		model_program(m, i, &p);
		if (p.width > w)
			w = p.width;
		if (p.moe && m->d_model > w)
			w = m->d_model;
	}
	return w;
}

void expert_sites(const struct model *m, int expert, struct site *in, struct site *out)
{
	bool shared = expert == SHARED;

	*in = (struct site){ .name = shared ? "shared.in" : "expert.in", .norm = R_N, .latent = R_N, .width = m->d_model,
	                     .expert = shared ? 0 : expert, .nlin = 2,
	                     .lin = { shared ? R_SHARED_GATE : R_EXPERT_GATE, shared ? R_SHARED_UP : R_EXPERT_UP } };
	*out = (struct site){ .name = shared ? "shared.down" : "expert.down", .norm = R_N, .latent = R_N,
	                      .width = expert_width(m, expert),
	                      .expert = in->expert, .nlin = 1, .lin = { shared ? R_SHARED_DOWN : R_EXPERT_DOWN } };
}
