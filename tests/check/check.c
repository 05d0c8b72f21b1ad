/* The frame of the suite: levels, tolerances, inputs, guards, TAP. */
#include "tests/check/check.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "op/mm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct limit limit[NTOL] = {
	[TOL_EXACT]    = { "exact",    0,      0 },
	[TOL_F32]      = { "f32",      5e-7,   2e-6 },          /* an f32 ulp is 1.2e-7 at most */
	[TOL_F32_SUM]  = { "f32 sum",  1e-6,   2e-6 },          /* of sum |a b| */
	[TOL_BF16]     = { "bf16",     1.2e-2, 2.5e-2 },          /* its rounding, 4e-3, of q, k, v and probabilities */
	[TOL_BF16_SUM] = { "bf16 sum", 1.5e-6,   4e-6 },          /* inputs rounded beforehand, sums in f32 */
	[TOL_LOSS]     = { "loss",     2e-7,   1e-6 },          /* nats */
	[TOL_KL]       = { "kl",       5e-7,   2e-6 },          /* of the largest term's scale */
	[TOL_NLL_F32]  = { "nll f32",  1e-6,   5e-6 },          /* nats, of the mean over a text: sums in another order */
	[TOL_NLL_BF16] = { "nll bf16", 2e-3,   5e-3 },          /* nats, likewise: inputs of products rounded */
	[TOL_FACTOR]   = { "factor",   3e-6,   1e-5 },          /* |u'uh - 1| / (|u'u| |h|) */
};

struct level level[] = {
	{ .name = "ref", .device = "ref" },
	{ .name = "plain", .device = "cpu", .mask = "avx2" },
	{ .name = "avx2", .device = "cpu", .mask = "avx512" },
	{ .name = "avx512", .device = "cpu", .mask = "avx512_bf16" },
	{ .name = "avx512_bf16", .device = "cpu", .mask = "amx_bf16" },
	{ .name = "all", .device = "cpu" },
	{ .name = "oneDNN", .device = "cpu", .dnnl = true },
};
int nlevel = sizeof(level) / sizeof(*level);

const int odd_size[] = { 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 172, 577 };
const int nodd = sizeof(odd_size) / sizeof(*odd_size);

const char *const fill_name[FILL_LAST] = { "normal", "zeros", "large", "denormal", "wide" };

static uint64_t state = 1;

void seed(uint64_t s)
{
	state = s * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u;
	for (int i = 0; i < 4; i++)
		rnd();
}

uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1du;
}

double uniform(void)
{
	return (double)(int64_t)(rnd() | 1) / 9223372036854775808.0;
}

double normal(void)
{
	double s = 0;

	for (int i = 0; i < 6; i++)
		s += uniform();
	return s / sqrt(2);
}

void fill(float *x, int64_t n, enum fill f)
{
	for (int64_t i = 0; i < n; i++) {
		switch (f) {
		case FILL_ZERO: x[i] = rnd() & 1 ? 0.0f : -0.0f; break;
		case FILL_LARGE: x[i] = (float)(normal() * 1e4); break;
		case FILL_TINY: x[i] = (float)(uniform() * 1e-39); break;
		case FILL_WIDE: x[i] = (float)copysign(pow(10, uniform() * 6), uniform()); break;
		default: x[i] = (float)normal();
		}
	}
}

enum { GUARD = 64, PATTERN = 0x7fc0dead };

struct guard {
	size_t n;                       /* bytes between the guards */
	unsigned char *at;
	struct guard *next;
};
static struct guard *guards;

static void guard_fill(unsigned char *p)
{
	for (int i = 0; i < GUARD; i += 4)
		memcpy(p + i, &(uint32_t){ PATTERN }, 4);
}

static bool guard_same(const unsigned char *p)
{
	unsigned char want[GUARD];

	guard_fill(want);
	return !memcmp(p, want, GUARD);
}

/* malloc | off | guard | n | guard: the first guard starts 64-aligned but for off */
void *guarded(int64_t n, size_t size, int off)
{
	struct guard *g = xmalloc(sizeof(*g));
	unsigned char *p = aligned_alloc(64, ((size_t)n * size + (size_t)off * size + 3 * GUARD) / 64 * 64 + 64);

	if (!p)
		die(ST_FAIL, "out of memory");
	g->n = (size_t)n * size;
	g->at = p;
	g->next = guards;
	guards = g;
	p += (size_t)off * size;
	guard_fill(p);
	guard_fill(p + GUARD + g->n);
	return p + GUARD;
}

static struct guard **guard_of(const void *p)
{
	struct guard **g;

	for (g = &guards; *g; g = &(*g)->next)
		if ((const unsigned char *)p >= (*g)->at && (const unsigned char *)p <= (*g)->at + (*g)->n + 2 * GUARD)
			return g;
	die(ST_FAIL, "not a guarded buffer");
}

bool guards_ok(const void *p)
{
	struct guard *g = *guard_of(p);

	return guard_same((const unsigned char *)p - GUARD) && guard_same((const unsigned char *)p + g->n);
}

void release(void *p)
{
	struct guard **at = guard_of(p), *g = *at;

	*at = g->next;
	free(g->at);
	free(g);
}

void sentinel(float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		memcpy(x + i, &(uint32_t){ PATTERN }, 4);
}

bool is_sentinel(const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (memcmp(x + i, &(uint32_t){ PATTERN }, 4))
			return false;
	return true;
}

static struct {
	char name[200], where[300];
	int run, failed;                /* tests */
	int cases, bad, noted;          /* of the test in hand */
	double worst;                   /* part of what would fail */
	double warned;
	const struct limit *limit;      /* of the worst */
} tap;

void test_begin(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(tap.name, sizeof(tap.name), fmt, ap);
	va_end(ap);
	tap.cases = tap.bad = tap.noted = 0;
	tap.worst = tap.warned = 0;
	tap.limit = NULL;
	tap.where[0] = '\0';
}

void where(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(tap.where, sizeof(tap.where), fmt, ap);
	va_end(ap);
	tap.cases++;
}

static void bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void bad(const char *fmt, ...)
{
	va_list ap;

	tap.bad++;
	if (tap.noted++ >= 5)
		return;
	printf("# %s: ", tap.where);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

void expect(bool good, const char *what)
{
	if (!good)
		bad("not so: %s", what);
}

void rounded(const uint16_t *y16, const float *y, int64_t n)
{
	bool good = true;

	for (int64_t i = 0; i < n; i++)
		good = good && y16[i] == f32_bf16(y[i]);
	expect(good, "in BF16 the F32 result rounded");
	clean(y16, "y in BF16");
}

void clean(const void *p, const char *what)
{
	if (!guards_ok(p))
		bad("%s: written outside its bounds", what);
}

/* Two infinities of one sign, and two NaNs, agree. */
void near(double got, double want, double scale, enum tol t)
{
	double err = fabs(got - want) / (scale > 1e-30 ? scale : 1e-30);

	if (got == want || (isnan(got) && isnan(want)))
		return;
	if (!(err <= limit[t].fail))
		bad("got %.9g, want %.9g, %s error %.3g, limit %.3g", got, want, limit[t].name, err, limit[t].fail);
	else if (err > limit[t].warn && err > tap.warned)
		tap.warned = err;
	if (limit[t].fail > 0 && err / limit[t].fail > tap.worst) {
		tap.worst = err / limit[t].fail;
		tap.limit = &limit[t];
	}
}

void test_end(void)
{
	bool good = !tap.bad && tap.cases;

	if (tap.warned > 0)
		printf("# %s: warning: error of %.3g\n", tap.name, tap.warned);
	printf("%sok %d - %s: %d cases", good ? "" : "not ", ++tap.run, tap.name, tap.cases);
	if (tap.limit)
		printf(", worst error %.2g of %s limit %.2g", tap.worst * tap.limit->fail, tap.limit->name,
		       tap.limit->fail);
	printf("\n");
	fflush(stdout);
	tap.failed += !good;
}

static struct {
	uint64_t *hash;
	size_t n, cap, at;
} kept;
bool first = true;

void same(const void *p, int64_t bytes)
{
	const unsigned char *s = p;
	uint64_t h = 0xcbf29ce484222325u;

	for (int64_t i = 0; i < bytes; i++)     /* FNV-1a */
		h = (h ^ s[i]) * 0x100000001b3u;
	if (first) {
		kept.hash = xgrow(kept.hash, kept.n + 1, &kept.cap, sizeof(*kept.hash));
		kept.hash[kept.n++] = h;
	} else if (kept.at >= kept.n || kept.hash[kept.at++] != h) {
		bad("bytes differ from those of one thread");
	}
}

/* Levels that this processor cannot tell from the one before go. */
static void find_levels(void)
{
	int n = 0;

	for (int i = 0; i < nlevel; i++) {
		struct level l = level[i];
		bool ref = !strcmp(l.device, "ref");

		l.feat = ref ? 0 : cpu_features(l.mask);
		if (l.dnnl ? !(l.feat & CPU_AVX512_BF16) || !mm_have_bf16() : n > 1 && level[n - 1].feat == l.feat)
			continue;
		if (ref)
			kern_ref(&l.k);
		else
			kern_cpu(&l.k, l.feat);
		level[n++] = l;
	}
	nlevel = n;
}

static void open_devices(int threads)
{
	for (int i = 0; i < nlevel; i++) {
		if (level[i].mask)
			setenv("LLMC_CPU_MASK", level[i].mask, 1);
		else
			unsetenv("LLMC_CPU_MASK");
		dev_close(level[i].dev);
		if (!(level[i].dev = dev_open(level[i].device, 1, threads)))
			die_err();
		if (level[i].dnnl)
			host(level[i].dev)->panels16 = false;
	}
}

int main(int argc, char **argv)
{
	static const int threads[] = { 1, 2, 3, 8 };

	prog = "check";
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "--bench"))
		return bench(argc > 2 ? atoi(argv[2]) : 0);
	if (argc > 1 && !strcmp(argv[1], "--limits")) {
		for (int i = 0; i < NTOL; i++)
			printf("%s\t%g\t%g\n", limit[i].name, limit[i].warn, limit[i].fail);
		return 0;
	}
	if (argc > 1)
		die(ST_USAGE, "usage: check [--bench [THREADS] | --limits]");
	find_levels();
	for (int i = 0; i < nlevel; i++) {
		if (level[i].dnnl)              /* the kernels of the level before */
			continue;
		check_conversions(&level[i]);
		check_kernels(&level[i]);
		check_panels(&level[i]);
	}
	for (size_t t = 0; t < sizeof(threads) / sizeof(*threads); t++) {
		first = t == 0;
		kept.at = 0;
		open_devices(threads[t]);
		for (int i = 0; i < nlevel; i++) {
			check_ops(&level[i]);
			check_solver(&level[i]);
		}
		test_begin("as many results with %d threads as with 1", threads[t]);
		where("count");
		expect(first || kept.at == kept.n, "every result was compared");
		test_end();
	}
	check_devices();
	for (int i = 0; i < nlevel; i++)
		dev_close(level[i].dev);
	free(kept.hash);
	printf("1..%d\n", tap.run);
	if (tap.failed)
		printf("# %d of %d failed\n", tap.failed, tap.run);
	return tap.failed || !tap.run;
}
