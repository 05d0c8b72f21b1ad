#include "data/vocab.h"

#include "base/err.h"
#include "base/mem.h"
#include "data/chars.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>
#include <string.h>

static void rehash(struct vocab *v, size_t nslot)
{
	free(v->slot);
	v->slot = xcalloc(nslot, sizeof(*v->slot));
	v->nslot = nslot;
	for (size_t i = 0; i < v->n; i++) {
		const struct vent *e = &v->e[i];
		size_t k = XXH3_64bits(e->s, e->len) & (nslot - 1);

		for (; v->slot[k]; k = (k + 1) & (nslot - 1)) {
			const struct vent *o = &v->e[v->slot[k] - 1];

			if (o->len == e->len && !memcmp(o->s, e->s, e->len))
				break;
		}
		v->slot[k] = (uint32_t)i + 1;
	}
}

void vocab_init(struct vocab *v, size_t expect)
{
	size_t nslot = 64;

	memset(v, 0, sizeof(*v));
	v->max_id = -1;
	while (nslot < 2 * expect)
		nslot *= 2;
	rehash(v, nslot);
}

static int insert(struct vocab *v, const char *s, size_t len, int32_t id, bool twice)
{
	size_t k;

	if (id < 0)
		return err_set(ST_BAD, "token '%.*s' has a negative id", clip(len), s);
	if (v->n >= INT32_MAX || len > UINT32_MAX)
		return err_set(ST_BAD, "too many tokens");
	if (2 * (v->n + 1) > v->nslot)
		rehash(v, 2 * v->nslot);
	k = XXH3_64bits(s, len) & (v->nslot - 1);
	for (; v->slot[k]; k = (k + 1) & (v->nslot - 1)) {
		const struct vent *e = &v->e[v->slot[k] - 1];

		if (e->len != len || memcmp(e->s, s, len))
			continue;
		if (!twice)
			return err_set(ST_BAD, "token '%.*s' stands twice", clip(len), s);
		break;
	}
	v->e = xgrow(v->e, v->n + 1, &v->cap, sizeof(*v->e));
	v->e[v->n] = (struct vent){ s, (uint32_t)len, id };
	v->slot[k] = (uint32_t)++v->n;
	if (id > v->max_id)
		v->max_id = id;
	return 0;
}

int vocab_add(struct vocab *v, const char *s, size_t len, int32_t id)
{
	return insert(v, s, len, id, false);
}

int vocab_put(struct vocab *v, const char *s, size_t len, int32_t id)
{
	return insert(v, s, len, id, true);
}

int vocab_done(struct vocab *v)
{
	size_t n = (size_t)v->max_id + 1;

	if (n > 8 * v->n + 65536)
		return err_set(ST_BAD, "token id %d is far beyond the %zu tokens there are", v->max_id, v->n);
	free(v->by_id);
	v->by_id = xmalloc(n * sizeof(*v->by_id));
	for (size_t i = 0; i < n; i++)
		v->by_id[i] = -1;
	for (size_t i = 0; i < v->n; i++)
		v->by_id[v->e[i].id] = (int32_t)i;
	return 0;
}

int32_t vocab_find(const struct vocab *v, const char *s, size_t len)
{
	size_t k;

	if (!v->n)
		return -1;
	k = XXH3_64bits(s, len) & (v->nslot - 1);
	for (; v->slot[k]; k = (k + 1) & (v->nslot - 1)) {
		const struct vent *e = &v->e[v->slot[k] - 1];

		if (e->len == len && !memcmp(e->s, s, len))
			return e->id;
	}
	return -1;
}

const struct vent *vocab_entry(const struct vocab *v, int32_t id)
{
	if (id < 0 || id > v->max_id || v->by_id[id] < 0)
		return NULL;
	return &v->e[v->by_id[id]];
}

void vocab_free(struct vocab *v)
{
	free(v->e);
	free(v->slot);
	free(v->by_id);
	memset(v, 0, sizeof(*v));
}
