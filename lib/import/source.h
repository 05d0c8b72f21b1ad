/* Where a model comes from: a checkpoint seen as a configuration, side files and a list of named tensors,
 * whatever container it lies in.  Nothing of a file is mapped: a file that is cut short while it is being
 * read is then an error and not a signal. */
#ifndef SOURCE_H
#define SOURCE_H

#include "base/json.h"
#include "model/family.h"
#include "tensor/tensor.h"

struct source_file {                    /* a file that travels with the model, byte for byte */
	const char *name;               /* bundle member: "tokenizer/tokenizer.json" */
	void *data;
	size_t len;
};

struct source {
	const char *path;               /* as given, for messages */
	cJSON *config;                  /* the configuration in the manner of config.json */
	struct source_file *file;       /* [nfile], "extra/config.json" among them */
	int nfile;
	struct tensor *t;               /* [nt]: checkpoint's name, type and shape as read() delivers them; data NULL */
	int nt;
	const struct family *names;     /* the row whose names the tensors have; NULL: the family's own */
	bool decoded;                   /* read() makes floats of other numbers, of the type asked for */
	uint64_t digest;                /* XXH3-64 of what identifies the checkpoint: see hfdir.c and ggufile.c */
	uint64_t stamp;                 /* of the weights files: another when one was written or exchanged since */
	/* `rows` rows of tensor i (all but its last dimension count) from `row` on into dst.  -1: error set. */
	int (*read)(struct source *, int i, int64_t row, int64_t rows, void *dst);
	void (*close)(struct source *); /* frees priv */
	void *priv;
	struct arena mem;               /* names and arrays */
};

/* path: a Hugging Face directory, a .safetensors file with config.json beside it, or a GGUF file.  dtype: what
 * the tensors of a GGUF or of FP8 blocks become, DT_NONE = by what they are; a directory's floats stay as they are and
 * any other value is refused.  NULL: error set. */
struct source *source_open(const char *path, enum dtype dtype);
int source_floats(const struct source *);       /* -1, error set: it is quantized in a way that is not read */
void source_close(struct source *);
int source_read(struct source *, int i, void *dst);     /* all of tensor i; -1: error set */

/* The two kinds; each fills a cleared source.  -1: error set. */
int hfdir_open(struct source *, const char *dir, const char *lone);     /* lone: file name of the one weights file, or NULL */
int ggufile_open(struct source *, const char *path, enum dtype);

/* A regular file for reading; never blocks on a pipe.  Which file it was and when it was written is kept, so that one
 * that is written while it is read, or exchanged for another, is found out. */
struct rfile {
	const char *path;               /* borrowed, for messages */
	int fd;
	uint64_t size;
	struct mark {
		uint64_t dev, ino, size;
		int64_t sec, nsec;      /* of the last change of its content */
	} mark;
};
int rfile_open(struct rfile *, const char *path);                       /* ST_BAD when it is not there */
int mark_same(const char *path, const struct mark *, const struct mark *);      /* else -1, error set (ST_BAD) */
int rfile_read(const struct rfile *, uint64_t at, void *buf, uint64_t n);       /* all n bytes, unchanged, or -1 */
void rfile_close(struct rfile *);
void source_stamp(struct source *, const struct mark *);                /* a weights file goes into s->stamp */

/* A whole file of at most max bytes, NUL-terminated beyond its length; malloc'd.  NULL: error set. */
void *source_slurp(const char *path, uint64_t max, size_t *len);
void source_add_file(struct source *, const char *member, void *data, size_t len);      /* takes data */

#endif
