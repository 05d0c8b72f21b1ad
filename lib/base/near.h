/* The nearest of known words to one that is not known. */
#ifndef NEAR_H
#define NEAR_H

#include <stdbool.h>
#include <stddef.h>

int near_distance(const char *a, const char *b);        /* letters to change, of the first 63: Levenshtein's */
/* The nearest of those that were tried, the first of equals.  Begins as { .word = WORD }. */
struct near {
	const char *word;
	const char *best;               /* borrowed; NULL: none was tried */
	int distance;                   /* its */
};
bool near_try(struct near *, const char *known);        /* is it the best so far? */
bool near_enough(const struct near *, size_t len);      /* a third of that many letters differ at most */

#endif
