/* The filters of a template that compare what they are given, or add it up. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <string.h>

static int folded(struct jrun *r, struct jval v, bool as_is, struct jval *out)
{
	*out = v;
	return as_is || v.type != V_STR ? 0 : jf_method(r, v, "lower", NULL, 0, out);
}

/* Merge sort of (key, value) pairs: stable, and it can fail. */
static int sort(struct jrun *r, struct jpair *v, struct jpair *tmp, size_t n, bool reverse)
{
	size_t m = n / 2, i = 0, j = m, k = 0;

	if (n < 2)
		return 0;
	if (sort(r, v, tmp, m, reverse) < 0 || sort(r, v + m, tmp, n - m, reverse) < 0)
		return -1;
	while (i < m && j < n) {
		bool later;

		if ((reverse ? v_less(r, v[i].k, v[j].k, &later) : v_less(r, v[j].k, v[i].k, &later)) < 0 ||
		    jr_work(r, 0) < 0)
			return -1;
		tmp[k++] = later ? v[j++] : v[i++];
	}
	while (i < m)
		tmp[k++] = v[i++];
	memcpy(v, tmp, k * sizeof(*v));
	return 0;
}

static int sort_pairs(struct jrun *r, struct jpair *v, size_t n, bool reverse)
{
	struct jpair *tmp = jr_alloc(r, n * sizeof(*tmp) + 1);

	return tmp ? sort(r, v, tmp, n, reverse) : -1;
}

BUILTIN(f_sort)
{
	struct jpair *p;
	struct jval *v;
	size_t n;

	UNUSED;
	if (v_iter(r, x, &v, &n) < 0 || !(p = jr_alloc(r, n * sizeof(*p) + 1)))
		return -1;
	if (v_passed(a[2]) && a[2].type == V_STR && memchr(a[2].s, ',', a[2].n))
		return err_set(ST_UNSUP, "'sort' by several attributes is not supported");
	for (size_t i = 0; i < n; i++) {
		struct jval k = v[i];

		if (v_passed(a[2]) && a[2].type != V_NONE && jf_dotted(r, k, a[2], &k) < 0)
			return -1;
		if (folded(r, k, v_passed(a[1]) && v_true(a[1]), &k) < 0)
			return -1;
		p[i] = (struct jpair){ k, v[i] };
	}
	if (sort_pairs(r, p, n, v_passed(a[0]) && v_true(a[0])) < 0 || jr_list(r, L_LIST, n, out) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		out->list->v[i] = p[i].v;
	return 0;
}

BUILTIN(f_dictsort)
{
	bool by_value = v_passed(a[1]) && v_is(a[1], "value");
	struct jpair *p;
	size_t n;

	UNUSED;
	if (x.type != V_DICT)
		return v_need(x) < 0 ? -1 : err_set(ST_BAD, "'dictsort' of a '%s'", v_type(x));
	if (v_passed(a[1]) && !by_value && !v_is(a[1], "key"))
		return err_set(ST_BAD, "'dictsort' is by key or by value");
	n = x.dict->n;
	if (!(p = jr_alloc(r, n * sizeof(*p) + 1)))
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct jpair *e = &x.dict->v[i];

		if (jr_list(r, L_TUPLE, 2, &p[i].v) < 0 ||
		    folded(r, by_value ? e->v : e->k, v_passed(a[0]) && v_true(a[0]), &p[i].k) < 0)
			return -1;
		p[i].v.list->v[0] = e->k;
		p[i].v.list->v[1] = e->v;
	}
	if (sort_pairs(r, p, n, v_passed(a[2]) && v_true(a[2])) < 0 || jr_list(r, L_LIST, n, out) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		out->list->v[i] = p[i].v;
	return 0;
}

/* The first of the least, or of the greatest. */
static int extreme(struct jrun *r, struct jval x, const struct jval *a, bool most, struct jval *out)
{
	struct jval *v, best = { .type = V_NONE };
	size_t n;

	if (v_iter(r, x, &v, &n) < 0)
		return -1;
	*out = v_undef("the extreme of nothing", 22);
	for (size_t i = 0; i < n; i++) {
		struct jval k = v[i];
		bool better = i == 0;

		if ((v_passed(a[1]) && a[1].type != V_NONE && jf_dotted(r, k, a[1], &k) < 0) ||
		    folded(r, k, v_passed(a[0]) && v_true(a[0]), &k) < 0)
			return -1;
		if (i && (most ? v_less(r, best, k, &better) : v_less(r, k, best, &better)) < 0)
			return -1;
		if (better) {
			best = k;
			*out = v[i];
		}
	}
	return 0;
}

BUILTIN(f_min)
{
	UNUSED;
	return extreme(r, x, a, false, out);
}

BUILTIN(f_max)
{
	UNUSED;
	return extreme(r, x, a, true, out);
}

BUILTIN(f_sum)
{
	struct jval *v;
	size_t n;

	UNUSED;
	*out = v_passed(a[1]) ? a[1] : v_int(0);
	if (v_iter(r, x, &v, &n) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct jval e = v[i];

		if (v_passed(a[0]) && a[0].type != V_NONE && jf_dotted(r, e, a[0], &e) < 0)
			return -1;
		if (v_add(r, *out, e, out) < 0)
			return -1;
	}
	return 0;
}

BUILTIN(f_unique)
{
	struct jval *v, *keys;
	size_t n, k = 0;

	UNUSED;
	if (v_iter(r, x, &v, &n) < 0 || jr_list(r, L_ITER, n, out) < 0 || !(keys = jr_alloc(r, n * sizeof(*keys) + 1)))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct jval key = v[i];
		bool known = false;

		if ((v_passed(a[1]) && a[1].type != V_NONE && jf_dotted(r, key, a[1], &key) < 0) ||
		    folded(r, key, v_passed(a[0]) && v_true(a[0]), &key) < 0)
			return -1;
		for (size_t j = 0; j < k && !known; j++)
			if (v_equal(r, keys[j], key, &known) < 0)
				return -1;
		if (!known) {
			keys[k] = key;
			out->list->v[k++] = v[i];
		}
	}
	out->list->n = k;
	return 0;
}

static const struct jbuiltin filters[] = {
	{ "sort", f_sort, "reverse|case_sensitive|attribute", 0 },
	{ "dictsort", f_dictsort, "case_sensitive|by|reverse", 0 }, { "min", f_min, "case_sensitive|attribute", 0 },
	{ "max", f_max, "case_sensitive|attribute", 0 }, { "sum", f_sum, "attribute|start", 0 },
	{ "unique", f_unique, "case_sensitive|attribute", 0 },
};

const struct jbuiltin *jf_order(const char *name, size_t n)
{
	return ROW_OF(filters, name, n);
}
