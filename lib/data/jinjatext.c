/* Values as text: as a template prints them, which is Python's str() and repr(), and as JSON; and from JSON. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static int deeper(struct jrun *r)
{
	return ++r->calls > JINJA_CALLS ? err_set(ST_UNSUP, "values nested too deep") : 0;
}

static int put(struct jrun *r, struct bytes *out, const void *s, size_t n)
{
	if (jr_work(r, n) < 0)
		return -1;
	if (out->n + n > JINJA_MEMORY)
		return err_set(ST_UNSUP, "the text grows beyond %zu MB", JINJA_MEMORY >> 20);
	bytes_put(out, s, n);
	return 0;
}

static int puts_(struct jrun *r, struct bytes *out, const char *s)
{
	return put(r, out, s, strlen(s));
}

/* The shortest decimal that reads back as the same number, in Python's layout. */
static int put_float(struct jrun *r, struct bytes *out, double f)
{
	char e[40], digits[24], text[64];
	int prec = 1, n = 0, exp;

	if (!isfinite(f))
		return puts_(r, out, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
	do {
		snprintf(e, sizeof(e), "%.*e", prec - 1, f);
	} while (strtod(e, NULL) != f && ++prec <= 17);
	exp = atoi(strchr(e, 'e') + 1);
	for (const char *p = e; *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			digits[n++] = *p;
	if (exp >= -4 && exp < 16) {
		snprintf(text, sizeof(text), "%.*f", n - 1 - exp > 1 ? n - 1 - exp : 1, f);
		return puts_(r, out, text);
	}
	snprintf(text, sizeof(text), "%s%c%s%.*se%c%02d", f < 0 ? "-" : "", digits[0], n > 1 ? "." : "", n - 1,
	         digits + 1, exp < 0 ? '-' : '+', abs(exp));
	return puts_(r, out, text);
}

static int put_int(struct jrun *r, struct bytes *out, int64_t i)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)i);
	return puts_(r, out, text);
}

/* Whether repr() shows it as it is. */
static bool printable(uint32_t c)
{
	utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);

	return c == ' ' || !(k == UTF8PROC_CATEGORY_CN || (k >= UTF8PROC_CATEGORY_ZS && k <= UTF8PROC_CATEGORY_CO));
}

static int repr_str(struct jrun *r, struct jval v, struct bytes *out)
{
	char quote = memchr(v.s, '\'', v.n) && !memchr(v.s, '"', v.n) ? '"' : '\'', esc[16];
	int len;

	if (put(r, out, &quote, 1) < 0)
		return -1;
	for (size_t i = 0; i < v.n; i += (size_t)len) {
		uint32_t c = utf8_get(v.s + i, &len);
		const char *e = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : c == '\\' ? "\\\\" : NULL;

		if (!e && c == (unsigned char)quote) {
			snprintf(esc, sizeof(esc), "\\%c", quote);
			e = esc;
		} else if (!e && !printable(c)) {
			snprintf(esc, sizeof(esc), c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
			e = esc;
		}
		if ((e ? puts_(r, out, e) : put(r, out, v.s + i, (size_t)len)) < 0)
			return -1;
	}
	return put(r, out, &quote, 1);
}

static int repr_list(struct jrun *r, const struct jlist *l, struct bytes *out)
{
	bool tuple = l->kind == L_TUPLE;

	if (l->kind != L_LIST && !tuple)
		return err_set(ST_UNSUP, "printing a %s is not supported",
		               l->kind == L_RANGE ? "range" : l->kind == L_VIEW ? "dict view" : "generator");
	if (puts_(r, out, tuple ? "(" : "[") < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++)
		if ((i && puts_(r, out, ", ") < 0) || v_repr(r, l->v[i], out) < 0)
			return -1;
	return puts_(r, out, !tuple ? "]" : l->n == 1 ? ",)" : ")");
}

static int repr_dict(struct jrun *r, const struct jdict *d, struct bytes *out)
{
	if (puts_(r, out, "{") < 0)
		return -1;
	for (size_t i = 0; i < d->n; i++)
		if ((i && puts_(r, out, ", ") < 0) || v_repr(r, d->v[i].k, out) < 0 || puts_(r, out, ": ") < 0 ||
		    v_repr(r, d->v[i].v, out) < 0)
			return -1;
	return puts_(r, out, "}");
}

int v_repr(struct jrun *r, struct jval v, struct bytes *out)
{
	int rc;

	switch (v.type) {
	case V_ABSENT: case V_UNDEF:
		return puts_(r, out, "Undefined");
	case V_NONE:
		return puts_(r, out, "None");
	case V_BOOL:
		return puts_(r, out, v.i ? "True" : "False");
	case V_INT:
		return put_int(r, out, v.i);
	case V_FLOAT:
		return put_float(r, out, v.f);
	case V_STR:
		if (v.safe)
			return err_set(ST_UNSUP, "printing what holds a safe string is not supported");
		return repr_str(r, v, out);
	case V_LIST: case V_DICT:
		if (deeper(r) < 0)
			return -1;
		rc = v.type == V_LIST ? repr_list(r, v.list, out) : repr_dict(r, v.dict, out);
		r->calls--;
		return rc;
	default:
		return err_set(ST_UNSUP, "printing a %s is not supported", v_type(v));
	}
}

int v_print(struct jrun *r, struct jval v, struct bytes *out)
{
	if (v.type == V_STR)
		return put(r, out, v.s, v.n);
	return v.type == V_UNDEF ? 0 : v_repr(r, v, out);
}

int v_text(struct jrun *r, struct jval v, struct jval *out)
{
	struct bytes b = { 0 };
	int rc;

	if (v.type == V_STR) {
		*out = v;
		return 0;
	}
	rc = v_print(r, v, &b);
	return jr_bytes(r, rc, &b, out);
}

/* --- JSON --- */

struct dump {
	struct jrun *r;
	struct bytes *out;
	bool ascii, sort;
	struct jval indent;             /* V_STR: one level; V_NONE: all on one line */
	struct jval item, key;          /* separators */
};

static int dump_str(struct dump *d, struct jval v)
{
	char esc[16];
	int len;

	if (puts_(d->r, d->out, "\"") < 0)
		return -1;
	for (size_t i = 0; i < v.n; i += (size_t)len) {
		uint32_t c = utf8_get(v.s + i, &len);
		static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
		const char *k = c && c < 0x80 ? strchr(from, (int)c) : NULL;

		if (k)
			snprintf(esc, sizeof(esc), "\\%c", to[k - from]);
		else if (c >= 0x10000 && d->ascii)
			snprintf(esc, sizeof(esc), "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			         0xdc00 + ((c - 0x10000) & 0x3ff));
		else if (c < 0x20 || (c >= 0x7f && d->ascii))
			snprintf(esc, sizeof(esc), "\\u%04x", c);
		else {
			if (put(d->r, d->out, v.s + i, (size_t)len) < 0)
				return -1;
			continue;
		}
		if (puts_(d->r, d->out, esc) < 0)
			return -1;
	}
	return puts_(d->r, d->out, "\"");
}

static int new_line(struct dump *d, int level)
{
	if (d->indent.type != V_STR)
		return 0;
	if (puts_(d->r, d->out, "\n") < 0)
		return -1;
	for (; level; level--)
		if (put(d->r, d->out, d->indent.s, d->indent.n) < 0)
			return -1;
	return 0;
}

static int dump(struct dump *d, struct jval v, int level);

static int dump_key(struct dump *d, struct jval k)
{
	struct jval text;

	if (k.type == V_STR)
		return dump_str(d, k);
	if (k.type == V_LIST || k.type > V_STR || k.type < V_NONE)
		return err_set(ST_BAD, "a '%s' is no key in JSON", v_type(k));
	text = k.type == V_NONE ? STR("null") : k.type == V_BOOL && k.i ? STR("true") : STR("false");
	if (k.type > V_BOOL && v_text(d->r, k, &text) < 0)
		return -1;
	return dump_str(d, text);
}

static int by_key(const void *a, const void *b)
{
	const struct jval *x = &((const struct jpair *)a)->k, *y = &((const struct jpair *)b)->k;
	size_t n = x->n < y->n ? x->n : y->n;
	int c = n ? memcmp(x->s, y->s, n) : 0;

	return c ? c : (x->n > y->n) - (x->n < y->n);
}

static int dump_dict(struct dump *d, const struct jdict *m, int level)
{
	struct jpair *v = m->v;

	if (d->sort && m->n) {
		v = jr_alloc(d->r, m->n * sizeof(*v));
		if (!v)
			return -1;
		memcpy(v, m->v, m->n * sizeof(*v));
		for (size_t i = 0; i < m->n; i++)
			if (v[i].k.type != V_STR)
				return err_set(ST_UNSUP, "sorting keys that are no strings is not supported");
		qsort(v, m->n, sizeof(*v), by_key);
	}
	if (puts_(d->r, d->out, "{") < 0)
		return -1;
	for (size_t i = 0; i < m->n; i++)
		if ((i && put(d->r, d->out, d->item.s, d->item.n) < 0) || new_line(d, level + 1) < 0 ||
		    dump_key(d, v[i].k) < 0 || put(d->r, d->out, d->key.s, d->key.n) < 0 ||
		    dump(d, v[i].v, level + 1) < 0)
			return -1;
	if (m->n && new_line(d, level) < 0)
		return -1;
	return puts_(d->r, d->out, "}");
}

static int dump_list(struct dump *d, const struct jlist *l, int level)
{
	if (l->kind > L_TUPLE)
		return err_set(ST_BAD, "a '%s' is nothing for JSON", l->kind == L_RANGE ? "range" : "generator");
	if (puts_(d->r, d->out, "[") < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++)
		if ((i && put(d->r, d->out, d->item.s, d->item.n) < 0) || new_line(d, level + 1) < 0 ||
		    dump(d, l->v[i], level + 1) < 0)
			return -1;
	if (l->n && new_line(d, level) < 0)
		return -1;
	return puts_(d->r, d->out, "]");
}

static int dump(struct dump *d, struct jval v, int level)
{
	int rc;

	switch (v.type) {
	case V_NONE:
		return puts_(d->r, d->out, "null");
	case V_BOOL:
		return puts_(d->r, d->out, v.i ? "true" : "false");
	case V_INT:
		return put_int(d->r, d->out, v.i);
	case V_FLOAT:
		if (!isfinite(v.f))
			return puts_(d->r, d->out, isnan(v.f) ? "NaN" : v.f < 0 ? "-Infinity" : "Infinity");
		return put_float(d->r, d->out, v.f);
	case V_STR:
		return dump_str(d, v);
	case V_LIST: case V_DICT:
		if (deeper(d->r) < 0)
			return -1;
		rc = v.type == V_LIST ? dump_list(d, v.list, level) : dump_dict(d, v.dict, level);
		d->r->calls--;
		return rc;
	default:
		return err_set(ST_BAD, "a '%s' is nothing for JSON", v_type(v));
	}
}

/* a: ensure_ascii, indent, separators, sort_keys. */
int v_json(struct jrun *r, struct jval v, const struct jval *a, struct bytes *out)
{
	struct dump d = { .r = r, .out = out, .ascii = v_true(a[0]), .sort = v_true(a[3]), .indent = a[1],
	                  .item = STR(", "), .key = STR(": ") };

	if (a[1].type == V_INT) {
		char *s;

		if (a[1].i > 256)
			return err_set(ST_UNSUP, "an indent of %lld", (long long)a[1].i);
		if (!(s = jr_alloc(r, 257)))
			return -1;
		memset(s, ' ', 256);
		d.indent = v_strn(s, a[1].i < 0 ? 0 : (size_t)a[1].i);
	} else if (a[1].type != V_STR)
		d.indent = (struct jval){ .type = V_NONE };
	if (d.indent.type == V_STR)
		d.item = STR(",");
	if (a[2].type == V_LIST && a[2].list->n == 2 && a[2].list->v[0].type == V_STR && a[2].list->v[1].type == V_STR) {
		d.item = a[2].list->v[0];
		d.key = a[2].list->v[1];
	} else if (a[2].type != V_ABSENT && a[2].type != V_NONE)
		return err_set(ST_BAD, "separators are two strings");
	return dump(&d, v, 0);
}

/* Strings are borrowed. */
int v_from_json(struct jrun *r, const struct jnode *j, struct jval *out)
{
	const struct jnode *c;
	size_t i = 0;

	r->work += JINJA_MORE;
	switch (j->type) {
	case JT_NULL:
		*out = (struct jval){ .type = V_NONE };
		return 0;
	case JT_FALSE: case JT_TRUE:
		*out = v_bool(j->type == JT_TRUE);
		return 0;
	case JT_NUM:
		if (j->whole) {
			if (fabs(j->num) >= 9223372036854775807.0)
				return err_set(ST_UNSUP, "numbers beyond 64 bits are not supported");
			*out = v_int((int64_t)j->len);
			return 0;
		}
		*out = v_float(j->num);
		return 0;
	case JT_STR:
		*out = v_strn(j->str, j->len);
		return 0;
	case JT_ARR:
		if (jr_list(r, L_LIST, j->len, out) < 0)
			return -1;
		JT_EACH(c, j)
			if (v_from_json(r, c, &out->list->v[i++]) < 0)
				return -1;
		return 0;
	case JT_OBJ:
		*out = (struct jval){ .type = V_DICT, .dict = jr_alloc(r, sizeof(*out->dict)) };
		if (!out->dict)
			return -1;
		*out->dict = (struct jdict){ .cap = j->len };
		if (j->len && !(out->dict->v = jr_alloc(r, j->len * sizeof(*out->dict->v))))
			return -1;
		JT_PAIRS(c, j) {        /* no key comes twice: the reader saw to that */
			struct jpair *p = &out->dict->v[out->dict->n++];

			p->k = v_strn(c->str, c->len);
			if (v_from_json(r, c + 1, &p->v) < 0)
				return -1;
		}
		return 0;
	}
	return 0;
}
