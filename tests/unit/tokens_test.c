/* Token sets: out and in again, cut, checked against a vocabulary. */
#include "tap.h"

#include "base/err.h"
#include "base/mem.h"
#include "data/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static char dir[] = "/tmp/tokens_test.XXXXXX";

static char *path(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static struct tokens rows(int64_t N, int64_t T)
{
	struct tokens t = { .N = N, .T = T };

	t.ids = xmalloc((size_t)(N * T) * sizeof(*t.ids));
	for (int64_t i = 0; i < N * T; i++)
		t.ids[i] = (int32_t)(i * 7 % 1000);
	return t;
}

/* A safetensors file of one tensor. */
static char *raw(const char *name, const char *dtype, const char *shape, const void *data, size_t n)
{
	char *p = path(name);
	char *head = xasprintf("{\"input_ids\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[0,%zu]}}",
	                       dtype, shape, n);
	uint64_t len = strlen(head);
	FILE *f = fopen(p, "wb");

	if (!f || fwrite(&len, 8, 1, f) != 1 || fputs(head, f) < 0 || (n && fwrite(data, n, 1, f) != 1) || fclose(f))
		exit(1);
	free(head);
	return p;
}

static void refused(const char *p, const char *text)
{
	struct tokens t;

	err_clear();
	ok(tokens_load(&t, p) < 0 && err_status() == ST_BAD && strstr(err_msg(), text), "refused: %s", text);
	if (!strstr(err_msg(), text))
		diag("%s", err_msg());
}

static void round_trips(void)
{
	struct tokens a = rows(5, 40), b, c;
	char *p = path("a.tok"), *q = path("a.safetensors");
	cJSON *how = json_obj();
	struct { int64_t N, T; int32_t ids[200]; } all = { .N = 5, .T = 40 };

	json_put_str(how, "source", "xxh3:0123456789abcdef");
	ok(tokens_save(&a, p, how) == 0 && tokens_load(&b, p) == 0, "a token bundle, out and in");
	ok(b.N == 5 && b.T == 40 && !memcmp(a.ids, b.ids, 200 * 4), "the same rows");
	ok(b.how && cJSON_GetObjectItem(b.how, "source"), "how they were made comes along");
	memcpy(all.ids, a.ids, sizeof(all.ids));
	ok(b.digest == XXH3_64bits(&all, sizeof(all)), "the digest is that of N, T and ids");
	ok(tokens_save_st(&a, q) == 0 && tokens_load(&c, q) == 0, "safetensors, out and in");
	ok(c.N == 5 && c.T == 40 && !memcmp(a.ids, c.ids, 200 * 4) && c.digest == b.digest && !c.how, "the same rows");
	ok(tokens_limit(&c, 2, 3) == 0 && c.N == 2 && c.T == 3, "cut to two rows of three");
	ok(!memcmp(c.ids, a.ids, 12) && !memcmp(c.ids + 3, a.ids + 40, 12), "the first rows, each one's beginning");
	ok(c.digest != b.digest, "which has another digest");
	ok(tokens_limit(&c, 0, 0) == 0 && c.N == 2 && c.T == 3, "0 leaves all");
	ok(tokens_limit(&c, 3, 0) < 0 && err_status() == ST_BAD, "more rows than there are: refused");
	ok(tokens_limit(&c, 0, 4) < 0 && err_status() == ST_BAD, "longer rows than they are: refused");
	ok(tokens_check(&a, 1000) == 0, "all ids are within a vocabulary of 1000");
	ok(tokens_check(&a, 900) < 0 && strstr(err_msg(), "row 3, column 9:"), "which of them is not in one of 900");
	tokens_free(&a);
	tokens_free(&b);
	tokens_free(&c);
	free(p);
	free(q);
}

static void odd_files(void)
{
	static const int64_t i64[] = { 1, 2, 3, 4, 5, 2147483647 }, big[] = { 1, 2147483648 }, neg[] = { -1, 1 };
	static const float f32[] = { 1, 2 };
	struct tokens t;
	char *p = raw("i64", "I64", "[2,3]", i64, sizeof(i64));

	ok(tokens_load(&t, p) == 0 && t.N == 2 && t.T == 3 && t.ids[5] == 2147483647, "I64 [2,3]");
	tokens_free(&t);
	free(p);
	p = raw("one", "I64", "[6]", i64, sizeof(i64));
	ok(tokens_load(&t, p) == 0 && t.N == 1 && t.T == 6 && t.ids[1] == 2, "[6] is one row");
	tokens_free(&t);
	free(p);
	refused(p = raw("big", "I64", "[1,2]", big, sizeof(big)), "row 0, column 1");
	free(p);
	refused(p = raw("neg", "I64", "[2,1]", neg, sizeof(neg)), "row 0, column 0");
	free(p);
	refused(p = raw("f32", "F32", "[1,2]", f32, sizeof(f32)), "F32");
	free(p);
	refused(p = raw("3d", "I64", "[1,1,2]", neg, sizeof(neg)), "[rows, tokens]");
	free(p);
	refused(p = raw("none", "I64", "[0,4]", neg, 0), "[rows, tokens]");
	free(p);
	p = path("absent");
	ok(tokens_load(&t, p) < 0 && strstr(err_msg(), "absent"), "a file that is not there is named");
	free(p);
}

int main(void)
{
	plan(23);
	if (!mkdtemp(dir))
		return 1;
	round_trips();
	odd_files();
	{
		char *cmd = xasprintf("rm -r %s", dir);

		ok(system(cmd) == 0, "cleaned up");
		free(cmd);
	}
	return done();
}
