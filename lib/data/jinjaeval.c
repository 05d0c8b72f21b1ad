/* Expressions of a template at work, calls, and the functions that every template has. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* --- calls --- */

/* Arguments to their places.  a[] is MAX_PARAMS long. */
static int bind(const struct jbuiltin *b, const struct jargs *args, struct jval *a)
{
	const char *p = b->params;
	size_t used = 0, i;

	for (i = 0; i < MAX_PARAMS; i++)
		a[i] = (struct jval){ .type = V_ABSENT };
	for (i = 0; *p; i++) {
		size_t n = strcspn(p, "|");

		if (i < args->n)
			a[i] = args->v[i];
		for (size_t k = 0; k < args->nk; k++) {
			if (args->k[k].n != n || memcmp(args->k[k].s, p, n))
				continue;
			if (i < args->n)
				return err_set(ST_BAD, "'%s' is given '%.*s' twice", b->name, (int)n, p);
			a[i] = args->k[k].v;
			used++;
		}
		p += n + (p[n] == '|');
	}
	if (args->n > i || used < args->nk)
		return err_set(ST_BAD, "'%s' is given arguments it does not take", b->name);
	for (int k = 0; k < b->need; k++)
		if (a[k].type == V_ABSENT)
			return err_set(ST_BAD, "'%s' is given too few arguments", b->name);
	return 0;
}

int jr_builtin(struct jrun *r, const struct jbuiltin *b, struct jval x, const struct jargs *args, struct jval *out)
{
	struct jval a[MAX_PARAMS];
	int rc;

	if (b->params && bind(b, args, a) < 0)
		return -1;
	if (++r->calls > JINJA_CALLS)
		return err_set(ST_UNSUP, "calls nested too deep");
	if (jr_work(r, 0) < 0)
		return -1;
	rc = b->fn(r, x, a, args, out);
	r->calls--;
	return rc;
}

int jr_call(struct jrun *r, struct jval f, const struct jargs *args, struct jval *out)
{
	if (v_need(f) < 0)
		return -1;
	if (f.type != V_FUNC)
		return err_set(ST_BAD, "a '%s' cannot be called", v_type(f));
	if (f.func->b)
		return jr_builtin(r, f.func->b, f.func->self, args, out);
	return jr_macro(r, f.func, args, out);
}

/* The arguments in list, and room for one more by name. */
static int arguments(struct jrun *r, const struct jn *list, struct jargs *args, struct jkey **more)
{
	size_t n = 0, nk = 0;
	struct jval *v;
	struct jkey *k;

	for (const struct jn *e = list; e; e = e->next)
		*(e->kind == E_KEYWORD ? &nk : &n) += 1;
	v = jr_alloc(r, n * sizeof(*v) + (nk + 1) * sizeof(*k));
	if (!v)
		return -1;
	k = (struct jkey *)(v + n);
	*args = (struct jargs){ v, n, k, nk };
	for (const struct jn *e = list; e; e = e->next) {
		if (e->kind != E_KEYWORD) {
			if (jr_eval(r, e, v++) < 0)
				return -1;
			continue;
		}
		k->s = e->val.s;
		k->n = e->val.n;
		for (const struct jkey *o = args->k; o < k; o++)
			if (o->s == k->s)
				return err_set(ST_BAD, "argument '%s' is given twice", k->s);
		if (jr_eval(r, e->a, &k->v) < 0)
			return -1;
		k++;
	}
	*more = k;
	return 0;
}

static int call(struct jrun *r, const struct jn *e, struct jval *out)
{
	bool block = r->call == e;
	struct jval f, caller = r->caller;
	struct jargs args;
	struct jkey *more;

	r->call = NULL;
	if (jr_eval(r, e->a, &f) < 0 || arguments(r, e->list, &args, &more) < 0)
		return -1;
	if (block) {
		*more = (struct jkey){ "caller", 6, caller };
		args.nk++;
	}
	return jr_call(r, f, &args, out);
}

/* --- functions --- */

BUILTIN(g_raise)
{
	struct jval text;
	char line[300];
	size_t n = 0;

	UNUSED;
	if (v_text(r, a[0], &text) < 0)
		return -1;
	for (size_t i = 0; i < text.n && n < sizeof(line) - 8; i++)
		line[n++] = (unsigned char)text.s[i] < ' ' ? ' ' : text.s[i];
	while (n && (line[n - 1] == '.' || line[n - 1] == ' '))
		n--;
	line[utf8_valid(line, n)] = '\0';
	return err_set(ST_BAD, "the template refuses it: %s", line);
}

bool jinja_date(const char *s)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y, m, d, n = 0;

	if (strlen(s) != 10 || strspn(s, "0123456789-") != 10 || sscanf(s, "%4d-%2d-%2d%n", &y, &m, &d, &n) != 3 || n != 10)
		return false;
	return y > 0 && m > 0 && m <= 12 && d > 0 && d <= days[m - 1] &&
	       (m != 2 || d < 29 || (y % 4 == 0 && (y % 100 || y % 400 == 0)));
}

BUILTIN(g_strftime)
{
	char text[512], format[128];
	struct tm tm = { .tm_isdst = 0 };
	size_t n;

	UNUSED;
	if (!r->date)
		return err_set(ST_UNSUP, "the template asks for the date, and none is given");
	if (a[0].type != V_STR || a[0].n >= sizeof(format) - 1)
		return err_set(ST_BAD, "'strftime_now' of a '%s'", v_type(a[0]));
	sscanf(r->date, "%d-%d-%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	timegm(&tm);                    /* fills in the day of the week */
	/* with a character more, that an empty result is not taken for one too long */
	snprintf(format, sizeof(format), "%.*s.", (int)a[0].n, a[0].s);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = strftime(text, sizeof(text), format, &tm);
#pragma GCC diagnostic pop
	if (!n)
		return err_set(ST_UNSUP, "a date of more than %zu bytes", sizeof(text));
	return jr_str(r, text, n - 1, out);
}

BUILTIN(g_namespace)
{
	struct jdict *d = jr_alloc(r, sizeof(*d));

	UNUSED;
	if (!d)
		return -1;
	*d = (struct jdict){ 0 };
	if (raw->n > 1 || (raw->n && raw->v[0].type != V_DICT))
		return err_set(ST_BAD, "'namespace' takes names and values");
	for (size_t i = 0; raw->n && i < raw->v[0].dict->n; i++)
		if (v_put(r, d, raw->v[0].dict->v[i].k, raw->v[0].dict->v[i].v) < 0)
			return -1;
	for (size_t i = 0; i < raw->nk; i++)
		if (v_put(r, d, v_strn(raw->k[i].s, raw->k[i].n), raw->k[i].v) < 0)
			return -1;
	*out = (struct jval){ .type = V_SPACE, .dict = d };
	return 0;
}

BUILTIN(g_dict)
{
	if (raw->n && raw->v[0].type != V_DICT)
		return err_set(ST_UNSUP, "'dict' of a '%s' is not supported", v_type(raw->v[0]));
	if (g_namespace(r, x, a, raw, out) < 0)
		return -1;
	out->type = V_DICT;
	return 0;
}

BUILTIN(g_range)
{
	enum { MOST = 100000 };         /* as in the sandbox that templates run in elsewhere */
	int64_t b = 0, e, step = 1, n;

	UNUSED;
	for (int i = 0; i < 3; i++)
		if (a[i].type != V_ABSENT && a[i].type != V_INT && a[i].type != V_BOOL)
			return err_set(ST_BAD, "'range' of a '%s'", v_type(a[i]));
	e = a[0].i;
	if (a[1].type != V_ABSENT) {
		b = a[0].i;
		e = a[1].i;
	}
	if (a[2].type != V_ABSENT)
		step = a[2].i;
	if (!step || step < INT32_MIN || step > INT32_MAX || b < INT32_MIN || b > INT32_MAX || e < INT32_MIN || e > INT32_MAX)
		return err_set(ST_BAD, "'range' of numbers that are too large, or of step 0");
	n = step > 0 ? (e - b + step - 1) / step : (b - e - step - 1) / -step;
	if (n < 0)
		n = 0;
	if (n > MOST)
		return err_set(ST_BAD, "a range of more than %d", MOST);
	if (jr_list(r, L_RANGE, (size_t)n, out) < 0)
		return -1;
	for (int64_t i = 0; i < n; i++)
		out->list->v[i] = v_int(b + i * step);
	return 0;
}

static const struct jbuiltin globals[] = {
	{ "raise_exception", g_raise, "message", 1 }, { "strftime_now", g_strftime, "format", 1 },
	{ "namespace", g_namespace, NULL, 0 }, { "dict", g_dict, NULL, 0 }, { "range", g_range, "start|stop|step", 1 },
};

/* --- expressions --- */

static int name(struct jrun *r, const struct jn *e, struct jval *out)
{
	const struct jval *v = jr_find(r, e->val.s);

	if (v) {
		*out = *v;
		return 0;
	}
	*out = v_undef(e->val.s, e->val.n);
	for (size_t i = 0; i < sizeof(globals) / sizeof(*globals); i++)
		if (!strcmp(globals[i].name, e->val.s)) {
			struct jfunc *f = jr_alloc(r, sizeof(*f));

			if (!f)
				return -1;
			*f = (struct jfunc){ .b = &globals[i] };
			*out = (struct jval){ .type = V_FUNC, .func = f };
		}
	if (out->type == V_UNDEF && (!strcmp(e->val.s, "joiner") || !strcmp(e->val.s, "cycler") ||
	                             !strcmp(e->val.s, "lipsum")))
		return err_set(ST_UNSUP, "'%s' is not supported", e->val.s);
	return 0;
}

static int display(struct jrun *r, const struct jn *e, struct jval *out)
{
	size_t n = 0;
	struct jval k, v;

	if (e->kind == E_DICT) {
		*out = (struct jval){ .type = V_DICT, .dict = jr_alloc(r, sizeof(*out->dict)) };
		if (!out->dict)
			return -1;
		*out->dict = (struct jdict){ 0 };
		for (const struct jn *x = e->list; x; x = x->next->next)
			if (jr_eval(r, x, &k) < 0 || jr_eval(r, x->next, &v) < 0 || v_put(r, out->dict, k, v) < 0)
				return -1;
		return 0;
	}
	for (const struct jn *x = e->list; x; x = x->next)
		n++;
	if (jr_list(r, e->kind == E_TUPLE ? L_TUPLE : L_LIST, n, out) < 0)
		return -1;
	n = 0;
	for (const struct jn *x = e->list; x; x = x->next)
		if (jr_eval(r, x, &out->list->v[n++]) < 0)
			return -1;
	return 0;
}

static int item(struct jrun *r, const struct jn *e, struct jval *out)
{
	const struct jn *part[3];
	struct jval x, key, abc[3];

	if (jr_eval(r, e->a, &x) < 0)
		return -1;
	if (e->b->kind != E_SLICE)
		return jr_eval(r, e->b, &key) < 0 ? -1 : v_item(r, x, key, out);
	part[0] = e->b->a;
	part[1] = e->b->b;
	part[2] = e->b->c;
	for (int i = 0; i < 3; i++) {
		abc[i] = (struct jval){ .type = V_NONE };
		if (part[i] && jr_eval(r, part[i], &abc[i]) < 0)
			return -1;
	}
	return v_slice(r, x, abc, out);
}

static int compare(struct jrun *r, const struct jn *e, struct jval *out)
{
	struct jval a, b;
	bool yes = true;

	if (jr_eval(r, e->a, &a) < 0)
		return -1;
	for (const struct jn *x = e->list; x && yes; x = x->next, a = b) {
		int rc;

		if (jr_eval(r, x->a, &b) < 0)
			return -1;
		switch (x->op) {
		case OP2('=', '='): case OP2('!', '='):
			rc = v_equal(r, a, b, &yes);
			break;
		case 'i': case 'n':
			rc = v_in(r, a, b, &yes);
			break;
		case '<': case OP2('>', '='):
			rc = v_less(r, a, b, &yes);
			break;
		default:
			rc = v_less(r, b, a, &yes);
			break;
		}
		if (rc < 0)
			return -1;
		if (x->op == OP2('!', '=') || x->op == 'n' || x->op == OP2('>', '=') || x->op == OP2('<', '='))
			yes = !yes;
	}
	*out = v_bool(yes);
	return 0;
}

static int concat(struct jrun *r, const struct jn *e, struct jval *out)
{
	struct bytes b = { 0 };
	struct jval v;
	int rc = 0;

	for (const struct jn *x = e->list; x && rc == 0; x = x->next) {
		rc = jr_eval(r, x, &v);
		if (rc == 0)
			rc = v_print(r, v, &b);
	}
	return jr_bytes(r, rc, &b, out);
}

static int apply(struct jrun *r, const struct jn *e, struct jval *out)
{
	struct jval x = r->base;
	struct jargs args;
	struct jkey *more;
	bool yes;

	if ((e->a && jr_eval(r, e->a, &x) < 0) || arguments(r, e->list, &args, &more) < 0)
		return -1;
	if (e->kind == E_FILTER)
		return jf_apply(r, e->val.s, e->val.n, x, &args, out);
	if (jtest_apply(r, e->val.s, e->val.n, x, &args, &yes) < 0)
		return -1;
	*out = v_bool(yes != e->flag);
	return 0;
}

static int sign(struct jrun *r, const struct jn *e, struct jval *out)
{
	struct jval v;

	if (jr_eval(r, e->a, &v) < 0)
		return -1;
	if (v.type == V_FLOAT) {
		*out = v_float(e->kind == E_NEG ? -v.f : v.f);
		return 0;
	}
	if (v.type == V_INT || v.type == V_BOOL)
		return v_binary(r, e->kind == E_NEG ? '-' : '+', v_int(0), v_int(v.i), out);
	return v_need(v) < 0 ? -1 : err_set(ST_BAD, "the negative of a '%s'", v_type(v));
}

static int eval(struct jrun *r, const struct jn *e, struct jval *out)
{
	struct jval v;

	switch (e->kind) {
	case E_CONST:
		*out = e->val;
		return 0;
	case E_NAME:
		return name(r, e, out);
	case E_LIST: case E_TUPLE: case E_DICT:
		return display(r, e, out);
	case E_ATTR:
		return jr_eval(r, e->a, &v) < 0 ? -1 : v_attr(r, v, e->val.s, e->val.n, out);
	case E_ITEM:
		return item(r, e, out);
	case E_CALL:
		return call(r, e, out);
	case E_FILTER: case E_TEST:
		return apply(r, e, out);
	case E_NOT:
		if (jr_eval(r, e->a, &v) < 0)
			return -1;
		*out = v_bool(!v_true(v));
		return 0;
	case E_NEG: case E_POS:
		return sign(r, e, out);
	case E_BIN:
		return jr_eval(r, e->a, &v) < 0 || jr_eval(r, e->b, out) < 0 ? -1 : v_binary(r, e->op, v, *out, out);
	case E_AND: case E_OR:
		if (jr_eval(r, e->a, out) < 0)
			return -1;
		return v_true(*out) == (e->kind == E_AND) ? jr_eval(r, e->b, out) : 0;
	case E_CMP:
		return compare(r, e, out);
	case E_IF:
		if (jr_eval(r, e->a, &v) < 0)
			return -1;
		if (v_true(v))
			return jr_eval(r, e->b, out);
		*out = v_undef("the value of an 'if' without 'else'", 35);
		return e->c ? jr_eval(r, e->c, out) : 0;
	case E_CONCAT:
		return concat(r, e, out);
	default:
		return err_set(ST_BAD, "not an expression");
	}
}

int jr_eval(struct jrun *r, const struct jn *e, struct jval *out)
{
	int rc;

	if (++r->calls > JINJA_CALLS)
		return err_set(ST_UNSUP, "calls nested too deep");
	if (jr_work(r, 0) < 0)
		return -1;
	rc = eval(r, e, out);
	r->calls--;
	return rc;
}
