/* The protobuf message of a SentencePiece model.  A field is a key (number << 3 | wire type) and a value:
 * type 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes.  Fields we do not know are skipped. */
#include "data/spm.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct pb {
	const unsigned char *p, *end;
};
struct field {
	uint64_t num;
	uint64_t val;                   /* varint or fixed */
	struct pb sub;                  /* length-delimited; else empty */
	bool bytes;
};

static int varint(struct pb *b, uint64_t *out)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 70 && b->p < b->end; shift += 7) {
		unsigned char c = *b->p++;

		if (shift < 64)
			v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*out = v;
			return 0;
		}
	}
	return -1;
}

/* 1: a field; 0: the end; -1: malformed. */
static int next(struct pb *b, struct field *f)
{
	uint64_t key, n;

	if (b->p == b->end)
		return 0;
	if (varint(b, &key) < 0 || key >> 3 == 0)
		return -1;
	memset(f, 0, sizeof(*f));
	f->num = key >> 3;
	switch (key & 7) {
	case 0:
		return varint(b, &f->val) < 0 ? -1 : 1;
	case 1:
	case 5:
		n = (key & 7) == 1 ? 8 : 4;
		if ((uint64_t)(b->end - b->p) < n)
			return -1;
		for (uint64_t i = 0; i < n; i++)
			f->val |= (uint64_t)b->p[i] << (8 * i);
		b->p += n;
		return 1;
	case 2:
		if (varint(b, &n) < 0 || n > (uint64_t)(b->end - b->p))
			return -1;
		f->sub = (struct pb){ b->p, b->p + n };
		f->bytes = true;
		b->p += n;
		return 1;
	default:
		return -1;
	}
}

static int parse_piece(struct spm *m, struct pb b)
{
	struct spm_piece p = { .type = SPM_NORMAL };
	struct field f;
	uint32_t bits;
	int rc;

	while ((rc = next(&b, &f)) > 0) {
		if (f.num == 1 && f.bytes) {
			p.s = (const char *)f.sub.p;
			if (f.sub.end - f.sub.p > INT32_MAX)
				return err_set(ST_BAD, "piece %zu is too long", m->n);
			p.len = (uint32_t)(f.sub.end - f.sub.p);
		} else if (f.num == 2 && !f.bytes) {
			bits = (uint32_t)f.val;
			memcpy(&p.score, &bits, 4);
		} else if (f.num == 3 && !f.bytes) {
			if (f.val < SPM_NORMAL || f.val > SPM_BYTE)
				return err_set(ST_UNSUP, "piece %zu is of unknown type %llu", m->n,
				               (unsigned long long)f.val);
			p.type = (enum spm_type)f.val;
		}
	}
	if (rc < 0)
		return -1;
	if (!p.len || !isfinite(p.score) || utf8_valid(p.s, p.len) != p.len)
		return err_set(ST_BAD, "piece %zu is empty, not UTF-8 or has no score", m->n);
	m->piece = xgrow(m->piece, m->n + 1, &m->cap, sizeof(*m->piece));
	m->piece[m->n++] = p;
	return 0;
}

static int parse_trainer(struct spm *m, struct pb b)
{
	struct field f;
	int rc;

	while ((rc = next(&b, &f)) > 0)
		switch (f.num) {
		case 3:
			if (f.val < SPM_UNIGRAM || f.val > SPM_CHAR)
				return err_set(ST_UNSUP, "model type %llu is not known", (unsigned long long)f.val);
			m->model = (enum spm_model)f.val;
			break;
		case 24:
			m->suffix = f.val;
			break;
		case 35:
			m->byte_fallback = f.val;
			break;
		case 40:
			m->unk = (int32_t)f.val;
			break;
		case 41:
			m->bos = (int32_t)f.val;
			break;
		case 42:
			m->eos = (int32_t)f.val;
			break;
		case 44:
			if (f.bytes) {
				m->unk_text = (const char *)f.sub.p;
				m->unk_len = (size_t)(f.sub.end - f.sub.p);
			}
			break;
		}
	return rc;
}

static int parse_normalizer(struct spm *m, struct pb b)
{
	struct field f;
	int rc;

	while ((rc = next(&b, &f)) > 0)
		switch (f.num) {
		case 2:
			charsmap_free(&m->map);
			if (f.bytes && charsmap_parse(&m->map, f.sub.p, (size_t)(f.sub.end - f.sub.p)) < 0)
				return -1;
			break;
		case 3:
			m->dummy_prefix = f.val;
			break;
		case 4:
			m->squeeze = f.val;
			break;
		case 5:
			m->escape = f.val;
			break;
		}
	return rc;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int check(struct spm *m)
{
	bool marker = false;

	for (int i = 0; i < 256; i++)
		m->byte_id[i] = -1;
	cutset_init(&m->cut);
	for (size_t i = 0; i < m->n; i++) {
		const struct spm_piece *p = &m->piece[i];

		if (p->type == SPM_BYTE) {
			if (p->len != 6 || memcmp(p->s, "<0x", 3) || p->s[5] != '>' || hex(p->s[3]) < 0 ||
			    hex(p->s[4]) < 0)
				return err_set(ST_BAD, "piece %zu is no byte", i);
			m->byte_id[hex(p->s[3]) << 4 | hex(p->s[4])] = (int32_t)i;
		}
		if (p->type == SPM_USER && trie_put(&m->user, p->s, p->len, (int32_t)i) < 0)
			return -1;
		if (p->type == SPM_UNUSED)
			m->unused = true;
		if (p->type == SPM_UNKNOWN)
			m->unk = (int32_t)i;
		if (p->type == SPM_NORMAL || p->type == SPM_USER || p->type == SPM_UNUSED) {
			marker |= p->len == 3 && !memcmp(p->s, "\xe2\x96\x81", 3);
			cutset_text(&m->cut, p->s, p->len);
		}
	}
	m->cut.on = marker;
	if (m->unk < 0 || (size_t)m->unk >= m->n)
		return err_set(ST_BAD, "no unknown piece");
	return 0;
}

int spm_parse(struct spm *m, const void *buf, size_t len)
{
	struct pb b = { buf, (const unsigned char *)buf + len };
	struct field f;
	int rc;

	memset(m, 0, sizeof(*m));
	trie_init(&m->user);
	trie_init(&m->unigram.trie);
	m->model = SPM_UNIGRAM;
	m->unk = 0;
	m->bos = 1;
	m->eos = 2;
	m->unk_text = " \xe2\x81\x87 ";
	m->unk_len = 5;
	m->dummy_prefix = m->squeeze = m->escape = true;
	err_clear();
	while ((rc = next(&b, &f)) > 0) {
		if (f.num == 1 && f.bytes)
			rc = parse_piece(m, f.sub);
		else if (f.num == 2 && f.bytes)
			rc = parse_trainer(m, f.sub);
		else if (f.num == 3 && f.bytes)
			rc = parse_normalizer(m, f.sub);
		else if (f.num > 3 && !m->n)
			rc = -1;                /* no model begins so */
		if (rc < 0)
			break;
	}
	if (rc == 0 && m->n == 0)
		rc = -1;
	if (rc == 0)
		return check(m);
	/* The parsers above set an error only where they have more to say. */
	return err_status() == ST_FAIL ? err_set(ST_BAD, "not a SentencePiece model") : -1;
}

void spm_free(struct spm *m)
{
	free(m->piece);
	charsmap_free(&m->map);
	trie_free(&m->user);
	cutset_free(&m->cut);
	unigram_free(&m->unigram);
	memset(m, 0, sizeof(*m));
}
