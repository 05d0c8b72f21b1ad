/* Added tokens: spellings that are cut out of the text before anything else looks at it. */
#ifndef ADDED_H
#define ADDED_H

#include "base/mem.h"
#include "data/jtree.h"
#include "data/normalize.h"
#include "data/trie.h"
#include "data/vocab.h"

struct added_tok {
	const char *s;                  /* borrowed */
	size_t len;
	const char *text;               /* what it decodes to: when `normalized`, s after the normaliser */
	size_t ntext;
	int32_t id;
	bool single_word, lstrip, rstrip, normalized, special;
};

struct added {
	struct added_tok *v;
	size_t n, cap;
	struct vocab names;             /* contents to indices into v */
	int32_t max_id;                 /* -1 when empty */
	int32_t *by_id;                 /* index into v, for ids [0, nid); -1: none */
	size_t nid;
	struct trie raw, norm;          /* matched on the text, on normalised text */
	struct onig *word;              /* \w, when a token asks for it */
	struct arena mem;
};

void added_init(struct added *);
/* The flags of an object as in "added_tokens"; content and id are not looked at.  -1: error set. */
int added_flags(struct added_tok *, const struct jnode *obj);
/* Adds it, or replaces the one of the same content.  Its id is the content's in the vocabulary; else the
 * next free one after `nvocab`.  Returns the id; -1: error set. */
int32_t added_put(struct added *, const struct added_tok *, const struct vocab *, size_t nvocab);
/* After the last added_put. */
int added_done(struct added *, const struct normalizer *, struct onig_room *);
const struct added_tok *added_find(const struct added *, int32_t id);           /* NULL: no added token's id */

/* part(arg, s, n, id) for every piece of s in order: a token with its id, or text between tokens with -1. */
int added_split(const struct added *, const struct trie *, struct onig_room *, const char *s, size_t n,
                int (*part)(void *arg, const char *s, size_t n, int32_t id), void *arg);
void added_free(struct added *);

#endif
