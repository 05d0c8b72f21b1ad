/* Where the time of a run goes.  Every kind of work has a row; the rows, and "other", add up to the wall time since
 * tally_start.  Time is that of the thread which called it: what other threads do beside it takes none, and only
 * what they moved or multiplied is counted. */
#ifndef TALLY_H
#define TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum tally_unit { TALLY_BYTES, TALLY_F32, TALLY_BF16 };         /* bytes moved; operations on such products */

struct tally {                          /* static; a name without spaces, a unit, else zero */
	const char *name;
	enum tally_unit unit;
	double seconds;
	atomic_uint_fast64_t work, calls;
	struct tally *next;             /* in the order of their first use */
	atomic_bool listed;
};
extern struct tally tally_read, tally_write;    /* input and output of the tool, waiting for them included */

void tally_start(void);
/* What ran before is paused until the matching tally_leave.  Nests. */
void tally_enter(struct tally *);
void tally_leave(struct tally *, double work);
void tally_stop(void);                          /* the run is over: nothing more is counted */
/* The table, to stderr in one piece.  f32, bf16: FLOP/s of a large product, 0 = not known. */
void tally_print(double f32, double bf16);

/* For the progress line, from any thread. */
const char *tally_now(void);                    /* name of the row that runs; NULL: other */
uint64_t tally_flops(void);
bool tally_used(enum tally_unit);               /* is there a row of it */

#endif
