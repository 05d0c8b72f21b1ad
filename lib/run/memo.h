/* What the journal of a filter's run remembers of each step, so that a resumed run ends in the same trailer: the
 * digest of the member that was read, the ledger so far, and what the step added to the report. */
#ifndef MEMO_H
#define MEMO_H

#include "bundle/ledger.h"

struct memo {
	struct ledger *ledger;          /* borrowed, as is the report */
	cJSON *report;
	int dropped;                    /* of the ledger, already told */
	cJSON *told;                    /* elements of the report's lists already told, by name */
};
void memo_init(struct memo *, struct ledger *, cJSON *report);
/* The step just done, for bundle_step. */
cJSON *memo_step(struct memo *, uint64_t sum);
/* A step of the earlier run comes back.  -1: error set; `sum` is not what it read. */
int memo_restore(struct memo *, const cJSON *step, uint64_t sum);
void memo_free(struct memo *);

struct dev;
/* Results may differ in their last bits from one processor to another: the key says on what they were computed. */
void key_device(cJSON *key, struct dev *);
/* The manifest of an input, under the name `what`. */
void key_manifest(cJSON *key, const char *what, const cJSON *manifest);

#endif
