/* The filters of a template. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int jf_method(struct jrun *r, struct jval x, const char *method, const struct jval *a, size_t n, struct jval *out)
{
	const struct jargs args = { a, n, NULL, 0 };

	if (v_text(r, x, &x) < 0)
		return -1;
	return jr_builtin(r, jm_find(x, method, strlen(method)), x, &args, out);
}

BUILTIN(f_trim)
{
	UNUSED;
	return jf_method(r, x, "strip", a, v_passed(a[0]), out);
}

BUILTIN(f_upper)
{
	UNUSED;
	return jf_method(r, x, "upper", NULL, 0, out);
}

BUILTIN(f_lower)
{
	UNUSED;
	return jf_method(r, x, "lower", NULL, 0, out);
}

BUILTIN(f_capitalize)
{
	UNUSED;
	return jf_method(r, x, "capitalize", NULL, 0, out);
}

BUILTIN(f_replace)
{
	struct jval b[3] = { a[0], a[1], a[2] };

	UNUSED;
	if (v_text(r, x, &x) < 0 || v_text(r, b[0], &b[0]) < 0 || v_text(r, b[1], &b[1]) < 0)
		return -1;
	x.safe = false;
	return jf_method(r, x, "replace", b, v_passed(a[2]) && a[2].type != V_NONE ? 3 : 2, out);
}

BUILTIN(f_string)
{
	UNUSED;
	return v_text(r, x, out);
}

BUILTIN(f_safe)
{
	UNUSED;
	if (v_text(r, x, out) < 0)
		return -1;
	out->safe = true;
	return 0;
}

BUILTIN(f_escape)
{
	UNUSED;
	return v_escape(r, x, out);
}

BUILTIN(f_length)
{
	int64_t n;

	UNUSED;
	if (v_len(r, x, &n) < 0)
		return -1;
	*out = v_int(n);
	return 0;
}

BUILTIN(f_default)
{
	UNUSED;
	*out = x;
	if (x.type == V_UNDEF || (v_passed(a[1]) && v_true(a[1]) && !v_true(x)))
		*out = v_passed(a[0]) ? a[0] : STR("");
	return 0;
}

BUILTIN(f_abs)
{
	UNUSED;
	if (x.type == V_FLOAT)
		*out = v_float(fabs(x.f));
	else if ((x.type == V_INT || x.type == V_BOOL) && x.i != INT64_MIN)
		*out = v_int(x.i < 0 ? -x.i : x.i);
	else
		return v_need(x) < 0 ? -1 : err_set(ST_BAD, "'abs' of a '%s'", v_type(x));
	return 0;
}

/* A number from text, all of it but white space around. */
static bool to_float(struct jval x, double *f)
{
	char tmp[64], *end;
	size_t b = 0, n = x.n;

	if (x.type != V_STR)
		return v_number(x, f);
	while (b < n && cp_space((unsigned char)x.s[b]))
		b++;
	while (n > b && cp_space((unsigned char)x.s[n - 1]))
		n--;
	if (b == n || n - b >= sizeof(tmp) || memchr(x.s + b, 'x', n - b) || memchr(x.s + b, 'X', n - b) ||
	    memchr(x.s + b, '(', n - b) || memchr(x.s + b, 0, n - b))
		return false;
	memcpy(tmp, x.s + b, n - b);
	tmp[n - b] = '\0';
	*f = strtod(tmp, &end);
	return !*end;
}

BUILTIN(f_float)
{
	double f;

	UNUSED;
	if (x.type == V_UNDEF)
		return v_need(x);
	*out = to_float(x, &f) ? v_float(f) : v_passed(a[0]) ? a[0] : v_float(0);
	return 0;
}

BUILTIN(f_int)
{
	double f;
	char tmp[32], *end;

	UNUSED;
	if (x.type == V_UNDEF)
		return v_need(x);
	if (v_passed(a[1]))
		return err_set(ST_UNSUP, "'int' with a base is not supported");
	*out = v_passed(a[0]) ? a[0] : v_int(0);
	if (x.type == V_INT || x.type == V_BOOL) {
		*out = v_int(x.i);
		return 0;
	}
	if (!to_float(x, &f) || !isfinite(f))
		return 0;
	if (fabs(f) >= 9e18)
		return err_set(ST_UNSUP, "numbers beyond 64 bits are not supported");
	*out = v_int((int64_t)f);
	if (x.type == V_STR && x.n < sizeof(tmp)) {     /* more digits than a double holds */
		int64_t i;

		memcpy(tmp, x.s, x.n);
		tmp[x.n] = '\0';
		i = strtoll(tmp, &end, 10);
		if (!*end || cp_space((unsigned char)*end))
			*out = v_int(i);
	}
	return 0;
}

BUILTIN(f_round)
{
	double f, p = pow(10, v_passed(a[0]) ? (double)a[0].i : 0);

	UNUSED;
	if (!v_number(x, &f))
		return v_need(x) < 0 ? -1 : err_set(ST_BAD, "'round' of a '%s'", v_type(x));
	if (v_passed(a[0]) && a[0].type != V_INT)
		return err_set(ST_BAD, "'round' to a '%s'", v_type(a[0]));
	if (v_passed(a[1]) && v_is(a[1], "ceil"))
		*out = v_float(ceil(f * p) / p);
	else if (v_passed(a[1]) && v_is(a[1], "floor"))
		*out = v_float(floor(f * p) / p);
	else if (v_passed(a[1]) && !v_is(a[1], "common"))
		return err_set(ST_BAD, "'round' knows common, ceil and floor");
	else if (x.type != V_FLOAT && (!v_passed(a[0]) || a[0].i >= 0))
		*out = v_int(x.i);
	else if (v_passed(a[0]) && a[0].i)
		return err_set(ST_UNSUP, "'round' to a number of digits is not supported");
	else
		*out = v_float(nearbyint(f));
	return 0;
}

/* --- lists --- */

static int as_list(struct jrun *r, enum jlist_kind kind, struct jval *v, size_t n, struct jval *out)
{
	if (jr_list(r, kind, n, out) < 0)
		return -1;
	if (n)
		memcpy(out->list->v, v, n * sizeof(*v));
	return 0;
}

BUILTIN(f_list)
{
	struct jval *v;
	size_t n;

	UNUSED;
	return v_iter(r, x, &v, &n) < 0 ? -1 : as_list(r, L_LIST, v, n, out);
}

BUILTIN(f_first)
{
	bool iter = x.type == V_LIST && x.list->kind == L_ITER;
	size_t n, taken = iter ? x.list->taken : 0;
	struct jval *v;

	UNUSED;
	if (v_iter(r, x, &v, &n) < 0)
		return -1;
	if (iter)
		x.list->taken = taken + (n > 0);
	*out = n ? v[0] : v_undef("the first of nothing", 20);
	return 0;
}

BUILTIN(f_last)
{
	struct jval *v;
	size_t n;

	UNUSED;
	if (x.type == V_LIST && x.list->kind == L_ITER)
		return err_set(ST_BAD, "a '%s' has no last element", v_type(x));
	if (v_iter(r, x, &v, &n) < 0)
		return -1;
	*out = n ? v[n - 1] : v_undef("the last of nothing", 19);
	return 0;
}

BUILTIN(f_reverse)
{
	struct jval *v, key[3] = { { .type = V_NONE }, { .type = V_NONE }, v_int(-1) };
	size_t n;

	UNUSED;
	if (x.type == V_STR)
		return v_slice(r, x, key, out);
	if (v_need(x) < 0 || v_iter(r, x, &v, &n) < 0 || jr_list(r, L_ITER, n, out) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		out->list->v[i] = v[n - 1 - i];
	return 0;
}

int jf_dotted(struct jrun *r, struct jval x, struct jval attr, struct jval *out)
{
	*out = x;
	if (attr.type == V_INT)
		return v_item(r, x, attr, out);
	if (attr.type != V_STR)
		return err_set(ST_BAD, "an attribute that is a '%s'", v_type(attr));
	for (size_t b = 0, e; b <= attr.n; b = e + 1) {
		const char *dot = memchr(attr.s + b, '.', attr.n - b);
		struct jval part;

		e = dot ? (size_t)(dot - attr.s) : attr.n;
		part = v_strn(attr.s + b, e - b);
		if (part.n && part.n < 10 && strspn(part.s, "0123456789") >= part.n)
			part = v_int(strtoll(part.s, NULL, 10));
		if (v_item(r, *out, part, out) < 0)
			return -1;
	}
	return 0;
}

BUILTIN(f_attr)
{
	UNUSED;
	if (a[0].type != V_STR)
		return err_set(ST_BAD, "an attribute that is a '%s'", v_type(a[0]));
	if (x.type == V_DICT) {         /* its methods, not its keys */
		const struct jbuiltin *b = jm_find(x, a[0].s, a[0].n);

		*out = v_undef(a[0].s, a[0].n);
		return b ? v_attr(r, x, a[0].s, a[0].n, out) : 0;
	}
	return v_attr(r, x, a[0].s, a[0].n, out);
}

BUILTIN(f_join)
{
	struct bytes b = { 0 };
	struct jval *v, d = STR("");
	size_t n;
	int rc = 0;

	UNUSED;
	if ((v_passed(a[0]) && v_text(r, a[0], &d) < 0) || v_iter(r, x, &v, &n) < 0)
		return -1;
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct jval e = v[i];

		if (v_passed(a[1]) && a[1].type != V_NONE)
			rc = jf_dotted(r, e, a[1], &e);
		if (rc == 0 && i)
			rc = v_print(r, d, &b);
		if (rc == 0)
			rc = v_print(r, e, &b);
	}
	return jr_bytes(r, rc, &b, out);
}

BUILTIN(f_map)
{
	struct jval *v, attr = { .type = V_ABSENT }, instead = { .type = V_NONE };
	size_t n;

	UNUSED;
	for (size_t i = 0; i < raw->nk; i++) {
		if (raw->k[i].n == 9 && !memcmp(raw->k[i].s, "attribute", 9))
			attr = raw->k[i].v;
		if (raw->k[i].n == 7 && !memcmp(raw->k[i].s, "default", 7))
			instead = raw->k[i].v;
	}
	if (!raw->n && attr.type == V_ABSENT)
		return err_set(ST_BAD, "'map' of nothing");
	if (raw->n && raw->v[0].type != V_STR)
		return err_set(ST_BAD, "'map' by a '%s'", v_type(raw->v[0]));
	if (!v_true(x))                 /* whatever it is */
		return jr_list(r, L_ITER, 0, out);
	if (v_iter(r, x, &v, &n) < 0 || jr_list(r, L_ITER, n, out) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct jval *e = &out->list->v[i];

		if (raw->n) {
			struct jargs rest = { raw->v + 1, raw->n - 1, raw->k, raw->nk };

			if (jf_apply(r, raw->v[0].s, raw->v[0].n, v[i], &rest, e) < 0)
				return -1;
			continue;
		}
		if (jf_dotted(r, v[i], attr, e) < 0)
			return -1;
		if (e->type == V_UNDEF && instead.type != V_NONE)
			*e = instead;
	}
	return 0;
}

static int choose(struct jrun *r, struct jval x, const struct jargs *raw, bool by_attr, bool want, struct jval *out)
{
	size_t skip = by_attr, n, k = 0;
	struct jval *v;

	if (by_attr && !raw->n)
		return err_set(ST_BAD, "no attribute to choose by");
	if (raw->n > skip && raw->v[skip].type != V_STR)
		return err_set(ST_BAD, "a test that is a '%s'", v_type(raw->v[skip]));
	if (!v_true(x))
		return jr_list(r, L_ITER, 0, out);
	if (v_iter(r, x, &v, &n) < 0 || jr_list(r, L_ITER, n, out) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct jval e = v[i];
		bool yes;

		if (by_attr && jf_dotted(r, e, raw->v[0], &e) < 0)
			return -1;
		yes = v_true(e);
		if (raw->n > skip) {
			struct jargs rest = { raw->v + skip + 1, raw->n - skip - 1, raw->k, raw->nk };

			if (jtest_apply(r, raw->v[skip].s, raw->v[skip].n, e, &rest, &yes) < 0)
				return -1;
		}
		if (yes == want)
			out->list->v[k++] = v[i];
	}
	out->list->n = k;
	return 0;
}

BUILTIN(f_select)
{
	UNUSED;
	return choose(r, x, raw, false, true, out);
}

BUILTIN(f_reject)
{
	UNUSED;
	return choose(r, x, raw, false, false, out);
}

BUILTIN(f_selectattr)
{
	UNUSED;
	return choose(r, x, raw, true, true, out);
}

BUILTIN(f_rejectattr)
{
	UNUSED;
	return choose(r, x, raw, true, false, out);
}

BUILTIN(f_items)
{
	UNUSED;
	if (x.type == V_UNDEF)
		return jr_list(r, L_ITER, 0, out);
	if (x.type != V_DICT)
		return err_set(ST_BAD, "'items' of a '%s'", v_type(x));
	if (jr_builtin(r, jm_find(x, "items", 5), x, &(struct jargs){ 0 }, out) < 0)
		return -1;
	out->list->kind = L_ITER;
	return 0;
}

BUILTIN(f_tojson)
{
	struct bytes b = { 0 };
	int rc = v_json(r, x, a, &b);

	UNUSED;
	return jr_bytes(r, rc, &b, out);
}

BUILTIN(f_indent)
{
	struct jval width, *line;
	struct bytes b = { 0 };
	bool first = v_passed(a[1]) && v_true(a[1]), blank = v_passed(a[2]) && v_true(a[2]);
	size_t n;
	int rc = 0;

	UNUSED;
	width = v_passed(a[0]) ? a[0] : v_int(4);
	if (x.type != V_STR)
		return v_need(x) < 0 ? -1 : err_set(ST_BAD, "'indent' of a '%s'", v_type(x));
	if (width.type != V_STR && v_binary(r, '*', STR(" "), width, &width) < 0)
		return -1;
	if (v_add(r, (struct jval){ .type = V_STR, .s = x.s, .n = x.n }, STR("\n"), &x) < 0 ||
	    jf_method(r, x, "splitlines", NULL, 0, &x) < 0 || v_iter(r, x, &line, &n) < 0)
		return -1;
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (i)
			rc = v_print(r, STR("\n"), &b);
		if (rc == 0 && (i ? blank || line[i].n : first))
			rc = v_print(r, width, &b);
		if (rc == 0)
			rc = v_print(r, line[i], &b);
	}
	return jr_bytes(r, rc, &b, out);
}

BUILTIN(f_format)
{
	struct jval list;

	UNUSED;
	if (raw->nk)
		return err_set(ST_UNSUP, "'format' by name is not supported");
	if (v_text(r, x, &x) < 0 || as_list(r, L_TUPLE, (struct jval *)raw->v, raw->n, &list) < 0)
		return -1;
	return v_binary(r, '%', x, list, out);
}

static const struct jbuiltin filters[] = {
	{ "trim", f_trim, "chars", 0 }, { "upper", f_upper, "", 0 }, { "lower", f_lower, "", 0 },
	{ "capitalize", f_capitalize, "", 0 }, { "replace", f_replace, "old|new|count", 2 },
	{ "string", f_string, "", 0 }, { "safe", f_safe, "", 0 }, { "e", f_escape, "", 0 },
	{ "escape", f_escape, "", 0 }, { "length", f_length, "", 0 }, { "count", f_length, "", 0 },
	{ "default", f_default, "default_value|boolean", 0 }, { "d", f_default, "default_value|boolean", 0 },
	{ "abs", f_abs, "", 0 }, { "float", f_float, "default", 0 }, { "int", f_int, "default|base", 0 },
	{ "round", f_round, "precision|method", 0 }, { "list", f_list, "", 0 }, { "first", f_first, "", 0 },
	{ "last", f_last, "", 0 }, { "reverse", f_reverse, "", 0 }, { "attr", f_attr, "name", 1 },
	{ "join", f_join, "d|attribute", 0 }, { "map", f_map, NULL, 0 }, { "select", f_select, NULL, 0 },
	{ "reject", f_reject, NULL, 0 }, { "selectattr", f_selectattr, NULL, 0 },
	{ "rejectattr", f_rejectattr, NULL, 0 }, { "items", f_items, "", 0 },
	{ "tojson", f_tojson, "ensure_ascii|indent|separators|sort_keys", 0 },
	{ "indent", f_indent, "width|first|blank", 0 }, { "format", f_format, NULL, 0 },
};

const struct jbuiltin *jf_find(const char *name, size_t n)
{
	const struct jbuiltin *b = ROW_OF(filters, name, n);

	return b ? b : jf_order(name, n);
}

int jf_apply(struct jrun *r, const char *name, size_t n, struct jval x, const struct jargs *args, struct jval *out)
{
	const struct jbuiltin *b = jf_find(name, n);

	if (!b)
		return err_set(ST_UNSUP, "the filter '%.*s' is not supported", clip(n), name);
	return jr_builtin(r, b, x, args, out);
}
