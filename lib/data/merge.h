/* A heap of possible merges: least key first.  Entries outlive what they speak of; whoever pops one checks
 * that it still holds. */
#ifndef MERGE_H
#define MERGE_H

#include <stddef.h>
#include <stdint.h>

struct cand {
	uint64_t key;                   /* order << 32 | position of the left symbol: equal orders go left to right */
	int64_t val;
};
struct heap {
	struct cand *v;
	size_t n, cap;
};

void heap_push(struct heap *, struct cand);
struct cand heap_pop(struct heap *);    /* n > 0 */
void heap_free(struct heap *);

#endif
