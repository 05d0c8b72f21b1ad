/* Hidden states: rows of one width and type, in memory or in a file of no name. */
#ifndef STATES_H
#define STATES_H

#include "tensor/dtype.h"

#include <stdbool.h>

struct states;

/* Room for [rows, width], not cleared; `file`: in an unlinked file in $TMPDIR (/tmp), whose place on the disk is taken
 * at once where the file system can.  NULL: error set. */
struct states *states_new(int64_t rows, int64_t width, enum dtype, bool file);
void states_free(struct states *);
/* Rows of another width from here on, no wider than at first; what they held is void. */
void states_width(struct states *, int64_t width);

/* n rows from `row` on: in memory themselves, else a copy, borrowed until the next call.  states_get: with what they
 * hold; NULL: error set.  states_room: to be filled. */
void *states_get(struct states *, int64_t row, int64_t n);
void *states_room(struct states *, int64_t row, int64_t n);
/* Keeps what was made of the n rows that states_get or states_room gave last.  -1: error set. */
int states_put(struct states *, int64_t row, int64_t n);
void states_rest(struct states *);                      /* frees the copy: nothing is wanted for a while */

#endif
