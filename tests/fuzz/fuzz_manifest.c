/* Any JSON as llmc.json and end.json at once: a model that is accepted is written and read back as itself, and all
 * books are read without harm. */
#include "algo/parts.h"
#include "base/err.h"
#include "base/json.h"
#include "bundle/ledger.h"
#include "bundle/pg.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void model(const cJSON *v)
{
	static struct model m, n;
	cJSON *a, *b;
	char *s, *t;

	if (model_parse(&m, cJSON_GetObjectItemCaseSensitive(v, "model")) < 0) {
		require(err_status() == ST_BAD || err_status() == ST_UNSUP);
		return;
	}
	a = json_obj();
	model_json(&m, a);
	require(!model_parse(&n, a));
	b = json_obj();
	model_json(&n, b);
	s = json_text(a, false);
	t = json_text(b, false);
	require(!strcmp(s, t));
	free(s);
	free(t);
	cJSON_Delete(a);
	cJSON_Delete(b);
}

static void books(cJSON *v)
{
	const cJSON *ledger = cJSON_GetObjectItemCaseSensitive(v, "ledger");
	const struct model five = { .n_layer = 5 };
	struct members none = { 0 };
	struct sequence seq;
	cJSON *all = NULL, *report = NULL;
	int64_t out;

	if (!sequence_init(&seq, v, &five)) {
		require(seq.n <= 7);
		for (int i = 0; i < seq.n; i++)
			require(parts_slot(seq.index[i], 5) >= 0 && parts_slot(seq.index[i], 5) < 7);
	}
	sequence_free(&seq);
	if (ledger && !ledger_check(ledger, &out)) {
		require(!ledger_join(&all, ledger));
		ledger_join(&all, ledger);
		ledger_cut(all, 1);
		cJSON_Delete(all);
	}
	report_join(&report, cJSON_GetObjectItemCaseSensitive(v, "report"));
	report_join(&report, v);
	cJSON_Delete(report);
	members_check(&none, cJSON_GetObjectItemCaseSensitive(v, "members"));
	pg_last_tool(v);
	require(*pg_append(v, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cJSON *v = json_parse(data, size, "f");

	alloc_limit(size, 256, 1 << 20);
	if (cJSON_IsObject(v)) {
		model(v);
		books(v);
	}
	cJSON_Delete(v);
	return 0;
}
