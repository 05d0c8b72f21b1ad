#include "model/fold.h"

#include <stddef.h>

/* A norm without its gain commutes with rotations; its gain goes into the weights that read it, and a layer norm's mean
 * into those that write.  So nothing may lie between a norm and the stream on either side: a norm behind attention or
 * MLP has its gain in the stream. */
const char *fold_rotation(const struct model *m)
{
	switch (m->place) {
	case PLACE_PRE: case PLACE_PARALLEL: case PLACE_PARALLEL_2: break;
	case PLACE_KEEP: return "the residual is what the norm gives";
	case PLACE_POST: case PLACE_SANDWICH: case PLACE_BEHIND: return "norms behind attention and MLP";
	}
	/* without positions, what that norm gives is a matter of the token alone, and becomes the embedding */
	return m->embed_norm && m->pos_rows ? "a norm behind embedding and positions" : NULL;
}

const char *fold_shift(const struct model *m)
{
	if (m->norm != NORM_LAYER || m->plain_norm)
		return "norms without a bias";
	if (!(m->flags & MF_BIAS_QKV && m->flags & MF_BIAS_MLP))
		return "linears without a bias";
	switch (m->place) {
	case PLACE_PRE: case PLACE_PARALLEL: case PLACE_PARALLEL_2: break;
	case PLACE_KEEP: case PLACE_POST: case PLACE_SANDWICH: case PLACE_BEHIND:
		return "what the norm gives is the residual, too";
	}
	return m->n_expert ? "routers and experts without a bias" : NULL;
}
