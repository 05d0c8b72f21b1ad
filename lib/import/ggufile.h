/* The parts of reading a GGUF file as a source; private to this room. */
#ifndef GGUFILE_H
#define GGUFILE_H

#include "import/gguf.h"
#include "import/source.h"

/* A growing text, and JSON strings in it. */
struct text {
	char *s;
	size_t n, cap;
};
void text_add(struct text *, const void *p, size_t n);
void text_fmt(struct text *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_quote(struct text *, struct gguf_str);        /* "..." with JSON's escapes */

/* The checkpoint's name of a tensor in the manner of LLaMA on the hub; the name itself when it is unknown. */
const char *gguf_hf_name(const char *name, char *buf, size_t n);
/* config.json out of the metadata.  freqs [n]: rope_freqs.weight, or NULL.  NULL: error set. */
cJSON *gguf_config(const struct gguf *, enum dtype, const float *freqs, int64_t n);
/* Tokenizer files, added to the source.  -1: error set. */
int gguf_tokenizer(const struct gguf *, struct source *);
/* A SentencePiece model out of pieces, scores and types. */
int gguf_spm(const struct gguf *, struct source *);

/* Ids of the special tokens, -1 where there is none, and their texts. */
enum { TOK_BOS, TOK_EOS, TOK_UNK, TOK_PAD, TOK_N };
int gguf_special(const struct gguf *, int64_t id[TOK_N]);

#endif
