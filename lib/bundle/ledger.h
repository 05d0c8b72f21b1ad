/* The ledger of end.json: for every stage, how many tensors it kept, changed, quantized and dropped.  The
 * sum of a stage equals what the stage before it handed on; import's equals what the checkpoint held, what it carries
 * along beside the blocks with it. */
#ifndef LEDGER_H
#define LEDGER_H

#include "model/block.h"

struct ledger {
	const char *stage;              /* pg id */
	int64_t kept, changed, quantized;
	cJSON *dropped;                 /* [{"name","reason"}] */
	cJSON *carried;                 /* names of tensors that are none of a block's, or NULL */
};
void ledger_begin(struct ledger *, const char *stage);
void ledger_block(struct ledger *, const struct block *);       /* counts its fates */
void ledger_drop(struct ledger *, const char *name, const char *reason);
void ledger_carry(struct ledger *, const char *name);
/* The upstream ledger (array, may be NULL for import) with this stage appended; the caller owns it.  NULL,
 * error set (ST_FAIL) when it does not balance. */
cJSON *ledger_end(struct ledger *, const cJSON *upstream);
/* Every stage balances; *out: what the last one handed on, -1 when there is none.  -1: error set (ST_BAD). */
int ledger_check(const cJSON *ledger, int64_t *out);

#endif
