/* The members of a bundle: names, sizes and digests as end.json lists them, and the order of the blocks. */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "bundle/bundle.h"

#include <xxhash.h>

struct members {
	struct entry {
		char *name;
		uint64_t size;
		XXH64_hash_t xxh3;
	} *e;
	size_t n, cap;
	size_t *slot;                   /* [nslot] open hash of names, 1 + index, 0 = free */
	size_t nslot;
};

/* A name that may stand in a bundle: printable ASCII, relative, no "." or ".." or empty component.  -1: error set. */
int member_name(const char *name);
/* Adds one, size and digest yet unknown.  -1: a name that is there already, or no good; error set. */
int members_add(struct members *, const char *name);
cJSON *members_json(const struct members *, size_t from);       /* array for end.json; the caller owns it */
int members_take(struct members *, const cJSON *list);          /* adds those of such an array; -1: error set */
int members_check(const struct members *, const cJSON *list);   /* the same in everything; -1: error set */
uint64_t members_digest(const struct members *, size_t from);   /* of those from there on */
void members_free(struct members *);

/* What a name in a bundle of kind "model" means. */
enum name_kind { NAME_OTHER, NAME_NOTE, NAME_BLOCK };
enum name_kind member_block(const char *name, enum blk_kind *kind, int *index, int *piece);

/* The blocks that a bundle holds, in order: all of a model's, or those that "blocks" of the manifest lists. */
struct sequence {
	int *index;                     /* [n] BLK_EMBED, layers, BLK_HEAD */
	int *pieces;                    /* [n] in which they come */
	int n, at, piece;               /* whose turn it is */
};
int sequence_init(struct sequence *, const cJSON *manifest, const struct model *);      /* -1: error set (ST_BAD) */
int sequence_next(struct sequence *, int index, int piece);     /* is it their turn?  -1: error set (ST_BAD) */
int sequence_end(const struct sequence *);              /* have all passed? */
void sequence_free(struct sequence *);

#endif
