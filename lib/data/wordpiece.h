/* WordPiece: a word is cut, from its front, into the longest tokens there are (Wu et al., arXiv 1609.08144, as
 * BERT has it).  WordLevel: a word is a token or unknown. */
#ifndef WORDPIECE_H
#define WORDPIECE_H

#include "data/jtree.h"
#include "data/tok.h"
#include "data/trie.h"
#include "data/vocab.h"

struct wordpiece {
	struct trie first, rest;        /* tokens; those that begin with the prefix, without it */
	int32_t unk;                    /* -1: none; then an unknown word is an error */
	size_t max_chars;
	bool level;                     /* WordLevel: whole words only */
};

/* model: the "model" object; the vocabulary is complete.  -1: error set. */
int wordpiece_load(struct wordpiece *, const struct jnode *model, const struct vocab *, bool level);
int wordpiece_word(const struct wordpiece *, const struct vocab *, const char *s, size_t n, struct ids *out);
void wordpiece_free(struct wordpiece *);

#endif
