/* The resolved description of a model: a set of knobs that one interpreter (forward.c) reads.  Stored
 * verbatim as "model" in llmc.json; no tool after import looks at a configuration file. */
#ifndef MODEL_H
#define MODEL_H

#include "base/json.h"
#include "op/op.h"

enum { MAX_LAYER = 1024, MAX_STRETCH = 256 };

enum rope_type { ROPE_NONE, ROPE_DEFAULT, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_LLAMA3, ROPE_YARN, ROPE_LONG };
struct rope {
	enum rope_type type;
	bool interleaved;               /* pairs (2i, 2i+1); else (i, i + dim/2) */
	int dim;                        /* rotated elements of each head */
	double base;                    /* theta */
	double factor;                  /* linear, dynamic, llama3, yarn, long */
	double low_freq, high_freq;     /* llama3 */
	double beta_fast, beta_slow, mscale, mscale_all_dim;    /* yarn */
	double attn_factor;             /* yarn, long: gain of cos and sin; 0 = derive */
	bool truncate;                  /* yarn: whole correction bounds */
	int orig_ctx;                   /* llama3, yarn, long: context of the pre-training */
	double near[MAX_STRETCH], far[MAX_STRETCH];     /* long: [dim/2] of sequences within orig_ctx, and longer */
};

/* How norms, attention, MLP and the residual stream x of a block meet; N are its norms, A attention, M MLP. */
enum place {
	PLACE_PRE,                      /* x += A(N x); x += M(N x) */
	PLACE_KEEP,                     /* x = N x; x += A(x); x = N x; x += M(x): BLOOM's residual from the norm */
	PLACE_POST,                     /* x = N(x + A(x)); x = N(x + M(x)) */
	PLACE_SANDWICH,                 /* x += N A(N x); x += N M(N x) */
	PLACE_PARALLEL,                 /* x += A(N x) + M(N x), one norm */
	PLACE_PARALLEL_2,               /* x += A(N x) + M(N x), two norms */
	PLACE_BEHIND                    /* x += N A(x); x += N M(x) */
};
/* Norm of q and k, before positions: over each head, with one weight for all heads or one for each; or over all heads
 * at once. */
enum qk_norm { QK_NONE, QK_RMS, QK_LAYER, QK_LAYER_EACH, QK_RMS_ALL };
/* Scores of experts: softmax or sigmoid of the router's; a group of experts is as good as its best, or its best two. */
enum router { ROUTER_SOFTMAX, ROUTER_SIGMOID, ROUTER_SOFTMAX_MAX, ROUTER_SIGMOID_TOP2 };
/* Attention biases linear in the key's position (Press et al., arXiv 2108.12409), added to the scaled score or, in
 * bf16, to the score before it is scaled. */
enum alibi { ALIBI_NONE, ALIBI_SCORE, ALIBI_BF16 };

enum model_flag {
	MF_TIED = 1,                    /* no head.weight: the embedding is the output projection */
	MF_BIAS_QKV = 2, MF_BIAS_O = 4, MF_BIAS_MLP = 8, MF_BIAS_HEAD = 16,
	MF_NO_FINAL = 32                /* no norm before the head */
};

struct model {
	char family[32];
	int n_layer, d_model, n_head, n_kv, d_head, d_ff, vocab;
	int ctx;                        /* positions it was made for; dynamic rope depends on it */
	enum norm norm;
	double eps;
	enum place place;
	enum qk_norm qk_norm;
	enum alibi alibi;
	enum act act;
	bool gated;                     /* down(act(gate x) * up x); else down(act(up x)) */
	struct rope rope;
	double attn_scale;              /* multiplies q.k; resolved */
	double cap_attn, cap_logit;     /* 0 = off */
	int window;                     /* sliding window in tokens; 0 = none */
	bool slide[MAX_LAYER];          /* layers that slide, when window > 0 */
	int d_embed;                    /* width of the embedding, which a product takes to d_model; 0 = d_model */
	/* Latent attention (DeepSeek-AI, arXiv 2405.04434): keys and values are made from kv_rank numbers, queries from
	 * q_rank or, 0, from the input.  The last rope.dim elements of a head of d_head are rotated; those of the key are
	 * the same for all heads.  eps_latent: of the norms of the latents. */
	int kv_rank, q_rank;            /* kv_rank 0: ordinary attention */
	int d_v;                        /* width of a head's values; 0 = d_head */
	double eps_latent;
	/* Mixture of experts, in the layers of `moe`: each token goes to top_k of n_expert MLPs of d_expert, and to one of
	 * d_shared that all share (0: none), which shared_gate weighs by a sigmoid.  See moe.h for the rest. */
	int n_expert, top_k, d_expert, d_shared;
	bool moe[MAX_LAYER];
	int piece_experts;              /* experts in a piece of a layer (block.h); 0: layers are whole */
	bool shared_gate, norm_topk, router_bias;
	enum router router;
	int n_group, topk_group;        /* experts are first chosen by groups; n_group 0: not */
	double route_scale;             /* multiplies the weights; 0 = off */
	/* Layers of `cross`, if any, attend to something else than the text, d_cross wide; where there is nothing of it,
	 * they are passed over. */
	int d_cross;
	bool cross[MAX_LAYER];
	bool plain_norm;                /* layer norms without weights and biases, but for those of heads */
	bool embed_norm;                /* a norm behind the embedding */
	int embed_extra;                /* rows of the embedding beyond the vocabulary, which no text asks for */
	int pos_rows, pos_first;        /* learned positions: rows of the table, and which of them is position 0 */
	double mul_embed, mul_resid, mul_logit;         /* multiply the embedding, what a block adds, logits; 0 = off */
	unsigned flags;
	const cJSON *listed;            /* its tensors, where nothing else is known (listed.h), or NULL; borrowed */
	enum dtype dtype;               /* of the checkpoint's linears: what scales are rounded to */
};

/* Reads "model" of a manifest, checks every knob; -1: error set (ST_BAD; ST_UNSUP for a value this
 * version does not know).  model_json writes it, into obj, whose unknown keys stay. */
int model_parse(struct model *, const cJSON *obj);
void model_json(const struct model *, cJSON *obj);
/* Brings "requires" of a manifest up to date with its "model": knobs that came after the first version of the format
 * and are on.  model_knows: is the word one of those, or "names", that those of tensors do not begin as the family's? */
void model_requires(cJSON *manifest);
bool model_knows(const char *word);
static inline int model_dv(const struct model *m)
{
	return m->d_v ? m->d_v : m->d_head;
}
int model_runs(const struct model *);           /* -1, error set (ST_UNSUP): nobody knows what it computes */
int model_check(const struct model *);          /* ranges and divisibility; -1: error set (ST_BAD) */

/* cos, sin: [T, rope.dim/2], positions 0..T-1; T matters to dynamic and long scaling. */
void rope_table(const struct model *, int T, float *cos, float *sin);
/* slope [n_head] of ALiBi. */
void alibi_slopes(int n_head, float *slope);

#endif
