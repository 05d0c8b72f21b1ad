/* The weights files of a directory: tensors come one after the other, files leave complete. */
#ifndef SHARD_H
#define SHARD_H

#include "base/out.h"
#include "model/block.h"

struct shards;

/* limit: bytes that a file should not exceed, at dt per element (DT_NONE: the model's type).  carried: bytes of what
 * comes before the blocks. */
struct shards *shards_new(struct out_dir *, const char *out, const struct model *, enum dtype dt, int64_t limit,
                          const int64_t *carried, int ncarried);
void shards_block(struct shards *, int index);          /* tensors of this block follow: BLK_EMBED, 0.., BLK_HEAD */
void shards_carried(struct shards *, int k);            /* tensors of that of what is carried follow */
void shards_begin(struct shards *, const char *name, enum dtype, int nd, const int64_t *dim);
void shards_write(struct shards *, const void *, size_t n);     /* the tensor's bytes, in pieces */
void shards_finish(struct shards *);                    /* the last file and, if there are several, the index; frees */

#endif
