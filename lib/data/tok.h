/* A tokenizer: text to ids and back, exactly as the model's own. */
#ifndef TOK_H
#define TOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The files a tokenizer may come in; bytes borrowed during tok_load only.  Absent: NULL. */
struct tok_files {
	const void *json;     size_t json_len;          /* tokenizer.json: wins when present */
	const void *spm;      size_t spm_len;           /* tokenizer.model (SentencePiece) */
	const void *config;   size_t config_len;        /* tokenizer_config.json */
	const void *special;  size_t special_len;       /* special_tokens_map.json */
};

struct tok;
struct tok *tok_load(const struct tok_files *);         /* NULL: error set (ST_BAD, ST_UNSUP) */
void tok_free(struct tok *);
int64_t tok_size(const struct tok *);                   /* 1 + the largest id */

struct ids {
	int32_t *v;
	size_t n, cap;
};
enum tok_special { TOK_AUTO, TOK_YES, TOK_NO };         /* auto: what the tokenizer itself does (BOS rules) */
/* Appends the ids of text (any bytes) to *out.  -1: error set. */
int tok_encode(const struct tok *, const char *text, size_t len, enum tok_special, struct ids *out);
/* malloc'd bytes, NUL-terminated, of *len; special tokens are left out when skip_special. */
char *tok_decode(const struct tok *, const int32_t *ids, size_t n, bool skip_special, size_t *len);
int32_t tok_eos(const struct tok *);                    /* -1: none known */

#endif
