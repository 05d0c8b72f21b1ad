#include "bundle/pg.h"

#include "base/err.h"
#include "base/opt.h"

#include <stdio.h>
#include <string.h>

static const char *string_of(const cJSON *obj, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, key);

	return cJSON_IsString(v) ? v->valuestring : NULL;
}

static const cJSON *last(const cJSON *manifest)
{
	const cJSON *pg = cJSON_GetObjectItemCaseSensitive(manifest, "pg");
	int n = cJSON_IsArray(pg) ? cJSON_GetArraySize(pg) : 0;

	return n ? cJSON_GetArrayItem(pg, n - 1) : NULL;
}

static bool taken(const cJSON *pg, const char *id)
{
	const cJSON *r;

	cJSON_ArrayForEach(r, pg) {
		const char *s = string_of(r, "id");

		if (s && !strcmp(s, id))
			return true;
	}
	return false;
}

const char *pg_append(cJSON *manifest, cJSON *inputs)
{
	cJSON *pg = cJSON_GetObjectItemCaseSensitive(manifest, "pg"), *rec;
	const char *tool = !strncmp(prog, "llmc-", 5) ? prog + 5 : prog, *parent;
	char id[96];

	if (!cJSON_IsArray(pg))
		json_put(manifest, "pg", pg = json_arr());
	if (common.no_pg) {
		cJSON_Delete(inputs);
		return "";
	}
	for (int k = 1; k == 1 || taken(pg, id); k++)
		snprintf(id, sizeof(id), "%.64s.%d", tool, k);
	rec = json_obj();
	json_put_str(rec, "id", id);
	json_put_str(rec, "tool", prog);
	json_put_str(rec, "version", VERSION);
	if ((parent = string_of(last(manifest), "id")))
		json_put_str(rec, "parent", parent);
	if (common.seed)
		json_put_num(rec, "seed", (double)common.seed);
	if (common.device)
		json_put_str(rec, "device", common.device);
	json_put(rec, "argv", opt_provenance());
	if (inputs && inputs->child)
		json_put(rec, "inputs", inputs);
	else
		cJSON_Delete(inputs);
	json_push(pg, rec);
	return string_of(rec, "id");
}

const char *pg_last_tool(const cJSON *manifest)
{
	return string_of(last(manifest), "tool");
}
