#include "import/origin.h"

#include "base/err.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct probe {
	const struct origin *o;
	cJSON *config;                  /* a copy, in which one value at a time is another */
	const cJSON *knobs;
	cJSON *base;                    /* those of the row */
	cJSON *from, *idle;
	const char *path;               /* the key at hand */
	bool effect;                    /* another value of it made another model, or was refused */
	int64_t left;                   /* resolutions: a configuration may be of any size */
};

cJSON *origin_knobs(const struct model *m)
{
	cJSON *o = json_obj(), *rope, *v;
	char key[64];

	model_json(m, o);
	rope = cJSON_DetachItemFromObjectCaseSensitive(o, "rope");
	while (rope && (v = cJSON_DetachItemFromArray(rope, 0))) {
		snprintf(key, sizeof(key), "rope.%s", v->string);
		json_add(o, key, v);
	}
	cJSON_Delete(rope);
	return o;
}

static void add(cJSON *from, const char *knob, const char *key)
{
	cJSON *list = cJSON_GetObjectItemCaseSensitive(from, knob), *v;

	if (!list)
		json_add(from, knob, list = json_arr());
	cJSON_ArrayForEach(v, list)
		if (!strcmp(v->valuestring, key))
			return;
	json_push(list, cJSON_CreateString(key));
}

/* But for those that are as in `unset`, where it is not NULL. */
static bool compare(cJSON *from, const cJSON *was, const cJSON *is, const cJSON *unset, const char *key)
{
	const cJSON *v, *now;
	bool differ = false;

	cJSON_ArrayForEach(v, was) {
		now = cJSON_GetObjectItemCaseSensitive(is, v->string);
		if (cJSON_Compare(v, now, true) || (unset && !now) ||
		    (unset && cJSON_Compare(now, cJSON_GetObjectItemCaseSensitive(unset, v->string), true)))
			continue;
		add(from, v->string, key);
		differ = true;
	}
	return differ;
}

bool origin_compare(cJSON *from, const cJSON *was, const cJSON *is, const char *key)
{
	return compare(from, was, is, NULL, key);
}

/* A value that is refused has made its knobs by then; what comes after it is as the row has it. */
static void resolve_anew(struct probe *p)
{
	const struct origin *o = p->o;
	struct model m = *o->base;
	cJSON *is;
	bool bad;

	if (p->left-- <= 0)
		return;
	if (!o->how && family_of(p->config) != o->f) {
		add(p->from, "family", p->path);
		p->effect = true;
	}
	bad = (o->how ? description_knobs(o->how, &m, p->config) : family_knobs(&m, o->f, p->config)) < 0;
	if (bad)
		snprintf(m.family, sizeof(m.family), "%s", cJSON_GetObjectItemCaseSensitive(p->knobs, "family")->valuestring);
	is = origin_knobs(&m);
	if (compare(p->from, p->knobs, is, bad ? p->base : NULL, p->path) || bad)
		p->effect = true;
	cJSON_Delete(is);
}

/* Null, and, for those who ask whether the key is there, under another name. */
static void without(struct probe *p, cJSON *v)
{
	char *key = v->string, other[] = "\1";
	int type = v->type;

	v->type = cJSON_NULL;
	resolve_anew(p);
	v->string = other;
	resolve_anew(p);
	v->string = key;
	v->type = type;
}

static void put_number(cJSON *v, double d)
{
	v->valuedouble = d;
	v->valueint = fabs(d) < 1e9 ? (int)d : 0;
}

static void other_numbers(struct probe *p, cJSON *v)
{
	double was = v->valuedouble, t[] = { 2 * was, was / 2, was + 1, was - 1 };

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		put_number(v, t[i]);
		resolve_anew(p);
	}
	put_number(v, was);
}

static void other_words(struct probe *p, cJSON *v)
{
	static const char *const t[] = { "relu", "silu", "gelu", "float32", "bfloat16", "default", "linear", "greedy" };
	char *was = v->valuestring, word[16];

	v->valuestring = word;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		strcpy(word, t[i]);
		resolve_anew(p);
	}
	v->valuestring = was;
}

/* Its first element another one, and the first behind the last. */
static void other_lists(struct probe *p, cJSON *v)
{
	int n = cJSON_GetArraySize(v);

	if (n && cJSON_IsNumber(v->child)) {
		put_number(v->child, v->child->valuedouble + 1);
		resolve_anew(p);
		put_number(v->child, v->child->valuedouble - 1);
	}
	if (n < 2)
		return;
	cJSON_AddItemToArray(v, cJSON_DetachItemFromArray(v, 0));
	resolve_anew(p);
	cJSON_InsertItemInArray(v, 0, cJSON_DetachItemFromArray(v, n - 1));
}

/* What was a word is none now, and a number is asked for. */
static void as_number(struct probe *p, cJSON *v)
{
	int type = v->type;

	v->type = cJSON_Number;
	other_numbers(p, v);
	put_number(v, 8);
	resolve_anew(p);
	v->type = cJSON_True;
	resolve_anew(p);
	v->type = type;
}

static void each_key(struct probe *p, cJSON *obj, const char *before)
{
	cJSON *v;

	cJSON_ArrayForEach(v, obj) {
		char path[256];

		snprintf(path, sizeof(path), "%s%s%s", before, *before ? "." : "", v->string);
		if (cJSON_IsObject(v)) {
			each_key(p, v, path);
			continue;
		}
		p->path = path;
		p->effect = false;
		without(p, v);
		if (cJSON_IsNumber(v))
			other_numbers(p, v);
		else if (cJSON_IsString(v))
			other_words(p, v);
		else if (cJSON_IsArray(v))
			other_lists(p, v);
		else if (cJSON_IsBool(v)) {
			v->type ^= cJSON_True | cJSON_False;
			resolve_anew(p);
			v->type ^= cJSON_True | cJSON_False;
		} else
			as_number(p, v);
		if (!p->effect && p->left > 0)
			json_push(p->idle, cJSON_CreateString(path));
	}
}

static int64_t size(const cJSON *v)
{
	int64_t n = 1;

	for (v = v->child; v; v = v->next)
		n += size(v);
	return n;
}

cJSON *origin_find(const struct origin *o, const cJSON *config, const cJSON *knobs, cJSON *idle)
{
	enum { WORK = 1 << 24 };                /* values copied: seconds */
	struct probe p = { .o = o, .config = cJSON_Duplicate(config, 1), .knobs = knobs, .from = json_obj(), .idle = idle };
	int talk = verbose;

	if (!p.config)
		die(ST_FAIL, "out of memory for JSON");
	p.base = origin_knobs(o->base);
	p.left = WORK / size(p.config);
	verbose = -1;                           /* what is tried is no news */
	each_key(&p, p.config, "");
	verbose = talk;
	err_clear();
	cJSON_Delete(p.config);
	cJSON_Delete(p.base);
	return p.from;
}
