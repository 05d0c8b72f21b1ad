/* A SentencePiece model (tokenizer.model). */
#ifndef SPM_H
#define SPM_H

#include "data/charsmap.h"
#include "data/cutset.h"
#include "data/merge.h"
#include "data/tokint.h"

enum spm_type { SPM_NORMAL = 1, SPM_UNKNOWN, SPM_CONTROL, SPM_USER, SPM_UNUSED, SPM_BYTE };
enum spm_model { SPM_UNIGRAM = 1, SPM_BPE, SPM_WORD, SPM_CHAR };

struct spm_piece {
	const char *s;                  /* borrowed from the file's bytes */
	uint32_t len;
	float score;
	enum spm_type type;
};

struct spm {
	struct spm_piece *piece;        /* index = id */
	size_t n, cap;
	enum spm_model model;
	bool suffix;                    /* white space belongs to the word before it */
	bool byte_fallback;
	int32_t unk, bos, eos;          /* -1: none */
	const char *unk_text;           /* how an unknown piece reads */
	size_t unk_len;
	bool dummy_prefix, squeeze, escape;
	struct charsmap map;
	bool plain[128];                /* ASCII characters that begin nothing but themselves; not the space */
	struct trie user;               /* USER_DEFINED pieces */
	int32_t byte_id[256];           /* BYTE pieces */
	struct cutset cut;              /* pairs of characters in pieces */
	struct unigram unigram;         /* when that is the model */
	bool unused;                    /* there are UNUSED pieces */
};

/* Reads the protobuf message; pieces borrow from buf.  -1: error set. */
int spm_parse(struct spm *, const void *buf, size_t len);
void spm_free(struct spm *);

/* One thread's room for encoding. */
struct spm_room {
	struct spm_sym *sym;
	size_t nsym;
	struct heap heap;
	uint32_t *left;                 /* per UNUSED piece: bytes of the left part it was merged from */
};
void spm_room_free(struct spm_room *);
/* The ids of normalised text; unknown characters become bytes or unk.  -1: error set. */
int spm_bpe(const struct spm *, const struct vocab *, struct spm_room *, const char *s, size_t n, struct ids *out);
int spm_unigram_init(struct spm *);                     /* after spm_parse; -1: error set */
int spm_unigram(const struct spm *, struct unigram_room *, const char *s, size_t n, struct ids *out);
void spm_put_unknown(const struct spm *, const char *s, size_t n, bool *prev, struct ids *out);

#endif
