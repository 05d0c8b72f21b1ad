/* SentencePiece's tokenizer.model, written: a protocol-buffers message out of pieces, scores and types.
 *
 *   1 pieces { 1 piece: bytes  2 score: float  3 type: enum (1 = normal, left out) }
 *   2 trainer_spec { 3 model_type = 2 (BPE)  4 vocab_size  35 byte_fallback  40 unk_id  41 bos_id  42 eos_id
 *                    43 pad_id  45..48 their pieces }
 *   3 normalizer_spec { 1 name  2 precompiled_charsmap  3 add_dummy_prefix  4 remove_extra_whitespaces
 *                       5 escape_whitespaces }
 *
 * A field is a varint of number * 8 + wire type (0 varint, 2 length and bytes, 5 four bytes), then the value. */
#include "import/ggufile.h"

#include "base/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BYTE = 6 };

static void varint(struct text *t, uint64_t v)
{
	do {
		char c = (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));

		text_add(t, &c, 1);
		v >>= 7;
	} while (v);
}

static void put_int(struct text *t, unsigned field, int64_t v)
{
	varint(t, field << 3);
	varint(t, (uint64_t)v);
}

static void put_bytes(struct text *t, unsigned field, const void *p, size_t n)
{
	varint(t, field << 3 | 2);
	varint(t, n);
	text_add(t, p, n);
}

static void put_float(struct text *t, unsigned field, const uint8_t *le)
{
	varint(t, field << 3 | 5);
	text_add(t, le, 4);
}

static void trainer(struct text *out, const struct gguf_kv *tok, const struct gguf_str *s, const int64_t *id,
                    bool bytes)
{
	/* fields in the order of TOK_*; absent ids are -1, which is how the format says "none" */
	static const unsigned id_field[TOK_N] = { 41, 42, 40, 43 }, piece_field[TOK_N] = { 46, 47, 45, 48 };
	struct text t = { 0 };

	put_int(&t, 3, 2);
	put_int(&t, 4, (int64_t)tok->n);
	put_int(&t, 35, bytes);
	for (int k = 0; k < TOK_N; k++) {
		put_int(&t, id_field[k], id[k]);
		if (s[k].s)
			put_bytes(&t, piece_field[k], s[k].s, (size_t)s[k].n);
	}
	put_bytes(out, 2, t.s, t.n);
	free(t.s);
}

static int normalizer(struct text *out, const struct gguf *g)
{
	const struct gguf_kv *map = NULL;
	bool prefix = true, squeeze = false;
	struct text t = { 0 };

	if (gguf_bool(g, "tokenizer.ggml.add_space_prefix", &prefix) < 0 ||
	    gguf_bool(g, "tokenizer.ggml.remove_extra_whitespaces", &squeeze) < 0 ||
	    gguf_array(g, "tokenizer.ggml.precompiled_charsmap", GV_U8, &map) < 0)
		return -1;
	put_bytes(&t, 1, map ? "given" : "identity", map ? 5 : 8);
	if (map)
		put_bytes(&t, 2, map->data, (size_t)map->n);
	put_int(&t, 3, prefix);
	put_int(&t, 4, squeeze);
	put_int(&t, 5, 1);
	put_bytes(out, 3, t.s, t.n);
	free(t.s);
	return 0;
}

int gguf_spm(const struct gguf *g, struct source *src)
{
	const struct gguf_kv *tok = NULL, *scores = NULL, *types = NULL;
	struct gguf_str s[TOK_N] = { { NULL, 0 } };
	struct text out = { 0 }, one = { 0 };
	int64_t id[TOK_N];
	const uint8_t *p;
	bool bytes = false;

	if (gguf_array(g, "tokenizer.ggml.tokens", GV_STR, &tok) < 0 ||
	    gguf_array(g, "tokenizer.ggml.scores", GV_F32, &scores) < 0 ||
	    gguf_array(g, "tokenizer.ggml.token_type", GV_I32, &types) < 0 || gguf_special(g, id) < 0)
		return -1;
	if (!tok || !scores || !types || scores->n != tok->n || types->n != tok->n)
		return err_set(ST_BAD, "GGUF: tokens, scores and types of the tokenizer do not match");
	if (id[TOK_UNK] < 0)
		id[TOK_UNK] = 0;
	p = tok->data;
	for (uint64_t i = 0; i < tok->n; i++) {
		struct gguf_str x = gguf_next(&p);
		float score;
		uint8_t type = types->data[4 * i];

		memcpy(&score, scores->data + 4 * i, 4);
		if (!isfinite(score) || type < 1 || type > BYTE || types->data[4 * i + 1] || types->data[4 * i + 2] ||
		    types->data[4 * i + 3]) {
			free(out.s);
			free(one.s);
			return err_set(ST_BAD, "GGUF: token %llu has a score or a type that cannot be",
			               (unsigned long long)i);
		}
		for (int k = 0; k < TOK_N; k++)
			if (id[k] == (int64_t)i)
				s[k] = x;
		bytes = bytes || type == BYTE;
		one.n = 0;
		put_bytes(&one, 1, x.s, (size_t)x.n);
		put_float(&one, 2, scores->data + 4 * i);
		if (type != 1)
			put_int(&one, 3, type);
		put_bytes(&out, 1, one.s, one.n);
	}
	free(one.s);
	trainer(&out, tok, s, id, bytes);
	if (normalizer(&out, g) < 0) {
		free(out.s);
		return -1;
	}
	source_add_file(src, "tokenizer/tokenizer.model", out.s, out.n);
	return 0;
}
