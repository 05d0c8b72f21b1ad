/* Families are rows: names and defaults.  Only import and the packers that restore names look here. */
#ifndef FAMILY_H
#define FAMILY_H

#include "model/block.h"

/* How a configuration value reaches a knob. */
enum cfg_type {
	CFG_INT, CFG_REAL, CFG_FACTOR /* above 0, which is off */, CFG_ACT, CFG_BOOL,
	CFG_FLAG /* bool -> bit of flags, in `arg` */
};
struct cfg_key {
	const char *key;                /* in config.json */
	enum cfg_type type;
	size_t off;                     /* offsetof(struct model, ...) */
	unsigned arg;
};
/* Rows of such: a key and the knob that it sets, or the flags. */
#define KEY_INT(key, knob) { key, CFG_INT, offsetof(struct model, knob), 0 }
#define KEY_REAL(key, knob) { key, CFG_REAL, offsetof(struct model, knob), 0 }
#define KEY_FACTOR(key, knob) { key, CFG_FACTOR, offsetof(struct model, knob), 0 }
#define KEY_ACT(key, knob) { key, CFG_ACT, offsetof(struct model, knob), 0 }
#define KEY_BOOL(key, knob) { key, CFG_BOOL, offsetof(struct model, knob), 0 }
#define KEY_FLAG(key, bits) { key, CFG_FLAG, offsetof(struct model, flags), bits }
#define KEY_ATTENTION_BIAS KEY_FLAG("attention_bias", MF_BIAS_QKV | MF_BIAS_O)
#define KEY_END { NULL, CFG_INT, 0, 0 }
/* A family's word for what the others call `is`. */
struct cfg_alias {
	const char *key, *is;
};
/* A checkpoint's tensor whose rows are those of several roles: one after the other; or in turns, of one key/value head
 * (the queries that read it, it, its values) or of one expert, which is then the first of three dimensions. */
enum fuse_kind { FUSE_CAT, FUSE_GROUP, FUSE_EXPERT };
struct fuse {
	const char *name;               /* FUSE_EXPERT: whole, without a part */
	enum fuse_kind kind;
	int n;
	enum role role[3];
};

enum { CFG_OWN = 12, CFG_MATCH = 4, MAX_FUSE = 5, MAX_CARRY = 16 };
struct family;
/* A model around a language model, which is of another family; the rest of its tensors, towers and projectors, are
 * carried along as they are. */
struct wrap {
	const char *inner;              /* key of the language model's configuration */
	bool flat;                      /* where that is absent, the keys stand beside the others */
	const struct family *language;  /* when that configuration says no family, or NULL */
	const char *type[CFG_MATCH];    /* "model_type" there that means `language` too */
	const char *prefix;             /* before the language model's names */
	/* How names of what is carried begin, in the order of execution, the more particular before what holds the rest;
	 * %L is a layer. */
	const char *carry[MAX_CARRY];
};

struct family {
	const char *name;
	const char *match[CFG_MATCH];   /* "architectures" entries */
	const char *type[CFG_MATCH];    /* "model_type" where it is not the name */
	bool (*when)(const cJSON *config);      /* which of several rows of one architecture; NULL: any */
	struct model base;              /* defaults where the configuration is silent */
	double rotary;                  /* share of a head that is rotated, likewise; 0 = all */
	const struct cfg_alias *alias;  /* ends with a NULL key; may be NULL */
	const struct cfg_key *cfg;      /* keys beyond the shared ones (config.c); likewise */
	int (*resolve)(struct model *, const cJSON *config);    /* what no table can say; may be NULL */
	const char *own[CFG_OWN];       /* keys that resolve() reads, of those that config.c would refuse */
	const char *names[R_N];         /* checkpoint's module names; %L = layer, %H = head, %E = expert: one tensor each;
	                                 * $ at the end: the whole name, without a part */
	const char *router_bias;        /* the whole name of what corrects the choice of experts; or NULL */
	struct fuse fuse[MAX_FUSE];     /* instead of names of those roles */
	const struct family *other;     /* the same models under other names, or NULL */
	/* What its class takes where the configuration of a language model inside another is silent: JSON, or NULL. */
	const char *silent;
	const struct wrap *wrap;        /* then all but name, match and type is empty */
};

/* How a checkpoint names its tensors otherwise than its family does: what stands for the family's prefix, and what
 * before names that lack that ("lm_head").  NULL, wherever one is asked for: no otherwise. */
struct naming {
	const char *trunk, *rest;
};

/* What a checkpoint's tensor is. */
struct tensor_id {
	enum role role;                 /* of a fused one the first */
	enum part part;
	int layer, head;
	const struct fuse *fuse;        /* or NULL */
};

const struct family *family_find(const char *name);             /* not one that wraps another */
const struct family *family_first(const struct family *);       /* of the rows that name the same models the first */
bool family_answers(const struct family *, const char *architecture);   /* has that name among its own */
const struct family *const *family_list(void);                  /* NULL-terminated */

/* Resolves config.json into knobs.  NULL, error set: ST_UNSUP names an unknown architecture and the
 * nearest known, or what would have to be computed otherwise; ST_BAD a missing or absurd key.  Of a model around a
 * language model, whose row family_of gives, it is the latter's. */
const struct family *family_resolve(struct model *, const cJSON *config);
const struct family *family_of(const cJSON *config);            /* of which it is the first half: the row, */
int family_knobs(struct model *, const struct family *, const cJSON *config);   /* and the second */
bool family_ties(const cJSON *config);  /* it ties the head to the embedding, as far as it can be told */
int rope_read(struct model *, const cJSON *config, double rotary);      /* its rotary positions; -1: error set */
/* The knobs of a small model of the family whose configuration says nothing but sizes. */
void family_sample(struct model *, const struct family *);
/* "model." of "model.embed_tokens", which checkpoints of the bare network lack: its length; 0 = none. */
size_t family_prefix(const struct family *);
/* The checkpoint's name of a tensor: "model.layers.3.self_attn.q_proj.weight", that of the matrix it is fused into, or
 * of one head's; the role's name where the row has none; what does not fit is cut.  Returns buf. */
enum { TENSOR_NAME = 320 };             /* fits any: what stands before, a pattern with its numbers, a part */
const char *family_tensor(const struct family *, const struct tensor_id *, const struct naming *, char *buf, size_t n);
const struct fuse *family_fuse(const struct family *, enum role);       /* NULL: the role is a tensor by itself */
bool family_heads(const struct family *, enum role);                    /* it is a tensor for each head */
/* The other way.  1: a role's tensor; 0: a buffer the family ignores; -1: unknown. */
int family_role(const struct family *, const char *name, struct tensor_id *);
/* The layer in which a name stands, whatever it names there; -1: in none. */
int family_layer(const struct family *, const char *name);
/* Do the roles that the row fuses go into one tensor, by the shapes that the model gives them?  -1: error set (ST_BAD). */
int family_fits(const struct family *, const struct model *);
/* A name of the checkpoint as the family has it, in buf; NULL: it is not one of the language model's. */
const char *family_own(const struct family *, const struct naming *, const char *name, char *buf, size_t n);
/* Which step of what is carried a name belongs to, and, where that has layers, which of them; -1: none. */
int wrap_step(const struct wrap *, const char *before, const char *name, int *layer);

/* "sliding_window" in every layer; null or absent: none. */
int window_everywhere(struct model *, const cJSON *config);
void window_set(struct model *, int window);                    /* in every layer; 0: none */
/* Whether "layer_types" is a list; then those of it slide. */
bool window_listed(struct model *, const cJSON *config);
/* Of Qwen: the window counts only when use_sliding_window says so.  *layers: "max_window_layers". */
int qwen_window(struct model *, const cJSON *config, int *layers);
int qwen_resolve(struct model *, const cJSON *config);          /* resolve() of Qwen2 and Qwen3 */

/* What LLaMA started and many kept: names, and rotary positions of base 10000 over the whole head (rope.dim is set
 * when the configuration is read). */
#define LLAMA_ENDS [R_EMBED] = "model.embed_tokens", [R_NORM_FINAL] = "model.norm", [R_HEAD] = "lm_head"
#define LLAMA_NORMS \
	[R_NORM_ATTN] = "model.layers.%L.input_layernorm", [R_NORM_MLP] = "model.layers.%L.post_attention_layernorm"
#define LLAMA_QKV \
	[R_Q] = "model.layers.%L.self_attn.q_proj", [R_K] = "model.layers.%L.self_attn.k_proj", \
	[R_V] = "model.layers.%L.self_attn.v_proj"
#define LLAMA_GLU \
	[R_GATE] = "model.layers.%L.mlp.gate_proj", [R_UP] = "model.layers.%L.mlp.up_proj", \
	[R_DOWN] = "model.layers.%L.mlp.down_proj"
#define LLAMA_O [R_O] = "model.layers.%L.self_attn.o_proj"
#define LLAMA_NAMES LLAMA_ENDS, LLAMA_NORMS, LLAMA_QKV, LLAMA_O, LLAMA_GLU
/* Experts as later versions of the library hold them in memory, and some checkpoints do. */
#define STACKED_EXPERTS \
	.fuse = { { "model.layers.%L.mlp.experts.gate_up_proj", FUSE_EXPERT, 2, { R_EXPERT_GATE, R_EXPERT_UP } }, \
	          { "model.layers.%L.mlp.experts.down_proj", FUSE_EXPERT, 1, { R_EXPERT_DOWN } } }
#define ROPE_BASE .base = 10000, ROPE_OTHERS
#define ROPE_OTHERS .factor = 1, .low_freq = 1, .high_freq = 4, .beta_fast = 32, .beta_slow = 1, \
	.truncate = true, .orig_ctx = 1
#define LLAMA_ROPE { .type = ROPE_DEFAULT, ROPE_BASE }
#define NO_ROPE { .type = ROPE_NONE, ROPE_BASE }

#endif
