/* The list of families, and what all of them share: names with a %L or %H in them. */
#include "model/family.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One word a family, in the order in which they are asked: a row with a condition before one without. */
#define FAMILIES(X) \
	X(bloom) X(deepseek_v2) X(deepseek_v3) X(falcon_2) X(falcon) X(gemma) X(gemma2) X(gpt_bigcode) \
	X(gpt_neox) X(granite) X(internlm2) X(internvl) X(llama) X(llava) X(llava_onevision) X(minicpm) X(mistral) \
	X(mixtral) X(mllama) X(mllama_text) X(olmo2) X(opt) X(phi) X(phi3) X(qwen2) X(qwen2_moe) X(qwen2_vl) X(qwen3) \
	X(qwen3_moe) X(stablelm) X(starcoder2)

#define DECLARE(name) extern const struct family family_##name;
#define ADDRESS(name) &family_##name,
FAMILIES(DECLARE)

static const struct family *const families[] = { FAMILIES(ADDRESS) NULL };

const struct family *const *family_list(void)
{
	return families;
}

const struct family *family_find(const char *name)
{
	for (int i = 0; families[i]; i++)
		for (const struct family *f = families[i]; f; f = f->other)
			if (!f->wrap && !strcmp(f->name, name))
				return f;
	return NULL;
}

const struct family *family_first(const struct family *f)
{
	for (int i = 0; families[i]; i++)
		for (const struct family *o = families[i]; o; o = o->other)
			if (o == f)
				return families[i];
	return f;
}

bool family_answers(const struct family *f, const char *architecture)
{
	for (int k = 0; k < CFG_MATCH && f->match[k]; k++)
		if (!strcmp(f->match[k], architecture))
			return true;
	return false;
}

size_t family_prefix(const struct family *f)
{
	const char *dot = f->names[R_EMBED] ? strchr(f->names[R_EMBED], '.') : NULL;

	return dot ? (size_t)(dot - f->names[R_EMBED]) + 1 : 0;
}

const struct fuse *family_fuse(const struct family *f, enum role role)
{
	for (int i = 0; i < MAX_FUSE && f->fuse[i].name; i++)
		for (int k = 0; k < f->fuse[i].n; k++)
			if (f->fuse[i].role[k] == role)
				return &f->fuse[i];
	return NULL;
}

bool family_heads(const struct family *f, enum role role)
{
	return f->names[role] && (strstr(f->names[role], "%H") || strstr(f->names[role], "%E"));
}

const char *family_tensor(const struct family *f, const struct tensor_id *id, const struct naming *as, char *buf, size_t n)
{
	const struct fuse *fuse = family_fuse(f, id->role);
	bool bias = id->role == R_ROUTER && id->part == P_BIAS && f->router_bias, whole = bias || (fuse && fuse->kind == FUSE_EXPERT);
	const char *p = bias ? f->router_bias : fuse ? fuse->name : f->names[id->role];
	size_t skip = family_prefix(f), at = 0;
	char label[64];

	if (!p)                                                 /* a row that lacks it: say which */
		p = role_label(id->role, id->head, label);
	if (as) {
		bool trunk = skip && !strncmp(p, f->names[R_EMBED], skip);

		snprintf(buf, n, "%s", trunk ? as->trunk : as->rest);
		at = strlen(buf);
		p += trunk ? skip : 0;
	}
	for (; *p && *p != '$' && at < n; p++)
		if (*p == '%')
			at += (size_t)snprintf(buf + at, n - at, "%d", *++p == 'L' ? id->layer : id->head);
		else
			buf[at++] = *p;
	at = at < n ? at : n - 1;
	buf[at] = '\0';
	if (!whole && *p != '$')
		snprintf(buf + at, n - at, ".%s", part_name(id->part));
	return buf;
}

const char *family_own(const struct family *f, const struct naming *as, const char *name, char *buf, size_t n)
{
	size_t skip = family_prefix(f), t = strlen(as->trunk), r = strlen(as->rest);
	bool trunk = !strncmp(name, as->trunk, t);

	if ((!trunk && strncmp(name, as->rest, r)) || strlen(name) + skip >= n)
		return NULL;
	snprintf(buf, n, "%.*s%s", trunk ? (int)skip : 0, skip ? f->names[R_EMBED] : "", name + (trunk ? t : r));
	/* what lacks the prefix where that is another is no name of the family */
	return trunk || !skip || strncmp(buf, f->names[R_EMBED], skip) ? buf : NULL;
}

/* A whole number as names have it, at most `max`; where it ends, or NULL. */
static const char *number(const char *s, int max, int *out)
{
	long v = 0;

	if (*s < '0' || *s > '9' || (*s == '0' && s[1] >= '0' && s[1] <= '9'))
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++)
		if ((v = 10 * v + *s - '0') > max)
			return NULL;
	*out = (int)v;
	return s;
}

/* Does `name` begin with the pattern?  Where it goes on, or NULL. */
static const char *begins(const char *pattern, const char *name, struct tensor_id *id)
{
	for (; *pattern && *pattern != '$'; pattern++) {
		if (*pattern != '%') {
			if (*name++ != *pattern)
				return NULL;
		} else if (*++pattern != 'L')
			name = number(name, (1 << 16) - 1, &id->head);
		else
			name = number(name, MAX_LAYER - 1, &id->layer);
		if (!name)
			return NULL;
	}
	return name;
}

/* Does `name` read as pattern, a dot and a part? */
static bool name_match(const char *pattern, const char *name, struct tensor_id *id)
{
	name = begins(pattern, name, id);
	if (name && pattern[strlen(pattern) - 1] == '$')
		return !*name;                  /* of a weight */
	if (!name || *name++ != '.')
		return false;
	for (int p = 0; p < P_N; p++)
		if (!strcmp(name, part_name((enum part)p))) {
			id->part = (enum part)p;
			return true;
		}
	return false;
}

/* Buffers that checkpoints carry and that are recomputed from the configuration. */
static bool ignored(const char *name)
{
	static const char *const tails[] = { ".rotary_emb.inv_freq", ".rotary_pos_emb.inv_freq", ".attn.bias",
	                                     ".attn.masked_bias", ".attention.bias",
	                                     ".attention.masked_bias", ".position_ids",
	                                     "decoder.version",
	                                     /* GGUF's, for which the configuration is read */
	                                     "rope_freqs.weight", "rope_factors_short.weight",
	                                     "rope_factors_long.weight", ".attn_rot_embd.weight" };
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++)
		if (n >= strlen(tails[i]) && !strcmp(name + n - strlen(tails[i]), tails[i]))
			return true;
	return false;
}

int family_role(const struct family *f, const char *name, struct tensor_id *id)
{
	const char *end;

	memset(id, 0, sizeof(*id));
	for (int r = 0; r < R_N; r++)
		if (f->names[r] && name_match(f->names[r], name, id)) {
			id->role = (enum role)r;
			return 1;
		}
	if (f->router_bias && (end = begins(f->router_bias, name, id)) && !*end) {
		id->role = R_ROUTER;
		id->part = P_BIAS;
		return 1;
	}
	for (int i = 0; i < MAX_FUSE && f->fuse[i].name; i++)
		if (f->fuse[i].kind == FUSE_EXPERT ? (end = begins(f->fuse[i].name, name, id)) && !*end :
		                                     name_match(f->fuse[i].name, name, id)) {
			id->fuse = &f->fuse[i];
			id->role = id->fuse->role[0];
			return 1;
		}
	return ignored(name) ? 0 : -1;
}

int wrap_step(const struct wrap *w, const char *before, const char *name, int *layer)
{
	size_t n = strlen(before);
	struct tensor_id id = { .layer = -1 };

	if (strncmp(name, before, n))
		return -1;
	for (int i = 0; i < MAX_CARRY && w->carry[i]; i++, id.layer = -1)
		if (begins(w->carry[i], name + n, &id)) {
			*layer = id.layer;
			return i;
		}
	return -1;
}

int family_layer(const struct family *f, const char *name)
{
	struct tensor_id id = { 0 };
	const char *p = f->names[R_O], *end = p ? strstr(p, "%L.") : NULL;
	char *layers;
	bool in;

	if (!end)
		return -1;
	layers = xasprintf("%.*s.", (int)(end - p) + 2, p);
	in = begins(layers, name, &id);
	free(layers);
	return in ? id.layer : -1;
}

/* Roles of one tensor have rows of the same width; in turns, as many for each key/value head. */
static int fuse_fits(const struct fuse *f, const struct model *m, int layer, enum part part)
{
	int64_t dim[MAXDIM], cols = -1;
	char label[64];
	int nd;

	for (int k = 0; k < f->n; k++) {
		if (!role_shape(m, layer, f->role[k], part, &nd, dim))
			continue;
		if (nd == 1)
			dim[1] = 0;
		if (cols < 0)
			cols = dim[1];
		if (dim[1] != cols)
			return err_set(ST_BAD, "'%s' cannot hold '%s' beside the others: its rows are of another width", f->name,
			               role_label(f->role[k], 0, label));
		if (f->kind == FUSE_GROUP && dim[0] % m->n_kv)
			return err_set(ST_BAD, "'%s' cannot hold '%s' in turns: %lld rows of %d heads", f->name,
			               role_label(f->role[k], 0, label), (long long)dim[0], m->n_kv);
	}
	return 0;
}

int family_fits(const struct family *f, const struct model *m)
{
	for (int i = 0; i < MAX_FUSE && f->fuse[i].name; i++)
		for (int l = 0; l < m->n_layer; l++)
			for (int p = 0; p < P_N; p++)
				if (fuse_fits(&f->fuse[i], m, l, (enum part)p) < 0)
					return -1;
	return 0;
}
