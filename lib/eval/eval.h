/* llmc-eval: what a model makes of a token set.  One function a subcommand; each is a main(). */
#ifndef EVAL_H
#define EVAL_H

#include "bundle/bundle.h"
#include "data/tokens.h"
#include "run/calib.h"

int eval_ppl(int argc, char **argv);
int eval_kl(int argc, char **argv);
int eval_gen(int argc, char **argv);
int eval_logits(int argc, char **argv);

/* A model run over a token set layer by layer: one block and the hidden states in memory; of a tied model
 * also the embedding. */
struct pass {
	struct bundle_in *in;
	const struct model *m;
	struct calib *c;
	struct block embed, head;
	bool have_embed, have_head;
	int blocks;                     /* layers done */
	bool within;                    /* the next one is done in part */
	uint64_t sum;                   /* digest of all blocks read so far */
};
int pass_open(struct pass *, const char *path, const char *device, int dtype, const struct tokens *);
int pass_step(struct pass *);           /* one block, wholly, further: 1; 0: head bound, trailer verified; -1: error set */
int pass_skip(struct pass *, int blocks);       /* reads on, and runs nothing, until so many layers are behind */
void pass_close(struct pass *);
/* What -n says of a run over n models with `results` bytes of results a token. */
void eval_plan(struct pass *const *, int n, const struct tokens *, double results);
/* Rows whose logits are held at once: some 64 MB of them. */
int64_t pass_chunk(const struct pass *);
/* logits [n, V] of rows [r0, r0 + n) of the N*T; 0 or -1. */
int pass_logits(struct pass *, int64_t r0, int64_t n, float *logits);

/* label[i] = the token that follows row r0 + i of the N*T; after the last of a sequence there is none: 0, and
 * scored() is false. */
void pass_labels(const struct tokens *, int64_t r0, int64_t n, int32_t *label);
static inline bool scored(const struct tokens *t, int64_t row)
{
	return row % t->T != t->T - 1;
}

/* "rows of 2048 tokens, ...": how the numbers were made, for printing beside them.  malloc'd. */
char *eval_protocol(const struct tokens *, const struct pass *);

/* Options that every subcommand has. */
struct eval_opts {
	const char *tokens;
	int64_t samples, seqlen;
};
#define EVAL_OPTS(type, field) \
	{ "tokens", 0, O_FILE, offsetof(type, field.tokens), "FILE", NULL, NULL, 0, 0, 0, \
	  "token set: a bundle of llmc-tokenize, or safetensors with input_ids" }, \
	{ "samples", 0, O_INT, offsetof(type, field.samples), "N", "0", NULL, 0, 1e12, 0, \
	  "use the first N rows (0: all)" }, \
	{ "seqlen", 0, O_INT, offsetof(type, field.seqlen), "N", "0", NULL, 0, 1e9, 0, \
	  "cut each row to its first N tokens (0: whole)" }
int eval_tokens(struct tokens *, const struct eval_opts *);     /* loads and limits; -1: error set */
/* At most one of the inputs (NULL or "-") may be standard input: else -1, error set (ST_USAGE). */
int eval_inputs(const char *bundle, const char *tokens, const char *ref);

/* Mean of n values, and the standard error of that mean. */
void mean_error(const double *v, int64_t n, double *mean, double *error);

#endif
