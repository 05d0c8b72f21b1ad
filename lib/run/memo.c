#include "run/memo.h"

#include "base/err.h"
#include "base/journal.h"
#include "op/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void memo_init(struct memo *m, struct ledger *l, cJSON *report)
{
	*m = (struct memo){ .ledger = l, .report = report, .told = json_obj(),
	                    .dropped = cJSON_GetArraySize(l->dropped) };
}

static cJSON *copy(const cJSON *v)
{
	cJSON *c = cJSON_Duplicate(v, 1);

	if (!c)
		die(ST_FAIL, "out of memory for JSON");
	return c;
}

/* The elements of `list` from `from` on. */
static cJSON *tail(const cJSON *list, int from)
{
	cJSON *t = json_arr();

	for (const cJSON *v = cJSON_GetArrayItem(list, from); v; v = v->next)
		json_push(t, copy(v));
	return t;
}

static int told(const struct memo *m, const char *name)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(m->told, name);

	return n ? n->valueint : 0;
}

/* Lists of a report only grow, other values are replaced: of lists, what is new; the rest as it is. */
static cJSON *news(struct memo *m)
{
	cJSON *o = json_obj();
	const cJSON *v;

	cJSON_ArrayForEach(v, m->report) {
		if (!cJSON_IsArray(v)) {
			json_put(o, v->string, copy(v));
			continue;
		}
		json_put(o, v->string, tail(v, told(m, v->string)));
		json_put_num(m->told, v->string, cJSON_GetArraySize(v));
	}
	return o;
}

cJSON *memo_step(struct memo *m, uint64_t sum)
{
	const int64_t count[] = { m->ledger->kept, m->ledger->changed, m->ledger->quantized };
	cJSON *step = json_obj(), *books = json_arr();

	key_digest(step, "in", sum);
	for (int i = 0; i < 3; i++)
		json_push(books, cJSON_CreateNumber((double)count[i]));
	json_put(step, "ledger", books);
	json_put(step, "dropped", tail(m->ledger->dropped, m->dropped));
	m->dropped = cJSON_GetArraySize(m->ledger->dropped);
	json_put(step, "report", news(m));
	return step;
}

static void append(cJSON *list, const cJSON *more)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, more)
		json_push(list, copy(v));
}

int memo_restore(struct memo *m, const cJSON *step, uint64_t sum)
{
	int64_t *const count[] = { &m->ledger->kept, &m->ledger->changed, &m->ledger->quantized };
	const cJSON *books = cJSON_GetObjectItemCaseSensitive(step, "ledger"), *v;
	const char *in = "";
	char hex[17];

	snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)sum);
	if (json_str(step, "in", &in) < 0 || strcmp(in, hex))
		return err_set(ST_BAD, "not what the run that was stopped read: the model differs");
	for (int i = 0; i < 3; i++) {
		v = cJSON_GetArrayItem(books, i);
		if (!cJSON_IsNumber(v))
			return err_set(ST_BAD, "journal: no proper 'ledger'");
		*count[i] = (int64_t)v->valuedouble;
	}
	append(m->ledger->dropped, cJSON_GetObjectItemCaseSensitive(step, "dropped"));
	m->dropped = cJSON_GetArraySize(m->ledger->dropped);
	cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(step, "report")) {
		cJSON *have = cJSON_GetObjectItemCaseSensitive(m->report, v->string);

		if (cJSON_IsArray(v) && cJSON_IsArray(have)) {
			append(have, v);
			json_put_num(m->told, v->string, cJSON_GetArraySize(have));
		} else {
			json_put(m->report, v->string, copy(v));
			if (cJSON_IsArray(v))
				json_put_num(m->told, v->string, cJSON_GetArraySize(v));
		}
	}
	return 0;
}

void memo_free(struct memo *m)
{
	cJSON_Delete(m->told);
	m->told = NULL;
}

void key_device(cJSON *key, struct dev *d)
{
	char *text = xstrdup(dev_describe(d)), *threads = strrchr(text, ',');

	if (threads)                    /* whose number changes nothing */
		*threads = '\0';
	json_put_str(key, "arithmetic", text);
	free(text);
}

void key_manifest(cJSON *key, const char *what, const cJSON *manifest)
{
	char *text = json_text(manifest, false);

	key_digest(key, what, XXH3_64bits(text, strlen(text)));
	free(text);
}
