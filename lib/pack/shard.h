/* The weights files of a directory: tensors come one after the other, files leave complete. */
#ifndef SHARD_H
#define SHARD_H

#include "base/out.h"
#include "model/block.h"

struct shards;

struct shard_plan {
	enum dtype dt;                  /* of elements; DT_NONE: the model's */
	int64_t limit;                  /* bytes that a file should not exceed */
	bool whole;                     /* all pieces of a layer go into one file */
	const int64_t *carried;         /* [ncarried] bytes of what comes before the blocks */
	int ncarried;
};
struct shards *shards_new(struct out_dir *, const char *out, const struct model *, const struct shard_plan *);
void shards_block(struct shards *, int index, int piece);       /* tensors of this block follow: BLK_EMBED, 0.., BLK_HEAD */
void shards_carried(struct shards *, int k);            /* tensors of that of what is carried follow */
/* The tensor, whose bytes follow in shards_write; or goes on with it, when it is in this file and not all there yet. */
void shards_begin(struct shards *, const char *name, enum dtype, int nd, const int64_t *dim);
void shards_write(struct shards *, const void *, size_t n);     /* the tensor's next bytes */
void shards_finish(struct shards *);                    /* the last file and, if there are several, the index; frees */

#endif
