/* compressed-tensors, pack-quantized: what vLLM, SGLang and transformers load as integer weights.
 *
 *   X.weight_packed      I32 [out, ceil(in b / 32)]   codes along the inputs
 *   X.weight_scale       model's float [out, G]       channel: [out, 1]
 *   X.weight_zero_point  I32 [ceil(out b / 32), G]    zeros along the outputs; asymmetric only
 *   X.weight_shape       I64 [2]                      out, in
 *
 * Group order of act-order with static groups is that of the columns, so nothing is stored for it. */
#include "pack/ctconf.h"
#include "pack/bits.h"

#include "base/err.h"
#include "model/listed.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the engines' fast kernels take (Marlin): a warning where it does not fit, not a refusal, since others
 * exist and widths are the model's. */
enum { FAST_IN = 128, FAST_OUT = 64 };

struct vllm {
	struct ctconf conf;
	int slow;                       /* linears whose shape fast kernels do not take */
};

static int refuse(const char *name, const char *fmt, ...) PRINTF(2, 3);
static int refuse(const char *name, const char *fmt, ...)
{
	char why[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(ST_UNSUP, "cannot pack '%s' for vllm: %s", name, why);
}

static const int fast_groups[] = { 32, 64, 128 };       /* what engines have kernels for */

/* The groups that would do for rows of `in` inputs, in words. */
static const char *groups_for(int64_t in, char *buf, size_t n)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t k = 0; k < sizeof(fast_groups) / sizeof(*fast_groups); k++)
		if (in % fast_groups[k] == 0)
			at += (size_t)snprintf(buf + at, n - at, "%sg%d", at ? ", " : "", fast_groups[k]);
	snprintf(buf + at, n - at, "%schannel", at ? " or " : "");
	return buf;
}

static bool fast_group(int group)
{
	for (size_t k = 0; k < sizeof(fast_groups) / sizeof(*fast_groups); k++)
		if (group == fast_groups[k])
			return true;
	return false;
}

/* What tensor i is for; R_OTHER, P_WEIGHT of a model that only lists its tensors. */
static enum role role_of(const struct pack *p, const struct block *b, int i, enum part *part)
{
	enum role role = R_OTHER;

	*part = P_WEIGHT;
	if (!p->m->listed)
		role_parse(b->t[i].name, &role, part, NULL);
	return role;
}

static int accept_one(const struct pack *p, const struct block *b, int i, const char *name)
{
	const struct qrec *q = &b->q[i];
	int64_t in = tensor_cols(&b->t[i]);
	char words[64];
	enum part part;
	enum role role = role_of(p, b, i, &part);

	if (p->m->listed && !listed_linear(b->t[i].name, b->t[i].nd, b->kind))
		return refuse(name, "only matrices of layers may be quantized");
	if (part != P_WEIGHT || b->t[i].nd != 2 || role == R_EMBED)
		return refuse(name, "role: only the weights of linears may be quantized");
	if (role == R_HEAD && !p->o->force)
		return refuse(name, "role: engines keep the head in float; --force writes it all the same");
	if (q->spec.fmt != Q_INT)
		return refuse(name, "format: pack-quantized holds integers");
	if (q->perm)
		return refuse(name, "perm: groups of permuted columns (dynamic act-order) are no longer loaded; use static groups");
	if (q->spec.bits != 4 && q->spec.bits != 8 && !p->o->force)
		return refuse(name, "bits: %d-bit weights have no kernel in most engines, 4 and 8 have; --force writes the "
		              "dense stream that compressed-tensors 0.17 and later read", q->spec.bits);
	if (q->spec.gran == G_GROUP && in % q->group)
		return refuse(name, "group: %lld inputs are no multiple of %d; quantize with %s", (long long)in, q->group,
		              groups_for(in, words, sizeof(words)));
	if (q->spec.gran == G_GROUP && !fast_group(q->group) && !p->o->force)
		return refuse(name, "group: engines have no kernels for groups of %d; quantize with %s, or --force writes it "
		              "all the same", q->group, groups_for(in, words, sizeof(words)));
	return 0;
}

static void put(struct pack *p, const char *module, const char *what, enum dtype dt, int64_t rows, int64_t cols,
                const void *data)
{
	char *name = xasprintf("%s.%s", module, what);
	int64_t dim[2] = { rows, cols };

	pack_put(p, name, dt, 2, dim, data);
	free(name);
}

static int put_scale(struct pack *p, const struct qrec *q, int64_t out, const char *module)
{
	enum dtype dt = p->o->dtype == DT_NONE ? p->m->dtype : p->o->dtype;
	size_t n = (size_t)(out * q->ngroup);
	char *s = xmalloc(n * dtype_size(dt));
	float *back = xmalloc(n * sizeof(*back));
	int r = from_f32(s, dt, q->scale, n);

	if (r == 0)
		r = to_f32(back, s, dt, n);
	for (size_t i = 0; i < n && r == 0; i++)
		if (back[i] != q->scale[i])
			r = refuse(module, "scale: %.9g of output %lld is not a %s (it would become %.9g); quantize with scales "
			           "of the model's type", (double)q->scale[i], (long long)(i / (size_t)q->ngroup),
			           dtype_name(dt), (double)back[i]);
	if (r == 0)
		put(p, module, "weight_scale", dt, out, q->ngroup, s);
	free(s);
	free(back);
	return r;
}

static int put_quantized(struct pack *p, const struct block *b, int i, const char *module)
{
	const struct qrec *q = &b->q[i];
	int64_t out = tensor_rows(&b->t[i]), in = tensor_cols(&b->t[i]), two = 2, shape[2] = { out, in };
	size_t wi = bits_words((size_t)in, q->spec.bits), wo = bits_words((size_t)out, q->spec.bits);
	uint32_t *w = xcalloc((size_t)out * wi, sizeof(*w));
	char *name;

	for (int64_t o = 0; o < out; o++)
		bits_pack(w + (size_t)o * wi, 1, q->code + o * in, 1, (size_t)in, q->spec.bits);
	put(p, module, "weight_packed", DT_I32, out, (int64_t)wi, w);
	free(w);
	if (put_scale(p, q, out, module) < 0)
		return -1;
	if (q->zero) {
		w = xcalloc(wo * (size_t)q->ngroup, sizeof(*w));
		for (int g = 0; g < q->ngroup; g++)
			bits_pack(w + g, (size_t)q->ngroup, q->zero + g, (size_t)q->ngroup, (size_t)out, q->spec.bits);
		put(p, module, "weight_zero_point", DT_I32, (int64_t)wo, q->ngroup, w);
		free(w);
	}
	name = xasprintf("%s.weight_shape", module);
	pack_put(p, name, DT_I64, 1, &two, shape);
	free(name);
	return 0;
}

static const char *spec_text(const struct qrec *q, char *buf, size_t n)
{
	return q->spec.fmt == Q_NONE ? "float" : spec_print(&q->spec, buf, n);
}

/* Engines fuse these into one matrix: all members of a set are quantized alike, or none. */
static int check_fused(const struct pack *p, const struct block *b)
{
	static const enum role sets[][4] = { { R_Q, R_K, R_V, R_N }, { R_GATE, R_UP, R_N } };
	char a[256], c[256], sa[64], sc[64];

	for (size_t s = 0; s < sizeof(sets) / sizeof(*sets); s++) {
		int first = block_find(b, sets[s][0], P_WEIGHT);

		for (int k = 1; first >= 0 && sets[s][k] != R_N; k++) {
			int i = block_find(b, sets[s][k], P_WEIGHT);

			if (i < 0 || ctconf_same(&b->q[first], &b->q[i]))
				continue;
			if (pack_name(p, b, first, true, a, sizeof(a)) < 0 ||
			    pack_name(p, b, i, true, c, sizeof(c)) < 0)
				return -1;
			return err_set(ST_UNSUP, "cannot pack for vllm: '%s' is %s and '%s' is %s, and the engine fuses them", a,
			               spec_text(&b->q[first], sa, sizeof(sa)), c, spec_text(&b->q[i], sc, sizeof(sc)));
		}
	}
	return 0;
}

/* What engines hold as linears, and take for quantized unless they are told: routers and projections of the ends too. */
static bool engine_linear(const struct pack *p, const struct block *b, int i, enum role r)
{
	if (p->m->listed)
		return b->kind != BLK_KIND_EMBED && listed_linear(b->t[i].name, b->t[i].nd, BLK_KIND_DENSE);
	return role_linear(r) || r == R_CROSS_Q || r == R_CROSS_K || r == R_CROSS_V || r == R_CROSS_O || r == R_HEAD || r == R_ROUTER || r == R_SHARED_ROUTER || r == R_PROJ_IN || r == R_PROJ_OUT;
}

/* The module as the configuration is to name it.  Engines and libraries of several years put their own before names of a
 * language model that has others around it, so there it is told by what comes after. */
static char *said(const struct pack *p, const char *module)
{
	size_t prefix = family_prefix(p->f), n = strlen(module), skip = 0;
	const char *trunk = p->as ? p->as->trunk : p->f->names[R_EMBED];
	size_t t = p->as ? strlen(trunk) : prefix;

	if (!p->ncarried)
		return xstrdup(module);
	if (t && !strncmp(module, trunk, t))
		skip = t;
	else if (p->as && !strncmp(module, p->as->rest, strlen(p->as->rest)))
		skip = strlen(p->as->rest);
	return ctconf_pattern(module + skip, n - skip, "");
}

static int accept(const struct pack *p, const struct block *b)
{
	char name[TENSOR_NAME];

	if (check_fused(p, b) < 0)
		return -1;
	for (int i = 0; i < b->nt; i++)
		if (pack_name(p, b, i, true, name, sizeof(name)) < 0 ||
		    (b->q[i].spec.fmt != Q_NONE && accept_one(p, b, i, name) < 0))
			return -1;
	return 0;
}

static int block(struct pack *p, const struct block *b)
{
	struct vllm *v = p->priv;
	char name[TENSOR_NAME];
	enum role role;
	enum part part;

	for (int i = 0; i < b->nt; i++) {
		bool quant = b->q[i].spec.fmt != Q_NONE;

		if (pack_name(p, b, i, true, name, sizeof(name)) < 0)
			return -1;
		role = role_of(p, b, i, &part);
		if (part == P_WEIGHT && engine_linear(p, b, i, role)) {
			char *module = xasprintf("%.*s", (int)(strlen(name) - strlen(".weight")), name);
			char *as = said(p, module);
			int r = 0;

			ctconf_add(&v->conf, as, &b->q[i], role == R_HEAD || !strcmp(module, "lm_head"));
			free(as);
			if (quant) {
				v->slow += tensor_cols(&b->t[i]) % FAST_IN || tensor_rows(&b->t[i]) % FAST_OUT;
				r = put_quantized(p, b, i, module);
			}
			free(module);
			if (r < 0)
				return -1;
			if (quant)
				continue;
		}
		/* one matrix under two names: the engine ties them by itself */
		if (role == R_HEAD && p->tied && p->head == HEAD_SAME)
			continue;
		if (pack_float(p, b, i, name, p->o->dtype) < 0)
			return -1;
	}
	return 0;
}

/* Of a tower or a projector: what may be a linear stays float. */
static int carried(struct pack *p, const struct tensor *t)
{
	static const struct qrec none = { .spec.fmt = Q_NONE };
	struct vllm *v = p->priv;
	size_t n = strlen(t->name), end = strlen(".weight"), before = strncmp(t->name, "model.", 6) ? 0 : 6;
	const char *further = family_layer(p->f, t->name) < 0 ? NULL : strstr(t->name, "layers.");

	if (further) {                          /* of a layer behind the model's: by that, not by all layers */
		ctconf_ignore(&v->conf, further, 7 + strspn(further + 7, "0123456789"));
		return 0;
	}
	if (t->nd == 2 && n > end && !strcmp(t->name + n - end, ".weight")) {
		char *module = xasprintf("%.*s", (int)(n - end), t->name);

		ctconf_add(&v->conf, module, &none, false);
		free(module);
	}
	ctconf_ignore(&v->conf, t->name + before, strcspn(t->name + before, "."));
	return 0;
}

static int begin(struct pack *p)
{
	p->f = family_first(p->f);              /* engines read experts one by one */
	p->priv = xcalloc(1, sizeof(struct vllm));
	return 0;
}

static int end(struct pack *p)
{
	struct vllm *v = p->priv;
	char *text;

	if (p->tied && p->head == HEAD_OWN)
		pack_config_both(p, "tie_word_embeddings", "false");
	/* engines allocate scales and activations in this type */
	pack_dtype(p, p->o->dtype == DT_NONE ? p->m->dtype : p->o->dtype);
	pack_config(p, "compression_config", NULL);
	pack_config(p, "quantization_config", NULL);
	if (v->conf.n) {
		text = ctconf_json(&v->conf);
		pack_config(p, "quantization_config", text);
		free(text);
	} else
		say(0, "nothing in '%s' is quantized: written as a plain directory", bundle_name(p->in));
	text = ctconf_card(&v->conf, p);
	pack_file(p, "README.md", text, strlen(text));
	free(text);
	if (v->slow)
		warn("%d of %d quantized linears have shapes that the fast GPU kernels do not take (inputs of 128, outputs of 64)",
		     v->slow, v->conf.n_quantized);
	return 0;
}

static void free_priv(struct pack *p)
{
	struct vllm *v = p->priv;

	if (v)
		ctconf_free(&v->conf);
	free(v);
}

const struct packer packer_vllm = {
	.name = "vllm", .about = "compressed-tensors, pack-quantized: vLLM, SGLang, transformers",
	.begin = begin, .accept = accept, .block = block, .carried = carried, .end = end, .free = free_priv
};
