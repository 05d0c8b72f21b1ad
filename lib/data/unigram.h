/* The Unigram model: the likeliest way to cut a text into pieces (Kudo, arXiv 1804.10959).  Two dialects of
 * the same search: tokenizer.json's, in double precision, and SentencePiece's, which keeps sums in single
 * and compares them before they are rounded (0.1.97; 0.2.3 rounds first, and breaks some ties otherwise). */
#ifndef UNIGRAM_H
#define UNIGRAM_H

#include "data/jtree.h"
#include "data/tok.h"
#include "data/trie.h"
#include "data/vocab.h"

struct unigram {
	struct trie trie;               /* pieces that text can become */
	double *score;                  /* per id */
	double unk_score;
	size_t longest;                 /* bytes of a piece */
	int32_t unk;                    /* -1: none; then an unknown character is an error */
	bool byte_fallback;
	bool single;                    /* sums are kept in single precision */
	int32_t fallback[256];          /* of "<0xHH>"; -1: not there */
};

/* The best way to reach a place in the text. */
struct step {
	double score;
	int32_t id;                     /* of the last piece */
	uint32_t len;                   /* of it, in bytes; 0: not reached */
};
struct unigram_room {
	struct step *best;
	size_t cap;
};

/* model: the "model" object; fills the vocabulary, too.  -1: error set. */
int unigram_load(struct unigram *, const struct jnode *model, struct vocab *);
/* The search.  part(arg, s, n) for every part of the text in order, the whole or one that no piece reaches out of:
 * in room->best[1..n], going back from n by len gives its pieces; it does not end in an unknown character, but the
 * last.  -1: error set, or part returned it. */
int unigram_search(const struct unigram *, struct unigram_room *, const char *s, size_t n,
                   int (*part)(void *arg, const char *s, size_t n), void *arg);
/* tokenizer.json's: search, unknowns fused, ids. */
int unigram_word(const struct unigram *, const struct vocab *, struct unigram_room *, const char *s, size_t n,
                 struct ids *out);
void unigram_free(struct unigram *);

#endif
