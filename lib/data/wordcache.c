#include "data/wordcache.h"

#include "base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>
#include <string.h>

enum {
	SLOTS = 1 << 16,
	PROBE = 8,                      /* slots that a word may stand in */
	SHORT = 16,
	TEXT = SLOTS * 8,               /* bytes */
	IDS = SLOTS * 2
};
_Static_assert(sizeof(struct wslot) == 32, "two slots to a cache line");

static uint64_t load(const char *s, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, s, n);
	return v;
}

/* Two words of one length differ in lo or hi if they differ at all. */
static struct wkey key_of(const char *s, size_t n)
{
	struct wkey k = { 0 };
	uint64_t h;

	if (n > SHORT)
		k.lo = XXH3_64bits(s, n);
	else if (n >= 8) {
		k.lo = load(s, 8);
		k.hi = load(s + n - 8, 8);
	} else if (n >= 4)
		k.lo = load(s, 4) | load(s + n - 4, 4) << 32;
	else
		k.lo = (uint64_t)(uint8_t)s[0] | (uint64_t)(uint8_t)s[n / 2] << 8 | (uint64_t)(uint8_t)s[n - 1] << 16;
	h = (k.lo ^ n) * 0x9e3779b97f4a7c15u;
	h = (h ^ h >> 32 ^ k.hi) * 0xd6e8feb86659fd93u;
	k.slot = (size_t)(h >> 40);
	return k;
}

const int32_t *word_find(const struct wordcache *c, const char *s, size_t len, struct wkey *key, size_t *n)
{
	*key = key_of(s, len);
	if (!c->slot)
		return NULL;
	for (size_t i = 0; i < PROBE; i++) {
		const struct wslot *w = &c->slot[(key->slot + i) & (SLOTS - 1)];

		if (!w->len)
			return NULL;
		if (w->lo != key->lo || w->len != len || (len <= SHORT ? w->hi != key->hi : memcmp(c->text + w->hi, s, len)))
			continue;
		*n = w->nid;
		return w->nid <= 3 ? w->id : c->ids + w->id[0];
	}
	return NULL;
}

void word_keep(struct wordcache *c, const struct wkey *key, const char *s, size_t len, const struct ids *ids, size_t from)
{
	size_t n = ids->n - from, i = 0;
	struct wslot *w;

	if (n > 4 * WORD_MAX)
		return;
	if (!c->slot) {
		c->slot = xcalloc(SLOTS, sizeof(*c->slot));
		c->text = xmalloc(TEXT);
		c->ids = xmalloc(IDS * sizeof(*c->ids));
	}
	if (c->ntext + len > TEXT || c->nids + n > IDS) {
		memset(c->slot, 0, SLOTS * sizeof(*c->slot));
		c->ntext = c->nids = 0;
	}
	while (i < PROBE && c->slot[(key->slot + i) & (SLOTS - 1)].len)
		i++;
	w = &c->slot[(key->slot + i % PROBE) & (SLOTS - 1)];
	*w = (struct wslot){ .lo = key->lo, .hi = key->hi, .len = (uint16_t)len, .nid = (uint16_t)n };
	if (len > SHORT) {
		w->hi = c->ntext;
		memcpy(c->text + c->ntext, s, len);
		c->ntext += (uint32_t)len;
	}
	if (n > 3) {
		w->id[0] = (int32_t)c->nids;
		memcpy(c->ids + c->nids, ids->v + from, n * sizeof(*ids->v));
		c->nids += (uint32_t)n;
	} else
		for (size_t k = 0; k < n; k++)
			w->id[k] = ids->v[from + k];
}

void wordcache_free(struct wordcache *c)
{
	free(c->slot);
	free(c->text);
	free(c->ids);
	memset(c, 0, sizeof(*c));
}
