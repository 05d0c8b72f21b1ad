/* Templates against what the transformers library made of them, and the bounds on those that are hostile. */
#include "tok_help.h"

#include "data/chat.h"
#include "data/jinja.h"

#include <time.h>

static struct tok *model(const char *template, size_t len, const char *config)
{
	static const char json[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}";
	struct tok_files f = { .json = json, .json_len = sizeof(json) - 1, .config = config, .config_len = strlen(config),
	                       .chat = template, .chat_len = len };

	return tok_load(&f);
}

/* The text, or NULL and the error set. */
static bool render(const char *template, size_t len, const struct jnode *row, struct bytes *out)
{
	struct tok *t = model(template, len, "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}");
	struct chat *c = chat_new(t, "2024-07-26");
	bool good;

	out->n = 0;
	bytes_need(out, 1);
	good = c && chat_render(c, row, "messages", out) == 0;
	chat_free(c);
	tok_free(t);
	return good;
}

static void test_golden(void)
{
	struct jtree g = slurp_json("tests/golden/tok/chat.json");
	const struct jnode *row = jt_get(g.v, "conversation"), *e, *list = jt_get(g.v, "templates");
	struct bytes out = { 0 };
	size_t same = 0, refused = 0;

	JT_EACH(e, list) {
		const struct jnode *t = e + 1, *want = t + 1;
		bool good = render(t->str, t->len, row, &out);

		if (want->type == JT_STR && good && text_is(out.p, out.n, want))
			same++;
		else if (want->type == JT_NULL && !good && err_status() == ST_BAD)
			refused++;
		else
			diag("%s\n# gives %.*s%s", t->str, (int)out.n, out.p, good ? "" : err_msg());
	}
	ok(same + refused == list->len && same > 100 && refused > 60, "%zu templates as the library renders them, %zu it refuses",
	   same, refused);
	bytes_free(&out);
	jtree_free(&g);
}

static struct jtree parse(const char *s)
{
	struct jtree t;

	if (jtree_parse(&t, s, strlen(s), "test") < 0) {
		printf("Bail out! %s\n", err_msg());
		exit(1);
	}
	return t;
}

#define HELLO "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"

static void test_bounds(void)
{
	static const char *const bad[] = {
		"{% for i in range(99999) %}{% for j in range(99999) %}{% for k in range(99999) %}x{% endfor %}{% endfor %}{% endfor %}",
		"{% for i in range(99999) %}{% for j in range(99999) %}{{ i * j }}{% endfor %}{% endfor %}",
		"{{ 'x' * 1000000000 }}", "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% macro m(x) %}{{ m([x]) }}{% endmacro %}{{ m(1) }}",
		"{% set ns = namespace(s=[]) %}{% for i in range(9999) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
		"{% set ns = namespace(s=[]) %}{% for i in range(9999) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s | tojson }}",
		"{% set ns = namespace(s=[], t=[]) %}{% for i in range(9999) %}{% set ns.s = [ns.s] %}{% set ns.t = [ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
		"{{ [1] | tojson(indent=100000) }}", "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 64 }}",
		"{% set ns = namespace(s='xxxxxxxxxx') %}{% for i in range(40) %}{% set ns.s = ns.s | join('xx') %}{% endfor %}",
	};
	struct jtree row = parse(HELLO);
	struct bytes out = { 0 }, deep = { 0 };
	static const char *const nest[] = { "(", "[", "-", "not ", "{1:", "{% if 1 %}", "{% for a in b %}", "a[", "a(", "(1+" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		clock_t t0 = clock();
		bool good = render(bad[i], strlen(bad[i]), row.v, &out);

		ok(!good && err_status() == ST_UNSUP && strstr(err_msg(), "line 1"), "stopped: %s", bad[i]);
		diag("%s, %.1f s", good ? "rendered" : err_msg(), (double)(clock() - t0) / CLOCKS_PER_SEC);
	}
	for (size_t i = 0; i < sizeof(nest) / sizeof(*nest); i++) {
		deep.n = 0;
		if (nest[i][1] != '%')
			bytes_put(&deep, "{{ ", 3);
		for (int k = 0; k < 100000; k++)
			bytes_put(&deep, nest[i], strlen(nest[i]));
		if (nest[i][1] != '%')
			bytes_put(&deep, "1 }}", 4);
		ok(!render(deep.p, deep.n, row.v, &out) && err_status() == ST_UNSUP, "a hundred thousand times '%s'", nest[i]);
	}
	deep.n = 0;
	bytes_put(&deep, "{{ 1", 4);
	for (int k = 0; k < 100000; k++)
		bytes_put(&deep, "+1", 2);
	bytes_put(&deep, " }}", 3);
	ok(!render(deep.p, deep.n, row.v, &out) && err_status() == ST_UNSUP, "a hundred thousand times '+1'");
	bytes_free(&deep);
	bytes_free(&out);
	jtree_free(&row);
}

static bool says(const struct bytes *b, const char *text)
{
	return b->n == strlen(text) && !memcmp(b->p, text, b->n);
}

static void test_chat(void)
{
	static const char config[] =
		"{\"bos_token\":\"<s>\",\"chat_template\":[{\"name\":\"default\",\"template\":\"{{ bos_token }}{{ messages | length }}"
		"{{ x }}{{ y is defined }}{{ tools is none }}{{ add_generation_prompt }}\"},"
		"{\"name\":\"tool_use\",\"template\":\"tools: {{ tools | length }}\"}]}";
	struct jtree row = parse(HELLO), list = parse("[{\"role\":\"user\"},{\"role\":\"x\"}]");
	struct jtree tools = parse("{\"messages\":[{}],\"tools\":[{}],\"chat_template_kwargs\":{\"x\":5}}"), odd = parse("{\"messages\":[1]}");
	struct tok *t = model(NULL, 0, config);
	struct chat *c = chat_new(t, NULL);
	struct bytes b = { 0 };

	ok(c && chat_render(c, row.v, "messages", &b) == 0 && says(&b, "<s>1FalseTrueFalse"), "of several templates the default one");
	ok(chat_set(c, "x=[1, 2]") == 0 && chat_set(c, "y=some text") == 0 && chat_set(c, "=1") < 0 && err_status() == ST_USAGE,
	   "variables are set");
	b.n = 0;
	ok(chat_render(c, list.v, "messages", &b) == 0 && says(&b, "<s>2[1, 2]TrueTrueFalse"), "an array is a conversation, too");
	b.n = 0;
	ok(chat_render(c, tools.v, "messages", &b) == 0 && says(&b, "tools: 1"), "tools have their template");
	ok(chat_render(c, odd.v, "messages", &b) < 0 && err_status() == ST_BAD, "a message is an object");
	ok(chat_render(c, row.v, "talk", &b) < 0 && err_status() == ST_BAD, "the field must be there");
	chat_free(c);
	tok_free(t);
	t = model("{{ strftime_now('%Y') }}", 24, "{}");
	c = chat_new(t, NULL);
	ok(c && chat_render(c, row.v, "messages", &b) < 0 && err_status() == ST_UNSUP, "no date, no template that asks for it");
	chat_free(c);
	tok_free(t);
	t = model(NULL, 0, "{}");
	ok(!chat_new(t, NULL) && err_status() == ST_UNSUP, "a model without template");
	tok_free(t);
	ok(jinja_date("2024-02-29") && !jinja_date("2023-02-29") && !jinja_date("2024-13-01") && !jinja_date("2024-1-1") &&
	   !jinja_date("today"), "dates");
	bytes_free(&b);
	jtree_free(&row);
	jtree_free(&list);
	jtree_free(&tools);
	jtree_free(&odd);
}

int main(void)
{
	test_golden();
	test_bounds();
	test_chat();
	return done();
}
