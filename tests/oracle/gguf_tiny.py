#!/usr/bin/env python3
"""Makes the tiny GGUFs of tests/golden/gguf and what importing them must give (needs numpy, gguf, safetensors,
sentencepiece, torch, transformers).

    python3 -P gguf_tiny.py STORIES260K OUTDIR      (-P: a neighbour is named like a package)

tiny.gguf           a random llama, two layers, every tensor type that import reads, written by the gguf package; the
                    SentencePiece vocabulary of the model directory given
tiny.safetensors    the same weights in F32, dequantized by the gguf package, under the hub's names and in its row order

llama3.gguf         one layer with biases, a head of its own, llama3 rotary factors as transformers computes them (factor 32),
                    byte-level BPE
llama3.safetensors  its weights

The rows of q and k are put into the file's order by the rule of the format: head row p * (D/2) + i goes to 2 * i + p.
"""
import os
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from safetensors.numpy import save_file
from sentencepiece import SentencePieceProcessor

src, out = sys.argv[1:]
C, H, K, D, F, L, CTX = 32, 2, 1, 16, 64, 2, 128
rng = np.random.default_rng(4)
sp = SentencePieceProcessor(model_file=os.path.join(src, "tokenizer.model"))
V = sp.vocab_size()

w = gguf.GGUFWriter(os.path.join(out, "tiny.gguf"), "llama")
w.add_name("tiny")
w.add_block_count(L)
w.add_context_length(CTX)
w.add_embedding_length(C)
w.add_feed_forward_length(F)
w.add_head_count(H)
w.add_head_count_kv(K)
w.add_key_length(D)
w.add_value_length(D)
w.add_rope_dimension_count(D)
w.add_rope_freq_base(20000.0)
w.add_layer_norm_rms_eps(1e-5)
w.add_vocab_size(V)
w.add_tokenizer_model("llama")
w.add_token_list([sp.id_to_piece(i) for i in range(V)])
w.add_token_scores([sp.get_score(i) for i in range(V)])
w.add_token_types([2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1 for i in range(V)])
w.add_bos_token_id(1)
w.add_eos_token_id(2)
w.add_unk_token_id(0)
w.add_chat_template("{{ messages[0]['content'] }}\n\t\"done\"")

want = {}


def add(name, hub, shape, typ, heads=0):
    """One tensor of the file that is being written, and what it must become."""
    x = (rng.standard_normal(shape) * 0.3).astype(np.float32)
    if heads:
        d = shape[0] // heads
        order = [h * d + p * (d // 2) + i for h in range(heads) for i in range(d // 2) for p in range(2)]
        x = x[order]
    q = x if typ == T.F32 else gguf.quants.quantize(x, typ)
    w.add_tensor(name, q, raw_dtype=typ)
    y = np.asarray(gguf.quants.dequantize(q, typ), dtype=np.float32).reshape(shape)
    if heads:
        back = np.empty_like(y)
        back[order] = y
        y = back
    want[hub] = y


add("token_embd.weight", "model.embed_tokens.weight", (V, C), T.Q8_0)
for n in range(L):
    t = (T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.F16, T.BF16, T.Q8_0) if n == 0 else (
        T.Q5_1, T.Q8_0, T.F32, T.Q4_0, T.Q4_1, T.Q5_0, T.BF16)
    p, h = f"blk.{n}.", f"model.layers.{n}."
    add(p + "attn_norm.weight", h + "input_layernorm.weight", (C,), T.F32)
    add(p + "attn_q.weight", h + "self_attn.q_proj.weight", (H * D, C), t[0], H)
    add(p + "attn_k.weight", h + "self_attn.k_proj.weight", (K * D, C), t[1], K)
    add(p + "attn_v.weight", h + "self_attn.v_proj.weight", (K * D, C), t[2])
    add(p + "attn_output.weight", h + "self_attn.o_proj.weight", (C, H * D), t[3])
    add(p + "ffn_norm.weight", h + "post_attention_layernorm.weight", (C,), T.F32)
    add(p + "ffn_gate.weight", h + "mlp.gate_proj.weight", (F, C), t[4])
    add(p + "ffn_up.weight", h + "mlp.up_proj.weight", (F, C), t[5])
    add(p + "ffn_down.weight", h + "mlp.down_proj.weight", (C, F), t[6])
add("output_norm.weight", "model.norm.weight", (C,), T.F32)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
save_file(want, os.path.join(out, "tiny.safetensors"), metadata={"format": "pt"})


# ---- the second one ----
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

H, K, D, V = 2, 2, 16, 8
want = {}
rope = dict(rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=8192, rope_theta=500000.0)
cfg = LlamaConfig(hidden_size=C, num_attention_heads=H, num_key_value_heads=K, head_dim=D, max_position_embeddings=131072,
                  rope_parameters=rope)
scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](cfg, "cpu")
plain = 1.0 / 500000.0 ** (torch.arange(0, D, 2, dtype=torch.int64).float() / D)
w = gguf.GGUFWriter(os.path.join(out, "llama3.gguf"), "llama")
w.add_block_count(1)
w.add_context_length(131072)
w.add_embedding_length(C)
w.add_feed_forward_length(F)
w.add_head_count(H)
w.add_rope_dimension_count(D)
w.add_rope_freq_base(500000.0)
w.add_layer_norm_rms_eps(1e-6)
w.add_tokenizer_model("gpt2")
w.add_tokenizer_pre("llama-bpe")
w.add_token_list(["a", "b", "ab", "\u0120", "\u0120a", "<|begin|>", "<|end|>", "<|user|>"])
w.add_token_types([1, 1, 1, 1, 1, 3, 3, 4])
w.add_token_merges(["a b", "\u0120 a"])
w.add_bos_token_id(5)
w.add_eos_token_id(6)
add("token_embd.weight", "model.embed_tokens.weight", (V, C), T.F16)
w.add_tensor("rope_freqs.weight", (plain / scaled).numpy().astype(np.float32))
for name, hub, rows, cols, heads in (("attn_q", "self_attn.q_proj", H * D, C, H), ("attn_k", "self_attn.k_proj", K * D, C, K),
                                     ("attn_v", "self_attn.v_proj", K * D, C, 0), ("attn_output", "self_attn.o_proj", C, H * D, 0),
                                     ("ffn_gate", "mlp.gate_proj", F, C, 0), ("ffn_up", "mlp.up_proj", F, C, 0),
                                     ("ffn_down", "mlp.down_proj", C, F, 0)):
    add(f"blk.0.{name}.weight", f"model.layers.0.{hub}.weight", (rows, cols), T.F16, heads)
    if name.startswith("attn"):
        add(f"blk.0.{name}.bias", f"model.layers.0.{hub}.bias", (rows,), T.F32, heads)
add("blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight", (C,), T.F32)
add("blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight", (C,), T.F32)
add("output_norm.weight", "model.norm.weight", (C,), T.F32)
add("output.weight", "lm_head.weight", (V, C), T.BF16)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
save_file(want, os.path.join(out, "llama3.safetensors"), metadata={"format": "pt"})
