/* llmc-diff: how far the tensors of two bundles lie apart. */
#ifndef DIFF_H
#define DIFF_H

#include <stdbool.h>

/* Reads both at once, a block of each in memory, and prints a row a tensor: with e = b - a, both dequantized,
 *	max   largest |e|			rms   sqrt(mean e^2)
 *	rel   |e| / |a|, Euclidean norms	sqnr  20 log10(|a| / |e|), in dB
 * rel and sqnr are absent where they would be infinite or undefined.  0: all values are the same; 1: they are
 * not; -1: error set, ST_BAD when the two cannot be compared. */
int diff_run(const char *a, const char *b, bool json);

#endif
