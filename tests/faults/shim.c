/* shim.so, for LD_PRELOAD: makes the N-th call of one function fail, or lets calls do less than they were asked for,
 * and counts calls.
 *
 *	FAULT=NAME:N:HOW        the N-th call of NAME, from 1, or every one where N is 0.  HOW: an errno's name, or
 *	                        "short", half of the bytes, but one at least; or "kill", which ends the program there
 *	FAULT_HIT=FILE          is made when the fault strikes
 *	FAULT_COUNT=FILE        gets a line "NAME CALLS" for each function, when the program ends by itself
 *	FAULT_ALARM=SECONDS     SIGALRM after so long: a program that hangs has failed
 *
 * What the constructors of libraries do is counted too, what the loader does is not.  Calls within the C library do
 * not come by, but those for memory. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLS(X) \
	X(malloc) X(calloc) X(realloc) X(memalign) \
	X(open) X(fopen) X(opendir) X(stat) X(fstat) X(read) X(pread) X(fread) X(write) X(pwrite) X(fwrite) \
	X(fflush) X(fclose) X(close) X(lseek) X(mmap) X(madvise) X(fsync) X(ftruncate) X(rename) \
	X(mkdir) X(rmdir) X(unlink) X(getrandom) X(realpath) X(pthread_create)

enum call {
#define X(name) C_##name,
	CALLS(X)
#undef X
	N_CALL
};
static const char *const names[] = {
#define X(name) #name,
	CALLS(X)
#undef X
};
static const struct {
	const char *name;
	int err;
} errors[] = {
	{ "ENOMEM", ENOMEM }, { "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EINTR", EINTR }, { "EMFILE", EMFILE },
	{ "EACCES", EACCES }, { "EAGAIN", EAGAIN }, { "EDQUOT", EDQUOT }, { "EXDEV", EXDEV }, { "ENOSYS", ENOSYS },
	{ "EOPNOTSUPP", EOPNOTSUPP }, { "EINVAL", EINVAL }, { "EROFS", EROFS }, { "short", 0 }, { "kill", -1 }
};

static struct {
	atomic_bool ready;
	enum call call;                 /* N_CALL: none */
	unsigned long n;                /* 0 = every one */
	int err;                        /* 0 = short, -1 = kill */
} fault;
static atomic_ulong count[N_CALL];

/* "NAME:N:HOW" */
static void parse(const char *s)
{
	const char *how;
	size_t len = strcspn(s, ":");
	int c = 0, e = 0;

	while (c < N_CALL && (strncmp(names[c], s, len) || names[c][len]))
		c++;
	how = strrchr(s, ':');
	while (how && e < (int)(sizeof(errors) / sizeof(*errors)) && strcmp(errors[e].name, how + 1))
		e++;
	if (c == N_CALL || !how || how == s + len || e == (int)(sizeof(errors) / sizeof(*errors))) {
		static const char bad[] = "shim.so: bad FAULT\n";

		syscall(SYS_write, 2, bad, sizeof(bad) - 1);
		_exit(99);
	}
	fault.call = (enum call)c;
	fault.n = strtoul(s + len + 1, NULL, 10);
	fault.err = errors[e].err;
}

/* Once there is an environment: the first calls for memory come before. */
static bool ready(void)
{
	const char *s;

	if (atomic_load(&fault.ready))
		return true;
	if (!environ)
		return false;
	fault.call = N_CALL;
	if ((s = getenv("FAULT")) && *s)
		parse(s);
	if ((s = getenv("FAULT_ALARM")))
		alarm((unsigned)strtoul(s, NULL, 10));
	atomic_store(&fault.ready, true);
	return true;
}

static void strike(void)
{
	static atomic_bool struck;
	const char *path = getenv("FAULT_HIT");
	long fd;

	if (!path || atomic_exchange(&struck, true))
		return;
	fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0666);
	if (fd >= 0)
		syscall(SYS_close, fd);
}

/* Counts a call; true when this one shall fail, with errno set (0: it shall be short). */
static bool fails(enum call c)
{
	unsigned long n;

	if (!ready())
		return false;
	n = atomic_fetch_add(&count[c], 1) + 1;
	if (c != fault.call || (fault.n && n != fault.n))
		return false;
	/* what is always interrupted never ends */
	if (!fault.n && fault.err == EINTR && n % 2 == 0)
		return false;
	strike();
	if (fault.err < 0)
		kill(getpid(), SIGKILL);
	errno = fault.err;
	return true;
}

/* As fails(), for calls that move *n bytes: a short one goes on with fewer. */
static bool fails_n(enum call c, size_t *n)
{
	if (!fails(c))
		return false;
	if (errno)
		return true;
	*n = *n > 1 ? *n / 2 : *n;
	return false;
}

__attribute__((destructor)) static void report(void)
{
	const char *path = getenv("FAULT_COUNT");
	char text[2048];
	size_t n = 0;
	long fd;

	if (!path || !*path)
		return;
	for (int c = 0; c < N_CALL; c++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %lu\n", names[c], atomic_load(&count[c]));
	fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd >= 0) {
		syscall(SYS_write, fd, text, n);
		syscall(SYS_close, fd);
	}
}

/* The function behind ours of that name, where no system call can stand for it. */
#define REAL(name) \
	static __typeof__(name) *real; \
	if (!real) { \
		void *sym_ = dlsym(RTLD_NEXT, #name); \
		memcpy(&real, &sym_, sizeof(sym_)); \
	}

/* The tools have a malloc of their own, which comes before any that is loaded: what it calls is what we replace.  All
 * kinds of aligned memory come to one function. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *__libc_malloc(size_t n)
{
	REAL(__libc_malloc)
	return fails(C_malloc) ? NULL : real(n);
}

void *__libc_calloc(size_t n, size_t size)
{
	REAL(__libc_calloc)
	return fails(C_calloc) ? NULL : real(n, size);
}

void *__libc_realloc(void *p, size_t n)
{
	REAL(__libc_realloc)
	return fails(C_realloc) ? NULL : real(p, n);
}

void *__libc_memalign(size_t align, size_t n)
{
	REAL(__libc_memalign)
	return fails(C_memalign) ? NULL : real(align, n);
}

int open(const char *path, int flags, ...)
{
	unsigned mode = 0;
	va_list ap;

	if (flags & (O_CREAT | __O_TMPFILE)) {
		va_start(ap, flags);
		mode = va_arg(ap, unsigned);
		va_end(ap);
	}
	return fails(C_open) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int stat(const char *path, struct stat *sb)
{
	return fails(C_stat) ? -1 : fstatat(AT_FDCWD, path, sb, 0);
}

int fstat(int fd, struct stat *sb)
{
	return fails(C_fstat) ? -1 : fstatat(fd, "", sb, AT_EMPTY_PATH);
}

ssize_t read(int fd, void *buf, size_t n)
{
	return fails_n(C_read, &n) ? -1 : syscall(SYS_read, fd, buf, n);
}

ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
	return fails_n(C_pread, &n) ? -1 : syscall(SYS_pread64, fd, buf, n, at);
}

ssize_t write(int fd, const void *buf, size_t n)
{
	return fails_n(C_write, &n) ? -1 : syscall(SYS_write, fd, buf, n);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t at)
{
	return fails_n(C_pwrite, &n) ? -1 : syscall(SYS_pwrite64, fd, buf, n, at);
}

int close(int fd)
{
	bool bad = fails(C_close);
	int err = errno;
	int r = (int)syscall(SYS_close, fd);    /* even a close that fails closes */

	if (!bad)
		return r;
	errno = err;
	return -1;
}

off_t lseek(int fd, off_t at, int whence)
{
	return fails(C_lseek) ? -1 : syscall(SYS_lseek, fd, at, whence);
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	return fails(C_mmap) ? MAP_FAILED : (void *)syscall(SYS_mmap, at, n, prot, flags, fd, off);
}

int madvise(void *p, size_t n, int advice)
{
	return fails(C_madvise) ? -1 : (int)syscall(SYS_madvise, p, n, advice);
}

int fsync(int fd)
{
	return fails(C_fsync) ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t n)
{
	return fails(C_ftruncate) ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

int rename(const char *from, const char *to)
{
	return fails(C_rename) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdir(const char *path, mode_t mode)
{
	return fails(C_mkdir) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int rmdir(const char *path)
{
	return fails(C_rmdir) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

int unlink(const char *path)
{
	return fails(C_unlink) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
	return fails_n(C_getrandom, &n) ? -1 : syscall(SYS_getrandom, buf, n, flags);
}

FILE *fopen(const char *path, const char *mode)
{
	REAL(fopen)
	return fails(C_fopen) ? NULL : real(path, mode);
}

int fclose(FILE *f)
{
	REAL(fclose)
	bool bad = fails(C_fclose);
	int err = errno, r = real(f);

	if (!bad)
		return r;
	errno = err;
	return EOF;
}

/* A stream that failed says so: glibc's flag for it. */
enum { ERR_SEEN = 0x20 };

size_t fread(void *buf, size_t size, size_t n, FILE *f)
{
	REAL(fread)
	if (!fails(C_fread))
		return real(buf, size, n, f);
	f->_flags |= ERR_SEEN;
	return 0;
}

size_t fwrite(const void *buf, size_t size, size_t n, FILE *f)
{
	REAL(fwrite)
	if (f == stderr || !fails(C_fwrite))    /* a message about a message is not asked for */
		return real(buf, size, n, f);
	f->_flags |= ERR_SEEN;
	return 0;
}

int fflush(FILE *f)
{
	REAL(fflush)
	if (f == stderr || !fails(C_fflush))
		return real(f);
	if (f)
		f->_flags |= ERR_SEEN;
	return EOF;
}

DIR *opendir(const char *path)
{
	REAL(opendir)
	return fails(C_opendir) ? NULL : real(path);
}

char *realpath(const char *path, char *to)
{
	REAL(realpath)
	return fails(C_realpath) ? NULL : real(path, to);
}

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	REAL(pthread_create)
	return fails(C_pthread_create) ? EAGAIN : real(t, attr, fn, arg);
}
