/* UTF-8, well-formed and otherwise. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed character at s, where n > 0 bytes are; when there is none, minus the length of
 * the maximal ill-formed part (one byte at least). */
int utf8_seq(const char *s, size_t n);
uint32_t utf8_get(const char *s, int *len);             /* the character at s, which is well-formed */
int utf8_put(char *s, uint32_t cp);                     /* up to 4 bytes; returns how many */
size_t utf8_valid(const char *s, size_t n);             /* length of the longest well-formed front */
size_t utf8_prev(const char *s, size_t at);             /* start of the character that ends at `at` > 0 */
/* For showing: control characters, of Unicode's second half too, and bytes that are no UTF-8 become '?'. */
void utf8_tame(char *s, size_t n);

#endif
