#include "data/merge.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Four children a node: half the depth of a binary heap, and they share a cache line. */
enum { WAY = 4 };

void heap_push(struct heap *h, struct cand c)
{
	size_t i = h->n;

	h->v = xgrow(h->v, h->n + 1, &h->cap, sizeof(*h->v));
	h->n++;
	while (i) {
		size_t up = (i - 1) / WAY;

		if (h->v[up].key <= c.key)
			break;
		h->v[i] = h->v[up];
		i = up;
	}
	h->v[i] = c;
}

struct cand heap_pop(struct heap *h)
{
	struct cand top = h->v[0], last = h->v[--h->n];
	size_t i = 0;

	for (;;) {
		size_t c = i * WAY + 1, end = c + WAY, best = c;

		if (c >= h->n)
			break;
		if (end > h->n)
			end = h->n;
		for (c++; c < end; c++)
			if (h->v[c].key < h->v[best].key)
				best = c;
		if (h->v[best].key >= last.key)
			break;
		h->v[i] = h->v[best];
		i = best;
	}
	h->v[i] = last;
	return top;
}

void heap_free(struct heap *h)
{
	free(h->v);
	memset(h, 0, sizeof(*h));
}
