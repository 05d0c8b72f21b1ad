/* The architectures of GGUF that are read: rows, and the names that all of them share for what tensors are. */
#include "import/ggufile.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/near.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ENDS [R_EMBED] = "token_embd", [R_POS] = "position_embd", [R_NORM_EMBED] = "token_embd_norm", \
	[R_NORM_FINAL] = "output_norm", [R_HEAD] = "output"
#define ATTENTION \
	[R_Q] = "blk.%L.attn_q", [R_K] = "blk.%L.attn_k", [R_V] = "blk.%L.attn_v", [R_O] = "blk.%L.attn_output", \
	[R_NORM_Q] = "blk.%L.attn_q_norm", [R_NORM_K] = "blk.%L.attn_k_norm", \
	[R_QA] = "blk.%L.attn_q_a", [R_NORM_QA] = "blk.%L.attn_q_a_norm", [R_QB] = "blk.%L.attn_q_b", \
	[R_KVA] = "blk.%L.attn_kv_a_mqa", [R_NORM_KVA] = "blk.%L.attn_kv_a_norm", [R_KVB] = "blk.%L.attn_kv_b", \
	[R_NORM_ATTN_OUT] = "blk.%L.post_attention_norm", [R_NORM_MLP_OUT] = "blk.%L.post_ffw_norm"
#define NORMS [R_NORM_ATTN] = "blk.%L.attn_norm", [R_NORM_MLP] = "blk.%L.ffn_norm"
#define MLP [R_GATE] = "blk.%L.ffn_gate", [R_UP] = "blk.%L.ffn_up", [R_DOWN] = "blk.%L.ffn_down"
#define EXPERTS \
	[R_ROUTER] = "blk.%L.ffn_gate_inp", [R_SHARED_ROUTER] = "blk.%L.ffn_gate_inp_shexp", \
	[R_SHARED_GATE] = "blk.%L.ffn_gate_shexp", [R_SHARED_UP] = "blk.%L.ffn_up_shexp", \
	[R_SHARED_DOWN] = "blk.%L.ffn_down_shexp", [R_EXPERT_GATE] = "blk.%L.ffn_gate.%E", \
	[R_EXPERT_UP] = "blk.%L.ffn_up.%E", [R_EXPERT_DOWN] = "blk.%L.ffn_down.%E"
#define QKV { "blk.%L.attn_qkv", FUSE_CAT, 3, { R_Q, R_K, R_V } }

/* Experts one at a time are what the first files had. */
static const struct family names = {
	.name = "gguf",
	.names = { ENDS, NORMS, ATTENTION, MLP, EXPERTS },
	.router_bias = "blk.%L.exp_probs_b.bias",
	.fuse = { QKV, { "blk.%L.ffn_gate_exps.weight", FUSE_EXPERT, 1, { R_EXPERT_GATE } },
	          { "blk.%L.ffn_up_exps.weight", FUSE_EXPERT, 1, { R_EXPERT_UP } },
	          { "blk.%L.ffn_down_exps.weight", FUSE_EXPERT, 1, { R_EXPERT_DOWN } },
	          { "blk.%L.ffn_gate_up_exps.weight", FUSE_EXPERT, 2, { R_EXPERT_GATE, R_EXPERT_UP } } },
};
static const struct family names_phi3 = {
	.name = "gguf",
	.names = { ENDS, NORMS, ATTENTION, [R_DOWN] = "blk.%L.ffn_down" },
	.fuse = { QKV, { "blk.%L.ffn_up", FUSE_CAT, 2, { R_GATE, R_UP } } },
};
static const struct family names_falcon_2 = {
	.name = "gguf",
	.names = { ENDS, ATTENTION, MLP, [R_NORM_ATTN] = "blk.%L.attn_norm_2", [R_NORM_MLP] = "blk.%L.attn_norm" },
	.fuse = { QKV },
};

static int falcon(const struct gguf *g, const struct gguf_arch *a, cJSON *c)
{
	int64_t kv = 1;

	if (arch_int(g, a, "attention.head_count_kv", 1, 1 << 16, &kv) < 0)
		return -1;
	json_put_bool(c, "multi_query", kv == 1);
	json_put_bool(c, "new_decoder_architecture", kv > 1 || a->has);
	json_put_num(c, "num_ln_in_parallel_attn", a->has ? 2 : 1);
	return 0;
}

static int one_or_all(const struct gguf *g, const struct gguf_arch *a, cJSON *c)
{
	int64_t kv = 1, heads = 0;

	if (arch_int(g, a, "attention.head_count_kv", 1, 1 << 16, &kv) < 0 ||
	    arch_int(g, a, "attention.head_count", 1, 1 << 16, &heads) < 0)
		return -1;
	if (kv != 1 && kv != heads)
		return err_set(ST_UNSUP, "GGUF: %lld key/value heads of %lld in a model of '%s'", (long long)kv,
		               (long long)heads, a->name);
	json_put_bool(c, "multi_query", kv == 1);
	return 0;
}

/* By what the scores are scaled no key says: the width of a head, but in the largest of the three models published. */
static int gemma2(const struct gguf *g, const struct gguf_arch *a, cJSON *c)
{
	int64_t layers = 0, width = 0, heads = 1, hd = 256;

	if (arch_int(g, a, "block_count", 1, 1 << 30, &layers) < 0 ||
	    arch_int(g, a, "embedding_length", 1, 1 << 30, &width) < 0 ||
	    arch_int(g, a, "attention.head_count", 1, 1 << 16, &heads) < 0 ||
	    arch_int(g, a, "attention.key_length", 1, 1 << 16, &hd) < 0)
		return -1;
	json_put_num(c, "query_pre_attn_scalar", (double)(layers == 46 ? width / heads : hd));
	return 0;
}

/* The file has what the original's numbers come to. */
static int minicpm(const struct gguf *g, const struct gguf_arch *a, cJSON *c)
{
	int64_t layers = 1, width = 1;
	double embed = 12, resid = 0, logit = 0, base;

	if (arch_int(g, a, "block_count", 1, 1 << 30, &layers) < 0 ||
	    arch_int(g, a, "embedding_length", 1, 1 << 30, &width) < 0 ||
	    arch_real(g, a, "embedding_scale", &embed) < 0 || arch_real(g, a, "residual_scale", &resid) < 0 ||
	    arch_real(g, a, "logit_scale", &logit) < 0)
		return -1;
	base = logit > 0 ? round((double)width / logit) : 256;
	if (logit > 0 && (float)((double)width / base) != (float)logit)
		base = (double)width / logit;
	json_put(c, "scale_emb", gguf_number(gguf_decimal(embed, 1)));
	json_put(c, "scale_depth", gguf_number(resid > 0 ? gguf_decimal(resid, sqrt((double)layers)) : 1.4));
	json_put_num(c, "dim_model_base", base);
	return 0;
}

/* Layers without a router are plain. */
static int qwen_moe(const struct gguf *g, const struct gguf_arch *a, cJSON *c)
{
	bool moe[MAX_LAYER] = { false };
	int64_t layers = 0;
	cJSON *plain = json_arr();
	int l, n;

	if (arch_int(g, a, "block_count", 1, 1 << 30, &layers) < 0) {
		cJSON_Delete(plain);
		return -1;
	}
	for (int i = 0; i < g->nt; i++) {
		n = 0;
		if (sscanf(g->t[i].name, "blk.%4d.ffn_gate_inp.weight%n", &l, &n) == 1 && n && !g->t[i].name[n] && l >= 0 &&
		    l < MAX_LAYER)
			moe[l] = true;
	}
	for (l = 0; l < layers && l < MAX_LAYER; l++)
		if (!moe[l])
			json_push(plain, cJSON_CreateNumber(l));
	json_put(c, "mlp_only_layers", plain);
	return 0;
}

/* Groups of experts were not written at first: what the models of so many experts have. */
static void usual_groups(int64_t experts, int64_t *groups, int64_t *top)
{
	static const int64_t usual[][3] = { { 160, 8, 3 }, { 256, 8, 4 } };

	*groups = *top = 1;
	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
		if (usual[i][0] == experts) {
			*groups = usual[i][1];
			*top = usual[i][2];
		}
}

static int deepseek(const struct gguf *g, const struct gguf_arch *a, cJSON *c)
{
	int64_t key = 0, val = 0, rot = 0, heads = 1, experts = 0, groups, top, gate = a->has ? 2 : 1;
	cJSON *scaling = cJSON_GetObjectItemCaseSensitive(c, "rope_scaling");
	double all = 0;

	if (arch_int(g, a, "attention.key_length", 1, 1 << 16, &key) < 0 ||
	    arch_int(g, a, "attention.value_length", 1, 1 << 16, &val) < 0 ||
	    arch_int(g, a, "attention.key_length_mla", 1, 1 << 16, &key) < 0 ||
	    arch_int(g, a, "attention.value_length_mla", 1, 1 << 16, &val) < 0 ||
	    arch_int(g, a, "rope.dimension_count", 1, 1 << 16, &rot) < 0 ||
	    arch_int(g, a, "attention.head_count", 1, 1 << 16, &heads) < 0 ||
	    arch_int(g, a, "expert_count", 0, 1 << 30, &experts) < 0)
		return -1;
	usual_groups(experts, &groups, &top);
	if (arch_int(g, a, "expert_group_count", 0, 1 << 14, &groups) < 0 ||
	    arch_int(g, a, "expert_group_used_count", 0, 1 << 14, &top) < 0 ||
	    arch_int(g, a, "expert_gating_func", 0, 1 << 14, &gate) < 0 ||
	    arch_real(g, a, "rope.scaling.yarn_log_multiplier", &all) < 0)
		return -1;
	if (!val || rot < 1 || key <= rot)
		return err_set(ST_BAD, "GGUF: keys of %lld, %lld of them rotated, and values of %lld", (long long)key,
		               (long long)rot, (long long)val);
	if (gate != (a->has ? 2 : 1))
		return err_set(ST_UNSUP, "GGUF: '%s.expert_gating_func' is %lld", a->name, (long long)gate);
	json_put_num(c, "num_key_value_heads", (double)heads);
	json_put_num(c, "qk_nope_head_dim", (double)(key - rot));
	json_put_num(c, "qk_rope_head_dim", (double)rot);
	json_put_num(c, "v_head_dim", (double)val);
	if (groups > 1 || a->has) {
		json_put_num(c, "n_group", (double)(groups ? groups : 1));
		json_put_num(c, "topk_group", (double)(top ? top : 1));
	}
	json_put_str(c, "topk_method", a->has ? "noaux_tc" : groups > 1 ? "group_limited_greedy" : "greedy");
	if (all > 0 && cJSON_IsObject(scaling)) {       /* both of the original's, which all models published have alike */
		json_put(scaling, "mscale", gguf_number(gguf_decimal(all, 10)));
		json_put(scaling, "mscale_all_dim", gguf_number(gguf_decimal(all, 10)));
	}
	return 0;
}

#define SILU { "hidden_act", "\"silu\"" }
#define ATTN_BIAS { "attention_bias", "blk.0.attn_q.bias" }
#define LAYER_EPS(word) { "rms_norm_eps", word }
#define NO(word) { word, "" }
#define EXPERTS_OF(word) { "expert_count", word, GK_INT, NULL }, { "expert_used_count", "num_experts_per_tok", GK_INT, NULL }
#define EXPERT_WIDTH { "expert_feed_forward_length", "moe_intermediate_size", GK_INT, NULL }
#define DEEPSEEK \
	.name = "deepseek2", .names = &names, .flags = GA_LATENT, .word = { NO("head_dim"), NO("partial_rotary_factor") }, \
	.key = { EXPERTS_OF("n_routed_experts"), EXPERT_WIDTH, { "attention.kv_lora_rank", "kv_lora_rank", GK_INT, NULL }, \
	         { "attention.q_lora_rank", "q_lora_rank", GK_INT, "null" }, \
	         { "leading_dense_block_count", "first_k_dense_replace", GK_INT, "0" }, \
	         { "expert_shared_count", "n_shared_experts", GK_INT, "0" }, \
	         { "expert_weights_scale", "routed_scaling_factor", GK_REAL, "1.0" }, \
	         { "expert_weights_norm", "norm_topk_prob", GK_BOOL, "false" }, \
	         { "attention.key_length", NULL, GK_INT, NULL }, { "attention.value_length", NULL, GK_INT, NULL }, \
	         { "attention.key_length_mla", NULL, GK_INT, NULL }, { "attention.value_length_mla", NULL, GK_INT, NULL }, \
	         { "expert_group_count", NULL, GK_INT, NULL }, { "expert_group_used_count", NULL, GK_INT, NULL }, \
	         { "expert_gating_func", NULL, GK_INT, NULL }, \
	         { "rope.scaling.yarn_log_multiplier", NULL, GK_REAL, NULL } }, \
	.more = deepseek

static const struct gguf_arch rows[] = {
	{ .name = "llama", .has = ".ffn_gate_inp.weight", .class = "MixtralForCausalLM", .type = "mixtral", .names = &names,
	  .flags = GA_PERMUTED, .key = { EXPERTS_OF("num_local_experts") }, .set = { SILU, { "sliding_window", "null" } } },
	{ .name = "llama", .class = "LlamaForCausalLM", .type = "llama", .names = &names, .flags = GA_PERMUTED,
	  .set = { SILU }, .tell = { ATTN_BIAS, { "mlp_bias", "blk.0.ffn_up.bias" } } },
	{ .name = "qwen2", .class = "Qwen2ForCausalLM", .type = "qwen2", .names = &names,
	  .set = { SILU, { "use_sliding_window", "false" } } },
	{ .name = "qwen2moe", .class = "Qwen2MoeForCausalLM", .type = "qwen2_moe", .names = &names,
	  .key = { EXPERTS_OF("num_experts"), EXPERT_WIDTH,
	           { "expert_shared_feed_forward_length", "shared_expert_intermediate_size", GK_INT, NULL } },
	  .set = { SILU, { "use_sliding_window", "false" }, { "norm_topk_prob", "false" }, { "decoder_sparse_step", "1" } },
	  .more = qwen_moe },
	{ .name = "qwen3", .class = "Qwen3ForCausalLM", .type = "qwen3", .names = &names,
	  .set = { SILU, { "use_sliding_window", "false" } }, .tell = { ATTN_BIAS } },
	{ .name = "qwen3moe", .class = "Qwen3MoeForCausalLM", .type = "qwen3_moe", .names = &names,
	  .key = { EXPERTS_OF("num_experts"), EXPERT_WIDTH },
	  .set = { SILU, { "use_sliding_window", "false" }, { "norm_topk_prob", "true" }, { "decoder_sparse_step", "1" } },
	  .tell = { ATTN_BIAS }, .more = qwen_moe },
	{ .name = "gemma", .class = "GemmaForCausalLM", .type = "gemma", .tokenizer = "GemmaTokenizer", .names = &names,
	  .flags = GA_NORM1,
	  .set = { { "hidden_act", "\"gelu_pytorch_tanh\"" }, { "hidden_activation", "\"gelu_pytorch_tanh\"" } },
	  .tell = { ATTN_BIAS } },
	{ .name = "gemma2", .class = "Gemma2ForCausalLM", .type = "gemma2", .tokenizer = "GemmaTokenizer", .names = &names,
	  .flags = GA_NORM1,
	  .key = { { "attn_logit_softcapping", "attn_logit_softcapping", GK_REAL, "50.0" },
	           { "final_logit_softcapping", "final_logit_softcapping", GK_REAL, "30.0" },
	           { "attention.sliding_window", "sliding_window", GK_INT, "4096" } },
	  .set = { { "hidden_act", "\"gelu_pytorch_tanh\"" }, { "hidden_activation", "\"gelu_pytorch_tanh\"" } },
	  .tell = { ATTN_BIAS }, .more = gemma2 },
	{ .name = "phi2", .class = "PhiForCausalLM", .type = "phi", .names = &names, .flags = GA_LAYER | GA_PARTIAL,
	  .word = { LAYER_EPS("layer_norm_eps"), NO("head_dim") }, .set = { { "hidden_act", "\"gelu_new\"" } },
	  .tell = { { "qk_layernorm", "blk.0.attn_q_norm.weight" } } },
	{ .name = "phi3", .class = "Phi3ForCausalLM", .type = "phi3", .names = &names_phi3, .flags = GA_PARTIAL,
	  .word = { NO("head_dim") }, .key = { { "attention.sliding_window", "sliding_window", GK_INT, "null" } },
	  .set = { SILU, { "pad_token_id", "null" } } },
	{ .name = "stablelm", .class = "StableLmForCausalLM", .type = "stablelm", .names = &names,
	  .flags = GA_LAYER | GA_PARTIAL, .word = { LAYER_EPS("layer_norm_eps"), NO("head_dim") },
	  .key = { { "use_parallel_residual", NULL, GK_BOOL, NULL } }, .set = { SILU },
	  .tell = { { "use_qkv_bias", "blk.0.attn_q.bias" }, { "qk_layernorm", "blk.0.attn_q_norm.weight" },
	            { "use_parallel_residual", "!blk.0.ffn_norm.weight" } } },
	{ .name = "starcoder2", .class = "Starcoder2ForCausalLM", .type = "starcoder2", .names = &names, .flags = GA_LAYER,
	  .word = { LAYER_EPS("norm_epsilon"), NO("head_dim") },
	  .set = { { "hidden_act", "\"gelu_pytorch_tanh\"" }, { "sliding_window", "null" } },
	  .tell = { { "use_bias", "blk.0.attn_q.bias" } } },
	{ .name = "starcoder", .class = "GPTBigCodeForCausalLM", .type = "gpt_bigcode", .names = &names,
	  .flags = GA_LAYER | GA_NO_ROPE,
	  .word = { LAYER_EPS("layer_norm_epsilon"), NO("head_dim"), NO("num_key_value_heads"), { "num_hidden_layers", "n_layer" },
	            { "num_attention_heads", "n_head" }, { "hidden_size", "n_embd" }, { "intermediate_size", "n_inner" },
	            { "max_position_embeddings", "n_positions" } },
	  .set = { { "activation_function", "\"gelu_pytorch_tanh\"" }, { "scale_attn_weights", "true" } },
	  .more = one_or_all },
	{ .name = "falcon", .has = ".attn_norm_2.weight", .class = "FalconForCausalLM", .type = "falcon",
	  .names = &names_falcon_2, .flags = GA_LAYER,
	  .word = { LAYER_EPS("layer_norm_epsilon"), NO("head_dim"), { "num_key_value_heads", "num_kv_heads" },
	            { "intermediate_size", "ffn_hidden_size" } },
	  .key = { { "tensor_data_layout", NULL, GK_INT, NULL } },
	  .set = { { "activation", "\"gelu\"" }, { "alibi", "false" }, { "parallel_attn", "true" } },
	  .tell = { { "bias", "blk.0.attn_qkv.bias" } }, .more = falcon },
	{ .name = "falcon", .class = "FalconForCausalLM", .type = "falcon", .names = &names, .flags = GA_LAYER,
	  .word = { LAYER_EPS("layer_norm_epsilon"), NO("head_dim"), { "num_key_value_heads", "num_kv_heads" },
	            { "intermediate_size", "ffn_hidden_size" } },
	  .key = { { "tensor_data_layout", NULL, GK_INT, NULL } },
	  .set = { { "activation", "\"gelu\"" }, { "alibi", "false" }, { "parallel_attn", "true" } },
	  .tell = { { "bias", "blk.0.attn_qkv.bias" } }, .more = falcon },
	{ .name = "bloom", .class = "BloomForCausalLM", .type = "bloom", .names = &names, .flags = GA_LAYER | GA_NO_ROPE,
	  .word = { LAYER_EPS("layer_norm_epsilon"), NO("head_dim"), NO("num_key_value_heads"), NO("intermediate_size"),
	            { "num_hidden_layers", "n_layer" }, { "num_attention_heads", "n_head" },
	            { "max_position_embeddings", "seq_length" } } },
	{ .name = "gptneox", .class = "GPTNeoXForCausalLM", .type = "gpt_neox", .names = &names, .flags = GA_LAYER | GA_PARTIAL,
	  .word = { LAYER_EPS("layer_norm_eps"), NO("head_dim"), NO("num_key_value_heads"), { "rope_theta", "rotary_emb_base" },
	            { "partial_rotary_factor", "rotary_pct" } },
	  .key = { { "use_parallel_residual", "use_parallel_residual", GK_BOOL, "true" } },
	  .set = { { "hidden_act", "\"gelu\"" } }, .tell = { { "attention_bias", "blk.0.attn_qkv.bias" } } },
	{ .name = "minicpm", .class = "MiniCPMForCausalLM", .type = "minicpm", .names = &names, .flags = GA_PERMUTED,
	  .word = { NO("head_dim") },
	  .key = { { "embedding_scale", NULL, GK_REAL, NULL }, { "residual_scale", NULL, GK_REAL, NULL },
	           { "logit_scale", NULL, GK_REAL, NULL } },
	  .set = { SILU }, .tell = { ATTN_BIAS }, .more = minicpm },
	{ .name = "internlm2", .class = "InternLM2ForCausalLM", .type = "internlm2", .names = &names, .flags = GA_PERMUTED,
	  .word = { NO("head_dim") },
	  .set = { SILU }, .tell = { { "bias", "blk.0.attn_q.bias" } } },
	{ .has = ".exp_probs_b.bias", .class = "DeepseekV3ForCausalLM", .type = "deepseek_v3",
	  .set = { SILU, { "attention_bias", "false" }, { "moe_layer_freq", "1" }, { "scoring_func", "\"sigmoid\"" } }, DEEPSEEK },
	{ .class = "DeepseekV2ForCausalLM", .type = "deepseek_v2",
	  .set = { SILU, { "attention_bias", "false" }, { "moe_layer_freq", "1" }, { "scoring_func", "\"softmax\"" } }, DEEPSEEK }
};

static bool has_tail(const struct gguf *g, const char *tail)
{
	size_t n = strlen(tail);

	for (int i = 0; i < g->nt; i++) {
		size_t len = strlen(g->t[i].name);

		if (len > n && !strcmp(g->t[i].name + len - n, tail))
			return true;
	}
	return false;
}

const struct gguf_arch *gguf_arch(const struct gguf *g)
{
	size_t n = sizeof(rows) / sizeof(*rows), at = 0;
	struct gguf_str s;
	char known[512] = "", word[64];
	struct near near = { .word = word };
	bool like;
	int r = gguf_string(g, "general.architecture", &s);

	if (r <= 0) {
		if (!r)
			err_set(ST_BAD, "GGUF: no 'general.architecture'");
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (strlen(rows[i].name) == s.n && !memcmp(rows[i].name, s.s, s.n) && (!rows[i].has || has_tail(g, rows[i].has)))
			return &rows[i];
	snprintf(word, sizeof(word), "%.*s", (int)least((int64_t)s.n, 63), s.s);
	for (size_t i = 0; i < n; i++) {
		near_try(&near, rows[i].name);
		if (!rows[i].has && at < sizeof(known))
			at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", at ? ", " : "", rows[i].name);
	}
	say(1, "known architectures: %s", known);
	like = near_enough(&near, strlen(word));
	err_set(ST_UNSUP, "GGUF architecture '%.*s' is not supported%s%s%s; of the directory that it was made of, --as or --model "
	        "may be a way, see llmc-import(1)", (int)(s.n > 80 ? 80 : s.n), s.s, like ? "; the nearest known is '" : "",
	        like ? near.best : "", like ? "'" : "");
	return NULL;
}

const char *gguf_of(const struct family *f)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (family_answers(f, rows[i].class))
			return rows[i].name;
	return NULL;
}
