/* The bytes of a bundle, from a mapped file or a pipe, decompressed when they are gzip, zstd or xz. */
#ifndef FEED_H
#define FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feed;

/* "-" or NULL = standard input, refused when it is a terminal.  NULL: error set. */
struct feed *feed_open(const char *path);
bool feed_mapped(const struct feed *);          /* what feed_read hands out is the map, writable and kept till close */
/* The next piece, borrowed until the next call.  1; 0 at the end; -1, error set. */
int feed_read(struct feed *, const void **buf, size_t *n);
/* Pages of the map within these n bytes leave our memory: what is read there again comes from the file again, and what
 * was written there is lost.  Nothing where there is no map. */
void feed_release(const struct feed *, const void *p, size_t n);
/* Reads on to the end: is everything from byte `pos`, which lies in the piece read last or at its end, zero?
 * 1, *count set to how many bytes; 0 when not; -1, error set. */
int feed_zeros(struct feed *, uint64_t pos, uint64_t *count);
int feed_unchanged(const struct feed *);        /* -1: a mapped file changed since it was opened; error set */
void feed_close(struct feed *);

#endif
