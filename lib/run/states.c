#include "run/states.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/tally.h"
#include "base/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* pread and pwrite into one buffer, no map: pages of a map would count as ours for as long as the kernel pleases. */
struct states {
	int64_t rows, width;
	enum dtype dt;
	size_t size;                    /* bytes, at the first width */
	char *mem;                      /* all of it, or NULL: */
	int fd;
	char *buf;                      /* rows in hand */
	size_t cap;
};
static struct tally moving = { .name = "states" };

static const char *directory(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/tmp";
}

static int open_file(struct states *s)
{
	const char *dir = directory();

	s->fd = temp_nameless(dir);
	if (s->fd < 0)
		return err_set(ST_FAIL, "cannot make a file for hidden states in '%s': %s", dir, strerror(errno));
	if (fallocate(s->fd, 0, 0, (off_t)s->size) && (errno == ENOSPC || errno == EFBIG || errno == EDQUOT))
		return err_set(ST_FAIL, "%llu MB of hidden states do not fit in '%s': %s",
		               (unsigned long long)s->size >> 20, dir, strerror(errno));
	return 0;
}

struct states *states_new(int64_t rows, int64_t width, enum dtype dt, bool file)
{
	struct states *s = xcalloc(1, sizeof(*s));
	uint64_t n;

	if (!size_mul((uint64_t)rows, (uint64_t)width * dtype_size(dt), &n) || n > PTRDIFF_MAX)
		die(ST_FAIL, "%lld hidden states of width %lld do not fit in memory", (long long)rows, (long long)width);
	s->rows = rows;
	s->width = width;
	s->dt = dt;
	s->size = (size_t)n;
	s->fd = -1;
	if (!file)
		s->mem = xmalloc(s->size);
	else if (open_file(s) < 0) {
		states_free(s);
		return NULL;
	}
	return s;
}

void states_free(struct states *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->mem);
	free(s->buf);
	free(s);
}

void states_width(struct states *s, int64_t width)
{
	if ((uint64_t)width * dtype_size(s->dt) * (uint64_t)s->rows > s->size)
		die(ST_FAIL, "hidden states cannot grow");
	s->width = width;
}

static size_t bytes(const struct states *s, int64_t rows)
{
	return (size_t)(rows * s->width) * dtype_size(s->dt);
}

void *states_room(struct states *s, int64_t row, int64_t n)
{
	if (row < 0 || n < 0 || row > s->rows - n)
		die(ST_FAIL, "hidden states %lld..%lld of %lld", (long long)row, (long long)(row + n), (long long)s->rows);
	if (s->mem)
		return s->mem + bytes(s, row);
	if (bytes(s, n) > s->cap) {
		free(s->buf);
		s->buf = xmalloc(s->cap = bytes(s, n));
	}
	return s->buf;
}

void *states_get(struct states *s, int64_t row, int64_t n)
{
	char *p = states_room(s, row, n);
	size_t at = bytes(s, row), left = bytes(s, n), done = 0;

	while (!s->mem && left) {
		ssize_t k;

		tally_enter(&moving);
		k = pread(s->fd, p + done, left, (off_t)(at + done));
		tally_leave(&moving, k > 0 ? (double)k : 0);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			err_set(ST_FAIL, "cannot read hidden states in '%s': %s", directory(),
			        k ? strerror(errno) : "they end too early");
			return NULL;
		}
		done += (size_t)k;
		left -= (size_t)k;
	}
	return p;
}

int states_put(struct states *s, int64_t row, int64_t n)
{
	size_t at = bytes(s, row), left = bytes(s, n), done = 0;

	while (!s->mem && left) {
		ssize_t k;

		tally_enter(&moving);
		k = pwrite(s->fd, s->buf + done, left, (off_t)(at + done));
		tally_leave(&moving, k > 0 ? (double)k : 0);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return err_set(ST_FAIL, "cannot write hidden states in '%s': %s", directory(), strerror(errno));
		done += (size_t)k;
		left -= (size_t)k;
	}
	return 0;
}

void states_rest(struct states *s)
{
	if (!s)
		return;
	free(s->buf);
	s->buf = NULL;
	s->cap = 0;
}
