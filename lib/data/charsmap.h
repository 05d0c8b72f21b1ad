/* SentencePiece's precompiled character map: a double array of keys (byte strings) and their replacements. */
#ifndef CHARSMAP_H
#define CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct charsmap {
	uint32_t *unit;                 /* owned */
	size_t nunit;
	char *text;                     /* replacements, each NUL-terminated; owned */
	size_t ntext;
	bool plain[128];                /* ASCII characters that stay as they are, but perhaps before others */
};

int charsmap_parse(struct charsmap *, const void *blob, size_t len);    /* copies; -1: error set (ST_BAD) */
/* Bytes of the longest (or, `shortest`, the shortest) key that s starts with, 0 when none does; its
 * replacement in *to, *to_len. */
size_t charsmap_find(const struct charsmap *, const char *s, size_t n, int shortest, const char **to,
                     size_t *to_len);
/* Length of the run of ASCII that s begins with, that the map leaves as it is, and of which nothing is part of a
 * character that is written with several. */
size_t charsmap_plain(const struct charsmap *, const char *s, size_t n);
void charsmap_free(struct charsmap *);
/* RFC 4648 base64; malloc'd bytes of *len, NULL: error set. */
void *base64_decode(const char *s, size_t n, size_t *len);

#endif
