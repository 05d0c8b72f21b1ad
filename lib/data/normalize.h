/* The normaliser of tokenizer.json: a chain of steps over one segment of text. */
#ifndef NORMALIZE_H
#define NORMALIZE_H

#include "data/charsmap.h"
#include "data/jtree.h"
#include "data/onig.h"
#include "data/chars.h"

/* What Replace and Split look for: a literal text or an expression. */
struct pattern {
	struct onig *re;                /* NULL: literal */
	const char *lit;                /* borrowed from the JSON's text */
	size_t len;
};
int pattern_parse(struct pattern *, const struct jnode *);      /* {"String": s} or {"Regex": s} */
/* The next match from w; as onig_next. */
int pattern_next(const struct pattern *, struct onig_room *, struct onig_walk *w);
void pattern_free(struct pattern *);

struct norm_step;
struct normalizer {
	struct norm_step *v;
	size_t n, cap;
};
/* json may be NULL: no steps.  Strings are borrowed from it.  -1: error set. */
int normalizer_parse(struct normalizer *, const struct jnode *json);
/* s is well-formed.  *out borrows s or one of tmp[2]. */
int normalize(const struct normalizer *, struct onig_room *, struct bytes *tmp, const char *s, size_t n,
              const char **out, size_t *out_n);
void normalizer_free(struct normalizer *);

#endif
