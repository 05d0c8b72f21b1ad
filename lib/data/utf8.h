/* Bytes and characters: a growing buffer, UTF-8, and the character classes that tokenizers ask for. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	char *p;
	size_t n, cap;
};
void bytes_need(struct bytes *, size_t more);           /* room for `more` behind n */
void bytes_put(struct bytes *, const void *, size_t n);
void bytes_cp(struct bytes *, uint32_t cp);
void bytes_free(struct bytes *);
static inline int clip(size_t n)                        /* for %.*s of something from a file */
{
	return n < 60 ? (int)n : 60;
}

/* Bytes of the well-formed character at s, where n > 0 bytes are; when there is none, minus the length of
 * the maximal ill-formed part (one byte at least). */
int utf8_seq(const char *s, size_t n);
uint32_t utf8_get(const char *s, int *len);             /* the character at s, which is well-formed */
int utf8_put(char *s, uint32_t cp);                     /* up to 4 bytes; returns how many */
size_t utf8_valid(const char *s, size_t n);             /* length of the longest well-formed front */
/* Appends s with every maximal ill-formed part replaced by U+FFFD. */
void utf8_lossy(struct bytes *out, const char *s, size_t n);
size_t utf8_prev(const char *s, size_t at);             /* start of the character that ends at `at` > 0 */

bool cp_space(uint32_t);                /* White_Space */
bool cp_number(uint32_t);               /* Nd Nl No */
bool cp_punct(uint32_t);                /* ASCII punctuation and P* */
bool cp_mark(uint32_t);                 /* Mn Mc Me */
bool cp_nonspacing(uint32_t);           /* Mn */
bool cp_other(uint32_t);                /* Cc Cf Co, tab and line ends excepted */
void bytes_lower(struct bytes *, uint32_t cp);          /* appends its full lower-case form */

/* Unicode normal forms; a text without characters that the form touches is copied. */
enum nform { NFC, NFD, NFKC, NFKD };
int nform_put(struct bytes *out, const char *s, size_t n, enum nform);          /* s well-formed; -1: error set */

/* The printable stand-ins of bytes in byte-level vocabularies. */
uint32_t byte_standin(uint8_t);
int standin_byte(uint32_t cp);                          /* -1: none's */

#endif
