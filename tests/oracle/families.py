"""Random small models of every family, through transformers and through llmc.  Needs the Python packages torch and
transformers (families.md says which versions); nothing here is run by the tests.

    python tests/oracle/families.py compare [--seed N] [--draws N] [--keep DIR] [--stop N] [FAMILY...]
        draws configurations over the corners of each family, writes checkpoints as the hub has them, and compares
        logits, hidden states (f32; bf16 where the checkpoint is) and the tensors that import and pack give back.
        A draw that differs is kept under DIR, and can be had again alone: --seed N --draws 1
    python tests/oracle/families.py write FAMILY SEED DIR
        one draw as a fixture: config.json, model.safetensors, reference.safetensors

The programs are those of this tree; LLMC_BIN names others.  What transformers cannot run (it refuses the configuration)
is drawn again.  Where transformers differs from the code that a family was published with, the latter is right: the
notes at the functions say how.
"""
import argparse
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import warnings

os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
warnings.filterwarnings("ignore")

sys.path.pop(0)  # a file beside this one has the name of a package
import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

torch.set_num_threads(1)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("LLMC_BIN", os.path.join(ROOT, "bin"))
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
WORDS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


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
    """The eager path of transformers adds the bias of ALiBi twice: reference() takes the other."""
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
    """norm_topk_prob and moe_layer_freq are the remote code's: see v2_route and reference()."""
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
    """Remote code: LLaMA's mathematics; reference from that class, its weights repacked by wqkv()."""
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


class Refused(Exception):
    """transformers does not take the configuration."""


def as_class(fam, c):
    """The configuration of a class of transformers that computes the same."""
    c = json.loads(json.dumps(c))
    if fam == "internlm2":
        c["model_type"], c["architectures"] = "llama", ["LlamaForCausalLM"]
        c["attention_bias"] = c.pop("bias", True)
    if fam == "minicpm":
        c["model_type"], c["architectures"] = "granite", ["GraniteForCausalLM"]
        c["embedding_multiplier"] = float(c.pop("scale_emb", 1))
        c["residual_multiplier"] = c.pop("scale_depth", 1) / math.sqrt(c["num_hidden_layers"])
        c["logits_scaling"] = c["hidden_size"] / c.pop("dim_model_base", 1)
        c["pad_token_id"] = None
        c["attention_multiplier"] = (c["hidden_size"] // c["num_attention_heads"]) ** -0.5
        c.setdefault("tie_word_embeddings", True)
    if fam == "gemma":
        act = c.pop("hidden_activation", None) or c.get("hidden_act", "gelu")
        c["hidden_act"] = "gelu_pytorch_tanh" if act == "gelu" else act
    if fam == "phi3" and (c.get("rope_scaling") or {}).get("type") in ("su", "yarn"):
        c["rope_scaling"]["type"] = "longrope"
    return c


def v2_route(self, x):
    """The router of DeepSeek-V2's own code: renormalised weights, or scaled ones."""
    x = x.view(-1, self.hidden_dim)
    logits = torch.nn.functional.linear(x.float(), self.weight.float())
    scores = logits.softmax(-1)
    if self.topk_method == "group_limited_greedy":
        g = scores.view(len(x), self.num_group, -1)
        best = g.amax(-1).topk(self.topk_group, -1)[1]
        mask = torch.zeros(len(x), self.num_group).scatter_(1, best, 1)[..., None].expand(g.shape).reshape(scores.shape)
        scores = scores.masked_fill(mask == 0, 0)
    w, i = scores.topk(self.top_k, -1)
    if self.norm_topk_prob and self.top_k > 1:
        w = w / (w.sum(-1, keepdim=True) + 1e-20)
    else:
        w = w * self.routed_scaling_factor
    return logits, w, i


def build(fam, c, where):
    """The class's model of what is in the file: defaults are those that it has for keys that the file lacks."""
    d = as_class(fam, c)
    os.makedirs(where, exist_ok=True)
    with open(os.path.join(where, "config.json"), "w") as f:
        json.dump(d, f)
    try:
        with torch.device("cpu"):
            cfg = AutoConfig.from_pretrained(where)
            attn = "sdpa" if c.get("alibi") else "eager"
            model = AutoModelForCausalLM.from_config(cfg, attn_implementation=attn, experts_implementation="eager",
                                                     dtype=torch.float32)
            with torch.no_grad():
                model(input_ids=torch.zeros(1, 3, dtype=torch.int64))
    except Exception as e:  # whatever it says, it is a refusal
        raise Refused(f"{type(e).__name__}: {e}") from e
    for name, m in model.named_modules():
        if type(m).__name__ == "DeepseekV2TopkRouter":
            m.norm_topk_prob = bool(c.get("norm_topk_prob"))
            m.forward = v2_route.__get__(m)
    freq = c.get("moe_layer_freq", 1)
    if fam.startswith("deepseek") and freq > 1:
        for i, layer in enumerate(model.model.layers):
            if i >= cfg.first_k_dense_replace and i % freq:
                kind = type(layer.mlp.shared_experts)
                layer.mlp = kind(config=cfg)
    return model.eval()


def fill(model, fam, r, types):
    """Weights that leave no term zero, rounded to the types they are stored in."""
    g = torch.Generator().manual_seed(r.getrandbits(40))
    plus1 = fam in ("gemma", "gemma2")
    tensors = dict(model.named_parameters())
    tensors.update({k: v for k, v in model.named_buffers() if "correction_bias" in k})
    with torch.no_grad():
        for name in sorted(tensors):
            t = tensors[name]
            n = torch.randn(t.shape, generator=g)
            if name.endswith("bias"):
                n *= 0.1
            elif t.dim() == 1:
                n = 0.2 * n + (0 if plus1 else 1)
            else:
                n *= 1.2 / math.sqrt(t.shape[-1])
            t.copy_(n.to(DTYPES[types(name, t)]).float())


def group(parts, n):
    """Rows in turns: of each of n heads of keys, what is in the parts."""
    return torch.cat([p.view(n, -1, *p.shape[1:]) for p in parts], 1).reshape(-1, *parts[0].shape[1:])


def is_tied(model):
    head = model.get_output_embeddings()
    return head is not None and head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def hub(fam, c, model, stacked):
    """Tensors under the names that the hub has."""
    sd = {k: v.detach().clone() for k, v in model.state_dict().items()}
    out = {}
    if fam == "gpt_neox":
        sd = {k.replace("lm_head", "embed_out"): v for k, v in sd.items()}
    if fam == "internlm2":
        kv = model.config.num_key_value_heads
        names = {"embed_tokens": "tok_embeddings", "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm",
                 "self_attn.o_proj": "attention.wo", "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3",
                 "mlp.down_proj": "feed_forward.w2", "lm_head": "output"}
        for k, v in sd.items():
            if "k_proj" in k or "v_proj" in k:
                continue
            if "q_proj" in k:
                v = group([v, sd[k.replace("q_proj", "k_proj")], sd[k.replace("q_proj", "v_proj")]], kv)
                k = k.replace("self_attn.q_proj", "attention.wqkv")
            for a, b in names.items():
                k = k.replace(a, b)
            out[k] = v
        sd = out
    elif any("experts.gate_up_proj" in k for k in sd):
        mix = fam == "mixtral"
        if stacked:                             # as transformers 5 holds them
            return sd, is_tied(model)
        for k, v in sd.items():
            base = k.replace(".mlp.", ".block_sparse_moe.") if mix else k
            if k.endswith("experts.gate_up_proj"):
                gate, up = v.chunk(2, 1)
                for e in range(len(v)):
                    stem = base[:-len("gate_up_proj")] + f"{e}."
                    out[stem + ("w1" if mix else "gate_proj") + ".weight"] = gate[e].contiguous()
                    out[stem + ("w3" if mix else "up_proj") + ".weight"] = up[e].contiguous()
            elif k.endswith("experts.down_proj"):
                for e in range(len(v)):
                    out[base[:-len("down_proj")] + f"{e}." + ("w2" if mix else "down_proj") + ".weight"] = v[e].contiguous()
            else:
                out[base] = v
        sd = out
    return sd, is_tied(model)


def save(path, tensors, types):
    head, data, at = {}, [], 0
    for k, t in tensors.items():
        t = t.contiguous()
        dt = types(k, t) if t.dtype == torch.float32 else "I64"
        b = t.to(DTYPES[dt]).flatten().view(torch.uint8).numpy().tobytes()
        head[k] = {"dtype": dt, "shape": list(t.shape), "data_offsets": [at, at + len(b)]}
        data.append(b)
        at += len(b)
    h = json.dumps(head).encode()
    h += b" " * (-len(h) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(h)) + h + b"".join(data))


def load(path):
    """Name -> type, shape, bytes."""
    with open(path, "rb") as f:
        b = f.read()
    n = struct.unpack("<Q", b[:8])[0]
    return {k: (v["dtype"], v["shape"], b[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]])
            for k, v in json.loads(b[8:8 + n]).items() if k != "__metadata__"}


def tensor(e):
    return torch.frombuffer(bytearray(e[2]), dtype=DTYPES[e[0]]).view(e[1]) if e[2] else torch.zeros(e[1])


def run(model, ids):
    with torch.no_grad():
        o = model(input_ids=ids, use_cache=False, output_hidden_states=True)
    return o.logits, torch.stack(o.hidden_states) if len({h.shape for h in o.hidden_states}) == 1 else None


def written(fam, seed, where):
    """A checkpoint in `where`, its reference beside it; returns its configuration, model, tokens, tensors."""
    r = Draw(f"{fam} {seed}")
    family = {f.__name__: f for f in FAMILIES}[fam]
    for _ in range(200):
        c = family(r)
        try:
            model = build(fam, c, where)
            break
        except Refused as e:
            why = str(e)
    else:
        raise SystemExit(f"{fam}: transformers takes no draw: {why}")
    wide = r.choice(["F32", "F32", "F16", "BF16"])
    mixed = r.p(0.2)

    def types(name, t):
        return "F32" if (mixed and t.dim() == 1) or "correction_bias" in name else wide
    fill(model, fam, r, types)
    n, limit = r.randint(1, 3), 70
    if fam in ("opt", "gpt_bigcode"):
        limit = c.get("n_positions", c.get("max_position_embeddings"))
    t = min(r.choice([1, 2, 7, 17, 24, 33, 48, 70]), limit)
    ids = torch.tensor([[r.randrange(c["vocab_size"]) for _ in range(t)] for _ in range(n)])
    logits, hidden = run(model, ids)
    sd, tied = hub(fam, c, model, r.p(0.25))
    heads = [k for k in sd if k in ("lm_head.weight", "output.weight", "embed_out.weight")]
    if tied and not r.p(0.3):
        for k in heads:
            del sd[k]
    prefix = PREFIX.get(fam, "model.")
    if r.p(0.15):
        sd = {k[len(prefix):] if k.startswith(prefix) else k: v for k, v in sd.items()}
    extra = {}
    if fam in BUFFERS and r.p(0.2):
        extra[BUFFERS[fam]] = torch.ones(3)
    names = list(sd) + list(extra)
    r.shuffle(names)
    every = {k: sd[k] if k in sd else extra[k] for k in names}
    c["dtype" if r.p(0.4) else "torch_dtype"] = WORDS[wide]
    for k, v in {"use_cache": True, "transformers_version": "4.44.0", "bos_token_id": 1, "attention_dropout": 0.0,
                 "initializer_range": 0.02}.items():
        if r.p(0.5):
            c.setdefault(k, v)
    if Draw(f"{fam} {seed} saved").p(0.2) and fam not in ("internlm2", "minicpm"):
        model.config.architectures = c["architectures"]
        model.config.dtype = WORDS[wide]
        model.config.save_pretrained(where)     # as transformers writes it, every key that the class has
    else:
        with open(os.path.join(where, "config.json"), "w") as f:
            json.dump(c, f, indent=1)
    parts = r.choice([1, 1, 1, 2, 3])
    if parts == 1:
        save(os.path.join(where, "model.safetensors"), every, types)
    else:
        files = [f"model-{i + 1:05}-of-{parts:05}.safetensors" for i in range(parts)]
        where_is = {k: r.choice(files) for k in every}
        for i, f in enumerate(files):
            where_is[names[i % len(names)]] = f
        for f in sorted(set(where_is.values())):
            save(os.path.join(where, f), {k: v for k, v in every.items() if where_is[k] == f}, types)
        with open(os.path.join(where, "model.safetensors.index.json"), "w") as f:
            json.dump({"metadata": {"total_size": 0}, "weight_map": where_is}, f)
    ref = {"input_ids": ids, "logits": logits}
    if hidden is not None:
        ref["hidden"] = hidden
    save(os.path.join(where, "reference.safetensors"), ref, lambda k, t: "F32")
    return c, model, ids, sd, wide, ref


def tool(*args):
    p = subprocess.run([os.path.join(BIN, args[0]), *args[1:]], capture_output=True, text=True)
    if p.returncode:
        raise RuntimeError(f"{args[0]}: status {p.returncode}: {p.stderr.strip()}")


def off(a, b):
    m = b.abs().max().item()
    d = (a.double() - b.double()).abs().max().item()
    return math.inf if math.isnan(d) else d / m if m else d


def noise(model, ids, ref):
    """What the reference itself moves by when weights do by 2e-6: a routing tie shows here."""
    worst = 0
    for k in range(2):
        old = [p.detach().clone() for p in model.parameters()]
        g = torch.Generator().manual_seed(k)
        with torch.no_grad():
            for p in model.parameters():
                p *= 1 + 2e-6 * torch.randn(p.shape, generator=g)
        worst = max(worst, off(run(model, ids)[0], ref))
        with torch.no_grad():
            for p, o in zip(model.parameters(), old):
                p.copy_(o)
    return worst


def judge(fam, seed, where):
    """A line of what is wrong, or None; and the largest difference, None where the model itself is not steady."""
    c, model, ids, sd, wide, ref = written(fam, seed, where)
    f, out, back = (os.path.join(where, x) for x in ("f.llmc", "out.safetensors", "back"))
    try:
        tool("llmc-import", where, "-q", "-o", f)
        refs = os.path.join(where, "reference.safetensors")
        tool("llmc-eval", "logits", "-q", "--dtype", "f32", "--hidden", "--tokens", refs, "-o", out, f)
        got = load(out)
        d = off(tensor(got["logits"]), ref["logits"])
        if d > 1e-4:
            n = noise(model, ids, ref["logits"])
            if n > 5e-5:
                return None, None
            first = [i for i in range(len(ref.get("hidden", []))) if off(tensor(got["hidden"])[i], ref["hidden"][i]) > 1e-4]
            return f"logits differ by {d:.2g} (noise {n:.1g}), hidden from {first[:1]}", d
        if "hidden" in ref:
            h = max(off(a, b) for a, b in zip(tensor(got["hidden"]), ref["hidden"]))
            if h > 1e-4:
                return (f"hidden states differ by {h:.2g}", h) if noise(model, ids, ref["logits"]) < 5e-5 else (None, None)
        if wide == "BF16":
            tool("llmc-eval", "logits", "-q", "--dtype", "bf16", "--tokens", refs, "-o", out, f)
            b = off(tensor(load(out)["logits"]), ref["logits"])
            if b > 2e-2:
                with torch.no_grad():
                    theirs = off(model.to(torch.bfloat16)(input_ids=ids, use_cache=False).logits.float(), ref["logits"])
                if b > 4 * theirs:
                    return f"bf16 differs by {b:.2g}, theirs by {theirs:.2g}", d
        shutil.rmtree(back, ignore_errors=True)
        tool("llmc-pack", "-q", "-f", "hf", "-o", back, f)
        have, want = {}, {}
        for name in os.listdir(back):
            if name.endswith(".safetensors"):
                have.update(load(os.path.join(back, name)))
        for name in os.listdir(where):
            if name.startswith("model") and name.endswith(".safetensors"):
                want.update(load(os.path.join(where, name)))
        want = {k: v for k, v in want.items() if k in sd}
        if have != want:
            bad = [k for k in {**have, **want} if have.get(k) != want.get(k)]
            return f"packed back otherwise: {sorted(bad)[:3]}", d
    except RuntimeError as e:
        return str(e), 0
    return None, d


def compare(args):
    print(f"transformers {transformers.__version__}, torch {torch.__version__}; programs of {BIN}")
    total = 0
    for family in args.family or [f.__name__ for f in FAMILIES]:
        bad, worst, loose = 0, 0, 0
        for seed in range(args.seed, args.seed + args.draws):
            with tempfile.TemporaryDirectory() as top:
                where = os.path.join(top, "m")
                os.makedirs(where)
                why, d = judge(family, seed, where)
                worst = max(worst, d or 0)
                loose += d is None
                if why:
                    bad += 1
                    print(f"{family} {seed}: {why}", flush=True)
                    if args.keep:
                        shutil.copytree(where, os.path.join(args.keep, f"{family}-{seed}"), dirs_exist_ok=True)
                    if args.stop and bad >= args.stop:
                        break
        print(f"{family}\t{args.draws} draws from {args.seed}\t{bad} wrong\t{loose} not judged\tlargest difference {worst:.1e}", flush=True)
        total += bad
    return 1 if total else 0


def main():
    p = argparse.ArgumentParser()
    sub = p.add_subparsers(dest="what", required=True)
    c = sub.add_parser("compare")
    c.add_argument("--seed", type=int, default=0)
    c.add_argument("--draws", type=int, default=100)
    c.add_argument("--stop", type=int, default=0)
    c.add_argument("--keep")
    c.add_argument("family", nargs="*")
    w = sub.add_parser("write")
    w.add_argument("family")
    w.add_argument("seed", type=int)
    w.add_argument("dir")
    a = p.parse_args()
    if a.what == "compare":
        return compare(a)
    os.makedirs(a.dir, exist_ok=True)
    written(a.family, a.seed, a.dir)
    return 0


if __name__ == "__main__":
    sys.exit(main())
