/* The unit of the stream: a layer or a piece of one, the embedding or the head, wholly in memory. */
#ifndef BLOCK_H
#define BLOCK_H

#include "base/json.h"
#include "model/model.h"
#include "tensor/qrec.h"

enum { BLK_EMBED = -1, BLK_HEAD = MAX_LAYER };  /* block.index of the two ends */
enum blk_kind { BLK_KIND_EMBED, BLK_KIND_DENSE, BLK_KIND_HEAD };
enum blk_kind block_kind(int index);

/* Roles: what a tensor is for, whatever its family calls it.  The tensor's name in the bundle is the role's
 * name and a part: "attn.q" + ".weight" or ".bias". */
enum role {
	R_EMBED, R_POS, R_PROJ_IN, R_NORM_EMBED,
	R_NORM_ATTN, R_Q, R_QA, R_NORM_QA, R_QB, R_KVA, R_NORM_KVA, R_KVB, R_K, R_V, R_NORM_Q, R_NORM_K, R_O, R_NORM_ATTN_OUT,
	R_CROSS_Q, R_CROSS_K, R_CROSS_V, R_NORM_CROSS_Q, R_NORM_CROSS_K, R_CROSS_O, R_CROSS_ATTN_GATE,
	R_NORM_MLP, R_GATE, R_UP, R_DOWN, R_NORM_MLP_OUT, R_CROSS_MLP_GATE,
	R_ROUTER, R_SHARED_ROUTER, R_SHARED_GATE, R_SHARED_UP, R_SHARED_DOWN, R_EXPERT_GATE, R_EXPERT_UP, R_EXPERT_DOWN,
	R_NORM_FINAL, R_PROJ_OUT, R_HEAD,
	R_LINEAR, R_OTHER,              /* of a model that lists its tensors (listed.h) */
	R_N
};
enum part { P_WEIGHT, P_BIAS, P_N };

const char *part_name(enum part);                               /* "weight" */
/* "attn.q.weight", "expert.3.gate.weight"; expert may be NULL, and is 0 where there is none.  -1 when it is no role
 * (no error set). */
int role_parse(const char *name, enum role *, enum part *, int *expert);
bool role_linear(enum role);                                    /* a linear that methods compress */
/* And compressed in this layer: one that attends to something else than the text stays as it is. */
bool model_linear(const struct model *, int index, enum role);
bool role_expert(enum role);                                    /* there is one for each expert */
enum { LABEL = 128 };
/* "attn.q", "expert.3.gate": what rules match and reports say.  buf of 64. */
const char *role_label(enum role, int expert, char *buf);

/* A layer whose experts are too large for memory together comes in pieces: piece 0 is all but its experts, piece k > 0
 * the kth m->piece_experts of them.  Other layers are their own piece 0. */
int layer_pieces(const struct model *, int index);
void piece_experts(const struct model *, int index, int piece, int *from, int *to);     /* [*from, *to) are in it */

/* A tensor that a model has. */
struct want {
	const cJSON *listed;            /* its entry, where the model lists it; else NULL */
	enum role role;
	enum part part;
	int expert, nd;
	int64_t dim[MAXDIM];
};
int64_t want_count(const struct want *);        /* its elements */
/* The next tensor of a layer, BLK_EMBED or BLK_HEAD, in the order in which they are stored; false: there are no more.
 * WANT_FIRST goes before the first. */
#define WANT_FIRST { .part = P_N }
bool model_wants(const struct model *, int index, struct want *);
bool piece_wants(const struct model *, int index, int piece, struct want *);    /* of a piece of the layer */
const char *want_name(const struct want *, char *buf);          /* "attn.q.weight"; buf of 64; or its own */
const char *want_label(const struct want *, char *buf);         /* "attn.q"; buf of LABEL */
/* Shape that the model demands of a role's part in a layer (any, at the ends): nd and dim set; false where there is
 * none. */
bool role_shape(const struct model *, int index, enum role, enum part, int *nd, int64_t *dim);
enum blk_kind role_home(enum role);                             /* the kind of block it lives in */

/* What a stage did to a tensor; counted in the ledger. */
enum tensor_fate { FATE_KEPT, FATE_CHANGED, FATE_QUANTIZED };

struct block {
	int index;                      /* layer, BLK_EMBED or BLK_HEAD */
	int piece;                      /* of the layer */
	enum blk_kind kind;
	int nt;
	struct tensor *t;               /* [nt], in stored order; data NULL where q[i] holds the tensor */
	struct qrec *q;                 /* [nt] */
	enum tensor_fate *fate;         /* [nt], this stage's */
	cJSON *note;                    /* block/NNNN.json, unknown keys preserved; owned; never NULL */
	struct arena mem;               /* dropping the block drops all of the above */
};

/* Weight or bias of a role: index in t and q, -1 if absent. */
int block_find(const struct block *, enum role, enum part);
int block_find_expert(const struct block *, enum role, enum part, int expert);
struct tensor *block_get(const struct block *, enum role, enum part);   /* borrows; NULL if absent */
/* Is tensor i the weight of a linear that methods compress?  Then label (of LABEL) is what rules match. */
bool block_linear(const struct model *, const struct block *, int i, char *label);
/* An empty block with room for nt tensors, all cleared. */
void block_init(struct block *, int index, enum blk_kind, int nt);
void block_room(struct block *, int nt);        /* room anew: what it held is forgotten */
/* F32 copy of tensor i (dequantized where quantized), rows [r0, r1), into w.  -1: error set. */
int block_f32(const struct block *, int i, int64_t r0, int64_t r1, float *w);
/* Puts a quantized tensor in place of tensor i: takes *q (whose arrays are in the block's arena). */
void block_quantize(struct block *, int i, const struct qrec *q);
/* Moves the tensors of a further piece of the layer to the end of b. */
void block_append(struct block *b, struct block *piece);
void block_free(struct block *);
/* "block 17", "block 17.3" for a piece, "embed", "head": for messages.  buf of 32. */
const char *block_label(const struct block *, char *buf);
void block_put(const struct block *, cJSON *row);       /* as "block" in a table: 17, "17.3", "embed", "head" */
/* Member name without extension: "block/0017", "block/0017.3", "embed", "head".  buf of 32. */
const char *block_member(const struct block *, char *buf);

#endif
