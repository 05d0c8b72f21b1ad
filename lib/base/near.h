/* The nearest of known words to one that is not known. */
#ifndef NEAR_H
#define NEAR_H

#include <stdbool.h>

int near_distance(const char *a, const char *b);        /* letters to change, of the first 63: Levenshtein's */
/* The nearest of those that were tried, the first of equals.  Begins as { .word = WORD }. */
struct near {
	const char *word;
	const char *best;               /* borrowed; NULL: none was tried */
	int distance;                   /* its */
};
bool near_try(struct near *, const char *known);        /* is it the best so far? */

#endif
