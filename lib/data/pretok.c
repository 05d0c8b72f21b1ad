/* Each step hands its pieces to the next one as it finds them: no list of pieces is ever made, and a word
 * reaches the model while its bytes are in the cache. */
#include "data/pretok.h"

#include "base/err.h"
#include "base/mem.h"
#include "data/normalize.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 64 };                /* they nest */
enum behavior { B_REMOVED, B_ISOLATED, B_PREVIOUS, B_NEXT, B_CONTIGUOUS };
enum class { C_SPACE, C_PUNCT, C_NUMBER };
enum prepend { PRE_ALWAYS, PRE_FIRST, PRE_NEVER };

struct pre_step {
	enum pre_kind { P_PATTERN, P_CLASS, P_BYTES, P_METASPACE, P_FIXED } kind;
	enum behavior how;
	bool invert;
	struct pattern pat;             /* P_PATTERN; P_BYTES when it splits */
	enum class class;
	bool split, space, raw;         /* P_BYTES, P_METASPACE: split?  P_BYTES: add a space, hand out bytes */
	enum prepend prepend;           /* P_METASPACE */
	char marker[4];
	size_t nmarker;
	size_t length;                  /* P_FIXED, characters */
};

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
/* \w+|[^\w\s]+ with the joiners, which the engine that defines this one counts as word characters. */
#define WORD "\\p{Nd}\\p{M}\\p{Pc}\\p{Alphabetic}\\x{200c}\\x{200d}"
#define WORDS "[" WORD "]+|[^" WORD "\\s]+"

static struct pre_step *step(struct pretok *p, enum pre_kind kind, enum behavior how)
{
	p->v = xgrow(p->v, p->n + 1, &p->cap, sizeof(*p->v));
	p->v[p->n] = (struct pre_step){ .kind = kind, .how = how };
	return &p->v[p->n++];
}

static int expression(struct pre_step *st, const char *re)
{
	st->pat.re = onig_compile(re, strlen(re));
	return st->pat.re ? 0 : -1;
}

static int parse_behavior(const struct jnode *v, enum behavior *how)
{
	static const char *const name[] = {
		"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous",
	};
	const struct jnode *s;
	int rc = jt_str(v, "behavior", &s);

	if (rc <= 0)
		return rc;
	for (int i = 0; i < 5; i++)
		if (jt_is(s, name[i])) {
			*how = (enum behavior)i;
			return 0;
		}
	return err_set(ST_BAD, "unknown behavior '%.40s'", s->str);
}

static int parse_metaspace(struct pre_step *st, const struct jnode *v)
{
	const struct jnode *s;
	bool old = true;
	int rc;

	st->split = true;
	memcpy(st->marker, "\xe2\x96\x81", 3);
	st->nmarker = 3;
	if ((rc = jt_str(v, "replacement", &s)) < 0)
		return -1;
	if (rc) {
		if (!s->len || utf8_seq(s->str, s->len) != (int)s->len)
			return err_set(ST_BAD, "Metaspace's replacement is not one character");
		memcpy(st->marker, s->str, s->len);
		st->nmarker = s->len;
	}
	if ((rc = jt_bool(v, "add_prefix_space", &old)) < 0)
		return -1;
	st->prepend = old ? PRE_ALWAYS : PRE_NEVER;
	if ((rc = jt_str(v, "prepend_scheme", &s)) < 0)
		return -1;
	if (rc) {
		if (!jt_is(s, "always") && !jt_is(s, "first") && !jt_is(s, "never"))
			return err_set(ST_BAD, "unknown prepend_scheme '%.40s'", s->str);
		st->prepend = jt_is(s, "always") ? PRE_ALWAYS : jt_is(s, "first") ? PRE_FIRST : PRE_NEVER;
	}
	return jt_bool(v, "split", &st->split) < 0 ? -1 : 0;
}

static int parse_bytes(struct pre_step *st, const struct jnode *v)
{
	st->split = true;
	st->space = true;
	if (jt_bool(v, "use_regex", &st->split) < 0 || jt_bool(v, "add_prefix_space", &st->space) < 0)
		return -1;
	return st->split ? expression(st, GPT2) : 0;
}

static int parse_step(struct pretok *p, const struct jnode *v);

static int parse_list(struct pretok *p, const struct jnode *v)
{
	const struct jnode *list, *c;
	int rc = jt_arr(v, "pretokenizers", &list);

	if (rc <= 0)
		return rc < 0 ? -1 : err_set(ST_BAD, "a pre-tokenizer Sequence has no 'pretokenizers'");
	JT_EACH(c, list)
		if (parse_step(p, c) < 0)
			return -1;
	if (p->n > MAX_STEPS)
		return err_set(ST_UNSUP, "a pre-tokenizer of %zu steps", p->n);
	return 0;
}

static int parse_split(struct pretok *p, const struct jnode *v)
{
	struct pre_step *st = step(p, P_PATTERN, B_ISOLATED);

	if (pattern_parse(&st->pat, jt_get(v, "pattern")) < 0 || parse_behavior(v, &st->how) < 0)
		return -1;
	return jt_bool(v, "invert", &st->invert) < 0 ? -1 : 0;
}

static int parse_step(struct pretok *p, const struct jnode *v)
{
	const struct jnode *type;
	struct pre_step *st;
	bool single = false;
	int64_t n = 5;
	int rc;

	if ((rc = jt_str(v, "type", &type)) <= 0)
		return rc < 0 ? -1 : err_set(ST_BAD, "a pre-tokenizer has no 'type'");
	if (jt_is(type, "Sequence"))
		return parse_list(p, v);
	if (jt_is(type, "Split"))
		return parse_split(p, v);
	if (jt_is(type, "ByteLevel"))
		return parse_bytes(step(p, P_BYTES, B_ISOLATED), v);
	if (jt_is(type, "Metaspace"))
		return parse_metaspace(step(p, P_METASPACE, B_NEXT), v);
	if (jt_is(type, "Digits")) {
		if (jt_bool(v, "individual_digits", &single) < 0)
			return -1;
		step(p, P_CLASS, single ? B_ISOLATED : B_CONTIGUOUS)->class = C_NUMBER;
		return 0;
	}
	if (jt_is(type, "Punctuation")) {
		st = step(p, P_CLASS, B_ISOLATED);
		st->class = C_PUNCT;
		return parse_behavior(v, &st->how);
	}
	if (jt_is(type, "WhitespaceSplit") || jt_is(type, "BertPreTokenizer")) {
		step(p, P_CLASS, B_REMOVED)->class = C_SPACE;
		if (jt_is(type, "BertPreTokenizer"))
			step(p, P_CLASS, B_ISOLATED)->class = C_PUNCT;
		return 0;
	}
	if (jt_is(type, "Whitespace")) {
		st = step(p, P_PATTERN, B_REMOVED);
		st->invert = true;
		return expression(st, WORDS);
	}
	if (jt_is(type, "CharDelimiterSplit"))
		return pattern_parse(&step(p, P_PATTERN, B_REMOVED)->pat, jt_get(v, "delimiter"));
	if (jt_is(type, "FixedLength")) {
		if (jt_int(v, "length", 1, INT32_MAX, &n) < 0)
			return -1;
		step(p, P_FIXED, B_ISOLATED)->length = (size_t)n;
		return 0;
	}
	return err_set(ST_UNSUP, "pre-tokenizer '%.40s' is not supported", type->str);
}

int pretok_parse(struct pretok *p, const struct jnode *json)
{
	memset(p, 0, sizeof(*p));
	return json ? parse_step(p, json) : 0;
}

bool pretok_ends_in_bytes(const struct pretok *p)
{
	return p->n && p->v[p->n - 1].kind == P_BYTES;
}

void pretok_set_raw(struct pretok *p)
{
	p->v[p->n - 1].raw = true;
}

void pretok_free(struct pretok *p)
{
	for (size_t i = 0; i < p->n; i++)
		pattern_free(&p->v[i].pat);
	free(p->v);
	memset(p, 0, sizeof(*p));
}

void pre_room_free(struct pre_room *r)
{
	for (size_t i = 0; i < r->n; i++)
		bytes_free(&r->tmp[i]);
	free(r->tmp);
	memset(r, 0, sizeof(*r));
}

struct pre_run {
	const struct pretok *p;
	struct onig_room *onig;
	struct bytes *tmp;
	int (*word)(void *, const char *, size_t);
	void *arg;
};

static int piece(const struct pre_run *r, size_t k, const char *s, size_t n, bool at_start);

/* A split turns the alternating gaps and matches of one piece into pieces.  What is merged with a neighbour
 * waits in [b, e). */
struct cut {
	const struct pre_run *r;
	size_t k;                       /* the step that splits */
	enum behavior how;
	const char *s;
	size_t b, e;
	bool held, at_start;
	bool prev;                      /* the part before was a match */
};

static int emit(const struct cut *c, size_t b, size_t e)
{
	if (b == e)
		return 0;
	return piece(c->r, c->k + 1, c->s + b, e - b, c->at_start && b == 0);
}

static int hold(struct cut *c, size_t b, size_t e)
{
	int rc = c->held ? emit(c, c->b, c->e) : 0;

	c->held = true;
	c->b = b;
	c->e = e;
	return rc;
}

static int part(struct cut *c, size_t b, size_t e, bool match)
{
	bool prev = c->prev;

	c->prev = match;
	switch (c->how) {
	case B_REMOVED:
		return match ? 0 : emit(c, b, e);
	case B_ISOLATED:
		return emit(c, b, e);
	case B_CONTIGUOUS:
		if (c->held && match == prev) {
			c->e = e;
			return 0;
		}
		return hold(c, b, e);
	case B_PREVIOUS:
		if (c->held && match && !prev) {
			c->e = e;
			return 0;
		}
		return hold(c, b, e);
	case B_NEXT:
		/* Only the last match of several joins what follows. */
		if (c->held && prev && !match) {
			c->e = e;
			return 0;
		}
		return hold(c, b, e);
	}
	return 0;
}

static int finish(struct cut *c)
{
	return c->held ? emit(c, c->b, c->e) : 0;
}

static int split_pattern(struct cut *c, const struct pattern *pat, size_t n, bool invert)
{
	struct onig_walk w = { .s = c->s, .n = n };
	size_t done = 0;
	int rc;

	while ((rc = pattern_next(pat, c->r->onig, &w)) > 0) {
		if (done != w.b && part(c, done, w.b, invert) < 0)
			return -1;
		done = w.e;
		if (part(c, w.b, w.e, !invert) < 0)
			return -1;
	}
	if (rc < 0 || (done != n && part(c, done, n, invert) < 0))
		return -1;
	return finish(c);
}

/* One bit a class, for ASCII. */
#define SP (1 << C_SPACE)
#define PU (1 << C_PUNCT)
#define NU (1 << C_NUMBER)
static const unsigned char ascii_class[128] = {
	['\t'] = SP, ['\n'] = SP, ['\v'] = SP, ['\f'] = SP, ['\r'] = SP, [' '] = SP,
	['!'] = PU, ['"'] = PU, ['#'] = PU, ['$'] = PU, ['%'] = PU, ['&'] = PU, ['\''] = PU, ['('] = PU, [')'] = PU,
	['*'] = PU, ['+'] = PU, [','] = PU, ['-'] = PU, ['.'] = PU, ['/'] = PU, [':'] = PU, [';'] = PU, ['<'] = PU,
	['='] = PU, ['>'] = PU, ['?'] = PU, ['@'] = PU, ['['] = PU, ['\\'] = PU, [']'] = PU, ['^'] = PU, ['_'] = PU,
	['`'] = PU, ['{'] = PU, ['|'] = PU, ['}'] = PU, ['~'] = PU,
	['0'] = NU, ['1'] = NU, ['2'] = NU, ['3'] = NU, ['4'] = NU, ['5'] = NU, ['6'] = NU, ['7'] = NU, ['8'] = NU,
	['9'] = NU,
};

static bool in_class(enum class k, uint32_t c)
{
	return k == C_SPACE ? cp_space(c) : k == C_PUNCT ? cp_punct(c) : cp_number(c);
}

static int split_class(struct cut *c, enum class class, size_t n)
{
	size_t done = 0;

	for (size_t i = 0, e; i < n; i = e) {
		unsigned char b = (unsigned char)c->s[i];
		int len = 1;

		if (b < 0x80 ? !(ascii_class[b] >> class & 1) : !in_class(class, utf8_get(c->s + i, &len))) {
			e = i + (size_t)len;
			continue;
		}
		e = i + (size_t)len;
		if ((done != i && part(c, done, i, false) < 0) || part(c, i, e, true) < 0)
			return -1;
		done = e;
	}
	if (done != n && part(c, done, n, false) < 0)
		return -1;
	return finish(c);
}

static int run_fixed(struct cut *c, size_t length, size_t n)
{
	size_t b = 0, e = 0, count = 0;
	int len;

	while (e < n) {
		utf8_get(c->s + e, &len);
		e += (size_t)len;
		if (++count == length || e == n) {
			if (emit(c, b, e) < 0)
				return -1;
			b = e;
			count = 0;
		}
	}
	return 0;
}

static int run_metaspace(const struct pre_run *r, size_t k, const char *s, size_t n, bool at_start)
{
	const struct pre_step *st = &r->p->v[k];
	struct pattern marker = { .lit = st->marker, .len = st->nmarker };
	struct bytes *b = &r->tmp[k];
	struct cut c = { .r = r, .k = k, .how = B_NEXT, .at_start = at_start };
	bool starts = s[0] == ' ' || (n >= st->nmarker && !memcmp(s, st->marker, st->nmarker));

	b->n = 0;
	if (!starts && (st->prepend == PRE_ALWAYS || (st->prepend == PRE_FIRST && at_start)))
		bytes_put(b, st->marker, st->nmarker);
	while (n) {
		const char *sp = memchr(s, ' ', n);
		size_t run = sp ? (size_t)(sp - s) : n;

		bytes_put(b, s, run);
		if (sp)
			bytes_put(b, st->marker, st->nmarker);
		run += sp != NULL;
		s += run;
		n -= run;
	}
	c.s = b->p;
	return st->split ? split_pattern(&c, &marker, b->n, false) : emit(&c, 0, b->n);
}

/* What a byte-level step hands on: the raw bytes, or their stand-ins. */
static int bytes_out(const struct pre_run *r, size_t k, const char *s, size_t n, bool at_start)
{
	struct bytes *b = &r->tmp[r->p->n + k];

	if (r->p->v[k].raw)
		return r->word(r->arg, s, n);
	b->n = 0;
	bytes_standins(b, s, n);
	return piece(r, k + 1, b->p, b->n, at_start);
}

static int run_bytes(const struct pre_run *r, size_t k, const char *s, size_t n, bool at_start)
{
	const struct pre_step *st = &r->p->v[k];
	struct bytes *b = &r->tmp[k];
	struct onig_walk w = { 0 };
	size_t done = 0;
	int rc;

	if (st->space && s[0] != ' ') {
		b->n = 0;
		bytes_put(b, " ", 1);
		bytes_put(b, s, n);
		s = b->p;
		n = b->n;
	}
	if (!st->split)
		return bytes_out(r, k, s, n, at_start);
	w.s = s;
	w.n = n;
	while ((rc = onig_next(st->pat.re, r->onig, &w)) > 0) {
		if (done != w.b && bytes_out(r, k, s + done, w.b - done, at_start && done == 0) < 0)
			return -1;
		if (bytes_out(r, k, s + w.b, w.e - w.b, at_start && w.b == 0) < 0)
			return -1;
		done = w.e;
	}
	if (rc == 0 && done != n)
		rc = bytes_out(r, k, s + done, n - done, at_start && done == 0);
	return rc;
}

/* The piece s[0..n), n > 0, enters step k. */
static int piece(const struct pre_run *r, size_t k, const char *s, size_t n, bool at_start)
{
	struct cut c = { .r = r, .k = k, .s = s, .at_start = at_start };
	const struct pre_step *st;

	if (k == r->p->n)
		return r->word(r->arg, s, n);
	st = &r->p->v[k];
	c.how = st->how;
	switch (st->kind) {
	case P_PATTERN:
		return split_pattern(&c, &st->pat, n, st->invert);
	case P_CLASS:
		return split_class(&c, st->class, n);
	case P_BYTES:
		return run_bytes(r, k, s, n, at_start);
	case P_METASPACE:
		return run_metaspace(r, k, s, n, at_start);
	case P_FIXED:
		return run_fixed(&c, st->length, n);
	}
	return 0;
}

int pretok_run(const struct pretok *p, struct onig_room *onig, struct pre_room *room, const char *s, size_t n,
               bool at_start, int (*word)(void *, const char *, size_t), void *arg)
{
	struct pre_run r = { .p = p, .onig = onig, .word = word, .arg = arg };

	if (!n)
		return 0;
	if (room->n < 2 * p->n) {
		room->tmp = xrealloc(room->tmp, 2 * p->n * sizeof(*room->tmp));
		memset(room->tmp + room->n, 0, (2 * p->n - room->n) * sizeof(*room->tmp));
		room->n = 2 * p->n;
	}
	r.tmp = room->tmp;
	return piece(&r, 0, s, n, at_start);
}
