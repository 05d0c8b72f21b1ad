/* What a bundle keeps count of: members, the order of blocks, provenance, the ledger; cut into parts and joined. */
#include "tests/unit/tap.h"

#include "algo/parts.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "bundle/ledger.h"
#include "bundle/members.h"
#include "bundle/pg.h"

#include <stdlib.h>

static cJSON *json(const char *text)
{
	cJSON *v = json_parse(text, strlen(text), "test");

	if (!v)
		die_err();
	return v;
}

static void is_json(const cJSON *v, const char *want, const char *what)
{
	char *s = json_text(v, false);

	is_str(s, want, what);
	free(s);
}

static void member_names(void)
{
	static const char *const good[] = { "a", "llmc.json", "tokenizer/x y.json", "a/b/c", ".hidden", "..x", "a..b" };
	static const char *const bad[] = { "", "/", "/a", "a/", "a//b", "..", "../a", "a/..", "a/../b", ".", "./a", "a/.", "a\nb",
	                                   "a\x7f", "\xc3\xa9" };
	char name[300] = "";
	int wrong = 0;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		wrong += member_name(good[i]) != 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		wrong += member_name(bad[i]) == 0 || err_status() != ST_BAD;
	is_int(wrong, 0, "names that may stand in a bundle");
	memset(name, 'a', 255);
	ok(!member_name(name), "255 bytes");
	name[255] = 'a';
	ok(member_name(name) < 0, "256 are too many");
}

static void meaning(void)
{
	static const struct {
		const char *name;
		enum name_kind want;
		int index, piece;
	} t[] = {
		{ "embed.json", NAME_NOTE, BLK_EMBED, 0 }, { "embed.safetensors", NAME_BLOCK, BLK_EMBED, 0 },
		{ "head.safetensors", NAME_BLOCK, BLK_HEAD, 0 }, { "block/0000.json", NAME_NOTE, 0, 0 },
		{ "block/0017.safetensors", NAME_BLOCK, 17, 0 }, { "block/1023.safetensors", NAME_BLOCK, 1023, 0 },
		{ "block/1024.safetensors", NAME_OTHER, 0, 0 }, { "block/17.json", NAME_OTHER, 0, 0 },
		{ "block/00017.json", NAME_OTHER, 0, 0 }, { "block/0017.0.safetensors", NAME_OTHER, 0, 0 },
		{ "block/0017.3.safetensors", NAME_BLOCK, 17, 3 }, { "block/0017.10.json", NAME_NOTE, 17, 10 },
		{ "block/0017.03.json", NAME_OTHER, 0, 0 }, { "block/0017..json", NAME_OTHER, 0, 0 }, { "block/17.3.json", NAME_OTHER, 0, 0 },
		{ "block/0017.3.1.json", NAME_OTHER, 0, 0 }, { "block/0017.-3.json", NAME_OTHER, 0, 0 },
		{ "block/0017.99999999999999999999.json", NAME_OTHER, 0, 0 }, { "embed.1.json", NAME_OTHER, 0, 0 },
		{ "block/0017.stats.safetensors", NAME_OTHER, 0, 0 }, { "block/ 017.json", NAME_OTHER, 0, 0 },
		{ "block/-001.json", NAME_OTHER, 0, 0 }, { "block/99999999999999999999.json", NAME_OTHER, 0, 0 },
		{ "embed.stats.json", NAME_OTHER, 0, 0 }, { "header.json", NAME_OTHER, 0, 0 }, { "embed", NAME_OTHER, 0, 0 },
		{ "tokenizer/embed.json", NAME_OTHER, 0, 0 }, { "block/.json", NAME_OTHER, 0, 0 },
	};
	int wrong = 0;

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		enum blk_kind kind;
		int index = 0, piece = 0;

		if (member_block(t[i].name, &kind, &index, &piece) != t[i].want || index != t[i].index || piece != t[i].piece) {
			wrong++;
			diag("%s", t[i].name);
		}
	}
	is_int(wrong, 0, "what members' names mean");
}

static void list(void)
{
	struct members m = { 0 };
	cJSON *v;
	char name[32];
	int wrong = 0;

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		wrong += members_add(&m, name) < 0;
		m.e[i].size = (uint64_t)i;
		m.e[i].xxh3 = XXH3_64bits(name, strlen(name));
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		wrong += members_add(&m, name) == 0;
	}
	is_int(wrong, 0, "a thousand names, each once");
	v = members_json(&m, 0);
	ok(!members_check(&m, v), "its own list agrees");
	ok(members_digest(&m, 0) != 0, "digest");
	json_put_num(cJSON_GetArrayItem(v, 500), "size", 7);
	ok(members_check(&m, v) < 0 && strstr(err_msg(), "'m500' has 500 bytes"), "another size");
	json_put_num(cJSON_GetArrayItem(v, 500), "size", 500);
	json_put_str(cJSON_GetArrayItem(v, 3), "xxh3", "0123456789abcdef");
	ok(members_check(&m, v) < 0 && strstr(err_msg(), "'m3' is damaged"), "another digest");
	cJSON_DeleteItemFromArray(v, 3);
	ok(members_check(&m, v) < 0 && strstr(err_msg(), "lists 'm4' where 'm3' is"), "one left out");
	cJSON_Delete(v);
	v = json("[{\"name\":\"m0\",\"size\":0}]");
	ok(members_check(&m, v) < 0 && members_check(&m, NULL) < 0, "no proper list");
	cJSON_Delete(v);
	members_free(&m);
	members_add(&m, "llmc.json");
	m.e[0].xxh3 = XXH3_64bits("", 0);
	v = members_json(&m, 0);
	/* the digest of nothing: xxHash's own test value */
	is_json(v, "[{\"name\":\"llmc.json\",\"size\":0,\"xxh3\":\"2d06800538d394c2\"}]", "as text");
	cJSON_Delete(v);
	members_free(&m);
}

static bool sequence_ok(const char *manifest, int n_layer, int count)
{
	const struct model m = { .n_layer = n_layer };
	cJSON *v = json(manifest);
	struct sequence s;
	bool r = !sequence_init(&s, v, &m) && s.n == count;

	sequence_free(&s);
	cJSON_Delete(v);
	return r;
}

static void order(void)
{
	/* five experts, two a piece: layer 1 is itself and three pieces */
	const struct model plain = { .n_layer = 5 },
	    cut = { .n_layer = 5, .n_expert = 5, .piece_experts = 2, .moe = { false, true } };
	cJSON *v = json("{\"blocks\":[\"embed\",1,2]}");
	struct sequence s;
	int from, to;

	ok(sequence_ok("{}", 5, 7), "a whole model: embed, layers, head");
	ok(sequence_ok("{\"blocks\":[]}", 5, 0) && sequence_ok("{\"blocks\":[4,\"head\"]}", 5, 2), "parts");
	ok(!sequence_ok("{\"blocks\":[1,0]}", 5, 2) && !sequence_ok("{\"blocks\":[1,1]}", 5, 2) &&
	   !sequence_ok("{\"blocks\":[5]}", 5, 1) && !sequence_ok("{\"blocks\":[0.5]}", 5, 1) &&
	   !sequence_ok("{\"blocks\":[\"head\",\"embed\"]}", 5, 2) && !sequence_ok("{\"blocks\":[-1]}", 5, 1) &&
	   !sequence_ok("{\"blocks\":{}}", 5, 0) && !sequence_ok("{\"blocks\":[\"foot\"]}", 5, 1), "what is no list of blocks");
	sequence_init(&s, v, &plain);
	ok(sequence_end(&s) < 0, "not there yet");
	ok(sequence_next(&s, 1, 0) < 0 && !strcmp(err_msg(), "block 1 where embed is due"), "embed comes first");
	ok(!sequence_next(&s, BLK_EMBED, 0) && !sequence_next(&s, 1, 0) && sequence_next(&s, 1, 0) < 0 &&
	   sequence_next(&s, 1, 1) < 0 && !sequence_next(&s, 2, 0) && !sequence_end(&s), "in order, each once");
	ok(sequence_next(&s, 3, 0) < 0, "nothing after the last");
	sequence_free(&s);
	sequence_init(&s, v, &cut);
	ok(!sequence_next(&s, BLK_EMBED, 0) && sequence_next(&s, 1, 1) < 0 && !sequence_next(&s, 1, 0) &&
	   sequence_next(&s, 2, 0) < 0 && !strcmp(err_msg(), "block 2 where block 1.1 is due") && !sequence_next(&s, 1, 1) &&
	   !sequence_next(&s, 1, 2) && sequence_end(&s) < 0 && !strcmp(err_msg(), "block 1.3 is missing") &&
	   !sequence_next(&s, 1, 3) && sequence_next(&s, 1, 4) < 0 && !sequence_next(&s, 2, 0) && !sequence_end(&s),
	   "the pieces of a layer, in order");
	sequence_free(&s);
	piece_experts(&cut, 1, 0, &from, &to);
	ok(from == to, "its piece 0 has no experts");
	piece_experts(&cut, 1, 3, &from, &to);
	ok(from == 4 && to == 5, "its last those that are left");
	cJSON_Delete(v);
}

static void provenance(void)
{
	cJSON *m = json("{\"pg\":[{\"id\":\"a.1\",\"tool\":\"llmc-a\"}]}"), *in = json_obj();

	prog = "llmc-b";
	is_str(pg_last_tool(m), "llmc-a", "the last tool");
	json_put_str(in, "calib", "xxh3:0");
	is_str(pg_append(m, in), "b.1", "first run of a tool");
	is_str(pg_append(m, NULL), "b.2", "second run");
	is_str(pg_last_tool(m), "llmc-b", "the last tool now");
	common.no_pg = true;
	is_str(pg_append(m, json_obj()), "", "--no-pg");
	common.no_pg = false;
	is_json(cJSON_GetObjectItemCaseSensitive(m, "pg"),
	        "[{\"id\":\"a.1\",\"tool\":\"llmc-a\"},"
	        "{\"id\":\"b.1\",\"tool\":\"llmc-b\",\"version\":\"" VERSION "\",\"parent\":\"a.1\",\"argv\":[],"
	        "\"inputs\":{\"calib\":\"xxh3:0\"}},"
	        "{\"id\":\"b.2\",\"tool\":\"llmc-b\",\"version\":\"" VERSION "\",\"parent\":\"b.1\",\"argv\":[]}]", "the chain");
	cJSON_Delete(m);
	m = json_obj();
	ok(pg_last_tool(m) == NULL, "no chain, no tool");
	cJSON_Delete(m);
}

#define S(name, in, kept, changed, quantized, rest) "{\"stage\":\"" name "\",\"in\":" #in ",\"kept\":" #kept \
	",\"changed\":" #changed ",\"quantized\":" #quantized ",\"dropped\":[" rest "}"
#define D(name) "{\"name\":\"" name "\",\"reason\":\"r\"}"

static bool balances(const cJSON *ledger)
{
	int64_t out;

	return !ledger_check(ledger, &out);
}

static bool balanced(const char *text)
{
	cJSON *v = json(text);
	bool r = balances(v);

	cJSON_Delete(v);
	return r;
}

static void ledger(void)
{
	struct ledger l;
	struct block b;
	cJSON *one, *two, *three;

	block_init(&b, 0, BLK_KIND_DENSE, 3);
	b.fate[1] = FATE_QUANTIZED;
	b.fate[2] = FATE_CHANGED;
	ledger_begin(&l, "import.1");
	ledger_block(&l, &b);
	ledger_drop(&l, "x", "why");
	one = ledger_end(&l, NULL);
	is_json(one, "[{\"stage\":\"import.1\",\"in\":4,\"kept\":1,\"changed\":1,\"quantized\":1,"
	        "\"dropped\":[{\"name\":\"x\",\"reason\":\"why\"}]}]", "a first stage");
	ok(balances(one), "balances");
	ledger_begin(&l, "b");
	ledger_block(&l, &b);
	two = ledger_end(&l, one);
	ok(two && cJSON_GetArraySize(two) == 2 && balances(two), "a second takes three of three");
	ledger_begin(&l, "c");
	three = ledger_end(&l, two);
	ok(!three && err_status() == ST_FAIL && strstr(err_msg(), "0 of 3"), "a third that loses them");
	block_free(&b);
	cJSON_Delete(one);
	cJSON_Delete(two);
	ok(balanced("[]"), "an empty ledger");
	ok(balanced("[" S("a", 5, 2, 1, 1, D("x") "]") "," S("b", 4, 1, 0, 0, "],\"aside\":3") "]"), "tensors laid aside");
	ok(!balanced("[" S("a", 5, 2, 1, 1, "]") "]"), "a stage that does not add up");
	ok(!balanced("[" S("a", 4, 4, 0, 0, "]") "," S("b", 3, 3, 0, 0, "]") "]"), "a stage that takes fewer than there are");
	ok(!balanced("{}") && !balanced("[1]") && !balanced("[{\"stage\":\"a\"}]") && !balanced("[" S("a", -1, 0, 0, 0, "]") "]") &&
	   !balanced("[" S("a", 0.5, 0, 0, 0, "]") "]"), "what is no ledger");
}

/* Two halves of 10 tensors, both through stage q, which drops one of the first half. */
static void parts(void)
{
	cJSON *a = json("[" S("i", 10, 10, 0, 0, "]") "," S("cat", 10, 4, 0, 0, "],\"aside\":6") ","
	                S("q", 4, 1, 0, 2, D("x") "]") "]");
	cJSON *b = json("[" S("i", 10, 10, 0, 0, "]") "," S("cat", 10, 6, 0, 0, "],\"aside\":4") "," S("q", 6, 6, 0, 0, "]") "]");
	cJSON *all = NULL, *r = NULL, *p;

	ok(balances(a) && balances(b), "both balance");
	ok(!ledger_join(&all, a) && !ledger_join(&all, b), "they join");
	ledger_cut(all, 9);
	is_json(all, "[" S("i", 10, 10, 0, 0, "]") "," S("q", 10, 7, 0, 2, D("x") "]") "]", "to the ledger of the whole");
	ledger_cut(all, 9);
	ok(cJSON_GetArraySize(all) == 2, "all that is there is no cut");
	ledger_cut(all, 5);
	ledger_cut(all, 3);
	ok(cJSON_GetArraySize(all) == 3 && balances(all), "cut twice, one stage");
	ok(ledger_join(&all, a) < 0, "parts of different cuts do not join");
	cJSON_Delete(all);
	all = NULL;
	ok(!ledger_join(&all, a) && !ledger_join(&all, b) && ledger_join(&all, a) < 0, "nor more parts than a whole");
	cJSON_Delete(all);
	cJSON_Delete(a);
	cJSON_Delete(b);

	p = json("{\"i\":1,\"q\":{\"x\":[1]}}");
	report_join(&r, p);
	report_join(&r, p);
	is_json(r, "{\"i\":1,\"q\":{\"x\":[1]}}", "the same report twice");
	cJSON_Delete(p);
	p = json("{\"i\":1,\"q\":{\"x\":[2]},\"z\":0}");
	report_join(&r, p);
	report_join(&r, NULL);
	cJSON_Delete(p);
	p = json("{\"q\":{\"x\":[3]}}");
	report_join(&r, p);
	is_json(r, "{\"i\":1,\"q\":{\"parts\":[{\"x\":[1]},{\"x\":[2]},{\"x\":[3]}]},\"z\":0}", "different ones stand side by side");
	cJSON_Delete(p);
	cJSON_Delete(r);
}

int main(void)
{
	plan(0);
	member_names();
	meaning();
	list();
	order();
	provenance();
	ledger();
	parts();
	return done();
}
