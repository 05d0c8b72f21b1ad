/* The post-processor of tokenizer.json, as far as it concerns one text: ids in front and ids behind. */
#ifndef POSTPROC_H
#define POSTPROC_H

#include "data/jtree.h"
#include "data/tok.h"

struct post {
	struct ids front, back;
};
int post_parse(struct post *, const struct jnode *json);        /* json may be NULL; -1: error set */
void post_free(struct post *);

#endif
