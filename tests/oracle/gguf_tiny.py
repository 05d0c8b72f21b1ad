#!/usr/bin/env python3
"""Makes the tiny GGUF of tests/golden/gguf and what importing it must give (needs numpy, gguf, safetensors).

    gguf_tiny.py STORIES260K OUTDIR

tiny.gguf           a random llama, two layers, every tensor type that import reads, written by the gguf package; the
                    SentencePiece vocabulary of the model directory given
tiny.safetensors    the same weights in F32, dequantized by the gguf package, under the hub's names and in its row order

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
