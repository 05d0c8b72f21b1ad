/* JSON: cJSON with a strict door.  Texts come from outside: UTF-8, one value, nothing after it, no NUL in a
 * string, no key twice in an object, at most JSON_DEPTH levels. */
#ifndef JSON_H
#define JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH = 64 };

cJSON *json_parse(const void *buf, size_t len, const char *what);  /* NULL: error set (ST_BAD), naming `what` */
char *json_text(const cJSON *, bool pretty);                       /* malloc'd; dies on no memory */

/* Typed look-ups.  1: found, *out set; 0: absent or null, *out untouched; -1: another type or out of
 * range, error set (ST_BAD). */
int json_int(const cJSON *obj, const char *key, int64_t min, int64_t max, int64_t *out);
int json_num(const cJSON *obj, const char *key, double *out);      /* finite */
int json_bool(const cJSON *obj, const char *key, bool *out);
int json_str(const cJSON *obj, const char *key, const char **out); /* borrowed from obj */

/* Builders that die instead of returning NULL. */
cJSON *json_obj(void);
cJSON *json_arr(void);
void json_put(cJSON *obj, const char *key, cJSON *val);            /* takes val; replaces an old one */
void json_add(cJSON *obj, const char *key, cJSON *val);            /* as json_put of a key that is new: no search */
void json_put_str(cJSON *obj, const char *key, const char *val);
void json_put_num(cJSON *obj, const char *key, double val);
void json_put_bool(cJSON *obj, const char *key, bool val);
void json_push(cJSON *arr, cJSON *val);                            /* takes val */

#endif
