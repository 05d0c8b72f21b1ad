"""Random configurations of every family: what families.py draws checkpoints of.

A family is a function of one Draw, which gives the same configuration for the same seed: as the hub has it, each key
absent, null, or one of some values.  FAMILIES has them all; PREFIX and BUFFERS say what their tensors are called.
"""
import random


class Draw(random.Random):
    """Choices, all of them from one seed."""

    def p(self, x):
        return self.random() < x

    def put(self, c, key, values, absent=0.3, null=0.0):
        """Leaves a key out, or says null, or one of the values."""
        if self.p(absent):
            return
        c[key] = None if null and self.p(null) else self.choice(values)

    def heads(self, c, kv="num_key_value_heads", absent=0.2, null=0.05, default=None, own=False, sizes=(2, 4, 6, 8, 10, 16)):
        """Heads, those of keys, and a width: `default` heads of keys where the key is absent (None: all)."""
        a = self.choice([1, 2, 3, 4, 6, 7, 8])
        d = self.choice(sizes)
        if self.p(absent):
            if default:
                a = default * self.choice([1, 2]) if default <= 8 else default
        elif self.p(null):
            c[kv] = None
        else:
            c[kv] = self.choice([k for k in range(1, a + 1) if a % k == 0])
        c["num_attention_heads"] = a
        c["hidden_size"] = a * d
        if own and self.p(0.4):
            c["head_dim"] = self.choice(sizes)
            c["hidden_size"] = a * self.choice([1, 3, 5, 7, 9])
        elif own and self.p(0.1):
            c["head_dim"] = None
        return a, d

    def common(self, c, act=None, eps="rms_norm_eps", tie=True):
        c["num_hidden_layers"] = self.choice([1, 2, 2, 3, 4, 5])
        c["intermediate_size"] = self.randint(1, 90)
        c["vocab_size"] = self.randint(5, 140)
        self.put(c, "max_position_embeddings", [5, 16, 33, 64, 512], 0.15)
        self.put(c, eps, [1e-6, 1e-5, 1e-3, 0.01])
        if act:
            self.put(c, act, ["gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu"], 0.5)
        if tie:
            self.put(c, "tie_word_embeddings", [True, False], 0.4)

    def rope(self, c, types, theta="rope_theta", d=8, share=None, share_key="partial_rotary_factor", prf=(0.25, 0.5, 0.75, 1.0)):
        """Positions, in the style of before or of now; d: rotated elements of a head when all are."""
        kind = self.choice(types)
        new = self.p(0.35) and theta == "rope_theta"
        ctx = c.get("max_position_embeddings") or 64
        p = {}
        if share and self.p(0.6):
            s = self.choice([x for x in prf if int(d * x) >= 2 and int(d * x) % 2 == 0] or [1.0])
            if kind == "dynamic" and int(d * s) == 2:
                s = 1.0
            d = int(d * s)
            (p if new else c)[share_key] = s
        elif share:
            d = int(d * share)
        if d < 2 or d % 2 or (kind == "dynamic" and d == 2):
            kind = "default"
        if self.p(0.7):
            (p if new else c)[theta] = self.choice([100.0, 10000, 10000.0, 500000.0, 1e6])
        if kind != "default" or new:
            p["rope_type" if new or self.p(0.6) else "type"] = kind
        if kind in ("linear", "dynamic", "llama3"):
            p["factor"] = self.choice([1.0, 1.5, 2.0, 4, 8.0])
        if kind == "llama3":
            p["low_freq_factor"] = self.choice([1.0, 0.5, 2])
            p["high_freq_factor"] = self.choice([4.0, 3, 8.0])
            self.put(p, "original_max_position_embeddings", [8, 16, 32, 64], 0.1)
        if kind == "yarn":
            p["factor"] = None if self.p(0.1) else self.choice([1.0, 2.0, 4, 40.0])
            self.put(p, "original_max_position_embeddings", [8, 16, 32, 64], 0.2)
            self.put(p, "beta_fast", [32, 8, 2.5], 0.5, 0.1)
            self.put(p, "beta_slow", [1, 0.25, 2.0], 0.5, 0.1)
            self.put(p, "attention_factor", [0.8, 1.3], 0.8, 0.2)
            self.put(p, "mscale", [1.0, 0.707, 0.5], 0.6)
            self.put(p, "mscale_all_dim", [1.0, 0.707, 0], 0.6)
            self.put(p, "truncate", [True, False], 0.7)
        if kind == "longrope":
            p["short_factor"] = [round(self.uniform(1, 2), 3) for _ in range(d // 2)]
            p["long_factor"] = [round(self.uniform(1, 9), 3) for _ in range(d // 2)]
            self.put(p, "factor", [1.0, 2.0, 4.0], 0.6, 0.2)
            self.put(p, "attention_factor", [0.8, 1.3], 0.8, 0.2)
            self.put(p if self.p(0.5) else c, "original_max_position_embeddings", [4, 8, 16, 32], 0.1)
        if new:
            c["rope_parameters"] = p
        elif p or self.p(0.3):
            c["rope_scaling"] = p or None
        return kind, ctx


ALL_ROPES = ["default", "default", "linear", "dynamic", "llama3", "yarn", "longrope"]


def llama(r):
    c = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    r.common(c, "hidden_act")
    a, d = r.heads(c, own=True)
    r.put(c, "attention_bias", [True, False])
    r.put(c, "mlp_bias", [True, False])
    r.put(c, "pretraining_tp", [1, 2])
    r.rope(c, ALL_ROPES, d=c.get("head_dim") or d)
    return c


def mistral(r):
    c = {"architectures": ["MistralForCausalLM"], "model_type": "mistral"}
    r.common(c, "hidden_act")
    a, d = r.heads(c, own=True, default=8)
    r.put(c, "sliding_window", [1, 2, 5, 9, 4096], 0.3, 0.3)
    r.rope(c, ALL_ROPES, d=c.get("head_dim") or d)
    return c


def mixtral(r):
    c = {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"}
    r.common(c, "hidden_act")
    a, d = r.heads(c, own=True, default=8)
    r.put(c, "sliding_window", [1, 2, 5, 9, 4096], 0.3, 0.3)
    r.put(c, "num_local_experts", [2, 3, 4, 7])
    e = c.get("num_local_experts", 8)
    r.put(c, "num_experts_per_tok", list(range(1, min(e, 4) + 1)))
    r.put(c, "router_jitter_noise", [0.0])
    r.rope(c, ALL_ROPES, d=c.get("head_dim") or d)
    return c


def qwen_window(r, c, layers=True):
    r.put(c, "use_sliding_window", [True, False], 0.2)
    r.put(c, "sliding_window", [1, 3, 8, 30], 0.3, 0.2)
    if layers:
        r.put(c, "max_window_layers", [0, 1, 2, 3, 28], 0.3)
    if layers and c.get("use_sliding_window") and c.get("sliding_window", 1) and r.p(0.3):
        c["layer_types"] = [r.choice(["full_attention", "sliding_attention"]) for _ in range(c["num_hidden_layers"])]
    elif layers and r.p(0.1):
        c["layer_types"] = None


def qwen2(r):
    c = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}
    r.common(c, "hidden_act")
    a, d = r.heads(c, default=32, sizes=(2, 4, 6))
    qwen_window(r, c)
    r.rope(c, ALL_ROPES, d=d)
    return c


def qwen3(r):
    c = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}
    r.common(c, "hidden_act")
    a, d = r.heads(c, default=32, sizes=(2, 4, 6))
    if r.p(0.8):
        c["head_dim"] = r.choice([2, 4, 6, 10, 16])
    r.put(c, "attention_bias", [True, False])
    qwen_window(r, c)
    r.rope(c, ALL_ROPES, d=c.get("head_dim", 128))
    return c


def qwen_experts(r, c, shared):
    c["moe_intermediate_size"] = r.randint(1, 40)
    c["num_experts"] = r.choice([0, 1, 2, 5, 6, 8])
    if shared:
        c["shared_expert_intermediate_size"] = r.randint(1, 50)
    k = min(c["num_experts"], 5)
    if k < (4 if shared else 8) or r.p(0.7):
        c["num_experts_per_tok"] = r.randint(1, max(k, 1))
    r.put(c, "norm_topk_prob", [True, False])
    r.put(c, "decoder_sparse_step", [1, 2, 3], 0.4)
    if r.p(0.5):
        c["mlp_only_layers"] = r.choice([[], [0], [1], [0, 2], [3]])
    elif r.p(0.2):
        c["mlp_only_layers"] = None


def qwen2_moe(r):
    c = {"architectures": ["Qwen2MoeForCausalLM"], "model_type": "qwen2_moe"}
    r.common(c, "hidden_act")
    a, d = r.heads(c, default=16)
    r.put(c, "qkv_bias", [True, False], 0.5)
    qwen_experts(r, c, True)
    qwen_window(r, c)
    r.rope(c, ALL_ROPES, d=d)
    return c


def qwen3_moe(r):
    c = {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe"}
    r.common(c, "hidden_act")
    a, d = r.heads(c, default=4, own=True, null=0)
    if c.get("head_dim", 0) is None:
        del c["head_dim"]
    r.put(c, "attention_bias", [True, False])
    qwen_experts(r, c, False)
    qwen_window(r, c, False)
    r.rope(c, ALL_ROPES, d=c.get("head_dim", d))
    return c


def gemma(r):
    """hidden_activation is what 4.x reads; "gelu" meant the tanh form: transformers 5 is given that."""
    c = {"architectures": ["GemmaForCausalLM"], "model_type": "gemma"}
    r.common(c)
    a, d = r.heads(c, default=16, null=0)
    if r.p(0.85):
        c["head_dim"] = r.choice([2, 4, 6, 10, 16])
    r.put(c, "attention_bias", [True, False])
    r.put(c, "hidden_act", ["gelu", "gelu_pytorch_tanh", "silu", "relu"], 0.3)
    r.put(c, "hidden_activation", ["gelu_pytorch_tanh", "relu"], 0.5, 0.3)
    r.rope(c, ALL_ROPES, d=c.get("head_dim", 256))
    return c


def gemma2(r):
    c = {"architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2"}
    r.common(c)
    a, d = r.heads(c, default=4, null=0)
    if r.p(0.85):
        c["head_dim"] = r.choice([2, 4, 6, 10, 16])
    r.put(c, "attention_bias", [True, False])
    r.put(c, "hidden_activation", ["gelu", "gelu_pytorch_tanh", "silu", "relu"], 0.4)
    r.put(c, "hidden_act", ["gelu_pytorch_tanh", "gelu"], 0.5)
    r.put(c, "query_pre_attn_scalar", [4, 17, 144])
    r.put(c, "attn_logit_softcapping", [1.5, 4.0, 50.0], 0.3, 0.2)
    r.put(c, "final_logit_softcapping", [1.0, 3.0, 30.0], 0.3, 0.2)
    r.put(c, "sliding_window", [1, 3, 8, 30], 0.2)
    if r.p(0.3):
        c["layer_types"] = [r.choice(["full_attention", "sliding_attention"]) for _ in range(c["num_hidden_layers"])]
    r.rope(c, ALL_ROPES, d=c.get("head_dim", 256))
    return c


def phi(r):
    c = {"architectures": ["PhiForCausalLM"], "model_type": "phi"}
    r.common(c, "hidden_act", "layer_norm_eps")
    a, d = r.heads(c, sizes=(4, 8, 12, 16))
    r.put(c, "qk_layernorm", [True, False])
    r.rope(c, ALL_ROPES, d=d, share=0.5)
    return c


def phi3(r):
    c = {"architectures": ["Phi3ForCausalLM"], "model_type": "phi3"}
    r.common(c, "hidden_act")
    a, d = r.heads(c, sizes=(4, 8, 12, 16))
    c["pad_token_id"] = r.choice([None, 0])
    r.put(c, "sliding_window", [1, 3, 8, 2047], 0.4, 0.3)
    kind, _ = r.rope(c, ["default", "longrope", "longrope"], d=d, share=1.0)
    s = c.get("rope_scaling") or {}
    if kind == "longrope" and "type" in s:
        s["type"] = r.choice(["longrope", "su", "yarn"])
    # what the class would put over it is said at the top, where it belongs
    inner = (c.get("rope_parameters") or s or {}).pop("original_max_position_embeddings", None)
    if inner:
        c["original_max_position_embeddings"] = inner
    elif kind != "longrope":
        r.put(c, "original_max_position_embeddings", [4, 16, 4096], 0.5)
    return c


def bloom(r):
    c = {"architectures": [r.choice(["BloomForCausalLM", "BloomModel"])], "model_type": "bloom"}
    r.common(c, None, "layer_norm_epsilon")
    del c["intermediate_size"]
    c.pop("max_position_embeddings", None)
    a, d = r.heads(c, absent=1, sizes=(1, 2, 3, 5, 8, 16))
    words(r, c, {"num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "hidden_size": "n_embed"})
    r.put(c, "apply_residual_connection_post_layernorm", [True, False])
    return c


def words(r, c, names, p=0.6):
    """The family's own words for some keys."""
    for k, v in names.items():
        if k in c and r.p(p):
            c[v] = c.pop(k)


def falcon(r):
    """The eager path of transformers adds the bias of ALiBi twice: build() of families.py takes the other."""
    c = {"architectures": [r.choice(["FalconForCausalLM"])], "model_type": "falcon"}
    r.common(c, None, "layer_norm_epsilon")
    del c["intermediate_size"]
    a, d = r.heads(c, kv="num_kv_heads", null=0.1)
    r.put(c, "ffn_hidden_size", [7, 33, 96], 0.4, 0.2)
    r.put(c, "activation", ["gelu", "gelu_new", "relu", "silu"], 0.5)
    r.put(c, "alibi", [True, False], 0.4)
    r.put(c, "bias", [True, False], 0.3)
    r.put(c, "new_decoder_architecture", [True, False], 0.4)
    if c.get("new_decoder_architecture"):
        r.put(c, "num_ln_in_parallel_attn", [1, 2], 0.4, 0.2)
    r.put(c, "multi_query", [True, False], 0.4)
    if not c.get("new_decoder_architecture"):
        r.put(c, "parallel_attn", [True, False], 0.3)
    if not c.get("alibi"):
        r.rope(c, ALL_ROPES, d=d)
    return c


def gpt_bigcode(r):
    c = {"architectures": ["GPTBigCodeForCausalLM"], "model_type": "gpt_bigcode"}
    r.common(c, "hidden_act", "layer_norm_epsilon")
    if r.p(0.4):
        c.pop("intermediate_size")
        r.put(c, "n_inner", [7, 33, 96], 0.4, 0.5)
    else:
        c["n_inner"] = c.pop("intermediate_size")
    c["max_position_embeddings"] = r.choice([17, 64, 70])
    a, d = r.heads(c, absent=1, sizes=(1, 2, 3, 5, 8, 16))
    words(r, c, {"num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "hidden_size": "n_embd",
                 "max_position_embeddings": "n_positions"})
    if "hidden_act" in c:
        c["activation_function"] = c.pop("hidden_act")
    r.put(c, "multi_query", [True, False])
    r.put(c, "scale_attn_weights", [True, False])
    r.put(c, "attention_softmax_in_fp32", [True])
    return c


def gpt_neox(r):
    c = {"architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox"}
    r.common(c, "hidden_act", "layer_norm_eps")
    a, d = r.heads(c, absent=1, sizes=(8, 16, 24))
    r.put(c, "use_parallel_residual", [True, False])
    r.put(c, "attention_bias", [True, False], 0.5)
    r.rope(c, ALL_ROPES, theta="rotary_emb_base" if r.p(0.7) else "rope_theta", d=d, share=0.25, share_key="rotary_pct")
    if "rope_theta" in c:
        del c["rope_theta"]
    p = c.get("rope_parameters")
    if p and "rotary_pct" in p:
        p["partial_rotary_factor"] = p.pop("rotary_pct")
    return c


def opt(r):
    c = {"architectures": ["OPTForCausalLM"], "model_type": "opt"}
    r.common(c, "activation_function", None)
    c.pop(None, None)
    c["ffn_dim"] = c.pop("intermediate_size")
    c["max_position_embeddings"] = r.choice([17, 64, 70])
    a, d = r.heads(c, absent=1, sizes=(1, 2, 3, 5, 8, 16))
    r.put(c, "word_embed_proj_dim", [c["hidden_size"], 5, 12, 33], 0.4, 0.1)
    r.put(c, "do_layer_norm_before", [True, False])
    r.put(c, "_remove_final_layer_norm", [True, False], 0.5)
    r.put(c, "enable_bias", [True, False])
    r.put(c, "layer_norm_elementwise_affine", [True, True, True, False], 0.5)
    return c


def stablelm(r):
    c = {"architectures": ["StableLmForCausalLM"], "model_type": "stablelm"}
    r.common(c, "hidden_act", "layer_norm_eps")
    a, d = r.heads(c, default=32, null=0, sizes=(8, 16, 24))
    r.put(c, "use_qkv_bias", [True, False])
    r.put(c, "qk_layernorm", [True, False])
    r.put(c, "use_parallel_residual", [True, False])
    r.rope(c, ALL_ROPES, d=d, share=0.25)
    return c


def starcoder2(r):
    c = {"architectures": ["Starcoder2ForCausalLM"], "model_type": "starcoder2"}
    r.common(c, "hidden_act", "norm_epsilon")
    a, d = r.heads(c, default=2, null=0)
    r.put(c, "use_bias", [True, False])
    r.put(c, "sliding_window", [1, 3, 8, 2047], 0.4, 0.3)
    r.rope(c, ALL_ROPES, d=d)
    return c


def latent(r, c, v3):
    a = r.choice([1, 2, 3, 4, 6])
    c["num_attention_heads"] = a
    c["hidden_size"] = a * r.choice([3, 8, 11, 16])
    r.put(c, "num_key_value_heads", [a], 0.3)
    if v3 and "num_key_value_heads" not in c:
        c["num_key_value_heads"] = a
    c["q_lora_rank"] = None if r.p(0.3) else r.randint(1, 30)
    c["kv_lora_rank"] = r.randint(1, 30)
    c["qk_nope_head_dim"] = r.randint(1, 12)
    c["qk_rope_head_dim"] = r.choice([2, 4, 6, 8, 16])
    c["v_head_dim"] = r.randint(1, 20)
    r.put(c, "attention_bias", [True, False])
    g = r.choice([1, 2, 3, 4])
    per = r.choice([2, 3, 4])
    c["n_routed_experts"] = g * per
    c["n_shared_experts"] = r.choice([1, 2, 3])
    c["moe_intermediate_size"] = r.randint(1, 30)
    r.put(c, "first_k_dense_replace", [0, 1, 2, 9], 0.1 if v3 else 0.3)
    r.put(c, "routed_scaling_factor", [1.0, 2.5, 0.5, 16])
    r.put(c, "norm_topk_prob", [True, False])
    r.put(c, "moe_layer_freq", [1, 2], 0.5)
    return g, per


def deepseek_v2(r):
    """norm_topk_prob and moe_layer_freq are the remote code's: see v2_route() and build() of families.py."""
    c = {"architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2"}
    r.common(c, "hidden_act")
    g, per = latent(r, c, False)
    c["topk_method"] = r.choice(["greedy", "group_limited_greedy"])
    r.put(c, "scoring_func", ["softmax"])
    c["num_experts_per_tok"] = r.randint(1, min(5, g * per))
    if c["topk_method"] != "greedy":
        c["n_group"] = g
        c["topk_group"] = r.randint(1, g)
        c["num_experts_per_tok"] = r.randint(1, min(5, c["topk_group"] * per))
    r.rope(c, ["default", "yarn", "yarn", "linear", "dynamic"], d=c["qk_rope_head_dim"])
    return c


def deepseek_v3(r):
    c = {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3"}
    r.common(c, "hidden_act")
    g, per = latent(r, c, True)
    r.put(c, "topk_method", ["noaux_tc"])
    r.put(c, "scoring_func", ["sigmoid"])
    r.put(c, "rope_interleave", [True, False], 0.6)
    c["n_group"] = g
    c["topk_group"] = r.randint(1, g)
    c["num_experts_per_tok"] = r.randint(1, min(5, c["topk_group"] * per))
    r.put(c, "num_nextn_predict_layers", [0, 1], 0.6)
    r.rope(c, ["default", "yarn", "yarn", "linear", "dynamic"], d=c["qk_rope_head_dim"])
    return c


def internlm2(r):
    """Remote code: LLaMA's mathematics; reference from that class, its weights repacked by hub() of families.py."""
    c = {"architectures": ["InternLM2ForCausalLM"], "model_type": "internlm2"}
    r.common(c, "hidden_act")
    a, d = r.heads(c)
    r.put(c, "bias", [True, False])
    r.rope(c, ["default", "linear", "dynamic"], d=d)
    if "rope_parameters" in c:
        p = c.pop("rope_parameters")
        if p.get("rope_type", "default") != "default":
            c["rope_scaling"] = {"type": p["rope_type"], "factor": p["factor"]}
        if "rope_theta" in p:
            c["rope_theta"] = p["rope_theta"]
    return c


def minicpm(r):
    """Remote code: LLaMA's mathematics with three scales; reference from the class Granite, which has them."""
    c = {"architectures": ["MiniCPMForCausalLM"], "model_type": "minicpm"}
    r.common(c, "hidden_act")
    a, d = r.heads(c)
    r.put(c, "attention_bias", [True, False])
    r.put(c, "scale_emb", [1, 12, 0.5])
    r.put(c, "scale_depth", [1.4, 1, 0.3])
    r.put(c, "dim_model_base", [c["hidden_size"], 256, 3])
    r.rope(c, ["default", "linear", "dynamic", "longrope"], d=d)
    return c


def granite(r):
    c = {"architectures": ["GraniteForCausalLM"], "model_type": "granite"}
    r.common(c, "hidden_act")
    a, d = r.heads(c, own=True)
    r.put(c, "attention_bias", [True, False])
    r.put(c, "mlp_bias", [True, False])
    r.put(c, "embedding_multiplier", [1, 12, 0.5])
    r.put(c, "residual_multiplier", [1.0, 0.22, 2])
    r.put(c, "attention_multiplier", [1, 0.015625, 0.3])
    r.put(c, "logits_scaling", [1.0, 8, 0.4])
    r.rope(c, ALL_ROPES, d=c.get("head_dim") or d)
    return c


def olmo2(r):
    c = {"architectures": ["Olmo2ForCausalLM"], "model_type": "olmo2"}
    r.common(c, "hidden_act")
    a, d = r.heads(c, own=True)
    r.put(c, "attention_bias", [True, False])
    r.rope(c, ALL_ROPES, d=c.get("head_dim") or d)
    return c


FAMILIES = [llama, mistral, mixtral, qwen2, qwen2_moe, qwen3, qwen3_moe, gemma, gemma2, phi, phi3, bloom, falcon, gpt_bigcode,
            gpt_neox, opt, stablelm, starcoder2, deepseek_v2, deepseek_v3, internlm2, minicpm, granite, olmo2]
PREFIX = {"bloom": "transformer.", "falcon": "transformer.", "gpt_bigcode": "transformer.", "gpt_neox": "gpt_neox."}
BUFFERS = {"llama": "model.layers.0.self_attn.rotary_emb.inv_freq", "gpt_neox": "gpt_neox.layers.0.attention.rotary_emb.inv_freq",
           "gpt_bigcode": "transformer.h.0.attn.bias", "mistral": "model.layers.0.self_attn.rotary_emb.inv_freq",
           "internlm2": "model.layers.0.attention.rotary_emb.inv_freq", "opt": "decoder.version"}
