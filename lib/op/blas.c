/* Stand-ins for the functions of OpenBLAS that the house uses, under their own names; the first call loads the
 * library.
 *
 * Why not link it: its constructor starts a thread a processor and claims 128 MB of address space for each, whether
 * the tool multiplies or not; and where there is no such space it does not fail but tries again, for ever.  So the
 * library is told that there is one thread, and its buffers, of which each running call takes one, are claimed here:
 * as many as there are threads and as fit.  No more calls run at a time than there are buffers. */
#include "op/blas.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"

#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* LAPACK, as Fortran calls it: lengths of strings last. */
void spotrf_(const char *, const int *, float *, const int *, int *, size_t);
void dpotrf_(const char *, const int *, double *, const int *, int *, size_t);
void strtri_(const char *, const char *, const int *, float *, const int *, int *, size_t, size_t);
void dtrtri_(const char *, const char *, const int *, double *, const int *, int *, size_t, size_t);

/* What a buffer takes at most (BUFFER_SIZE of OpenBLAS's common_x86_64.h), with what aligns it. */
#define BUFFER ((size_t)129 << 20)
enum { MAX_BUFFER = 64 };               /* it has room to note some more */

#define EACH(f) \
	f(cblas_sgemm) f(cblas_dgemm) f(cblas_sgemv) f(cblas_ssyrk) f(cblas_strsm) f(cblas_dtrsm) \
	f(spotrf_) f(dpotrf_) f(strtri_) f(dtrtri_) f(openblas_set_num_threads) f(openblas_get_corename) \
	f(openblas_get_config)
#define SLOT(name) __typeof__(name) *name##_p;
static struct {
	pthread_once_t once;
	sem_t free;                     /* buffers */
	EACH(SLOT)
	void *(*take)(int);
	void (*give)(void *);
} lib = { .once = PTHREAD_ONCE_INIT };

static void symbol(void *so, const char *name, void *slot)
{
	void *p = dlsym(so, name);

	if (!p)
		die(ST_FAIL, "this OpenBLAS has no '%s'", name);
	*(void **)slot = p;             /* POSIX's way from an object pointer to a function's */
}

static unsigned claim(void)
{
	void *held[MAX_BUFFER];
	int n = 0, most = pool_threads() < MAX_BUFFER ? pool_threads() : MAX_BUFFER;

	if (!lib.take || !lib.give)     /* a build that hides them claims a thread's when it first multiplies */
		return mem_room(BUFFER) ? (unsigned)most : 0;
	while (n < most && mem_room(BUFFER))    /* OpenBLAS itself would not ask */
		held[n++] = lib.take(0);
	for (int i = n; i--;)
		lib.give(held[i]);
	return (unsigned)n;
}

static void load(void)
{
	void *so = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
	unsigned n;

	if (!so)
		so = dlopen("libopenblas.so", RTLD_NOW | RTLD_LOCAL);
	if (!so)
		die(ST_FAIL, "cannot load OpenBLAS: %s", dlerror());
#define FIND(name) symbol(so, #name, &lib.name##_p);
	EACH(FIND)
	*(void **)&lib.take = dlsym(so, "blas_memory_alloc");
	*(void **)&lib.give = dlsym(so, "blas_memory_free");
	lib.openblas_set_num_threads_p(1);
	n = claim();
	if (!n)
		die(ST_FAIL, "out of memory: OpenBLAS needs %zu MB of address space", BUFFER >> 20);
	sem_init(&lib.free, 0, n);
}

void blas_init(void)
{
	setenv("OPENBLAS_NUM_THREADS", "1", 1);
}

#define CALL(name, args) do { \
	pthread_once(&lib.once, load); \
	while (sem_wait(&lib.free)) \
		; \
	lib.name##_p args; \
	sem_post(&lib.free); \
} while (0)

void cblas_sgemm(enum CBLAS_ORDER o, enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k,
                 float alpha, const float *a, blasint lda, const float *b, blasint ldb, float beta, float *c, blasint ldc)
{
	CALL(cblas_sgemm, (o, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc));
}

void cblas_dgemm(enum CBLAS_ORDER o, enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k,
                 double alpha, const double *a, blasint lda, const double *b, blasint ldb, double beta, double *c,
                 blasint ldc)
{
	CALL(cblas_dgemm, (o, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc));
}

void cblas_sgemv(enum CBLAS_ORDER o, enum CBLAS_TRANSPOSE t, blasint m, blasint n, float alpha, const float *a,
                 blasint lda, const float *x, blasint incx, float beta, float *y, blasint incy)
{
	CALL(cblas_sgemv, (o, t, m, n, alpha, a, lda, x, incx, beta, y, incy));
}

void cblas_ssyrk(enum CBLAS_ORDER o, enum CBLAS_UPLO u, enum CBLAS_TRANSPOSE t, blasint n, blasint k, float alpha,
                 const float *a, blasint lda, float beta, float *c, blasint ldc)
{
	CALL(cblas_ssyrk, (o, u, t, n, k, alpha, a, lda, beta, c, ldc));
}

void cblas_strsm(enum CBLAS_ORDER o, enum CBLAS_SIDE s, enum CBLAS_UPLO u, enum CBLAS_TRANSPOSE t, enum CBLAS_DIAG d,
                 blasint m, blasint n, float alpha, const float *a, blasint lda, float *b, blasint ldb)
{
	CALL(cblas_strsm, (o, s, u, t, d, m, n, alpha, a, lda, b, ldb));
}

void cblas_dtrsm(enum CBLAS_ORDER o, enum CBLAS_SIDE s, enum CBLAS_UPLO u, enum CBLAS_TRANSPOSE t, enum CBLAS_DIAG d,
                 blasint m, blasint n, double alpha, const double *a, blasint lda, double *b, blasint ldb)
{
	CALL(cblas_dtrsm, (o, s, u, t, d, m, n, alpha, a, lda, b, ldb));
}

void spotrf_(const char *u, const int *n, float *a, const int *lda, int *info, size_t len)
{
	CALL(spotrf_, (u, n, a, lda, info, len));
}

void dpotrf_(const char *u, const int *n, double *a, const int *lda, int *info, size_t len)
{
	CALL(dpotrf_, (u, n, a, lda, info, len));
}

void strtri_(const char *u, const char *d, const int *n, float *a, const int *lda, int *info, size_t lu, size_t ld)
{
	CALL(strtri_, (u, d, n, a, lda, info, lu, ld));
}

void dtrtri_(const char *u, const char *d, const int *n, double *a, const int *lda, int *info, size_t lu, size_t ld)
{
	CALL(dtrtri_, (u, d, n, a, lda, info, lu, ld));
}

void openblas_set_num_threads(int n)
{
	CALL(openblas_set_num_threads, (n));
}

char *openblas_get_corename(void)
{
	pthread_once(&lib.once, load);
	return lib.openblas_get_corename_p();
}

char *openblas_get_config(void)
{
	pthread_once(&lib.once, load);
	return lib.openblas_get_config_p();
}
