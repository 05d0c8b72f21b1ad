/* Inside lib/run: the states of the calibration set, which calib.c and experts.c move. */
#ifndef SIDE_H
#define SIDE_H

#include "base/mem.h"
#include "run/calib.h"
#include "run/states.h"

/* One model's side: that of the compressed one, or of its twin as it came in. */
struct side {
	struct fwd *fwd;                /* NULL: there is no twin */
	struct states *x;               /* [N*T, C] F32 */
	struct states *a;               /* [N*T, W] dev->mm, in a tapped pass */
	/* in a layer of experts */
	int32_t *expert;                /* [N*T, top_k] where each row goes, */
	int64_t *count;                 /* [n_expert] how many to each */
	float *weight;                  /* [N*T, top_k] */
	float *shared;                  /* [N*T] weight of the shared expert */
	struct states *h;               /* [N*T, d_expert or d_shared] dev->mm: what down reads, rows in order */
	void *seen;                     /* what a site's micro-batch is made in */
};

struct calib {
	struct dev *dev;
	const struct model *m;
	const int32_t *ids;             /* [N, T] */
	int64_t N;
	int T;
	int64_t left;                   /* bytes of memory for states */
	struct side main, twin;
};

/* Room for [N*T, width], in memory while there is some.  NULL: error set. */
struct states *calib_room(struct calib *, int width, enum dtype);
int calib_finite(const struct calib *, const void *, enum dtype, int64_t row, int64_t rows, int width, const char *what);
int64_t calib_see_rows(int width);              /* rows that a method sees at a time */
/* The experts of a layer, or of a piece of it, whose attention is done, of both sides, or of one without a tap: the
 * same bits. */
int experts_tapped(struct calib *, const struct block *, const struct tap *);
int experts_straight(struct calib *, struct side *, const struct block *);

#endif
