/* Allocation counted and limited, under the address sanitizer by its hooks, else by standing before the C library. */
#include "fuzz.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif

static atomic_llong live;
static long long ceiling = INT64_MAX;

static void grew(size_t n)
{
	static const char msg[] = "allocation above the limit that the input's size sets\n";

	/* one that cannot be had is refused before it is counted */
	if (n > INT64_MAX / 2 || atomic_fetch_add(&live, (long long)n) + (long long)n > ceiling) {
		ceiling = INT64_MAX;
		if (write(STDERR_FILENO, msg, sizeof(msg) - 1) < 0)
			_exit(1);
		abort();
	}
}

static void shrank(size_t n)
{
	atomic_fetch_sub(&live, (long long)n);
}

#ifdef ASAN
/* of <sanitizer/allocator_interface.h>, which not every compiler brings */
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t), void (*)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *);

static void on_malloc(const volatile void *p, size_t n)
{
	if (p)
		grew(n);
}

static void on_free(const volatile void *p)
{
	if (p)
		shrank(__sanitizer_get_allocated_size(p));
}

static void begin(void)
{
	static int done;

	if (!done)
		require(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free));
	done = 1;
}
#else
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static void *counted(void *p)
{
	if (p)
		grew(malloc_usable_size(p));
	return p;
}

void *malloc(size_t n)
{
	return counted(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
	return counted(__libc_calloc(n, size));
}

void *realloc(void *old, size_t n)
{
	size_t had = old ? malloc_usable_size(old) : 0;
	void *p = __libc_realloc(old, n);

	if (p || !n)
		shrank(had);
	return counted(p);
}

void *memalign(size_t align, size_t n)
{
	return counted(__libc_memalign(align, n));
}

void *aligned_alloc(size_t align, size_t n)
{
	return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
	void *p = memalign(align, n);

	if (p)
		*out = p;
	return p ? 0 : 12;
}

void free(void *p)
{
	if (p)
		shrank(malloc_usable_size(p));
	__libc_free(p);
}

static void begin(void)
{
}
#endif

void alloc_limit(size_t size, size_t times, size_t fixed)
{
	begin();
	ceiling = INT64_MAX;
	ceiling = atomic_load(&live) + (long long)(times * size + fixed);
}
