/* A JSON text as one flat array of nodes.  For tokenizer files: tens of megabytes, a million small strings,
 * NUL inside keys; so strings carry lengths and share one block, and nothing is allocated per value.
 * Strict: one value, UTF-8, no lone surrogates, no key twice, JSON_DEPTH levels. */
#ifndef JTREE_H
#define JTREE_H

#include "data/chars.h"

enum jtype { JT_NULL, JT_FALSE, JT_TRUE, JT_NUM, JT_STR, JT_ARR, JT_OBJ };

struct jnode {
	enum jtype type : 8;
	bool whole : 1;                 /* a number without point or exponent */
	uint32_t span;                  /* nodes of this value, itself included; the next one follows */
	union {
		double num;
		const char *str;        /* len bytes, then a NUL */
	};
	size_t len;                     /* bytes of a string; members of an array or object; a whole number, if it
	                                 * fits, as int64_t; of another what jt_scaled gives */
};

struct jtree {
	struct jnode *v;                /* v[0] is the value */
	size_t n, cap;
	char *text;                     /* every string; may be taken by the caller, who then frees it */
};

#define JT_EACH(c, arr) for (c = (arr) + 1; c < (arr) + (arr)->span; c += c->span)
/* k is the key, k + 1 the value. */
#define JT_PAIRS(k, obj) for (k = (obj) + 1; k < (obj) + (obj)->span; k += 1 + k[1].span)

int jtree_parse(struct jtree *, const void *buf, size_t len, const char *what);  /* -1: error set */
void jtree_free(struct jtree *);

/* The member, or NULL when absent, null, or obj is no object (or NULL). */
const struct jnode *jt_get(const struct jnode *obj, const char *key);
const struct jnode *jt_raw(const struct jnode *obj, const char *key);          /* null is returned, too */
bool jt_is(const struct jnode *str, const char *text);  /* a string that equals text; NULL is none */
/* The number as the library that defines tokenizer.json reads it, whose last bit may be another: it rounds twice. */
double jt_scaled(const struct jnode *num);
/* Typed look-ups: 1 found, 0 absent or null (*out untouched), -1 of another type or range, error set. */
int jt_bool(const struct jnode *obj, const char *key, bool *out);
int jt_int(const struct jnode *obj, const char *key, int64_t min, int64_t max, int64_t *out);
int jt_str(const struct jnode *obj, const char *key, const struct jnode **out);
int jt_arr(const struct jnode *obj, const char *key, const struct jnode **out);
int jt_obj(const struct jnode *obj, const char *key, const struct jnode **out);
/* Appends s, which is UTF-8, as a JSON string. */
void jt_quote(struct bytes *, const char *s, size_t n);

#endif
