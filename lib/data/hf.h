/* The engine of tokenizer.json, and of the older files that are read as if they were one: each of those puts
 * its vocabulary and merges where tokenizer.json's would be, and borrows the rest from a JSON text of its
 * family's pipeline. */
#ifndef HF_H
#define HF_H

#include "data/detok.h"
#include "data/postproc.h"
#include "data/tokint.h"
#include "data/wordpiece.h"

/* The expression of tiktoken's cl100k, but for what digits make a piece. */
#define REGEX_CL100K(digits) "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
	"| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

struct hf {
	struct normalizer norm;
	struct pretok pre;
	struct decoder dec;
	const struct hf_model *model;
	struct bpe bpe;                 /* one of these three is filled */
	struct unigram unigram;
	struct wordpiece wordpiece;
};

/* A model turns one word into ids. */
struct hf_model {
	const char *type;
	int (*load)(struct hf *, struct tok *, const struct jnode *model);
	int (*word)(const struct hf *, const struct tok *, struct scratch *, const char *w, size_t n, struct ids *out);
};

struct hf *hf_new(struct tok *);        /* makes it t's engine; owned by t */
/* Normaliser, pre-tokenizer and decoder of a tokenizer.json object.  -1: error set. */
int hf_parts(struct hf *, const struct jnode *root);
/* A BPE model whose vocabulary and merges are there. */
void hf_set_bpe(struct hf *);
/* Its added tokens and post-processor, and what the configuration says.  Last of all.  -1: error set. */
int hf_done(struct hf *, struct tok *, const struct jnode *root, struct tokconf *);

#endif
