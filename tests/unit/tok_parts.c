/* Each part of a tokenizer by itself, against what the reference library makes of it
 * (tests/golden/tok/parts.json, written by tests/oracle/tokenizers.py). */
#include "tok_help.h"

#include "data/detok.h"
#include "data/normalize.h"
#include "data/pretok.h"

static struct jtree golden;
static const struct jnode *strings, *lists;
static struct onig_room *room;

/* What a part is, for messages: its type, and the number of its row. */
static const char *label(const struct jnode *row, int n)
{
	static char text[200];
	const struct jnode *json = jt_get(row, "json"), *type = jt_get(json, "type"), *pat = jt_get(json, "pattern");
	const struct jnode *re = pat ? pat + 2 : NULL;

	snprintf(text, sizeof(text), "%d %s %s", n, type ? type->str : "?", re && re->type == JT_STR ? re->str : "");
	return text;
}

static void show(const char *what, const char *s, size_t n)
{
	char line[300];
	size_t k = 0;

	for (size_t i = 0; i < n && k < sizeof(line) - 8; i++)
		k += (size_t)snprintf(line + k, 8, (unsigned char)s[i] < 0x20 || s[i] == '#' ? "\\x%02x" : "%c",
		                      (unsigned char)s[i]);
	line[k] = '\0';
	diag("%s '%s'", what, line);
}

struct pieces {
	const struct jnode *want, *next;        /* next: the piece expected */
	bool same;
	size_t n;
};

static int piece(void *arg, const char *s, size_t n)
{
	struct pieces *p = arg;

	if (p->n >= p->want->len || !text_is(s, n, p->next)) {
		if (p->same)
			show("unexpected piece", s, n);
		p->same = false;
		return 0;
	}
	p->n++;
	p->next += p->next->span;
	return 0;
}

static void test_pre(const struct jnode *row, int n)
{
	const struct jnode *out = jt_get(row, "out"), *in, *want = out + 1;
	struct pre_room pre = { 0 };
	struct pretok p;
	size_t good = 0;

	if (pretok_parse(&p, jt_get(row, "json")) < 0) {
		ok(false, "pre-tokenizer %s", label(row, n));
		diag("%s", err_msg());
		pretok_free(&p);
		return;
	}
	JT_EACH(in, strings) {
		struct pieces got = { want, want + 1, true, 0 };

		got.same &= pretok_run(&p, room, &pre, in->str, in->len, true, piece, &got) == 0;
		got.same &= got.n == want->len;
		if (!got.same)
			show("input", in->str, in->len);
		good += got.same;
		want += want->span;
	}
	ok(good == strings->len, "pre-tokenizer %s", label(row, n));
	pre_room_free(&pre);
	pretok_free(&p);
}

static void test_norm(const struct jnode *row, int n)
{
	const struct jnode *out = jt_get(row, "out"), *in, *want = out + 1;
	struct bytes tmp[2] = { { 0 }, { 0 } };
	struct normalizer z;
	size_t good = 0;

	if (normalizer_parse(&z, jt_get(row, "json")) < 0) {
		ok(false, "normaliser %s", label(row, n));
		diag("%s", err_msg());
		normalizer_free(&z);
		return;
	}
	JT_EACH(in, strings) {
		const char *s;
		size_t len;
		bool same = normalize(&z, room, tmp, in->str, in->len, &s, &len) == 0 && text_is(s, len, want);

		if (!same) {
			show("input", in->str, in->len);
			show("got", s, len);
			show("want", want->str, want->len);
		}
		good += same;
		want += want->span;
	}
	ok(good == strings->len, "normaliser %s", label(row, n));
	bytes_free(&tmp[0]);
	bytes_free(&tmp[1]);
	normalizer_free(&z);
}

static void test_dec(const struct jnode *row, int n)
{
	const struct jnode *out = jt_get(row, "out"), *list, *c, *want = out + 1;
	struct decoder d;
	size_t good = 0;

	if (decoder_parse(&d, jt_get(row, "json")) < 0) {
		ok(false, "decoder %s", label(row, n));
		diag("%s", err_msg());
		decoder_free(&d);
		return;
	}
	JT_EACH(list, lists) {
		struct spells in = { 0 };
		struct bytes text = { 0 };
		bool same;

		JT_EACH(c, list)
			spells_put(&in, c->str, c->len);
		bytes_need(&text, 1);
		same = decoder_run(&d, room, &in, &text) == 0 && text_is(text.p, text.n, want);
		if (!same) {
			show("got", text.p, text.n);
			show("want", want->str, want->len);
		}
		good += same;
		want += want->span;
		spells_free(&in);
		bytes_free(&text);
	}
	ok(good == lists->len, "decoder %s", label(row, n));
	decoder_free(&d);
}

static bool decodes(const struct tok *t, const struct ids *v, bool skip, const struct jnode *want)
{
	size_t n = 0;
	char *s = tok_decode(t, v->v, v->n, skip, &n);
	bool same = text_is(s, n, want);

	if (!same) {
		show("decoded", s ? s : err_msg(), s ? n : strlen(err_msg()));
		show("want", want->str, want->len);
	}
	free(s);
	return same;
}

/* [ids, ids with special tokens, text of those, text without special tokens] */
static bool row_same(const struct tok *t, const struct jnode *in, const struct jnode *want)
{
	const struct jnode *special = want + 1 + want[1].span, *text = special + special->span;
	struct ids v = { 0 }, w = { 0 };
	bool same = tok_encode(t, in->str, in->len, TOK_NO, &v) == 0 && ids_are(&v, want + 1);

	if (!same)
		ids_diag(&v);
	if (tok_encode(t, in->str, in->len, TOK_AUTO, &w) < 0 || !ids_are(&w, special)) {
		ids_diag(&w);
		same = false;
	}
	same = decodes(t, &w, false, text) && decodes(t, &w, true, text + 1) && same;
	if (!same)
		show("input", in->str, in->len);
	free(v.v);
	free(w.v);
	return same;
}

static void test_model(const struct jnode *row, int n)
{
	const struct jnode *out = jt_get(row, "out"), *in, *want = out + 1, *text = jt_get(row, "text");
	struct tok_files f = { .json = text->str, .json_len = text->len };
	struct tok *t;
	size_t good = 0;

	verbose = -1;                   /* ids that are not what the file says are meant */
	t = tok_load(&f);
	if (!t) {
		ok(false, "model %d", n);
		diag("%s", err_msg());
		return;
	}
	JT_EACH(in, strings) {
		good += row_same(t, in, want);
		want += want->span;
	}
	ok(good == strings->len, "model %d: %zu strings", n, strings->len);
	tok_free(t);
}

static void each(const char *key, void (*test)(const struct jnode *, int))
{
	const struct jnode *row;
	int n = 0;

	JT_EACH(row, jt_get(golden.v, key))
		test(row, n++);
}

int main(void)
{
	golden = slurp_json("tests/golden/tok/parts.json");
	strings = jt_get(golden.v, "strings");
	lists = jt_get(golden.v, "lists");
	room = onig_room_new();
	each("pre_tokenizers", test_pre);
	each("normalizers", test_norm);
	each("decoders", test_dec);
	each("models", test_model);
	onig_room_free(room);
	jtree_free(&golden);
	return done();
}
