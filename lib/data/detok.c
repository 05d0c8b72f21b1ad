#include "data/detok.h"

#include "base/err.h"
#include "base/mem.h"
#include "data/normalize.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 64 };

struct dec_step {
	enum dec_kind { D_BYTES, D_REPLACE, D_FALLBACK, D_FUSE, D_STRIP, D_METASPACE, D_WORDPIECE, D_SUFFIX } kind;
	struct pattern pat;             /* D_REPLACE */
	const char *text;               /* replacement, prefix, suffix, or the character stripped or replaced */
	size_t len;
	size_t start, stop;             /* D_STRIP: how many at most */
	bool flag;                      /* D_METASPACE: the first token drops it; D_WORDPIECE: clean up */
};

void spells_put(struct spells *l, const char *s, size_t n)
{
	bytes_put(&l->text, s, n);
	l->end = xgrow(l->end, l->n + 1, &l->cap, sizeof(*l->end));
	l->end[l->n++] = l->text.n;
}

void spells_free(struct spells *l)
{
	bytes_free(&l->text);
	free(l->end);
	memset(l, 0, sizeof(*l));
}

/* The spelling put so far, behind the last end, becomes one of the list. */
static void close_spell(struct spells *l)
{
	spells_put(l, NULL, 0);
}

static int text_of(struct dec_step *st, const struct jnode *v, const char *key, const char *def)
{
	const struct jnode *s;
	int rc = jt_str(v, key, &s);

	st->text = rc > 0 ? s->str : def;
	st->len = rc > 0 ? s->len : strlen(def);
	return rc < 0 ? -1 : 0;
}

static int parse_metaspace(struct dec_step *st, const struct jnode *v)
{
	const struct jnode *s;
	int rc;

	st->flag = true;
	if (text_of(st, v, "replacement", "\xe2\x96\x81") < 0 || jt_bool(v, "add_prefix_space", &st->flag) < 0 ||
	    (rc = jt_str(v, "prepend_scheme", &s)) < 0)
		return -1;
	if (rc)
		st->flag = !jt_is(s, "never");
	return st->len ? 0 : err_set(ST_BAD, "Metaspace without 'replacement'");
}

static int parse_strip(struct dec_step *st, const struct jnode *v)
{
	int64_t a = 0, b = 0;

	if (text_of(st, v, "content", " ") < 0 || jt_int(v, "start", 0, INT32_MAX, &a) < 0 ||
	    jt_int(v, "stop", 0, INT32_MAX, &b) < 0)
		return -1;
	st->start = (size_t)a;
	st->stop = (size_t)b;
	return st->len ? 0 : err_set(ST_BAD, "decoder Strip without 'content'");
}

static int parse_step(struct decoder *d, const struct jnode *v)
{
	static const struct { const char *name; enum dec_kind kind; } known[] = {
		{ "ByteLevel", D_BYTES }, { "Replace", D_REPLACE }, { "ByteFallback", D_FALLBACK }, { "Fuse", D_FUSE },
		{ "Strip", D_STRIP }, { "Metaspace", D_METASPACE }, { "WordPiece", D_WORDPIECE },
		{ "BPEDecoder", D_SUFFIX },
	};
	const struct jnode *type, *list, *c;
	struct dec_step *st = NULL;
	int rc;

	if ((rc = jt_str(v, "type", &type)) <= 0)
		return rc < 0 ? -1 : err_set(ST_BAD, "a decoder has no 'type'");
	if (jt_is(type, "Sequence")) {
		if ((rc = jt_arr(v, "decoders", &list)) <= 0)
			return rc < 0 ? -1 : err_set(ST_BAD, "a decoder Sequence has no 'decoders'");
		JT_EACH(c, list)
			if (parse_step(d, c) < 0)
				return -1;
		return d->n > MAX_STEPS ? err_set(ST_UNSUP, "a decoder of %zu steps", d->n) : 0;
	}
	d->v = xgrow(d->v, d->n + 1, &d->cap, sizeof(*d->v));
	for (size_t i = 0; i < sizeof(known) / sizeof(*known) && !st; i++)
		if (jt_is(type, known[i].name)) {
			st = &d->v[d->n++];
			*st = (struct dec_step){ .kind = known[i].kind };
		}
	if (!st)
		return err_set(ST_UNSUP, "decoder '%.40s' is not supported", type->str);
	switch (st->kind) {
	case D_REPLACE:
		return pattern_parse(&st->pat, jt_get(v, "pattern")) < 0 ? -1 : text_of(st, v, "content", "");
	case D_STRIP:
		return parse_strip(st, v);
	case D_METASPACE:
		return parse_metaspace(st, v);
	case D_WORDPIECE:
		st->flag = true;
		return text_of(st, v, "prefix", "##") < 0 || jt_bool(v, "cleanup", &st->flag) < 0 ? -1 : 0;
	case D_SUFFIX:
		return text_of(st, v, "suffix", "</w>");
	default:
		return 0;
	}
}

int decoder_parse(struct decoder *d, const struct jnode *json)
{
	memset(d, 0, sizeof(*d));
	d->none = !json;
	return json ? parse_step(d, json) : 0;
}

void decoder_free(struct decoder *d)
{
	for (size_t i = 0; i < d->n; i++)
		pattern_free(&d->v[i].pat);
	free(d->v);
	memset(d, 0, sizeof(*d));
}

/* --- the steps --- */

struct span {
	const char *s;
	size_t n;
};

static struct span nth(const struct spells *l, size_t i)
{
	size_t b = i ? l->end[i - 1] : 0;

	return (struct span){ l->text.p ? l->text.p + b : "", l->end[i] - b };
}

/* All of them become one: bytes where a spelling is made of stand-ins, else the spelling itself. */
static void run_bytes(const struct spells *in, struct spells *out)
{
	struct bytes raw = { 0 };

	for (size_t i = 0; i < in->n; i++) {
		struct span t = nth(in, i);
		size_t mark = raw.n;
		int len, b = 0;

		for (size_t k = 0; k < t.n && b >= 0; k += (size_t)len) {
			b = standin_byte(utf8_get(t.s + k, &len));
			if (b >= 0)
				bytes_put(&raw, &(char){ (char)b }, 1);
		}
		if (b < 0) {
			raw.n = mark;
			bytes_put(&raw, t.s, t.n);
		}
	}
	if (raw.n)
		utf8_lossy(&out->text, raw.p, raw.n);
	close_spell(out);
	bytes_free(&raw);
}

static int replace_all(struct bytes *out, struct span t, const struct pattern *pat, struct onig_room *room,
                       const char *with, size_t nwith)
{
	struct onig_walk w = { .s = t.s, .n = t.n };
	size_t done = 0;
	int rc;

	if (!t.n)
		return 0;
	while ((rc = pattern_next(pat, room, &w)) > 0) {
		bytes_put(out, t.s + done, w.b - done);
		bytes_put(out, with, nwith);
		done = w.e;
	}
	bytes_put(out, t.s + done, t.n - done);
	return rc;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static void flush_run(struct spells *out, struct bytes *run)
{
	if (!run->n)
		return;
	if (utf8_valid(run->p, run->n) == run->n)
		spells_put(out, run->p, run->n);
	else
		for (size_t i = 0; i < run->n; i++)
			spells_put(out, "\xef\xbf\xbd", 3);
	run->n = 0;
}

static void run_fallback(const struct spells *in, struct spells *out)
{
	struct bytes run = { 0 };

	for (size_t i = 0; i < in->n; i++) {
		struct span t = nth(in, i);

		if (t.n == 6 && !memcmp(t.s, "<0x", 3) && t.s[5] == '>' && nibble(t.s[3]) >= 0 && nibble(t.s[4]) >= 0) {
			bytes_put(&run, &(char){ (char)(nibble(t.s[3]) << 4 | nibble(t.s[4])) }, 1);
			continue;
		}
		flush_run(out, &run);
		spells_put(out, t.s, t.n);
	}
	flush_run(out, &run);
	bytes_free(&run);
}

static struct span strip(const struct dec_step *st, struct span t)
{
	for (size_t i = 0; i < st->start && t.n >= st->len && !memcmp(t.s, st->text, st->len); i++) {
		t.s += st->len;
		t.n -= st->len;
	}
	for (size_t i = 0; i < st->stop && t.n >= st->len && !memcmp(t.s + t.n - st->len, st->text, st->len); i++)
		t.n -= st->len;
	return t;
}

/* The clean-up of BERT's decoder, on one token with its space. */
static void clean_up(struct bytes *out, struct span t)
{
	static const char *const pair[][2] = {
		{ " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" }, { " n't", "n't" },
		{ " 'm", "'m" }, { " do not", " don't" }, { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
	};
	struct bytes tmp[2] = { { 0 }, { 0 } };

	for (size_t i = 0; i < sizeof(pair) / sizeof(*pair); i++) {
		struct pattern pat = { .lit = pair[i][0], .len = strlen(pair[i][0]) };
		struct bytes *b = &tmp[i & 1];

		b->n = 0;
		replace_all(b, t, &pat, NULL, pair[i][1], strlen(pair[i][1]));
		t = (struct span){ b->p, b->n };
	}
	bytes_put(out, t.s, t.n);
	bytes_free(&tmp[0]);
	bytes_free(&tmp[1]);
}

static void run_wordpiece(const struct dec_step *st, size_t i, struct span t, struct bytes *out)
{
	struct bytes tmp = { 0 };

	if (i && t.n >= st->len && !memcmp(t.s, st->text, st->len))
		bytes_put(&tmp, t.s + st->len, t.n - st->len);
	else {
		if (i)
			bytes_put(&tmp, " ", 1);
		bytes_put(&tmp, t.s, t.n);
	}
	if (st->flag)
		clean_up(out, (struct span){ tmp.p, tmp.n });
	else
		bytes_put(out, tmp.p, tmp.n);
	bytes_free(&tmp);
}

static int run_step(const struct dec_step *st, struct onig_room *room, const struct spells *in, struct spells *out)
{
	struct pattern text = { .lit = st->text, .len = st->len };

	if (st->kind == D_BYTES) {
		run_bytes(in, out);
		return 0;
	}
	if (st->kind == D_FALLBACK) {
		run_fallback(in, out);
		return 0;
	}
	if (st->kind == D_FUSE) {
		spells_put(out, in->text.p, in->n ? in->end[in->n - 1] : 0);
		return 0;
	}
	for (size_t i = 0; i < in->n; i++) {
		struct span t = nth(in, i);
		int rc = 0;

		switch (st->kind) {
		case D_REPLACE:
			rc = replace_all(&out->text, t, &st->pat, room, st->text, st->len);
			break;
		case D_STRIP:
			t = strip(st, t);
			bytes_put(&out->text, t.s, t.n);
			break;
		case D_METASPACE:
			rc = replace_all(&out->text, t, &text, room, " ", i == 0 && st->flag ? 0 : 1);
			break;
		case D_WORDPIECE:
			run_wordpiece(st, i, t, &out->text);
			break;
		case D_SUFFIX:
			rc = st->len ? replace_all(&out->text, t, &text, room, " ", i + 1 < in->n) : 0;
			break;
		default:
			break;
		}
		if (rc < 0)
			return -1;
		close_spell(out);
		if (out->text.n / 64 > in->text.n + (1 << 20))
			return err_set(ST_BAD, "decoder makes more than %zu bytes of %zu", out->text.n, in->text.n);
	}
	return 0;
}

int decoder_run(const struct decoder *d, struct onig_room *room, struct spells *in, struct bytes *out)
{
	struct spells other = { 0 };
	int rc = 0;

	for (size_t i = 0; i < d->n && rc == 0; i++) {
		struct spells t;

		other.n = other.text.n = 0;
		rc = run_step(&d->v[i], room, in, &other);
		t = *in;
		*in = other;
		other = t;
	}
	for (size_t i = 0; i < in->n && rc == 0; i++) {
		struct span t = nth(in, i);

		if (d->none && i)
			bytes_put(out, " ", 1);
		bytes_put(out, t.s, t.n);
	}
	spells_free(&other);
	return rc;
}
