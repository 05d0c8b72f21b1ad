#include "import/gguf.h"

#include "base/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*   "GGUF"  u32 version  u64 tensors  u64 keys
 *   key:    string  u32 type  value             string: u64 length, bytes
 *   array:  u32 element type  u64 count  elements
 *   tensor: string  u32 n  n * u64 (fastest dimension first)  u32 type  u64 offset from the data start
 *   zeros up to general.alignment; data, every tensor on a multiple of the alignment */
enum { MAX_KEYS = 1 << 12, MAX_TENSORS = 1 << 20, MIN_KEY = 13, MIN_TENSOR = 32, DEF_ALIGN = 32 };

struct cur {
	const uint8_t *p, *end;
	uint64_t left;                  /* of the file, beyond end */
};

static const uint8_t sizes[GV_N] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

/* 0: n bytes are at c->p; 1: the buffer ends before; -1: the file does. */
static int want(const struct cur *c, uint64_t n)
{
	uint64_t have = (uint64_t)(c->end - c->p);

	if (n <= have)
		return 0;
	if (n - have <= c->left)
		return 1;
	return err_set(ST_BAD, "GGUF: something of %llu bytes in the last %llu of the file: truncated?",
	               (unsigned long long)n, (unsigned long long)(have + c->left));
}

static uint64_t little(const uint8_t *p, int n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static int num(struct cur *c, int n, uint64_t *out)
{
	int r = want(c, (uint64_t)n);

	if (r)
		return r;
	*out = little(c->p, n);
	c->p += n;
	return 0;
}

static int string(struct cur *c, struct gguf_str *s)
{
	int r = num(c, 8, &s->n);

	if (!r)
		r = want(c, s->n);
	if (r)
		return r;
	s->s = (const char *)c->p;
	c->p += s->n;
	return 0;
}

/* A key or a tensor's name: no NUL, of a sane length. */
static int name(struct cur *c, struct arena *mem, const char **out, const char *what)
{
	struct gguf_str s;
	char *p;
	int r = string(c, &s);

	if (r)
		return r;
	if (!s.n || s.n > 255 || memchr(s.s, 0, (size_t)s.n))
		return err_set(ST_BAD, "GGUF: the name of a %s is empty, too long or has a NUL", what);
	p = arena_alloc(mem, (size_t)s.n + 1);
	memcpy(p, s.s, (size_t)s.n);
	p[s.n] = '\0';
	*out = p;
	return 0;
}

static int value(struct cur *c, struct gguf_kv *kv)
{
	uint64_t t, bytes;
	int r = num(c, 4, &t);

	if (r)
		return r;
	kv->n = 1;
	kv->array = t == GV_ARR;
	if (kv->array && ((r = num(c, 4, &t)) || (r = num(c, 8, &kv->n))))
		return r;
	if (t >= GV_N || t == GV_ARR)
		return err_set(t == GV_ARR ? ST_UNSUP : ST_BAD, "GGUF: key '%s' has a value of type %llu", kv->key,
		               (unsigned long long)t);
	kv->type = (enum gguf_vtype)t;
	kv->data = c->p;
	if (t == GV_STR) {
		struct gguf_str s;

		for (uint64_t i = 0; i < kv->n; i++)
			if ((r = string(c, &s)))
				return r;
		return 0;
	}
	if (!size_mul(kv->n, sizes[t], &bytes))
		return err_set(ST_BAD, "GGUF: key '%s' has %llu elements", kv->key, (unsigned long long)kv->n);
	if ((r = want(c, bytes)))
		return r;
	c->p += bytes;
	return 0;
}

static int tensor(struct cur *c, struct arena *mem, struct gguf_tensor *t)
{
	uint64_t nd, type, count = 1, dim[4];
	int r = name(c, mem, &t->name, "tensor");

	if (r || (r = num(c, 4, &nd)))
		return r;
	if (nd < 1 || nd > 4)
		return err_set(ST_BAD, "GGUF: tensor '%s' has %llu dimensions", t->name, (unsigned long long)nd);
	t->nd = (int)nd;
	for (int i = 0; i < t->nd; i++)
		if ((r = num(c, 8, &dim[i])))
			return r;
	if ((r = num(c, 4, &type)) || (r = num(c, 8, &t->at)))
		return r;
	for (int i = 0; i < t->nd; i++) {
		if (!dim[i] || !size_mul(count, dim[i], &count) || count > INT64_MAX / 8)
			return err_set(ST_BAD, "GGUF: tensor '%s' has an impossible shape", t->name);
		t->dim[t->nd - 1 - i] = (int64_t)dim[i];
	}
	t->type = (uint32_t)type;
	t->bytes = 0;
	if (ggml_block(t->type)) {
		if (dim[0] % (uint64_t)ggml_block(t->type))
			return err_set(ST_BAD, "GGUF: rows of %llu elements of tensor '%s' are no whole blocks of %s",
			               (unsigned long long)dim[0], t->name, ggml_type_name(t->type));
		t->bytes = ggml_bytes(t->type, count);
	}
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct gguf_tensor *x = *(struct gguf_tensor *const *)a, *y = *(struct gguf_tensor *const *)b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* Each tensor begins where the one before it in the file ends, but for alignment: no two share data, and no
 * data belongs to none. */
static int disjoint(const struct gguf *g, uint64_t start, uint64_t align)
{
	struct gguf_tensor **t = xmalloc((size_t)g->nt * sizeof(*t));
	uint64_t next = start;
	int r = 0;

	for (int i = 0; i < g->nt; i++)
		t[i] = &g->t[i];
	qsort(t, (size_t)g->nt, sizeof(*t), by_place);
	for (int i = 0; i < g->nt && r == 0; i++) {
		if (t[i]->at != next)
			r = err_set(ST_BAD, "GGUF: the data of tensor '%s' %s", t[i]->name,
			            t[i]->at < next ? "overlap another's" : "come after a hole");
		next = (t[i]->at + t[i]->bytes + align - 1) & ~(align - 1);
	}
	free(t);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int distinct(const struct gguf *g)
{
	const char **n = xmalloc(((size_t)g->nt + 1) * sizeof(*n));
	int r = 0;

	for (int i = 0; i < g->nt; i++)
		n[i] = g->t[i].name;
	qsort(n, (size_t)g->nt, sizeof(*n), by_name);
	for (int i = 1; i < g->nt && r == 0; i++)
		if (!strcmp(n[i - 1], n[i]))
			r = err_set(ST_BAD, "GGUF: tensor '%s' stands twice", n[i]);
	free(n);
	return r;
}

/* Offsets become places in the file. */
static int place(struct gguf *g, uint64_t size)
{
	int64_t align = DEF_ALIGN;
	uint64_t start;

	if (gguf_int(g, "general.alignment", 1, 1 << 20, &align) < 0)
		return -1;
	if (align & (align - 1))
		return err_set(ST_BAD, "GGUF: alignment %lld is no power of two", (long long)align);
	start = (g->head + (uint64_t)align - 1) & ~((uint64_t)align - 1);
	for (int i = 0; i < g->nt; i++) {
		struct gguf_tensor *t = &g->t[i];
		uint64_t end;

		if (t->at % (uint64_t)align || !size_add(t->at, start, &t->at) || !size_add(t->at, t->bytes, &end) ||
		    end > size)
			return err_set(ST_BAD, "GGUF: the data of tensor '%s' do not lie in the file: truncated?",
			               t->name);
	}
	return distinct(g) < 0 ? -1 : disjoint(g, start, (uint64_t)align);
}

/* Each key and tensor takes some bytes at least: so the tables allocated here are a small multiple of what
 * is in the buffer. */
static int tables(struct gguf *g, struct cur *c, uint64_t nt, uint64_t nkv, uint64_t size)
{
	int r;

	if (nkv > MAX_KEYS || nt > MAX_TENSORS || nkv * MIN_KEY + nt * MIN_TENSOR > size)
		return err_set(ST_BAD, "GGUF: %llu keys and %llu tensors in %llu bytes", (unsigned long long)nkv,
		               (unsigned long long)nt, (unsigned long long)size);
	if ((r = want(c, nkv * MIN_KEY + nt * MIN_TENSOR)))
		return r;
	g->kv = arena_alloc(&g->mem, ((size_t)nkv + 1) * sizeof(*g->kv));
	g->t = arena_alloc(&g->mem, ((size_t)nt + 1) * sizeof(*g->t));
	for (uint64_t i = 0; i < nkv; i++) {
		struct gguf_kv *kv = &g->kv[i];

		if ((r = name(c, &g->mem, &kv->key, "key")) || (r = value(c, kv)))
			return r;
		if (gguf_find(g, kv->key))
			return err_set(ST_BAD, "GGUF: key '%s' stands twice", kv->key);
		g->nkv++;
	}
	for (; g->nt < (int)nt; g->nt++)
		if ((r = tensor(c, &g->mem, &g->t[g->nt])))
			return r;
	return 0;
}

int gguf_parse(struct gguf *g, const void *buf, uint64_t have, uint64_t size)
{
	struct cur c = { buf, (const uint8_t *)buf + have, size - have };
	uint64_t magic, version, nt, nkv;
	int r;

	memset(g, 0, sizeof(*g));
	if ((r = num(&c, 4, &magic)) || (r = num(&c, 4, &version)))
		return r;
	if (magic != 0x46554747)
		return err_set(ST_BAD, "not a GGUF file");
	if (version != 2 && version != 3) {
		if (version && !(version & 0xffffff))
			return err_set(ST_UNSUP, "GGUF: big-endian files are not read");
		return err_set(ST_UNSUP, "GGUF: version %llu is not read, 2 and 3 are", (unsigned long long)version);
	}
	g->version = (uint32_t)version;
	if ((r = num(&c, 8, &nt)) || (r = num(&c, 8, &nkv)) || (r = tables(g, &c, nt, nkv, size)))
		return r;
	g->head = (uint64_t)(c.p - (const uint8_t *)buf);
	return place(g, size);
}

void gguf_free(struct gguf *g)
{
	arena_free(&g->mem);
	memset(g, 0, sizeof(*g));
}

const struct gguf_kv *gguf_find(const struct gguf *g, const char *key)
{
	for (int i = 0; i < g->nkv; i++)
		if (!strcmp(g->kv[i].key, key))
			return &g->kv[i];
	return NULL;
}

int gguf_int(const struct gguf *g, const char *key, int64_t min, int64_t max, int64_t *out)
{
	const struct gguf_kv *kv = gguf_find(g, key);
	bool sign;
	uint64_t u;
	int64_t v;
	int n;

	if (!kv)
		return 0;
	n = sizes[kv->type];
	sign = kv->type == GV_I8 || kv->type == GV_I16 || kv->type == GV_I32 || kv->type == GV_I64;
	if (kv->array)
		return err_set(ST_UNSUP, "GGUF: '%s' is an array: one value for all layers is read here", key);
	if (!sign && kv->type != GV_U8 && kv->type != GV_U16 && kv->type != GV_U32 && kv->type != GV_U64)
		return err_set(ST_BAD, "GGUF: '%s' is not an integer", key);
	u = little(kv->data, n);
	if (sign && n < 8 && u >> (8 * n - 1))
		u |= ~0ull << (8 * n);
	memcpy(&v, &u, sizeof(v));
	if ((!sign && u > INT64_MAX) || v < min || v > max)
		return err_set(ST_BAD, "GGUF: '%s' is outside %lld..%lld", key, (long long)min, (long long)max);
	*out = v;
	return 1;
}

int gguf_real(const struct gguf *g, const char *key, double *out)
{
	const struct gguf_kv *kv = gguf_find(g, key);
	uint64_t u;
	double v;

	if (!kv)
		return 0;
	if (kv->array || (kv->type != GV_F32 && kv->type != GV_F64))
		return err_set(ST_BAD, "GGUF: '%s' is not a real number", key);
	u = little(kv->data, sizes[kv->type]);
	if (kv->type == GV_F32) {
		uint32_t w = (uint32_t)u;
		float f;

		memcpy(&f, &w, sizeof(f));
		v = f;
	} else
		memcpy(&v, &u, sizeof(v));
	if (!isfinite(v))
		return err_set(ST_BAD, "GGUF: '%s' is not finite", key);
	*out = v;
	return 1;
}

int gguf_bool(const struct gguf *g, const char *key, bool *out)
{
	const struct gguf_kv *kv = gguf_find(g, key);

	if (!kv)
		return 0;
	if (kv->array || kv->type != GV_BOOL || kv->data[0] > 1)
		return err_set(ST_BAD, "GGUF: '%s' is neither true nor false", key);
	*out = kv->data[0];
	return 1;
}

int gguf_string(const struct gguf *g, const char *key, struct gguf_str *out)
{
	const struct gguf_kv *kv = gguf_find(g, key);
	const uint8_t *p;

	if (!kv)
		return 0;
	if (kv->array || kv->type != GV_STR)
		return err_set(ST_BAD, "GGUF: '%s' is not a string", key);
	p = kv->data;
	*out = gguf_next(&p);
	return 1;
}

int gguf_array(const struct gguf *g, const char *key, enum gguf_vtype type, const struct gguf_kv **out)
{
	const struct gguf_kv *kv = gguf_find(g, key);

	if (!kv)
		return 0;
	if (!kv->array || kv->type != type)
		return err_set(ST_BAD, "GGUF: '%s' is not an array of the expected type", key);
	*out = kv;
	return 1;
}

struct gguf_str gguf_next(const uint8_t **p)
{
	struct gguf_str s = { (const char *)*p + 8, little(*p, 8) };

	*p += 8 + s.n;
	return s;
}
