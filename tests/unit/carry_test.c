/* What is carried along: its order, and how it is divided. */
#include "import/carry.h"
#include "tap.h"

#include <string.h>

/* Gigabytes that nobody reads. */
static struct tensor t(const char *name, int64_t rows)
{
	return (struct tensor){ .name = name, .dt = DT_BF16, .nd = 2, .dim = { rows, 1024 } };
}

int main(void)
{
	static const struct wrap wrap = { .carry = { "v.stem", "v.layers.%L.", "v.", "p." } };
	struct tensor all[] = {
		t("p.2.w", 1), t("p.10.w", 1), t("v.layers.10.b", 1), t("v.layers.9.b", 1), t("v.layers.10.a", 1), t("v.norm", 1),
		t("v.stem.b", 1), t("v.stem.a", 1), t("v.layers.0.y", 200000), t("v.layers.0.x", 200000), t("v.layers.0.z", 300000),
		t("p.9.w", 1)
	};
	static const char *const want[] = {
		"v.stem.a", "v.stem.b", "v.layers.0.x", "v.layers.0.y", "v.layers.0.z", "v.layers.9.b", "v.layers.10.a",
		"v.layers.10.b", "v.norm", "p.2.w", "p.9.w", "p.10.w"
	};
	static const int parts[] = { 2, 1, 1, 1, 1, 2, 4 };
	enum { N = sizeof(all) / sizeof(*all), M = sizeof(parts) / sizeof(*parts) };
	struct source s = { .t = all, .nt = N };
	int carry[N], at = 0, k = 0;
	struct map p = { .s = &s, .wrap = &wrap, .before = "", .carry = carry, .ncarry = N };
	bool same = true;
	cJSON *list;

	plan(0);
	for (int i = 0; i < N; i++)
		carry[i] = i;
	carry_sort(&p);
	for (int i = 0; i < N; i++)
		same = same && !strcmp(all[carry[i]].name, want[i]);
	ok(same, "in the order of execution, numbers as numbers");
	for (; at < N && k < M; k++) {
		int n = carry_some(&p, at);

		is_int(n, parts[k], "members");
		at += n;
	}
	ok(at == N && k == M, "a layer each, half a gigabyte or one tensor at most");
	list = carry_list(&p);
	is_int(cJSON_GetArraySize(list), M, "all on the list");
	ok(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 1), "bytes")->valuedouble == 200000.0 * 2048, "with their bytes");
	is_str(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 6), "member")->valuestring, "vision/0006.safetensors", "and names");
	cJSON_Delete(list);
	return done();
}
