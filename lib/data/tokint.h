/* What the kinds of tokenizer share inside lib/data.  A kind is an engine: it fills a struct tok from its
 * file and turns text into ids; tok.c does the rest. */
#ifndef TOKINT_H
#define TOKINT_H

#include "data/added.h"
#include "data/bpe.h"
#include "data/pretok.h"
#include "data/tok.h"
#include "data/unigram.h"
#include "data/chars.h"
#include "data/wordcache.h"

/* What one running tok_encode or tok_decode needs; kept by the tokenizer between calls. */
struct scratch {
	struct scratch *next;
	struct onig_room *onig;
	struct pre_room pre;
	struct bpe_room bpe;
	struct unigram_room unigram;
	struct wordcache cache;
	struct bytes clean;             /* the text made well-formed */
	struct bytes norm[2];
	void *engine;                   /* the engine's own, freed by its room_free */
};

struct engine {
	/* Appends the ids of text, without what goes around it. */
	int (*encode)(const struct tok *, struct scratch *, const char *text, size_t len, struct ids *out);
	int (*decode)(const struct tok *, struct scratch *, const int32_t *ids, size_t n, bool skip_special,
	              struct bytes *out);
	void (*free)(struct tok *);
	void (*room_free)(void *);      /* may be NULL */
};

/* tokenizer_config.json and special_tokens_map.json, as far as they matter. */
struct tokconf {
	struct jtree tree, map;
	const char *class;              /* "LlamaTokenizerFast"; "" when not said */
	int add_bos, add_eos;           /* -1: not said */
	const struct jnode *bos, *eos;  /* spellings; NULL: none */
	const struct jnode *added;      /* "added_tokens_decoder" or NULL */
};
int tokconf_load(struct tokconf *, const struct tok_files *);   /* -1: error set */
void tokconf_free(struct tokconf *);
/* Every token of "added_tokens_decoder" into t->added. */
int tokconf_add(struct tokconf *, struct tok *);
/* The chat template and what it needs, into t->chat.  -1: error set. */
int tokconf_chat(const struct tokconf *, const struct tok_files *, struct tok *);
/* Sets t->bos and t->eos from the spellings, and t->front and t->back where the class decides them:
 * Llama, CodeLlama and Gemma (`always`: any class) from add_bos_token and add_eos_token. */
int tokconf_edges(const struct tokconf *, struct tok *, bool always);

struct tok {
	const struct engine *eng;
	void *own;                      /* the engine's */
	struct vocab vocab;             /* the model's own tokens */
	struct added added;
	struct ids front, back;         /* what goes around a text by itself */
	int32_t bos, eos;               /* -1: none */
	char *text[3];                  /* blocks that strings point into; owned */
	uint64_t digest;
	struct tok_chat chat;
	struct rooms *rooms;            /* scratches not in use */
};

/* The loaders; each sets t->eng first of all.  -1: error set. */
int tok_load_json(struct tok *, const void *buf, size_t len, struct tokconf *, const char *what);
int tok_load_spm(struct tok *, const void *buf, size_t len, struct tokconf *);
int tok_load_ranks(struct tok *, const void *buf, size_t len, struct tokconf *);
int tok_load_vocab(struct tok *, const struct tok_files *, struct tokconf *);           /* vocab.json, merges.txt */
int tok_load_words(struct tok *, const struct tok_files *, struct tokconf *);           /* vocab.txt */
bool is_ranks(const void *buf, size_t len);             /* tokenizer.model may be such a file */

/* Gives the text block of a JSON tree to the tokenizer, which keeps it. */
void tok_keep(struct tok *, struct jtree *);
/* The spelling's id, added tokens first; -1: none. */
int32_t tok_find(const struct tok *, const char *s, size_t n);

#endif
