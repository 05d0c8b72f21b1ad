/* No memory, no process: malloc and its family, and anonymous mmap, for the whole program.
 *
 * Our own allocations die when there is no memory (mem.h), with one line and a status.  Those of the libraries do not:
 * of what libarchive, cJSON, PCRE2, OpenBLAS and oneDNN were seen to do, some is called a damaged file by them, some
 * ends in exit(1), which says "no" here, and some in a crash.  None could go on.  A definition in the program comes
 * before the C library's for all of them, so they too end the way that we do.
 *
 * glibc lets a program do that when it replaces the whole family; __libc_X are its own under other names.  Sanitizers
 * bring a family themselves; weak, because so may a test. */
#include "base/err.h"
#include "base/mem.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer)

#define OURS __attribute__((weak))

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static void *need(void *p, size_t n)
{
	if (!p)
		die_now(ST_FAIL, "out of memory (%zu bytes)", n);
	return p;
}

OURS void *malloc(size_t n)
{
	return need(__libc_malloc(n), n);
}

OURS void *calloc(size_t n, size_t size)
{
	return need(__libc_calloc(n, size), n * size);
}

OURS void *realloc(void *old, size_t n)
{
	void *p = __libc_realloc(old, n);

	return n ? need(p, n) : p;              /* of 0 bytes, it freed */
}

OURS void *memalign(size_t align, size_t n)
{
	return need(__libc_memalign(align, n), n);
}

OURS void *aligned_alloc(size_t align, size_t n)
{
	return need(__libc_memalign(align, n), n);
}

OURS int posix_memalign(void **p, size_t align, size_t n)
{
	*p = need(__libc_memalign(align, n), n);
	return 0;
}

OURS void free(void *p)
{
	__libc_free(p);
}

static void *map(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	static void *(*next)(void *, size_t, int, int, int, off_t);

	if (!next) {
		void *sym = dlsym(RTLD_NEXT, "mmap");

		memcpy(&next, &sym, sizeof(sym));
	}
	return next(at, n, prot, flags, fd, off);
}

/* Where oneDNN generates code, and OpenBLAS has its buffers.  A file that cannot be mapped, or memory that may not be
 * executed, is for the caller to deal with. */
OURS void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	void *p = map(at, n, prot, flags, fd, off);

	return p == MAP_FAILED && errno == ENOMEM && flags & MAP_ANONYMOUS ? need(NULL, n) : p;
}

#else
#define map mmap
#endif

bool mem_room(size_t n)
{
	void *p = map(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && !munmap(p, n);
}
