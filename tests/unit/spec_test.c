/* The spec language and the rules. */
#include "tensor/spec.h"

#include "base/err.h"
#include "tap.h"

static void reads(const char *text, const char *canon)
{
	struct qspec q, r;
	char buf[64], what[100];

	snprintf(what, sizeof(what), "'%s' is %s", text, canon);
	if (spec_parse(&q, text)) {
		ok(false, "%s", what);
		diag("%s", err_msg());
		return;
	}
	is_str(spec_print(&q, buf, sizeof(buf)), canon, what);
	ok(!spec_parse(&r, buf) && !memcmp(&q, &r, sizeof(q)), "and %s is the same", canon);
}

static void refuses(const char *text, int status, const char *message)
{
	struct qspec q = { .bits = 77 };
	int rc = spec_parse(&q, text);

	ok(rc == -1 && err_status() == status && strstr(err_msg(), message) && q.bits == 77, "refuses '%.40s'", text);
	if (!rc || err_status() != status || !strstr(err_msg(), message))
		diag("got '%s', status %d", rc ? err_msg() : "no error", err_status());
}

static void test_fields(void)
{
	struct qspec q;

	ok(!spec_parse(&q, "int4:g128:asym:mse") && q.fmt == Q_INT && q.bits == 4 && q.gran == G_GROUP &&
	   q.group == 128 && !q.sym && q.range == QR_MSE, "int4:g128:asym:mse, field by field");
	ok(!spec_parse(&q, "int8") && q.bits == 8 && q.gran == G_CHANNEL && q.sym && q.range == QR_MINMAX,
	   "what is left out is channel, sym, minmax");
	ok(!spec_parse(&q, "none") && q.fmt == Q_NONE, "none");
}

static void test_language(void)
{
	reads("int4:g128:asym", "int4:g128:asym");
	reads("int4:asym:g128:minmax", "int4:g128:asym");
	reads("int3:mse:g64", "int3:g64:sym:mse");
	reads("int2", "int2:channel:sym");
	reads("int8:tensor", "int8:tensor:sym");
	reads("int5:channel:asym", "int5:channel:asym");
	reads("int6:g1", "int6:g1:sym");
	reads("int7:g1048576", "int7:g1048576:sym");
	reads("none", "none");
	refuses("", ST_USAGE, "empty part");
	refuses("int4:", ST_USAGE, "empty part");
	refuses(":int4", ST_USAGE, "empty part");
	refuses("int4::sym", ST_USAGE, "empty part");
	refuses("int4:ggggggggggggggggggggggggggggggggggggggggggggggggggggg", ST_USAGE, "overlong part");
	refuses("int1", ST_USAGE, "int2 to int8");
	refuses("int9", ST_USAGE, "int2 to int8");
	refuses("int", ST_USAGE, "int2 to int8");
	refuses("int04", ST_USAGE, "int2 to int8");
	refuses("int4x", ST_USAGE, "int2 to int8");
	refuses("int99999999999", ST_USAGE, "int2 to int8");
	refuses("INT4", ST_USAGE, "'INT4' in spec 'INT4' is not a format");
	refuses("float", ST_USAGE, "is not a format");
	refuses("int4:g0", ST_USAGE, "1 to 1048576");
	refuses("int4:g1048577", ST_USAGE, "1 to 1048576");
	refuses("int4:g99999999999999", ST_USAGE, "1 to 1048576");
	refuses("int4:g12x", ST_USAGE, "1 to 1048576");
	refuses("int4:group", ST_USAGE, "'group' in spec 'int4:group' is not a part");
	refuses("int4:sym:asym", ST_USAGE, "'asym' in spec 'int4:sym:asym' comes after");
	refuses("int4:g64:channel", ST_USAGE, "comes after");
	refuses("int4:mse:mse", ST_USAGE, "comes after");
	refuses("none:sym", ST_USAGE, "'none' has no parts");
	refuses("fp8", ST_UNSUP, "'fp8' is not a format of this version");
	refuses("nvfp4:g16", ST_UNSUP, "'nvfp4' is not a format of this version");
	refuses("int8:token", ST_UNSUP, "'token' is not a part of specs of this version");
	refuses("int8:static", ST_UNSUP, "'static'");
	refuses("int8:percentile=99.9", ST_UNSUP, "'percentile=99.9'");
}

/* A char array shorter than the text is cut, never overrun. */
static void test_print(void)
{
	struct qspec q;
	char buf[8] = "1234567";

	spec_parse(&q, "int4:g128:asym:mse");
	is_str(spec_print(&q, buf, 6), "int4:", "a short buffer");
	ok(buf[6] == '7', "is not overrun");
}

static const char *found(struct rules *r, int block, const char *role)
{
	static char buf[2][64];
	static int k;

	return spec_print(rules_find(r, block, role), buf[k++ & 1], sizeof(buf[0]));
}

static void test_rules(void)
{
	static const char *const rule[] = { "17.mlp.down=int8", "[0-1].*=none", "mlp.*=int3:g64", "*.attn.?=int5" };
	static const char *const skip[] = { "attn.v", "2.attn.q" };
	static const char *const role[] = {
		"attn.q", "attn.k", "attn.v", "attn.o", "mlp.gate", "mlp.up", "mlp.down", "attn.q"
	};
	struct rules r;

	if (!ok(!rules_parse(&r, "int4:g128", rule, 4, skip, 2), "rules and skips"))
		return;
	is_str(found(&r, 17, "mlp.down"), "int8:channel:sym", "one tensor of one block");
	is_str(found(&r, 7, "mlp.down"), "int3:g64:sym", "a role without a block");
	is_str(found(&r, 117, "mlp.down"), "int3:g64:sym", "17 is not 117");
	is_str(found(&r, 1, "mlp.down"), "none", "a range of blocks; the first match wins");
	is_str(found(&r, 11, "mlp.up"), "int3:g64:sym", "[0-1] is one digit");
	is_str(found(&r, 5, "attn.q"), "int5:channel:sym", "a glob over blocks");
	is_str(found(&r, 5, "attn.v"), "none", "skips go first");
	is_str(found(&r, 2, "attn.q"), "none", "a skip in one block");
	is_str(found(&r, 3, "head"), "int4:g128:sym", "the default");
	is_str(found(&r, -1, "embed"), "int4:g128:sym", "a tensor of no block");
	ok(!rules_check(&r, role, 8), "all patterns matched something");
	rules_free(&r);
}

static void misses(const char *rule, const char *skip, const char *message)
{
	static const char *const role[] = {
		"attn.q", "attn.k", "attn.v", "attn.o", "mlp.gate", "mlp.up", "mlp.down", "mlp.down"
	};
	struct rules r;
	int rc;

	if (rules_parse(&r, "int4", &rule, rule ? 1 : 0, &skip, skip ? 1 : 0)) {
		ok(false, "%s", err_msg());
		return;
	}
	for (int b = 0; b < 3; b++)
		for (int i = 0; i < 8; i++)
			rules_find(&r, b, role[i]);
	rc = rules_check(&r, role, 8);
	ok(rc == -1 && err_status() == ST_USAGE, "%s matches nothing", rule ? rule : skip);
	is_str(rc ? err_msg() : "", message, "and the nearest are named");
	rules_free(&r);
}

static void test_misses(void)
{
	struct rules r;
	const char *bad;

	misses("mlp.dwn=int8", NULL, "--rule 'mlp.dwn' matches no tensor; nearest: 'mlp.down', 'mlp.up', 'mlp.gate'");
	misses("*.mlp.donw=int8", NULL,
	       "--rule '*.mlp.donw' matches no tensor; nearest: 'mlp.down', 'mlp.gate', 'mlp.up'");
	misses(NULL, "7.attn.q", "--skip '7.attn.q' matches no tensor; nearest: 'attn.q', 'attn.k', 'attn.v'");
	bad = "mlp.down";
	ok(rules_parse(&r, "int4", &bad, 1, NULL, 0) == -1 && err_status() == ST_USAGE &&
	   strstr(err_msg(), "PATTERN=SPEC"),
	   "a rule without '='");
	bad = "=int4";
	ok(rules_parse(&r, "int4", &bad, 1, NULL, 0) == -1, "a rule without a pattern");
	bad = "";
	ok(rules_parse(&r, "int4", NULL, 0, &bad, 1) == -1, "a skip without a pattern");
	bad = "mlp.down=int4:x";
	ok(rules_parse(&r, "int4", &bad, 1, NULL, 0) == -1 && strstr(err_msg(), "--rule 'mlp.down=int4:x': 'x'"),
	   "a rule with a bad spec");
	ok(rules_parse(&r, "int", NULL, 0, NULL, 0) == -1, "a bad default");
	ok(!rules_parse(&r, NULL, NULL, 0, NULL, 0) && rules_find(&r, 0, "attn.q")->fmt == Q_NONE,
	   "no default is none");
	rules_free(&r);
}

int main(void)
{
	plan(0);
	test_fields();
	test_language();
	test_print();
	test_rules();
	test_misses();
	return done();
}
