#include "data/textin.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/tally.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 18 };

struct source {
	int fd;
	void (*raw)(void *, const void *, size_t);
	void *arg;
	char buf[PIECE];
};

static la_ssize_t more(struct archive *a, void *arg, const void **buf)
{
	struct source *s = arg;
	ssize_t k;

	tally_enter(&tally_read);
	do
		k = read(s->fd, s->buf, PIECE);
	while (k < 0 && errno == EINTR);
	tally_leave(&tally_read, k > 0 ? (double)k : 0);
	if (k < 0)
		archive_set_error(a, errno, "%s", strerror(errno));
	else if (s->raw)
		s->raw(s->arg, s->buf, (size_t)k);
	*buf = s->buf;
	return k;
}

/* The filters by name: others would start programs. */
static int unpack(struct source *s, struct bytes *out)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	la_ssize_t k = 0;
	int rc = 0;

	if (!a)
		return err_set(ST_FAIL, "out of memory");
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_format_raw(a);
	archive_read_support_format_empty(a);
	rc = archive_read_open(a, s, NULL, more, NULL);
	if (rc == ARCHIVE_OK)
		rc = archive_read_next_header(a, &e);
	if (rc == ARCHIVE_OK)
		do {
			bytes_need(out, PIECE + out->n / 2);
			k = archive_read_data(a, out->p + out->n, out->cap - out->n);
			out->n += k > 0 ? (size_t)k : 0;
		} while (k > 0);
	/* ARCHIVE_EOF: nothing at all */
	rc = rc == ARCHIVE_OK || rc == ARCHIVE_EOF ? 0 : -1;
	if (rc < 0 || k < 0)
		rc = err_set(ST_BAD, "%s", archive_error_string(a) ? archive_error_string(a) : "cannot be read");
	archive_read_free(a);
	return rc;
}

int textin_read(const char *path, struct bytes *out, void (*raw)(void *, const void *, size_t), void *arg)
{
	bool in = !path || !strcmp(path, "-");
	int fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), rc;
	struct source *s;

	if (fd < 0)
		return err_set(ST_BAD, "cannot open '%s': %m", path);
	s = xmalloc(sizeof(*s));
	s->fd = fd;
	s->raw = raw;
	s->arg = arg;
	rc = unpack(s, out);
	free(s);
	if (!in)
		close(fd);
	if (rc < 0)
		return err_at("cannot read '%s'", in ? "standard input" : path);
	bytes_put(out, "", 1);
	out->n--;
	return 0;
}

bool textin_ends(const char *path, const char *ext)
{
	static const char *const packed[] = { ".gz", ".bz2", ".xz", ".zst", ".zstd" };
	size_t n = strlen(path), k = strlen(ext);

	for (size_t i = 0; i < sizeof(packed) / sizeof(*packed); i++) {
		size_t m = strlen(packed[i]);

		if (n > m && !strcmp(path + n - m, packed[i])) {
			n -= m;
			break;
		}
	}
	return n > k && !memcmp(path + n - k, ext, k);
}
