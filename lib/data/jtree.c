#include "data/jtree.h"

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parse {
	struct jtree *t;
	const char *s;
	size_t at, len;
	char *out;                      /* next free byte of t->text */
	const char *what;
};

static int bad(struct parse *p, const char *why)
{
	return err_set(ST_BAD, "%s: %s at byte %zu", p->what, why, p->at);
}

static int bad_key(struct parse *p, const struct jnode *k)
{
	return err_set(ST_BAD, "%s: the key '%.*s' comes twice", p->what, clip(k->len), k->str);
}

static int peek(struct parse *p)
{
	while (p->at < p->len && (p->s[p->at] == ' ' || p->s[p->at] == '\n' || p->s[p->at] == '\t' ||
	                          p->s[p->at] == '\r'))
		p->at++;
	return p->at < p->len ? (unsigned char)p->s[p->at] : -1;
}

static size_t node_new(struct parse *p, enum jtype type)
{
	struct jtree *t = p->t;

	t->v = xgrow(t->v, t->n + 1, &t->cap, sizeof(*t->v));
	t->v[t->n] = (struct jnode){ .type = type, .span = 1 };
	return t->n++;
}

static int hex4(struct parse *p, uint32_t *out)
{
	uint32_t v = 0;

	if (p->len - p->at < 4)
		return bad(p, "bad JSON escape");
	for (int i = 0; i < 4; i++) {
		char c = p->s[p->at++];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v << 4 | (uint32_t)((c | 32) - 'a' + 10);
		else
			return bad(p, "bad JSON escape");
	}
	*out = v;
	return 0;
}

static int escape(struct parse *p)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *k;
	uint32_t cp, lo;

	if (p->at >= p->len)
		return bad(p, "unfinished JSON string");
	if (p->s[p->at] != 'u') {
		k = p->s[p->at] ? strchr(from, p->s[p->at]) : NULL;
		if (!k)
			return bad(p, "bad JSON escape");
		*p->out++ = to[k - from];
		p->at++;
		return 0;
	}
	p->at++;
	if (hex4(p, &cp) < 0)
		return -1;
	if (cp >= 0xd800 && cp < 0xdc00) {
		if (p->len - p->at < 6 || p->s[p->at] != '\\' || p->s[p->at + 1] != 'u')
			return bad(p, "lone surrogate in JSON string");
		p->at += 2;
		if (hex4(p, &lo) < 0)
			return -1;
		if (lo < 0xdc00 || lo > 0xdfff)
			return bad(p, "lone surrogate in JSON string");
		cp = 0x10000 + ((cp - 0xd800) << 10) + (lo - 0xdc00);
	} else if (cp >= 0xdc00 && cp < 0xe000)
		return bad(p, "lone surrogate in JSON string");
	p->out += utf8_put(p->out, cp);
	return 0;
}

/* An unescaped string is never longer than its JSON form with quotes, and the closing quote pays for the
 * NUL: the text block of len + 1 bytes always suffices. */
static int string(struct parse *p)
{
	size_t k = node_new(p, JT_STR);
	char *start = p->out;

	p->at++;
	for (;;) {
		size_t run = p->at;
		unsigned char c;

		while (run < p->len && (c = (unsigned char)p->s[run]) != '"' && c != '\\' && c >= 0x20)
			run++;
		memcpy(p->out, p->s + p->at, run - p->at);
		p->out += run - p->at;
		p->at = run;
		if (run >= p->len)
			return bad(p, "unfinished JSON string");
		p->at++;
		if (p->s[run] == '"')
			break;
		if (p->s[run] != '\\')
			return bad(p, "control character in JSON string");
		if (escape(p) < 0)
			return -1;
	}
	p->t->v[k].str = start;
	p->t->v[k].len = (size_t)(p->out - start);
	*p->out++ = '\0';
	return 0;
}

/* As a reader has it that takes the digits as one whole number and then scales that by a power of ten, rounding
 * twice; digits that do not fit in 64 bits count as none. */
static double scaled(const char *s)
{
	bool minus = *s == '-', point = false, full = false;
	uint64_t sig = 0;
	long exp = 0, e = 0;
	char pow[32];
	double f;

	for (s += minus; *s && (*s | 32) != 'e'; s++) {
		unsigned d = (unsigned)(*s - '0');

		if (*s == '.') {
			point = true;
			continue;
		}
		full |= sig > (UINT64_MAX - d) / 10;
		if (!full)
			sig = sig * 10 + d;
		exp += full && !point ? 1 : !full && point ? -1 : 0;
	}
	if (*s)
		e = strtol(s + 1, NULL, 10);
	exp += e > 100000 ? 100000 : e < -100000 ? -100000 : e;
	if (!sig)
		return minus ? -0.0 : 0.0;
	f = (double)sig;
	for (; exp < -308; exp += 308)
		f /= 1e308;
	snprintf(pow, sizeof(pow), "1e%ld", exp < 0 ? -exp : exp);
	f = exp < 0 ? f / strtod(pow, NULL) : f * strtod(pow, NULL);
	return minus ? -f : f;
}

static int number(struct parse *p)
{
	char tmp[128];
	size_t b = p->at, k;
	const char *s = p->s;
	bool whole = true;

	if (s[p->at] == '-')
		p->at++;
	if (p->at < p->len && s[p->at] == '0')
		p->at++;
	else
		while (p->at < p->len && s[p->at] >= '0' && s[p->at] <= '9')
			p->at++;
	if (p->at == b || s[p->at - 1] == '-')
		return bad(p, "bad JSON");
	if (p->at < p->len && s[p->at] == '.') {
		whole = false;
		k = ++p->at;
		while (p->at < p->len && s[p->at] >= '0' && s[p->at] <= '9')
			p->at++;
		if (p->at == k)
			return bad(p, "bad JSON number");
	}
	if (p->at < p->len && (s[p->at] | 32) == 'e') {
		whole = false;
		if (++p->at < p->len && (s[p->at] == '+' || s[p->at] == '-'))
			p->at++;
		k = p->at;
		while (p->at < p->len && s[p->at] >= '0' && s[p->at] <= '9')
			p->at++;
		if (p->at == k)
			return bad(p, "bad JSON number");
	}
	if (p->at - b >= sizeof(tmp))
		return bad(p, "JSON number too long");
	memcpy(tmp, s + b, p->at - b);
	tmp[p->at - b] = '\0';
	k = node_new(p, JT_NUM);
	p->t->v[k].num = strtod(tmp, NULL);
	p->t->v[k].whole = whole;
	if (whole)
		p->t->v[k].len = (size_t)strtoll(tmp, NULL, 10);
	else {
		double f = scaled(tmp);

		_Static_assert(sizeof(size_t) >= sizeof(double), "a double fits in a length");
		memcpy(&p->t->v[k].len, &f, sizeof(f));
	}
	return 0;
}

static int word(struct parse *p, const char *w, enum jtype type)
{
	size_t n = strlen(w);

	if (p->len - p->at < n || memcmp(p->s + p->at, w, n))
		return bad(p, "bad JSON");
	p->at += n;
	node_new(p, type);
	return 0;
}

static bool same_key(const struct jnode *a, const struct jnode *b)
{
	return a->len == b->len && !memcmp(a->str, b->str, a->len);
}

/* No key twice, for which of the two counts differs from reader to reader. */
static int check_keys(struct parse *p, const struct jnode *obj)
{
	size_t nslot = 64;
	const struct jnode *k, *o;
	uint32_t *slot;

	if (obj->len < 8) {
		JT_PAIRS(k, obj)
			for (o = obj + 1; o < k; o += 1 + o[1].span)
				if (same_key(k, o))
					return bad_key(p, k);
		return 0;
	}
	while (nslot < 2 * obj->len)
		nslot *= 2;
	slot = xcalloc(nslot, sizeof(*slot));
	JT_PAIRS(k, obj) {
		size_t i = XXH3_64bits(k->str, k->len) & (nslot - 1);

		for (; slot[i] && !same_key(k, obj + slot[i]); i = (i + 1) & (nslot - 1))
			;
		if (slot[i]) {
			free(slot);
			return bad_key(p, k);
		}
		slot[i] = (uint32_t)(k - obj);
	}
	free(slot);
	return 0;
}

static int value(struct parse *p, int depth);

static int members(struct parse *p, int depth, bool object)
{
	size_t k = node_new(p, object ? JT_OBJ : JT_ARR), count = 0;
	int close = object ? '}' : ']', c;

	if (depth >= JSON_DEPTH)
		return bad(p, "JSON nested too deep");
	p->at++;
	if (peek(p) == close)
		p->at++;
	else
		for (;; p->at++) {
			if (object) {
				if (peek(p) != '"')
					return bad(p, "bad JSON");
				if (string(p) < 0)
					return -1;
				if (peek(p) != ':')
					return bad(p, "bad JSON");
				p->at++;
			}
			if (value(p, depth + 1) < 0)
				return -1;
			count++;
			c = peek(p);
			if (c == close) {
				p->at++;
				break;
			}
			if (c != ',')
				return bad(p, "bad JSON");
		}
	p->t->v[k].span = (uint32_t)(p->t->n - k);
	p->t->v[k].len = count;
	return object ? check_keys(p, &p->t->v[k]) : 0;
}

static int value(struct parse *p, int depth)
{
	switch (peek(p)) {
	case -1:
		return bad(p, "unfinished JSON");
	case '{':
		return members(p, depth, true);
	case '[':
		return members(p, depth, false);
	case '"':
		return string(p);
	case 't':
		return word(p, "true", JT_TRUE);
	case 'f':
		return word(p, "false", JT_FALSE);
	case 'n':
		return word(p, "null", JT_NULL);
	default:
		return number(p);
	}
}

int jtree_parse(struct jtree *t, const void *buf, size_t len, const char *what)
{
	struct parse p = { .t = t, .s = buf, .len = len, .what = what };
	size_t ok = utf8_valid(buf, len);

	memset(t, 0, sizeof(*t));
	if (len >= UINT32_MAX)
		return err_set(ST_UNSUP, "%s: JSON of 4 GiB or more", what);
	if (ok != len)
		return err_set(ST_BAD, "%s: not UTF-8 at byte %zu", what, ok);
	t->text = p.out = xmalloc(len + 1);
	if (value(&p, 0) < 0)
		goto fail;
	if (peek(&p) != -1) {
		bad(&p, "something after the JSON value");
		goto fail;
	}
	return 0;
fail:
	jtree_free(t);
	return -1;
}

void jtree_free(struct jtree *t)
{
	free(t->v);
	free(t->text);
	memset(t, 0, sizeof(*t));
}

double jt_scaled(const struct jnode *v)
{
	double f = v->num;

	if (!v->whole)
		memcpy(&f, &v->len, sizeof(f));
	return f;
}

bool jt_is(const struct jnode *v, const char *text)
{
	return v && v->type == JT_STR && v->len == strlen(text) && !memcmp(v->str, text, v->len);
}

const struct jnode *jt_raw(const struct jnode *obj, const char *key)
{
	const struct jnode *k;

	if (!obj || obj->type != JT_OBJ)
		return NULL;
	JT_PAIRS(k, obj)
		if (jt_is(k, key))
			return k + 1;
	return NULL;
}

const struct jnode *jt_get(const struct jnode *obj, const char *key)
{
	const struct jnode *v = jt_raw(obj, key);

	return v && v->type != JT_NULL ? v : NULL;
}

int jt_bool(const struct jnode *obj, const char *key, bool *out)
{
	const struct jnode *v = jt_get(obj, key);

	if (!v)
		return 0;
	if (v->type != JT_TRUE && v->type != JT_FALSE)
		return err_set(ST_BAD, "'%s' is neither true nor false", key);
	*out = v->type == JT_TRUE;
	return 1;
}

int jt_int(const struct jnode *obj, const char *key, int64_t min, int64_t max, int64_t *out)
{
	const struct jnode *v = jt_get(obj, key);

	if (!v)
		return 0;
	if (v->type != JT_NUM || v->num != floor(v->num) || !(fabs(v->num) <= 9007199254740992.0))
		return err_set(ST_BAD, "'%s' is not a whole number", key);
	if (v->num < (double)min || v->num > (double)max)
		return err_set(ST_BAD, "'%s' is %.0f, outside %lld..%lld", key, v->num, (long long)min,
		               (long long)max);
	*out = (int64_t)v->num;
	return 1;
}

static int typed(const struct jnode *obj, const char *key, enum jtype type, const char *name,
                 const struct jnode **out)
{
	const struct jnode *v = jt_get(obj, key);

	if (!v)
		return 0;
	if (v->type != type)
		return err_set(ST_BAD, "'%s' is not %s", key, name);
	*out = v;
	return 1;
}

int jt_str(const struct jnode *obj, const char *key, const struct jnode **out)
{
	return typed(obj, key, JT_STR, "a string", out);
}

int jt_arr(const struct jnode *obj, const char *key, const struct jnode **out)
{
	return typed(obj, key, JT_ARR, "an array", out);
}

int jt_obj(const struct jnode *obj, const char *key, const struct jnode **out)
{
	return typed(obj, key, JT_OBJ, "an object", out);
}

void jt_quote(struct bytes *out, const char *s, size_t n)
{
	char esc[8];

	bytes_put(out, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == '"' || c == '\\')
			bytes_put(out, esc, (size_t)snprintf(esc, sizeof(esc), "\\u%04x", c));
		else
			bytes_put(out, s + i, 1);
	}
	bytes_put(out, "\"", 1);
}
