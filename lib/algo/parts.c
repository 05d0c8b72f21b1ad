#include "algo/parts.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int parts_slot(int index, int n_layer)
{
	return index == BLK_EMBED ? 0 : index == BLK_HEAD ? n_layer + 1 : index + 1;
}

/* "3" or "3-7" at *s, moved past it. */
static bool range(const char **s, long *a, long *b)
{
	char *end;

	if (**s < '0' || **s > '9')
		return false;
	*a = *b = strtol(*s, &end, 10);
	*s = end;
	if (*end != '-')
		return true;
	if (end[1] < '0' || end[1] > '9')
		return false;
	*b = strtol(end + 1, &end, 10);
	*s = end;
	return true;
}

int parts_parse(const char *list, int n_layer, bool *keep)
{
	for (const char *s = list;; s++) {
		long a, b;

		if (!strncmp(s, "embed", 5)) {
			keep[0] = true;
			s += 5;
		} else if (!strncmp(s, "head", 4)) {
			keep[n_layer + 1] = true;
			s += 4;
		} else if (!range(&s, &a, &b))
			break;
		else if (a > b || b >= n_layer)
			return err_set(ST_USAGE, "'%s': no layers %ld-%ld, the model has 0-%d", list, a, b, n_layer - 1);
		else
			for (; a <= b; a++)
				keep[a + 1] = true;
		if (!*s)
			return 0;
		if (*s != ',')
			break;
	}
	return err_set(ST_USAGE, "'%s' is no list of blocks such as 'embed,0-3,7,head'", list);
}

void parts_manifest(cJSON *manifest, int n_layer, const bool *keep)
{
	cJSON *list = json_arr();
	bool all = true;

	for (int i = 0; i < n_layer + 2; i++) {
		all &= keep[i];
		if (!keep[i])
			continue;
		if (i == 0 || i == n_layer + 1)
			json_push(list, cJSON_CreateString(i ? "head" : "embed"));
		else
			json_push(list, cJSON_CreateNumber(i - 1));
	}
	if (!all) {
		json_put(manifest, "blocks", list);
		return;
	}
	cJSON_Delete(list);
	cJSON_DeleteItemFromObjectCaseSensitive(manifest, "blocks");
}

static bool same(const cJSON *a, const cJSON *b)
{
	char *s = json_text(a, false), *t = json_text(b, false);
	bool r = !strcmp(s, t);

	free(s);
	free(t);
	return r;
}

/* The last stage that laid tensors aside, -1 = none: where the bundle was cut. */
static int cut_of(const cJSON *ledger)
{
	int cut = -1, i = 0;
	const cJSON *s;

	cJSON_ArrayForEach(s, ledger) {
		if (cJSON_GetObjectItemCaseSensitive(s, "aside"))
			cut = i;
		i++;
	}
	return cut;
}

static double number(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

/* a += b, where what a stage took in was cut before (or is being cut by it: then `in` stays). */
static void add_stage(cJSON *a, const cJSON *b, bool cut)
{
	static const char *const key[] = { "in", "kept", "changed", "quantized" };
	cJSON *da = cJSON_GetObjectItemCaseSensitive(a, "dropped");
	const cJSON *db = cJSON_GetObjectItemCaseSensitive(b, "dropped"), *d;

	for (int i = cut; i < 4; i++)
		json_put_num(a, key[i], number(a, key[i]) + number(b, key[i]));
	cJSON_ArrayForEach(d, db) {
		json_push(da, cJSON_Duplicate(d, 1));
	}
	if (cut)
		json_put_num(a, "aside", number(a, "aside") - number(b, "kept"));
}

int ledger_join(cJSON **all, const cJSON *part)
{
	int cut = cut_of(part), n = cJSON_GetArraySize(part);

	if (!*all) {
		*all = cJSON_Duplicate(part, 1);
		return 0;
	}
	if (cut < 0 || cut != cut_of(*all) || n != cJSON_GetArraySize(*all))
		return err_set(ST_BAD, "ledger: not parts of one bundle, or cut at different times");
	for (int i = 0; i < n; i++) {
		cJSON *a = cJSON_GetArrayItem(*all, i);
		const cJSON *b = cJSON_GetArrayItem(part, i);

		if (i < cut ? !same(a, b) : !same(cJSON_GetObjectItemCaseSensitive(a, "stage"),
		                                  cJSON_GetObjectItemCaseSensitive(b, "stage")))
			return err_set(ST_BAD, "ledger: the parts went through different stages");
		if (i >= cut)
			add_stage(a, b, i == cut);
	}
	return number(cJSON_GetArrayItem(*all, cut), "aside") < 0 ? err_set(ST_BAD, "ledger: more parts than a whole") : 0;
}

void ledger_cut(cJSON *all, int64_t kept)
{
	int cut = cut_of(all), n = cJSON_GetArraySize(all);
	cJSON *s, *last = cJSON_GetArrayItem(all, n - 1);
	double out = number(last, "kept") + number(last, "changed") + number(last, "quantized");

	if (!last)
		return;
	if (cut == n - 1) {
		json_put_num(last, "kept", (double)kept);
		json_put_num(last, "aside", number(last, "in") - (double)kept);
	} else if ((double)kept != out) {
		json_push(all, s = json_obj());
		json_put_str(s, "stage", "cat");
		json_put_num(s, "in", out);
		json_put_num(s, "kept", (double)kept);
		json_put_num(s, "changed", 0);
		json_put_num(s, "quantized", 0);
		json_put(s, "dropped", json_arr());
		json_put_num(s, "aside", out - (double)kept);
		cut = n;
	}
	s = cJSON_GetArrayItem(all, cut);
	if (cut >= 0 && number(s, "aside") == 0)
		cJSON_DeleteItemFromArray(all, cut);
}

void report_join(cJSON **all, const cJSON *part)
{
	const cJSON *v;

	if (!cJSON_IsObject(part))
		return;
	if (!*all)
		*all = json_obj();
	cJSON_ArrayForEach(v, part) {
		cJSON *was = cJSON_GetObjectItemCaseSensitive(*all, v->string), *parts, *both;

		if (!was) {
			json_put(*all, v->string, cJSON_Duplicate(v, 1));
			continue;
		}
		if (same(was, v))
			continue;
		parts = cJSON_GetObjectItemCaseSensitive(was, "parts");
		if (cJSON_IsArray(parts) && cJSON_GetArraySize(was) == 1) {
			json_push(parts, cJSON_Duplicate(v, 1));
			continue;
		}
		parts = json_arr();
		json_push(parts, cJSON_Duplicate(was, 1));
		json_push(parts, cJSON_Duplicate(v, 1));
		json_put(both = json_obj(), "parts", parts);
		json_put(*all, v->string, both);
	}
}
