/* The quantizer spec: one small language, "int4:g128:asym:mse" (llmc-options(7)). */
#ifndef SPEC_H
#define SPEC_H

#include <stdbool.h>
#include <stddef.h>

enum q_fmt { Q_NONE, Q_INT };           /* float and microscaling formats join here */
enum q_gran { G_TENSOR, G_CHANNEL, G_GROUP };
enum q_range {
	QR_MINMAX,                      /* the extremes */
	QR_MSE                          /* least squared error over shrunk ranges, weighed by the Hessian's diagonal
	                                 * where a method has one (llmc-gptq) */
};

struct qspec {
	enum q_fmt fmt;
	int bits;                       /* 2..8 */
	enum q_gran gran;
	int group;                      /* elements along `in` when G_GROUP */
	bool sym;                       /* false: a zero point is stored */
	enum q_range range;
};

/* What is left out: channel, sym, minmax.  -1: error set, naming the part: ST_UNSUP for a word of the
 * language that this version does not have, ST_USAGE for any other. */
int spec_parse(struct qspec *, const char *text);
const char *spec_print(const struct qspec *, char *buf, size_t n);   /* canonical text; "none" for Q_NONE */

/* --rule 'PATTERN=SPEC' and --skip PATTERN over "BLOCK.ROLE" ("17.mlp.down"); the skips first, then the rules
 * as they were given, first match wins, then the default.  Patterns are fnmatch(3) globs; a leading "BLOCK."
 * may be left out ("mlp.down" = "*.mlp.down"). */
struct rule {
	char *pattern;                  /* owned */
	bool skip;                      /* it came from --skip */
	struct qspec spec;
	int hits;                       /* names it matched, applied or not */
};
struct rules {
	struct qspec def;
	struct rule *r;
	int n;
};
/* def NULL: "none".  -1: error set as by spec_parse, naming the option. */
int rules_parse(struct rules *, const char *def, const char *const *rule, int nrule,
                const char *const *skip, int nskip);
/* block < 0 (embed): the name is the role alone.  Borrows; counts hits. */
const struct qspec *rules_find(struct rules *, int block, const char *role);
/* A pattern that matched nothing: -1, error set (ST_USAGE), naming it and the nearest of the roles seen. */
int rules_check(const struct rules *, const char *const *role, int nrole);
void rules_free(struct rules *);

#endif
