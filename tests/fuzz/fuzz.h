/* What the fuzz entries share. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(int fact)
{
	if (!fact)
		abort();
}

/* From here on all that is allocated and not freed, less what there is now, stays below times * size + fixed bytes:
 * an input that makes it more aborts.  That no length in a file drives an allocation is shown by this. */
void alloc_limit(size_t size, size_t times, size_t fixed);

#endif
