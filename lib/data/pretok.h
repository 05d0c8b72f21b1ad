/* The pre-tokenizer of tokenizer.json: cuts one normalised segment into words. */
#ifndef PRETOK_H
#define PRETOK_H

#include "data/jtree.h"
#include "data/onig.h"
#include "data/chars.h"

struct pre_step;
struct pretok {
	struct pre_step *v;
	size_t n, cap;
};
/* json may be NULL: no steps.  Strings are borrowed from it.  -1: error set. */
int pretok_parse(struct pretok *, const struct jnode *json);
/* Whether the last step is ByteLevel.  Then words may be handed out as raw bytes, instead of the stand-ins'
 * text, by `raw`. */
bool pretok_ends_in_bytes(const struct pretok *);
void pretok_set_raw(struct pretok *);

/* One thread's buffers, one for each step. */
struct pre_room {
	struct bytes *tmp;
	size_t n;
};
void pre_room_free(struct pre_room *);

/* word(arg, s, n) for every word of s, in order; stops when it returns -1.  at_start: the segment is the
 * beginning of the text. */
int pretok_run(const struct pretok *, struct onig_room *, struct pre_room *, const char *s, size_t n,
               bool at_start, int (*word)(void *arg, const char *s, size_t n), void *arg);
void pretok_free(struct pretok *);

#endif
