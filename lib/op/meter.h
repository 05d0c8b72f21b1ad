/* The operators of a device, metered: calls, time, operations or bytes of each go to rows of base/tally.h, the least
 * that the operator must do (half of attention's square, half of a Gram matrix). */
#ifndef METER_H
#define METER_H

#include "op/op.h"

/* dev_open and dev_close do this: dev->ops becomes a table that counts and calls the device's own. */
void meter_wrap(struct dev *);
void meter_unwrap(struct dev *);
/* FLOP/s of a large product of this type on the device, in a fraction of a second; 0: there is none.  dt: DT_F32 or
 * DT_BF16.  Counted nowhere. */
double meter_rate(struct dev *, enum dtype dt);
/* The end of a successful run: at -v the table of where its time went.  dev: whose products are measured for
 * comparison; NULL for a tool without a device. */
void meter_report(struct dev *);

#endif
