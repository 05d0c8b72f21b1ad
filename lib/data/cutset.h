/* Where a long text may be cut without changing its BPE.  A merge across a place needs a token in which the
 * two characters there stand side by side; where no token has them so, the two sides are encoded on their
 * own with the same result, and short pieces come from the word cache.  Only places beside a U+2581, which
 * is a token of its own, are considered: characters unknown to the model may be joined at others. */
#ifndef CUTSET_H
#define CUTSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cutset {
	uint64_t *bits;                 /* pairs seen in tokens, hashed: a pair taken for another only loses a cut */
	bool on;
};
void cutset_init(struct cutset *);
void cutset_pair(struct cutset *, uint32_t left, uint32_t right);               /* side by side in some token */
void cutset_text(struct cutset *, const char *s, size_t n);                     /* every pair of a token; well-formed */
void cutset_free(struct cutset *);
/* Bytes of the first piece of s, n > 0; n when it is not to be cut. */
size_t cutset_next(const struct cutset *, const char *s, size_t n);

#endif
