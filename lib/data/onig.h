/* Regular expressions as tokenizer.json means them: Oniguruma's Ruby syntax, run by PCRE2. */
#ifndef ONIG_H
#define ONIG_H

#include <stdbool.h>
#include <stddef.h>

struct onig;
struct onig *onig_compile(const char *pattern, size_t len);     /* NULL: error set (ST_BAD, ST_UNSUP) */
void onig_free(struct onig *);

/* Room for one thread's matches, of any expression. */
struct onig_room;
struct onig_room *onig_room_new(void);
void onig_room_free(struct onig_room *);

/* A walk over the matches in s, which is well-formed UTF-8, none overlapping. */
struct onig_walk {
	const char *s;
	size_t n, at;
	size_t last;                    /* end of the last match, plus one; 0 = none yet */
	size_t b, e;                    /* the match found */
};
int onig_next(const struct onig *, struct onig_room *, struct onig_walk *);     /* 1, 0, -1: error set */

/* The pattern in PCRE2's syntax, malloc'd; NULL: error set.  For tests. */
char *onig_translate(const char *pattern, size_t len, size_t *out_len);

#endif
