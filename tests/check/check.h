/* The conformance suite of the operators: one binary, every level of the processor's features, every kernel of
 * kernels/kern.h and every operator of lib/op/op.h, against formulas in double written here.  A new kernel in a slot
 * that exists needs no new test: each slot is tried at each level.
 *
 *	check                           TAP
 *	check --bench [THREADS]         rates, as TSV
 *	check --limits                  the table of tolerances: name, warning, failure
 */
#ifndef CHECK_H
#define CHECK_H

#include "op/host.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* How far a result may be from the formula, as a part of its scale (the caller says what that is: the value
 * itself, or for a sum the sum of absolute values).  Above warn a line is printed, above fail it fails. */
enum tol { TOL_EXACT, TOL_F32, TOL_F32_SUM, TOL_BF16, TOL_BF16_SUM, TOL_LOSS, TOL_KL, TOL_FACTOR,
           TOL_NLL_F32, TOL_NLL_BF16 /* tests/soak/exact.sh */, NTOL };
struct limit {
	const char *name;
	double warn, fail;
};
extern const struct limit limit[NTOL];

/* One level: the reference, or the processor less some features. */
struct level {
	const char *name, *device, *mask;       /* mask: LLMC_CPU_MASK */
	unsigned feat;
	struct kern k;
	bool dnnl;                      /* bf16 products by oneDNN even where our kernels would do them */
	struct dev *dev;                /* opened with bf16 allowed; mm F32 */
};
extern struct level level[];
extern int nlevel;

/* Lengths that end before, at and after the edges of vectors and tiles. */
extern const int odd_size[];
extern const int nodd;

/* What fills inputs.  LAST: not an input. */
enum fill { FILL_NORMAL, FILL_ZERO, FILL_LARGE, FILL_TINY, FILL_WIDE, FILL_LAST };
uint64_t rnd(void);                             /* xorshift; seed() starts a case */
void seed(uint64_t);
double uniform(void);                           /* (-1, 1) */
double normal(void);
void fill(float *, int64_t n, enum fill);
extern const char *const fill_name[FILL_LAST];

/* n elements `off` elements past an aligned address, with guards before and after that are NaN as floats: an input
 * read past its end spoils the result, an output written past its end is found by guards_ok. */
void *guarded(int64_t n, size_t size, int off);
bool guards_ok(const void *);
void release(void *);
static inline float *floats(int64_t n, int off) { return guarded(n, sizeof(float), off); }
/* Is y16[n], the result that op writes in BF16, y rounded? */
void rounded(const uint16_t *y16, const float *y, int64_t n);
void sentinel(float *, int64_t n);              /* the same NaN, for gaps between rows */
bool is_sentinel(const float *, int64_t n);

/* A test is a run of cases; it fails when one of them does.  One line of TAP each. */
void test_begin(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void test_end(void);
void where(const char *fmt, ...) __attribute__((format(printf, 1, 2)));         /* names the case in hand */
void expect(bool, const char *what);
void near(double got, double want, double scale, enum tol);
void clean(const void *, const char *what);     /* guards untouched */
/* Bytes of a result: with the first number of threads remembered, with others compared.  As equal bytes are equally
 * right, the formulas are worked out only when `first`. */
extern bool first;
void same(const void *, int64_t bytes);

void check_kernels(const struct level *);       /* kernels.c */
void check_conversions(const struct level *);
void check_panels(const struct level *);        /* products.c */
void check_ops(const struct level *);           /* ops.c */
void check_solver(const struct level *);        /* solver.c */
void check_devices(void);
int bench(int threads);                               /* bench.c */

#endif
