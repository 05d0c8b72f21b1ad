/* A safetensors file begins with a header that knows every tensor's size, a stream learns them one by one.  So
 * the tensors of a file are spooled into an unlinked file beside the directory and copied behind their header
 * when the file is full: one file's bytes are written twice, mostly to the page cache, and nothing is guessed,
 * padded or kept in memory.
 *
 * Files are numbered "of N" from the first one on, so N is planned from the model's shape before anything is
 * read: whole blocks, at their size as plain floats.  Quantized files are therefore smaller than the limit.
 *
 * With --resume, files that a run that was stopped has finished are not written again: what would go into them is
 * digested, and must be what went into them then. */
#include "pack/shard.h"

#include "base/err.h"
#include "base/journal.h"
#include "base/temp.h"
#include "tensor/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { CHUNK = 1 << 20 };

struct shards {
	struct out_dir *dir;
	const char *out;                /* borrowed */
	int *first;                     /* [n_layer + 2] in plan: of embed, layers, head */
	int *plan;                      /* file of each of their pieces, behind those of what is carried */
	int n_layer, n;                 /* n: files planned */
	int cur;                        /* file being filled */
	int fd;                         /* the spool */
	uint64_t spooled;               /* bytes that the tensors of this file have in it */
	struct tensor *t;               /* [nt] of this file */
	struct extent {
		uint64_t at, due;       /* where in the spool; bytes that are still to come */
	} *x;                           /* [nt] */
	int nt, open;                   /* open: the one being written */
	int lacking;                    /* those that are not all there yet */
	char **all;                     /* [nall] names of all files */
	size_t nall, cap_all;
	size_t cap_t, cap_x;
	struct arena names;             /* of this file */
	char *map;                      /* the index so far */
	size_t nmap, cap_map;
	uint64_t total;
	struct journal *journal;        /* --resume; borrowed */
	int done;                       /* files that are there already */
	XXH3_state_t *sum;              /* --resume: of all that goes into the current file */
};

static double piece_bytes(const struct model *m, int index, int piece, size_t esize)
{
	struct want w = WANT_FIRST;
	double sum = 0;

	while (piece_wants(m, index, piece, &w))
		sum += want_count(&w) * (int64_t)esize;
	return sum;
}

/* The file of what follows; `fresh`: it begins one. */
static void plan_one(struct shards *s, int *n, double *fill, double bytes, bool fresh)
{
	s->plan = xrealloc(s->plan, (size_t)(*n + 1) * sizeof(*s->plan));
	if (fresh && *n) {
		s->n++;
		*fill = 0;
	}
	*fill += bytes;
	s->plan[(*n)++] = s->n;
}

static void make_plan(struct shards *s, const struct model *m, const struct shard_plan *p)
{
	size_t esize = dtype_size(p->dt == DT_NONE ? m->dtype : p->dt);
	double fill = 0, limit = (double)p->limit;      /* of what a manifest claims: any sum */
	int n = 0;

	for (int k = 0; k < p->ncarried; k++)
		plan_one(s, &n, &fill, (double)p->carried[k], fill + (double)p->carried[k] > limit);
	s->first = xcalloc((size_t)m->n_layer + 2, sizeof(*s->first));
	for (int i = 0; i < m->n_layer + 2; i++) {
		int index = i == 0 ? BLK_EMBED : i > m->n_layer ? BLK_HEAD : i - 1, pieces = layer_pieces(m, index);
		double all = 0;

		s->first[i] = n;
		for (int k = 0; k < pieces; k++)
			all += piece_bytes(m, index, k, esize);
		for (int k = 0; k < pieces; k++) {
			double b = piece_bytes(m, index, k, esize);

			plan_one(s, &n, &fill, b, p->whole ? !k && fill + all > limit : fill + b > limit);
		}
	}
	s->n++;
}

struct shards *shards_new(struct out_dir *dir, const char *out, const struct model *m, const struct shard_plan *plan)
{
	struct shards *s = xcalloc(1, sizeof(*s));

	s->dir = dir;
	s->out = out;
	s->fd = -1;
	s->n_layer = m->n_layer;
	make_plan(s, m, plan);
	s->journal = dir_journal(dir);
	if (!s->journal)
		return s;
	if (!(s->sum = XXH3_createState()))
		die(ST_FAIL, "out of memory");
	XXH3_64bits_reset(s->sum);
	s->done = journal_steps(s->journal);
	if (s->done)
		say(0, "'%s': %d of %d weights files are there already", out, s->done, s->n);
	return s;
}

/* A file without a name in the directory that OUT will stand in: there is where the space must be. */
static int open_spool(const char *out)
{
	size_t n = strlen(out);
	char *path, *dir;
	int fd;

	while (n > 1 && out[n - 1] == '/')
		n--;
	path = xasprintf("%.*s", (int)n, out);
	dir = parent_of(path);
	fd = temp_nameless(dir);
	if (fd < 0)
		die(ST_FAIL, "cannot create a temporary in '%s': %s", dir, strerror(errno));
	free(dir);
	free(path);
	return fd;
}

static const char *file_name(const struct shards *s, char *buf, size_t n)
{
	if (s->n == 1)
		snprintf(buf, n, "model.safetensors");
	else
		snprintf(buf, n, "model-%05d-of-%05d.safetensors", s->cur + 1, s->n);
	return buf;
}

static void note(struct shards *s, const char *name, const char *file)
{
	cJSON *quoted = cJSON_CreateString(name);       /* names that are carried are anybody's */
	char *text = json_text(quoted, false), *line = xasprintf("%s    %s: \"%s\"", s->nmap ? ",\n" : "", text, file);
	size_t n = strlen(line);

	cJSON_Delete(quoted);
	free(text);
	s->map = xgrow(s->map, s->nmap + n + 1, &s->cap_map, 1);
	memcpy(s->map + s->nmap, line, n + 1);
	s->nmap += n;
	free(line);
}

static void copy(struct shards *s, struct out *o, int i, char *buf)
{
	uint64_t at = s->x[i].at, left = tensor_bytes(&s->t[i]);

	while (left) {
		ssize_t k = pread(s->fd, buf, left < CHUNK ? (size_t)left : CHUNK, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			die(ST_FAIL, "cannot read the temporary of '%s': %s", s->out,
			    k ? strerror(errno) : "it ends early");
		out_write(o, buf, (size_t)k);
		at += (uint64_t)k;
		left -= (uint64_t)k;
	}
}

static void write_file(struct shards *s, const char *name, const void *head, size_t len, const int *order)
{
	struct out *o = dir_file(s->dir, name);
	char *buf = xmalloc(CHUNK);
	cJSON *step = json_obj();

	out_write(o, head, len);
	for (int i = 0; i < s->nt; i++)
		copy(s, o, order[i], buf);
	if (s->sum)
		key_digest(step, "stream", XXH3_64bits_digest(s->sum));
	dir_step(s->dir, o, step);
	free(buf);
}

/* The file that is there already would be the same again. */
static void check_file(struct shards *s, const char *name)
{
	const cJSON *step = journal_step(s->journal, s->cur);
	const char *file = "", *stream = "";
	char hex[17];

	snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)XXH3_64bits_digest(s->sum));
	if (json_str(step, "file", &file) <= 0 || json_str(step, "stream", &stream) <= 0 || strcmp(file, name) ||
	    strcmp(stream, hex))
		die(ST_BAD, "'%s' holds something else in '%s' since the run that was stopped: the model differs", s->out,
		    name);
}

/* The file being filled goes into the directory. */
static void flush(struct shards *s)
{
	cJSON *meta = json_obj();
	char name[64];
	int *order = xcalloc((size_t)s->nt + 1, sizeof(*order));
	size_t len;
	void *head;

	for (int i = 0; i < s->nt; i++)
		if (s->x[i].due)
			die(ST_FAIL, "tensor '%s' came short", s->t[i].name);
	json_put_str(meta, "format", "pt");     /* transformers refuses a file without it */
	head = st_header(s->t, s->nt, meta, order, &len);
	file_name(s, name, sizeof(name));
	if (s->cur < s->done)
		check_file(s, name);
	else
		write_file(s, name, head, len, order);
	for (int i = 0; i < s->nt; i++) {
		note(s, s->t[order[i]].name, name);
		s->total += tensor_bytes(&s->t[i]);
	}
	free(head);
	free(order);
	cJSON_Delete(meta);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->spooled = 0;
	s->nt = 0;
	if (s->sum)
		XXH3_64bits_reset(s->sum);
	arena_free(&s->names);
}

static void go_to(struct shards *s, int k)
{
	if (s->plan[k] != s->cur)
		flush(s);
	s->cur = s->plan[k];
}

void shards_block(struct shards *s, int index, int piece)
{
	go_to(s, s->first[index == BLK_EMBED ? 0 : index == BLK_HEAD ? s->n_layer + 1 : index + 1] + piece);
}

void shards_carried(struct shards *s, int k)
{
	go_to(s, k);
}

void shards_begin(struct shards *s, const char *name, enum dtype dt, int nd, const int64_t *dim)
{
	struct tensor *t;

	for (int i = 0; s->lacking && i < s->nt; i++)
		if (s->x[i].due && !strcmp(s->t[i].name, name)) {
			s->open = i;
			return;
		}
	s->t = xgrow(s->t, (size_t)s->nt + 1, &s->cap_t, sizeof(*s->t));
	s->x = xgrow(s->x, (size_t)s->nt + 1, &s->cap_x, sizeof(*s->x));
	t = &s->t[s->nt];
	memset(t, 0, sizeof(*t));
	t->name = arena_strdup(&s->names, name);
	s->all = xgrow(s->all, s->nall + 1, &s->cap_all, sizeof(*s->all));
	s->all[s->nall++] = xstrdup(name);
	t->dt = dt;
	t->nd = nd;
	memcpy(t->dim, dim, (size_t)nd * sizeof(*dim));
	s->x[s->nt] = (struct extent){ s->spooled, tensor_bytes(t) };
	s->spooled += tensor_bytes(t);
	s->open = s->nt++;
	s->lacking += s->x[s->open].due > 0;
	if (s->sum) {
		XXH3_64bits_update(s->sum, name, strlen(name) + 1);
		XXH3_64bits_update(s->sum, &t->dt, sizeof(t->dt));
		XXH3_64bits_update(s->sum, t->dim, (size_t)nd * sizeof(*dim));
	}
}

void shards_write(struct shards *s, const void *data, size_t n)
{
	struct extent *x = &s->x[s->open];
	uint64_t at = x->at + tensor_bytes(&s->t[s->open]) - x->due;
	const char *p = data;

	if (n > x->due)
		die(ST_FAIL, "tensor '%s' is longer than its shape", s->t[s->open].name);
	s->lacking -= n && n == x->due;
	x->due -= n;
	if (s->sum)
		XXH3_64bits_update(s->sum, data, n);
	if (s->cur < s->done)
		return;
	if (s->fd < 0)
		s->fd = open_spool(s->out);
	while (n) {
		ssize_t k = pwrite(s->fd, p, n < 1 << 30 ? n : 1 << 30, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			die(ST_FAIL, "cannot write a temporary beside '%s': %s", s->out, strerror(errno));
		p += k;
		at += (uint64_t)k;
		n -= (size_t)k;
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A name may come from a manifest, and be another's. */
static void check_names(struct shards *s)
{
	qsort(s->all, s->nall, sizeof(*s->all), by_text);
	for (size_t i = 1; i < s->nall; i++)
		if (!strcmp(s->all[i - 1], s->all[i]))
			die(ST_BAD, "two tensors would be called '%.200s'", s->all[i]);
	for (size_t i = 0; i < s->nall; i++)
		free(s->all[i]);
	free(s->all);
}

void shards_finish(struct shards *s)
{
	check_names(s);
	flush(s);
	if (s->n > 1) {
		struct out *o = dir_file(s->dir, "model.safetensors.index.json");

		out_printf(o, "{\n  \"metadata\": {\n    \"total_size\": %llu\n  },\n  \"weight_map\": {\n",
		           (unsigned long long)s->total);
		out_write(o, s->map, s->nmap);
		out_printf(o, "\n  }\n}\n");
		out_commit(o);
	}
	if (s->sum)
		XXH3_freeState(s->sum);
	free(s->first);
	free(s->plan);
	free(s->t);
	free(s->x);
	free(s->map);
	free(s);
}
