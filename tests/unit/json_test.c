/* The strict door to JSON. */
#include "base/json.h"

#include "base/err.h"
#include "tap.h"

#include <stdlib.h>

/* Parses a copy that ends with its allocation, so that a sanitizer sees one byte too far. */
static cJSON *parse(const char *text, size_t n)
{
	char *copy = malloc(n ? n : 1);
	cJSON *v;

	memcpy(copy, text, n);
	v = json_parse(copy, n, "t");
	free(copy);
	return v;
}

static void refuses(const char *text, const char *message)
{
	cJSON *v = parse(text, strlen(text));

	ok(!v && err_status() == ST_BAD && strstr(err_msg(), message), "refuses %.40s", text);
	if (v || !strstr(err_msg(), message))
		diag("got '%s'", v ? "a value" : err_msg());
	cJSON_Delete(v);
}

static void accepts(const char *text)
{
	cJSON *v = parse(text, strlen(text));

	ok(v != NULL, "accepts %.40s", text);
	cJSON_Delete(v);
}

static void test_door(void)
{
	char deep[2 * JSON_DEPTH + 3];

	accepts("{\"a\":[1,2,{\"b\":null}],\"c\":\"\\u00e9\"} \n");
	accepts("3");
	accepts("\"[[[[\"");
	refuses("", "bad JSON at byte 0");
	refuses("{\"a\":1,", "bad JSON");
	refuses("{\"a\":1", "bad JSON");
	refuses("[1,2", "bad JSON");
	refuses("\"abc", "bad JSON");
	refuses("\"abc\\", "bad JSON");
	refuses("{\"a\" 1}", "bad JSON");
	refuses("{} x", "something after the JSON value, at byte 3");
	refuses("{}{}", "something after the JSON value, at byte 2");
	refuses("{\"a\":1,\"b\":2,\"a\":3}", "key 'a' stands twice");
	refuses("[{\"x\":{\"k\":1,\"k\":1}}]", "key 'k' stands twice");
	accepts("{\"a\":{\"a\":1},\"A\":2}");
	memset(deep, '[', JSON_DEPTH);
	memset(deep + JSON_DEPTH, ']', JSON_DEPTH);
	deep[2 * JSON_DEPTH] = '\0';
	accepts(deep);
	memset(deep, '[', JSON_DEPTH + 1);
	memset(deep + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
	deep[2 * JSON_DEPTH + 2] = '\0';
	refuses(deep, "nested deeper");
	ok(!parse("{}\0{}", 5), "refuses a NUL after the value");
}

static void test_lookups(void)
{
	static const char text[] =
		"{\"i\":5,\"big\":9007199254740992,\"r\":1.5,\"s\":\"x\",\"b\":true,\"n\":null,\"h\":1e999}";
	cJSON *v = json_parse(text, sizeof(text) - 1, "t");
	int64_t i = -1;
	double d = -1;
	bool b = false;
	const char *s = NULL;

	ok(json_int(v, "i", 0, 10, &i) == 1 && i == 5, "an integer");
	ok(json_int(v, "big", 0, INT64_MAX, &i) == 1 && i == 9007199254740992, "2^53");
	ok(json_int(v, "absent", 0, 10, &i) == 0 && i == 9007199254740992, "an absent key leaves *out");
	ok(json_int(v, "n", 0, 10, &i) == 0, "null is absent");
	ok(json_int(v, "i", 6, 10, &i) == -1 && strstr(err_msg(), "outside 6..10"), "below the range");
	ok(json_int(v, "i", 0, 4, &i) == -1, "above the range");
	ok(json_int(v, "r", 0, 10, &i) == -1 && strstr(err_msg(), "'r' is not a whole number"), "1.5 is no integer");
	ok(json_int(v, "s", 0, 10, &i) == -1, "a string is no integer");
	ok(json_int(v, "h", 0, 10, &i) == -1, "infinity is no integer");
	ok(json_num(v, "r", &d) == 1 && d == 1.5, "a number");
	ok(json_num(v, "h", &d) == -1 && d == 1.5, "1e999 is not finite");
	ok(json_num(v, "b", &d) == -1, "true is no number");
	ok(json_bool(v, "b", &b) == 1 && b, "a boolean");
	ok(json_bool(v, "i", &b) == -1, "5 is no boolean");
	ok(json_str(v, "s", &s) == 1 && !strcmp(s, "x"), "a string");
	ok(json_str(v, "i", &s) == -1, "5 is no string");
	cJSON_Delete(v);
}

static void test_builders(void)
{
	cJSON *v = json_obj(), *a = json_arr();
	char *s;

	json_put_str(v, "s", "a\"b");
	json_put_num(v, "n", 1);
	json_put_num(v, "n", 2.5);
	json_put_bool(v, "b", true);
	json_push(a, cJSON_CreateNumber(1));
	json_put(v, "a", a);
	s = json_text(v, false);
	is_str(s, "{\"s\":\"a\\\"b\",\"n\":2.5,\"b\":true,\"a\":[1]}", "keys in order, a second put replaces in place");
	free(s);
	cJSON_Delete(v);
}

int main(void)
{
	plan(0);
	test_door();
	test_lookups();
	test_builders();
	return done();
}
