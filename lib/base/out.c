#include "base/outint.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUF = 1 << 20, BEGIN = 8 << 20 };

struct out *out_new(int fd, const char *name)
{
	struct out *o = xcalloc(1, sizeof(*o));

	o->fd = fd;
	o->name = xstrdup(name);
	o->buf = xmalloc(BUF);
	return o;
}

static void out_free(struct out *o)
{
	if (o->sum)
		XXH3_freeState(o->sum);
	free(o->buf);
	free(o->name);
	free(o->final);
	free(o->part);
	free(o);
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
	o->final = resolve_path(path);
	o->temp = temp_create(o->final, false, &o->fd);
	if (!o->temp)
		die(ST_FAIL, "cannot create '%s': %s", path, strerror(errno));
	return o;
}

/* All of it, or -1 with errno.  A reader that left ends us quietly even where SIGPIPE came to us ignored. */
static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k;

		tally_enter(&tally_write);
		k = write(fd, p, n < (1 << 30) ? n : 1 << 30);
		tally_leave(&tally_write, k > 0 ? (double)k : 0);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EPIPE) {
			temp_clear();
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

/* Bytes leave us.  A file's are begun to be written to the disk now and then, so that the end has not to wait for all
 * of them. */
static int emit(struct out *o, const void *p, size_t n)
{
	if (write_all(o->fd, p, n))
		return err_set(ST_FAIL, "cannot write '%s': %s", o->name, strerror(errno));
	o->given += n;
	if ((o->temp || o->sum) && o->given - o->begun >= BEGIN) {
		sync_file_range(o->fd, (off64_t)o->begun, (off64_t)(o->given - o->begun), SYNC_FILE_RANGE_WRITE);
		o->begun = o->given;
	}
	return 0;
}

int out_flush(struct out *o)
{
	size_t n = o->n;

	o->n = 0;
	return n ? emit(o, o->buf, n) : 0;
}

int out_try_write(struct out *o, const void *buf, size_t n)
{
	if (o->sum)
		XXH3_64bits_update(o->sum, buf, n);
	o->at += n;
	if (n > BUF - o->n && out_flush(o))
		return -1;
	if (n >= BUF)
		return emit(o, buf, n);
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

void out_commit(struct out *o)
{
	if (out_flush(o))
		die_err();
	tally_enter(&tally_write);
	if ((o->temp || o->sum) && fsync(o->fd) && errno != EINVAL && errno != ENOTSUP)
		die(ST_FAIL, "cannot write '%s': %s", o->name, strerror(errno));
	tally_leave(&tally_write, 0);
	if (!o->std && close(o->fd))
		die(ST_FAIL, "cannot close '%s': %s", o->name, strerror(errno));
	if (o->final) {
		const char *from = o->part ? o->part : temp_path(o->temp);

		if (rename(from, o->final))
			die(ST_FAIL, "cannot rename '%s' to '%s': %s", from, o->name, strerror(errno));
		if (o->temp)
			temp_keep(o->temp);
		sync_parent(o->final);
	}
	if (o->journal)
		journal_remove(o->journal);
	out_free(o);
}

void out_abort(struct out *o)
{
	if (!o->std)
		close(o->fd);
	if (o->temp)
		temp_drop(o->temp);
	if (o->journal && journal_steps(o->journal))
		journal_close(o->journal);
	else if (o->journal) {          /* nothing was done that is worth keeping */
		unlink(o->part);
		journal_remove(o->journal);
	}
	out_free(o);
}

XXH3_state_t *sum_new(void)
{
	XXH3_state_t *h = XXH3_createState();

	if (!h)
		die(ST_FAIL, "out of memory");
	XXH3_64bits_reset(h);
	return h;
}

bool sum_range(int fd, uint64_t at, uint64_t end, XXH3_state_t *h)
{
	char *buf = xmalloc(BUF);
	ssize_t k = 1;

	while (at < end && k > 0) {
		k = pread(fd, buf, end - at < BUF ? (size_t)(end - at) : BUF, (off_t)at);
		if (k < 0 && errno == EINTR) {
			k = 1;
			continue;
		}
		if (k > 0) {
			XXH3_64bits_update(h, buf, (size_t)k);
			at += (uint64_t)k;
		}
	}
	free(buf);
	return at == end;
}

/* Are the bytes of this step, which follow those of the step before, as they were when it was done? */
static bool verify(struct out *o, const cJSON *step)
{
	XXH3_state_t *before = sum_new();
	const char *said;
	char hex[17];
	int64_t end = 0;
	bool good = json_int(step, "end", (int64_t)o->at, INT64_MAX, &end) > 0 && json_str(step, "sum", &said) > 0;

	XXH3_copyState(before, o->sum);
	if (good)
		good = sum_range(o->fd, o->at, (uint64_t)end, o->sum);
	if (good) {
		snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)XXH3_64bits_digest(o->sum));
		good = !strcmp(hex, said);
	}
	if (good)
		o->at = (uint64_t)end;
	else
		XXH3_copyState(o->sum, before);
	XXH3_freeState(before);
	return good;
}

void out_keep(struct out *o, int n)
{
	int k = 0;

	XXH3_64bits_reset(o->sum);
	o->at = 0;
	while (k < n && verify(o, journal_step(o->journal, k)))
		k++;
	journal_cut(o->journal, k);
	if (ftruncate(o->fd, (off_t)o->at) || lseek(o->fd, (off_t)o->at, SEEK_SET) < 0)
		die(ST_FAIL, "cannot write '%s': %s", o->part, strerror(errno));
	o->given = o->begun = o->at;
	err_clear();
}

struct out *out_resume(const char *path, cJSON *key)
{
	struct stat sb;
	struct out *o;

	if (!path || !strcmp(path, "-"))
		die(ST_USAGE, "--resume needs -o FILE");
	if (!stat(path, &sb) && !S_ISREG(sb.st_mode))
		die(ST_USAGE, "--resume: '%s' is not a regular file", path);
	temp_arm();
	o = out_new(-1, path);
	o->final = resolve_path(path);
	o->part = beside(o->final, "part");
	o->sum = sum_new();
	o->journal = journal_open(o->final, path, key);
	/* a name that all know: what is there may be anybody's */
	o->fd = open(o->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
	if (o->fd < 0)
		die(ST_FAIL, "cannot create '%s': %s", o->part, strerror(errno));
	if (fstat(o->fd, &sb) || !S_ISREG(sb.st_mode) || sb.st_uid != geteuid())
		die(ST_BAD, "'%s' is not ours", o->part);
	out_keep(o, journal_steps(o->journal));
	return o;
}

struct journal *out_journal(struct out *o)
{
	return o->journal;
}

const char *out_part(const struct out *o)
{
	return o->part;
}

uint64_t out_at(const struct out *o)
{
	return o->at;
}

void out_step(struct out *o, cJSON *step)
{
	if (out_flush(o))
		die_err();
	json_put_num(step, "end", (double)o->at);
	key_digest(step, "sum", XXH3_64bits_digest(o->sum));
	journal_add(o->journal, step, o->fd);
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
