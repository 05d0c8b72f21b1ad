/* Byte-pair encoding by a list of merges: one word to ids (Sennrich et al., arXiv 1508.07909). */
#ifndef BPE_H
#define BPE_H

#include "data/cutset.h"
#include "data/jtree.h"
#include "data/merge.h"
#include "data/chars.h"
#include "data/vocab.h"

struct ids;

struct pair {
	uint64_t key;                   /* left id << 32 | right id */
	uint32_t rank;                  /* UINT32_MAX: an empty slot */
	int32_t id;                     /* what they become */
};

struct bpe {
	const struct vocab *vocab;
	struct pair *pair;              /* a hash table, a power of two of them */
	size_t npair;
	int shift;
	size_t nmerge;
	const char *prefix, *suffix;    /* borrowed; lengths 0: none */
	size_t nprefix, nsuffix;
	int32_t unk;                    /* -1: unknown characters vanish */
	bool fuse_unk, byte_fallback, ignore_merges;
	bool bytes;                     /* words are raw bytes, the vocabulary spells them with stand-ins */
	int32_t byte_id[256];           /* of a byte's stand-in, when `bytes` */
	int32_t fallback[256];          /* of "<0xHH>", -1: not there */
	struct cutset cut;              /* pairs of characters that merges bring together */
	struct bytes whole;             /* bpe_merge's */
	int32_t *ascii;                 /* [128] ids of ASCII characters: saves most look-ups */
};

/* One thread's room. */
struct bpe_room {
	struct sym *sym;
	size_t nsym;
	struct heap heap;
	struct bytes *spell;
};

/* model: the "model" object; the vocabulary is complete and outlives it.  Strings are borrowed from the
 * JSON's text.  -1: error set. */
int bpe_load(struct bpe *, const struct jnode *model, const struct vocab *);
/* Whether words can be handed as raw bytes; if so, they must be from now on. */
bool bpe_use_bytes(struct bpe *);
/* A model without options, to be filled by bpe_pair; `expect` of them. */
void bpe_init(struct bpe *, const struct vocab *, size_t expect);
/* The two merge into `both`, before those of higher rank.  Of equal ranks the leftmost goes first. */
void bpe_pair(struct bpe *, int32_t left, int32_t right, uint32_t rank, int32_t both);
/* Adds the merge (left, right), of the next rank.  -1: error set, without a place. */
int bpe_merge(struct bpe *, const char *l, size_t nl, const char *r, size_t nr);
int bpe_word(const struct bpe *, struct bpe_room *, const char *w, size_t n, struct ids *out);
void bpe_room_free(struct bpe_room *);
void bpe_free(struct bpe *);

#endif
