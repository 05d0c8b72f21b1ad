#include "base/json.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* cJSON recurses as deep as the text does, keeps duplicate keys, takes any bytes for a string and ends one at a
 * NUL; all this is settled before and after it runs.  The depth is counted outside strings. */
static int text_ok(const char *s, size_t n, const char *what)
{
	int d = 0;
	bool str = false;
	size_t good = utf8_valid(s, n);

	if (good < n)
		return err_set(ST_BAD, "%s: bad UTF-8 at byte %zu", what, good);
	for (size_t i = 0; i < n; i++) {
		if (str) {
			if (s[i] == '\\') {
				if (n - i > 5 && !memcmp(s + i + 1, "u0000", 5))
					return err_set(ST_BAD, "%s: NUL in a string, at byte %zu", what, i);
				i++;
			} else if (s[i] == '"')
				str = false;
			else if ((unsigned char)s[i] < 0x20)
				return err_set(ST_BAD, "%s: control character in a string, at byte %zu", what, i);
		} else if (s[i] == '"')
			str = true;
		else if (s[i] == '{' || s[i] == '[') {
			if (++d > JSON_DEPTH)
				return err_set(ST_BAD, "%s: JSON nested deeper than %d levels", what, JSON_DEPTH);
		} else if (s[i] == '}' || s[i] == ']')
			d--;
	}
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The first key that stands twice in one object of the tree, or NULL. */
static const char *duplicate(const cJSON *v)
{
	const char **key, *dup = NULL;
	const cJSON *c;
	size_t n = 0;

	cJSON_ArrayForEach(c, v) {
		n++;
		if (c->child && (dup = duplicate(c)))
			return dup;
	}
	if (!cJSON_IsObject(v) || n < 2)
		return NULL;
	key = xmalloc(n * sizeof(*key));
	n = 0;
	cJSON_ArrayForEach(c, v)
		key[n++] = c->string ? c->string : "";
	qsort(key, n, sizeof(*key), by_key);
	for (size_t i = 1; i < n && !dup; i++)
		if (!strcmp(key[i - 1], key[i]))
			dup = key[i];
	free(key);
	return dup;
}

cJSON *json_parse(const void *buf, size_t len, const char *what)
{
	const char *end = NULL, *dup;
	size_t at;
	char *s;
	cJSON *v;

	if (text_ok(buf, len, what) < 0)
		return NULL;
	/* A copy with a NUL: cJSON 1.7.15 looks one byte past the end of a text that ends in "," in an object. */
	s = xmalloc(len + 1);
	if (len)
		memcpy(s, buf, len);
	s[len] = '\0';
	v = cJSON_ParseWithLengthOpts(s, len, &end, 0);
	at = end && end >= s && end <= s + len ? (size_t)(end - s) : 0;
	if (v)
		at += strspn(s + at, " \t\n\r");
	free(s);
	if (!v) {
		err_set(ST_BAD, "%s: bad JSON at byte %zu", what, at);
		return NULL;
	}
	if (at != len) {
		err_set(ST_BAD, "%s: something after the JSON value, at byte %zu", what, at);
		cJSON_Delete(v);
		return NULL;
	}
	if ((dup = duplicate(v))) {
		err_set(ST_BAD, "%s: key '%.80s' stands twice", what, dup);
		cJSON_Delete(v);
		return NULL;
	}
	return v;
}

char *json_text(const cJSON *v, bool pretty)
{
	char *s = pretty ? cJSON_Print(v) : cJSON_PrintUnformatted(v);

	if (!s)
		die(ST_FAIL, "out of memory for JSON");
	return s;
}

static const cJSON *find(const cJSON *obj, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, key);

	return v && !cJSON_IsNull(v) ? v : NULL;
}

int json_int(const cJSON *obj, const char *key, int64_t min, int64_t max, int64_t *out)
{
	const cJSON *v = find(obj, key);
	double d;

	if (!v)
		return 0;
	d = cJSON_IsNumber(v) ? v->valuedouble : NAN;
	if (!(d == floor(d)) || fabs(d) > 9007199254740992.0)
		return err_set(ST_BAD, "'%s' is not a whole number", key);
	if (d < (double)min || d > (double)max)
		return err_set(ST_BAD, "'%s' is %.0f, outside %lld..%lld", key, d, (long long)min, (long long)max);
	*out = (int64_t)d;
	return 1;
}

int json_num(const cJSON *obj, const char *key, double *out)
{
	const cJSON *v = find(obj, key);

	if (!v)
		return 0;
	if (!cJSON_IsNumber(v) || !isfinite(v->valuedouble))
		return err_set(ST_BAD, "'%s' is not a finite number", key);
	*out = v->valuedouble;
	return 1;
}

int json_bool(const cJSON *obj, const char *key, bool *out)
{
	const cJSON *v = find(obj, key);

	if (!v)
		return 0;
	if (!cJSON_IsBool(v))
		return err_set(ST_BAD, "'%s' is neither true nor false", key);
	*out = cJSON_IsTrue(v);
	return 1;
}

int json_str(const cJSON *obj, const char *key, const char **out)
{
	const cJSON *v = find(obj, key);

	if (!v)
		return 0;
	if (!cJSON_IsString(v))
		return err_set(ST_BAD, "'%s' is not a string", key);
	*out = v->valuestring;
	return 1;
}

static cJSON *must(cJSON *v)
{
	if (!v)
		die(ST_FAIL, "out of memory for JSON");
	return v;
}

cJSON *json_obj(void)
{
	return must(cJSON_CreateObject());
}

cJSON *json_arr(void)
{
	return must(cJSON_CreateArray());
}

void json_add(cJSON *obj, const char *key, cJSON *val)
{
	if (!cJSON_AddItemToObject(obj, key, must(val)))
		die(ST_FAIL, "out of memory for JSON");
}

void json_put(cJSON *obj, const char *key, cJSON *val)
{
	must(val);
	if (!cJSON_GetObjectItemCaseSensitive(obj, key))
		json_add(obj, key, val);
	else if (!cJSON_ReplaceItemInObjectCaseSensitive(obj, key, val))
		die(ST_FAIL, "out of memory for JSON");
}

void json_put_str(cJSON *obj, const char *key, const char *val)
{
	json_put(obj, key, cJSON_CreateString(val));
}

void json_put_num(cJSON *obj, const char *key, double val)
{
	json_put(obj, key, cJSON_CreateNumber(val));
}

void json_put_bool(cJSON *obj, const char *key, bool val)
{
	json_put(obj, key, cJSON_CreateBool(val));
}

void json_push(cJSON *arr, cJSON *val)
{
	if (!cJSON_AddItemToArray(arr, must(val)))
		die(ST_FAIL, "out of memory for JSON");
}
