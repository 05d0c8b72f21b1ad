/* llmc-info: what is in a bundle, and whether it is whole. */
#ifndef INFO_H
#define INFO_H

#include <stdbool.h>

/* Reads the bundle to its end and prints what is in it.  -1: error set. */
int info_print(const char *path, bool tensors, bool json);
/* Reads it to its end and looks into every block.  -1: error set, ST_BAD when it is not whole. */
int info_check(const char *path);

#endif
