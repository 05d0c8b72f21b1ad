/* One pool of threads.  Work is cut into items by the caller, the same cut for any number of threads,
 * and which thread runs an item must not matter: so results do not depend on -t. */
#ifndef POOL_H
#define POOL_H

#include <stdint.h>

void pool_start(int threads);           /* 0 = number of processors; call once, before pool_for */
int pool_threads(void);                 /* 1 when not started */
/* fn(arg, i, worker) for every i in [0, n), in any order, worker in [0, pool_threads()).  Returns when
 * all are done.  Not to be called from inside fn. */
void pool_for(int64_t n, void (*fn)(void *arg, int64_t i, int worker), void *arg);

#endif
