/* The safetensors reader and writer. */
#include "tensor/safetensors.h"

#include "base/err.h"
#include "tap.h"

#include <stdlib.h>

/* reference/golden/safetensors_file.json, file_hex. */
static const char golden[] =
	"a0000000000000007b225f5f6d657461646174615f5f223a7b22666f726d6174223a227074227d2c226c617965722e62223a7b22"
	"6474797065223a22493332222c227368617065223a5b325d2c22646174615f6f666673657473223a5b302c385d7d2c226c617965"
	"722e77223a7b226474797065223a22463136222c227368617065223a5b322c335d2c22646174615f6f666673657473223a5b382c"
	"32305d7d7d202020202020200700000008000000003c00400042004400450046";

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;
	unsigned v;

	for (size_t i = 0; i < n; i++) {
		sscanf(hex + 2 * i, "%2x", &v);
		out[i] = (uint8_t)v;
	}
	return n;
}

static void test_golden(void)
{
	uint8_t file[256];
	size_t n = unhex(golden, file), len;
	static const int64_t shape[] = { 2, 3 };
	struct tensor t[2];
	struct arena mem = { 0 };
	struct st st;
	struct st_entry *w;
	cJSON *meta;
	int order[2];
	char *head;

	is_int((long long)st_head_size(file, n, n), 168, "golden file: where the data starts");
	ok(!st_parse(&st, file, n, "g") && st.n == 2 && st.data == 20, "golden file: read");
	st_bind(&st, file + st.head);
	w = st_find(&st, "layer.w");
	ok(w && w->t.dt == DT_F16 && w->t.nd == 2 && w->t.dim[0] == 2 && w->t.dim[1] == 3 && w->begin == 8 &&
	   w->end == 20,
	   "golden file: type and shape");
	ok(w && f16_f32(((uint16_t *)w->t.data)[1]) == 2, "golden file: data");
	is_str(st.e[0].t.name, "layer.b", "golden file: order of the data");
	ok(!st_find(&st, "layer.x"), "an absent name is not found");
	is_str(cJSON_GetStringValue(cJSON_GetObjectItem(st.meta, "format")), "pt", "golden file: metadata");

	t[0] = tensor_new(&mem, DT_F16, 2, shape);
	t[0].name = "layer.w";
	t[1] = tensor_new(&mem, DT_I32, 1, shape);
	t[1].name = "layer.b";
	meta = json_obj();
	json_put_str(meta, "format", "pt");
	head = st_header(t, 2, meta, order, &len);
	ok(order[0] == 1 && order[1] == 0, "the widest type is written first");
	/* The golden file pads to 8, we to 64: the text is the same, the spaces are more. */
	ok(len == 192 && !memcmp(head + 8, file + 8, 153) && strspn(head + 161, " ") == len - 161,
	   "the golden header, padded to 64");
	ok(head[0] == (char)184 && !memcmp(head + 1, "\0\0\0\0\0\0", 7), "its length, little-endian");
	free(head);
	cJSON_Delete(meta);
	st_free(&st);
	arena_free(&mem);
}

/* A header text as a file with `data` bytes after it, in a buffer that ends where the header does. */
static int parse(struct st *st, const char *text, size_t len, uint64_t data)
{
	char *buf = malloc(8 + len);
	int rc;

	for (int i = 0; i < 8; i++)
		buf[i] = (char)(len >> 8 * i);
	memcpy(buf + 8, text, len);
	rc = st_parse(st, buf, 8 + len + data, "f");
	free(buf);
	return rc;
}

static void refuses(int status, const char *text, uint64_t data, const char *message)
{
	struct st st;
	int rc = parse(&st, text, strlen(text), data);

	ok(rc == -1 && err_status() == status && !strncmp(err_msg(), "f: ", 3) && strstr(err_msg(), message),
	   "refuses: %s", message);
	if (!rc || !strstr(err_msg(), message))
		diag("%s: got '%s'", text, rc ? err_msg() : "no error");
	if (!rc)
		st_free(&st);
}

static void accepts(const char *text, uint64_t data, const char *what)
{
	struct st st;

	if (ok(!parse(&st, text, strlen(text), data), "accepts %s", what))
		st_free(&st);
	else
		diag("%s", err_msg());
}

#define U8(name, n, b, e) "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" n "],\"data_offsets\":[" b "," e "]}"

static void test_layout(void)
{
	accepts("{}", 0, "no tensors");
	accepts("{}      ", 0, "padding");
	accepts("{" U8("a", "4", "0", "4") "," U8("b", "2", "4", "6") "}", 6, "two tensors");
	accepts("{" U8("b", "2", "4", "6") "," U8("a", "4", "0", "4") "}", 6, "a header in another order");
	accepts("{" U8("a", "0", "0", "0") "," U8("b", "2", "0", "2") "," U8("c", "0,7", "2", "2") "}", 2,
	        "empty tensors");
	accepts("{\"s\":{\"data_offsets\":[0,8],\"shape\":[],\"dtype\":\"F64\"}}", 8,
	        "a scalar, keys in another order");
	accepts("{ \"a\" : { \"dtype\" : \"BOOL\" , \"shape\" : [ 1 , 2 ] , \"data_offsets\" : [\n0\t,\r2 ] } } ", 2,
	        "space between the tokens");
}

static void test_refusals(void)
{
	refuses(ST_BAD, "{" U8("a", "4", "0", "4") "," U8("b", "2", "5", "7") "}", 7,
	        "tensor 'b' begins at 5, after a hole at 4");
	refuses(ST_BAD, "{" U8("a", "4", "1", "5") "}", 5, "tensor 'a' begins at 1, after a hole at 0");
	refuses(ST_BAD, "{" U8("a", "4", "0", "4") "," U8("b", "2", "3", "5") "}", 5, "tensor 'b' begins at 3, inside");
	refuses(ST_BAD, "{" U8("a", "4", "0", "4") "," U8("b", "4", "0", "4") "}", 4, "tensor 'b' begins at 0, inside");
	refuses(ST_BAD, "{" U8("a", "4", "0", "4") "}", 5, "the tensors hold 4 bytes, the file 5");
	refuses(ST_BAD, "{" U8("a", "4", "0", "4") "}", 3, "tensor 'a' ends at 4 of 3 bytes of data: truncated?");
	refuses(ST_BAD, "{}", 1, "the tensors hold 0 bytes, the file 1");
	refuses(ST_BAD, "{" U8("a", "4", "0", "5") "}", 5, "offsets [0,5] do not hold U8 [4]");
	refuses(ST_BAD, "{" U8("a", "4", "4", "0") "}", 4, "begins at 4");
	refuses(ST_BAD, "{" U8("a", "4", "0", "4") "," U8("b", "4", "4", "3") "}", 4,
	        "tensor 'b': offsets [4,3] do not hold U8 [4]");
	refuses(ST_BAD, "{" U8("a", "4", "0", "4") "," U8("a", "4", "4", "8") "}", 8, "tensor 'a' stands twice");
	refuses(ST_BAD, "{" U8("a", "4", "0", "4") "," U8("\\u0061", "4", "4", "8") "}", 8, "tensor 'a' stands twice");
	refuses(ST_BAD, "{" U8("a", "4294967296,4294967296", "0", "0") "}", 0,
	        "shape [4294967296,4294967296] overflows");
	refuses(ST_BAD, "{" U8("a", "9223372036854775807,2,0", "0", "0") "}", 0, "overflows");
	refuses(ST_BAD, "{" U8("a", "9223372036854775808", "0", "0") "}", 0, "number too large");
	refuses(ST_BAD, "{" U8("a", "1", "0", "18446744073709551616") "}", 0, "number too large");
	refuses(ST_BAD, "{" U8("a", "1", "18446744073709551615", "0") "}", 0, "after a hole");
	refuses(ST_BAD, "{" U8("a", "-1", "0", "0") "}", 0, "whole number expected");
	refuses(ST_BAD, "{" U8("a", "01", "0", "1") "}", 1, "whole number expected");
	refuses(ST_BAD, "{" U8("a", "1.0", "0", "1") "}", 1, "']' expected");
	refuses(ST_BAD, "{" U8("a", "1e0", "0", "1") "}", 1, "']' expected");
	refuses(ST_UNSUP, "{" U8("a", "1,1,1,1,1,1,1", "0", "1") "}", 1, "tensor 'a' has more than 6 dimensions");
	refuses(ST_UNSUP, "{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1,
	        "tensor 'a' is of type 'F4'");
	refuses(ST_BAD, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 0, "tensor 'a' has no 'data_offsets'");
	refuses(ST_BAD, "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "tensor 'a' has no 'shape'");
	refuses(ST_BAD, "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
	        "key 'dtype' stands twice");
	refuses(ST_BAD, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
	        "key 'shape' stands twice");
	refuses(ST_BAD, "{\"a\":{\"x\":1}}", 0, "unknown key 'x'");
	refuses(ST_BAD, "{\"a\":{}}", 0, "'\"' expected");
	refuses(ST_BAD, "{\"a\":[]}", 0, "'{' expected");
	refuses(ST_BAD, "{" U8("a", "1", "0", "1") ",}", 1, "'\"' expected");
	refuses(ST_BAD, "{" U8("a", "1", "0", "1"), 1, "'}' expected");
	refuses(ST_BAD, "{}\n", 0, "something after the JSON value");
	refuses(ST_BAD, "{} x", 0, "something after the JSON value");
	refuses(ST_BAD, "{\"__metadata__\":{\"a\":1}}", 0, "'\"' expected");
	refuses(ST_BAD, "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "key 'a' stands twice");
	refuses(ST_BAD, "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "'__metadata__' stands twice");
}

static void test_strings(void)
{
	static const char text[] = "{" U8("\\\"\\\\\\/\\n\\u00e9\\ud83d\\ude00\xc3\xa9", "1", "0", "1") "}";
	struct st st;

	if (ok(!parse(&st, text, sizeof(text) - 1, 1), "a name with escapes"))
		is_str(st.e[0].t.name, "\"\\/\n\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9", "is decoded");
	st_free(&st);
	refuses(ST_BAD, "{\"a\\u0000b\":{}}", 0, "NUL in a string");
	refuses(ST_BAD, "{\"a\nb\":{}}", 0, "control character");
	refuses(ST_BAD, "{\"\\ud800\":{}}", 0, "lone surrogate");
	refuses(ST_BAD, "{\"\\ud800\\u0041\":{}}", 0, "lone surrogate");
	refuses(ST_BAD, "{\"\\udc00\":{}}", 0, "lone surrogate");
	refuses(ST_BAD, "{\"\\x\":{}}", 0, "bad escape");
	refuses(ST_BAD, "{\"\\u12g4\":{}}", 0, "bad \\u escape");
	refuses(ST_BAD, "{\"\\u12", 0, "string without end");
	refuses(ST_BAD, "{\"a\\", 0, "string without end");
	refuses(ST_BAD, "{\"\xc0\x80\":{}}", 0, "bad UTF-8");           /* overlong */
	refuses(ST_BAD, "{\"\xed\xa0\x80\":{}}", 0, "bad UTF-8");       /* a surrogate */
	refuses(ST_BAD, "{\"\xf4\x90\x80\x80\":{}}", 0, "bad UTF-8");   /* above 10FFFF */
	refuses(ST_BAD, "{\"\xe2\x82\":{}}", 0, "bad UTF-8");           /* cut short by the quote */
}

static void test_lengths(void)
{
	uint8_t b[16] = { 0 };
	struct st st;

	ok(!st_head_size(b, 4, 4) && strstr(err_msg(), "only 4 bytes"), "a file of four bytes");
	ok(!st_head_size(b, 8, 8) && strstr(err_msg(), "truncated"), "a header of no bytes");
	b[0] = 9;
	b[8] = '{';
	ok(!st_head_size(b, 16, 16) && strstr(err_msg(), "truncated"), "a header longer than the file");
	ok(st_head_size(b, 16, 17) == 17, "one as long");
	b[8] = 'P';
	ok(!st_head_size(b, 16, 100) && strstr(err_msg(), "not a safetensors file"),
	   "one that does not begin with a brace");
	b[8] = '{';
	b[3] = 6;                               /* 100,663,305 */
	ok(!st_head_size(b, 16, UINT64_MAX) && strstr(err_msg(), "not a safetensors file"), "one above 100 MB");
	memset(b, 0xff, 8);
	ok(st_parse(&st, b, 16, "f") == -1 && err_status() == ST_BAD, "one of 2^64 - 1 bytes");
}

/* What the writer wrote, read back: order, alignment, escapes. */
static void test_round_trip(void)
{
	static const enum dtype dt[] = { DT_U8, DT_BF16, DT_F32, DT_I64, DT_F16, DT_I8, DT_F64, DT_I32 };
	enum { N = sizeof(dt) / sizeof(*dt) };
	struct arena mem = { 0 };
	struct tensor t[N];
	int order[N], seen = 0;
	bool aligned = true, same = true;
	size_t len;
	uint64_t data = 0;
	struct st st;
	void *head;

	for (int i = 0; i < N; i++) {
		static const int64_t dim[6] = { 3, 1, 5, 1, 1, 7 };

		t[i] = tensor_new(&mem, dt[i], i % 7, dim);
		t[i].name = arena_printf(&mem, "t\"%d\\\t\xc3\xa9", i);
		data += tensor_bytes(&t[i]);
	}
	head = st_header(t, N, NULL, order, &len);
	for (int i = 0; i < N; i++)
		seen |= 1 << order[i];
	ok(seen == (1 << N) - 1 && len % 64 == 0, "the order holds every tensor, the header ends on 64");
	ok(order[0] == 3 && order[1] == 6 && order[2] == 2 && order[3] == 7 && order[4] == 1,
	   "by size of element, stable");
	if (ok(!st_parse(&st, head, len + data, "f"), "what was written is read"))
		for (int i = 0; i < N; i++) {
			const struct st_entry *e = &st.e[i], *by = st_find(&st, t[order[i]].name);
			const struct tensor *x = &t[order[i]];

			aligned &= (st.head + e->begin) % dtype_size(e->t.dt) == 0;
			same &= e == by && tensor_same_shape(&e->t, x) && e->t.dt == x->dt;
			same &= e->end - e->begin == tensor_bytes(x);
		}
	else
		diag("%s", err_msg());
	ok(aligned, "every tensor is aligned");
	ok(same, "name, type, shape and length come back");
	st_free(&st);
	free(head);
	head = st_header(NULL, 0, NULL, order, &len);
	ok(len == 64 && !st_parse(&st, head, len, "f") && !st.n, "a file of no tensors");
	st_free(&st);
	free(head);
	arena_free(&mem);
}

int main(void)
{
	plan(0);
	test_golden();
	test_layout();
	test_refusals();
	test_strings();
	test_lengths();
	test_round_trip();
	return done();
}
