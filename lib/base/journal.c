#include "base/journal.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/progress.h"
#include "base/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { DIGITS = 16, SIDES = 4 };
#define MAX_JOURNAL (64u << 20)          /* a line a block, with a report of hundreds of bytes a tensor */

struct journal {
	int fd;
	char *name, *target, *path;     /* of the output, for messages; where it will stand; of the journal */
	struct line {
		cJSON *v;
		uint64_t digest, end;   /* end: in the file */
	} *line;                        /* [n], the key first */
	size_t n, cap;
	char *side[SIDES];
	int nside;
	double synced, cost;            /* when, in seconds(), and what it cost */
	bool entered;                   /* the directory's entry is on the disk */
};

cJSON *journal_key(void)
{
	cJSON *key = json_obj();

	json_put_str(key, "tool", prog);
	json_put_str(key, "version", VERSION);
	json_put(key, "options", opt_provenance());
	json_put_bool(key, "provenance", !common.no_pg);
	return key;
}

void key_digest(cJSON *key, const char *what, uint64_t digest)
{
	char hex[DIGITS + 1];

	snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)digest);
	json_put_str(key, what, hex);
}

static uint64_t digest(const struct journal *j, size_t line, const char *text, size_t n)
{
	return XXH3_64bits_withSeed(text, n, line ? j->line[line - 1].digest : 0);
}

/* The option in the list that is `x`, or has at least its name; NULL. */
static const char *find_option(const cJSON *list, const char *x, bool whole)
{
	size_t n = strcspn(x, "=") + 1;
	const cJSON *v;

	cJSON_ArrayForEach(v, list)
		if (cJSON_IsString(v) && (whole ? !strcmp(v->valuestring, x) : !strncmp(v->valuestring, x, n)))
			return v->valuestring;
	return NULL;
}

NORETURN static void refuse(const struct journal *j, int status, const char *why)
{
	die(status, "cannot resume '%s': %s; remove '%s' to begin anew", j->name, why, j->path);
}

static void compare_options(const struct journal *j, const cJSON *was, const cJSON *is)
{
	const cJSON *v;
	const char *now;

	cJSON_ArrayForEach(v, was)
		if (cJSON_IsString(v) && !find_option(is, v->valuestring, true)) {
			now = find_option(is, v->valuestring, false);
			refuse(j, ST_USAGE, xasprintf("it was begun with %s%s%s", v->valuestring, now ? ", not " : "",
			                              now ? now : ""));
		}
	cJSON_ArrayForEach(v, is)
		if (!find_option(was, v->valuestring, true))
			refuse(j, ST_USAGE, xasprintf("it was begun without %s", v->valuestring));
	refuse(j, ST_USAGE, "the same options came in another order");
}

/* Dies where the keys differ. */
static void compare(const struct journal *j, const cJSON *was, const cJSON *is)
{
	const cJSON *v, *w;

	cJSON_ArrayForEach(v, is) {
		w = cJSON_GetObjectItemCaseSensitive(was, v->string);
		if (cJSON_Compare(v, w, 1))
			continue;
		if (!strcmp(v->string, "options"))
			compare_options(j, w, v);
		if (!strcmp(v->string, "provenance"))
			refuse(j, ST_USAGE, xasprintf("it was begun with%s --no-pg", cJSON_IsTrue(v) ? "" : "out"));
		if (!strcmp(v->string, "tool") || !strcmp(v->string, "version") || !strcmp(v->string, "arithmetic"))
			refuse(j, strcmp(v->string, "tool") ? ST_BAD : ST_USAGE,
			       xasprintf("%s: '%.200s' then, '%.200s' now", v->string,
			                 cJSON_IsString(w) ? w->valuestring : "?", v->valuestring));
		refuse(j, ST_BAD, xasprintf("the %s differ%s", v->string, strcmp(v->string, "tokens") ? "s" : ""));
	}
	if (!cJSON_Compare(was, is, 1))
		refuse(j, ST_BAD, "the run was of another kind");
}

static void push(struct journal *j, cJSON *v, uint64_t d, uint64_t end)
{
	j->line = xgrow(j->line, j->n + 1, &j->cap, sizeof(*j->line));
	j->line[j->n++] = (struct line){ v, d, end };
}

/* The lines in `buf` that are whole and follow on each other. */
static void parse(struct journal *j, const char *buf, size_t len)
{
	for (size_t at = 0; at < len; ) {
		const char *p = buf + at, *nl = memchr(p, '\n', len - at);
		uint64_t want;
		char hex[DIGITS + 1] = "";
		cJSON *v;

		if (!nl || nl - p < DIGITS + 2 || p[DIGITS] != ' ')
			break;
		want = digest(j, j->n, p + DIGITS + 1, (size_t)(nl - p) - DIGITS - 1);
		snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)want);
		if (memcmp(p, hex, DIGITS) ||
		    !(v = json_parse(p + DIGITS + 1, (size_t)(nl - p) - DIGITS - 1, j->path)))
			break;
		if (!cJSON_IsObject(v)) {
			cJSON_Delete(v);
			break;
		}
		at += (size_t)(nl - p) + 1;
		push(j, v, want, at);
	}
}

static void fail(const struct journal *j, const char *what)
{
	die(ST_FAIL, "cannot %s '%s': %s", what, j->path, strerror(errno));
}

static void load(struct journal *j, size_t size)
{
	char *buf = xmalloc(size + 1);
	size_t got = 0;

	while (got < size) {
		ssize_t k = pread(j->fd, buf + got, size - got, (off_t)got);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			fail(j, "read");
		if (!k)
			break;
		got += (size_t)k;
	}
	parse(j, buf, got);
	free(buf);
}

/* The file itself, locked.  Its name is known to all, so what is there may be anybody's; and the run before may just
 * have removed it, when the lock is of a file that is gone. */
static size_t open_locked(struct journal *j)
{
	struct stat sb, now;
	int tries = 0;

	for (;;) {
		j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
		if (j->fd < 0 || fstat(j->fd, &sb))
			fail(j, "open");
		if (!S_ISREG(sb.st_mode) || sb.st_uid != geteuid() || sb.st_size > (off_t)MAX_JOURNAL)
			die(ST_BAD, "'%s' is no journal of ours", j->path);
		while (flock(j->fd, LOCK_EX | LOCK_NB)) {
			if (errno != EWOULDBLOCK)
				fail(j, "lock");
			/* one that was killed needs its time to go */
			if (tries++ == 20)
				die(ST_FAIL, "cannot resume '%s': another run is writing it", j->name);
			usleep(100000);
		}
		if (!stat(j->path, &now) && now.st_ino == sb.st_ino && now.st_dev == sb.st_dev && !fstat(j->fd, &sb))
			return (size_t)sb.st_size;
		close(j->fd);
	}
}

struct journal *journal_open(const char *target, const char *name, cJSON *key)
{
	struct journal *j = xcalloc(1, sizeof(*j));
	size_t size;

	j->name = xstrdup(name);
	j->target = xstrdup(target);
	j->path = beside(target, "journal");
	size = open_locked(j);
	load(j, size);
	err_clear();
	if (j->n) {
		compare(j, j->line[0].v, key);
		cJSON_Delete(key);
		journal_cut(j, (int)j->n - 1);          /* a torn line goes */
	} else
		journal_add(j, key, -1);
	j->synced = seconds();
	return j;
}

int journal_steps(const struct journal *j)
{
	return (int)j->n - 1;
}

const cJSON *journal_step(const struct journal *j, int i)
{
	return j->line[i + 1].v;
}

void journal_cut(struct journal *j, int n)
{
	size_t keep = (size_t)n + 1;

	while (j->n > keep)
		cJSON_Delete(j->line[--j->n].v);
	if (ftruncate(j->fd, (off_t)j->line[j->n - 1].end))
		fail(j, "write");
}

bool journal_due(const struct journal *j)
{
	double since = seconds() - j->synced;

	return since >= 2 && since >= 20 * j->cost;
}

/* Data first, so that what the journal says of it is seldom found untrue after a power cut. */
static void sync_both(struct journal *j, int fd)
{
	double now = seconds();

	if (!j->entered)
		sync_parent(j->path);
	j->entered = true;
	if (fd >= 0)
		fdatasync(fd);
	fdatasync(j->fd);
	j->synced = seconds();
	j->cost = j->synced - now;
}

void journal_sync(struct journal *j)
{
	sync_both(j, -1);
}

void journal_add(struct journal *j, cJSON *step, int fd)
{
	char *text = json_text(step, false), *line;
	size_t n = strlen(text), at = 0;
	uint64_t d = digest(j, j->n, text, n), from = j->n ? j->line[j->n - 1].end : 0;

	line = xasprintf("%016llx %s\n", (unsigned long long)d, text);
	n += DIGITS + 2;
	while (at < n) {
		ssize_t k = pwrite(j->fd, line + at, n - at, (off_t)(from + at));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			fail(j, "write");
		at += (size_t)k;
	}
	free(line);
	free(text);
	/* an older journal may have been longer */
	if (!from && ftruncate(j->fd, (off_t)n))
		fail(j, "write");
	push(j, step, d, from + n);
	if (journal_due(j))
		sync_both(j, fd);
}

const char *journal_side(struct journal *j, const char *what)
{
	if (j->nside == SIDES)
		die(ST_FAIL, "a journal with more than %d files", SIDES);
	return j->side[j->nside++] = beside(j->target, what);
}

void journal_close(struct journal *j)
{
	close(j->fd);
	for (size_t i = 0; i < j->n; i++)
		cJSON_Delete(j->line[i].v);
	for (int i = 0; i < j->nside; i++)
		free(j->side[i]);
	free(j->line);
	free(j->path);
	free(j->target);
	free(j->name);
	free(j);
}

void journal_remove(struct journal *j)
{
	for (int i = 0; i < j->nside; i++)
		if (unlink(j->side[i]) && errno != ENOENT)
			warn("cannot remove '%s': %s", j->side[i], strerror(errno));
	if (unlink(j->path))
		warn("cannot remove '%s': %s", j->path, strerror(errno));
	journal_close(j);
}
