/* Words already encoded.  Text repeats itself: in English nine words of ten were seen before, and finding
 * their ids costs less than merging them again.  Bounded: when full it is emptied. */
#ifndef WORDCACHE_H
#define WORDCACHE_H

#include "data/tok.h"

enum { WORD_MAX = 64 };                 /* longer words are not kept */

struct wslot {
	uint64_t hash;
	uint32_t at;                    /* into `text`; 0 = empty */
	uint16_t len, nid;              /* bytes of the word; ids of it, which stand at `ids + id` */
	uint32_t id;
};
struct wordcache {
	struct wslot *slot;
	uint32_t used;
	char *text;
	int32_t *ids;
	uint32_t ntext, nids;
};

uint64_t word_hash(const char *s, size_t len);
/* The ids of the word, *n of them; NULL when it is not there. */
const int32_t *word_find(const struct wordcache *, uint64_t hash, const char *s, size_t len, size_t *n);
/* Keeps ids[from..] as the word's. */
void word_keep(struct wordcache *, uint64_t hash, const char *s, size_t len, const struct ids *ids, size_t from);
void wordcache_free(struct wordcache *);

#endif
