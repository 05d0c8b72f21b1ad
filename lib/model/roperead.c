/* Rotary positions as a configuration has them.  All that it says of them changes angles. */
#include "model/family.h"

#include "base/err.h"

#include <math.h>
#include <string.h>

/* Every key says something about the angles: one that is not known is refused. */
static int rope_keys(const cJSON *p, const char *what)
{
	static const char *const known[] = {
		"rope_type", "type", "rope_theta", "partial_rotary_factor", "factor", "low_freq_factor", "high_freq_factor",
		"beta_fast", "beta_slow", "mscale", "mscale_all_dim", "attention_factor", "truncate",
		"original_max_position_embeddings", "short_factor", "long_factor", "mrope_section",
		"finetuned"                     /* tells history */
	};
	const cJSON *v;

	cJSON_ArrayForEach(v, p) {
		size_t i = 0, n = sizeof(known) / sizeof(*known);

		while (i < n && strcmp(known[i], v->string))
			i++;
		if (i == n && !cJSON_IsNull(v))
			return err_set(ST_UNSUP, "'%.40s' in '%s' is not supported", v->string, what);
	}
	return 0;
}

static int rope_type(const cJSON *p, enum rope_type *out)
{
	static const struct {
		const char *name;
		enum rope_type type;
	} t[] = {
		{ "default", ROPE_DEFAULT }, { "mrope", ROPE_DEFAULT }, { "linear", ROPE_LINEAR }, { "dynamic", ROPE_DYNAMIC }, { "llama3", ROPE_LLAMA3 },
		{ "yarn", ROPE_YARN }, { "longrope", ROPE_LONG }, { "su", ROPE_LONG }
	};
	const cJSON *factor = cJSON_GetObjectItemCaseSensitive(p, "factor");
	const char *type = "default";
	size_t i = 0, n = sizeof(t) / sizeof(*t);

	if (json_str(p, "rope_type", &type) < 0 || (!cJSON_GetObjectItemCaseSensitive(p, "rope_type") &&
	    json_str(p, "type", &type) < 0))
		return -1;
	while (i < n && strcmp(t[i].name, type))
		i++;
	if (i == n)
		return err_set(ST_UNSUP, "rope scaling '%.40s' is not supported", type);
	*out = t[i].type;
	/* what the first configurations of Phi-3 called it */
	if (*out == ROPE_YARN && cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(p, "long_factor")))
		*out = ROPE_LONG;
	if (*out == ROPE_DEFAULT || *out == ROPE_LONG || (factor && (*out == ROPE_YARN || !cJSON_IsNull(factor))))
		return 0;
	return err_set(ST_BAD, "rope scaling '%s' has no 'factor'", type);
}

static int stretch(const cJSON *p, const char *key, int n, double *out)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(p, key), *v;
	int i = 0;

	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != n || n > MAX_STRETCH)
		return err_set(ST_BAD, "'%s' is not a list of %d factors", key, n);
	cJSON_ArrayForEach(v, list)
		out[i++] = cJSON_IsNumber(v) ? v->valuedouble : 0;
	return 0;
}

/* Sections of a head's pairs turn by the place in time, height and width of what a token is of; these are one number
 * where it is of text, so the sections only have to be all there is. */
static int check_sections(const struct rope *r, const cJSON *p)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(p, "mrope_section"), *v;
	double sum = 0;

	if (!list || cJSON_IsNull(list))
		return 0;
	cJSON_ArrayForEach(v, list)
		sum += cJSON_IsNumber(v) && v->valuedouble >= 0 ? v->valuedouble : NAN;
	return cJSON_IsArray(list) && sum == r->dim / 2 ? 0 :
	       err_set(ST_BAD, "'mrope_section' is not a list of sections of %d pairs", r->dim / 2);
}

/* Position scaling: `rope_parameters` of newer configurations, `rope_scaling` and `rope_theta` of older. */
int rope_read(struct model *m, const cJSON *config, double rotary)
{
	const cJSON *p = cJSON_GetObjectItemCaseSensitive(config, "rope_parameters");
	struct rope *r = &m->rope;
	const char *what = "rope_parameters";
	double prf = rotary > 0 ? rotary : 1;
	int factor = 0;
	int64_t orig = r->orig_ctx > 1 ? r->orig_ctx : m->ctx;

	if (r->type == ROPE_NONE)
		return 0;
	if (!p || !p->child)
		p = cJSON_GetObjectItemCaseSensitive(config, what = "rope_scaling");
	if (p && !cJSON_IsNull(p) && !cJSON_IsObject(p))
		return err_set(ST_BAD, "'%s' is not an object", what);
	if (rope_keys(p, what) < 0 || rope_type(p, &r->type) < 0)
		return -1;
	if (json_num(config, "rope_theta", &r->base) < 0 || json_num(p, "rope_theta", &r->base) < 0 ||
	    json_num(config, "partial_rotary_factor", &prf) < 0 || json_num(p, "partial_rotary_factor", &prf) < 0 ||
	    (factor = json_num(p, "factor", &r->factor)) < 0 || json_num(p, "low_freq_factor", &r->low_freq) < 0 ||
	    json_num(p, "high_freq_factor", &r->high_freq) < 0 || json_num(p, "beta_fast", &r->beta_fast) < 0 ||
	    json_num(p, "beta_slow", &r->beta_slow) < 0 || json_num(p, "mscale", &r->mscale) < 0 ||
	    json_num(p, "mscale_all_dim", &r->mscale_all_dim) < 0 ||
	    json_num(p, "attention_factor", &r->attn_factor) < 0 || json_bool(p, "truncate", &r->truncate) < 0 ||
	    json_int(p, "original_max_position_embeddings", 1, 1 << 30, &orig) < 0 ||
	    json_int(config, "original_max_position_embeddings", 1, 1 << 30, &orig) < 0)
		return -1;
	for (int i = 0; i < 2 && r->type != ROPE_LONG; i++) {
		const char *key = i ? "long_factor" : "short_factor";
		const cJSON *v = cJSON_GetObjectItemCaseSensitive(p, key);

		if (v && !cJSON_IsNull(v))
			return err_set(ST_UNSUP, "'%s' in '%s' is not supported with this scaling", key, what);
	}
	r->orig_ctx = (int)orig;
	if (!factor && (r->type == ROPE_LONG || r->type == ROPE_YARN))  /* how much longer the context has become */
		r->factor = (double)m->ctx / (double)orig;
	if (!(prf > 0 && prf <= 1))
		return err_set(ST_BAD, "'partial_rotary_factor' is %g", prf);
	if (!m->kv_rank)                        /* else the rotated part has a width of its own */
		r->dim = (int)(m->d_head * prf);
	if (check_sections(r, p) < 0)
		return -1;
	if (r->type != ROPE_LONG)
		return 0;
	return stretch(p, "short_factor", r->dim / 2, r->near) < 0 ? -1 : stretch(p, "long_factor", r->dim / 2, r->far);
}
