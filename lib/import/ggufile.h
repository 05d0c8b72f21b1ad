/* The parts of reading GGUF files as a source; private to this room. */
#ifndef GGUFILE_H
#define GGUFILE_H

#include "import/gguf.h"
#include "import/source.h"
#include "model/family.h"

/* A growing text, and JSON strings in it. */
struct text {
	char *s;
	size_t n, cap;
};
void text_add(struct text *, const void *p, size_t n);
void text_fmt(struct text *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_quote(struct text *, struct gguf_str);        /* "..." with JSON's escapes */

/* An architecture of GGUF: how its metadata become the config.json that the model had. */
enum gguf_kind { GK_INT, GK_REAL, GK_BOOL };
struct gguf_key {
	const char *from;               /* behind the architecture and a dot */
	const char *to;                 /* in config.json; NULL: more() reads it */
	enum gguf_kind kind;
	const char *absent;             /* the value then, as JSON; NULL: nothing */
};
struct gguf_pair {
	const char *a, *b;
};
enum gguf_flag {
	GA_PERMUTED = 1,                /* rows of q and k lie as neighbours that are rotated together */
	GA_NORM1 = 2,                   /* weights of norms were written with 1 added */
	GA_LAYER = 4,                   /* layer norms */
	GA_NO_ROPE = 8,
	GA_PARTIAL = 16,                /* the configuration has to say which share of a head is rotated */
	GA_LATENT = 32                  /* widths of a head's parts are said in other words */
};
enum { GA_WORDS = 12, GA_KEYS = 20, GA_TELLS = 5 };
struct gguf_arch {
	const char *name;               /* "general.architecture" */
	const char *has;                /* how a tensor's name ends that tells this row from the next of that name, or NULL */
	const char *class;              /* "architectures" */
	const char *type;               /* "model_type" */
	const char *tokenizer;          /* class of a SentencePiece tokenizer; NULL: LLaMA's */
	const struct family *names;     /* GGUF's names for the roles */
	unsigned flags;
	struct gguf_pair word[GA_WORDS];        /* own words for what the others call `a`; b "": it has none */
	struct gguf_key key[GA_KEYS];   /* beyond those that all have */
	struct gguf_pair set[GA_WORDS]; /* as JSON, what the architecture implies, unless it is there */
	struct gguf_pair tell[GA_TELLS];        /* true when there is the tensor b, or, "!b", when there is none */
	int (*more)(const struct gguf *, const struct gguf_arch *, cJSON *config);      /* what no table can say; or NULL */
};
const struct gguf_arch *gguf_arch(const struct gguf *);         /* NULL: error set */
const char *gguf_of(const struct family *);     /* the architecture that models of the family have in GGUF; NULL: none */

/* Keys of the architecture, as the look-ups of gguf.h. */
int arch_int(const struct gguf *, const struct gguf_arch *, const char *key, int64_t min, int64_t max, int64_t *out);
int arch_real(const struct gguf *, const struct gguf_arch *, const char *key, double *out);
int gguf_at(const struct gguf *, const char *tensor);   /* its index; -1: there is none */
bool gguf_has(const struct gguf *, const char *tensor);
/* The shortest decimal w such that the float of w / by is that of v: 1e-05, not 9.999999747378752e-06. */
double gguf_decimal(double v, double by);

/* Factors of rotary positions that lie in tensors: [n], v NULL where there are none. */
enum { VEC_FREQS, VEC_SHORT, VEC_LONG, VEC_N };
extern const char *const gguf_vec_names[VEC_N];
struct gguf_vec {
	float *v;
	int64_t n;
};
cJSON *gguf_number(double);     /* a JSON number that readers who tell them from integers take for a real: 1.0 */
/* The text of config.json out of the metadata; malloc'd.  NULL: error set. */
char *gguf_config(const struct gguf *, const struct gguf_arch *, enum dtype, const struct gguf_vec vec[VEC_N]);
/* Tokenizer files, added to the source.  -1: error set. */
int gguf_tokenizer(const struct gguf *, const struct gguf_arch *, struct source *);
/* A SentencePiece model out of pieces, scores and types. */
int gguf_spm(const struct gguf *, struct source *);

/* What happens before byte-level BPE, as tokenizer.json says it: by "tokenizer.ggml.pre".  NULL: not known. */
#define BYTE_LEVEL(regex) "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, " \
	"\"use_regex\": " regex "}"
struct gguf_pre {
	const char *name[4];
	const char *normalizer, *split;
	bool whole;                     /* a word that is a token is taken as it is */
	bool bos;                       /* when the file does not say */
};
const struct gguf_pre *gguf_pre(struct gguf_str);
const char *gguf_pre_name(size_t i);                    /* the first name of each, then NULL */

/* Ids of the special tokens, -1 where there is none, and their texts. */
enum { TOK_BOS, TOK_EOS, TOK_UNK, TOK_PAD, TOK_N };
int gguf_special(const struct gguf *, int64_t id[TOK_N]);

#endif
