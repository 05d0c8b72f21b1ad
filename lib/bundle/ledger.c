#include "bundle/ledger.h"

#include "base/err.h"

#include <string.h>

void ledger_begin(struct ledger *l, const char *stage)
{
	memset(l, 0, sizeof(*l));
	l->stage = stage;
	l->dropped = json_arr();
}

void ledger_block(struct ledger *l, const struct block *b)
{
	for (int i = 0; i < b->nt; i++)
		switch (b->fate[i]) {
		case FATE_KEPT: l->kept++; break;
		case FATE_CHANGED: l->changed++; break;
		case FATE_QUANTIZED: l->quantized++; break;
		}
}

void ledger_drop(struct ledger *l, const char *name, const char *reason)
{
	cJSON *o = json_obj();

	json_put_str(o, "name", name);
	json_put_str(o, "reason", reason);
	json_push(l->dropped, o);
}

void ledger_carry(struct ledger *l, const char *name)
{
	if (!l->carried)
		l->carried = json_arr();
	json_push(l->carried, cJSON_CreateString(name));
}

/* What a stage took in and handed on, when its own numbers agree. */
static int totals(const cJSON *stage, int64_t *in, int64_t *out)
{
	static const char *const key[] = { "in", "kept", "changed", "quantized", "aside" };
	const cJSON *dropped = cJSON_GetObjectItemCaseSensitive(stage, "dropped");
	const cJSON *carried = cJSON_GetObjectItemCaseSensitive(stage, "carried");
	int64_t v[5] = { 0 }, beside;
	const char *name = "?";

	if (!cJSON_IsObject(stage) || json_str(stage, "stage", &name) <= 0)
		return err_set(ST_BAD, "ledger: a stage without a name");
	for (int i = 0; i < 5; i++) {
		int r = json_int(stage, key[i], 0, (int64_t)1 << 40, &v[i]);

		if (r < 0 || (!r && i < 4))
			return err_set(ST_BAD, "ledger: stage '%.80s' has no proper '%s'", name, key[i]);
	}
	if (!cJSON_IsArray(dropped) || (carried && !cJSON_IsArray(carried)))
		return err_set(ST_BAD, "ledger: stage '%.80s' has no proper '%s'", name,
		               cJSON_IsArray(dropped) ? "carried" : "dropped");
	*in = v[0];
	*out = v[1] + v[2] + v[3];
	beside = v[4] + cJSON_GetArraySize(dropped) + cJSON_GetArraySize(carried);
	if (*in != *out + beside)
		return err_set(ST_BAD, "ledger: stage '%.80s' took %lld tensors and accounts for %lld", name, (long long)*in,
		               (long long)(*out + beside));
	return 0;
}

int ledger_check(const cJSON *ledger, int64_t *out)
{
	const cJSON *s;
	int64_t in = 0, next = 0;

	*out = -1;
	if (!cJSON_IsArray(ledger))
		return err_set(ST_BAD, "ledger: not an array");
	cJSON_ArrayForEach(s, ledger) {
		if (totals(s, &in, &next) < 0)
			return -1;
		if (*out >= 0 && in != *out)
			return err_set(ST_BAD, "ledger: stage '%.80s' took %lld tensors of the %lld handed on",
			               cJSON_GetObjectItemCaseSensitive(s, "stage")->valuestring, (long long)in,
			               (long long)*out);
		*out = next;
	}
	return 0;
}

cJSON *ledger_end(struct ledger *l, const cJSON *upstream)
{
	int64_t in = l->kept + l->changed + l->quantized + cJSON_GetArraySize(l->dropped) + cJSON_GetArraySize(l->carried);
	int64_t before = -1;
	cJSON *all, *s;
	int r = upstream ? ledger_check(upstream, &before) : 0;

	if (r == 0 && before >= 0 && in != before)
		r = err_set(ST_FAIL, "ledger: stage '%s' accounts for %lld of %lld tensors", l->stage, (long long)in,
		            (long long)before);
	if (r < 0) {
		cJSON_Delete(l->dropped);
		cJSON_Delete(l->carried);
		return NULL;
	}
	all = upstream ? cJSON_Duplicate(upstream, 1) : json_arr();
	s = json_obj();
	json_put_str(s, "stage", l->stage);
	json_put_num(s, "in", (double)in);
	json_put_num(s, "kept", (double)l->kept);
	json_put_num(s, "changed", (double)l->changed);
	json_put_num(s, "quantized", (double)l->quantized);
	json_put(s, "dropped", l->dropped);
	if (l->carried)
		json_put(s, "carried", l->carried);
	json_push(all, s);
	return all;
}
