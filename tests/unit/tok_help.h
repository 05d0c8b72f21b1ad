/* What the tokenizer tests share: files of ../shared, SHA-256, the golden vectors' shape. */
#ifndef TOK_HELP_H
#define TOK_HELP_H

#include "tap.h"

#include "base/err.h"
#include "base/mem.h"
#include "data/jtree.h"
#include "data/tok.h"
#include "data/chars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline const char *shared(void)
{
	const char *s = getenv("LLMC_SHARED");

	if (!s)
		s = getenv("SHARED");
	return s ? s : "../shared";
}

/* Whether the data is there that is too large for the project; says once that its tests are skipped if not. */
static inline bool have_shared(const char *path)
{
	static bool said;
	char *full = xasprintf("%s/%s", shared(), path);
	bool there = access(full, R_OK) == 0;

	free(full);
	if (!there && !said)
		ok(true, "what needs shared/%s # SKIP it is not there", path);
	said |= !there;
	return there;
}

/* The file's bytes, NUL behind them; a test that cannot find its data fails here. */
static inline char *slurp(const char *path, size_t *len)
{
	char *full = path[0] == '/' || !strncmp(path, "tests/", 6) ? xstrdup(path) : xasprintf("%s/%s", shared(), path);
	struct bytes b = { 0 };
	FILE *f = fopen(full, "rb");
	size_t k;

	if (!f) {
		printf("Bail out! cannot open '%s'\n", full);
		exit(1);
	}
	do {
		bytes_need(&b, 1 << 16);
		k = fread(b.p + b.n, 1, (1 << 16) - 1, f);
		b.n += k;
	} while (k);
	fclose(f);
	free(full);
	b.p[b.n] = '\0';
	*len = b.n;
	return b.p;
}

static inline struct jtree slurp_json(const char *path)
{
	struct jtree t;
	size_t n;
	char *s = slurp(path, &n);

	if (jtree_parse(&t, s, n, path) < 0) {
		printf("Bail out! %s\n", err_msg());
		exit(1);
	}
	free(s);
	return t;
}

#define ROBERTA "{\"tokenizer_class\":\"RobertaTokenizer\",\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"," \
	"\"pad_token\":\"<pad>\",\"unk_token\":\"<unk>\",\"mask_token\":{\"content\":\"<mask>\",\"lstrip\":true}}"

/* A tokenizer from a file, a second one and a configuration, which may be text; the latter two may be NULL.
 * What the file is, its name says: X.model and X.json are tokenizer.model and tokenizer.json. */
static inline struct tok *tok_from(const char *file, const char *more, const char *config)
{
	struct tok_files f = { 0 };
	size_t n = 0, k = 0, c = 0;
	char *s = slurp(file, &n), *m = more ? slurp(more, &k) : NULL, *conf = NULL;
	const char *ext = strrchr(file, '.');
	struct tok *t;

	if (!strcmp(ext, ".model"))
		tok_files_set(&f, "tokenizer.model", s, n);
	else if (!tok_files_set(&f, strrchr(file, '/') + 1, s, n))
		tok_files_set(&f, "tokenizer.json", s, n);
	if (more)
		tok_files_set(&f, strrchr(more, '/') + 1, m, k);
	if (config) {
		conf = config[0] == '{' ? xstrdup(config) : slurp(config, &c);
		tok_files_set(&f, "tokenizer_config.json", conf, strlen(conf));
	}
	t = tok_load(&f);
	if (!t)
		diag("%s: %s", file, err_msg());
	free(s);
	free(m);
	free(conf);
	return t;
}

/* FIPS 180-4. */
static inline void sha256_block(uint32_t *h, const unsigned char *p)
{
	static const uint32_t k[64] = {
		0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
		0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
		0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
		0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
		0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
		0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
		0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
		0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
	};
	uint32_t w[64], v[8];

#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 |
		       p[4 * i + 3];
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] + (ROR(w[i - 15], 7) ^ ROR(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       (ROR(w[i - 2], 17) ^ ROR(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(v, h, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t a = v[0], e = v[4];
		uint32_t t1 = v[7] + (ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
		uint32_t t2 = (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(*v));
		v[0] = t1 + t2;
		v[4] += t1;
	}
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
#undef ROR
}

static inline void sha256(const void *buf, size_t n, char hex[65])
{
	uint32_t h[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	unsigned char tail[128] = { 0 };
	size_t full = n / 64 * 64, k = n - full;

	for (size_t i = 0; i < full; i += 64)
		sha256_block(h, (const unsigned char *)buf + i);
	memcpy(tail, (const unsigned char *)buf + full, k);
	tail[k] = 0x80;
	k = k < 56 ? 64 : 128;
	for (int i = 0; i < 8; i++)
		tail[k - 1 - (size_t)i] = (unsigned char)((uint64_t)n * 8 >> (8 * i));
	for (size_t i = 0; i < k; i += 64)
		sha256_block(h, tail + i);
	for (int i = 0; i < 8; i++)
		snprintf(hex + 8 * i, 9, "%08x", (unsigned)h[i]);
}

/* ids as little-endian uint32; this machine's order. */
static inline bool ids_sha(const struct ids *v, size_t n, const char *want)
{
	char hex[65];

	if (n > v->n)
		return false;
	sha256(v->v, n * 4, hex);
	return !strcmp(hex, want);
}

static inline bool ids_are(const struct ids *v, const struct jnode *want)
{
	const struct jnode *c;
	size_t i = 0;

	if (!want || v->n != want->len)
		return false;
	JT_EACH(c, want)
		if (v->v[i++] != (int32_t)c->num)
			return false;
	return true;
}

static inline void ids_diag(const struct ids *v)
{
	char line[400];
	size_t n = 0;

	for (size_t i = 0; i < v->n && n < sizeof(line) - 16; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %d", v->v[i]);
	line[n] = '\0';
	diag("got%s", line);
}

static inline bool text_is(const char *s, size_t n, const struct jnode *want)
{
	return s && want && want->len == n && !memcmp(s, want->str, n);
}

/* "utf8_hex" or "bytes_hex" as bytes. */
static inline char *unhex(const struct jnode *h, size_t *n)
{
	char *out = xmalloc(h->len / 2 + 1);

	for (size_t i = 0; i < h->len / 2; i++) {
		char two[3] = { h->str[2 * i], h->str[2 * i + 1], 0 };

		out[i] = (char)strtol(two, NULL, 16);
	}
	*n = h->len / 2;
	return out;
}

#endif
