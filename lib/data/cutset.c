#include "data/cutset.h"

#include "base/mem.h"
#include "data/chars.h"

#include <stdlib.h>
#include <string.h>

enum { LOG_BITS = 20, MARK = 0x2581 };

static uint32_t hash(uint32_t a, uint32_t b)
{
	return (uint32_t)(((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15u >> (64 - LOG_BITS));
}

void cutset_init(struct cutset *c)
{
	c->bits = xcalloc((1 << LOG_BITS) / 64, sizeof(*c->bits));
	c->on = true;
}

void cutset_pair(struct cutset *c, uint32_t left, uint32_t right)
{
	uint32_t h = hash(left, right);

	if ((left == MARK) != (right == MARK))
		c->bits[h / 64] |= (uint64_t)1 << (h % 64);
}

void cutset_text(struct cutset *c, const char *s, size_t n)
{
	uint32_t prev = 0, cp;
	int len;

	for (size_t i = 0; i < n; i += (size_t)len, prev = cp) {
		cp = utf8_get(s + i, &len);
		if (i)
			cutset_pair(c, prev, cp);
	}
}

void cutset_free(struct cutset *c)
{
	free(c->bits);
	memset(c, 0, sizeof(*c));
}

static bool together(const struct cutset *c, uint32_t a, uint32_t b)
{
	uint32_t h = hash(a, b);

	return c->bits[h / 64] >> (h % 64) & 1;
}

/* s is well-formed. */
size_t cutset_next(const struct cutset *c, const char *s, size_t n)
{
	const char *p = s;
	int len;

	if (!c->on)
		return n;
	while ((p = memchr(p, '\xe2', n - (size_t)(p - s)))) {
		size_t at = (size_t)(p - s);
		uint32_t cp;

		if (n - at < 3 || p[1] != '\x96' || p[2] != '\x81') {
			p++;
			continue;
		}
		if (at) {
			cp = utf8_get(s + utf8_prev(s, at), &len);
			if (cp != MARK && !together(c, cp, MARK))
				return at;
		}
		p += 3;
		at += 3;
		if (at < n) {
			cp = utf8_get(p, &len);
			if (cp != MARK && !together(c, MARK, cp))
				return at;
		}
	}
	return n;
}
