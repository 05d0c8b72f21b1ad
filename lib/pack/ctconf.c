#include "pack/ctconf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A scale for the whole tensor travels as one for every row: the format's kernels know channels and groups. */
static int ct_group(const struct qrec *q)
{
	return q->spec.gran == G_GROUP ? q->group : 0;
}

bool ctconf_same(const struct qrec *a, const struct qrec *b)
{
	if (a->spec.fmt == Q_NONE || b->spec.fmt == Q_NONE)
		return a->spec.fmt == b->spec.fmt;
	return a->spec.fmt == b->spec.fmt && a->spec.bits == b->spec.bits && a->spec.sym == b->spec.sym &&
	       ct_group(a) == ct_group(b);
}

void ctconf_add(struct ctconf *c, const char *module, const struct qrec *q, bool head)
{
	struct ctgroup *g;
	int i = 0;

	c->head = c->head || strstr(module, "lm_head") || (head && q->spec.fmt != Q_NONE);
	if (q->spec.fmt == Q_NONE) {
		c->ignore = xgrow(c->ignore, (size_t)c->n_ignore + 1, &c->cap_ignore, sizeof(*c->ignore));
		c->ignore[c->n_ignore++] = xstrdup(module);
		return;
	}
	while (i < c->n && !(c->g[i].bits == q->spec.bits && c->g[i].sym == q->spec.sym &&
	                     c->g[i].group == ct_group(q)))
		i++;
	if (i == c->n) {
		c->g = xgrow(c->g, (size_t)c->n + 1, &c->cap_g, sizeof(*c->g));
		g = &c->g[c->n++];
		memset(g, 0, sizeof(*g));
		g->bits = q->spec.bits;
		g->sym = q->spec.sym;
		g->group = ct_group(q);
		spec_print(&q->spec, g->spec, sizeof(g->spec));
	}
	g = &c->g[i];
	g->module = xgrow(g->module, (size_t)g->n + 1, &g->cap, sizeof(*g->module));
	g->module[g->n++] = xstrdup(module);
	c->n_quantized++;
	c->named = c->named || c->n > 1 || head;
}

char *ctconf_pattern(const char *module, size_t len, const char *tail)
{
	char *name = xmalloc(2 * len + 1), *to = name, *s;

	for (size_t i = 0; i < len; i++) {
		if (module[i] == '.')
			*to++ = '\\';
		*to++ = module[i];
	}
	*to = '\0';
	s = xasprintf("re:(.*\\.)?%s%s$", name, tail);
	free(name);
	return s;
}

void ctconf_ignore(struct ctconf *c, const char *module, size_t len)
{
	char *pattern = ctconf_pattern(module, len, "(\\..*)?");
	const cJSON *v;

	if (!c->more)
		c->more = json_arr();
	cJSON_ArrayForEach(v, c->more)
		if (!strcmp(v->valuestring, pattern))
			break;
	if (!v)
		json_push(c->more, cJSON_CreateString(pattern));
	free(pattern);
}

static cJSON *weights(const struct ctgroup *g)
{
	cJSON *w = json_obj();

	json_put_num(w, "num_bits", g->bits);
	json_put_str(w, "type", "int");
	json_put_bool(w, "symmetric", g->sym);
	json_put_str(w, "strategy", g->group ? "group" : "channel");
	json_put(w, "group_size", g->group ? cJSON_CreateNumber(g->group) : cJSON_CreateNull());
	json_put(w, "block_structure", cJSON_CreateNull());
	json_put_bool(w, "dynamic", false);
	json_put(w, "actorder", cJSON_CreateNull());
	json_put_str(w, "observer", "minmax");
	json_put(w, "observer_kwargs", json_obj());
	return w;
}

/* Keys in the order that the library writes; no key that it does not know: it refuses those. */
char *ctconf_json(const struct ctconf *c)
{
	cJSON *q = json_obj(), *groups = json_obj(), *ignore = json_arr();
	const cJSON *v;
	char *text;

	json_put_str(q, "quant_method", "compressed-tensors");
	json_put_str(q, "version", "0.17.0");
	json_put_str(q, "format", "pack-quantized");
	json_put_str(q, "quantization_status", "compressed");
	json_put(q, "global_compression_ratio", cJSON_CreateNull());
	for (int i = 0; i < c->n; i++) {
		cJSON *g = json_obj(), *targets = json_arr();
		char name[32];

		for (int k = 0; c->named && k < c->g[i].n; k++)
			json_push(targets, cJSON_CreateString(c->g[i].module[k]));
		if (!c->named)
			json_push(targets, cJSON_CreateString("Linear"));
		json_put(g, "targets", targets);
		json_put(g, "weights", weights(&c->g[i]));
		json_put(g, "input_activations", cJSON_CreateNull());
		json_put(g, "output_activations", cJSON_CreateNull());
		json_put_str(g, "format", "pack-quantized");
		snprintf(name, sizeof(name), "group_%d", i);
		json_put(groups, name, g);
	}
	json_put(q, "config_groups", groups);
	for (int i = 0; i < c->n_ignore; i++)
		json_push(ignore, cJSON_CreateString(c->ignore[i]));
	cJSON_ArrayForEach(v, c->more)
		json_push(ignore, cJSON_CreateString(v->valuestring));
	/* a tied head is a linear to the engines all the same, and so is one that they call otherwise than the checkpoint */
	if (!c->head)
		json_push(ignore, cJSON_CreateString("lm_head"));
	json_put(q, "ignore", ignore);
	json_put(q, "kv_cache_scheme", cJSON_CreateNull());
	json_put(q, "sparsity_config", json_obj());
	json_put(q, "transform_config", json_obj());
	text = json_text(q, true);
	cJSON_Delete(q);
	return text;
}

static void line(char **text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(char **text, const char *fmt, ...)
{
	char *old = *text, *add;
	va_list ap;

	va_start(ap, fmt);
	add = xvasprintf(fmt, ap);
	va_end(ap);
	*text = xasprintf("%s%s", old ? old : "", add);
	free(old);
	free(add);
}

char *ctconf_card(const struct ctconf *c, const struct pack *p)
{
	const cJSON *pg = cJSON_GetObjectItemCaseSensitive(bundle_manifest(p->in), "pg"), *r, *a;
	char *t = NULL;

	line(&t, "# Packed by llmc-pack " VERSION "\n\nFamily %s, %d layers, width %d, vocabulary %d.\n\n",
	     p->m->family, p->m->n_layer, p->m->d_model, p->m->vocab);
	if (c->n)
		line(&t, "Weights in compressed-tensors form, pack-quantized; the rest in %s.\n\n| weights | linears |\n|---|---|\n",
		     dtype_name(p->o->dtype == DT_NONE ? p->m->dtype : p->o->dtype));
	for (int i = 0; i < c->n; i++)
		line(&t, "| %s | %d |\n", c->g[i].spec, c->g[i].n);
	if (c->n && c->n_ignore)
		line(&t, "| float | %d |\n", c->n_ignore);
	line(&t, "%sHow it was made, oldest first:\n\n", c->n ? "\n" : "");
	cJSON_ArrayForEach(r, pg) {
		const char *id = "?", *version = "?";

		if (json_str(r, "id", &id) < 0 || json_str(r, "version", &version) < 0)
			continue;
		line(&t, "- `%s` (%s):", id, version);
		cJSON_ArrayForEach(a, cJSON_GetObjectItemCaseSensitive(r, "argv"))
			if (cJSON_IsString(a))
				line(&t, " `%s`", a->valuestring);
		line(&t, "\n");
	}
	if (!cJSON_GetArraySize(pg))
		line(&t, "- not recorded\n");
	return t;
}

void ctconf_free(struct ctconf *c)
{
	for (int i = 0; i < c->n; i++) {
		for (int k = 0; k < c->g[i].n; k++)
			free(c->g[i].module[k]);
		free(c->g[i].module);
	}
	for (int i = 0; i < c->n_ignore; i++)
		free(c->ignore[i]);
	free(c->g);
	free(c->ignore);
	cJSON_Delete(c->more);
}
