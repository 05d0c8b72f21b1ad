/* The decoder of tokenizer.json: a chain of steps over the spellings of tokens. */
#ifndef DETOK_H
#define DETOK_H

#include "data/jtree.h"
#include "data/onig.h"
#include "data/chars.h"

/* Spellings, one after the other; the i-th ends at end[i]. */
struct spells {
	struct bytes text;
	size_t *end;
	size_t n, cap;
};
void spells_put(struct spells *, const char *s, size_t n);      /* appends one */
void spells_free(struct spells *);

struct dec_step;
struct decoder {
	struct dec_step *v;
	size_t n, cap;
	bool none;                      /* no decoder: spellings are joined with spaces */
};
/* json may be NULL.  Strings are borrowed from it.  -1: error set. */
int decoder_parse(struct decoder *, const struct jnode *json);
/* Appends the text of *in to out; *in is used up. */
int decoder_run(const struct decoder *, struct onig_room *, struct spells *in, struct bytes *out);
void decoder_free(struct decoder *);

#endif
