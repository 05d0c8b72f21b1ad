/* Bytes and characters: a growing buffer, and the character classes that tokenizers ask for. */
#ifndef CHARS_H
#define CHARS_H

#include "base/utf8.h"

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

/* Appends s with every maximal ill-formed part replaced by U+FFFD. */
void utf8_lossy(struct bytes *out, const char *s, size_t n);

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
void bytes_standins(struct bytes *, const char *s, size_t n);          /* appends those of s */
int standin_byte(uint32_t cp);                          /* -1: none's */

#endif
