#include "import/describe.h"

#include "base/err.h"
#include "base/near.h"
#include "import/origin.h"
#include "import/source.h"
#include "model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { MAX_TEXT = 16 << 20 };

/* Every knob there is, as JSON. */
static cJSON *all_knobs(bool flat)
{
	struct model m = { .n_expert = 1, .d_cross = 1, .dtype = DT_F32, .rope = { .type = ROPE_LONG } };
	cJSON *o;

	if (flat)
		return origin_knobs(&m);
	model_json(&m, o = json_obj());
	return o;
}

static bool flag_find(const char *word)
{
	struct model m = { .flags = ~0u, .dtype = DT_F32 };
	cJSON *o = json_obj(), *v;
	bool found = false;

	model_json(&m, o);
	cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(o, "flags"))
		found |= !strcmp(v->valuestring, word);
	cJSON_Delete(o);
	return found;
}

static int unknown(const char *where, const char *word, const cJSON *known)
{
	const cJSON *v;
	struct near near = { .word = word };

	cJSON_ArrayForEach(v, known)
		near_try(&near, v->string);
	return err_set(ST_BAD, "%s: no knob '%.40s'; the nearest is '%s'", where, word, near.best);
}

/* Knobs that are named are knobs: one that is mistyped would be off without a word. */
static int check_model(const cJSON *o, const cJSON *known, const char *where)
{
	const cJSON *v, *k;

	if (o && !cJSON_IsObject(o))
		return err_set(ST_BAD, "'%s' is not an object", where);
	cJSON_ArrayForEach(v, o) {
		k = cJSON_GetObjectItemCaseSensitive(known, v->string);
		if (!k)
			return unknown(where, v->string, known);
		if (cJSON_IsObject(k) && check_model(v, k, v->string) < 0)
			return -1;
	}
	return 0;
}

/* A key has one value: knobs that are lists are none of a key's. */
static int check_key(const char *key, const cJSON *v, const cJSON *known)
{
	const cJSON *k;

	if (!cJSON_IsString(v))
		return err_set(ST_BAD, "keys: '%.80s' is neither a knob nor a list of knobs nor null", key);
	k = cJSON_GetObjectItemCaseSensitive(known, v->valuestring);
	if (cJSON_IsArray(k))
		return err_set(ST_BAD, "keys: '%.80s' is '%s', which is a list: it has to stand in 'model'", key, v->valuestring);
	return k || flag_find(v->valuestring) ? 0 : unknown("keys", v->valuestring, known);
}

static int check_keys(const cJSON *keys, const cJSON *known)
{
	const cJSON *v, *w;

	if (keys && !cJSON_IsObject(keys))
		return err_set(ST_BAD, "'keys' is not an object");
	cJSON_ArrayForEach(v, keys) {
		if (cJSON_IsArray(v)) {
			cJSON_ArrayForEach(w, v)
				if (check_key(v->string, w, known) < 0)
					return -1;
		} else if (!cJSON_IsNull(v) && check_key(v->string, v, known) < 0)
			return -1;
	}
	return 0;
}

/* Nor is a word of another place passed over; those of a manifest that say nothing here are. */
static int check_words(const cJSON *o, const char *const *known, const char *what)
{
	const cJSON *v;

	if (!cJSON_IsObject(o))
		return 0;
	cJSON_ArrayForEach(v, o) {
		struct near near = { .word = v->string };

		for (const char *const *k = known; *k; k++)
			near_try(&near, *k);
		if (near.distance)
			return err_set(ST_BAD, "%s has no '%.40s'; the nearest is '%s'", what, v->string, near.best);
	}
	return 0;
}

static const struct family *find_family(const char *name)
{
	const struct family *f = family_find(name);
	struct near near = { .word = name };

	for (const struct family *const *k = family_list(); *k && !f; k++)
		if (family_find((*k)->name))
			near_try(&near, (*k)->name);
	if (!f)
		err_set(ST_UNSUP, "family '%.40s' is not known; the nearest is '%s'", name, near.best);
	return f;
}

/* Names are those of the family that is meant: the one it is like, or, of a manifest, the one it is of. */
static int check(struct description *d)
{
	static const char *const words[] = { "like", "keys", "model", "names", "llmc", "kind", "requires", "carried", "blocks",
	                                     "pg", NULL };
	static const char *const name_words[] = { "roles", "fused", "bare", "trunk", "rest", "layers", NULL };
	const cJSON *model = cJSON_GetObjectItemCaseSensitive(d->json, "model");
	cJSON *knobs = all_knobs(false), *flat = all_knobs(true);
	const struct family *names = NULL;
	const char *like = NULL, *family = NULL;
	int r = -1;

	if (check_words(d->json, words, "a description") < 0 ||
	    check_words(cJSON_GetObjectItemCaseSensitive(d->json, "names"), name_words, "'names'") < 0 ||
	    check_model(model, knobs, "model") < 0 ||
	    check_keys(cJSON_GetObjectItemCaseSensitive(d->json, "keys"), flat) < 0 ||
	    json_str(d->json, "like", &like) < 0 || json_str(model, "family", &family) < 0)
		goto out;
	if (like && !(names = d->like = find_family(like)))
		goto out;
	if (!names && family)
		names = family_find(family);
	if (names)
		d->row = *names;
	if (family || !names)
		d->row.name = family ? family : "described";
	r = names_read(&d->row, cJSON_GetObjectItemCaseSensitive(d->json, "names"));
	d->f = r > 0 ? &d->row : names;
	if (r == 0 && !names)
		r = err_set(ST_BAD, "no names of tensors: neither 'names' nor the family that they are like");
out:
	cJSON_Delete(knobs);
	cJSON_Delete(flat);
	return r < 0 ? -1 : 0;
}

int description_open(struct description *d, const char *path)
{
	size_t len;
	char *text = source_slurp(path, MAX_TEXT, &len);

	*d = (struct description){ .word = "--model" };
	if (!text)
		return -1;
	d->digest = XXH3_64bits(text, len);
	d->json = json_parse(text, len, path);
	free(text);
	if (!d->json)
		return -1;
	if (!cJSON_IsObject(d->json))
		return err_set(ST_BAD, "%s: not an object", path);
	return check(d) < 0 ? err_at("%s", path) : 0;
}

int description_as(struct description *d, const char *word)
{
	*d = (struct description){ .word = "--as", .json = json_obj(), .generic = !strcmp(word, "generic") };
	json_put_str(d->json, "like", word);
	return d->generic ? 0 : check(d);
}

/* Over what is there; of an object that both have, its members. */
static void merge(cJSON *to, const cJSON *from)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, from) {
		cJSON *was = cJSON_GetObjectItemCaseSensitive(to, v->string);

		if (cJSON_IsObject(v) && cJSON_IsObject(was))
			merge(was, v);
		else
			json_put(to, v->string, cJSON_Duplicate(v, 1));
	}
}

static int put_flag(cJSON *model, const char *flag, const char *key, const cJSON *v)
{
	cJSON *list = cJSON_GetObjectItemCaseSensitive(model, "flags"), *was;

	if (!cJSON_IsBool(v))
		return err_set(ST_BAD, "'%.80s' is neither true nor false", key);
	for (int i = cJSON_GetArraySize(list); i-- > 0;)
		if (cJSON_IsString(was = cJSON_GetArrayItem(list, i)) && !strcmp(was->valuestring, flag))
			cJSON_DeleteItemFromArray(list, i);
	if (cJSON_IsTrue(v))
		json_push(list, cJSON_CreateString(flag));
	return 0;
}

static int put_knob(cJSON *model, const char *knob, const char *key, const cJSON *v)
{
	cJSON *in = model;

	if (flag_find(knob))
		return put_flag(model, knob, key, v);
	if (!strncmp(knob, "rope.", 5)) {
		in = cJSON_GetObjectItemCaseSensitive(model, "rope");
		knob += 5;
	}
	json_put(in, knob, cJSON_Duplicate(v, 1));
	return 0;
}

static int put_keys(const struct description *d, cJSON *model, const cJSON *config)
{
	const cJSON *k, *w;

	cJSON_ArrayForEach(k, cJSON_GetObjectItemCaseSensitive(d->json, "keys")) {
		const cJSON *v = cJSON_GetObjectItemCaseSensitive(config, k->string);

		if (!v || cJSON_IsNull(v))
			continue;
		if (cJSON_IsString(k) && put_knob(model, k->valuestring, k->string, v) < 0)
			return -1;
		cJSON_ArrayForEach(w, k)
			if (put_knob(model, w->valuestring, k->string, v) < 0)
				return -1;
	}
	return 0;
}

/* By the rules of the family that it is like, which is not asked about keys that are accounted for. */
static int like(const struct description *d, cJSON *model, const cJSON *config)
{
	cJSON *c = cJSON_Duplicate(config, 1), *k;
	struct model m;
	int r;

	if (!c)
		die(ST_FAIL, "out of memory for JSON");
	cJSON_DeleteItemFromObjectCaseSensitive(c, "model_type");
	cJSON_ArrayForEach(k, cJSON_GetObjectItemCaseSensitive(d->json, "keys"))
		cJSON_DeleteItemFromObjectCaseSensitive(c, k->string);
	r = family_knobs(&m, d->like, c);
	cJSON_Delete(c);
	if (r == 0)
		model_json(&m, model);
	return r;
}

int description_knobs(const struct description *d, struct model *m, const cJSON *config)
{
	cJSON *o = json_obj();
	int r = 0;

	if (d->like)
		r = like(d, o, config);
	else {
		json_put_str(o, "family", "described");
		json_put_str(o, "dtype", dtype_name(DT_F32));   /* the tensors know better */
		json_put(o, "rope", json_obj());
		json_put(o, "flags", json_arr());
	}
	if (r == 0)
		r = put_keys(d, o, config);
	merge(o, cJSON_GetObjectItemCaseSensitive(d->json, "model"));
	if (r == 0)
		r = model_parse(m, o);
	cJSON_Delete(o);
	return r;
}

void description_close(struct description *d)
{
	cJSON_Delete(d->json);
	*d = (struct description){ 0 };
}
