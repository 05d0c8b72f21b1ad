#include "data/wordcache.h"

#include "base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>
#include <string.h>

enum {
	SLOTS = 1 << 17,
	KEEP = SLOTS / 2,               /* words */
	TEXT = KEEP * 16,               /* bytes */
	IDS = KEEP * 4
};

uint64_t word_hash(const char *s, size_t len)
{
	return XXH3_64bits(s, len);
}

const int32_t *word_find(const struct wordcache *c, uint64_t hash, const char *s, size_t len, size_t *n)
{
	size_t k = hash & (SLOTS - 1);

	if (!c->slot)
		return NULL;
	for (; c->slot[k].at; k = (k + 1) & (SLOTS - 1)) {
		const struct wslot *w = &c->slot[k];

		if (w->hash == hash && w->len == len && !memcmp(c->text + w->at, s, len)) {
			*n = w->nid;
			return c->ids + w->id;
		}
	}
	return NULL;
}

void word_keep(struct wordcache *c, uint64_t hash, const char *s, size_t len, const struct ids *ids, size_t from)
{
	size_t k = hash & (SLOTS - 1), n = ids->n - from;

	if (len > WORD_MAX || n > 4 * WORD_MAX)
		return;
	if (!c->slot) {
		c->slot = xcalloc(SLOTS, sizeof(*c->slot));
		c->text = xmalloc(TEXT);
		c->ids = xmalloc(IDS * sizeof(*c->ids));
		c->ntext = 1;           /* 0 means empty */
	}
	if (c->used == KEEP || c->ntext + len > TEXT || c->nids + n > IDS) {
		memset(c->slot, 0, SLOTS * sizeof(*c->slot));
		c->used = c->nids = 0;
		c->ntext = 1;
	}
	while (c->slot[k].at)
		k = (k + 1) & (SLOTS - 1);
	c->slot[k] = (struct wslot){ hash, c->ntext, (uint16_t)len, (uint16_t)n, c->nids };
	memcpy(c->text + c->ntext, s, len);
	if (n)
		memcpy(c->ids + c->nids, ids->v + from, n * sizeof(*ids->v));
	c->ntext += (uint32_t)len;
	c->nids += (uint32_t)n;
	c->used++;
}

void wordcache_free(struct wordcache *c)
{
	free(c->slot);
	free(c->text);
	free(c->ids);
	memset(c, 0, sizeof(*c));
}
