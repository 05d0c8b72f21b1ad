#include "base/temp.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANDOM = 6 };

/* A list that only grows, newest first, so that a directory comes after its files.  The signal handler walks it:
 * nodes are never freed, and `live` is all that changes in one. */
struct temp {
	struct temp *next;
	char *path;
	bool dir;
	pid_t owner;                    /* a forked child removes nothing of its parent's */
	atomic_bool live;
};
static struct temp *_Atomic temps;

void temp_clear(void)
{
	int err = errno;
	pid_t me = getpid();

	for (struct temp *t = atomic_load(&temps); t; t = t->next)
		if (atomic_load(&t->live) && t->owner == me) {
			if (t->dir)
				rmdir(t->path);
			else
				unlink(t->path);
			atomic_store(&t->live, false);
		}
	errno = err;
}

static const int fatal[] = {
	SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU,
	SIGABRT, SIGBUS, SIGSEGV, SIGFPE, SIGILL
};
enum { N_FATAL = sizeof(fatal) / sizeof(*fatal) };
static struct sigaction before[N_FATAL];

/* Puts back what was there, the default or a sanitizer's report, and raises the signal again: it is blocked
 * in here and strikes on return.  A fault needs no raising, the instruction will be run again. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	bool fault = info->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL);

	(void)context;
	temp_clear();
	for (int i = 0; i < N_FATAL; i++)
		if (fatal[i] == sig)
			sigaction(sig, &before[i], NULL);
	if (!fault)
		raise(sig);
}

void temp_arm(void)
{
	static bool armed;
	struct sigaction sa;

	if (armed)
		return;
	armed = true;
	atexit(temp_clear);
	err_last = temp_clear;
	signal(SIGXFSZ, SIG_IGN);       /* a file too large is an error of write(2), with a message */
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigfillset(&sa.sa_mask);
	for (int i = 0; i < N_FATAL; i++) {
		sigaction(fatal[i], NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN)            /* nohup's SIGHUP stays ignored */
			sigaction(fatal[i], &sa, NULL);
	}
}

static void enlist(struct temp *t, char *path, bool dir)
{
	t->path = path;
	t->dir = dir;
	t->owner = getpid();
	t->next = atomic_load(&temps);
	while (!atomic_compare_exchange_weak(&temps, &t->next, t))
		;
	atomic_store(&t->live, true);
}

struct temp *temp_enlist(char *path)
{
	struct temp *t = xcalloc(1, sizeof(*t));

	enlist(t, path, false);
	return t;
}

int temp_nameless(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char *path;

	if (fd >= 0)
		return fd;
	path = xasprintf("%s/.llmc.XXXXXX", dir);       /* file systems without such files */
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	free(path);
	return fd;
}

char *beside(const char *target, const char *suffix)
{
	const char *base = strrchr(target, '/');

	base = base ? base + 1 : target;
	return xasprintf("%.*s.%s.%s", (int)(base - target), target, base, suffix);
}

/* "dir/.NAME.XXXXXX" of letters that nobody can guess. */
static char *random_name(const char *target)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	const char *base = strrchr(target, '/');
	unsigned char r[RANDOM];
	char x[RANDOM + 1];
	ssize_t k;

	base = base ? base + 1 : target;
	while ((k = getrandom(r, sizeof(r), 0)) < 0 && errno == EINTR)
		;
	if (k != (ssize_t)sizeof(r))
		die(ST_FAIL, "cannot get random bytes: %s", strerror(errno));
	for (int i = 0; i < RANDOM; i++)
		x[i] = set[r[i] % (sizeof(set) - 1)];
	x[RANDOM] = '\0';
	/* A name of 255 bytes is legal, and the temporary's is longer by eight. */
	return xasprintf("%.*s.%.200s.%s", (int)(base - target), target, base, x);
}

/* Signals wait, so that none strikes between creating and enlisting; nor does a want of memory. */
struct temp *temp_create(const char *target, bool dir, int *fd)
{
	struct temp *t = xcalloc(1, sizeof(*t));
	sigset_t all, old;
	bool made = false;
	int err = 0;

	temp_arm();
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	for (int try = 0; try < 100 && !made; try++) {
		char *path = random_name(target);
		int r = dir ? mkdir(path, 0777) : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

		err = errno;
		if (r >= 0) {
			enlist(t, path, dir);
			made = true;
			if (!dir)
				*fd = r;
			break;
		}
		free(path);
		if (err != EEXIST)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!made) {
		free(t);
		t = NULL;
	}
	errno = err;
	return t;
}

const char *temp_path(const struct temp *t)
{
	return t->path;
}

void temp_keep(struct temp *t)
{
	atomic_store(&t->live, false);
}

void temp_drop(struct temp *t)
{
	if (!atomic_exchange(&t->live, false))
		return;
	if (t->dir)
		rmdir(t->path);
	else
		unlink(t->path);
}

char *resolve_path(const char *path)
{
	char *r = realpath(path, NULL);
	struct stat sb;

	if (r)
		return r;
	if (errno != ENOENT)
		die(ST_FAIL, "cannot create '%s': %s", path, strerror(errno));
	if (!lstat(path, &sb) && S_ISLNK(sb.st_mode))
		die(ST_USAGE, "'%s' is a symbolic link to nothing", path);
	return xstrdup(path);
}

char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? xasprintf("%.*s", (int)(slash == path ? 1 : slash - path), path) : xstrdup(".");
}

void sync_parent(const char *path)
{
	char *dir = parent_of(path);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* What some file systems refuse; the file itself is safe by now. */
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(dir);
}
