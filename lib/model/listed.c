#include "model/listed.h"

#include "base/err.h"

#include <math.h>
#include <string.h>

static const char weight[] = ".weight";

static bool ends(const char *s, const char *tail)
{
	size_t n = strlen(s), k = strlen(tail);

	return n > k && !strcmp(s + n - k, tail);
}

int listed_name(const char *name)
{
	/* what a quantized matrix becomes */
	static const char *const taken[] = { ".weight.code", ".weight.scale", ".weight.zero", ".weight.perm" };

	if (!*name || strlen(name) > MAX_LISTED)
		return err_set(ST_BAD, "tensor '%.130s': a name of %zu bytes, where 1 to %d are allowed", name, strlen(name),
		               MAX_LISTED);
	for (const char *p = name; *p; p++)
		if (*p <= 0x20 || *p > 0x7e)
			return err_set(ST_BAD, "tensor '%s': a name is printable ASCII without spaces", name);
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (ends(name, taken[i]))
			return err_set(ST_BAD, "tensor '%s' is named as if it were a part of another", name);
	return 0;
}

bool listed_linear(const char *name, int nd, enum blk_kind kind)
{
	return kind == BLK_KIND_DENSE && nd == 2 && ends(name, weight);
}

static int check_one(const cJSON *e, const char **last)
{
	const cJSON *name = cJSON_GetArrayItem(e, 0), *shape = cJSON_GetArrayItem(e, 1), *v;
	int n = cJSON_GetArraySize(shape);
	double all = 1;

	if (!cJSON_IsArray(e) || !cJSON_IsString(name) || !cJSON_IsArray(shape) || n < 1 || n > MAXDIM)
		return err_set(ST_BAD, "model: 'tensors' has an entry without name or shape");
	if (listed_name(name->valuestring) < 0)
		return err_at("model");
	if (*last && strcmp(*last, name->valuestring) >= 0)
		return err_set(ST_BAD, "model: 'tensors' has '%s' out of order", name->valuestring);
	cJSON_ArrayForEach(v, shape) {
		double d = cJSON_IsNumber(v) ? v->valuedouble : 0;

		if (!(d >= 1 && d <= 0x1p31 && d == floor(d)))
			return err_set(ST_BAD, "model: 'tensors' has '%s' of no shape", name->valuestring);
		all *= d;
	}
	*last = name->valuestring;
	return all <= 0x1p44 ? 0 : err_set(ST_BAD, "model: 'tensors' has '%s', which is too large", name->valuestring);
}

int listed_check(const cJSON *tensors, int n_layer)
{
	const cJSON *block, *e;

	if (!cJSON_IsArray(tensors) || cJSON_GetArraySize(tensors) != n_layer + 2)
		return err_set(ST_BAD, "model: 'tensors' is not a list of %d blocks", n_layer + 2);
	cJSON_ArrayForEach(block, tensors) {
		const char *last = NULL;

		if (!cJSON_IsArray(block))
			return err_set(ST_BAD, "model: 'tensors' is not a list of lists");
		cJSON_ArrayForEach(e, block)
			if (check_one(e, &last) < 0)
				return -1;
	}
	return 0;
}

bool listed_next(const struct model *m, int index, struct want *w)
{
	const cJSON *block, *v;

	if (w->listed)
		w->listed = w->listed->next;
	else {
		block = cJSON_GetArrayItem(m->listed, index == BLK_EMBED ? 0 : index == BLK_HEAD ? m->n_layer + 1 : index + 1);
		w->listed = block ? block->child : NULL;
	}
	if (!w->listed)
		return false;
	w->nd = 0;
	cJSON_ArrayForEach(v, w->listed->child->next)
		w->dim[w->nd++] = (int64_t)v->valuedouble;
	w->role = listed_linear(w->listed->child->valuestring, w->nd, block_kind(index)) ? R_LINEAR : R_OTHER;
	w->part = P_WEIGHT;
	w->expert = 0;
	return true;
}
