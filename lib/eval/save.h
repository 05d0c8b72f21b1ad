/* The output of an evaluation, and with --resume the hidden states on the disk beside it, so that one that was stopped
 * goes on behind the last block after which they were saved.  That is done as often as it costs less than a tenth of
 * the time.  Two files take turns: a power cut in the middle of one leaves the other. */
#ifndef SAVE_H
#define SAVE_H

#include "base/out.h"
#include "eval/eval.h"

struct save {
	struct out *out;
	struct pass *pass[2];           /* [n] models that advance together */
	int n;
	int64_t rows;
	const char *file[2];            /* borrowed */
	int turn;                       /* which is next */
	double last, cost;              /* seconds(): when states were saved last, and what it took */
};

/* verb: what is evaluated.  Opens common.output; the passes are at their beginning, or with --resume where the run that was stopped left them.
 * second: NULL where there is but one.  Dies like out_open and out_resume; -1: error set. */
int save_open(struct save *, const char *verb, const struct tokens *, struct pass *first, struct pass *second,
              bool binary);
/* A block is done. */
int save_step(struct save *);

#endif
