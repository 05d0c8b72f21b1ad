/* Text files that come in, perhaps compressed. */
#ifndef TEXTIN_H
#define TEXTIN_H

#include "data/chars.h"

/* The whole file ("-" or NULL: standard input), through gzip, bzip2, xz or zstd if that is what it is; raw: the
 * file's own bytes in order, for a digest.  A NUL stands behind the bytes.  -1: error set, naming the file. */
int textin_read(const char *path, struct bytes *out, void (*raw)(void *arg, const void *, size_t), void *arg);
/* Whether the name ends in it, but for what a compressor appends. */
bool textin_ends(const char *path, const char *ext);

#endif
