/* The quantized record: dequantization against golden values, and what the check lets through. */
#include "tensor/qrec.h"

#include "base/err.h"
#include "golden.h"
#include "tap.h"

#include <stdlib.h>

static struct qrec make(const char *text, int64_t out, int64_t in, struct arena *a)
{
	struct qspec s;
	struct qrec q;
	size_t ng;

	if (spec_parse(&s, text))
		abort();
	qrec_init(&q, &s, out, in, a);
	ng = (size_t)out * (size_t)q.ngroup;
	memset(q.code, 0, (size_t)(out * in));
	for (size_t i = 0; i < ng; i++)
		q.scale[i] = 1;
	if (q.zero)
		memset(q.zero, 0, ng);
	return q;
}

/* reference/golden/base_asym_g32.json: its formulas, and its digest of the weights. */
static void test_golden(void)
{
	struct arena a = { 0 };
	struct qrec q = make("int4:g32:asym", 32, 64, &a);
	float w[32 * 64], part[5 * 64];

	for (unsigned o = 0; o < 32; o++) {
		for (unsigned i = 0; i < 64; i++)
			q.code[o * 64 + i] = (uint8_t)((uint32_t)((o * 64 + i + 1) * 2654435761u) >> 28);
		for (unsigned g = 0; g < 2; g++) {
			q.zero[o * 2 + g] = (uint8_t)(1 + (o + 5 * g + 3) % 15);
			q.scale[o * 2 + g] = (1 + (float)((2 * o + g) % 8) / 8) / 64;
		}
	}
	q.scale_dt = DT_F16;
	ok(!qrec_check(&q, 32, 64), "golden record: passes");
	qrec_dequant(&q, 64, 0, 32, w);
	ok(fnv(w, sizeof(w)) == 0x7289311dbc8db7c2, "golden record: weights");
	qrec_dequant(&q, 64, 7, 12, part);
	ok(!memcmp(part, w + 7 * 64, sizeof(part)), "some rows of it");
	/* 2048 codes of 4 bits, 64 scales of 16 and zeros of 4 */
	is_near(qrec_bits(&q, 32, 64), 2048 * 4 + 64 * 20, 0, "golden record: bits");
	arena_free(&a);
}

/* algorithms-1 section 9, the first rows. */
static void test_vectors(void)
{
	static const uint8_t asym[] = { 0, 4, 7, 15 }, sym[] = { 8 - 5, 8 - 1, 8 + 1, 8 + 7 };
	static const double want_asym[] = { -.68, -.226667, .113333, 1.02 };
	static const double want_sym[] = { -.714286, -.142857, .142857, 1 };
	struct arena a = { 0 };
	struct qrec q = make("int4:asym", 1, 4, &a);
	float w[4];
	bool good = true;

	memcpy(q.code, asym, 4);
	q.scale[0] = .113333f;
	q.zero[0] = 6;
	qrec_dequant(&q, 4, 0, 1, w);
	for (int i = 0; i < 4; i++)
		good &= fabs(w[i] - want_asym[i]) < 5e-6;
	ok(good, "asymmetric");
	q = make("int4:sym", 1, 4, &a);
	memcpy(q.code, sym, 4);
	q.scale[0] = 1.f / 7;
	qrec_dequant(&q, 4, 0, 1, w);
	for (int i = 0; i < 4; i++)
		good &= fabs(w[i] - want_sym[i]) < 1e-6;
	ok(good, "symmetric: zero is 2^(bits-1)");
	arena_free(&a);
}

/* Groups that do not divide the row, and groups of permuted columns: value = column + 1 of its group's scale. */
static void test_groups(void)
{
	static const int32_t perm[] = { 9, 0, 3, 7, 1, 2, 8, 4, 6, 5 };
	struct arena a = { 0 };
	struct qrec q = make("int8:g4:asym", 2, 10, &a);
	float w[20];
	bool good = true;

	ok(q.group == 4 && q.ngroup == 3, "10 columns in groups of 4 are 3 groups");
	for (int i = 0; i < 20; i++)
		q.code[i] = (uint8_t)(i % 10 + 1);
	for (int g = 0; g < 6; g++)
		q.scale[g] = (float)(1 << g);
	qrec_dequant(&q, 10, 0, 2, w);
	for (int i = 0; i < 20; i++)
		good &= w[i] == (float)(i % 10 + 1) * (float)(1 << (i / 10 * 3 + i % 10 / 4));
	ok(good, "the last group is short");
	q.perm = arena_alloc(&a, sizeof(perm));
	memcpy(q.perm, perm, sizeof(perm));
	good = !qrec_check(&q, 2, 10);
	qrec_dequant(&q, 10, 0, 2, w);
	for (int r = 0; r < 2; r++)
		for (int k = 0; k < 10; k++)
			good &= w[r * 10 + perm[k]] == (float)(perm[k] + 1) * (float)(1 << (r * 3 + k / 4));
	ok(good, "with a permutation, column perm[k] is in group k / 4");
	is_near(qrec_bits(&q, 2, 10), 20 * 8 + 6 * 32 + 6 * 8 + 10 * 32, 0, "and its bits count");
	q = make("int4:g128", 3, 64, &a);
	ok(q.group == 64 && q.ngroup == 1 && !q.zero, "a group longer than the row is the row");
	q = make("int4:channel", 3, 64, &a);
	is_near(qrec_bits(&q, 3, 64), 3 * 64 * 4 + 3 * 32, 0, "a scale for each row");
	q = make("int4:tensor:asym", 3, 64, &a);
	ok(q.group == 64 && q.ngroup == 1, "per tensor: the row is one group");
	is_near(qrec_bits(&q, 3, 64), 3 * 64 * 4 + 32 + 4, 0, "one scale and one zero in all");
	arena_free(&a);
}

static void refuses(const struct qrec *q, const char *message)
{
	int rc = qrec_check(q, 4, 300);

	ok(rc == -1 && err_status() == ST_BAD && strstr(err_msg(), message), "refuses: %s", message);
	if (!rc || !strstr(err_msg(), message))
		diag("got '%s'", rc ? err_msg() : "no error");
}

static void test_check(void)
{
	struct arena a = { 0 };
	const struct qrec good = make("int4:g128:asym", 4, 300, &a);
	int32_t perm[300];
	struct qrec q = good;

	for (int i = 0; i < 300; i++)
		perm[i] = 299 - i;
	q.perm = perm;
	ok(!qrec_check(&q, 4, 300), "a good record passes");
	perm[7] = 300;
	refuses(&q, "perm[7] is 300");
	perm[7] = -1;
	refuses(&q, "perm[7] is -1");
	perm[7] = perm[8];
	refuses(&q, "not a permutation of 300 columns");
	q = good;
	q.spec.fmt = Q_NONE;
	refuses(&q, "format 0");
	q = good;
	q.spec.bits = 9;
	refuses(&q, "9 bits");
	q = good;
	q.spec.gran = (enum q_gran)7;
	refuses(&q, "granularity 7");
	q = good;
	q.spec.group = 0;
	refuses(&q, "group 0");
	q = good;
	q.group = 64;
	refuses(&q, "3 groups of 64 columns do not fit 300 columns");
	q = good;
	q.ngroup = 2;
	refuses(&q, "2 groups of 128 columns do not fit 300 columns");
	q = good;
	q.code = NULL;
	refuses(&q, "without codes");
	q = good;
	q.scale = NULL;
	refuses(&q, "without scales");
	q = good;
	q.zero = NULL;
	refuses(&q, "an asymmetric record without zeros");
	q = good;
	q.spec.sym = true;
	refuses(&q, "a symmetric record with zeros");
	q = good;
	q.scale_dt = DT_I8;
	refuses(&q, "scales of type");
	q.scale_dt = DT_BF16;
	ok(!qrec_check(&q, 4, 300), "scales of 1 are bf16");
	q.scale[5] = 1.001f;
	refuses(&q, "scale 5, 1.001, is not a value of BF16");
	q.scale_dt = DT_F32;
	ok(!qrec_check(&q, 4, 300), "and 1.001 is f32");
	q.scale[5] = 0;
	refuses(&q, "scale 5 is 0");
	q.scale[5] = -1;
	refuses(&q, "scale 5 is -1");
	q.scale[5] = NAN;
	refuses(&q, "scale 5 is nan");
	q.scale[5] = INFINITY;
	refuses(&q, "scale 5 is inf");
	q.scale[5] = 1;
	q.code[1199] = 16;
	refuses(&q, "code 1199 is 16, above 15");
	q.code[1199] = 15;
	q.zero[11] = 16;
	refuses(&q, "zero 11 is 16, above 15");
	q.zero[11] = 15;
	ok(!qrec_check(&q, 4, 300), "all mended: passes");
	q = make("int8:tensor", 4, 300, &a);
	memset(q.code, 255, 1200);
	ok(!qrec_check(&q, 4, 300), "eight bits hold any code");
	q.scale[2] = 2;
	refuses(&q, "a per-tensor record whose row 2 differs");
	ok(qrec_check(&q, 0, 300) == -1 && qrec_check(&q, 4, (int64_t)1 << 40) == -1, "refuses impossible shapes");
	arena_free(&a);
}

int main(void)
{
	plan(0);
	test_golden();
	test_vectors();
	test_groups();
	test_check();
	return done();
}
