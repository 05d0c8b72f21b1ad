/* Products of one tile by one thread.
 *
 * f32: oneDNN where there is AVX-512, else OpenBLAS.  On tiles of this size oneDNN was 5 % faster on a Zen 4 and 7 %
 * on a Sapphire Rapids; and it goes by feature bits, while OpenBLAS goes by model number and gives a processor younger
 * than itself a kernel half as wide.  bf16: oneDNN's matmul, whose primitives are kept by shape.  oneDNN runs its
 * loops through OpenMP, which is told once per thread that there is one thread. */
#include "op/mm.h"

#include "base/err.h"
#include "base/mem.h"
#include "kernels/kern.h"

#include <cblas.h>

static void blas(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                 const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	if (m == 1 && !ta)                      /* a product would first copy all of b */
		cblas_sgemv(CblasRowMajor, tb ? CblasNoTrans : CblasTrans, (blasint)(tb ? n : k), (blasint)(tb ? k : n),
		            alpha, b, (blasint)ldb, a, 1, beta, c, 1);
	else
		cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)m,
		            (blasint)n, (blasint)k, alpha, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

#ifdef HAVE_DNNL
#include <dnnl.h>
#include <dnnl_debug.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Products of fewer multiplications than this stay with OpenBLAS: oneDNN takes 30 ms to compile its f32 kernels when
 * first called, in which a tiny model is done. */
enum { SMALL = 1 << 21 };

extern void omp_set_num_threads(int);           /* libgomp's; <omp.h> comes with gcc alone */

struct shape {
	int64_t m, n, k, lda, ldb, ldc;
	int64_t ta, tb, add;
};

struct entry {
	struct shape s;
	dnnl_memory_desc_t a, b, c;
	dnnl_primitive_desc_t pd;
	dnnl_primitive_t p;
	const dnnl_memory_desc_t *pad;          /* scratch that execution needs; belongs to pd */
};

static struct {
	pthread_mutex_t lock;
	dnnl_engine_t engine;
	struct entry **e;                       /* entries stay where they are */
	size_t n, cap;
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local struct {
	bool alone;                             /* OpenMP was told that this thread works by itself */
	dnnl_stream_t stream;
	void *pad;                              /* owned, grows; threads live as long as the process */
	size_t cap;
} self;

/* Before a primitive is made, too: it is laid out for as many threads as OpenMP has then. */
static void alone(void)
{
	if (!self.alone)
		omp_set_num_threads(1);
	self.alone = true;
}

bool mm_f32_by_dnnl(unsigned feat)
{
	return feat & CPU_AVX512;
}

void mm_f32(bool dnnl, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
            const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	if (!m || !n)
		return;
	alone();
	/* It refuses what it calls an invalid leading dimension, of an empty product say. */
	if (!dnnl || m * n * k < SMALL ||
	    dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc))
		blas(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

bool mm_have_bf16(void)
{
	return true;
}

const char *mm_dnnl_isa(void)
{
	const char *name = dnnl_cpu_isa2str(dnnl_get_effective_cpu_isa());

	return strncmp(name, "cpu_isa_", 8) ? name : name + 8;
}

static dnnl_status_t plain(dnnl_memory_desc_t *md, int64_t rows, int64_t cols, dnnl_data_type_t dt, int64_t down,
                           int64_t across)
{
	dnnl_dims_t dim = { rows, cols }, stride = { down, across };

	return dnnl_memory_desc_init_by_strides(md, 2, dim, dt, stride);
}

/* dnnl_success, or the first failure */
static dnnl_status_t entry_make(struct entry *e, const struct shape *s)
{
	dnnl_primitive_attr_t attr = NULL;
	dnnl_post_ops_t post = NULL;
	dnnl_matmul_desc_t d;
	dnnl_status_t r;

	e->s = *s;
	if ((r = dnnl_primitive_attr_create(&attr)))
		return r;
	if ((r = dnnl_post_ops_create(&post)) ||
	    (r = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user)) ||
	    (s->add && (r = dnnl_post_ops_append_sum(post, 1))) ||
	    (r = dnnl_primitive_attr_set_post_ops(attr, post)) ||
	    (r = plain(&e->a, s->m, s->k, dnnl_bf16, s->ta ? 1 : s->lda, s->ta ? s->lda : 1)) ||
	    (r = plain(&e->b, s->k, s->n, dnnl_bf16, s->tb ? 1 : s->ldb, s->tb ? s->ldb : 1)) ||
	    (r = plain(&e->c, s->m, s->n, dnnl_f32, s->ldc, 1)) ||
	    (r = dnnl_matmul_desc_init(&d, &e->a, &e->b, NULL, &e->c)) ||
	    (r = dnnl_primitive_desc_create(&e->pd, &d, attr, cache.engine, NULL)) ||
	    (r = dnnl_primitive_create(&e->p, e->pd)))
		goto out;
	e->pad = dnnl_primitive_desc_query_md(e->pd, dnnl_query_scratchpad_md, 0);
out:
	dnnl_post_ops_destroy(post);
	dnnl_primitive_attr_destroy(attr);
	return r;
}

static dnnl_status_t entry_find(const struct shape *s, struct entry **out)
{
	dnnl_status_t r = dnnl_success;
	struct entry *e = NULL;

	alone();
	pthread_mutex_lock(&cache.lock);
	if (!cache.engine)
		r = dnnl_engine_create(&cache.engine, dnnl_cpu, 0);
	for (size_t i = 0; !r && i < cache.n && !e; i++)
		if (!memcmp(&cache.e[i]->s, s, sizeof(*s)))
			e = cache.e[i];
	if (!r && !e) {
		e = xcalloc(1, sizeof(*e));
		if ((r = entry_make(e, s))) {
			free(e);
			e = NULL;
		} else {
			cache.e = xgrow(cache.e, cache.n + 1, &cache.cap, sizeof(*cache.e));
			cache.e[cache.n++] = e;
		}
	}
	pthread_mutex_unlock(&cache.lock);
	*out = e;
	return r;
}

static dnnl_status_t execute(struct entry *e, const void *a, const void *b, void *c)
{
	dnnl_exec_arg_t arg[4] = { { DNNL_ARG_SRC, NULL }, { DNNL_ARG_WEIGHTS, NULL }, { DNNL_ARG_DST, NULL },
	                           { DNNL_ARG_SCRATCHPAD, NULL } };
	size_t need = dnnl_memory_desc_get_size(e->pad);
	dnnl_status_t r;

	if (!self.stream) {
		if ((r = dnnl_stream_create(&self.stream, cache.engine, dnnl_stream_default_flags)))
			return r;
	}
	if (need > self.cap) {
		free(self.pad);
		self.pad = aligned_alloc(64, self.cap = (need + 63) / 64 * 64);
		if (!self.pad)
			die(ST_FAIL, "out of memory (%zu bytes)", need);
	}
	if (!(r = dnnl_memory_create(&arg[0].memory, &e->a, cache.engine, (void *)(uintptr_t)a)) &&
	    !(r = dnnl_memory_create(&arg[1].memory, &e->b, cache.engine, (void *)(uintptr_t)b)) &&
	    !(r = dnnl_memory_create(&arg[2].memory, &e->c, cache.engine, c)) &&
	    !(r = dnnl_memory_create(&arg[3].memory, e->pad, cache.engine, need ? self.pad : NULL)) &&
	    !(r = dnnl_primitive_execute(e->p, self.stream, 4, arg)))
		r = dnnl_stream_wait(self.stream);
	for (int i = 0; i < 4; i++)
		dnnl_memory_destroy(arg[i].memory);
	return r;
}

/* What oneDNN 2.6 compiles for AMX of a product of this depth ends in SIGILL when it has 65 to 80 rows, or so many
 * beyond a further 64: it is made of two. */
enum { DEADLY = 63 };

int mm_bf16(int ta, int tb, int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b,
            int64_t ldb, bool add, float *c, int64_t ldc)
{
	struct shape s = { m, n, k, lda, ldb, ldc, ta, tb, add };
	struct entry *e;
	dnnl_status_t r;

	if (k == DEADLY)
		return mm_bf16(ta, tb, m, n, k - 1, a, lda, b, ldb, add, c, ldc) < 0 ? -1 :
		       mm_bf16(ta, tb, m, n, 1, a + (k - 1) * (ta ? lda : 1), lda, b + (k - 1) * (tb ? 1 : ldb), ldb, true, c,
		               ldc);
	if ((r = entry_find(&s, &e)) || (r = execute(e, a, b, c)))
		return err_set(ST_FAIL, "oneDNN failed with status %d in a product [%lld,%lld,%lld]", (int)r,
		               (long long)m, (long long)n, (long long)k);
	return 0;
}
#else
void mm_f32(bool dnnl, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
            const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	(void)dnnl;
	if (m && n)
		blas(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

bool mm_have_bf16(void)
{
	return false;
}

const char *mm_dnnl_isa(void)
{
	return "none";
}

bool mm_f32_by_dnnl(unsigned feat)
{
	(void)feat;
	return false;
}

int mm_bf16(int ta, int tb, int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t lda, const uint16_t *b,
            int64_t ldb, bool add, float *c, int64_t ldc)
{
	(void)ta, (void)tb, (void)m, (void)n, (void)k, (void)a, (void)lda, (void)b, (void)ldb;
	(void)add, (void)c, (void)ldc;
	return err_set(ST_UNSUP, "bf16 products are not compiled in");
}
#endif
