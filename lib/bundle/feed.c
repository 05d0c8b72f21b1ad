#include "bundle/feed.h"

#include "base/err.h"
#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20, TAR_HEAD = 512 };

struct feed {
	int fd;
	char *map;                      /* the whole file, or NULL */
	size_t size, start;             /* of the map; where its bundle begins (standard input may be part read) */
	char *buf;                      /* PIECE bytes, of a pipe */
	size_t have;                    /* peeked, not handed out */
	bool handed;                    /* of the map */
	struct archive *z;              /* decompressor, or NULL */
	const char *piece;              /* handed out last, */
	size_t len;                     /* its length, */
	uint64_t end;                   /* where it ends in the stream */
	struct stat was;                /* of the map's file, when it was opened */
};

static int fill(struct feed *f)
{
	ssize_t k;

	do
		k = read(f->fd, f->buf + f->have, PIECE - f->have);
	while (k < 0 && errno == EINTR);
	if (k < 0)
		return err_read("read");
	f->have += (size_t)k;
	return k > 0;
}

/* The next piece as it lies in the file. */
static int raw(struct feed *f, const void **buf, size_t *n)
{
	int r = 1;

	if (f->map) {
		*buf = f->map + f->start;
		*n = f->handed ? 0 : f->size - f->start;
		f->handed = true;
		return *n > 0;
	}
	if (!f->have)
		r = fill(f);
	*buf = f->buf;
	*n = f->have;
	f->have = 0;
	return r;
}

static la_ssize_t z_read(struct archive *a, void *arg, const void **buf)
{
	size_t n = 0;

	if (raw(arg, buf, &n) < 0) {
		archive_set_error(a, EIO, "%s", err_msg());
		return -1;
	}
	return (la_ssize_t)n;
}

static int z_error(struct feed *f)
{
	return err_set(archive_errno(f->z) == ENOMEM ? ST_FAIL : ST_BAD, "cannot decompress: %s", archive_error_string(f->z));
}

int feed_read(struct feed *f, const void **buf, size_t *n)
{
	la_int64_t off;
	int r;

	if (!f->z)
		r = raw(f, buf, n);
	else
		do {
			r = archive_read_data_block(f->z, buf, n, &off);
			r = r == ARCHIVE_EOF ? 0 : r == ARCHIVE_OK ? 1 : z_error(f);
		} while (r > 0 && !*n);
	if (r <= 0) {
		*n = 0;
		return r;
	}
	f->piece = *buf;
	f->len = *n;
	f->end += *n;
	return 1;
}

static int map_file(struct feed *f, const struct stat *sb)
{
	uint64_t size = (uint64_t)sb->st_size;
	off_t at = lseek(f->fd, 0, SEEK_CUR);

	if (at < 0 || size > PTRDIFF_MAX || (uint64_t)at >= size)
		return 0;                       /* nothing to map: read() will say so */
	/* Writable and private: blocks are edited in place, the file is not. */
	f->map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, f->fd, 0);
	if (f->map == MAP_FAILED) {
		f->map = NULL;
		return errno == ENODEV ? 0 : err_set(ST_FAIL, "cannot map: %s", strerror(errno));
	}
	madvise(f->map, (size_t)size, MADV_SEQUENTIAL);
	f->size = (size_t)size;
	f->start = (size_t)at;
	f->was = *sb;
	return 0;
}

/* What a checkpoint looks like from its first bytes, or NULL. */
static const char *checkpoint(const char *p, size_t n)
{
	if (n >= 4 && !memcmp(p, "GGUF", 4))
		return "a GGUF file";
	return n > 8 && !p[6] && !p[7] && p[8] == '{' ? "a safetensors file" : NULL;
}

/* The first bytes: a tar of our kind is read as it is, anything else is left to the decompressors. */
static int begin(struct feed *f)
{
	struct archive_entry *e;
	const char *p, *what;
	size_t n;
	int r = 1;

	if (f->map) {
		p = f->map + f->start;
		n = f->size - f->start;
	} else {
		f->buf = xmalloc(PIECE);
		fcntl(f->fd, F_SETPIPE_SZ, PIECE);      /* fewer switches between the stages; not everywhere granted */
		while (f->have < TAR_HEAD && (r = fill(f)) > 0)
			;
		if (r < 0)
			return -1;
		p = f->buf;
		n = f->have;
	}
	if (n >= TAR_HEAD && !memcmp(p + 257, "ustar", 5))
		return 0;
	if (!n)
		return err_set(ST_BAD, "not a bundle: empty");
	if ((what = checkpoint(p, n)))
		return err_set(ST_BAD, "not a bundle but %s: llmc-import makes one of it", what);
	f->z = archive_read_new();
	if (!f->z)
		die(ST_FAIL, "out of memory");
	archive_read_support_filter_gzip(f->z);
	archive_read_support_filter_zstd(f->z);
	archive_read_support_filter_xz(f->z);
	archive_read_support_format_raw(f->z);
	if (archive_read_open(f->z, f, NULL, z_read, NULL) != ARCHIVE_OK)
		return z_error(f);
	if (archive_filter_count(f->z) < 2)
		return err_set(ST_BAD, n < TAR_HEAD ? "not a bundle, or truncated" : "not a bundle");
	return archive_read_next_header(f->z, &e) == ARCHIVE_OK ? 0 : z_error(f);
}

static bool model_in(int dir)
{
	struct stat sb;

	return !fstatat(dir, "config.json", &sb, 0);
}

struct feed *feed_open(const char *path)
{
	bool std = !path || !strcmp(path, "-");
	struct feed *f;
	struct stat sb;
	int fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		err_read("open");
		return NULL;
	}
	f = xcalloc(1, sizeof(*f));
	f->fd = fd;
	if (isatty(fd))
		err_set(ST_USAGE, "a terminal: give FILE or a pipe");
	else if (fstat(fd, &sb))
		err_read("stat");
	else if (S_ISDIR(sb.st_mode))
		err_set(ST_BAD, "not a bundle but a directory%s", model_in(fd) ? ": llmc-import makes one of it" : "");
	else if ((!S_ISREG(sb.st_mode) || !map_file(f, &sb)) && !begin(f))
		return f;
	feed_close(f);
	return NULL;
}

bool feed_mapped(const struct feed *f)
{
	return f->map && !f->z;
}

int feed_unchanged(const struct feed *f)
{
	struct stat sb;

	if (!f->map)
		return 0;
	if (fstat(f->fd, &sb))
		return err_read("stat");
	if (sb.st_size != f->was.st_size || sb.st_mtim.tv_sec != f->was.st_mtim.tv_sec ||
	    sb.st_mtim.tv_nsec != f->was.st_mtim.tv_nsec)
		return err_set(ST_BAD, "changed while it was read");
	return 0;
}

void feed_release(const struct feed *f, const void *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), at, end;

	if (!feed_mapped(f) || (const char *)p < f->map || (const char *)p + n > f->map + f->size)
		return;
	at = ((size_t)((const char *)p - f->map) + page - 1) / page * page;
	end = ((size_t)((const char *)p - f->map) + n) / page * page;
	if (at < end)
		madvise(f->map + at, end - at, MADV_DONTNEED);
}

int feed_zeros(struct feed *f, uint64_t pos, uint64_t *count)
{
	const void *p;
	size_t n;
	int r = 1;

	*count = 0;
	if (pos > f->end || f->end - pos > f->len)
		return err_set(ST_FAIL, "lost the place in the tar");
	n = (size_t)(f->end - pos);
	p = n ? f->piece + f->len - n : NULL;
	do {
		for (size_t i = 0; i < n; i++)
			if (((const char *)p)[i])
				return 0;
		*count += n;
		r = feed_read(f, &p, &n);
	} while (r > 0);
	return r < 0 ? -1 : 1;
}

void feed_close(struct feed *f)
{
	if (f->z)
		archive_read_free(f->z);
	if (f->map)
		munmap(f->map, f->size);
	if (f->fd != STDIN_FILENO)
		close(f->fd);
	free(f->buf);
	free(f);
}
