#include "data/postproc.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_EDGE = 1024 };               /* ids in front or behind */

static int put(struct ids *v, const struct jnode *id)
{
	int32_t k;

	if (!id || id->type != JT_NUM || id->num < 0 || id->num > INT32_MAX || id->num != (double)(int32_t)id->num)
		return err_set(ST_BAD, "post-processor with a bad token id");
	if (v->n >= MAX_EDGE)
		return err_set(ST_BAD, "post-processor adds more than %d tokens", MAX_EDGE);
	k = (int32_t)id->num;
	ids_put(v, &k, 1);
	return 0;
}

/* {"SpecialToken": {"id": NAME}}: NAME's ids are in the table "special_tokens". */
static int put_special(struct ids *v, const struct jnode *all, const struct jnode *sp)
{
	const struct jnode *name, *ids, *c;

	if (jt_str(sp, "id", &name) <= 0 || jt_arr(jt_get(all, name->str), "ids", &ids) <= 0)
		return err_set(ST_BAD, "post-processor names a special token it does not define");
	JT_EACH(c, ids)
		if (put(v, c) < 0)
			return -1;
	return 0;
}

/* What wraps around goes outside what is there already: a Sequence works from the inside out. */
static void wrap(struct post *p, struct post *outer)
{
	ids_put(&outer->front, p->front.v, p->front.n);
	ids_put(&p->back, outer->back.v, outer->back.n);
	free(p->front.v);
	p->front = outer->front;
	free(outer->back.v);
	memset(outer, 0, sizeof(*outer));
}

static int template(struct post *o, const struct jnode *v)
{
	const struct jnode *single, *c, *sp = jt_get(v, "special_tokens");
	int sequences = 0;

	if (jt_arr(v, "single", &single) <= 0)
		return err_set(ST_UNSUP, "TemplateProcessing whose 'single' is no list");
	JT_EACH(c, single) {
		if (jt_get(c, "SpecialToken")) {
			if (put_special(sequences ? &o->back : &o->front, sp, jt_get(c, "SpecialToken")) < 0)
				return -1;
		} else if (jt_get(c, "Sequence"))
			sequences++;
		else
			return err_set(ST_BAD, "TemplateProcessing with an unknown piece");
	}
	if (sequences != 1)
		return err_set(ST_UNSUP, "TemplateProcessing whose 'single' has the text %d times", sequences);
	return 0;
}

/* "sep": ["</s>", 2] */
static int pair_id(struct ids *out, const struct jnode *v, const char *key)
{
	const struct jnode *a;

	if (jt_arr(v, key, &a) <= 0 || a->len != 2 || a[1].type != JT_STR)
		return err_set(ST_BAD, "post-processor without '%s'", key);
	return put(out, a + 2);
}

static int parse(struct post *p, const struct jnode *v)
{
	const struct jnode *type, *list, *c;
	struct post o = { 0 };
	int rc = jt_str(v, "type", &type);

	if (rc <= 0)
		return rc < 0 ? -1 : err_set(ST_BAD, "a post-processor has no 'type'");
	if (jt_is(type, "Sequence")) {
		if ((rc = jt_arr(v, "processors", &list)) <= 0)
			return rc < 0 ? -1 : err_set(ST_BAD, "a post-processor Sequence has no 'processors'");
		JT_EACH(c, list)
			if (parse(p, c) < 0)
				return -1;
		return 0;
	}
	if (jt_is(type, "ByteLevel"))           /* concerns offsets only */
		return 0;
	if (jt_is(type, "TemplateProcessing"))
		rc = template(&o, v);
	else if (jt_is(type, "BertProcessing") || jt_is(type, "RobertaProcessing"))
		rc = pair_id(&o.front, v, "cls") < 0 || pair_id(&o.back, v, "sep") < 0 ? -1 : 0;
	else
		rc = err_set(ST_UNSUP, "post-processor '%.40s' is not supported", type->str);
	wrap(p, &o);
	if (rc >= 0 && (p->front.n > MAX_EDGE || p->back.n > MAX_EDGE))
		rc = err_set(ST_BAD, "post-processor adds more than %d tokens", MAX_EDGE);
	return rc < 0 ? -1 : 0;
}

int post_parse(struct post *p, const struct jnode *json)
{
	memset(p, 0, sizeof(*p));
	return json ? parse(p, json) : 0;
}

void post_free(struct post *p)
{
	free(p->front.v);
	free(p->back.v);
	memset(p, 0, sizeof(*p));
}
