/* tokenizer_config.json and special_tokens_map.json: which tokens begin and end a text, and who says so. */
#include "data/tokint.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* "<s>" or {"content": "<s>"}.  A null in the configuration says that there is none; only its silence
 * leaves the word to the map. */
static const struct jnode *spelling(const struct tokconf *c, const char *key)
{
	const struct jnode *v = jt_raw(c->tree.v, key);

	if (!v)
		v = jt_raw(c->map.v, key);
	if (v && v->type == JT_OBJ)
		v = jt_get(v, "content");
	return v && v->type == JT_STR && v->len ? v : NULL;
}

static int flag(const struct jnode *obj, const char *key, int *out)
{
	bool b = false;
	int rc = jt_bool(obj, key, &b);

	if (rc > 0)
		*out = b;
	return rc;
}

int tokconf_load(struct tokconf *c, const struct tok_files *f)
{
	const struct jnode *s, *v;

	memset(c, 0, sizeof(*c));
	c->class = "";
	c->add_bos = c->add_eos = -1;
	if (f->config && jtree_parse(&c->tree, f->config, f->config_len, "tokenizer_config.json") < 0)
		return -1;
	if (f->special && jtree_parse(&c->map, f->special, f->special_len, "special_tokens_map.json") < 0)
		return -1;
	v = c->tree.v;
	if (jt_str(v, "tokenizer_class", &s) > 0)
		c->class = s->str;
	if (flag(v, "add_bos_token", &c->add_bos) < 0 || flag(v, "add_eos_token", &c->add_eos) < 0 ||
	    jt_obj(v, "added_tokens_decoder", &c->added) < 0)
		return err_at("tokenizer_config.json");
	c->bos = spelling(c, "bos_token");
	c->eos = spelling(c, "eos_token");
	return 0;
}

void tokconf_free(struct tokconf *c)
{
	jtree_free(&c->tree);
	jtree_free(&c->map);
}

struct entry {
	int64_t id;
	const struct jnode *v;
};

static int by_id(const void *a, const void *b)
{
	int64_t x = ((const struct entry *)a)->id, y = ((const struct entry *)b)->id;

	return (x > y) - (x < y);
}

int tokconf_add(struct tokconf *c, struct tok *t)
{
	struct entry *e;
	const struct jnode *k, *s;
	size_t n = 0;
	int rc = 0;

	if (!c->added)
		return 0;
	e = xmalloc(c->added->len * sizeof(*e));
	JT_PAIRS(k, c->added)
		e[n++] = (struct entry){ strtoll(k->str, NULL, 10), k + 1 };
	qsort(e, n, sizeof(*e), by_id);
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct added_tok a = { 0 };
		int32_t id;

		if (jt_str(e[i].v, "content", &s) <= 0) {
			rc = err_set(ST_BAD, "added token %lld without content", (long long)e[i].id);
			break;
		}
		a.s = s->str;
		a.len = s->len;
		if (!a.len)
			continue;
		if (added_flags(&a, e[i].v) < 0 || (id = added_put(&t->added, &a, &t->vocab, t->vocab.n)) < 0)
			rc = -1;
		else if (id != e[i].id)
			warn("tokenizer_config.json gives '%.*s' the id %lld, it is %d", clip(a.len), a.s,
			     (long long)e[i].id, id);
	}
	free(e);
	tok_keep(t, &c->tree);
	return rc < 0 ? err_at("tokenizer_config.json") : 0;
}

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

int tokconf_edges(const struct tokconf *c, struct tok *t, bool always)
{
	bool ours = always || starts(c->class, "Llama") || starts(c->class, "CodeLlama") || starts(c->class, "Gemma");

	if (c->bos)
		t->bos = tok_find(t, c->bos->str, c->bos->len);
	if (c->eos)
		t->eos = tok_find(t, c->eos->str, c->eos->len);
	if (!ours) {
		say(1, "special tokens: as tokenizer.json's post-processor says");
		return 0;
	}
	say(1, "special tokens: as add_bos_token and add_eos_token say (%s)", *c->class ? c->class : "by default");
	t->front.n = t->back.n = 0;
	if (c->add_bos != 0 && t->bos >= 0)
		ids_put(&t->front, &t->bos, 1);
	if (c->add_eos == 1 && t->eos >= 0)
		ids_put(&t->back, &t->eos, 1);
	return 0;
}
