/* Opening a source: which kind it is, and the reading that both kinds share. */
#include "import/source.h"

#include "base/err.h"
#include "base/tally.h"
#include "import/fp8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static struct mark mark(const struct stat *s)
{
	return (struct mark){ s->st_dev, s->st_ino, (uint64_t)s->st_size, s->st_mtim.tv_sec, s->st_mtim.tv_nsec };
}

int mark_same(const char *path, const struct mark *a, const struct mark *b)
{
	if (a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->sec == b->sec && a->nsec == b->nsec)
		return 0;
	return err_set(ST_BAD, "'%s' changed while it was read", path);
}

int rfile_open(struct rfile *f, const char *path)
{
	struct stat st;

	f->path = path;
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0)
		return err_set(ST_BAD, "cannot open '%s': %s", path, strerror(errno));
	if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(f->fd);
		f->fd = -1;
		return err_set(ST_BAD, "'%s' is not a regular file", path);
	}
	f->size = (uint64_t)st.st_size;
	f->mark = mark(&st);
	return 0;
}

int rfile_read(const struct rfile *f, uint64_t at, void *buf, uint64_t n)
{
	struct stat st;
	struct mark now;
	char *p = buf;

	while (n) {
		ssize_t k;

		tally_enter(&tally_read);
		/* Linux moves at most 2 GiB in a call. */
		k = pread(f->fd, p, n > 1 << 30 ? 1 << 30 : (size_t)n, (off_t)at);
		tally_leave(&tally_read, k > 0 ? (double)k : 0);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_set(ST_BAD, "cannot read '%s': %s", f->path, strerror(errno));
		if (k == 0)
			return err_set(ST_BAD, "'%s' ends before byte %llu: truncated", f->path,
			               (unsigned long long)(at + n));
		p += k;
		at += (uint64_t)k;
		n -= (uint64_t)k;
	}
	if (fstat(f->fd, &st) < 0)
		return err_set(ST_BAD, "cannot stat '%s': %s", f->path, strerror(errno));
	now = mark(&st);
	return mark_same(f->path, &now, &f->mark);
}

void rfile_close(struct rfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* Not the device: its number may be another after the machine was started anew. */
void source_stamp(struct source *s, const struct mark *m)
{
	uint64_t v[] = { m->ino, m->size, (uint64_t)m->sec, (uint64_t)m->nsec };

	s->stamp = XXH3_64bits_withSeed(v, sizeof(v), s->stamp);
}

void *source_slurp(const char *path, uint64_t max, size_t *len)
{
	struct rfile f = { .fd = -1 };
	char *buf;

	if (rfile_open(&f, path) < 0)
		return NULL;
	if (f.size > max) {
		err_set(ST_BAD, "'%s' has %llu bytes, more than the %llu that make sense", path,
		        (unsigned long long)f.size, (unsigned long long)max);
		rfile_close(&f);
		return NULL;
	}
	buf = xmalloc((size_t)f.size + 1);
	if (rfile_read(&f, 0, buf, f.size) < 0) {
		free(buf);
		buf = NULL;
	} else {
		buf[f.size] = '\0';
		*len = (size_t)f.size;
	}
	rfile_close(&f);
	return buf;
}

void source_add_file(struct source *s, const char *member, void *data, size_t len)
{
	s->file = xrealloc(s->file, ((size_t)s->nfile + 1) * sizeof(*s->file));
	s->file[s->nfile++] = (struct source_file){ arena_strdup(&s->mem, member), data, len };
}

static int open_file(struct source *s, const char *path, enum dtype dtype)
{
	const char *base = strrchr(path, '/');
	struct rfile f;
	char magic[4], *dir;
	int r;

	if (rfile_open(&f, path) < 0)
		return -1;
	r = f.size < sizeof(magic) ? err_set(ST_BAD, "'%s' is neither GGUF nor safetensors", path)
	    : rfile_read(&f, 0, magic, sizeof(magic));
	rfile_close(&f);
	if (r < 0)
		return -1;
	if (!memcmp(magic, "GGUF", 4))
		return ggufile_open(s, path, dtype);
	dir = base ? xstrdup(path) : xstrdup(".");
	if (base)
		dir[base - path + 1] = '\0';
	r = hfdir_open(s, dir, base ? base + 1 : path);
	free(dir);
	return r;
}

struct source *source_open(const char *path, enum dtype dtype)
{
	struct source *s = xcalloc(1, sizeof(*s));
	struct stat st;
	int r;

	s->path = arena_strdup(&s->mem, path);
	if (stat(path, &st) < 0)
		r = err_set(ST_BAD, "cannot open '%s': %s", path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		r = open_file(s, path, dtype);
	else
		r = hfdir_open(s, path, NULL);
	if (r == 0 && fp8_is(s))
		return fp8_open(s, dtype);
	if (r == 0 && dtype != DT_NONE && !s->decoded)
		r = err_set(ST_USAGE, "--dtype is for GGUF and FP8: a directory's floats stay as they are");
	if (r < 0) {
		source_close(s);
		return NULL;
	}
	return s;
}

int source_read(struct source *s, int i, void *dst)
{
	return s->read(s, i, 0, tensor_rows(&s->t[i]), dst);
}

int source_floats(const struct source *s)
{
	const cJSON *q = cJSON_GetObjectItemCaseSensitive(s->config, "quantization_config");
	const char *how = "?";

	if (!q || cJSON_IsNull(q))
		return 0;
	if (json_str(q, "quant_method", &how) < 0)
		return -1;
	return !strcmp(how, "fp8") ? 0 :                /* source_open has seen to those */
	       err_set(ST_UNSUP, "the checkpoint is quantized already ('%.40s'): import takes float weights", how);
}

void source_close(struct source *s)
{
	if (s->close)
		s->close(s);
	cJSON_Delete(s->config);
	for (int i = 0; i < s->nfile; i++)
		free(s->file[i].data);
	free(s->file);
	free(s->t);
	arena_free(&s->mem);
	free(s);
}
