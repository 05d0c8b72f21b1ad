#include "base/out.h"

#include "base/err.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUF = 1 << 20, RANDOM = 6 };

/* The temporaries: a list that only grows, newest first, so that a directory comes after its files.  The
 * signal handler walks it: nodes are never freed, and `live` is all that changes in one. */
struct temp {
	struct temp *next;
	char *path;
	bool dir;
	pid_t owner;                    /* a forked child removes nothing of its parent's */
	atomic_bool live;
};
static struct temp *_Atomic temps;

struct out {
	int fd;
	char *name;                     /* the target, for messages */
	char *final;                    /* what the temporary is renamed to; NULL: written in place */
	struct temp *temp;              /* NULL: written in place */
	bool std;                       /* stdout: never closed */
	char *buf;
	size_t n;
};

struct out_dir {
	char *name, *final;
	struct temp *temp;
	struct temp **file;             /* [nfile], inside it */
	size_t nfile, cap;
};

/* Async-signal-safe. */
static void remove_temps(void)
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
	remove_temps();
	for (int i = 0; i < N_FATAL; i++)
		if (fatal[i] == sig)
			sigaction(sig, &before[i], NULL);
	if (!fault)
		raise(sig);
}

static void arm(void)
{
	static bool armed;
	struct sigaction sa;

	if (armed)
		return;
	armed = true;
	atexit(remove_temps);
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

static struct temp *enlist(char *path, bool dir)
{
	struct temp *t = xcalloc(1, sizeof(*t));

	t->path = path;
	t->dir = dir;
	t->owner = getpid();
	t->next = atomic_load(&temps);
	while (!atomic_compare_exchange_weak(&temps, &t->next, t))
		;
	return t;
}

/* "dir/.NAME.XXXXXX" beside "dir/NAME", of letters that nobody can guess. */
static char *temp_name(const char *final)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	const char *base = strrchr(final, '/');
	unsigned char r[RANDOM];
	char x[RANDOM + 1];

	base = base ? base + 1 : final;
	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		die(ST_FAIL, "cannot get random bytes: %s", strerror(errno));
	for (int i = 0; i < RANDOM; i++)
		x[i] = set[r[i] % (sizeof(set) - 1)];
	x[RANDOM] = '\0';
	/* A name of 255 bytes is legal, and the temporary's is longer by eight. */
	return xasprintf("%.*s.%.200s.%s", (int)(base - final), final, base, x);
}

/* Creates the temporary with the umask's mode.  Signals wait, so that none strikes between creating and
 * enlisting.  -1: errno says why. */
static int create_temp(const char *final, bool dir, struct temp **out)
{
	sigset_t all, old;
	int fd = -1, err;

	arm();
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	for (int try = 0; try < 100; try++) {
		char *path = temp_name(final);

		fd = dir ? mkdir(path, 0777) : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		err = errno;
		if (fd >= 0) {
			*out = enlist(path, dir);
			atomic_store(&(*out)->live, true);
			break;
		}
		free(path);
		errno = err;
		if (err != EEXIST)
			break;
	}
	err = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = err;
	return fd;
}

static struct out *out_new(int fd, const char *name)
{
	struct out *o = xcalloc(1, sizeof(*o));

	o->fd = fd;
	o->name = xstrdup(name);
	o->buf = xmalloc(BUF);
	return o;
}

static void out_free(struct out *o)
{
	free(o->buf);
	free(o->name);
	free(o->final);
	free(o);
}

/* Where `path` leads: through symbolic links, which a rename would replace, to the file itself. */
static char *resolve(const char *path)
{
	char *r = realpath(path, NULL);

	if (!r && errno != ENOENT)
		die(ST_FAIL, "cannot create '%s': %s", path, strerror(errno));
	return r ? r : xstrdup(path);
}

struct out *out_open(const char *path, bool binary)
{
	struct stat sb;
	struct out *o;
	bool there;
	int fd;

	if (!path || !strcmp(path, "-")) {
		if (binary && isatty(STDOUT_FILENO))
			die(ST_USAGE, "will not write binary data to a terminal: give -o FILE or a pipe");
		o = out_new(STDOUT_FILENO, "standard output");
		o->std = true;
		return o;
	}
	there = !stat(path, &sb);
	if (there && S_ISDIR(sb.st_mode))
		die(ST_USAGE, "'%s' is a directory", path);
	if (there && !S_ISREG(sb.st_mode)) {    /* /dev/null, a named pipe: nothing to rename */
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			die(ST_FAIL, "cannot open '%s': %s", path, strerror(errno));
		if (binary && isatty(fd))
			die(ST_USAGE, "will not write binary data to a terminal: '%s'", path);
		return out_new(fd, path);
	}
	o = out_new(-1, path);
	o->final = resolve(path);
	o->fd = create_temp(o->final, false, &o->temp);
	if (o->fd < 0)
		die(ST_FAIL, "cannot create '%s': %s", path, strerror(errno));
	return o;
}

/* All of it, or -1 with errno.  A reader that left ends us quietly even where SIGPIPE came to us ignored. */
static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n < (1 << 30) ? n : 1 << 30);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EPIPE) {
			remove_temps();
			signal(SIGPIPE, SIG_DFL);
			raise(SIGPIPE);
		}
		if (k < 0)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

int out_flush(struct out *o)
{
	size_t n = o->n;

	o->n = 0;
	if (n && write_all(o->fd, o->buf, n))
		return err_set(ST_FAIL, "cannot write '%s': %s", o->name, strerror(errno));
	return 0;
}

int out_try_write(struct out *o, const void *buf, size_t n)
{
	if (n > BUF - o->n && out_flush(o))
		return -1;
	if (n >= BUF) {
		if (write_all(o->fd, buf, n))
			return err_set(ST_FAIL, "cannot write '%s': %s", o->name, strerror(errno));
		return 0;
	}
	if (n)
		memcpy(o->buf + o->n, buf, n);
	o->n += n;
	return 0;
}

void out_write(struct out *o, const void *buf, size_t n)
{
	if (out_try_write(o, buf, n))
		die_err();
}

void out_printf(struct out *o, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	out_write(o, s, strlen(s));
	free(s);
}

const char *out_name(const struct out *o)
{
	return o->name;
}

static void fsync_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? xasprintf("%.*s", (int)(slash == path ? 1 : slash - path), path) : xstrdup(".");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* What some file systems refuse; the file itself is safe by now. */
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(dir);
}

void out_commit(struct out *o)
{
	if (out_flush(o))
		die_err();
	if (o->temp && fsync(o->fd) && errno != EINVAL && errno != ENOTSUP)
		die(ST_FAIL, "cannot write '%s': %s", o->name, strerror(errno));
	if (!o->std && close(o->fd))
		die(ST_FAIL, "cannot close '%s': %s", o->name, strerror(errno));
	if (o->final) {
		if (rename(o->temp->path, o->final))
			die(ST_FAIL, "cannot rename '%s' to '%s': %s", o->temp->path, o->name, strerror(errno));
		atomic_store(&o->temp->live, false);
		fsync_dir_of(o->final);
	}
	out_free(o);
}

void out_abort(struct out *o)
{
	if (!o->std)
		close(o->fd);
	if (o->temp && atomic_exchange(&o->temp->live, false))
		unlink(o->temp->path);
	out_free(o);
}

static bool dir_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool empty = true;

	if (!d)
		die(ST_FAIL, "cannot read directory '%s': %s", path, strerror(errno));
	while (empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	closedir(d);
	return empty;
}

struct out_dir *dir_open(const char *path)
{
	struct out_dir *d = xcalloc(1, sizeof(*d));
	struct stat sb, here;
	size_t len;

	d->name = xstrdup(path);
	for (len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
		d->name[len - 1] = '\0';
	if (!*d->name)
		die(ST_USAGE, "the output directory has no name");
	if (!stat(d->name, &sb)) {
		if (!S_ISDIR(sb.st_mode))
			die(ST_USAGE, "'%s' is there and is not a directory", d->name);
		if (!stat(".", &here) && here.st_ino == sb.st_ino && here.st_dev == sb.st_dev)
			die(ST_USAGE, "'%s' is the working directory, which cannot be replaced: name another", d->name);
		if (!dir_empty(d->name))
			die(ST_USAGE, "directory '%s' is not empty", d->name);
	}
	d->final = resolve(d->name);
	if (create_temp(d->final, true, &d->temp) < 0)
		die(ST_FAIL, "cannot create directory '%s': %s", d->name, strerror(errno));
	return d;
}

struct out *dir_file(struct out_dir *d, const char *name)
{
	char *path, *shown;
	struct temp *t;
	struct out *o;
	int fd;

	/* Names come from bundles. */
	if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		die(ST_BAD, "'%s' is not the name of a file in '%s'", name, d->name);
	path = xasprintf("%s/%s", d->temp->path, name);
	shown = xasprintf("%s/%s", d->name, name);
	t = enlist(path, false);
	d->file = xgrow(d->file, d->nfile + 1, &d->cap, sizeof(*d->file));
	d->file[d->nfile++] = t;
	/* The directory is nobody else's: whatever has this name may go. */
	atomic_store(&t->live, true);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		die(ST_BAD, "file '%s' comes twice", shown);
	if (fd < 0)
		die(ST_FAIL, "cannot create '%s': %s", shown, strerror(errno));
	o = out_new(fd, shown);
	o->temp = t;
	free(shown);
	return o;
}

void dir_commit(struct out_dir *d)
{
	int fd = open(d->temp->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	if (rename(d->temp->path, d->final))
		die(ST_FAIL, "cannot rename '%s' to '%s': %s", d->temp->path, d->name, strerror(errno));
	for (size_t i = 0; i < d->nfile; i++)
		atomic_store(&d->file[i]->live, false);
	atomic_store(&d->temp->live, false);
	fsync_dir_of(d->final);
	free(d->file);
	free(d->final);
	free(d->name);
	free(d);
}

void stdout_close(void)
{
	static bool closed;
	int rc;

	if (closed)
		return;
	closed = true;
	errno = 0;
	rc = fflush(stdout);
	if (rc && errno == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	if (rc || ferror(stdout))
		die(ST_FAIL, "cannot write 'standard output'%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
	/* Some file systems tell of a full disk only now. */
	if (close(STDOUT_FILENO))
		die(ST_FAIL, "cannot close 'standard output': %s", strerror(errno));
}
