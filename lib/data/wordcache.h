/* Words already encoded.  Text repeats itself: in English nine words of ten were seen before, and finding
 * their ids costs less than merging them again.  Bounded: a word that finds no place near its own takes one.
 *
 * A slot fills half a cache line, and for nearly all words it is all that is looked at:
 *
 *	lo hi      the word itself, up to 16 bytes; else its hash, and where it stands in `text`
 *	len nid    bytes of the word (0: an empty slot); ids of it
 *	id         the ids, up to three; else id[0] is where they stand in `ids` */
#ifndef WORDCACHE_H
#define WORDCACHE_H

#include "data/tok.h"

enum { WORD_MAX = 64 };                 /* longer words are not kept */

struct wkey {
	uint64_t lo, hi;
	size_t slot;
};
struct wslot {
	uint64_t lo, hi;
	uint16_t len, nid;
	int32_t id[3];
};
struct wordcache {
	struct wslot *slot;
	char *text;
	int32_t *ids;
	uint32_t ntext, nids;
};

/* The ids of the word of 1 to WORD_MAX bytes, *n of them; NULL when it is not there.  *key is for word_keep. */
const int32_t *word_find(const struct wordcache *, const char *s, size_t len, struct wkey *key, size_t *n);
/* Keeps ids[from..] as the word's. */
void word_keep(struct wordcache *, const struct wkey *, const char *s, size_t len, const struct ids *ids, size_t from);
void wordcache_free(struct wordcache *);

#endif
