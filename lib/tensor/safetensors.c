#include "tensor/safetensors.h"

#include "base/err.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/*   offset 0    u64 LE, N
 *   offset 8    N bytes of JSON: {"__metadata__": {..}, "NAME": {"dtype": "F16", "shape": [2,3],
 *               "data_offsets": [begin, end]}, ...}, padded at its end with spaces
 *   offset 8+N  the data section, which the tensors cover without hole or overlap
 *
 * The header has a grammar of its own, read here without a JSON tree: a tree takes forty bytes for one of the
 * text, and offsets are 64-bit integers, which a double cannot hold. */

uint64_t st_head_size(const void *buf, size_t have, uint64_t size)
{
	const uint8_t *b = buf;
	uint64_t n = 0;

	if (have < 8 || size < 8) {
		err_set(ST_BAD, "not a safetensors file: only %llu bytes", (unsigned long long)size);
		return 0;
	}
	for (int i = 8; i-- > 0; )
		n = n << 8 | b[i];
	if (n > ST_MAX_HEAD || (have > 8 && b[8] != '{')) {
		err_set(ST_BAD, "not a safetensors file");
		return 0;
	}
	if (n < 2 || n > size - 8) {
		err_set(ST_BAD, "safetensors header of %llu bytes in a file of %llu: truncated?", (unsigned long long)n,
		        (unsigned long long)size);
		return 0;
	}
	return 8 + n;
}

struct scan {
	const char *s, *end, *start;
	struct arena *mem;
};

static int bad(const struct scan *c, const char *what)
{
	return err_set(ST_BAD, "header: %s at byte %zu", what, (size_t)(c->s - c->start));
}

static void space(struct scan *c)
{
	while (c->s < c->end && (*c->s == ' ' || *c->s == '\t' || *c->s == '\n' || *c->s == '\r'))
		c->s++;
}

/* Skips space and, when it comes next, the character. */
static bool take(struct scan *c, char ch)
{
	space(c);
	if (c->s == c->end || *c->s != ch)
		return false;
	c->s++;
	return true;
}

static int need(struct scan *c, char ch)
{
	char what[] = "'?' expected";

	what[1] = ch;
	return take(c, ch) ? 0 : bad(c, what);
}

static int hex4(struct scan *c, unsigned *out)
{
	unsigned v = 0;

	if (c->end - c->s < 4)
		return bad(c, "bad \\u escape");
	for (int i = 0; i < 4; i++, c->s++) {
		char h = *c->s;

		if (h >= '0' && h <= '9')
			v = v << 4 | (unsigned)(h - '0');
		else if ((h | 32) >= 'a' && (h | 32) <= 'f')
			v = v << 4 | (unsigned)((h | 32) - 'a' + 10);
		else
			return bad(c, "bad \\u escape");
	}
	*out = v;
	return 0;
}

/* One character after a backslash into *p. */
static int escape(struct scan *c, char **p)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char e = *c->s++;
	const char *k = strchr(from, e);
	unsigned u, v;

	if (e && k) {
		*(*p)++ = to[k - from];
		return 0;
	}
	if (e != 'u')
		return bad(c, "bad escape");
	if (hex4(c, &u))
		return -1;
	if (!u)
		return bad(c, "NUL in a string");
	if (u >= 0xdc00 && u < 0xe000)
		return bad(c, "lone surrogate");
	if (u >= 0xd800 && u < 0xdc00) {
		if (c->end - c->s < 6 || c->s[0] != '\\' || c->s[1] != 'u')
			return bad(c, "lone surrogate");
		c->s += 2;
		if (hex4(c, &v))
			return -1;
		if (v < 0xdc00 || v >= 0xe000)
			return bad(c, "lone surrogate");
		u = 0x10000 + ((u - 0xd800) << 10) + (v - 0xdc00);
	}
	*p += utf8_put(*p, u);
	return 0;
}

/* A string, decoded into the arena. */
static int string(struct scan *c, char **out)
{
	const char *q;
	char *p;

	if (need(c, '"'))
		return -1;
	for (q = c->s; q < c->end && *q != '"'; q++)
		if (*q == '\\')
			q++;
	if (q >= c->end)
		return bad(c, "string without end");
	p = *out = arena_alloc(c->mem, (size_t)(q - c->s) + 1);         /* decoding never lengthens */
	while (*c->s != '"') {
		int len;

		if (*c->s == '\\') {
			c->s++;
			if (escape(c, &p))
				return -1;
			continue;
		}
		len = utf8_seq(c->s, (size_t)(c->end - c->s));
		if (len < 0 || (unsigned char)*c->s < 0x20)
			return bad(c, len > 0 ? "control character in a string" : "bad UTF-8");
		memcpy(p, c->s, (size_t)len);
		p += len;
		c->s += len;
	}
	c->s++;
	*p = '\0';
	return 0;
}

static int whole(struct scan *c, uint64_t max, uint64_t *out)
{
	const char *first;
	uint64_t v = 0;

	space(c);
	for (first = c->s; c->s < c->end && *c->s >= '0' && *c->s <= '9'; c->s++) {
		unsigned d = (unsigned)(*c->s - '0');

		if (v > (max - d) / 10)
			return bad(c, "number too large");
		v = v * 10 + d;
	}
	if (c->s == first || (*first == '0' && c->s - first > 1))
		return bad(c, "whole number expected");
	*out = v;
	return 0;
}

static int shape(struct scan *c, struct tensor *t)
{
	uint64_t v;

	if (need(c, '['))
		return -1;
	if (take(c, ']'))
		return 0;
	do {
		if (whole(c, INT64_MAX, &v))
			return -1;
		if (t->nd == MAXDIM)
			return err_set(ST_UNSUP, "tensor '%.200s' has more than %d dimensions", t->name, MAXDIM);
		t->dim[t->nd++] = (int64_t)v;
	} while (take(c, ','));
	return need(c, ']');
}

/* {"dtype": ..., "shape": ..., "data_offsets": ...}, each once, in any order. */
static int entry(struct scan *c, struct st_entry *e)
{
	enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
	unsigned seen = 0, what;
	char *key, *val;

	if (need(c, '{'))
		return -1;
	do {
		if (string(c, &key) || need(c, ':'))
			return -1;
		if (!strcmp(key, "dtype")) {
			what = DTYPE;
			if (string(c, &val))
				return -1;
			e->t.dt = dtype_find(val);
			if (e->t.dt == DT_NONE)
				return err_set(ST_UNSUP, "tensor '%.200s' is of type '%.40s'", e->t.name, val);
		} else if (!strcmp(key, "shape")) {
			what = SHAPE;
			if (!(seen & SHAPE) && shape(c, &e->t))
				return -1;
		} else if (!strcmp(key, "data_offsets")) {
			what = OFFSETS;
			if (need(c, '[') || whole(c, UINT64_MAX, &e->begin) || need(c, ',') ||
			    whole(c, UINT64_MAX, &e->end) || need(c, ']'))
				return -1;
		} else
			return err_set(ST_BAD, "tensor '%.200s' has an unknown key '%.80s'", e->t.name, key);
		if (seen & what)
			return err_set(ST_BAD, "tensor '%.200s': key '%s' stands twice", e->t.name, key);
		seen |= what;
	} while (take(c, ','));
	if (need(c, '}'))
		return -1;
	if (seen != (DTYPE | SHAPE | OFFSETS))
		return err_set(ST_BAD, "tensor '%.200s' has no '%s'", e->t.name,
		               !(seen & DTYPE) ? "dtype" : !(seen & SHAPE) ? "shape" : "data_offsets");
	return 0;
}

/* An object of strings. */
static int metadata(struct scan *c, cJSON **out)
{
	char *key, *val;

	if (*out)
		return err_set(ST_BAD, "key '__metadata__' stands twice");
	*out = json_obj();
	if (need(c, '{'))
		return -1;
	if (take(c, '}'))
		return 0;
	do {
		if (string(c, &key) || need(c, ':') || string(c, &val))
			return -1;
		/* Not json_put, which looks for an old value first: quadratic.  Twice is found below. */
		if (!cJSON_AddItemToObject(*out, key, cJSON_CreateString(val)))
			die(ST_FAIL, "out of memory for JSON");
	} while (take(c, ','));
	return need(c, '}');
}

static int by_offset(const void *a, const void *b)
{
	const struct st_entry *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return strcmp(x->t.name, y->t.name);
}

static int by_string(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* No name twice, among n. */
static int distinct(const char **name, size_t n, const char *what)
{
	qsort(name, n, sizeof(*name), by_string);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(name[i - 1], name[i]))
			return err_set(ST_BAD, "%s '%.200s' stands twice", what, name[i]);
	return 0;
}

static int check_names(const struct st *st)
{
	size_t nmeta = st->meta ? (size_t)cJSON_GetArraySize(st->meta) : 0, n = 0;
	const char **name = xmalloc(((size_t)st->n + nmeta) * sizeof(*name));
	const cJSON *m;
	int rc;

	for (int i = 0; i < st->n; i++)
		name[i] = st->e[i].t.name;
	rc = distinct(name, (size_t)st->n, "tensor");
	cJSON_ArrayForEach(m, st->meta)
		name[n++] = m->string;
	if (!rc)
		rc = distinct(name, n, "key");
	free(name);
	return rc;
}

/* Entries, sorted by offset, cover [0, data) and each is as long as its shape says. */
static int check_cover(const struct st *st)
{
	uint64_t at = 0;

	for (int i = 0; i < st->n; i++) {
		const struct st_entry *e = &st->e[i];
		uint64_t n = dtype_size(e->t.dt);
		char dims[160];

		for (int k = 0; k < e->t.nd; k++)
			if (!size_mul(n, (uint64_t)e->t.dim[k], &n) || n > INT64_MAX)
				return err_set(ST_BAD, "tensor '%.200s': shape %s overflows", e->t.name,
				               tensor_shape(&e->t, dims, sizeof(dims)));
		if (e->begin != at)
			return err_set(ST_BAD, "tensor '%.200s' begins at %llu, %s at %llu", e->t.name,
			               (unsigned long long)e->begin,
			               e->begin > at ? "after a hole" : "inside the one before, which ends",
			               (unsigned long long)at);
		if (e->end < e->begin || e->end - e->begin != n)
			return err_set(ST_BAD, "tensor '%.200s': offsets [%llu,%llu] do not hold %s %s", e->t.name,
			               (unsigned long long)e->begin, (unsigned long long)e->end, dtype_name(e->t.dt),
			               tensor_shape(&e->t, dims, sizeof(dims)));
		at = e->end;
		if (at > st->data)
			return err_set(ST_BAD, "tensor '%.200s' ends at %llu of %llu bytes of data: truncated?",
			               e->t.name, (unsigned long long)at, (unsigned long long)st->data);
	}
	if (at != st->data)
		return err_set(ST_BAD, "the tensors hold %llu bytes, the file %llu", (unsigned long long)at,
		               (unsigned long long)st->data);
	return 0;
}

static int parse(struct st *st, struct scan *c)
{
	size_t cap = 0;
	char *key;

	if (c->s == c->end || *c->s != '{')
		return bad(c, "'{' expected");
	c->s++;
	if (!take(c, '}')) {
		do {
			if (string(c, &key) || need(c, ':'))
				return -1;
			if (!strcmp(key, "__metadata__")) {
				if (metadata(c, &st->meta))
					return -1;
				continue;
			}
			st->e = xgrow(st->e, (size_t)st->n + 1, &cap, sizeof(*st->e));
			st->e[st->n] = (struct st_entry){ .t.name = key };
			if (entry(c, &st->e[st->n++]))
				return -1;
		} while (take(c, ','));
		if (need(c, '}'))
			return -1;
	}
	while (c->s < c->end && *c->s == ' ')
		c->s++;
	if (c->s != c->end)
		return bad(c, "something after the JSON value");
	if (st->n)
		qsort(st->e, (size_t)st->n, sizeof(*st->e), by_offset);
	return check_names(st) ? -1 : check_cover(st);
}

int st_parse(struct st *st, const void *head, uint64_t size, const char *what)
{
	struct scan c = { .mem = &st->mem };

	memset(st, 0, sizeof(*st));
	st->head = st_head_size(head, size < 9 ? (size_t)size : 9, size);
	if (!st->head)
		return err_at("%s", what);
	st->data = size - st->head;
	c.s = c.start = (const char *)head + 8;
	c.end = (const char *)head + st->head;
	if (parse(st, &c)) {
		st_free(st);
		return err_at("%s", what);
	}
	return 0;
}

void st_bind(struct st *st, void *data)
{
	for (int i = 0; i < st->n; i++)
		st->e[i].t.data = (char *)data + st->e[i].begin;
}

struct st_entry *st_find(const struct st *st, const char *name)
{
	for (int i = 0; i < st->n; i++)
		if (!strcmp(st->e[i].t.name, name))
			return &st->e[i];
	return NULL;
}

void st_free(struct st *st)
{
	cJSON_Delete(st->meta);
	free(st->e);
	arena_free(&st->mem);
	memset(st, 0, sizeof(*st));
}
