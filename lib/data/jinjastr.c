/* The methods of strings in a template, as in Python.  Those that look at the class of characters are in jinjacase.c. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <string.h>

static int need_str(struct jval v)
{
	if (v.type == V_STR)
		return 0;
	return v_need(v) < 0 ? -1 : err_set(ST_BAD, "a '%s' where a string should be", v_type(v));
}

/* Slices of the same text stay as safe as it was. */
static int part(struct jval x, size_t b, size_t e, struct jval *out)
{
	*out = v_strn(x.s + b, e - b);
	out->safe = x.safe;
	return 0;
}

/* --- strip, split --- */

static bool stripped(const char *s, int len, struct jval chars)
{
	if (!v_given(chars)) {
		int k;

		return v_space(utf8_get(s, &k));
	}
	return chars.n >= (size_t)len && memmem(chars.s, chars.n, s, (size_t)len);
}

static int strip(struct jrun *r, struct jval x, struct jval chars, bool left, bool right, struct jval *out)
{
	size_t b = 0, e = x.n, prev;
	int len;

	if ((v_given(chars) && need_str(chars) < 0) || jr_work(r, x.n) < 0)
		return -1;
	while (left && b < e && (utf8_get(x.s + b, &len), stripped(x.s + b, len, chars)))
		b += (size_t)len;
	while (right && e > b && (prev = utf8_prev(x.s, e), stripped(x.s + prev, (int)(e - prev), chars)))
		e = prev;
	return part(x, b, e, out);
}

BUILTIN(s_strip)
{
	UNUSED;
	return strip(r, x, a[0], true, true, out);
}

BUILTIN(s_lstrip)
{
	UNUSED;
	return strip(r, x, a[0], true, false, out);
}

BUILTIN(s_rstrip)
{
	UNUSED;
	return strip(r, x, a[0], false, true, out);
}

/* Pieces gather in a list that doubles. */
struct pieces {
	struct jval *v;
	size_t n, cap;
};

static int add_piece(struct jrun *r, struct pieces *p, struct jval x, size_t b, size_t e)
{
	struct jval *grown = jr_grow(r, p->v, p->n, &p->cap, 8, sizeof(*p->v));

	if (!grown)
		return -1;
	p->v = grown;
	return part(x, b, e, &p->v[p->n++]);
}

static int give_pieces(struct jrun *r, const struct pieces *p, bool backwards, struct jval *out)
{
	if (jr_list(r, L_LIST, p->n, out) < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++)
		out->list->v[i] = p->v[backwards ? p->n - 1 - i : i];
	return 0;
}

/* At white space: runs of it part, and none begins or ends a piece, but the last of `max`. */
static int split_space(struct jrun *r, struct jval x, int64_t max, struct jval *out)
{
	struct pieces p = { 0 };
	size_t b = 0, e;
	int len;

	for (;;) {
		while (b < x.n && v_space(utf8_get(x.s + b, &len)))
			b += (size_t)len;
		if (b == x.n)
			break;
		if (max >= 0 && (int64_t)p.n == max) {
			if (add_piece(r, &p, x, b, x.n) < 0)
				return -1;
			break;
		}
		for (e = b; e < x.n && !v_space(utf8_get(x.s + e, &len)); e += (size_t)len)
			;
		if (add_piece(r, &p, x, b, e) < 0)
			return -1;
		b = e;
	}
	return give_pieces(r, &p, false, out);
}

static int split_args(struct jrun *r, struct jval x, const struct jval *a, int64_t *max)
{
	*max = -1;
	if (a[1].type == V_INT)
		*max = a[1].i;
	else if (a[1].type != V_ABSENT)
		return err_set(ST_BAD, "'split' up to a '%s'", v_type(a[1]));
	if (!v_given(a[0]))
		return jr_work(r, x.n);
	if (need_str(a[0]) < 0)
		return -1;
	return a[0].n ? jr_work(r, x.n) : err_set(ST_BAD, "'split' at an empty string");
}

BUILTIN(s_split)
{
	struct pieces p = { 0 };
	size_t b = 0;
	const char *hit;
	int64_t max;

	UNUSED;
	if (split_args(r, x, a, &max) < 0)
		return -1;
	if (!v_given(a[0]))
		return split_space(r, x, max, out);
	while ((max < 0 || (int64_t)p.n < max) && (hit = memmem(x.s + b, x.n - b, a[0].s, a[0].n))) {
		if (add_piece(r, &p, x, b, (size_t)(hit - x.s)) < 0)
			return -1;
		b = (size_t)(hit - x.s) + a[0].n;
	}
	return add_piece(r, &p, x, b, x.n) < 0 ? -1 : give_pieces(r, &p, false, out);
}

BUILTIN(s_rsplit)
{
	struct pieces p = { 0 };
	size_t e = x.n, at;
	int64_t max;

	UNUSED;
	if (split_args(r, x, a, &max) < 0)
		return -1;
	if (!v_given(a[0]))
		return max < 0 ? split_space(r, x, max, out) :
		       err_set(ST_UNSUP, "'rsplit' at white space up to a number is not supported");
	for (at = e >= a[0].n ? e - a[0].n + 1 : 0; at-- > 0 && (max < 0 || (int64_t)p.n < max);) {
		if (memcmp(x.s + at, a[0].s, a[0].n))
			continue;
		if (add_piece(r, &p, x, at + a[0].n, e) < 0)
			return -1;
		e = at;
		if (at < a[0].n)
			break;
		at -= a[0].n - 1;
	}
	return add_piece(r, &p, x, 0, e) < 0 ? -1 : give_pieces(r, &p, true, out);
}

static bool line_end(uint32_t c)
{
	return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

BUILTIN(s_splitlines)
{
	struct pieces p = { 0 };
	size_t b = 0, e = 0;
	int len;

	UNUSED;
	if (jr_work(r, x.n) < 0)
		return -1;
	while (e < x.n) {
		size_t end = e;
		uint32_t c = utf8_get(x.s + e, &len);

		e += (size_t)len;
		if (!line_end(c))
			continue;
		if (c == '\r' && e < x.n && x.s[e] == '\n')
			e++;
		if (add_piece(r, &p, x, b, v_given(a[0]) && v_true(a[0]) ? e : end) < 0)
			return -1;
		b = e;
	}
	if (b < x.n && add_piece(r, &p, x, b, x.n) < 0)
		return -1;
	return give_pieces(r, &p, false, out);
}

static int partition(struct jrun *r, struct jval x, struct jval at, bool last, struct jval *out)
{
	const char *hit = NULL, *h;

	if (need_str(at) < 0 || jr_work(r, x.n) < 0 || jr_list(r, L_TUPLE, 3, out) < 0)
		return -1;
	if (!at.n)
		return err_set(ST_BAD, "'partition' at an empty string");
	for (size_t b = 0; (h = memmem(x.s + b, x.n - b, at.s, at.n)); b = (size_t)(h - x.s) + 1) {
		hit = h;
		if (!last)
			break;
	}
	for (int i = 0; i < 3; i++)
		out->list->v[i] = STR("");
	if (!hit) {
		out->list->v[last ? 2 : 0] = x;
		return 0;
	}
	part(x, 0, (size_t)(hit - x.s), &out->list->v[0]);
	out->list->v[1] = at;
	return part(x, (size_t)(hit - x.s) + at.n, x.n, &out->list->v[2]);
}

BUILTIN(s_partition)
{
	UNUSED;
	return partition(r, x, a[0], false, out);
}

BUILTIN(s_rpartition)
{
	UNUSED;
	return partition(r, x, a[0], true, out);
}

/* --- search --- */

/* Whether x begins (or ends) with one of them. */
static int starts(struct jrun *r, struct jval x, struct jval with, bool end, struct jval *out)
{
	struct jval *v = &with;
	size_t n = 1;
	bool yes = false;

	if (with.type == V_LIST && with.list->kind == L_TUPLE) {
		v = with.list->v;
		n = with.list->n;
	}
	for (size_t i = 0; i < n; i++) {
		if (need_str(v[i]) < 0 || jr_work(r, v[i].n) < 0)
			return -1;
		yes |= v[i].n <= x.n && !memcmp(end ? x.s + x.n - v[i].n : x.s, v[i].s, v[i].n);
	}
	*out = v_bool(yes);
	return 0;
}

BUILTIN(s_startswith)
{
	UNUSED;
	return starts(r, x, a[0], false, out);
}

BUILTIN(s_endswith)
{
	UNUSED;
	return starts(r, x, a[0], true, out);
}

static int without(struct jrun *r, struct jval x, struct jval s, bool end, struct jval *out)
{
	struct jval yes;

	if (starts(r, x, s, end, &yes) < 0)
		return -1;
	if (!yes.i)
		return part(x, 0, x.n, out);
	return end ? part(x, 0, x.n - s.n, out) : part(x, s.n, x.n, out);
}

BUILTIN(s_removeprefix)
{
	UNUSED;
	return without(r, x, a[0], false, out);
}

BUILTIN(s_removesuffix)
{
	UNUSED;
	return without(r, x, a[0], true, out);
}

static int find(struct jrun *r, struct jval x, struct jval what, bool last, struct jval *out)
{
	const char *h;
	int64_t at = -1;

	if (need_str(what) < 0 || jr_work(r, x.n) < 0)
		return -1;
	if (last && !what.n)
		at = (int64_t)v_chars(x.s, x.n);
	else
		for (size_t b = 0; b <= x.n && (h = memmem(x.s + b, x.n - b, what.s, what.n)); b = (size_t)(h - x.s) + 1) {
			at = (int64_t)(h - x.s);
			if (!last)
				break;
		}
	if (at > 0 && what.n)
		at = (int64_t)v_chars(x.s, (size_t)at);
	*out = v_int(at);
	return 0;
}

BUILTIN(s_find)
{
	UNUSED;
	return find(r, x, a[0], false, out);
}

BUILTIN(s_rfind)
{
	UNUSED;
	return find(r, x, a[0], true, out);
}

BUILTIN(s_index)
{
	UNUSED;
	if (find(r, x, a[0], false, out) < 0)
		return -1;
	return out->i < 0 ? err_set(ST_BAD, "'index' of what is not there") : 0;
}

BUILTIN(s_count)
{
	int64_t k = 0;

	UNUSED;
	if (need_str(a[0]) < 0 || jr_work(r, x.n) < 0)
		return -1;
	if (!a[0].n)
		k = (int64_t)v_chars(x.s, x.n) + 1;
	else
		for (const char *p = x.s, *h; (h = memmem(p, x.n - (size_t)(p - x.s), a[0].s, a[0].n)); p = h + a[0].n)
			k++;
	*out = v_int(k);
	return 0;
}

BUILTIN(s_replace)
{
	struct bytes b = { 0 };
	int64_t left = a[2].type == V_INT ? a[2].i : -1;
	size_t at = 0;
	int rc = 0, len;

	UNUSED;
	if (need_str(a[0]) < 0 || need_str(a[1]) < 0)
		return -1;
	while (rc == 0 && left && at <= x.n) {
		const char *h = memmem(x.s + at, x.n - at, a[0].s, a[0].n);
		size_t hit = h ? (size_t)(h - x.s) : 0;

		if (!h)
			break;
		left -= left > 0;
		rc = v_print(r, v_strn(x.s + at, hit - at), &b);
		if (rc == 0)
			rc = v_print(r, a[1], &b);
		at = hit + a[0].n;
		if (!a[0].n) {          /* between any two characters */
			if (at == x.n) {
				at++;
				break;
			}
			utf8_get(x.s + at, &len);
			bytes_put(&b, x.s + at, (size_t)len);
			at += (size_t)len;
		}
	}
	if (rc == 0 && at < x.n)
		rc = v_print(r, v_strn(x.s + at, x.n - at), &b);
	return jr_bytes(r, rc, &b, out);
}

BUILTIN(s_join)
{
	struct bytes b = { 0 };
	struct jval *v;
	size_t n;
	int rc = 0;

	UNUSED;
	if (v_iter(r, a[0], &v, &n) < 0)
		return -1;
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = need_str(v[i]);
		if (rc == 0 && i)
			rc = v_print(r, x, &b);
		if (rc == 0)
			rc = v_print(r, v[i], &b);
	}
	return jr_bytes(r, rc, &b, out);
}

#define S(name, params, need) { #name, s_##name, params, need }
static const struct jbuiltin of_str[] = {
	S(strip, "chars", 0), S(lstrip, "chars", 0), S(rstrip, "chars", 0), S(split, "sep|maxsplit", 0),
	S(rsplit, "sep|maxsplit", 0), S(splitlines, "keepends", 0), S(partition, "sep", 1), S(rpartition, "sep", 1),
	S(startswith, "prefix", 1), S(endswith, "suffix", 1), S(removeprefix, "prefix", 1),
	S(removesuffix, "suffix", 1), S(find, "sub", 1), S(rfind, "sub", 1), S(index, "sub", 1), S(count, "sub", 1),
	S(replace, "old|new|count", 2), S(join, "iterable", 1), LACKING("format"), LACKING("format_map"),
	LACKING("center"), LACKING("ljust"), LACKING("rjust"), LACKING("zfill"), LACKING("casefold"),
	LACKING("swapcase"), LACKING("encode"), LACKING("rindex"), LACKING("expandtabs"), LACKING("translate"),
	LACKING("maketrans"), LACKING("isascii"), LACKING("istitle"), LACKING("isprintable"), LACKING("isidentifier"),
};

const struct jbuiltin *jm_str(const char *name, size_t n)
{
	const struct jbuiltin *b = ROW_OF(of_str, name, n);

	return b ? b : jm_case(name, n);
}
