/* The tests of a template: what may follow 'is'. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <string.h>

static int say_so(struct jval *out, bool yes)
{
	*out = v_bool(yes);
	return 0;
}

/* A test that looks at the type alone. */
#define IS(name, expr) BUILTIN(name) { UNUSED; return say_so(out, expr); }

IS(t_defined, x.type != V_UNDEF)
IS(t_undefined, x.type == V_UNDEF)
IS(t_none, x.type == V_NONE)
IS(t_boolean, x.type == V_BOOL)
IS(t_true, x.type == V_BOOL && x.i)
IS(t_false, x.type == V_BOOL && !x.i)
IS(t_integer, x.type == V_INT)
IS(t_float, x.type == V_FLOAT)
IS(t_number, x.type == V_INT || x.type == V_FLOAT || x.type == V_BOOL)
IS(t_string, x.type == V_STR)
IS(t_mapping, x.type == V_DICT)
IS(t_callable, x.type == V_FUNC || x.type == V_UNDEF || x.type == V_LOOP)
IS(t_escaped, x.type == V_STR && x.safe)
IS(t_sequence, x.type == V_STR || x.type == V_DICT || x.type == V_UNDEF || (x.type == V_LIST && x.list->kind <= L_RANGE))
IS(t_iterable, x.type == V_STR || x.type == V_DICT || x.type == V_UNDEF || x.type == V_LIST || x.type == V_LOOP)

BUILTIN(t_equal)
{
	bool yes;

	UNUSED;
	return v_equal(r, x, a[0], &yes) < 0 ? -1 : say_so(out, yes);
}

BUILTIN(t_unequal)
{
	bool yes;

	UNUSED;
	return v_equal(r, x, a[0], &yes) < 0 ? -1 : say_so(out, !yes);
}

BUILTIN(t_less)
{
	bool yes;

	UNUSED;
	return v_less(r, x, a[0], &yes) < 0 ? -1 : say_so(out, yes);
}

BUILTIN(t_greater)
{
	bool yes;

	UNUSED;
	return v_less(r, a[0], x, &yes) < 0 ? -1 : say_so(out, yes);
}

BUILTIN(t_at_most)
{
	bool yes;

	UNUSED;
	return v_less(r, a[0], x, &yes) < 0 ? -1 : say_so(out, !yes);
}

BUILTIN(t_at_least)
{
	bool yes;

	UNUSED;
	return v_less(r, x, a[0], &yes) < 0 ? -1 : say_so(out, !yes);
}

BUILTIN(t_in)
{
	bool yes;

	UNUSED;
	return v_in(r, x, a[0], &yes) < 0 ? -1 : say_so(out, yes);
}

BUILTIN(t_sameas)
{
	bool yes;

	UNUSED;
	if (x.type != a[0].type)
		return say_so(out, false);
	if (x.type >= V_LIST)
		return say_so(out, x.list == a[0].list);
	if (x.type > V_BOOL)
		return err_set(ST_UNSUP, "'sameas' of numbers and strings is not supported");
	return v_equal(r, x, a[0], &yes) < 0 ? -1 : say_so(out, yes);
}

static int remainder_is(struct jrun *r, struct jval x, struct jval by, int64_t want, struct jval *out)
{
	struct jval m;
	double f;

	if (x.type == V_STR)
		return err_set(ST_BAD, "a string is neither even nor odd");
	if (v_binary(r, '%', x, by, &m) < 0 || !v_number(m, &f))
		return -1;
	return say_so(out, f == (double)want);
}

BUILTIN(t_even)
{
	UNUSED;
	return remainder_is(r, x, v_int(2), 0, out);
}

BUILTIN(t_odd)
{
	UNUSED;
	return remainder_is(r, x, v_int(2), 1, out);
}

BUILTIN(t_divisibleby)
{
	UNUSED;
	return remainder_is(r, x, a[0], 0, out);
}

static int of_case(struct jrun *r, struct jval x, const char *method, struct jval *out)
{
	if (v_text(r, x, &x) < 0)
		return -1;
	return jr_builtin(r, jm_find(x, method, 7), x, &(struct jargs){ 0 }, out);
}

BUILTIN(t_upper)
{
	UNUSED;
	return of_case(r, x, "isupper", out);
}

BUILTIN(t_lower)
{
	UNUSED;
	return of_case(r, x, "islower", out);
}

BUILTIN(t_filter)
{
	UNUSED;
	return say_so(out, x.type == V_STR && jf_find(x.s, x.n));
}

BUILTIN(t_test)
{
	UNUSED;
	return say_so(out, x.type == V_STR && jtest_find(x.s, x.n));
}

static const struct jbuiltin tests[] = {
	{ "defined", t_defined, "", 0 }, { "undefined", t_undefined, "", 0 }, { "none", t_none, "", 0 },
	{ "boolean", t_boolean, "", 0 }, { "true", t_true, "", 0 }, { "false", t_false, "", 0 },
	{ "integer", t_integer, "", 0 }, { "float", t_float, "", 0 }, { "number", t_number, "", 0 },
	{ "string", t_string, "", 0 }, { "mapping", t_mapping, "", 0 }, { "callable", t_callable, "", 0 },
	{ "escaped", t_escaped, "", 0 }, { "sequence", t_sequence, "", 0 }, { "iterable", t_iterable, "", 0 },
	{ "==", t_equal, "other", 1 }, { "eq", t_equal, "other", 1 }, { "equalto", t_equal, "other", 1 },
	{ "!=", t_unequal, "other", 1 }, { "ne", t_unequal, "other", 1 }, { "<", t_less, "other", 1 },
	{ "lt", t_less, "other", 1 }, { "lessthan", t_less, "other", 1 }, { ">", t_greater, "other", 1 },
	{ "gt", t_greater, "other", 1 }, { "greaterthan", t_greater, "other", 1 }, { "<=", t_at_most, "other", 1 },
	{ "le", t_at_most, "other", 1 }, { ">=", t_at_least, "other", 1 }, { "ge", t_at_least, "other", 1 },
	{ "in", t_in, "seq", 1 }, { "sameas", t_sameas, "other", 1 }, { "even", t_even, "", 0 },
	{ "odd", t_odd, "", 0 }, { "divisibleby", t_divisibleby, "num", 1 }, { "upper", t_upper, "", 0 },
	{ "lower", t_lower, "", 0 }, { "filter", t_filter, "", 0 }, { "test", t_test, "", 0 },
};

const struct jbuiltin *jtest_find(const char *name, size_t n)
{
	return ROW_OF(tests, name, n);
}

int jtest_apply(struct jrun *r, const char *name, size_t n, struct jval x, const struct jargs *args, bool *out)
{
	const struct jbuiltin *b = jtest_find(name, n);
	struct jval v;

	if (!b)
		return err_set(ST_UNSUP, "the test '%.*s' is not supported", clip(n), name);
	if (jr_builtin(r, b, x, args, &v) < 0)
		return -1;
	*out = v_true(v);
	return 0;
}
