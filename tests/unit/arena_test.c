/* Checked sizes and arenas. */
#include "base/mem.h"

#include "tap.h"

#include <stdlib.h>

static void test_sizes(void)
{
	uint64_t v = 7;

	ok(size_mul(1u << 31, 1u << 31, &v) && v == (uint64_t)1 << 62, "a product that fits");
	ok(!size_mul((uint64_t)1 << 33, (uint64_t)1 << 31, &v) && v == (uint64_t)1 << 62,
	   "one that does not leaves *out");
	ok(size_add(UINT64_MAX - 1, 1, &v) && v == UINT64_MAX, "a sum that fits");
	ok(!size_add(UINT64_MAX, 1, &v) && v == UINT64_MAX, "one that does not leaves *out");
}

static void test_arena(void)
{
	struct arena a = { 0 };
	enum { N = 2000 };
	unsigned char *p[N];
	size_t size[N];
	bool aligned = true, kept = true;
	char *s;

	for (int i = 0; i < N; i++) {
		size[i] = (size_t)(i * 7919 % 3001);
		if (i % 100 == 50)
			size[i] += 100000;              /* larger than a chunk */
		p[i] = arena_alloc(&a, size[i]);
		memset(p[i], i & 255, size[i]);
		aligned &= (uintptr_t)p[i] % 64 == 0;
	}
	for (int i = 0; i < N; i++)
		for (size_t k = 0; k < size[i]; k++)
			kept &= p[i][k] == (i & 255);
	ok(aligned, "allocations are on 64");
	ok(kept, "and do not overlap");
	ok(a.total < 12000000, "and waste little");     /* 5.0 MB asked for, rounded up */
	s = arena_strdup(&a, "block");
	is_str(s, "block", "arena_strdup");
	s = arena_printf(&a, "%s/%04d%0*d", s, 17, 100000, 1);
	ok(strlen(s) == 100010 && !strncmp(s, "block/00170", 11) && s[100009] == '1', "arena_printf of any length");
	arena_free(&a);
	ok(!a.top && !a.total, "freed, and empty again");
	memset(arena_alloc(&a, 10), 1, 10);
	arena_free(&a);
}

static void test_grow(void)
{
	size_t cap = 0;
	int *v = NULL;
	bool good = true;

	for (int i = 0; i < 10000; i++) {
		v = xgrow(v, (size_t)i + 1, &cap, sizeof(*v));
		v[i] = i;
	}
	for (int i = 0; i < 10000; i++)
		good &= v[i] == i;
	ok(good && cap >= 10000 && cap < 20000, "xgrow keeps what is there and grows by half");
	free(v);
}

int main(void)
{
	plan(0);
	test_sizes();
	test_arena();
	test_grow();
	return done();
}
