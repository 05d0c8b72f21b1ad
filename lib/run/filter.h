/* The main loop of every filter: a bundle in, a bundle out, one block at a time. */
#ifndef FILTER_H
#define FILTER_H

#include "base/opt.h"
#include "bundle/bundle.h"

struct calib;
struct plan;

/* What the host gives a filter. */
struct run {
	struct dev *dev;                /* NULL unless OPT_DEVICE */
	const struct model *model;      /* of the incoming bundle */
	struct calib *calib;            /* NULL unless --calib was given */
	struct rules rules;             /* parsed from -w, --rule, --skip; OPT_QSPEC */
	cJSON *report;                  /* object; the filter adds to it; goes to end.json under its pg id */
	cJSON *inputs;                  /* digests of other inputs, for provenance */
};

/* The functions return 0, or -1 with the error state set.  With --calib the host runs the embedding; a filter
 * then hands every layer to calib_block exactly once, with a tap or without: that moves the states on. */
struct filter {
	struct opt_tool tool;
	size_t state;                   /* bytes of private state, zeroed; own options point into it */
	int (*begin)(void *st, struct run *, struct model *out);        /* may edit the outgoing model */
	int (*block)(void *st, struct run *, struct block *);           /* every block, embed and head too */
	int (*end)(void *st, struct run *);                             /* totals; may print; may be NULL */
	void (*plan)(void *st, struct run *, struct plan *);            /* what -n says, after begin; with OPT_DRY */
};
int filter_main(const struct filter *, int argc, char **argv);          /* the body of a filter's main() */

#endif
