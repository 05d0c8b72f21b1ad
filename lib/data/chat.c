#include "data/chat.h"

#include "base/err.h"
#include "base/mem.h"
#include "data/jinja.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { MAX_SET = 64 };

struct chat {
	const struct tok_chat *src;
	struct jinja *plain, *tools;    /* tools: NULL, or the one for conversations with tools */
	const char *date;
	struct set {
		char *name;
		struct jtree json;
	} set[MAX_SET];
	size_t nset;
};

struct chat *chat_new(const struct tok *t, const char *date)
{
	const struct tok_chat *src = tok_chat(t);
	struct chat *c;

	if (!src->plain.text) {
		err_set(ST_UNSUP, "the tokenizer has no chat template");
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->src = src;
	c->date = date;
	c->plain = jinja_parse(src->plain.text, src->plain.len);
	if (c->plain && src->tools.text)
		c->tools = jinja_parse(src->tools.text, src->tools.len);
	if (!c->plain || (src->tools.text && !c->tools)) {
		chat_free(c);
		return NULL;
	}
	return c;
}

void chat_free(struct chat *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nset; i++) {
		free(c->set[i].name);
		jtree_free(&c->set[i].json);
	}
	jinja_free(c->plain);
	jinja_free(c->tools);
	free(c);
}

uint64_t chat_digest(const struct chat *c)
{
	uint64_t h[2] = { XXH3_64bits(c->src->plain.text, c->src->plain.len), 0 };

	if (!c->tools)
		return h[0];
	h[1] = XXH3_64bits(c->src->tools.text, c->src->tools.len);
	return XXH3_64bits(h, sizeof(h));
}

int chat_set(struct chat *c, const char *assignment)
{
	const char *eq = strchr(assignment, '=');
	struct bytes quoted = { 0 };
	struct set *s = &c->set[c->nset];
	int rc;

	if (!eq || eq == assignment)
		return err_set(ST_USAGE, "'%.60s' is not NAME=VALUE", assignment);
	if (c->nset == MAX_SET)
		return err_set(ST_USAGE, "more than %d variables", MAX_SET);
	rc = jtree_parse(&s->json, eq + 1, strlen(eq + 1), "");
	if (rc < 0 && utf8_valid(eq + 1, strlen(eq + 1)) == strlen(eq + 1)) {
		jt_quote(&quoted, eq + 1, strlen(eq + 1));
		rc = jtree_parse(&s->json, quoted.p, quoted.n, "");
		bytes_free(&quoted);
	}
	if (rc < 0)
		return err_set(ST_USAGE, "'%.60s' is not UTF-8", assignment);
	s->name = xmalloc((size_t)(eq - assignment) + 1);
	memcpy(s->name, assignment, (size_t)(eq - assignment));
	s->name[eq - assignment] = '\0';
	c->nset++;
	return 0;
}

static int messages(const struct jnode *conversation, const char *field, const struct jnode **out)
{
	const struct jnode *m;
	int rc = 1;

	*out = conversation;
	if (conversation->type == JT_OBJ)
		rc = jt_arr(conversation, field, out);
	else if (conversation->type != JT_ARR)
		return err_set(ST_BAD, "neither an object nor an array of messages");
	if (rc <= 0)
		return rc < 0 ? -1 : err_set(ST_BAD, "no field '%s'", field);
	if (!(*out)->len)
		return err_set(ST_BAD, "a conversation without messages");
	JT_EACH(m, *out)
		if (m->type != JT_OBJ)
			return err_set(ST_BAD, "a message is not an object");
	return 0;
}

int chat_render(struct chat *c, const struct jnode *conversation, const char *field, struct bytes *out)
{
	static const struct jnode no = { .type = JT_FALSE, .span = 1 };
	const struct jnode *list, *tools = jt_get(conversation, "tools"), *more = NULL, *k;
	struct jinja_var *v;
	size_t n = 0;
	int rc;

	if (messages(conversation, field, &list) < 0 || jt_obj(conversation, "chat_template_kwargs", &more) < 0)
		return -1;
	v = xcalloc(8 + TOK_PURPOSES + c->nset + (more ? more->len : 0), sizeof(*v));
	for (int i = 0; i < TOK_PURPOSES; i++)
		if (c->src->token[i])
			v[n++] = (struct jinja_var){ .name = tok_purpose[i], .text = c->src->token[i] };
	v[n++] = (struct jinja_var){ .name = "add_generation_prompt", .json = &no };
	v[n++] = (struct jinja_var){ .name = "messages", .json = list };
	v[n++] = (struct jinja_var){ .name = "tools", .json = tools };
	v[n++] = (struct jinja_var){ .name = "documents", .json = jt_get(conversation, "documents") };
	for (size_t i = 0; i < c->nset; i++)
		v[n++] = (struct jinja_var){ .name = c->set[i].name, .json = c->set[i].json.v };
	if (more)
		JT_PAIRS(k, more)
			v[n++] = (struct jinja_var){ .name = k->str, .json = k + 1 };
	rc = jinja_render(tools && c->tools ? c->tools : c->plain, v, n, c->date, out);
	free(v);
	return rc;
}
