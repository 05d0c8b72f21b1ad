/* The nearest of known words to one that is not known. */
#ifndef NEAR_H
#define NEAR_H

int near_distance(const char *a, const char *b);        /* letters to change, of the first 63: Levenshtein's */

#endif
