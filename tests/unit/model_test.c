/* The description of a model: knobs that came later than the first version, and rows of families. */
#include "base/err.h"
#include "model/family.h"
#include "model/fold.h"
#include "model/site.h"
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

/* Words that came later than their knob. */
static void words(void)
{
	cJSON *c = config(), *man = json_obj(), *obj = json_obj();
	struct model m, n;

	family_resolve(&m, c);
	json_put(man, "model", obj);
	m.place = PLACE_BEHIND;
	m.qk_norm = QK_RMS_ALL;
	model_json(&m, obj);
	model_requires(man);
	ok(requires(man, "[\"place\",\"qk_norm\"]"), "words other than the first require their knobs");
	ok(!model_parse(&n, obj) && n.place == PLACE_BEHIND && n.qk_norm == QK_RMS_ALL, "and are read back");
	json_put_str(obj, "place", "beside");
	ok(model_parse(&n, obj) < 0 && err_status() == ST_UNSUP && strstr(err_msg(), "'place' is 'beside'"),
	   "one that is not known is refused");
	json_put_str(obj, "place", "behind");
	m.n_expert = m.top_k = m.d_expert = 1;
	ok(model_check(&m) < 0 && err_status() == ST_UNSUP, "no experts between such norms");
	cJSON_Delete(man);
	cJSON_Delete(c);
}

/* Norms behind attention and MLP: both read the stream itself, and what they give is normed before it is added. */
static void behind(void)
{
	struct model m = { .n_layer = 1, .d_model = 8, .n_head = 2, .n_kv = 2, .d_head = 4, .d_ff = 16, .gated = true,
	                   .place = PLACE_BEHIND };
	struct program p;
	int norms = 0;

	model_program(&m, 0, &p);
	for (int i = 0; i < p.nsite; i++)
		ok(p.site[i].norm == R_N, "site %s reads no norm", p.site[i].name);
	for (int i = 0; i < p.nstep; i++) {
		const struct step *s = &p.step[i];

		norms += s->op == DO_NORM;
		if (s->op == DO_ADD)
			ok(s->norm == (s->lin == R_O ? R_NORM_ATTN_OUT : R_NORM_MLP_OUT), "step %d adds a norm", i);
	}
	is_int(norms, 0, "the stream itself is never normed");
	is_int(p.nstage, 5, "stages");
}

/* Every tensor that the model has has a name in its family, and back. */
static bool named(const struct family *f, const struct model *m)
{
	static const int index[] = { BLK_EMBED, 0, 1, BLK_HEAD };

	for (int i = 0; i < 4; i++) {
		struct want w = WANT_FIRST;

		while (model_wants(m, index[i], &w)) {
			struct tensor_id id = { .role = w.role, .part = w.part, .layer = index[i] }, back;
			const struct fuse *fuse = family_fuse(f, id.role);
			char name[128];

			id.head = role_expert(w.role) ? w.expert : family_heads(f, id.role) ? (int)w.dim[0] - 1 : 0;
			family_tensor(f, &id, NULL, name, sizeof(name));
			if ((!f->names[w.role] && !fuse) || family_role(f, name, &back) != 1 || back.part != id.part ||
			    back.role != (fuse ? fuse->role[0] : id.role) || back.fuse != fuse ||
			    (!fuse && back.head != id.head) || back.layer != (i == 2)) {
				diag("%s: %s", f->name, name);
				return false;
			}
		}
	}
	return true;
}

static void rows(void)
{
	static const struct family empty = { .name = "empty" };
	static const struct tensor_id q = { .role = R_Q, .part = P_WEIGHT, .layer = 3 };
	static const struct naming bare = { "", "" };
	static const char want[] = "model.layers.3.self_attn.q_proj.weight";
	char name[64];
	bool cut = true;

	for (const struct family *const *f = family_list(); *f; f++) {
		struct model m = (*f)->base;
		bool all = (*f)->names[R_EMBED] != NULL;

		if ((*f)->wrap) {
			ok(!family_find((*f)->name) && (*f)->match[0] && (*f)->wrap->carry[0], "carries something along: %s", (*f)->name);
			continue;
		}
		m.n_layer = 2;
		m.n_head = m.n_kv = 3;
		m.moe[1] = m.n_expert > 0;
		m.moe[0] = m.moe[1] && !(*f)->names[R_GATE];
		all = all && named(*f, &m);
		if ((*f)->names[R_CROSS_Q]) {
			m.d_cross = 5;
			m.cross[0] = true;
			all = all && named(*f, &m);
		}
		/* biases and heads that the checkpoint may have */
		m.flags ^= MF_TIED;
		m.flags |= MF_BIAS_QKV | MF_BIAS_O | MF_BIAS_MLP;
		ok(all && named(*f, &m), "every tensor has its name: %s", (*f)->name);
	}
	is_str(family_tensor(&empty, &q, &bare, name, sizeof(name)), "attn.q.weight", "a row without a name gives the role's");
	ok(!family_prefix(&empty), "and has no prefix");
	for (size_t n = 1; n < sizeof(name); n++) {
		memset(name, 'x', sizeof(name));
		family_tensor(family_find("llama"), &q, NULL, name, n);
		cut = cut && strlen(name) == (n <= strlen(want) ? n - 1 : strlen(want)) && !strncmp(name, want, strlen(name));
	}
	ok(cut, "what does not fit is cut, and ends");
}

/* Names of a language model that stands in another, and of what is carried. */
static void wrapped(void)
{
	static const struct naming hub = { "language_model.model.", "language_model." }, later = { "model.language_model.", "" };
	const struct family *f = family_find("llama"), *llava = NULL;
	struct tensor_id q = { .role = R_Q, .part = P_WEIGHT, .layer = 3 }, head = { .role = R_HEAD, .part = P_WEIGHT };
	char name[128];
	int layer;

	for (const struct family *const *row = family_list(); *row; row++)
		if (!strcmp((*row)->name, "llava"))
			llava = *row;
	is_str(family_tensor(f, &q, &hub, name, sizeof(name)), "language_model.model.layers.3.self_attn.q_proj.weight", "within");
	is_str(family_tensor(f, &head, &hub, name, sizeof(name)), "language_model.lm_head.weight", "its head");
	is_str(family_tensor(f, &q, &later, name, sizeof(name)), "model.language_model.layers.3.self_attn.q_proj.weight", "later");
	is_str(family_tensor(f, &head, &later, name, sizeof(name)), "lm_head.weight", "the head is the whole's then");
	is_str(family_own(f, &hub, "language_model.model.norm.weight", name, sizeof(name)), "model.norm.weight", "and back");
	is_str(family_own(f, &hub, "language_model.lm_head.weight", name, sizeof(name)), "lm_head.weight", "the head");
	is_str(family_own(f, &later, "model.language_model.norm.weight", name, sizeof(name)), "model.norm.weight", "of later");
	is_str(family_own(f, &later, "lm_head.weight", name, sizeof(name)), "lm_head.weight", "the head");
	ok(!family_own(f, &hub, "model.norm.weight", name, sizeof(name)) &&
	   !family_own(f, &later, "model.norm.weight", name, sizeof(name)), "others are none");
	if (!ok(llava != NULL, "llava is a row"))
		return;
	ok(wrap_step(llava->wrap, "", "vision_tower.vision_model.encoder.layers.12.mlp.fc1.weight", &layer) == 2 && layer == 12,
	   "a layer");
	ok(wrap_step(llava->wrap, "model.", "model.vision_tower.vision_model.post_layernorm.bias", &layer) == 3 && layer < 0,
	   "what lies behind them");
	ok(wrap_step(llava->wrap, "model.", "vision_tower.x", &layer) < 0 && wrap_step(llava->wrap, "", "lm_head.weight", &layer) < 0,
	   "and what is not carried");
}

/* Falcon's arrangements, under the words of before and after it came to the library. */
static void resolved(void)
{
	static const struct {
		const char *config, *family;
		enum place place;
		int n_kv;
	} t[] = {
		{ "{\"architectures\":[\"RWForCausalLM\"],\"model_type\":\"RefinedWeb\",\"n_layer\":2,\"hidden_size\":64,"
		  "\"n_head\":8,\"n_head_kv\":2,\"vocab_size\":9}", "falcon_2", PLACE_PARALLEL_2, 2 },
		{ "{\"architectures\":[\"RWForCausalLM\"],\"model_type\":\"RefinedWebModel\",\"n_layer\":2,"
		  "\"hidden_size\":64,\"n_head\":8,\"vocab_size\":9,\"multi_query\":true}", "falcon", PLACE_PARALLEL, 1 },
		{ "{\"architectures\":[\"FalconForCausalLM\"],\"num_hidden_layers\":2,\"hidden_size\":64,"
		  "\"num_attention_heads\":8,\"vocab_size\":9,\"multi_query\":false,\"parallel_attn\":false,\"alibi\":true}",
		  "falcon", PLACE_PRE, 8 },
		{ "{\"architectures\":[\"FalconForCausalLM\"],\"num_hidden_layers\":2,\"hidden_size\":64,\"num_kv_heads\":4,"
		  "\"num_attention_heads\":8,\"vocab_size\":9,\"new_decoder_architecture\":true,"
		  "\"num_ln_in_parallel_attn\":1}", "falcon", PLACE_PARALLEL, 4 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		cJSON *c = json(t[i].config);
		struct model m;

		ok(family_resolve(&m, c) && !strcmp(m.family, t[i].family) && m.place == t[i].place && m.n_kv == t[i].n_kv &&
		   m.d_ff == 256, "%s, arrangement %zu", t[i].family, i);
		cJSON_Delete(c);
	}
}

/* What the arrangement of norms and the biases allow, whatever the family. */
static void folds(void)
{
	static const struct {
		struct model m;
		bool rotation, shift;
	} t[] = {
		{ { .norm = NORM_RMS, .flags = MF_BIAS_QKV | MF_BIAS_MLP }, true, false },
		{ { .norm = NORM_LAYER, .flags = MF_BIAS_QKV | MF_BIAS_MLP }, true, true },
		{ { .norm = NORM_LAYER, .flags = MF_BIAS_QKV }, true, false },
		{ { .norm = NORM_LAYER, .place = PLACE_PARALLEL, .flags = MF_BIAS_QKV | MF_BIAS_MLP }, true, true },
		{ { .norm = NORM_LAYER, .place = PLACE_KEEP, .flags = MF_BIAS_QKV | MF_BIAS_MLP }, false, false },
		{ { .norm = NORM_LAYER, .place = PLACE_POST, .flags = MF_BIAS_QKV | MF_BIAS_MLP }, false, false },
		{ { .norm = NORM_RMS1, .place = PLACE_SANDWICH }, false, false },
		{ { .norm = NORM_LAYER, .place = PLACE_BEHIND, .flags = MF_BIAS_QKV | MF_BIAS_MLP }, false, false },
		{ { .norm = NORM_LAYER, .embed_norm = true }, true, false },
		{ { .norm = NORM_LAYER, .embed_norm = true, .pos_rows = 9 }, false, false },
	};
	struct model m;

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		ok(!fold_rotation(&t[i].m) == t[i].rotation && !fold_shift(&t[i].m) == t[i].shift, "what may be folded, %zu", i);
	for (const struct family *const *f = family_list(); *f; f++) {
		if ((*f)->wrap)
			continue;
		family_sample(&m, *f);
		if (!ok(m.n_layer > 0 && !strcmp(m.family, (*f)->name), "a small %s", (*f)->name))
			diag("%s", err_msg());
	}
}

int main(void)
{
	plan(0);
	folds();
	later();
	words();
	behind();
	rows();
	wrapped();
	resolved();
	return done();
}
