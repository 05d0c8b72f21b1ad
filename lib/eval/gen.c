/* Greedy continuation of a prompt: a person's check that a model still speaks.  The exception to "one block
 * in memory": it goes through all layers once a token, so it keeps them. */
#include "eval/eval.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/progress.h"
#include "data/tok.h"
#include "op/meter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct state {
	const char *prompt;
	int64_t length;
	bool ids;
};

static const struct opt opts[] = {
	{ "prompt", 'p', O_STR, offsetof(struct state, prompt), "TEXT", NULL, NULL, 0, 0, 0, "the text to continue" },
	{ "length", 0, O_INT, offsetof(struct state, length), "N", "64", NULL, 1, 100000, 0, "tokens to add at most" },
	{ "ids", 0, O_FLAG, offsetof(struct state, ids), NULL, NULL, NULL, 0, 0, 0, "print token ids instead of text" },
	{ .type = O_END }
};
static const struct opt_tool tool = { "llmc-eval", "gen [options] --prompt TEXT [BUNDLE]", "greedy text",
                                      OPT_TALK | OPT_DEVICE, opts };

/* The whole model; layer i has an interpreter of its own, so that prepared weights stay. */
struct whole {
	struct bundle_in *in;
	const struct model *m;
	struct dev *dev;
	struct block *blk;              /* [n_layer] */
	struct block embed, head;
	struct fwd **f;                 /* [n_layer + 1]; the last runs embedding and head */
	struct tok *tok;
	struct arena mem;
};

static int load_tokenizer(struct whole *w, struct tok_files *tf, const struct member *m)
{
	const char dir[] = "tokenizer/";
	void *buf;
	size_t len;

	if (strncmp(m->name, dir, sizeof(dir) - 1))
		return 0;
	if (bundle_get_bytes(w->in, &w->mem, (uint64_t)1 << 30, &buf, &len) < 0)
		return -1;
	tok_files_set(tf, m->name + sizeof(dir) - 1, buf, len);
	return 0;
}

static int load(struct whole *w, const char *path)
{
	struct tok_files tf = { 0 };
	struct member m;
	bool embed = false, head = false;
	int layers = 0, r;
	struct block more;

	if (!(w->in = bundle_open(path)))
		return -1;
	if (!(w->m = bundle_model(w->in)))
		return err_set(ST_BAD, "%s: holds %s, not a model", bundle_name(w->in), bundle_kind(w->in));
	if (model_runs(w->m) < 0)
		return err_at("%s", bundle_name(w->in));
	w->blk = xcalloc((size_t)w->m->n_layer, sizeof(*w->blk));
	while ((r = bundle_next(w->in, &m)) > 0) {
		if (m.kind == M_OPAQUE && load_tokenizer(w, &tf, &m) < 0)
			return -1;
		if (m.kind != M_BLOCK)
			continue;
		if (bundle_get_block(w->in, m.blk == BLK_KIND_EMBED ? &w->embed : m.blk == BLK_KIND_HEAD ? &w->head :
		                            m.piece ? &more : &w->blk[layers]) < 0)
			return -1;
		if (m.piece) {
			block_append(&w->blk[layers - 1], &more);
			continue;
		}
		embed |= m.blk == BLK_KIND_EMBED;
		head |= m.blk == BLK_KIND_HEAD;
		layers += m.blk == BLK_KIND_DENSE;
	}
	if (r < 0)
		return -1;
	if (!embed || !head || layers != w->m->n_layer)
		return err_set(ST_BAD, "%s: not a whole model: %d of %d blocks", bundle_name(w->in), layers, w->m->n_layer);
	if (!(w->tok = tok_load(&tf)))
		return err_at("%s", bundle_name(w->in));
	return 0;
}

static int bind(struct whole *w, int T)
{
	int L = w->m->n_layer;

	w->f = xcalloc((size_t)L + 1, sizeof(*w->f));
	for (int i = 0; i <= L; i++)
		w->f[i] = fwd_new(w->dev, w->m, T);
	for (int i = 0; i < L; i++)
		if (fwd_bind(w->f[i], &w->blk[i]) < 0)
			return -1;
	return fwd_bind_head(w->f[L], &w->head, w->m->flags & MF_TIED ? &w->embed : NULL);
}

/* The most likely token after ids[T]. */
static int next(struct whole *w, const int32_t *ids, int T, float *x, float *logits, int32_t *out)
{
	int L = w->m->n_layer, C = w->m->d_model;
	int32_t label = 0;
	struct tensor lt = tensor_view(logits, DT_F32, 1, w->m->vocab);

	for (int i = 0; i <= L; i++)
		fwd_resize(w->f[i], T);
	if (fwd_embed(w->f[L], &w->embed, ids, T, x) < 0)
		return -1;
	for (int i = 0; i < L; i++)
		if (fwd_block(w->f[i], 1, x) < 0 || (w->m->moe[i] && fwd_mixture(w->f[i], T, x) < 0))
			return -1;
	if (fwd_final(w->f[L], 1, x + (int64_t)(T - 1) * C, x) < 0 || fwd_logits(w->f[L], 1, x, logits) < 0)
		return -1;
	if (first_nonfinite(logits, DT_F32, (size_t)w->m->vocab) >= 0)
		return err_set(ST_FAIL, "logits are not finite");
	return w->dev->ops->nll(w->dev, NULL, out, &lt, &label);
}

static int speak(struct whole *w, struct ids *v, int64_t length)
{
	int64_t known = w->m->pos_rows ? w->m->pos_rows - w->m->pos_first : INT64_MAX, end = (int64_t)v->n + length;
	size_t room = (size_t)(end < known || (int64_t)v->n >= known ? end : known);
	float *x = xmalloc(room * (size_t)w->m->d_model * sizeof(*x));
	float *logits = xmalloc((size_t)w->m->vocab * sizeof(*logits));
	int r = 0;

	v->v = xrealloc(v->v, room * sizeof(*v->v));
	progress_begin("token", length = (int64_t)(room - v->n));
	while (v->n < room && r == 0) {
		int32_t id;

		if ((r = next(w, v->v, (int)v->n, x, logits, &id)) < 0 || id == tok_eos(w->tok))
			break;
		v->v[v->n++] = id;
		progress_at(length - (int64_t)(room - v->n));
	}
	progress_end();
	if (r == 0 && v->n == room && (int64_t)room < end)
		say(0, "stopped after %zu tokens: the model knows no further positions", v->n);
	free(x);
	free(logits);
	return r;
}

static void unload(struct whole *w)
{
	for (int i = 0; i <= w->m->n_layer; i++)
		fwd_free(w->f[i]);
	for (int i = 0; i < w->m->n_layer; i++)
		block_free(&w->blk[i]);
	free(w->f);
	free(w->blk);
	block_free(&w->embed);
	block_free(&w->head);
	tok_free(w->tok);
	arena_free(&w->mem);
	bundle_close(w->in);
	dev_close(w->dev);
}

int eval_gen(int argc, char **argv)
{
	struct state s = { 0 };
	int at = opt_parse(&tool, &s, argc, argv);
	struct whole w = { 0 };
	struct ids v = { 0 };
	size_t len;
	char *text;

	if (argc - at > 1)
		die(ST_USAGE, "more than one bundle; see llmc-eval(1)");
	if (!s.prompt)
		die(ST_USAGE, "--prompt is needed");
	if (load(&w, argv[at]) < 0)
		die_err();
	if (!(w.dev = dev_open(common.device, common.dtype, (int)common.threads)))
		die_err();
	dev_auto(w.dev, w.m->dtype);
	if (tok_encode(w.tok, s.prompt, strlen(s.prompt), TOK_AUTO, &v) < 0)
		die_err();
	if (!v.n)
		die(ST_USAGE, "the prompt is empty");
	if (bind(&w, (int)v.n) < 0 || speak(&w, &v, s.length) < 0)
		die_err();
	if (s.ids)
		for (size_t i = 0; i < v.n; i++)
			printf("%d%s", v.v[i], i + 1 < v.n ? " " : "\n");
	else {
		text = tok_decode(w.tok, v.v, v.n, true, &len);
		fwrite(text, 1, len, stdout);
		putchar('\n');
		free(text);
	}
	free(v.v);
	meter_report(w.dev);
	unload(&w);
	stdout_close();
	return ST_OK;
}
