/* The resolved description of a model: a set of knobs that one interpreter (forward.c) reads.  Stored
 * verbatim as "model" in llmc.json; no tool after import looks at a configuration file. */
#ifndef MODEL_H
#define MODEL_H

#include "base/json.h"
#include "op/op.h"

enum { MAX_LAYER = 1024 };

enum rope_type { ROPE_NONE, ROPE_DEFAULT, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_LLAMA3, ROPE_YARN };
struct rope {
	enum rope_type type;
	bool interleaved;               /* pairs (2i, 2i+1); else (i, i + dim/2) */
	int dim;                        /* rotated elements of each head */
	double base;                    /* theta */
	double factor;                  /* linear, dynamic, llama3, yarn */
	double low_freq, high_freq;     /* llama3 */
	double beta_fast, beta_slow, mscale, mscale_all_dim, attn_factor;   /* yarn; attn_factor 0 = derive */
	bool truncate;                  /* yarn: whole correction bounds */
	int orig_ctx;                   /* llama3, yarn: context of the pre-training */
};

enum model_flag {
	MF_TIED = 1,                    /* no head.weight: the embedding is the output projection */
	MF_BIAS_QKV = 2, MF_BIAS_O = 4, MF_BIAS_MLP = 8
};

struct model {
	char family[32];
	int n_layer, d_model, n_head, n_kv, d_head, d_ff, vocab;
	int ctx;                        /* positions it was made for; dynamic rope depends on it */
	enum norm norm;
	double eps;
	enum act act;
	bool gated;                     /* down(act(gate x) * up x); else down(act(up x)) */
	struct rope rope;
	double attn_scale;              /* multiplies q.k; resolved */
	double cap_attn, cap_logit;     /* 0 = off */
	int window;                     /* sliding window in tokens; 0 = none */
	bool slide[MAX_LAYER];          /* layers that slide, when window > 0 */
	unsigned flags;
	enum dtype dtype;               /* of the checkpoint's linears: what scales are rounded to */
};

/* Reads "model" of a manifest, checks every knob; -1: error set (ST_BAD; ST_UNSUP for a value this
 * version does not know).  model_json writes it, into obj, whose unknown keys stay. */
int model_parse(struct model *, const cJSON *obj);
void model_json(const struct model *, cJSON *obj);
/* Brings "requires" of a manifest up to date with its "model": knobs that came after the first version of the format
 * and are on.  model_knows: is the word one of those? */
void model_requires(cJSON *manifest);
bool model_knows(const char *word);
int model_check(const struct model *);          /* ranges and divisibility; -1: error set (ST_BAD) */

/* cos, sin: [T, rope.dim/2], positions 0..T-1; T matters to dynamic scaling. */
void rope_table(const struct model *, int T, float *cos, float *sin);

#endif
