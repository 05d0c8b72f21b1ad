/* What the parts of the template interpreter share: tokens, the syntax tree, values, the running template.
 * Values are as in Python, for the templates are written for it. */
#ifndef JINJAINT_H
#define JINJAINT_H

#include "base/mem.h"
#include "data/jinja.h"

#include <string.h>

enum {
	JINJA_DEPTH = 200,              /* nesting of a template's expressions and blocks */
	JINJA_CALLS = 1000              /* of what runs */
};
#define JINJA_WORK ((uint64_t)1 << 28)          /* bytes looked at, a node counting as 32, in one run; and */
#define JINJA_MORE ((uint64_t)1 << 16)          /* for each value that it is given */
#define JINJA_MEMORY ((size_t)256 << 20)        /* of one run */

/* --- tokens --- */

enum jtok_kind {
	T_EOF, T_TEXT, T_BLOCK, T_BLOCK_END, T_VAR, T_VAR_END, T_NAME, T_STR, T_INT, T_FLOAT,
	T_OP                            /* op: the character, or two of them */
};
#define OP2(a, b) ((a) << 8 | (b))

struct jtok {
	enum jtok_kind kind;
	int op;
	uint32_t line;
	const char *s;                  /* T_TEXT, T_NAME, T_STR: the text */
	size_t n;
	union {
		int64_t i;
		double f;
	};
};
/* Tokens of the text, T_EOF last, in mem.  -1: error set, with its line. */
int jinja_lex(struct arena *mem, const char *s, size_t n, struct jtok **out);

/* --- values --- */

enum jval_type {
	V_ABSENT,                       /* an argument not given */
	V_UNDEF,                        /* s: what is not defined, for messages */
	V_NONE, V_BOOL, V_INT, V_FLOAT, V_STR, V_LIST, V_DICT, V_SPACE /* namespace() */, V_LOOP, V_FUNC
};
enum jlist_kind {
	L_LIST, L_TUPLE, L_RANGE,
	L_VIEW,                         /* items(), keys(), values(): no subscripts */
	L_ITER                          /* what filters give: no length either, true, used up by one reading */
};

struct jval {
	enum jval_type type;
	bool safe;                      /* V_STR: Markup */
	union {
		int64_t i;              /* V_BOOL too */
		double f;
		const char *s;
		struct jlist *list;
		struct jdict *dict;     /* V_SPACE too */
		struct jloop *loop;
		const struct jfunc *func;
	};
	size_t n;                       /* bytes of s */
};
struct jlist {
	struct jval *v;
	size_t n, taken;
	enum jlist_kind kind;
};
struct jpair {
	struct jval k, v;
};
struct jdict {
	struct jpair *v;
	size_t n, cap;
};

/* --- the tree --- */

enum jn_kind {
	E_CONST, E_NAME, E_LIST, E_TUPLE, E_DICT, E_ATTR, E_ITEM, E_SLICE, E_CALL, E_FILTER, E_TEST, E_NOT, E_NEG,
	E_POS, E_BIN, E_AND, E_OR, E_CMP, E_IF, E_CONCAT, E_KEYWORD,
	S_TEXT, S_PRINT, S_IF, S_FOR, S_SET, S_SETBLOCK, S_MACRO, S_CALL, S_FILTER, S_WITH, S_GENERATION, S_BREAK,
	S_CONTINUE, S_ARM, S_TARGET
};
struct jn {
	enum jn_kind kind;
	int op;                         /* E_BIN, E_CMP's operands: the operator */
	uint16_t depth;                 /* of the tree below */
	bool flag;                      /* E_TEST: is not; S_MACRO: uses varargs; E_NAME of a target with attribute */
	bool flag2;                     /* S_MACRO: uses kwargs */
	bool flag3;                     /* S_MACRO: uses caller */
	uint32_t line;
	struct jval val;                /* a constant; the name (interned: equal names are one pointer) */
	struct jn *a, *b, *c;           /* expressions */
	struct jn *list, *body, *other; /* chains by next: elements, arguments; statements; else */
	struct jn *next;
};
struct jinja {
	struct arena mem;
	struct jn *body;
	struct jdict names;             /* interned */
};

struct parser {
	struct jinja *j;
	const struct jtok *t;           /* the current one */
	struct jn *macro;               /* the innermost whose body is read */
	int depth;
	int loops;                      /* around, within the same macro or call */
};
struct jn *jn_new(struct parser *, enum jn_kind);
const char *jinja_name(struct jinja *, const char *s, size_t n, bool add);      /* interned; NULL: unknown */
bool jp_op(const struct parser *, int op);              /* the current token is that operator */
bool jp_take(struct parser *, int op);
bool jp_word(const struct parser *, const char *name);
bool jp_take_word(struct parser *, const char *name);
int jp_expect(struct parser *, int op);
int jp_bad(struct parser *, const char *what);          /* "WHAT at line N" or unexpected token; -1 */
enum { NO_IF = 1, END_RECURSIVE = 2, PARENS = 4 };
struct jn *jp_expr(struct parser *, int flags);         /* NULL: error set */
struct jn *jp_tuple(struct parser *, int flags);
struct jn *jp_target(struct parser *, bool attr);       /* what set, for and with assign to */
int jp_filters(struct parser *, struct jn **x);         /* | filter... with no operand; NULL: none */
int jp_filter(struct parser *, struct jn **x);          /* one, its name next */
int jp_params(struct parser *, struct jn *macro);
struct jn *jp_body(struct parser *);
struct jn *jp_statement(struct parser *);                /* the name of its tag next */

/* --- a run --- */

struct jvar {
	const char *name;
	struct jval v;
};
struct env {
	struct env *up;
	struct jvar *v;
	size_t n, cap;
};
struct jloop {
	struct jval *v;
	size_t n, i;
};
struct jrun {
	struct arena mem;
	struct jinja *j;
	struct env *env;
	struct bytes *out;
	struct jval base;               /* what filters without an operand start with */
	const struct jn *call;          /* the call that gets `caller` as an argument of that name */
	struct jval caller;
	uint64_t work;
	int calls;
	bool placed;                    /* the error has its line */
	const char *date;
};

struct jkey {
	const char *s;
	size_t n;
	struct jval v;
};
struct jargs {
	const struct jval *v;
	size_t n;
	const struct jkey *k;
	size_t nk;
};
/* A filter, test, method or function: x is what it is applied to; a[], the arguments by `params`. */
enum { MAX_PARAMS = 6 };
struct jbuiltin {
	const char *name;
	int (*fn)(struct jrun *, struct jval x, const struct jval *a, const struct jargs *raw, struct jval *out);
	const char *params;             /* "width|first|blank"; NULL: any, only raw */
	int need;                       /* how many of them must be there */
};
struct jfunc {
	const struct jbuiltin *b;       /* or */
	const struct jn *macro;         /* S_MACRO or S_CALL, and */
	struct env *env;                /* where it was defined */
	struct jval self;
};

/* All return 0, or -1 with the error set. */
int jr_work(struct jrun *, size_t bytes);               /* and -1 when it was too much */
void *jr_alloc(struct jrun *, size_t n);                /* NULL: error set */
int jr_str(struct jrun *, const char *s, size_t n, struct jval *out);   /* a copy */
/* The end of a builtin that collected its text in b: a copy of it when all went well (rc 0), and b is freed. */
int jr_bytes(struct jrun *, int rc, struct bytes *b, struct jval *out);
/* Room for one more behind n elements of `size` bytes in v: v itself, or a copy when *cap, which grows to twice itself and
 * `more`, is full.  NULL: error set. */
void *jr_grow(struct jrun *, void *v, size_t n, size_t *cap, size_t more, size_t size);
int jr_list(struct jrun *, enum jlist_kind, size_t n, struct jval *out);        /* elements to be filled */
int jr_eval(struct jrun *, const struct jn *, struct jval *out);
int jr_call(struct jrun *, struct jval f, const struct jargs *, struct jval *out);
int jr_builtin(struct jrun *, const struct jbuiltin *, struct jval x, const struct jargs *, struct jval *out);
int jr_body(struct jrun *, const struct jn *, int *leave);
int jr_macro(struct jrun *, const struct jfunc *, const struct jargs *, struct jval *out);
int jr_assign(struct jrun *, const struct jn *target, struct jval);
struct jval *jr_find(struct jrun *, const char *name);          /* NULL: no variable of that name */
int jr_set(struct jrun *, const char *name, struct jval);
/* body, rendered in an environment of its own, as a string; nothing if it leaves the loop around it. */
int jr_capture(struct jrun *, const struct jn *body, int *leave, struct jval *out);

int jf_apply(struct jrun *, const char *name, size_t n, struct jval x, const struct jargs *, struct jval *out);
int jtest_apply(struct jrun *, const char *name, size_t n, struct jval x, const struct jargs *, bool *out);
const struct jbuiltin *jf_find(const char *name, size_t n);     /* filters */
const struct jbuiltin *jf_order(const char *name, size_t n);    /* those of them that compare */
/* By way of the parts of "a.b", a number being a subscript. */
int jf_dotted(struct jrun *, struct jval x, struct jval attr, struct jval *out);
/* A method of the value's text. */
int jf_method(struct jrun *, struct jval x, const char *name, const struct jval *a, size_t n, struct jval *out);
/* An argument was passed; and it is not None. */
static inline bool v_passed(struct jval v)
{
	return v.type != V_ABSENT;
}
static inline bool v_given(struct jval v)
{
	return v.type != V_ABSENT && v.type != V_NONE;
}
/* The row of that name; NULL: none. */
static inline const struct jbuiltin *row_of(const struct jbuiltin *b, size_t rows, const char *name, size_t n)
{
	for (size_t i = 0; i < rows; i++)
		if (strlen(b[i].name) == n && !memcmp(b[i].name, name, n))
			return &b[i];
	return NULL;
}
#define ROW_OF(table, name, n) row_of(table, sizeof(table) / sizeof(*(table)), name, n)
/* Definitions of builtins. */
#define BUILTIN(fn) static int fn(struct jrun *r, struct jval x, const struct jval *a, const struct jargs *raw, \
                                  struct jval *out)
#define UNUSED (void)r, (void)x, (void)a, (void)raw, (void)out
const struct jbuiltin *jtest_find(const char *name, size_t n);     /* tests */
const struct jbuiltin *jg_find(const char *name, size_t n);     /* functions */
const struct jbuiltin *jm_find(struct jval, const char *name, size_t n);        /* methods */
const struct jbuiltin *jm_str(const char *name, size_t n);      /* those of strings, */
const struct jbuiltin *jm_case(const char *name, size_t n);     /* and of them those that ask for classes */
/* What Python has and this has not: its name must not be taken for a key's. */
int jm_lacking(struct jrun *, struct jval, const struct jval *, const struct jargs *, struct jval *);
#define LACKING(name) { name, jm_lacking, NULL, 0 }

#define STR(text) ((struct jval){ .type = V_STR, .s = (text), .n = sizeof(text) - 1 })
struct jval v_int(int64_t);
struct jval v_bool(bool);
struct jval v_float(double);
struct jval v_strn(const char *s, size_t n);
struct jval v_undef(const char *s, size_t n);
bool v_is(struct jval, const char *text);
bool v_true(struct jval);
const char *v_type(struct jval);                        /* Python's name for it */
int v_need(struct jval);                                /* -1: undefined, error set */
int v_equal(struct jrun *, struct jval, struct jval, bool *out);
int v_less(struct jrun *, struct jval, struct jval, bool *out);
int v_in(struct jrun *, struct jval x, struct jval in, bool *out);
int v_len(struct jrun *, struct jval, int64_t *out);
int v_iter(struct jrun *, struct jval x, struct jval **v, size_t *n);
int v_attr(struct jrun *, struct jval, const char *name, size_t n, struct jval *out);
int v_item(struct jrun *, struct jval, struct jval key, struct jval *out);
int v_slice(struct jrun *, struct jval, const struct jval *abc, struct jval *out);
int v_add(struct jrun *, struct jval, struct jval, struct jval *out);
int v_escape(struct jrun *, struct jval, struct jval *out);         /* for HTML; the result is safe */
int v_binary(struct jrun *, int op, struct jval, struct jval, struct jval *out);
int v_get(struct jrun *, const struct jdict *, struct jval key, struct jval **out);     /* *out NULL: not there */
int v_put(struct jrun *, struct jdict *, struct jval key, struct jval);
int v_print(struct jrun *, struct jval, struct bytes *out);             /* str() */
int v_text(struct jrun *, struct jval, struct jval *out);               /* str() as a value */
int v_repr(struct jrun *, struct jval, struct bytes *out);
int v_json(struct jrun *, struct jval, const struct jval *a, struct bytes *out);        /* tojson's arguments */
int v_from_json(struct jrun *, const struct jnode *, struct jval *out);
int v_number(struct jval, double *out);                 /* 1: it is one */
bool v_space(uint32_t cp);                              /* what Python's strip() takes */
/* The characters [b, e) of s as bytes. */
size_t v_chars(const char *s, size_t n);
size_t v_at(const char *s, size_t n, size_t chars);

#endif
