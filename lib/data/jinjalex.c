/* Tokens of a template.  What whitespace is left of the text between tags is decided here: '-' in a tag takes all
 * of it on that side, one line end after a tag always goes, and the indentation before a tag that begins its
 * line; not so for {{ }}. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lex {
	struct arena *mem;
	const char *s;                  /* line ends are \n */
	size_t n, at;
	uint32_t line;
	struct jtok *v;                 /* malloc'd while it grows */
	size_t nv, cap;
	char open[JINJA_DEPTH];         /* brackets to be closed */
	int nopen;
	bool line_start;                /* the text that follows begins a line */
};

static int bad(const struct lex *x, const char *what)
{
	return err_set(ST_BAD, "template: line %u: %s", x->line, what);
}

static struct jtok *push(struct lex *x, enum jtok_kind kind)
{
	x->v = xgrow(x->v, x->nv + 1, &x->cap, sizeof(*x->v));
	x->v[x->nv] = (struct jtok){ .kind = kind, .line = x->line };
	return &x->v[x->nv++];
}

static bool here(const struct lex *x, const char *text)
{
	size_t n = strlen(text);

	return x->n - x->at >= n && !memcmp(x->s + x->at, text, n);
}

static size_t space_at(const struct lex *x, size_t at)
{
	int len;

	return at < x->n && v_space(utf8_get(x->s + at, &len)) ? (size_t)len : 0;
}

/* Moves over n bytes. */
static void skip(struct lex *x, size_t n)
{
	for (; n; n--)
		x->line += x->s[x->at++] == '\n';
}

static void skip_space(struct lex *x)
{
	size_t k;

	while ((k = space_at(x, x->at)))
		skip(x, k);
}

/* The text [b, e) before a tag whose sign is `sign`. */
static void put_text(struct lex *x, size_t b, size_t e, char sign, bool variable)
{
	size_t cut = e, prev;
	struct jtok *t;

	while (cut > b) {
		prev = utf8_prev(x->s, cut);
		if (space_at(x, prev) != cut - prev || (sign != '-' && x->s[prev] == '\n'))
			break;
		cut = prev;
	}
	if (sign == '+' || (sign != '-' && (variable || (cut > b ? x->s[cut - 1] != '\n' : !x->line_start))))
		cut = e;
	if (cut == b)
		return;
	t = push(x, T_TEXT);
	t->s = x->s + b;
	t->n = cut - b;
}

/* The end of a tag, which is `end` with a sign before it; false: it is not here. */
static bool tag_end(struct lex *x, const char *end, bool trim)
{
	char sign = x->at < x->n ? x->s[x->at] : 0;
	size_t k = (sign == '-' || (sign == '+' && trim)) && x->n - x->at > 2;

	if (x->n - x->at < k + 2 || memcmp(x->s + x->at + k, end, 2))
		return false;
	skip(x, k + 2);
	if (k && sign == '-')
		skip_space(x);
	else if (!k && trim && x->at < x->n && x->s[x->at] == '\n')
		skip(x, 1);
	x->line_start = x->s[x->at - 1] == '\n';
	return true;
}

static int comment(struct lex *x)
{
	if (x->at == x->n)
		return 0;               /* where the text ends at once, nobody complains */
	while (x->at < x->n) {
		if (tag_end(x, "#}", true))
			return 0;
		skip(x, 1);
	}
	return bad(x, "a comment without end");
}

/* --- {% raw %} --- */

static bool raw_tag(struct lex *x, const char *word)
{
	struct lex t = *x;
	char sign;

	skip(&t, 2);
	if (t.at < t.n && (t.s[t.at] == '-' || t.s[t.at] == '+'))
		skip(&t, 1);
	skip_space(&t);
	if (!here(&t, word))
		return false;
	skip(&t, strlen(word));
	skip_space(&t);
	sign = t.at < t.n ? t.s[t.at] : 0;
	if (word[0] == 'r') {           /* of the two, only the end trims */
		if (sign == '+' || !tag_end(&t, "%}", false))
			return false;
	} else if (!tag_end(&t, "%}", true))
		return false;
	x->at = t.at;
	x->line = t.line;
	x->line_start = t.line_start;
	return true;
}

static char sign_of(const struct lex *x, size_t at)
{
	char c = at < x->n ? x->s[at] : 0;

	return c == '-' || c == '+' ? c : 0;
}

static int raw_text(struct lex *x)
{
	size_t b = x->at;
	bool start = x->line_start;

	if (x->at == x->n)
		return 0;
	for (; x->at < x->n; skip(x, 1)) {
		size_t e = x->at;

		if (!here(x, "{%") || !raw_tag(x, "endraw"))
			continue;
		{
			bool after = x->line_start;

			x->line_start = start;
			put_text(x, b, e, sign_of(x, e + 2), false);
			x->line_start = after;
		}
		return 0;
	}
	return bad(x, "'raw' without 'endraw'");
}

/* --- inside a tag --- */

static int hex(struct lex *x, int digits, uint32_t *out)
{
	*out = 0;
	for (int i = 0; i < digits; i++) {
		char c = x->at < x->n ? x->s[x->at] : 0;
		int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;

		if (d < 0)
			return bad(x, "bad escape in a string");
		*out = *out << 4 | (uint32_t)d;
		x->at++;
	}
	if (*out > 0x10ffff || (*out >= 0xd800 && *out < 0xe000))
		return bad(x, "an escape that is no character");
	return 0;
}

/* What follows a backslash.  Those that are not known stay as they are. */
static int escape(struct lex *x, struct bytes *out)
{
	static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
	char c = x->s[x->at];
	const char *k = strchr(from, c);
	uint32_t cp = 0;

	if (k && c) {
		bytes_put(out, &to[k - from], 1);
		x->at++;
		return 0;
	}
	if (c == '\n') {
		skip(x, 1);
		return 0;
	}
	if (c == 'x' || c == 'u' || c == 'U') {
		x->at++;
		if (hex(x, c == 'x' ? 2 : c == 'u' ? 4 : 8, &cp) < 0)
			return -1;
		bytes_cp(out, cp);
		return 0;
	}
	if (c == 'N')
		return err_set(ST_UNSUP, "template: line %u: characters by name are not supported", x->line);
	if (c >= '0' && c <= '7') {
		for (int i = 0; i < 3 && x->at < x->n && x->s[x->at] >= '0' && x->s[x->at] <= '7'; i++)
			cp = cp << 3 | (uint32_t)(x->s[x->at++] - '0');
		bytes_cp(out, cp);
		return 0;
	}
	bytes_put(out, "\\", 1);
	return 0;
}

static int string(struct lex *x)
{
	char quote = x->s[x->at++];
	struct jtok *t = push(x, T_STR);
	struct bytes b = { 0 };
	char *copy;

	while (x->at < x->n && x->s[x->at] != quote) {
		size_t run = x->at;

		if (x->s[run] == '\\') {
			x->at++;
			if (x->at == x->n)
				break;
			if (escape(x, &b) < 0) {
				bytes_free(&b);
				return -1;
			}
			continue;
		}
		while (run < x->n && x->s[run] != quote && x->s[run] != '\\')
			run++;
		bytes_put(&b, x->s + x->at, run - x->at);
		skip(x, run - x->at);
	}
	copy = arena_alloc(x->mem, b.n + 1);
	if (b.n)
		memcpy(copy, b.p, b.n);
	t->s = copy;
	t->n = b.n;
	bytes_free(&b);
	if (x->at == x->n)
		return bad(x, "a string without end");
	x->at++;
	return 0;
}

static bool digit(const struct lex *x, size_t at)
{
	return at < x->n && x->s[at] >= '0' && x->s[at] <= '9';
}

static size_t digits(const struct lex *x, size_t at)
{
	while (digit(x, at) || (at < x->n && x->s[at] == '_' && digit(x, at + 1)))
		at++;
	return at;
}

static int number(struct lex *x)
{
	size_t e = digits(x, x->at), k, n = 0;
	bool real = false;
	char tmp[64];
	bool part = x->at && x->s[x->at - 1] == '.';    /* of a.0.1 */
	struct jtok *t;

	if (!part && e < x->n && x->s[e] == '.' && digit(x, e + 1)) {
		e = digits(x, e + 1);
		real = true;
	}
	if (!part && e < x->n && (x->s[e] | 32) == 'e') {
		k = e + 1 + (e + 1 < x->n && (x->s[e + 1] == '-' || x->s[e + 1] == '+'));
		if (digit(x, k)) {
			e = digits(x, k);
			real = true;
		}
	}
	for (k = x->at; k < e; k++) {
		if (x->s[k] == '_')
			continue;
		if (n + 1 == sizeof(tmp))
			return bad(x, "a number too long");
		tmp[n++] = x->s[k];
	}
	tmp[n] = '\0';
	if (!real && n > 1 && tmp[0] == '0' && strspn(tmp, "0") != n)
		return bad(x, "a number that begins with 0");
	t = push(x, real ? T_FLOAT : T_INT);
	x->at = e;
	if (real) {
		t->f = strtod(tmp, NULL);
		return 0;
	}
	errno = 0;
	t->i = strtoll(tmp, NULL, 10);
	return errno ? err_set(ST_UNSUP, "template: line %u: numbers beyond 64 bits are not supported", x->line) : 0;
}

static bool wordy(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c & 0x80);
}

static int operator(struct lex *x)
{
	static const char two[][3] = { "//", "**", "==", "!=", ">=", "<=" };
	char c = x->s[x->at], want;
	struct jtok *t;

	for (size_t i = 0; i < sizeof(two) / sizeof(*two); i++)
		if (here(x, two[i])) {
			t = push(x, T_OP);
			t->op = OP2(two[i][0], two[i][1]);
			x->at += 2;
			return 0;
		}
	if (!c || !strchr("+-/*%~[](){}><=.:|,;", c))
		return bad(x, "a character that does not belong into a tag");
	if (strchr("([{", c)) {
		if (x->nopen == JINJA_DEPTH)
			return err_set(ST_UNSUP, "template: line %u: nested too deep", x->line);
		x->open[x->nopen++] = c == '(' ? ')' : c == '[' ? ']' : '}';
	} else if (strchr(")]}", c)) {
		want = x->nopen ? x->open[--x->nopen] : 0;
		if (want != c)
			return bad(x, "brackets do not match");
	}
	t = push(x, T_OP);
	t->op = c;
	x->at++;
	return 0;
}

static int tag(struct lex *x, bool variable)
{
	struct jtok *t;
	int rc = 0;

	push(x, variable ? T_VAR : T_BLOCK);
	x->nopen = 0;
	while (rc == 0) {
		skip_space(x);
		if (x->at == x->n)
			return bad(x, "a tag without end");
		if (!x->nopen && tag_end(x, variable ? "}}" : "%}", !variable)) {
			push(x, variable ? T_VAR_END : T_BLOCK_END);
			return 0;
		}
		if (digit(x, x->at))
			rc = number(x);
		else if (wordy(x->s[x->at])) {
			t = push(x, T_NAME);
			t->s = x->s + x->at;
			while (x->at < x->n && wordy(x->s[x->at]))
				x->at++;
			t->n = (size_t)(x->s + x->at - t->s);
		} else if (x->s[x->at] == '"' || x->s[x->at] == '\'')
			rc = string(x);
		else
			rc = operator(x);
	}
	return rc;
}

static int run(struct lex *x)
{
	while (x->at < x->n) {
		size_t b = x->at, e = b;
		const char *p;
		char kind, sign;
		int rc = 0;

		while ((p = memchr(x->s + e, '{', x->n - e))) {
			e = (size_t)(p - x->s);
			if (e + 1 < x->n && strchr("{%#", x->s[e + 1]) && x->s[e + 1])
				break;
			e++;
		}
		if (!p) {
			put_text(x, b, x->n, '+', false);
			break;
		}
		kind = x->s[e + 1];
		sign = sign_of(x, e + 2);
		put_text(x, b, e, sign, kind == '{');
		skip(x, e - b);
		if (kind == '%' && raw_tag(x, "raw"))
			rc = raw_text(x);
		else {
			skip(x, 2 + (sign != 0));
			rc = kind == '#' ? comment(x) : tag(x, kind == '{');
		}
		if (rc < 0)
			return -1;
	}
	push(x, T_EOF);
	return 0;
}

int jinja_lex(struct arena *mem, const char *s, size_t n, struct jtok **out)
{
	struct lex x = { .mem = mem, .line = 1, .line_start = true };
	char *copy = arena_alloc(mem, n + 1);
	int rc;

	if (utf8_valid(s, n) != n)
		return err_set(ST_BAD, "template: not UTF-8 at byte %zu", utf8_valid(s, n));
	for (size_t i = 0; i < n; i++) {
		copy[x.n++] = s[i] == '\r' ? '\n' : s[i];
		if (s[i] == '\r' && i + 1 < n && s[i + 1] == '\n')
			i++;
	}
	if (x.n && copy[x.n - 1] == '\n')
		x.n--;
	copy[x.n] = '\0';
	x.s = copy;
	rc = run(&x);
	*out = arena_alloc(mem, (x.nv + 1) * sizeof(**out));
	if (x.nv)
		memcpy(*out, x.v, x.nv * sizeof(**out));
	free(x.v);
	return rc;
}
