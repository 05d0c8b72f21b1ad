/* A model on its way over a token set, layer by layer; what the subcommands share. */
#include "eval/eval.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/progress.h"
#include "bundle/raw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int eval_tokens(struct tokens *t, const struct eval_opts *o)
{
	if (!o->tokens)
		return err_set(ST_USAGE, "--tokens is needed");
	return tokens_load(t, o->tokens) < 0 || tokens_limit(t, o->samples, o->seqlen) < 0 ? -1 : 0;
}

static bool from_stdin(const char *path)
{
	return !path || !strcmp(path, "-");
}

int eval_inputs(const char *bundle, const char *tokens, const char *ref)
{
	if (from_stdin(bundle) + (tokens && from_stdin(tokens)) + (ref && from_stdin(ref)) > 1)
		return err_set(ST_USAGE, "standard input can be one of the inputs, not several");
	return 0;
}

int pass_open(struct pass *p, const char *path, const char *device, int dtype, const struct tokens *t)
{
	struct dev *dev;

	memset(p, 0, sizeof(*p));
	if (!(p->in = bundle_open(path)))
		return -1;
	if (!(p->m = bundle_model(p->in)))
		return err_set(ST_BAD, "%s: holds %s, not a model", bundle_name(p->in), bundle_kind(p->in));
	if (model_runs(p->m) < 0)
		return err_at("%s", bundle_name(p->in));
	if (tokens_check(t, p->m->vocab) < 0)
		return err_at("token set");
	if (!(dev = dev_open(device, dtype, (int)common.threads)))
		return -1;
	dev_auto(dev, p->m->dtype);
	p->c = calib_new(dev, p->m, t->ids, t->N, (int)t->T);
	return 0;
}

/* Where it happened, before an error. */
static int at(struct pass *p, const struct block *b)
{
	char buf[32];

	return err_at("%s: %s", bundle_name(p->in), block_label(b, buf));
}

/* A piece of a layer is behind. */
static void count(struct pass *p, int index, int piece)
{
	p->within = piece + 1 < layer_pieces(p->m, index);
	p->blocks += !p->within;
}

static int layer(struct pass *p, struct block *b)
{
	int r = calib_block(p->c, b, NULL);

	if (r < 0)
		at(p, b);
	count(p, b->index, b->piece);
	block_free(b);
	return r < 0 ? -1 : 1;
}

/* What was read goes into the digest. */
static int account(struct pass *p)
{
	uint64_t sum;

	if (bundle_sum(p->in, &sum) < 0)
		return -1;
	p->sum = XXH3_64bits_withSeed(&sum, sizeof(sum), p->sum);
	return 0;
}

static int take(struct pass *p, const struct member *m)
{
	struct block b;

	switch (m->blk) {
	case BLK_KIND_EMBED:
		if (bundle_get_block(p->in, &p->embed) < 0)
			return -1;
		p->have_embed = true;
		return account(p) < 0 ? -1 : calib_embed(p->c, &p->embed) < 0 ? at(p, &p->embed) : 1;
	case BLK_KIND_HEAD:
		if (bundle_get_block(p->in, &p->head) < 0)
			return -1;
		p->have_head = true;
		return 1;
	default:
		return bundle_get_block(p->in, &b) < 0 || account(p) < 0 ? -1 : layer(p, &b);
	}
}

int pass_skip(struct pass *p, int blocks)
{
	struct member m;
	int r = 1;

	while (r > 0 && !(p->have_embed && p->blocks == blocks) && (r = bundle_next(p->in, &m)) > 0) {
		if (m.kind != M_BLOCK)
			continue;
		if (m.blk == BLK_KIND_EMBED) {
			if (bundle_get_block(p->in, &p->embed) < 0)
				return -1;
			p->have_embed = true;
		} else if (m.blk == BLK_KIND_HEAD)
			r = 0;
		else
			count(p, m.index, m.piece);
		if (account(p) < 0)
			return -1;
	}
	return r < 0 ? -1 : r ? 0 : err_set(ST_BAD, "%s: not a whole model: %d blocks", bundle_name(p->in), p->blocks);
}

int pass_step(struct pass *p)
{
	struct member m;
	int r;

	while ((r = bundle_next(p->in, &m)) > 0) {
		if (m.kind != M_BLOCK)
			continue;
		progress_at(m.blk == BLK_KIND_HEAD ? p->m->n_layer : m.index + 1);
		r = take(p, &m);
		if (r < 0 || !p->within)
			return r;
	}
	if (r < 0)
		return -1;
	if (!p->have_embed || !p->have_head || p->blocks != p->m->n_layer)
		return err_set(ST_BAD, "%s: not a whole model: %d of %d blocks", bundle_name(p->in), p->blocks,
		               p->m->n_layer);
	if (!(p->m->flags & MF_TIED)) {
		block_free(&p->embed);
		p->have_embed = false;
	}
	if (fwd_bind_head(calib_fwd(p->c), &p->head, p->have_embed ? &p->embed : NULL) < 0)
		return at(p, &p->head);
	return 0;
}

void pass_close(struct pass *p)
{
	if (p->c)
		dev_close(calib_dev(p->c));
	calib_free(p->c);
	if (p->have_embed)
		block_free(&p->embed);
	if (p->have_head)
		block_free(&p->head);
	if (p->in)
		bundle_close(p->in);
	memset(p, 0, sizeof(*p));
}

int64_t pass_chunk(const struct pass *p)
{
	int64_t n = ((int64_t)16 << 20) / p->m->vocab, all = calib_need(p->c, false).tokens;

	n = n < 16 ? 16 : n;
	return n < all ? n : all;
}

int pass_logits(struct pass *p, int64_t r0, int64_t n, float *logits)
{
	size_t C = (size_t)p->m->d_model;
	float *y = xmalloc((size_t)n * C * sizeof(*y));
	const float *x = calib_rows(p->c, r0, n);
	int r = x ? fwd_final(calib_fwd(p->c), n, x, y) : -1;

	if (r == 0)
		r = fwd_logits(calib_fwd(p->c), n, y, logits);
	if (r == 0 && first_nonfinite(logits, DT_F32, (size_t)n * (size_t)p->m->vocab) >= 0)
		r = err_set(ST_FAIL, "logits are not finite in rows %lld..%lld", (long long)r0, (long long)(r0 + n - 1));
	free(y);
	return r < 0 ? at(p, &p->head) : 0;
}

void pass_labels(const struct tokens *t, int64_t r0, int64_t n, int32_t *label)
{
	for (int64_t i = 0; i < n; i++)
		label[i] = scored(t, r0 + i) ? t->ids[r0 + i + 1] : 0;
}

char *eval_protocol(const struct tokens *t, const struct pass *p)
{
	const char *special = NULL;

	if (t->how && json_str(t->how, "add_special", &special) < 0)
		special = NULL;
	return xasprintf("%lld row%s of %lld tokens as stored%s%s, no overlap, positions 0..%lld predict the next token, "
	                 "%s products", (long long)t->N, t->N == 1 ? "" : "s", (long long)t->T, special ? ", special tokens " : "",
	                 special ? special : "", (long long)t->T - 2, calib_dev(p->c)->mm == DT_BF16 ? "bf16" : "f32");
}

void mean_error(const double *v, int64_t n, double *mean, double *error)
{
	double s = 0, q = 0;

	for (int64_t i = 0; i < n; i++)
		s += v[i];
	s /= (double)n;
	for (int64_t i = 0; i < n; i++)
		q += (v[i] - s) * (v[i] - s);
	*mean = s;
	*error = n > 1 ? sqrt(q / (double)n / (double)(n - 1)) : 0;
}
