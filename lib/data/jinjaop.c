/* Arithmetic of a template, and strings by '+', '*' and '%'. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int mismatch(const char *op, struct jval a, struct jval b)
{
	if (v_need(a) < 0 || v_need(b) < 0)
		return -1;
	return err_set(ST_BAD, "'%s' of '%s' and '%s'", op, v_type(a), v_type(b));
}

/* Markup: what is joined to it is escaped. */
static int escaped(struct jrun *r, struct jval v, struct bytes *out)
{
	static const struct { char c; const char *to; } esc[] = {
		{ '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&#34;" }, { '\'', "&#39;" },
	};

	if (v.safe)
		return v_print(r, v, out);
	if (jr_work(r, v.n) < 0)
		return -1;
	for (size_t i = 0; i < v.n; i++) {
		const char *to = NULL;

		for (size_t k = 0; k < sizeof(esc) / sizeof(*esc); k++)
			if (esc[k].c == v.s[i])
				to = esc[k].to;
		if (to)
			bytes_put(out, to, strlen(to));
		else
			bytes_put(out, v.s + i, 1);
	}
	return 0;
}

int v_escape(struct jrun *r, struct jval v, struct jval *out)
{
	struct bytes b = { 0 };
	struct jval text;
	int rc = v_text(r, v, &text);

	if (rc == 0)
		rc = escaped(r, text, &b);
	if (rc == 0)
		rc = jr_str(r, b.p ? b.p : "", b.n, out);
	out->safe = true;
	bytes_free(&b);
	return rc;
}

static int join(struct jrun *r, struct jval a, struct jval b, struct jval *out)
{
	char *s;
	bool safe = a.safe || b.safe;

	if (safe && ((!a.safe && v_escape(r, a, &a) < 0) || (!b.safe && v_escape(r, b, &b) < 0)))
		return -1;
	if (jr_work(r, a.n + b.n) < 0 || !(s = jr_alloc(r, a.n + b.n + 1)))
		return -1;
	if (a.n)
		memcpy(s, a.s, a.n);
	if (b.n)
		memcpy(s + a.n, b.s, b.n);
	*out = v_strn(s, a.n + b.n);
	out->safe = safe;
	return 0;
}

static int too_large(void)
{
	return err_set(ST_UNSUP, "numbers beyond 64 bits are not supported");
}

static bool whole(struct jval v)
{
	return v.type == V_INT || v.type == V_BOOL;
}

int v_add(struct jrun *r, struct jval a, struct jval b, struct jval *out)
{
	double x, y;
	int64_t i;

	if (a.type == V_STR && b.type == V_STR)
		return join(r, a, b, out);
	if (whole(a) && whole(b)) {
		if (__builtin_add_overflow(a.i, b.i, &i))
			return too_large();
		*out = v_int(i);
		return 0;
	}
	if (v_number(a, &x) && v_number(b, &y)) {
		*out = v_float(x + y);
		return 0;
	}
	if (a.type == V_LIST && b.type == V_LIST && a.list->kind == b.list->kind && a.list->kind <= L_TUPLE) {
		size_t n = a.list->n, k = b.list->n;

		if (jr_list(r, a.list->kind, n + k, out) < 0)
			return -1;
		if (n)
			memcpy(out->list->v, a.list->v, n * sizeof(*a.list->v));
		if (k)
			memcpy(out->list->v + n, b.list->v, k * sizeof(*b.list->v));
		return 0;
	}
	return mismatch("+", a, b);
}

static int repeat(struct jrun *r, struct jval v, int64_t k, struct jval *out)
{
	size_t n = v.type == V_STR ? v.n : v.list->n, all;
	char *s;

	if (k < 0)
		k = 0;
	if (__builtin_mul_overflow(n, (size_t)k, &all) || all > JINJA_MEMORY)
		return err_set(ST_UNSUP, "a repetition of %lld times", (long long)k);
	if (v.type == V_LIST) {
		if (jr_list(r, v.list->kind, all, out) < 0)
			return -1;
		for (size_t i = 0; i < all; i++)
			out->list->v[i] = v.list->v[i % n];
		return 0;
	}
	if (!(s = jr_alloc(r, all + 1)))
		return -1;
	for (size_t i = 0; i < all; i += n)
		memcpy(s + i, v.s, n);
	*out = v_strn(s, all);
	out->safe = v.safe;
	return 0;
}

static int power(int64_t a, int64_t b, struct jval *out)
{
	int64_t p = 1;

	if (b < 0) {
		if (!a)
			return err_set(ST_BAD, "division by zero");
		*out = v_float(pow((double)a, (double)b));
		return 0;
	}
	for (; b; b >>= 1) {
		if ((b & 1) && __builtin_mul_overflow(p, a, &p))
			return too_large();
		if (b > 1 && __builtin_mul_overflow(a, a, &a))
			return too_large();
	}
	*out = v_int(p);
	return 0;
}

/* Division rounds down, and a remainder has the divisor's sign. */
static int int_op(int op, int64_t a, int64_t b, struct jval *out)
{
	int64_t v;

	switch (op) {
	case '-':
		if (__builtin_sub_overflow(a, b, &v))
			return too_large();
		break;
	case '*':
		if (__builtin_mul_overflow(a, b, &v))
			return too_large();
		break;
	case OP2('*', '*'):
		return power(a, b, out);
	default:
		if (!b)
			return err_set(ST_BAD, "division by zero");
		if (a == INT64_MIN && b == -1)
			return too_large();
		if (op == '/') {
			*out = v_float((double)a / (double)b);
			return 0;
		}
		v = op == '%' ? a % b : a / b;
		if (a % b && (a % b < 0) != (b < 0))
			v += op == '%' ? b : -1;
		break;
	}
	*out = v_int(v);
	return 0;
}

static int float_op(int op, double x, double y, struct jval *out)
{
	double m;

	switch (op) {
	case '-':
		x -= y;
		break;
	case '*':
		x *= y;
		break;
	case OP2('*', '*'):
		if (x < 0 && y != floor(y))
			return err_set(ST_UNSUP, "complex numbers are not supported");
		if (x == 0 && y < 0)
			return err_set(ST_BAD, "division by zero");
		x = pow(x, y);
		break;
	default:
		if (y == 0)
			return err_set(ST_BAD, "division by zero");
		m = fmod(x, y);
		if (op == '/')
			x /= y;
		else if (op == '%')
			x = m == 0 ? copysign(0, y) : (m < 0) != (y < 0) ? m + y : m;
		else
			x = floor((x - m) / y + 0.5) - ((m < 0) != (y < 0) && m != 0);
		break;
	}
	*out = v_float(x);
	return 0;
}

/* '%s and %d' % (a, b): plain conversions only. */
static int format(struct jrun *r, struct jval f, struct jval arg, struct jval *out)
{
	struct bytes b = { 0 };
	bool tuple = arg.type == V_LIST && arg.list->kind == L_TUPLE;
	const struct jval *v = tuple ? arg.list->v : &arg;
	size_t n = tuple ? arg.list->n : 1, k = 0;
	int rc = jr_work(r, f.n);

	for (size_t i = 0; i < f.n && rc == 0; i++) {
		char c = i + 1 < f.n ? f.s[i + 1] : 0;
		struct jval x;

		if (f.s[i] != '%') {
			bytes_put(&b, f.s + i, 1);
			continue;
		}
		i++;
		if (c == '%') {
			bytes_put(&b, "%", 1);
			continue;
		}
		if (!c || !strchr("sdir", c)) {
			rc = err_set(ST_UNSUP, "the conversion '%%%c' is not supported", c ? c : '?');
			break;
		}
		if (k == n) {
			rc = err_set(ST_BAD, "too few values for the format");
			break;
		}
		x = v[k++];
		if (c == 'r')
			rc = v_repr(r, x, &b);
		else if (c == 's')
			rc = v_print(r, x, &b);
		else if (!whole(x))
			rc = x.type == V_FLOAT ? err_set(ST_UNSUP, "the conversion '%%%c' of a float is not supported", c) :
			     mismatch("%", f, x);
		else
			rc = v_print(r, v_int(x.i), &b);
	}
	if (rc == 0 && k < n && (tuple || (arg.type != V_DICT && arg.type != V_LIST)))
		rc = err_set(ST_BAD, "too many values for the format");
	return jr_bytes(r, rc, &b, out);
}

int v_binary(struct jrun *r, int op, struct jval a, struct jval b, struct jval *out)
{
	char name[3] = { op > 255 ? (char)(op >> 8) : (char)op, op > 255 ? (char)op : 0, 0 };
	double x, y;

	if (op == '+')
		return v_add(r, a, b, out);
	if (whole(a) && whole(b))
		return int_op(op, a.i, b.i, out);
	if (v_number(a, &x) && v_number(b, &y))
		return float_op(op, x, y, out);
	if (op == '*' && whole(b) && (a.type == V_STR || (a.type == V_LIST && a.list->kind <= L_TUPLE)))
		return repeat(r, a, b.i, out);
	if (op == '*' && whole(a) && (b.type == V_STR || (b.type == V_LIST && b.list->kind <= L_TUPLE)))
		return repeat(r, b, a.i, out);
	if (op == '%' && a.type == V_STR && b.type != V_UNDEF) {
		if (a.safe)
			return err_set(ST_UNSUP, "'%%' of a safe string is not supported");
		return format(r, a, b, out);
	}
	return mismatch(name, a, b);
}
