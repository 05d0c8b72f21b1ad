/* Families are rows: names and defaults.  Only import and the packers that restore names look here. */
#ifndef FAMILY_H
#define FAMILY_H

#include "model/block.h"

/* How a configuration value reaches a knob. */
enum cfg_type { CFG_INT, CFG_REAL, CFG_ACT, CFG_FLAG /* bool -> bit of flags, in `arg` */ };
struct cfg_key {
	const char *key;                /* in config.json */
	enum cfg_type type;
	size_t off;                     /* offsetof(struct model, ...) */
	unsigned arg;
};

enum { CFG_OWN = 4 };
struct family {
	const char *name;
	const char *match[4];           /* "architectures" entries */
	struct model base;              /* defaults where the configuration is silent */
	const struct cfg_key *cfg;      /* keys beyond the shared ones (config.c); ends with a NULL key; may be NULL */
	int (*resolve)(struct model *, const cJSON *config);    /* what no table can say; may be NULL */
	const char *own[CFG_OWN];       /* keys that resolve() reads, of those that config.c would refuse */
	const char *names[R_N];         /* checkpoint's module names; %L = layer */
};

const struct family *family_match(const char *architecture);   /* NULL: unknown */
const struct family *family_find(const char *name);
const struct family *const *family_list(void);                  /* NULL-terminated */

/* Resolves config.json into knobs.  NULL, error set: ST_UNSUP names an unknown architecture and those
 * known, or what would have to be computed otherwise; ST_BAD a missing or absurd key. */
const struct family *family_resolve(struct model *, const cJSON *config);
/* "model." of "model.embed_tokens", which checkpoints of the bare network lack: its length; 0 = none. */
size_t family_prefix(const struct family *);
/* The checkpoint's name of a tensor: "model.layers.3.self_attn.q_proj.weight"; without the prefix when
 * `bare`; the role's name where the row has none.  Returns buf. */
const char *family_tensor(const struct family *, enum role, enum part, int layer, bool bare, char *buf, size_t n);
/* The other way.  1: a role's tensor, layer set; 0: a buffer the family ignores; -1: unknown. */
int family_role(const struct family *, const char *name, enum role *, enum part *, int *layer);

/* What LLaMA started and most others kept: names, and rotary positions of base 10000 over the whole head
 * (rope.dim is set when the configuration is read). */
#define LLAMA_NAMES \
	[R_EMBED] = "model.embed_tokens", \
	[R_NORM_ATTN] = "model.layers.%L.input_layernorm", \
	[R_Q] = "model.layers.%L.self_attn.q_proj", [R_K] = "model.layers.%L.self_attn.k_proj", \
	[R_V] = "model.layers.%L.self_attn.v_proj", [R_O] = "model.layers.%L.self_attn.o_proj", \
	[R_NORM_MLP] = "model.layers.%L.post_attention_layernorm", \
	[R_GATE] = "model.layers.%L.mlp.gate_proj", [R_UP] = "model.layers.%L.mlp.up_proj", \
	[R_DOWN] = "model.layers.%L.mlp.down_proj", \
	[R_NORM_FINAL] = "model.norm", [R_HEAD] = "lm_head"
#define LLAMA_ROPE { .type = ROPE_DEFAULT, .base = 10000, .factor = 1, .low_freq = 1, .high_freq = 4, \
	.beta_fast = 32, .beta_slow = 1, .truncate = true, .orig_ctx = 1 }

#endif
