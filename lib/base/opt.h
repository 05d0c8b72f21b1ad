/* Options.  A table of rows yields the parser, the help text, the list in provenance and what the manual
 * test compares.  Rows that several tools share are groups. */
#ifndef OPT_H
#define OPT_H

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_type {
	O_END, O_FLAG,                  /* bool */
	O_INT,                          /* int64_t, within [min, max] */
	O_REAL,                         /* double, within [min, max] */
	O_SIZE,                         /* int64_t, bytes, suffix K M G T */
	O_STR,                          /* const char * */
	O_FILE,                         /* const char *; a path: not in provenance (its digest is, elsewhere) */
	O_LIST,                         /* struct strlist; may be given several times */
	O_ENUM,                         /* int; index into `words` ("auto|f32|bf16") */
	O_MORE, O_LESS, O_HELP, O_VERSION       /* the shared -v, -q, -h, --version */
};
enum opt_flag { OPT_QUIET = 1 };        /* cannot change results: not in provenance */

struct opt {
	const char *name;               /* "samples": --samples; letter: -n, 0 = none */
	char letter;
	enum opt_type type;
	size_t off;                     /* offsetof in the struct that opt_parse fills */
	const char *arg;                /* "N" in the help text; NULL for flags */
	const char *def;                /* default as text; NULL = zero */
	const char *words;              /* O_ENUM */
	double min, max;                /* O_INT, O_REAL, O_SIZE; both 0: any value, and any O_SIZE from 0 up */
	unsigned flags;
	const char *help;
};

struct strlist {
	const char **v;
	int n;
};

/* Shared groups, filled into the one `common`. */
enum opt_group {
	OPT_OUT = 1, OPT_TALK = 2, OPT_DEVICE = 4, OPT_CALIB = 8, OPT_QSPEC = 16, OPT_SEED = 32,
	OPT_DRY = 64,                   /* -n; the tool must honour it */
	OPT_JSON = 128,                 /* -j */
	OPT_PG = 256, OPT_IO = OPT_OUT | OPT_PG,
	OPT_RESUME = 512,               /* --resume; the tool must honour it */
	OPT_RAM = 1024                  /* of tools that hold hidden states */
};
struct common {
	/* OUT */    const char *output;
	/* PG */     bool no_pg;
	/* RESUME */ bool resume;
	/* TALK */   bool quiet; int progress /* enum opt_progress */;  /* -v goes to `verbose` */
	/* JSON */   bool json;
	/* DRY */    bool dry;
	/* DEVICE */ const char *device; int64_t threads; int dtype /* 0 auto 1 f32 2 bf16 */;
	/* SEED */   int64_t seed;
	/* CALIB */  const char *calib; int64_t samples, seqlen;        /* 0 = all */
	               bool all_experts;
	/* RAM */    int64_t ram;
	/* QSPEC */  const char *weight; struct strlist rule, skip;
};
enum opt_progress { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };
extern struct common common;

enum { OPT_BUNDLE = 1 };                /* what --version names; a unit test holds it to BUNDLE_VERSION */

struct opt_verb {                       /* a tool of several: what llmc-eval ppl is */
	const char *name;
	int (*run)(int argc, char **argv);      /* a main(); argv[0] is the verb */
	const char *about;
};
struct opt_tool {
	const char *name;               /* "llmc-gptq" */
	const char *usage;              /* what follows the name: "[options] [FILE]" */
	const char *about;              /* one line */
	unsigned groups;
	const struct opt *own;          /* ends with O_END; may be NULL */
};

/* Parses argv: groups into `common`, own rows into `base`.  Sets prog, verbose.  -h and --version print
 * and exit 0; misuse is one line and exit 2.  Returns the index of the first operand (operands may
 * stand between options; argv is put in order; "--" ends options).  The tool and its rows must live on: provenance reads
 * them.  Strings point into argv. */
int opt_parse(const struct opt_tool *, void *base, int argc, char **argv);
/* main() of a tool of verbs: becomes the one that argv[1] names, or says what there is.  --completion, the only word,
 * makes it and opt_parse print their tables for llmc-completion: rows of KIND and tab-separated fields,
 *	about TEXT | verb NAME TEXT | {flag|file|dir|list|text} --NAME [-LETTER] TEXT | word --NAME [-LETTER] TEXT WORDS */
int opt_verb(const struct opt_tool *, const struct opt_verb *, int argc, char **argv);    /* ends with a NULL name */
/* The options given that can change results, as a JSON array of strings, for provenance: "--samples=128",
 * long names, numbers as read, in the order of the table whatever order they were typed in. */
cJSON *opt_provenance(void);

#endif
