/* The bundle: a pax tar of blocks in execution order, read and written as a stream (llmc-bundle(5)). */
#ifndef BUNDLE_H
#define BUNDLE_H

#include "model/block.h"

enum { BUNDLE_VERSION = 1 };

enum member_kind {
	M_BLOCK,                        /* a .safetensors of embed, block/NNNN[.K] or head; its .json came before it */
	M_TENSORS,                      /* a .safetensors in a bundle that is no model's: tokens */
	M_OPAQUE                        /* anything else: tokenizer/x, extra/x, members of later versions */
};
struct member {
	enum member_kind kind;
	const char *name;               /* borrowed until the next bundle_next */
	uint64_t size;
	enum blk_kind blk;              /* M_BLOCK */
	int index, piece;
};

struct bundle_in;
struct bundle_out;

/* Opens, reads llmc.json.  "-" or NULL = stdin; regular files are mapped; compressed input is read too.
 * NULL: error set (ST_BAD: not a bundle; ST_UNSUP: of a later version, or requires what we lack). */
struct bundle_in *bundle_open(const char *path);
const char *bundle_name(const struct bundle_in *);              /* for messages: file name, or
                                                                 * "standard input (from llmc-gptq)" */
bool bundle_mapped(const struct bundle_in *);                   /* its blocks borrow a map of the file */
const char *bundle_kind(const struct bundle_in *);              /* "model", "tokens" */
const cJSON *bundle_manifest(const struct bundle_in *);         /* borrows */
const struct model *bundle_model(const struct bundle_in *);     /* borrows; NULL when kind is not "model" */
/* 1: *m is the next member; 0: end.json read and everything verified; -1: error set (ST_BAD).  A member
 * not fetched is skipped, and still counted in the digests. */
int bundle_next(struct bundle_in *, struct member *);
/* The member's block, which owns its bytes or borrows the map (valid until bundle_close; what was edited in place, until
 * the next bundle_next).  M_BLOCK only. */
int bundle_get_block(struct bundle_in *, struct block *);
/* The member's bytes, in the arena; refuses more than `max`. */
int bundle_get_bytes(struct bundle_in *, struct arena *, uint64_t max, void **buf, size_t *len);
/* The pending note (block/NNNN.json) of a block that will not be fetched is dropped silently.  After
 * bundle_next returned 0: */
const cJSON *bundle_end(const struct bundle_in *);              /* end.json; borrows */
cJSON *bundle_report(const struct bundle_in *);                 /* a copy of its reports; the caller's; may be NULL */
uint64_t bundle_digest(const struct bundle_in *);               /* XXH3 over member names and digests; after 0 */
void bundle_close(struct bundle_in *);

/* A new bundle; -o PATH atomic, stdout streamed; refuses a terminal.  manifest: the whole llmc.json object
 * ("llmc" set here), taken.  NULL: error set. */
struct bundle_out *bundle_create(const char *path, cJSON *manifest);
/* With --resume: as out_resume (base/out.h).  A step is a block with its note, or another member. */
struct bundle_out *bundle_resume(const char *path, cJSON *manifest, cJSON *key);
/* Takes over the next step of the run that was stopped.  1: *step is what it said (borrowed), *b, when not NULL, the
 * block as it was written, which borrows a map; 0: there is none, go on by writing; -1: error set. */
int bundle_redo(struct bundle_out *, const cJSON **step, struct block *b);
/* A step is written.  What `step` (taken) holds is what a resumed run will be told.  Without --resume does nothing. */
void bundle_step(struct bundle_out *, cJSON *step);
int bundle_put_block(struct bundle_out *, const struct block *);
int bundle_put(struct bundle_out *, const char *name, const void *buf, size_t len);
int bundle_put_tensors(struct bundle_out *, const char *name, const struct tensor *t, int n, const cJSON *meta);
int bundle_pass(struct bundle_out *, struct bundle_in *);       /* copies the current member as it is */
/* Keys of the upstream's end.json that this version does not know: kept. */
void bundle_carry(struct bundle_out *, const cJSON *upstream_end);
/* Trailer, fsync, rename.  ledger and report are taken and may be NULL.  -1: aborted, error set.  Frees. */
int bundle_finish(struct bundle_out *, cJSON *ledger, cJSON *report);
void bundle_abort(struct bundle_out *);                         /* no trailer; the temporary goes; frees */

#endif
