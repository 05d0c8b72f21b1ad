/* Memory: allocation that dies, sizes that are checked before they are multiplied, arenas. */
#ifndef MEM_H
#define MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is freed goes back to the system, and threads share one heap: for tools that say what they will take.  Before
 * there are threads. */
void mem_frugal(void);
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
bool mem_room(size_t n);                /* is there address space for n bytes more? */
char *xstrdup(const char *s);
char *xvasprintf(const char *fmt, va_list) __attribute__((format(printf, 1, 0)));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Room for `need` elements of `size` bytes in p, whose capacity is *cap; grows by half. */
void *xgrow(void *p, size_t need, size_t *cap, size_t size);

/* *out = a * b; false (and *out untouched) when the product does not fit. */
bool size_mul(uint64_t a, uint64_t b, uint64_t *out);
bool size_add(uint64_t a, uint64_t b, uint64_t *out);
static inline int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* An arena: allocations of one lifetime, freed together.  Zeroed struct = empty arena. */
struct arena {
	struct chunk *top;
	size_t total;                   /* bytes handed out and kept in chunks */
};
void *arena_alloc(struct arena *, size_t n);            /* 64-byte aligned, not cleared */
char *arena_strdup(struct arena *, const char *);
char *arena_printf(struct arena *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *arena_adopt(struct arena *, void *p, size_t n);   /* takes over n bytes of malloc; returns p */
void arena_join(struct arena *, struct arena *from);    /* takes over all that is in `from`, which is empty then */
void arena_free(struct arena *);                        /* and empty again */

#endif
