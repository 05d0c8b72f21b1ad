/* A mutator that knows what a bundle is. */
#ifndef TARMUT_H
#define TARMUT_H

#include <stddef.h>
#include <stdint.h>

/* For LLVMFuzzerCustomMutator.  Most of the time what it makes is a tar with proper sums whose trailer lists what is
 * there, so that the change is seen by the readers behind those checks; sometimes it is any bytes. */
size_t tar_mutate(uint8_t *data, size_t size, size_t max, unsigned seed);

#endif
