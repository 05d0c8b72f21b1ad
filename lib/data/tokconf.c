/* tokenizer_config.json and special_tokens_map.json: which tokens begin and end a text, and who says so. */
#include "data/tokint.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

const char *const tok_purpose[TOK_PURPOSES] = {
	"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
};

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

static bool is_spelling(const struct jnode *v)
{
	return v->type == JT_STR || (v->type == JT_OBJ && jt_get(v, "content") && jt_get(v, "content")->type == JT_STR);
}

static int check(const struct jnode *v, const char *file)
{
	const struct jnode *s, *list;

	if (!v)
		return 0;
	if (v->type != JT_OBJ)
		return err_set(ST_BAD, "%s: not an object", file);
	for (int i = 0; i < TOK_PURPOSES; i++) {
		s = jt_get(v, tok_purpose[i]);
		if (s && !is_spelling(s))
			return err_set(ST_BAD, "%s: '%s' is no token", file, tok_purpose[i]);
	}
	if (jt_arr(v, "additional_special_tokens", &list) < 0)
		return err_at("%s", file);
	list = jt_get(v, "additional_special_tokens");
	if (list)
		JT_EACH(s, list)
			if (!is_spelling(s))
				return err_set(ST_BAD, "%s: 'additional_special_tokens' holds what is no token", file);
	return 0;
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
	if (check(c->tree.v, "tokenizer_config.json") < 0 || check(c->map.v, "special_tokens_map.json") < 0)
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

/* --- for chats --- */

static char *copy(const void *s, size_t n)
{
	char *c = xmalloc(n + 1);

	memcpy(c, s, n);
	c[n] = '\0';
	return c;
}

/* "chat_template" is a template, or a list of named ones. */
static int named_templates(const struct jnode *list, struct tok_chat *c)
{
	const struct jnode *e, *text;

	JT_EACH(e, list) {
		if (jt_str(e, "template", &text) <= 0)
			return err_set(ST_BAD, "tokenizer_config.json: a 'chat_template' without 'template'");
		if (jt_is(jt_get(e, "name"), "default") && !c->plain.text) {
			c->plain.text = copy(text->str, text->len);
			c->plain.len = text->len;
		} else if (jt_is(jt_get(e, "name"), "tool_use") && !c->tools.text) {
			c->tools.text = copy(text->str, text->len);
			c->tools.len = text->len;
		}
	}
	return 0;
}

int tokconf_chat(const struct tokconf *conf, const struct tok_files *f, struct tok *t)
{
	const struct jnode *v = jt_get(conf->tree.v, "chat_template");
	struct tok_chat *c = &t->chat;

	for (int i = 0; i < TOK_PURPOSES; i++) {
		const struct jnode *s = spelling(conf, tok_purpose[i]);

		c->token[i] = s ? copy(s->str, s->len) : NULL;
	}
	if (f->chat) {
		c->plain.text = copy(f->chat, f->chat_len);
		c->plain.len = f->chat_len;
		return 0;
	}
	if (v && v->type == JT_ARR)
		return named_templates(v, c);
	if (v && v->type != JT_STR)
		return err_set(ST_BAD, "tokenizer_config.json: 'chat_template' is no template");
	if (v) {
		c->plain.text = copy(v->str, v->len);
		c->plain.len = v->len;
	}
	return 0;
}

/* --- for texts --- */

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
