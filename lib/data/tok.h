/* A tokenizer: text to ids and back, exactly as the model's own. */
#ifndef TOK_H
#define TOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The files a tokenizer may come in; bytes borrowed during tok_load only.  Absent: NULL. */
struct tok_files {
	const void *json;     size_t json_len;          /* tokenizer.json: wins when present */
	const void *spm;      size_t spm_len;           /* tokenizer.model (SentencePiece, or ranks) */
	const void *config;   size_t config_len;        /* tokenizer_config.json */
	const void *special;  size_t special_len;       /* special_tokens_map.json */
	/* Without the first two, the older forms: */
	const void *ranks;    size_t ranks_len;         /* *.tiktoken */
	const void *vocab;    size_t vocab_len;         /* vocab.json, and */
	const void *merges;   size_t merges_len;        /* merges.txt */
	const void *words;    size_t words_len;         /* vocab.txt */
	const void *added;    size_t added_len;         /* added_tokens.json */
	const void *chat;     size_t chat_len;          /* chat_template.jinja */
};
/* Takes the file `name` (a base name) into its place.  False: none of a tokenizer's. */
bool tok_files_set(struct tok_files *, const char *name, const void *buf, size_t len);

struct tok;
struct tok *tok_load(const struct tok_files *);         /* NULL: error set (ST_BAD, ST_UNSUP) */
/* From a bundle (its tokenizer/ members; "-" = standard input), a model directory or a tokenizer file. */
struct tok *tok_open(const char *path);
void tok_free(struct tok *);
int64_t tok_size(const struct tok *);                   /* 1 + the largest id */
uint64_t tok_digest(const struct tok *);                /* XXH3 over the files it was loaded from */

struct ids {
	int32_t *v;
	size_t n, cap;
};
void ids_put(struct ids *, const int32_t *v, size_t n);

enum tok_special {
	TOK_AUTO,               /* what the tokenizer itself adds: its post-processor, its configuration's BOS rules */
	TOK_YES,                /* the same, and BOS in front where it would add nothing there; -1 if it has none */
	TOK_NO
};
/* Appends the ids of text (any bytes) to *out.  -1: error set.  Safe from several threads at once. */
int tok_encode(const struct tok *, const char *text, size_t len, enum tok_special, struct ids *out);
/* malloc'd bytes, NUL-terminated, of *len; special tokens are left out when skip_special; ids that mean
 * nothing are passed over.  NULL: error set. */
char *tok_decode(const struct tok *, const int32_t *ids, size_t n, bool skip_special, size_t *len);
/* What chat templates need of a tokenizer's files. */
enum { TOK_PURPOSES = 7 };
extern const char *const tok_purpose[TOK_PURPOSES];     /* "bos_token", "eos_token", ... */
struct tok_chat {
	struct {
		char *text;             /* NULL: none */
		size_t len;
	} plain, tools;                 /* the template; the one for conversations with tools, when it is another */
	char *token[TOK_PURPOSES];      /* how it is spelled; NULL: none */
};
const struct tok_chat *tok_chat(const struct tok *);
int32_t tok_bos(const struct tok *);                    /* -1: none known */
int32_t tok_eos(const struct tok *);

#endif
