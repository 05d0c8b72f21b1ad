/* What configurations say: the knobs that come of them.  Each is the base below with the row's own keys. */
#include "base/err.h"
#include "model/family.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char base[] =
	"{\"num_hidden_layers\":4,\"hidden_size\":48,\"num_attention_heads\":8,\"num_key_value_heads\":2,"
	"\"intermediate_size\":10,\"vocab_size\":9,\"max_position_embeddings\":64}";

static cJSON *json(const char *text)
{
	cJSON *v = json_parse(text, strlen(text), "test");

	if (!v)
		die_err();
	return v;
}

static cJSON *with(const char *arch, const char *keys)
{
	cJSON *c = json(base), *own = json(keys), *v;

	json_put(c, "architectures", json_arr());
	json_push(cJSON_GetObjectItemCaseSensitive(c, "architectures"), cJSON_CreateString(arch));
	cJSON_ArrayForEach(v, own)
		json_put(c, v->string, cJSON_Duplicate(v, 1));
	cJSON_Delete(own);
	return c;
}

/* Every key of `want` is in `have`, with its value. */
static bool says(const cJSON *have, const cJSON *want)
{
	const cJSON *w, *h;
	bool same = true;

	cJSON_ArrayForEach(w, want) {
		h = cJSON_GetObjectItemCaseSensitive(have, w->string);
		if (cJSON_IsObject(w) ? says(h, w) : cJSON_IsNumber(w) && cJSON_IsNumber(h) ?
		    fabs(w->valuedouble - h->valuedouble) <= 1e-12 * fabs(w->valuedouble) : cJSON_Compare(w, h, true))
			continue;
		diag("%s: %s", w->string, h ? json_text(h, false) : "nothing");
		same = false;
	}
	return same;
}

static const struct {
	const char *arch, *keys, *knobs;
} row[] = {
	/* windows: null is none, whatever the class has where the key is absent */
	{ "Qwen2ForCausalLM", "{\"use_sliding_window\":true,\"max_window_layers\":1}",
	  "{\"window\":4096,\"window_layers\":[1,2,3]}" },
	{ "Qwen2ForCausalLM", "{\"use_sliding_window\":true,\"sliding_window\":null,\"max_window_layers\":1}",
	  "{\"window\":0,\"window_layers\":[]}" },
	{ "Qwen3ForCausalLM", "{\"use_sliding_window\":true,\"sliding_window\":5,\"layer_types\":[\"full_attention\","
	  "\"sliding_attention\",\"sliding_attention\",\"full_attention\"]}", "{\"window\":5,\"window_layers\":[1,2]}" },
	{ "Qwen2MoeForCausalLM", "{\"use_sliding_window\":true,\"sliding_window\":5}",
	  "{\"window\":5,\"window_layers\":[0,2]}" },
	{ "Qwen2MoeForCausalLM", "{\"use_sliding_window\":true,\"sliding_window\":5,\"max_window_layers\":2}",
	  "{\"window\":5,\"window_layers\":[0]}" },
	{ "Qwen3MoeForCausalLM", "{\"use_sliding_window\":true,\"sliding_window\":5,\"max_window_layers\":2}",
	  "{\"window\":5,\"window_layers\":[0,1,2,3]}" },
	{ "Qwen2MoeForCausalLM", "{\"use_sliding_window\":false,\"sliding_window\":0}", "{\"window\":0,\"window_layers\":[]}" },
	{ "Qwen3MoeForCausalLM", "{\"num_local_experts\":9}", "{\"n_expert\":9,\"moe_layers\":[0,1,2,3]}" },
	{ "Qwen3MoeForCausalLM", "{\"use_sliding_window\":false,\"sliding_window\":5}", "{\"window\":0,\"window_layers\":[]}" },
	{ "Gemma2ForCausalLM", "{\"sliding_window\":5}", "{\"window\":5,\"window_layers\":[0,2]}" },

	/* heads of keys and values: absent, as the class has it; null, as many as there are heads */
	{ "Starcoder2ForCausalLM", "{\"num_key_value_heads\":null}", "{\"n_kv\":8}" },
	{ "Qwen3ForCausalLM", "{\"num_key_value_heads\":null}", "{\"n_kv\":8,\"d_head\":128}" },

	/* which of two keys names the activation */
	{ "GemmaForCausalLM", "{\"hidden_act\":\"gelu\"}", "{\"act\":\"gelu_tanh\"}" },
	{ "GemmaForCausalLM", "{\"hidden_act\":\"relu\"}", "{\"act\":\"relu\"}" },
	{ "GemmaForCausalLM", "{\"hidden_act\":\"relu\",\"hidden_activation\":\"gelu\"}", "{\"act\":\"gelu\"}" },
	{ "Gemma2ForCausalLM", "{\"hidden_act\":\"gelu\"}", "{\"act\":\"gelu_tanh\"}" },
	{ "Gemma2ForCausalLM", "{\"hidden_activation\":\"gelu\"}", "{\"act\":\"gelu\"}" },

	/* scaling of positions */
	{ "LlamaForCausalLM", "{\"rope_parameters\":{},\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}}",
	  "{\"rope\":{\"type\":\"linear\",\"factor\":2}}" },
	{ "LlamaForCausalLM", "{\"rope_scaling\":{\"type\":\"yarn\",\"factor\":null,"
	  "\"original_max_position_embeddings\":16}}", "{\"rope\":{\"type\":\"yarn\",\"factor\":4,\"orig_ctx\":16}}" },
	{ "LlamaForCausalLM", "{\"head_dim\":4,\"rope_scaling\":{\"type\":\"longrope\",\"factor\":null,"
	  "\"short_factor\":[1,2],\"long_factor\":[3,4],\"original_max_position_embeddings\":16}}",
	  "{\"rope\":{\"type\":\"long\",\"factor\":4,\"orig_ctx\":16,\"far\":[3,4]}}" },
	{ "Phi3ForCausalLM", "{\"head_dim\":4,\"rope_scaling\":{\"type\":\"yarn\",\"short_factor\":[1,2],"
	  "\"long_factor\":[3,4]}}", "{\"rope\":{\"type\":\"long\",\"factor\":0.015625,\"orig_ctx\":4096}}" },
	{ "DeepseekV2ForCausalLM", "{\"qk_nope_head_dim\":8,\"qk_rope_head_dim\":4,\"kv_lora_rank\":4,\"v_head_dim\":4,"
	  "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":null,\"mscale_all_dim\":0.7,"
	  "\"original_max_position_embeddings\":16}}", "{\"attn_scale\":0.3474199730084196}" },

	/* norms without weights, as Galactica has them */
	{ "OPTForCausalLM", "{\"ffn_dim\":10,\"layer_norm_elementwise_affine\":false}", "{\"plain_norm\":true}" },
	{ "OPTForCausalLM", "{\"ffn_dim\":10,\"layer_norm_elementwise_affine\":true}", "{\"plain_norm\":false}" },

	/* what a class takes where there is nothing */
	{ "MiniCPMForCausalLM", "{}", "{\"mul_resid\":0.5,\"mul_logit\":0.020833333333333332}" },
	{ "GraniteForCausalLM", "{}", "{\"attn_scale\":1,\"mul_embed\":0,\"mul_resid\":0,\"mul_logit\":1}" },
	{ "GraniteForCausalLM", "{\"attention_multiplier\":0.25,\"embedding_multiplier\":12,\"residual_multiplier\":0.5,"
	  "\"logits_scaling\":8}", "{\"attn_scale\":0.25,\"mul_embed\":12,\"mul_resid\":0.5,\"mul_logit\":0.125}" },
	{ "Olmo2ForCausalLM", "{}", "{\"place\":\"behind\",\"qk_norm\":\"rms_all\",\"eps\":1e-5,\"flags\":[]}" },
};

int main(void)
{
	plan(0);
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		cJSON *c = with(row[i].arch, row[i].keys), *want = json(row[i].knobs), *have = json_obj();
		struct model m;

		if (!ok(family_resolve(&m, c) != NULL, "%s is resolved", row[i].arch))
			diag("%s", err_msg());
		model_json(&m, have);
		ok(says(have, want), "%s: %s", row[i].keys, row[i].knobs);
		cJSON_Delete(have);
		cJSON_Delete(want);
		cJSON_Delete(c);
	}
	return done();
}
