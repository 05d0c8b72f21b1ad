/* The generator: splitmix64 seeding xoshiro256** (Blackman and Vigna, arXiv 1805.01407).  One seed, one sequence. */
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *, uint64_t seed);
uint64_t rng_next(struct rng *);
uint64_t rng_below(struct rng *, uint64_t n);   /* uniform in [0, n), n > 0 */
double rng_unit(struct rng *);                  /* uniform in [0, 1), 53 bits */
double rng_normal(struct rng *);                /* mean 0, variance 1 (Box-Muller, one of the pair) */

#endif
