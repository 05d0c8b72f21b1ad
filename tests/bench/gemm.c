/* gemm f32|bf16 openblas|dnnl SIDE THREADS: the rate of a square product, by the library itself and with threads of
 * its own: what the floors of the benchmarks are made of.  Prints GFLOP/s of the best of several and the library's name
 * for its kernel.  OPENBLAS_CORETYPE chooses OpenBLAS's kernel; it is read when the library is loaded. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern void omp_set_num_threads(int);

static int64_t n;
static float *a, *b, *c;
static uint16_t *a16, *b16;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *need(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

	if (!p)
		exit(5);
	return p;
}

static int fail(int status, const char *what)
{
	fprintf(stderr, "gemm: %s\n", what);
	return status;
}

/* Not by its header: libllmc has functions of these names with one thread. */
static void (*sgemm)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

static int openblas_product(void)
{
	int m = (int)n;

	sgemm(ROW_MAJOR, NO_TRANS, TRANS, m, m, m, 1, a, m, b, m, 0, c, m);
	return 0;
}

static const char *openblas_open(int threads)
{
	void *so = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
	void (*set)(int);
	char *(*name)(void);

	if (!so || !(*(void **)&sgemm = dlsym(so, "cblas_sgemm")) ||
	    !(*(void **)&set = dlsym(so, "openblas_set_num_threads")) ||
	    !(*(void **)&name = dlsym(so, "openblas_get_corename")))
		return NULL;
	set(threads);
	return name();
}

#ifdef HAVE_DNNL
#include <dnnl.h>
#include <dnnl_debug.h>

static struct {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	dnnl_primitive_t p;
	dnnl_exec_arg_t arg[3];
} d;

/* bf16 weights in whatever layout the library likes best: their reordering is not timed. */
static int dnnl_prepare(void)
{
	dnnl_dims_t dim = { n, n };
	dnnl_memory_desc_t ma, mb, mc;
	dnnl_matmul_desc_t desc;
	const dnnl_memory_desc_t *chosen;
	dnnl_primitive_desc_t pd;
	void *w;

	if (dnnl_engine_create(&d.engine, dnnl_cpu, 0) || dnnl_stream_create(&d.stream, d.engine, 0) ||
	       dnnl_memory_desc_init_by_tag(&ma, 2, dim, dnnl_bf16, dnnl_ab) ||
	       dnnl_memory_desc_init_by_tag(&mb, 2, dim, dnnl_bf16, dnnl_format_tag_any) ||
	       dnnl_memory_desc_init_by_tag(&mc, 2, dim, dnnl_f32, dnnl_ab) ||
	       dnnl_matmul_desc_init(&desc, &ma, &mb, NULL, &mc) ||
	       dnnl_primitive_desc_create(&pd, &desc, NULL, d.engine, NULL) || dnnl_primitive_create(&d.p, pd) ||
	       dnnl_memory_create(&d.arg[0].memory, &ma, d.engine, a16) ||
	       dnnl_memory_create(&d.arg[2].memory, &mc, d.engine, c))
		return -1;
	chosen = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
	if (dnnl_memory_create(&d.arg[1].memory, chosen, d.engine, DNNL_MEMORY_ALLOCATE) ||
	    dnnl_memory_get_data_handle(d.arg[1].memory, &w))
		return -1;
	for (size_t i = 0; i < dnnl_memory_desc_get_size(chosen) / sizeof(*b16); i++)
		((uint16_t *)w)[i] = b16[i % (size_t)(n * n)];
	return 0;
}

static int dnnl_product(void)
{
	if (!a16)
		return dnnl_sgemm('N', 'T', n, n, n, 1, a, n, b, n, 0, c, n) != dnnl_success;
	if (!d.p) {
		if (dnnl_prepare())
			return 1;
		d.arg[0].arg = DNNL_ARG_SRC;
		d.arg[1].arg = DNNL_ARG_WEIGHTS;
		d.arg[2].arg = DNNL_ARG_DST;
	}
	return dnnl_primitive_execute(d.p, d.stream, 3, d.arg) || dnnl_stream_wait(d.stream);
}
#endif

static void fill(void)
{
	size_t k = (size_t)(n * n);

	a = need(k * sizeof(*a));
	b = need(k * sizeof(*b));
	c = need(k * sizeof(*c));
	for (size_t i = 0; i < k; i++) {
		a[i] = (float)(i * 37 % 199) / 99 - 1;
		b[i] = (float)(i * 53 % 211) / 99 - 1;
	}
}

static void narrow(void)
{
	size_t k = (size_t)(n * n);

	a16 = need(k * sizeof(*a16));
	b16 = need(k * sizeof(*b16));
	for (size_t i = 0; i < k; i++) {
		uint32_t u;

		memcpy(&u, &a[i], 4);
		a16[i] = (uint16_t)(u >> 16);
		memcpy(&u, &b[i], 4);
		b16[i] = (uint16_t)(u >> 16);
	}
}

int main(int argc, char **argv)
{
	int (*product)(void) = NULL;
	const char *kernel = NULL;
	double best = 0, start;
	bool half;

	if (argc != 5 || (n = atoll(argv[3])) < 1 || n > 16384 || atoi(argv[4]) < 1)
		return fail(2, "usage: gemm f32|bf16 openblas|dnnl SIDE THREADS");
	half = !strcmp(argv[1], "bf16");
	fill();
	if (half)
		narrow();
	if (!strcmp(argv[2], "openblas") && !half) {
		kernel = openblas_open(atoi(argv[4]));
		product = openblas_product;
	}
#ifdef HAVE_DNNL
	if (!strcmp(argv[2], "dnnl")) {
		omp_set_num_threads(atoi(argv[4]));
		kernel = dnnl_cpu_isa2str(dnnl_get_effective_cpu_isa());
		kernel += strncmp(kernel, "cpu_isa_", 8) ? 0 : 8;
		product = dnnl_product;
	}
#endif
	if (!kernel)
		return fail(4, "no such library here");
	start = now();
	for (int i = 0; i < 100 && (i < 3 || now() - start < 2); i++) {
		double t = now();

		if (product())
			return fail(5, "the library refuses");
		t = 2e-9 * (double)n * (double)n * (double)n / (now() - t);
		if (t > best)
			best = t;
	}
	printf("%.1f\t%s\n", best, kernel);
	return 0;
}
