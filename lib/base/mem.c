#include "base/mem.h"

#include "base/err.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mem_frugal(void)
{
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 1);
	/* fixed: glibc would raise it to the largest piece freed, and keep such pieces from then on */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

void *xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		die(ST_FAIL, "out of memory (%zu bytes)", n);
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		die(ST_FAIL, "out of memory (%zu x %zu bytes)", n, size);
	return p;
}

void *xrealloc(void *old, size_t n)
{
	void *p = realloc(old, n ? n : 1);

	if (!p)
		die(ST_FAIL, "out of memory (%zu bytes)", n);
	return p;
}

char *xstrdup(const char *s)
{
	return memcpy(xmalloc(strlen(s) + 1), s, strlen(s) + 1);
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		die(ST_FAIL, "out of memory");
	return s;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

void *xgrow(void *p, size_t need, size_t *cap, size_t size)
{
	size_t n = *cap;

	if (need <= n)
		return p;
	n = n + n / 2 + 16;
	if (n < need)
		n = need;
	if (n > SIZE_MAX / size)
		die(ST_FAIL, "out of memory (%zu x %zu bytes)", n, size);
	*cap = n;
	return xrealloc(p, n * size);
}

bool size_mul(uint64_t a, uint64_t b, uint64_t *out)
{
	uint64_t r;

	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

bool size_add(uint64_t a, uint64_t b, uint64_t *out)
{
	uint64_t r;

	if (__builtin_add_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

/* A chunk's payload follows its header at the next multiple of ALIGN. */
enum { ALIGN = 64, SMALL = 64 << 10 };

struct chunk {
	struct chunk *next;
	size_t used, size;
	void *adopted;                  /* of malloc, in place of room of its own; or NULL */
};

void *arena_alloc(struct arena *a, size_t n)
{
	size_t need = (n + ALIGN - 1) / ALIGN * ALIGN;
	struct chunk *c = a->top;

	if (n > SIZE_MAX / 2)
		die(ST_FAIL, "out of memory (%zu bytes)", n);
	if (!c || c->size - c->used < need) {
		size_t size = need > SMALL ? need : SMALL;

		c = aligned_alloc(ALIGN, ALIGN + size);
		if (!c)
			die(ST_FAIL, "out of memory (%zu bytes)", n);
		c->used = 0;
		c->size = size;
		c->adopted = NULL;
		if (need > SMALL && a->top) {   /* a chunk of its own, behind the open one */
			c->next = a->top->next;
			a->top->next = c;
		} else {
			c->next = a->top;
			a->top = c;
		}
		a->total += size;
	}
	c->used += need;
	return (char *)c + ALIGN + c->used - need;
}

char *arena_strdup(struct arena *a, const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(arena_alloc(a, n), s, n);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s, *r;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	r = arena_strdup(a, s);
	free(s);
	return r;
}

void *arena_adopt(struct arena *a, void *p, size_t n)
{
	struct chunk *c = xcalloc(1, sizeof(*c)), **at = a->top ? &a->top->next : &a->top;

	c->adopted = p;
	c->next = *at;
	*at = c;                                /* behind the open one */
	a->total += n;
	return p;
}

void arena_join(struct arena *a, struct arena *from)
{
	struct chunk **end = &a->top;

	while (*end)
		end = &(*end)->next;
	*end = from->top;
	a->total += from->total;
	memset(from, 0, sizeof(*from));
}

void arena_free(struct arena *a)
{
	struct chunk *c, *next;

	for (c = a->top; c; c = next) {
		next = c->next;
		free(c->adopted);
		free(c);
	}
	a->top = NULL;
	a->total = 0;
}
