/* The description of a model: knobs that came later than the first version, and rows of families. */
#include "base/err.h"
#include "model/family.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static cJSON *json(const char *text)
{
	cJSON *v = json_parse(text, strlen(text), "test");

	if (!v)
		die_err();
	return v;
}

static cJSON *config(void)
{
	return json("{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":2,\"hidden_size\":8,"
	            "\"num_attention_heads\":2,\"intermediate_size\":16,\"vocab_size\":4}");
}

static bool requires(const cJSON *manifest, const char *want)
{
	char *s = json_text(cJSON_GetObjectItemCaseSensitive(manifest, "requires"), false);
	bool same = !strcmp(s, want);

	if (!same)
		diag("%s instead of %s", s, want);
	free(s);
	return same;
}

static void later(void)
{
	cJSON *c = config(), *man = json_obj(), *obj = json_obj();
	struct model m, n;

	ok(family_resolve(&m, c) != NULL, "a configuration is resolved");
	model_json(&m, obj);
	json_put(man, "model", obj);
	model_requires(man);
	ok(requires(man, "[]"), "nothing is required where all that came later is off");
	cJSON_DeleteItemFromObject(obj, "cap_attn");
	cJSON_DeleteItemFromObject(obj, "cap_logit");
	ok(!model_parse(&n, obj) && n.cap_attn == 0 && n.cap_logit == 0, "absent, it is off");
	model_requires(man);
	ok(requires(man, "[]"), "and nothing is required");
	m.cap_attn = 50;
	model_json(&m, obj);
	model_requires(man);
	ok(requires(man, "[\"cap_attn\"]"), "on, it is required");
	model_requires(man);
	ok(requires(man, "[\"cap_attn\"]"), "once");
	ok(!model_parse(&n, obj) && n.cap_attn == 50, "and read back");
	json_push(cJSON_GetObjectItemCaseSensitive(man, "requires"), cJSON_CreateString("other"));
	m.cap_attn = 0;
	m.cap_logit = 30;
	model_json(&m, obj);
	model_requires(man);
	ok(requires(man, "[\"other\",\"cap_logit\"]"), "what is off again goes, what others require stays");
	ok(model_knows("cap_attn") && model_knows("cap_logit"), "those words are known");
	ok(!model_knows("window") && !model_knows("other") && !model_knows(""), "others are not, old knobs among them");
	cJSON_DeleteItemFromObject(obj, "window");
	ok(model_parse(&n, obj) < 0 && err_status() == ST_BAD && strstr(err_msg(), "'window' is missing"),
	   "a knob of the first version is never absent");
	cJSON_Delete(man);
	cJSON_Delete(c);
}

/* Every tensor that a model may have has a name in every family, and back. */
static bool named(const struct family *f, const struct model *m)
{
	for (int r = 0; r < R_N; r++)
		for (int p = 0; p < P_N; p++) {
			char name[128];
			int64_t dim[MAXDIM];
			enum role role;
			enum part part;
			int layer, nd;

			if (!role_shape(m, (enum role)r, (enum part)p, &nd, dim))
				continue;
			family_tensor(f, (enum role)r, (enum part)p, 1, false, name, sizeof(name));
			if (!f->names[r] || family_role(f, name, &role, &part, &layer) != 1 || (int)role != r || (int)part != p) {
				diag("%s: %s", f->name, name);
				return false;
			}
		}
	return true;
}

static void rows(void)
{
	static const struct family empty = { .name = "empty" };
	char name[64];

	for (const struct family *const *f = family_list(); *f; f++) {
		struct model m = (*f)->base;
		bool all = (*f)->names[R_EMBED] != NULL;

		m.n_layer = 2;
		for (m.flags = 0; m.flags < 16 && all; m.flags++)
			all = named(*f, &m);
		ok(all, "every tensor has its name: %s", (*f)->name);
	}
	is_str(family_tensor(&empty, R_Q, P_WEIGHT, 3, true, name, sizeof(name)), "attn.q.weight",
	       "a row without a name gives the role's");
	ok(!family_prefix(&empty), "and has no prefix");
}

int main(void)
{
	plan(0);
	later();
	rows();
	return done();
}
