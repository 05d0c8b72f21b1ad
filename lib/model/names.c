#include "model/names.h"

#include "base/err.h"
#include "base/near.h"

#include <stdio.h>
#include <string.h>

static const char *const fuse_words[] = { [FUSE_CAT] = "rows", [FUSE_GROUP] = "groups", [FUSE_EXPERT] = "experts" };
enum { NFUSE = sizeof(fuse_words) / sizeof(*fuse_words), MAX_PATTERN = 200 };

/* "attn.q"; "expert.gate", whichever expert.  buf of 64. */
static const char *role_word(enum role r, char *buf)
{
	static const char one[] = "expert.0";

	role_label(r, 0, buf);
	if (role_expert(r))
		memmove(buf + strlen("expert"), buf + strlen(one), strlen(buf + strlen(one)) + 1);
	return buf;
}

static int find_word(const char *word, enum role *out)
{
	struct near near = { .word = word };
	char buf[64];

	for (int r = 0; r < R_N; r++)
		if (near_try(&near, role_word((enum role)r, buf)))
			*out = (enum role)r;
	return near.distance == 0 ? 0 : err_set(ST_BAD, "names: no role '%.40s'; the nearest is '%s'", word,
	                                        role_word(*out, buf));
}

/* A pattern of the role: a layer's says which, one tensor of many which of them. */
static int check(const char *word, enum role r, const char *pattern, bool stacked)
{
	bool layer = role_home(r) == BLK_KIND_DENSE, expert = role_expert(r) && !stacked, head = r == R_NORM_Q || r == R_NORM_K;
	int L = 0, E = 0, H = 0;

	if (!*pattern || strlen(pattern) > MAX_PATTERN)
		return err_set(ST_BAD, "names: '%s' has a name of %zu bytes", word, strlen(pattern));
	for (const char *p = pattern; *p; p++) {
		if (*p > 0x20 && *p < 0x7f && *p != '%')
			continue;
		if (*p != '%' || !p[1] || !strchr("LEH", p[1]))
			return err_set(ST_BAD, "names: '%s' has a name with something else in it than plain characters, %%L, %%E "
			               "and %%H", word);
		p++;
		L += *p == 'L';
		E += *p == 'E';
		H += *p == 'H';
	}
	if (L != layer || E != expert || H > head)
		return err_set(ST_BAD, "names: '%s' is '%s', where %%L stands for the layer%s", word, pattern,
		               role_expert(r) ? ", and %E for the expert" : layer ? "" : " in others");
	return 0;
}

static int read_roles(struct family *f, const cJSON *list)
{
	const cJSON *v;
	enum role r = R_N;

	cJSON_ArrayForEach(v, list) {
		bool whole = !strcmp(v->string, "router.bias");

		if (whole)
			r = R_ROUTER;
		else if (find_word(v->string, &r) < 0)
			return -1;
		if (!cJSON_IsString(v))
			return err_set(ST_BAD, "names: '%s' is not a string", v->string);
		if (check(v->string, r, v->valuestring, false) < 0)
			return -1;
		if (whole)
			f->router_bias = v->valuestring;
		else
			f->names[r] = v->valuestring;
	}
	return 0;
}

static int read_fuse(struct fuse *f, const cJSON *o)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "roles"), *v;
	const char *as = "";
	int k = 0;

	if (!cJSON_IsObject(o) || json_str(o, "name", &f->name) <= 0 || json_str(o, "as", &as) <= 0 || !cJSON_IsArray(list))
		return err_set(ST_BAD, "names: what is 'fused' has no proper 'name', 'as' and 'roles'");
	while (k < NFUSE && strcmp(fuse_words[k], as))
		k++;
	if (k == NFUSE)
		return err_set(ST_BAD, "names: '%.80s' is fused as '%.40s', not as rows, groups or experts", f->name, as);
	f->kind = (enum fuse_kind)k;
	cJSON_ArrayForEach(v, list) {
		if (f->n == 3 || !cJSON_IsString(v))
			return err_set(ST_BAD, "names: '%.80s' is not fused of up to three roles", f->name);
		if (find_word(v->valuestring, &f->role[f->n]) < 0 ||
		    check(f->name, f->role[f->n], f->name, f->kind == FUSE_EXPERT) < 0)
			return -1;
		if (role_expert(f->role[f->n]) != (f->kind == FUSE_EXPERT))
			return err_set(ST_BAD, "names: '%.80s' fuses '%s' as %s", f->name, v->valuestring, as);
		f->n++;
	}
	return f->n ? 0 : err_set(ST_BAD, "names: '%.80s' is fused of nothing", f->name);
}

static int read_fused(struct family *f, const cJSON *list)
{
	const cJSON *o;
	int n = 0;

	memset(f->fuse, 0, sizeof(f->fuse));
	cJSON_ArrayForEach(o, list) {
		struct fuse one = { 0 };

		if (n == MAX_FUSE)
			return err_set(ST_BAD, "names: more than %d tensors are fused", MAX_FUSE);
		if (read_fuse(&one, o) < 0)
			return -1;
		f->fuse[n++] = one;
	}
	return 0;
}

/* What a role's own name says is not fused any more. */
static void unfuse(struct family *f, const cJSON *roles)
{
	char word[64];
	int n = 0;

	for (int i = 0; i < MAX_FUSE && f->fuse[i].name; i++) {
		bool named = false;

		for (int k = 0; k < f->fuse[i].n; k++)
			named |= cJSON_GetObjectItemCaseSensitive(roles, role_word(f->fuse[i].role[k], word)) != NULL;
		if (!named)
			f->fuse[n++] = f->fuse[i];
	}
	for (; n < MAX_FUSE; n++)
		f->fuse[n] = (struct fuse){ 0 };
}

/* And the other way; no two have the same. */
static int settle(struct family *f)
{
	char a[64], b[64];

	for (int i = 0; i < MAX_FUSE && f->fuse[i].name; i++)
		for (int k = 0; k < f->fuse[i].n; k++)
			f->names[f->fuse[i].role[k]] = NULL;
	for (int r = 0; r < R_N; r++)
		for (int q = 0; q < r; q++)
			if (f->names[r] && f->names[q] && !strcmp(f->names[r], f->names[q]))
				return err_set(ST_BAD, "names: '%s' and '%s' are both '%s'", role_word((enum role)q, a),
				               role_word((enum role)r, b), f->names[r]);
	return f->names[R_EMBED] ? 1 : err_set(ST_BAD, "names: no role 'embed'");
}

int names_read(struct family *f, const cJSON *names)
{
	const cJSON *roles = cJSON_GetObjectItemCaseSensitive(names, "roles");
	const cJSON *fused = cJSON_GetObjectItemCaseSensitive(names, "fused");

	if (names && !cJSON_IsObject(names))
		return err_set(ST_BAD, "'names' is not an object");
	if (!roles && !fused)
		return 0;
	if ((roles && !cJSON_IsObject(roles)) || (fused && !cJSON_IsArray(fused)))
		return err_set(ST_BAD, "names: 'roles' is not an object, or 'fused' not a list");
	f->other = NULL;
	unfuse(f, roles);
	return read_roles(f, roles) < 0 || (fused && read_fused(f, fused) < 0) ? -1 : settle(f);
}

void names_json(const struct family *f, cJSON *names)
{
	cJSON *roles = json_obj(), *fused = json_arr();
	char buf[64];

	for (int r = 0; r < R_N; r++)
		if (f->names[r])
			json_put_str(roles, role_word((enum role)r, buf), f->names[r]);
	if (f->router_bias)
		json_put_str(roles, "router.bias", f->router_bias);
	for (int i = 0; i < MAX_FUSE && f->fuse[i].name; i++) {
		cJSON *o = json_obj(), *list = json_arr();

		json_put_str(o, "name", f->fuse[i].name);
		json_put_str(o, "as", fuse_words[f->fuse[i].kind]);
		for (int k = 0; k < f->fuse[i].n; k++)
			json_push(list, cJSON_CreateString(role_word(f->fuse[i].role[k], buf)));
		json_put(o, "roles", list);
		json_push(fused, o);
	}
	json_put(names, "roles", roles);
	json_put(names, "fused", fused);
}
