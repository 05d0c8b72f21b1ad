/* Packers: a bundle to a directory that an engine loads.  A packer never requantizes: it moves codes, scales
 * and zeros.  It sees the blocks as they arrive, one in memory at a time; what its format cannot hold it refuses
 * at the first block that has it, before the directory appears under its name. */
#ifndef PACK_H
#define PACK_H

#include "bundle/bundle.h"
#include "model/family.h"

struct out_dir;
struct shards;

struct pack_opt {
	const char *in, *out;           /* bundle ("-" or NULL: standard input), directory */
	bool dequantize;                /* hf: codes become floats */
	bool force;                     /* vllm: also what the format holds and engines lack kernels for */
	enum dtype dtype;               /* of the float tensors; DT_NONE = as they are */
	int64_t shard;                  /* bytes that a weights file should not exceed */
};

struct pack {                           /* a directory being written */
	const struct pack_opt *o;
	const struct bundle_in *in;
	const struct model *m;
	const struct family *f;         /* whose names the tensors get: a family's, or */
	struct family own;              /* the bundle's */
	const char *layers;             /* of a model that lists its tensors: what those of a layer begin with */
	struct naming naming;           /* how the checkpoint's names differ from those, */
	const struct naming *as;        /* when they do; or NULL */
	bool bare;                      /* they lacked its prefix */
	const cJSON *carried;           /* the next of what lies beside the blocks, by the manifest */
	int64_t *carried_bytes;         /* [ncarried] of all */
	int ncarried, taken;            /* taken: members that came */
	cJSON *seen;                    /* names of their tensors; owned */
	char *config;                   /* config.json as import found it, terminated; edited by the packer; owned */
	const char *inner;              /* key in it of the language model's own configuration, or NULL */
	bool tied;                      /* that configuration ties the head to the embedding */
	enum { HEAD_NONE, HEAD_SAME, HEAD_OWN } head;   /* the bundle's head: none, the embedding again, its own */
	struct out_dir *dir;
	struct shards *sh;
	void *priv;                     /* the packer's */
};

struct packer {
	const char *name;               /* "vllm" */
	const char *about;
	int (*begin)(struct pack *);    /* what the manifest says already; may be NULL */
	/* Does the format hold what the block has, as pack_join made it?  -1: error set, which says what not. */
	int (*accept)(const struct pack *, const struct block *);
	int (*block)(struct pack *, const struct block *);      /* one that was accepted */
	int (*carried)(struct pack *, const struct tensor *);   /* of a tower or a projector; may be NULL: as it is */
	int (*end)(struct pack *);      /* after the trailer was verified: edits config, adds files */
	void (*free)(struct pack *);    /* priv; may be NULL */
};
extern const struct packer packer_hf, packer_vllm;
const struct packer *packer_find(const char *name);
const struct packer *const *packer_list(void);          /* NULL-terminated */

/* What -n says of it.  -1: error set. */
int pack_plan(struct pack *, const struct packer *, struct bundle_in *);
/* Reads the bundle, writes the directory; dies when it cannot, and leaves nothing behind. */
void pack_run(const struct packer *, const struct pack_opt *);

/* The tensors of b as the checkpoint has them, some of them borrowed from it: join.c.  -1: error set; free in every
 * case. */
int pack_join(const struct pack *, const struct block *b, struct block *out);

/* For packers.  The checkpoint's name of tensor i; with its prefix even where import found none, when `full`.
 * -1: error set, the tensor has no role that this version knows. */
int pack_name(const struct pack *, const struct block *, int i, bool full, char *buf, size_t n);
/* Tensor i as floats of the type dt (DT_NONE: as stored, or the model's where it is quantized). */
int pack_float(struct pack *, const struct block *, int i, const char *name, enum dtype dt);
void pack_put(struct pack *, const char *name, enum dtype, int nd, const int64_t *dim, const void *data);
/* Sets a key of the configuration to a JSON text; NULL removes it. */
void pack_config(struct pack *, const char *key, const char *value);
/* And where the language model has a configuration of its own, in that, if it has the key. */
void pack_config_both(struct pack *, const char *key, const char *value);
void pack_dtype(struct pack *, enum dtype);     /* its "torch_dtype", or "dtype" where it has that */
void pack_file(struct pack *, const char *name, const void *data, size_t len);

/* Edits a JSON object in its text, so that all else keeps its bytes; `text` must have passed json_parse.
 * Returns malloc'd text. */
char *json_edit(const char *text, const char *key, const char *value);
/* The same of an object that is the value of a key; without that, nothing. */
char *json_edit_in(const char *text, const char *object, const char *key, const char *value);

#endif
