#include "data/normalize.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MAX_STEPS = 4096 };
enum norm_kind {
	N_FORM, N_LOWER, N_STRIP, N_NOMARKS, N_REPLACE, N_PREPEND, N_BYTES, N_NMT, N_CHARSMAP,
	N_CLEAN, N_CHINESE, N_NOACCENTS         /* the parts of BertNormalizer */
};

struct norm_step {
	enum norm_kind kind;
	enum nform form;
	bool left, right;               /* N_STRIP */
	struct pattern pat;             /* N_REPLACE */
	const char *text;               /* replacement, prefix; borrowed */
	size_t len;
	struct charsmap map;
	unsigned char ascii[128];       /* of the steps by character: what becomes of ASCII; GONE: nothing */
};

int pattern_parse(struct pattern *p, const struct jnode *v)
{
	const struct jnode *s;
	int rc;

	memset(p, 0, sizeof(*p));
	if (v && v->type == JT_STR)
		s = v;
	else if ((rc = jt_str(v, "Regex", &s)) < 0)
		return -1;
	else if (rc) {
		p->re = onig_compile(s->str, s->len);
		return p->re ? 0 : -1;
	} else if ((rc = jt_str(v, "String", &s)) <= 0)
		return rc < 0 ? -1 : err_set(ST_BAD, "a pattern is neither String nor Regex");
	if (!s->len)
		return err_set(ST_UNSUP, "an empty pattern is not supported");
	p->lit = s->str;
	p->len = s->len;
	return 0;
}

int pattern_next(const struct pattern *p, struct onig_room *room, struct onig_walk *w)
{
	const char *hit;

	if (p->re)
		return onig_next(p->re, room, w);
	hit = p->len == 1 ? memchr(w->s + w->at, p->lit[0], w->n - w->at)
	                  : memmem(w->s + w->at, w->n - w->at, p->lit, p->len);
	if (!hit)
		return 0;
	w->b = (size_t)(hit - w->s);
	w->e = w->at = w->b + p->len;
	return 1;
}

void pattern_free(struct pattern *p)
{
	onig_free(p->re);
}

static bool nmt_deleted(uint32_t c)
{
	return (c >= 1 && c <= 8) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
}

static bool nmt_space(uint32_t c)
{
	return c == 9 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
	       c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
}

enum { GONE = 0xff };

static unsigned char of_ascii(enum norm_kind kind, unsigned char c)
{
	switch (kind) {
	case N_LOWER:
		return c >= 'A' && c <= 'Z' ? c | 32 : c;
	case N_NMT:
		return nmt_space(c) ? ' ' : nmt_deleted(c) ? GONE : c;
	case N_CLEAN:
		return c == 0 || cp_other(c) ? GONE : cp_space(c) ? ' ' : c;
	default:
		return c;
	}
}

static struct norm_step *step(struct normalizer *z, enum norm_kind kind)
{
	z->v = xgrow(z->v, z->n + 1, &z->cap, sizeof(*z->v));
	z->v[z->n] = (struct norm_step){ .kind = kind };
	for (unsigned char c = 0; c < 128; c++)
		z->v[z->n].ascii[c] = of_ascii(kind, c);
	return &z->v[z->n++];
}

static int parse_bert(struct normalizer *z, const struct jnode *v)
{
	bool clean = true, chinese = true, lower = true, strip;

	if (jt_bool(v, "clean_text", &clean) < 0 || jt_bool(v, "handle_chinese_chars", &chinese) < 0 ||
	    jt_bool(v, "lowercase", &lower) < 0)
		return -1;
	strip = lower;
	if (jt_bool(v, "strip_accents", &strip) < 0)
		return -1;
	if (clean)
		step(z, N_CLEAN);
	if (chinese)
		step(z, N_CHINESE);
	if (strip) {
		step(z, N_FORM)->form = NFD;
		step(z, N_NOACCENTS);
	}
	if (lower)
		step(z, N_LOWER);
	return 0;
}

static int parse_text(struct norm_step *st, const struct jnode *v, const char *key)
{
	const struct jnode *s;
	int rc = jt_str(v, key, &s);

	if (rc <= 0)
		return rc < 0 ? -1 : err_set(ST_BAD, "normaliser without '%s'", key);
	st->text = s->str;
	st->len = s->len;
	return 0;
}

static int parse_charsmap(struct normalizer *z, const struct jnode *v)
{
	struct norm_step *st = step(z, N_CHARSMAP);
	size_t len;
	void *blob;
	int rc;

	if (parse_text(st, v, "precompiled_charsmap") < 0 || !(blob = base64_decode(st->text, st->len, &len)))
		return -1;
	rc = charsmap_parse(&st->map, blob, len);
	free(blob);
	return rc;
}

static int parse_step(struct normalizer *z, const struct jnode *v)
{
	static const struct { const char *name; enum norm_kind kind; enum nform form; } plain[] = {
		{ "NFC", N_FORM, NFC }, { "NFD", N_FORM, NFD }, { "NFKC", N_FORM, NFKC }, { "NFKD", N_FORM, NFKD },
		{ "Lowercase", N_LOWER, 0 }, { "StripAccents", N_NOMARKS, 0 }, { "ByteLevel", N_BYTES, 0 },
		{ "Nmt", N_NMT, 0 },
	};
	const struct jnode *type, *list, *c;
	struct norm_step *st;
	int rc;

	if ((rc = jt_str(v, "type", &type)) <= 0)
		return rc < 0 ? -1 : err_set(ST_BAD, "a normaliser has no 'type'");
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (jt_is(type, plain[i].name)) {
			step(z, plain[i].kind)->form = plain[i].form;
			return 0;
		}
	if (jt_is(type, "Sequence")) {
		if ((rc = jt_arr(v, "normalizers", &list)) <= 0)
			return rc < 0 ? -1 : err_set(ST_BAD, "a normaliser Sequence has no 'normalizers'");
		JT_EACH(c, list)
			if (parse_step(z, c) < 0)
				return -1;
		return z->n > MAX_STEPS ? err_set(ST_UNSUP, "a normaliser of %zu steps", z->n) : 0;
	}
	if (jt_is(type, "BertNormalizer"))
		return parse_bert(z, v);
	if (jt_is(type, "Precompiled"))
		return parse_charsmap(z, v);
	if (jt_is(type, "Prepend")) {
		st = step(z, N_PREPEND);
		if (parse_text(st, v, "prepend") < 0)
			return -1;
		return st->len > 256 ? err_set(ST_BAD, "normaliser prepends %zu bytes", st->len) : 0;
	}
	if (jt_is(type, "Replace")) {
		st = step(z, N_REPLACE);
		return pattern_parse(&st->pat, jt_get(v, "pattern")) < 0 ? -1 : parse_text(st, v, "content");
	}
	if (jt_is(type, "Strip")) {
		st = step(z, N_STRIP);
		st->left = st->right = true;
		return jt_bool(v, "strip_left", &st->left) < 0 || jt_bool(v, "strip_right", &st->right) < 0 ? -1 : 0;
	}
	return err_set(ST_UNSUP, "normaliser '%.40s' is not supported", type->str);
}

int normalizer_parse(struct normalizer *z, const struct jnode *json)
{
	memset(z, 0, sizeof(*z));
	return json ? parse_step(z, json) : 0;
}

void normalizer_free(struct normalizer *z)
{
	for (size_t i = 0; i < z->n; i++) {
		pattern_free(&z->v[i].pat);
		charsmap_free(&z->v[i].map);
	}
	free(z->v);
	memset(z, 0, sizeof(*z));
}

/* A hostile file could blow up the text, at every match or by doubling it at every step.  Real steps stay
 * below 18 bytes for one (NFKD). */
static int check_size(const struct bytes *out, size_t n)
{
	if (out->n / 64 > n + (1 << 14))
		return err_set(ST_BAD, "normaliser makes more than %zu bytes of %zu", out->n, n);
	return 0;
}

static int replace(const struct norm_step *st, struct onig_room *room, struct bytes *out, const char *s, size_t n)
{
	struct onig_walk w = { .s = s, .n = n };
	size_t done = 0;
	int rc;

	while ((rc = pattern_next(&st->pat, room, &w)) > 0) {
		if (check_size(out, n) < 0)
			return -1;
		bytes_put(out, s + done, w.b - done);
		bytes_put(out, st->text, st->len);
		done = w.e;
	}
	bytes_put(out, s + done, n - done);
	return rc;
}

static bool chinese(uint32_t c)
{
	return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
	       (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
	       (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

/* A run of ASCII, which most text is made of.  Returns its length. */
static size_t ascii_run(const unsigned char *map, struct bytes *out, const char *s, size_t n)
{
	size_t i = 0;
	char *p;

	while (i < n && !(s[i] & 0x80))
		i++;
	bytes_need(out, i);
	p = out->p + out->n;
	for (size_t k = 0; k < i; k++) {
		*p = (char)map[(unsigned char)s[k]];
		p += map[(unsigned char)s[k]] != GONE;
	}
	out->n = (size_t)(p - out->p);
	return i;
}

/* The steps that look at one character at a time. */
static void per_char(const struct norm_step *st, struct bytes *out, const char *s, size_t n)
{
	enum norm_kind kind = st->kind;

	for (size_t i = 0; i < n;) {
		int len;
		uint32_t c;
		bool keep = true;

		if (!(s[i] & 0x80)) {
			i += ascii_run(st->ascii, out, s + i, n - i);
			continue;
		}
		c = utf8_get(s + i, &len);
		switch (kind) {
		case N_LOWER:
			bytes_lower(out, c);
			keep = false;
			break;
		case N_NOMARKS:
			keep = !cp_mark(c);
			break;
		case N_NOACCENTS:
			keep = !cp_nonspacing(c);
			break;
		case N_NMT:
			if (nmt_space(c))
				bytes_cp(out, ' ');
			keep = !nmt_space(c) && !nmt_deleted(c);
			break;
		case N_CLEAN:
			if (c == 0xfffd || cp_other(c))
				keep = false;
			else if (cp_space(c)) {
				bytes_cp(out, ' ');
				keep = false;
			}
			break;
		case N_CHINESE:
			if (chinese(c)) {
				bytes_cp(out, ' ');
				bytes_cp(out, c);
				bytes_cp(out, ' ');
				keep = false;
			}
			break;
		default:
			break;
		}
		if (keep)
			bytes_put(out, s + i, (size_t)len);
		i += (size_t)len;
	}
}

/* Not SentencePiece's rule: whole grapheme clusters shorter than six bytes are looked up first, and the
 * shortest key that begins one replaces all of it. */
static int map_chars(const struct charsmap *m, struct bytes *out, const char *s, size_t n)
{
	const char *to;
	size_t to_len, run;

	for (size_t i = 0, e; i < n; i = e) {
		int len, next_len;
		uint32_t c = utf8_get(s + i, &len), d;
		utf8proc_int32_t state = 0;

		if (check_size(out, n) < 0)
			return -1;
		run = charsmap_plain(m, s + i, n - i);
		if (run) {
			bytes_put(out, s + i, run);
			e = i + run;
			continue;
		}
		for (e = i + (size_t)len; e < n; e += (size_t)next_len, c = d) {
			d = utf8_get(s + e, &next_len);
			if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)d, &state))
				break;
		}
		if (e - i < 6 && charsmap_find(m, s + i, e - i, 1, &to, &to_len)) {
			bytes_put(out, to, to_len);
			continue;
		}
		for (size_t k = i; k < e; k += (size_t)len) {
			utf8_get(s + k, &len);
			if (charsmap_find(m, s + k, (size_t)len, 1, &to, &to_len))
				bytes_put(out, to, to_len);
			else
				bytes_put(out, s + k, (size_t)len);
		}
	}
	return 0;
}

static void strip(const struct norm_step *st, struct bytes *out, const char *s, size_t n)
{
	size_t b = 0;
	int len;

	while (st->left && b < n && cp_space(utf8_get(s + b, &len)))
		b += (size_t)len;
	while (st->right && n > b && cp_space(utf8_get(s + utf8_prev(s, n), &len)))
		n = utf8_prev(s, n);
	bytes_put(out, s + b, n - b);
}

static int run_step(const struct norm_step *st, struct onig_room *room, struct bytes *out, const char *s, size_t n)
{
	switch (st->kind) {
	case N_FORM:
		return nform_put(out, s, n, st->form);
	case N_STRIP:
		strip(st, out, s, n);
		return 0;
	case N_REPLACE:
		return replace(st, room, out, s, n);
	case N_PREPEND:
		if (n)
			bytes_put(out, st->text, st->len);
		bytes_put(out, s, n);
		return 0;
	case N_BYTES:
		bytes_standins(out, s, n);
		return 0;
	case N_CHARSMAP:
		return map_chars(&st->map, out, s, n);
	default:
		per_char(st, out, s, n);
		return 0;
	}
}

int normalize(const struct normalizer *z, struct onig_room *room, struct bytes *tmp, const char *s, size_t n,
              const char **out, size_t *out_n)
{
	size_t first = n;

	for (size_t i = 0; i < z->n; i++) {
		struct bytes *b = &tmp[i & 1];

		b->n = 0;
		bytes_need(b, 1);
		if (run_step(&z->v[i], room, b, s, n) < 0 || check_size(b, first) < 0)
			return -1;
		s = b->p;
		n = b->n;
	}
	*out = s;
	*out_n = n;
	return 0;
}
