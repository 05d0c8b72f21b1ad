/* A function in several versions, of which the processor's is taken when the program starts: for loops that compilers
 * make vectors of and whose results may not depend on how wide those are. */
#ifndef CLONES_H
#define CLONES_H

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define CLONES
#endif

#endif
