/* The methods of a template's lists and dictionaries, as in Python, and of its loops. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <string.h>

BUILTIN(l_index)
{
	UNUSED;
	for (size_t i = 0; i < x.list->n; i++) {
		bool same;

		if (v_equal(r, x.list->v[i], a[0], &same) < 0)
			return -1;
		if (same) {
			*out = v_int((int64_t)i);
			return 0;
		}
	}
	return err_set(ST_BAD, "'index' of what is not there");
}

BUILTIN(l_count)
{
	int64_t k = 0;

	UNUSED;
	for (size_t i = 0; i < x.list->n; i++) {
		bool same;

		if (v_equal(r, x.list->v[i], a[0], &same) < 0)
			return -1;
		k += same;
	}
	*out = v_int(k);
	return 0;
}

BUILTIN(d_get)
{
	struct jval *hit;

	UNUSED;
	if (v_get(r, x.dict, a[0], &hit) < 0)
		return -1;
	*out = hit ? *hit : a[1].type != V_ABSENT ? a[1] : (struct jval){ .type = V_NONE };
	return 0;
}

BUILTIN(d_items)
{
	UNUSED;
	if (jr_list(r, L_VIEW, x.dict->n, out) < 0)
		return -1;
	for (size_t i = 0; i < x.dict->n; i++) {
		if (jr_list(r, L_TUPLE, 2, &out->list->v[i]) < 0)
			return -1;
		out->list->v[i].list->v[0] = x.dict->v[i].k;
		out->list->v[i].list->v[1] = x.dict->v[i].v;
	}
	return 0;
}

BUILTIN(d_keys)
{
	UNUSED;
	if (jr_list(r, L_VIEW, x.dict->n, out) < 0)
		return -1;
	for (size_t i = 0; i < x.dict->n; i++)
		out->list->v[i] = x.dict->v[i].k;
	return 0;
}

BUILTIN(d_values)
{
	UNUSED;
	if (jr_list(r, L_VIEW, x.dict->n, out) < 0)
		return -1;
	for (size_t i = 0; i < x.dict->n; i++)
		out->list->v[i] = x.dict->v[i].v;
	return 0;
}

BUILTIN(loop_cycle)
{
	UNUSED;
	if (!raw->n)
		return err_set(ST_BAD, "'cycle' of nothing");
	*out = raw->v[x.loop->i % raw->n];
	return 0;
}

/* What would change a value that others hold, which templates may not. */
BUILTIN(changes)
{
	UNUSED;
	return err_set(ST_BAD, "a template may not change lists and dictionaries");
}

/* What Python has, and this has not: its name must not be taken for a key's. */
int jm_lacking(struct jrun *r, struct jval x, const struct jval *a, const struct jargs *raw, struct jval *out)
{
	UNUSED;
	return err_set(ST_UNSUP, "this method of a '%s' is not supported", v_type(x));
}

static const struct jbuiltin of_list[] = {
	{ "index", l_index, "value", 1 }, { "count", l_count, "value", 1 }, { "append", changes, NULL, 0 },
	{ "extend", changes, NULL, 0 }, { "insert", changes, NULL, 0 }, { "pop", changes, NULL, 0 },
	{ "remove", changes, NULL, 0 }, { "reverse", changes, NULL, 0 }, { "sort", changes, NULL, 0 },
	{ "clear", changes, NULL, 0 }, LACKING("copy"),
}, of_dict[] = {
	{ "get", d_get, "key|default", 1 }, { "items", d_items, "", 0 }, { "keys", d_keys, "", 0 },
	{ "values", d_values, "", 0 }, { "pop", changes, NULL, 0 }, { "popitem", changes, NULL, 0 },
	{ "clear", changes, NULL, 0 }, { "update", changes, NULL, 0 }, { "setdefault", changes, NULL, 0 },
	LACKING("copy"), LACKING("fromkeys"),
}, of_loop[] = {
	{ "cycle", loop_cycle, NULL, 0 }, LACKING("changed"),
};

const struct jbuiltin *jm_find(struct jval v, const char *name, size_t n)
{
	if (v.type == V_STR)
		return jm_str(name, n);
	if (v.type == V_LIST && v.list->kind <= L_TUPLE)
		return ROW_OF(of_list, name, n);
	if (v.type == V_DICT)
		return ROW_OF(of_dict, name, n);
	return v.type == V_LOOP ? ROW_OF(of_loop, name, n) : NULL;
}
