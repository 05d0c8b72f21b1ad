/* Values of a template: what they are, how they compare, what is in them. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct jval v_int(int64_t i)
{
	return (struct jval){ .type = V_INT, .i = i };
}

struct jval v_bool(bool b)
{
	return (struct jval){ .type = V_BOOL, .i = b };
}

struct jval v_float(double f)
{
	return (struct jval){ .type = V_FLOAT, .f = f };
}

struct jval v_strn(const char *s, size_t n)
{
	return (struct jval){ .type = V_STR, .s = s, .n = n };
}

struct jval v_undef(const char *s, size_t n)
{
	return (struct jval){ .type = V_UNDEF, .s = s, .n = n };
}

bool v_is(struct jval v, const char *text)
{
	return v.type == V_STR && v.n == strlen(text) && !memcmp(v.s, text, v.n);
}

const char *v_type(struct jval v)
{
	static const char *const list[] = { "list", "tuple", "range", "dict view", "generator" };

	switch (v.type) {
	case V_ABSENT: case V_UNDEF:
		return "Undefined";
	case V_NONE:
		return "NoneType";
	case V_BOOL:
		return "bool";
	case V_INT:
		return "int";
	case V_FLOAT:
		return "float";
	case V_STR:
		return "str";
	case V_LIST:
		return list[v.list->kind];
	case V_DICT:
		return "dict";
	case V_SPACE:
		return "namespace";
	case V_LOOP:
		return "loop";
	case V_FUNC:
		return "function";
	}
	return "?";
}

int v_need(struct jval v)
{
	if (v.type != V_UNDEF)
		return 0;
	return err_set(ST_BAD, "'%.*s' is undefined", clip(v.n), v.s);
}

int v_number(struct jval v, double *out)
{
	if (v.type == V_FLOAT)
		*out = v.f;
	else if (v.type == V_INT || v.type == V_BOOL)
		*out = (double)v.i;
	else
		return 0;
	return 1;
}

bool v_true(struct jval v)
{
	switch (v.type) {
	case V_ABSENT: case V_UNDEF: case V_NONE:
		return false;
	case V_BOOL: case V_INT:
		return v.i != 0;
	case V_FLOAT:
		return v.f != 0;
	case V_STR:
		return v.n != 0;
	case V_LIST:
		return v.list->kind == L_ITER || v.list->n;
	case V_DICT:
		return v.dict->n != 0;
	default:
		return true;
	}
}

bool v_space(uint32_t c)
{
	return cp_space(c) || (c >= 0x1c && c <= 0x1f);
}

size_t v_chars(const char *s, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		k += ((unsigned char)s[i] & 0xc0) != 0x80;
	return k;
}

size_t v_at(const char *s, size_t n, size_t chars)
{
	size_t i = 0;

	for (; i < n && chars; chars--)
		for (i++; i < n && ((unsigned char)s[i] & 0xc0) == 0x80; i++)
			;
	return i;
}

/* --- comparing --- */

static int equal_lists(struct jrun *r, const struct jlist *a, const struct jlist *b, bool *out)
{
	*out = a == b;
	if (a == b || a->kind != b->kind || a->kind > L_RANGE || a->n != b->n)
		return 0;
	*out = true;
	for (size_t i = 0; i < a->n && *out; i++)
		if (v_equal(r, a->v[i], b->v[i], out) < 0)
			return -1;
	return 0;
}

static int equal_dicts(struct jrun *r, const struct jdict *a, const struct jdict *b, bool *out)
{
	*out = a->n == b->n;
	for (size_t i = 0; i < a->n && *out; i++) {
		struct jval *v;

		if (v_get(r, b, a->v[i].k, &v) < 0)
			return -1;
		*out = false;
		if (v && v_equal(r, a->v[i].v, *v, out) < 0)
			return -1;
	}
	return 0;
}

int v_equal(struct jrun *r, struct jval a, struct jval b, bool *out)
{
	double x, y;
	int rc = -1;

	if (jr_work(r, a.type == V_STR && b.type == V_STR && a.n == b.n ? a.n : 8) < 0)
		return -1;
	if (a.type <= V_INT && b.type <= V_INT && a.type >= V_BOOL && b.type >= V_BOOL) {
		*out = a.i == b.i;
		return 0;
	}
	if (v_number(a, &x) && v_number(b, &y)) {
		*out = x == y;
		return 0;
	}
	*out = false;
	if (a.type != b.type)
		return 0;
	if (++r->calls > JINJA_CALLS)
		return err_set(ST_UNSUP, "values nested too deep");
	switch (a.type) {
	case V_UNDEF: case V_NONE: case V_ABSENT:
		*out = true;
		rc = 0;
		break;
	case V_STR:
		*out = a.n == b.n && !memcmp(a.s, b.s, a.n);
		rc = 0;
		break;
	case V_LIST:
		rc = equal_lists(r, a.list, b.list, out);
		break;
	case V_DICT:
		rc = equal_dicts(r, a.dict, b.dict, out);
		break;
	default:
		*out = a.dict == b.dict;
		rc = 0;
		break;
	}
	r->calls--;
	return rc;
}

int v_less(struct jrun *r, struct jval a, struct jval b, bool *out)
{
	double x, y;

	if (v_need(a) < 0 || v_need(b) < 0)
		return -1;
	if (a.type == V_STR && b.type == V_STR) {
		size_t n = a.n < b.n ? a.n : b.n;
		int c = n ? memcmp(a.s, b.s, n) : 0;

		*out = c < 0 || (c == 0 && a.n < b.n);
		return jr_work(r, n);
	}
	if (v_number(a, &x) && v_number(b, &y)) {
		*out = a.type == V_FLOAT || b.type == V_FLOAT ? x < y : a.i < b.i;
		return 0;
	}
	if (a.type == V_LIST && b.type == V_LIST && a.list->kind == b.list->kind && a.list->kind <= L_TUPLE) {
		size_t n = a.list->n < b.list->n ? a.list->n : b.list->n;

		if (++r->calls > JINJA_CALLS)
			return err_set(ST_UNSUP, "values nested too deep");
		for (size_t i = 0; i < n; i++) {
			bool same;

			if (v_equal(r, a.list->v[i], b.list->v[i], &same) < 0)
				return -1;
			if (!same && v_less(r, a.list->v[i], b.list->v[i], out) < 0)
				return -1;
			if (!same) {
				r->calls--;
				return 0;
			}
		}
		r->calls--;
		*out = a.list->n < b.list->n;
		return 0;
	}
	return err_set(ST_BAD, "'%s' and '%s' have no order", v_type(a), v_type(b));
}

int v_in(struct jrun *r, struct jval x, struct jval in, bool *out)
{
	struct jval *v;
	size_t n;

	*out = false;
	if (in.type == V_STR) {
		if (v_need(x) < 0)
			return -1;
		if (x.type != V_STR)
			return err_set(ST_BAD, "'in <string>' of '%s'", v_type(x));
		*out = x.n <= in.n && memmem(in.s, in.n, x.s, x.n);
		return jr_work(r, in.n + x.n);
	}
	if (in.type == V_DICT) {
		if (v_get(r, in.dict, x, &v) < 0)
			return -1;
		*out = v != NULL;
		return 0;
	}
	if (v_iter(r, in, &v, &n) < 0)
		return -1;
	for (size_t i = 0; i < n && !*out; i++)
		if (v_equal(r, x, v[i], out) < 0)
			return -1;
	return 0;
}

/* --- what is in them --- */

int v_len(struct jrun *r, struct jval v, int64_t *out)
{
	switch (v.type) {
	case V_UNDEF:
		*out = 0;
		return 0;
	case V_STR:
		*out = (int64_t)v_chars(v.s, v.n);
		return jr_work(r, v.n);
	case V_DICT:
		*out = (int64_t)v.dict->n;
		return 0;
	case V_LOOP:
		*out = (int64_t)v.loop->n;
		return 0;
	case V_LIST:
		if (v.list->kind != L_ITER) {
			*out = (int64_t)v.list->n;
			return 0;
		}
		/* fall through */
	default:
		return err_set(ST_BAD, "a '%s' has no length", v_type(v));
	}
}

int v_iter(struct jrun *r, struct jval x, struct jval **v, size_t *n)
{
	struct jval list;
	int len;

	*v = NULL;
	*n = 0;
	switch (x.type) {
	case V_UNDEF:
		return 0;
	case V_LIST:
		*v = x.list->v;
		*n = x.list->n;
		if (x.list->kind == L_ITER) {
			*v += x.list->taken;
			*n -= x.list->taken;
			x.list->taken = x.list->n;
		}
		return 0;
	case V_DICT:
		if (jr_list(r, L_LIST, x.dict->n, &list) < 0)
			return -1;
		for (size_t i = 0; i < x.dict->n; i++)
			list.list->v[i] = x.dict->v[i].k;
		break;
	case V_STR:
		if (jr_list(r, L_LIST, v_chars(x.s, x.n), &list) < 0)
			return -1;
		for (size_t i = 0, k = 0; i < x.n; i += (size_t)len) {
			utf8_get(x.s + i, &len);
			list.list->v[k++] = v_strn(x.s + i, (size_t)len);
		}
		break;
	default:
		return err_set(ST_BAD, "a '%s' cannot be walked through", v_type(x));
	}
	*v = list.list->v;
	*n = list.list->n;
	return 0;
}

int v_get(struct jrun *r, const struct jdict *d, struct jval key, struct jval **out)
{
	bool same;

	*out = NULL;
	if (key.type == V_DICT || (key.type == V_LIST && key.list->kind != L_TUPLE))
		return err_set(ST_BAD, "a '%s' is no key", v_type(key));
	if (jr_work(r, 8 * d->n) < 0)
		return -1;
	for (size_t i = 0; i < d->n; i++) {
		struct jval k = d->v[i].k;

		if (k.type == V_STR && key.type == V_STR)
			same = k.n == key.n && !memcmp(k.s, key.s, k.n);
		else if (v_equal(r, k, key, &same) < 0)
			return -1;
		if (same) {
			*out = &d->v[i].v;
			return 0;
		}
	}
	return 0;
}

int v_put(struct jrun *r, struct jdict *d, struct jval key, struct jval v)
{
	struct jpair *grown;
	struct jval *old;

	if (v_get(r, d, key, &old) < 0)
		return -1;
	if (old) {
		*old = v;
		return 0;
	}
	grown = jr_grow(r, d->v, d->n, &d->cap, 8, sizeof(*d->v));
	if (!grown)
		return -1;
	d->v = grown;
	d->v[d->n++] = (struct jpair){ key, v };
	return 0;
}

static int bound(struct jrun *r, struct jval self, const struct jbuiltin *b, struct jval *out)
{
	struct jfunc *f = jr_alloc(r, sizeof(*f));

	if (!f)
		return -1;
	*f = (struct jfunc){ .b = b, .self = self };
	*out = (struct jval){ .type = V_FUNC, .func = f };
	return 0;
}

static void loop_attr(const struct jloop *l, const char *name, struct jval *out)
{
	size_t i = l->i, n = l->n;
	const struct { const char *name; struct jval v; } attr[] = {
		{ "index", v_int((int64_t)i + 1) }, { "index0", v_int((int64_t)i) },
		{ "revindex", v_int((int64_t)(n - i)) }, { "revindex0", v_int((int64_t)(n - i) - 1) },
		{ "first", v_bool(i == 0) }, { "last", v_bool(i + 1 == n) }, { "length", v_int((int64_t)n) },
		{ "depth", v_int(1) }, { "depth0", v_int(0) },
	};

	for (size_t k = 0; k < sizeof(attr) / sizeof(*attr); k++)
		if (!strcmp(attr[k].name, name))
			*out = attr[k].v;
	if (!strcmp(name, "previtem") && i)
		*out = l->v[i - 1];
	if (!strcmp(name, "nextitem") && i + 1 < n)
		*out = l->v[i + 1];
}

/* What the object has itself (1), or 0. */
static int own_attr(struct jrun *r, struct jval v, const char *name, size_t n, struct jval *out)
{
	const struct jbuiltin *b = jm_find(v, name, n);
	struct jval *hit = NULL;

	if (b)
		return bound(r, v, b, out) < 0 ? -1 : 1;
	if (v.type == V_SPACE && v_get(r, v.dict, v_strn(name, n), &hit) < 0)
		return -1;
	if (hit)
		*out = *hit;
	if (v.type == V_LOOP)
		loop_attr(v.loop, name, out);
	return hit != NULL;
}

int v_attr(struct jrun *r, struct jval v, const char *name, size_t n, struct jval *out)
{
	struct jval *hit = NULL;
	int rc;

	if (v_need(v) < 0)
		return -1;
	*out = v_undef(name, n);
	rc = own_attr(r, v, name, n, out);
	if (rc)
		return rc < 0 ? -1 : 0;
	if (v.type == V_DICT && v_get(r, v.dict, v_strn(name, n), &hit) < 0)
		return -1;
	if (hit)
		*out = *hit;
	return 0;
}

int v_item(struct jrun *r, struct jval v, struct jval key, struct jval *out)
{
	struct jval *hit = NULL;
	size_t b, e, n;
	int64_t i = key.i;

	if (v_need(v) < 0)
		return -1;
	*out = key.type == V_STR ? v_undef(key.s, key.n) : v_undef("subscript", 9);
	if (v.type == V_DICT && key.type != V_DICT && (key.type != V_LIST || key.list->kind == L_TUPLE)) {
		if (v_get(r, v.dict, key, &hit) < 0)
			return -1;
		if (hit) {
			*out = *hit;
			return 0;
		}
	}
	if (key.type == V_STR)
		return own_attr(r, v, key.s, key.n, out) < 0 ? -1 : 0;
	if (key.type != V_INT && key.type != V_BOOL)
		return 0;
	if (v.type == V_LIST && v.list->kind <= L_RANGE) {
		if (i < 0)
			i += (int64_t)v.list->n;
		if (i >= 0 && (size_t)i < v.list->n)
			*out = v.list->v[i];
	} else if (v.type == V_STR) {
		if (jr_work(r, v.n) < 0)
			return -1;
		n = v_chars(v.s, v.n);
		if (i < 0)
			i += (int64_t)n;
		if (i < 0 || (size_t)i >= n)
			return 0;
		b = v_at(v.s, v.n, (size_t)i);
		e = b + v_at(v.s + b, v.n - b, 1);
		*out = v_strn(v.s + b, e - b);
	}
	return 0;
}

/* One bound of a slice, as Python clips it; abs(step) is 1 or more. */
static int64_t clip_bound(struct jval v, int64_t n, int64_t step, bool begin)
{
	int64_t lo = step < 0 ? -1 : 0, hi = step < 0 ? n - 1 : n, i = v.i;

	if (v.type == V_NONE)
		return begin == (step > 0) ? lo : hi;
	if (i < 0)
		i += n;
	return i < lo ? lo : i > hi ? hi : i;
}

int v_slice(struct jrun *r, struct jval v, const struct jval *abc, struct jval *out)
{
	int64_t n, step = abc[2].type == V_NONE ? 1 : abc[2].i, b, e, count;
	struct jval *item;
	size_t ni;

	if (v_need(v) < 0)
		return -1;
	*out = v_undef("slice", 5);
	for (int i = 0; i < 3; i++)
		if (abc[i].type != V_NONE && abc[i].type != V_INT && abc[i].type != V_BOOL)
			return 0;       /* the error of a subscript is silent */
	if (step == 0 || step < INT32_MIN || step > INT32_MAX)
		return err_set(ST_BAD, "a slice of step %lld", (long long)step);
	if (v.type != V_STR && (v.type != V_LIST || v.list->kind > L_RANGE))
		return 0;
	if (v_len(r, v, &n) < 0)
		return -1;
	b = clip_bound(abc[0], n, step, true);
	e = clip_bound(abc[1], n, step, false);
	/* from b towards e by |step| */
	count = step > 0 ? e - b : b - e;
	count = count > 0 ? (count - 1) / llabs(step) + 1 : 0;
	if (v.type == V_STR && step == 1) {
		size_t from = v_at(v.s, v.n, (size_t)b);

		*out = v_strn(v.s + from, v_at(v.s + from, v.n - from, (size_t)count));
		out->safe = v.safe;
		return 0;
	}
	if (v_iter(r, v, &item, &ni) < 0)
		return -1;
	if (v.type == V_STR) {
		char *s = jr_alloc(r, v.n + 1), *p = s;

		if (!s)
			return -1;
		for (int64_t i = 0; i < count; i++, p += item[b + (i - 1) * step].n)
			memcpy(p, item[b + i * step].s, item[b + i * step].n);
		*out = v_strn(s, (size_t)(p - s));
		return 0;
	}
	if (jr_list(r, v.list->kind, (size_t)count, out) < 0)
		return -1;
	for (int64_t i = 0; i < count; i++)
		out->list->v[i] = item[b + i * step];
	return 0;
}
