#define PCRE2_CODE_UNIT_WIDTH 8
#include "data/onig.h"

#include "base/err.h"
#include "base/mem.h"
#include "data/chars.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* White_Space as Oniguruma has it.  PCRE2's \s holds U+180E besides.  The list ends in a range, so that a
 * hyphen that follows stays a hyphen. */
#define SPACE "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{2000}-\\x{200a}"
/* Its [:word:]; PCRE2's is letters, numbers and the underscore.  Outside a class \w has the six fractions and
 * superscripts of Latin-1 besides, which come from a table of bytes. */
#define WORD "\\p{Nd}\\p{M}\\p{Pc}\\p{Alphabetic}"
#define WORD6 "\\x{b2}\\x{b3}\\x{b9}" WORD "\\x{bc}-\\x{be}"
#define HEX "A-Fa-f0-9"

enum { MAX_PATTERN = 1 << 16 };

struct onig {
	pcre2_code *code;
	bool jit;
};
struct onig_room {
	pcre2_match_data *md;
};

enum { MAX_DEPTH = 200 };

struct trans {
	const char *s;
	size_t n, at;
	struct bytes out;
	size_t atom;                    /* where in out the thing begins that a quantifier would repeat */
	size_t open[MAX_DEPTH];         /* where the open groups begin */
	int depth;
};

static int unsup(struct trans *t, const char *what)
{
	return err_set(ST_UNSUP, "regular expression '%.*s': %s not supported", clip(t->n),
	               t->s, what);
}

static void put(struct trans *t, const char *s)
{
	bytes_put(&t->out, s, strlen(s));
}

static char at(const struct trans *t, size_t k)
{
	return t->at + k < t->n ? t->s[t->at + k] : '\0';
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

/* Four hexadecimal digits after \u; both syntaxes know \x{...}. */
static int unicode(struct trans *t)
{
	for (size_t i = 2; i < 6; i++)
		if (!is_hex(at(t, i)))
			return unsup(t, "\\u without four digits");
	put(t, "\\x{");
	bytes_put(&t->out, t->s + t->at + 2, 4);
	put(t, "}");
	t->at += 6;
	return 0;
}

static bool compiles(const char *re)
{
	int code;
	PCRE2_SIZE where;
	pcre2_code *c = pcre2_compile((PCRE2_SPTR)re, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &where, NULL);

	pcre2_code_free(c);
	return c != NULL;
}

/* \p{Han}: a script's name means the script here, and its extensions too in PCRE2, which has sc: for the
 * script alone.  Some long names are short there. */
static int property(struct trans *t)
{
	static const char *const name[][2] = {
		{ "Letter", "L" }, { "Mark", "M" }, { "Number", "N" }, { "Punctuation", "P" }, { "Symbol", "S" },
		{ "Separator", "Z" }, { "Other", "C" }, { "Alpha", "Alphabetic" }, { "Digit", "Nd" },
		{ "Upper", "Uppercase" }, { "Lower", "Lowercase" }, { "Space", "White_Space" }, { "Punct", "P" },
	};
	const char *b = t->s + t->at + 3, *e = memchr(b, '}', t->n - t->at - 3);
	char word[64], test[80];
	bool not = e && *b == '^';
	size_t n;

	b += not;
	n = e ? (size_t)(e - b) : 0;
	if (!n || n >= sizeof(word))
		return unsup(t, "this property");
	memcpy(word, b, n);
	word[n] = '\0';
	for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++)
		if (!strcmp(word, name[i][0]))
			snprintf(word, sizeof(word), "%s", name[i][1]);
	snprintf(test, sizeof(test), "\\p{sc:%s}", word);
	put(t, (at(t, 1) == 'P') != not ? "\\P{" : "\\p{");
	if (strlen(word) > 2 && compiles(test))
		put(t, "sc:");
	put(t, word);
	put(t, "}");
	t->at = (size_t)(e + 1 - t->s);
	return 0;
}

/* A backslash and what follows, in a class or outside. */
static int escape(struct trans *t, bool class)
{
	char c = at(t, 1);
	const char *e;
	int len;

	switch (c) {
	case '\0':
		return unsup(t, "a backslash at the end");
	case 's':
		put(t, class ? SPACE : "[" SPACE "]");
		break;
	case 'S':
		put(t, class ? "\\S\\x{180e}" : "[^" SPACE "]");
		break;
	case 'w':
		put(t, class ? WORD : "[" WORD6 "]");
		break;
	case 'h':
		put(t, class ? HEX : "[" HEX "]");
		break;
	case 'W':
	case 'H':
		if (class)
			return unsup(t, "\\W or \\H in a class");
		put(t, c == 'W' ? "[^" WORD6 "]" : "[^" HEX "]");
		break;
	case 'v':
		put(t, "\\x0b");
		break;
	case 'u':
		return unicode(t);
	case 'Q': case 'E': case 'C': case 'V': case 'K': case 'g': case 'o': case 'y': case 'Y': case 'O':
		return unsup(t, "this escape");
	case 'p': case 'P':
		if (at(t, 2) == '{')
			return property(t);
		return unsup(t, "\\p without braces");
	case 'x':                       /* \x{85}: the braces are its own */
		e = at(t, 2) == '{' ? memchr(t->s + t->at, '}', t->n - t->at) : NULL;
		if (e) {
			bytes_put(&t->out, t->s + t->at, (size_t)(e + 1 - (t->s + t->at)));
			t->at = (size_t)(e + 1 - t->s);
			return 0;
		}
		/* fall through */
	default:
		utf8_get(t->s + t->at + 1, &len);
		bytes_put(&t->out, t->s + t->at, 1 + (size_t)len);
		t->at += 1 + (size_t)len;
		return 0;
	}
	t->at += 2;
	return 0;
}

/* [:alpha:] inside a class. */
static int posix(struct trans *t)
{
	static const char *const name[][2] = {
		{ "[:alpha:]", "\\p{Alphabetic}" }, { "[:alnum:]", "\\p{Alphabetic}\\p{Nd}" },
		{ "[:digit:]", "\\p{Nd}" },
		{ "[:space:]", SPACE }, { "[:upper:]", "\\p{Uppercase}" }, { "[:lower:]", "\\p{Lowercase}" },
		{ "[:punct:]", "\\p{P}\\p{S}" }, { "[:cntrl:]", "\\p{Cc}" }, { "[:word:]", WORD },
		{ "[:xdigit:]", HEX },
		{ "[:blank:]", "\\t\\p{Zs}" },
	};

	for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++) {
		size_t k = strlen(name[i][0]);

		if (t->n - t->at >= k && !memcmp(t->s + t->at, name[i][0], k)) {
			put(t, name[i][1]);
			t->at += k;
			return 0;
		}
	}
	return unsup(t, "this POSIX class");
}

/* A class.  One inside another is a union there and a syntax error here: its members are copied into the
 * outer one. */
static int class(struct trans *t)
{
	int depth = 0;
	bool first = true;

	do {
		char c = at(t, 0);

		if (t->at >= t->n)
			return unsup(t, "an unfinished class");
		if (c == '[' && at(t, 1) == ':' && depth) {
			if (posix(t) < 0)
				return -1;
			first = false;
		} else if (c == '[') {
			if (depth++ == 0)
				put(t, "[");
			else if (at(t, 1) == '^')
				return unsup(t, "a negated class inside a class");
			t->at++;
			if (depth == 1 && at(t, 0) == '^') {
				put(t, "^");
				t->at++;
			}
			first = true;
		} else if (c == ']' && !first) {
			if (--depth == 0)
				put(t, "]");
			t->at++;
		} else if (c == '&' && at(t, 1) == '&')
			return unsup(t, "an intersection of classes");
		else if (c == '\\') {
			if (escape(t, true) < 0)
				return -1;
			first = false;
		} else {
			if (c == ']')
				put(t, "\\");
			bytes_put(&t->out, t->s + t->at++, 1);
			first = false;
		}
	} while (depth);
	return 0;
}

/* "(": Ruby's (?m) lets the dot match line ends, which is (?s) here; (*...) is a callout there and a verb
 * here, neither wanted. */
static int group(struct trans *t)
{
	if (at(t, 1) == '*' || (at(t, 1) == '?' && (at(t, 2) == '~' || at(t, 2) == '{' || at(t, 2) == '(')))
		return unsup(t, "this kind of group");
	if (t->depth == MAX_DEPTH)
		return unsup(t, "nesting so deep");
	t->open[t->depth++] = t->out.n;
	put(t, "(");
	t->at++;
	if (at(t, 0) != '?')
		return 0;
	put(t, "?");
	t->at++;
	while (at(t, 0) && strchr("imx-", at(t, 0))) {
		bytes_put(&t->out, at(t, 0) == 'm' ? "s" : t->s + t->at, 1);
		t->at++;
	}
	return 0;
}

/* The last atom and what follows it, as a group: for a quantifier on a quantifier. */
static void wrap(struct trans *t)
{
	bytes_put(&t->out, "(?:)", 4);
	memmove(t->out.p + t->atom + 3, t->out.p + t->atom, t->out.n - 4 - t->atom);
	memcpy(t->out.p + t->atom, "(?:", 3);
	t->out.p[t->out.n - 1] = ')';
}

/* "{": an interval {n}, {n,}, {n,m} or {,m}.  A plus after it repeats it, where PCRE2 would take the two as
 * "possessive"; a question mark after {n} makes it optional, there it is "lazy". */
static void interval(struct trans *t)
{
	size_t k = 1, digits = 0, first;
	bool exact;

	while (at(t, k) >= '0' && at(t, k) <= '9')
		k++, digits++;
	first = digits;
	exact = at(t, k) == '}';
	if (at(t, k) == ',')
		for (k++; at(t, k) >= '0' && at(t, k) <= '9'; k++)
			digits++;
	if (at(t, k) != '}' || !digits) {
		t->atom = t->out.n;
		put(t, "\\{");
		t->at++;
		return;
	}
	put(t, first ? "{" : "{0");
	bytes_put(&t->out, t->s + t->at + 1, k);
	t->at += k + 1;
	if (at(t, 0) == '+' || at(t, 0) == '*' || at(t, 0) == '{' || (exact && at(t, 0) == '?'))
		wrap(t);
}

/* One step of the translation. */
static int step(struct trans *t)
{
	char c = t->s[t->at];

	switch (c) {
	case '{':
		interval(t);
		return 0;
	case '(':
		return group(t);
	case ')':
		if (!t->depth)
			return unsup(t, "a parenthesis too many");
		t->atom = t->open[--t->depth];
		break;
	case '*': case '+': case '?':
		break;
	default:
		if ((c & 0xc0) != 0x80)         /* not inside a character */
			t->atom = t->out.n;
	}
	if (c == '\\')
		return escape(t, false);
	if (c == '[')
		return class(t);
	bytes_put(&t->out, t->s + t->at++, 1);
	return 0;
}

char *onig_translate(const char *pattern, size_t len, size_t *out_len)
{
	struct trans t = { .s = pattern, .n = len };
	int rc = 0;

	if (len > MAX_PATTERN || memchr(pattern, '\0', len)) {
		err_set(ST_UNSUP, "regular expression of %zu bytes, or with NUL", len);
		return NULL;
	}
	while (t.at < t.n && rc == 0)
		rc = step(&t);
	if (rc < 0) {
		bytes_free(&t.out);
		return NULL;
	}
	bytes_put(&t.out, "", 1);
	*out_len = t.out.n - 1;
	return t.out.p;
}

/* Ruby's ^ and $ stand at every line: PCRE2_MULTILINE.  Line ends are LF alone. */
struct onig *onig_compile(const char *pattern, size_t len)
{
	pcre2_compile_context *cc = pcre2_compile_context_create(NULL);
	PCRE2_UCHAR why[128] = "";
	PCRE2_SIZE where = 0;
	size_t n;
	int code = 0;
	char *p = onig_translate(pattern, len, &n);
	struct onig *o = NULL;
	pcre2_code *re;

	if (!cc)
		die(ST_FAIL, "out of memory");
	if (!p)
		goto out;
	pcre2_set_newline(cc, PCRE2_NEWLINE_LF);
	re = pcre2_compile((PCRE2_SPTR)p, n, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
	                   &code, &where, cc);
	if (!re) {
		pcre2_get_error_message(code, why, sizeof(why));
		err_set(ST_UNSUP, "regular expression '%.*s': %s", clip(len), pattern,
		        (const char *)why);
		goto out;
	}
	o = xmalloc(sizeof(*o));
	o->code = re;
	o->jit = !pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
out:
	pcre2_compile_context_free(cc);
	free(p);
	return o;
}

void onig_free(struct onig *o)
{
	if (!o)
		return;
	pcre2_code_free(o->code);
	free(o);
}

struct onig_room *onig_room_new(void)
{
	struct onig_room *r = xmalloc(sizeof(*r));

	r->md = pcre2_match_data_create(1, NULL);
	if (!r->md)
		die(ST_FAIL, "out of memory");
	return r;
}

void onig_room_free(struct onig_room *r)
{
	if (!r)
		return;
	pcre2_match_data_free(r->md);
	free(r);
}

/* As the reference's iterator has it: an empty match right behind a match is passed over, by one character. */
int onig_next(const struct onig *o, struct onig_room *r, struct onig_walk *w)
{
	const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(r->md);

	while (w->n && w->at <= w->n) {
		PCRE2_SPTR s = (PCRE2_SPTR)w->s;
		int rc = PCRE2_ERROR_JIT_STACKLIMIT, len;

		if (o->jit)
			rc = pcre2_jit_match(o->code, s, w->n, w->at, 0, r->md, NULL);
		if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
			rc = pcre2_match(o->code, s, w->n, w->at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, r->md, NULL);
		if (rc == PCRE2_ERROR_NOMATCH)
			return 0;
		if (rc < 0) {
			PCRE2_UCHAR why[128] = "";

			pcre2_get_error_message(rc, why, sizeof(why));
			return err_set(ST_FAIL, "regular expression gave up: %s", (const char *)why);
		}
		w->b = ov[0];
		w->e = ov[1];
		if (w->e < w->b)        /* \K in a lookahead */
			return err_set(ST_UNSUP, "regular expression matches backwards");
		if (w->b == w->e && w->last == w->e + 1) {
			if (w->at >= w->n)
				return 0;
			utf8_get(w->s + w->at, &len);
			w->at += (size_t)len;
			continue;
		}
		w->at = w->e;
		w->last = w->e + 1;
		return 1;
	}
	return 0;
}
