#!/usr/bin/env python3
"""Small random models of every architecture of GGUF that is read: made and run by transformers, converted by llama.cpp's
own converter (needs numpy, torch, transformers, safetensors and a llama.cpp tree; -P: a neighbour is named like a package).

    python3 -P gguf_families.py make LLAMA_CPP OUTDIR       the files of tests/golden/gguf/families
        NAME.gguf           weights F16
        NAME.safetensors    input_ids, and the logits of the original in F32
        families.tsv        of each: the architecture, SHA-256 of the sorted names of the original's tensors

    python3 -P gguf_families.py convert LLAMA_CPP FIXTURES OUTDIR [NAME...]
        every directory in FIXTURES that the converter takes, in F32

    python3 -P gguf_families.py load DIR REFERENCE          what llmc-pack -f hf wrote of NAME.gguf, loaded by transformers:
        the greatest difference from the logits in NAME.safetensors, as a share of the greatest logit

The converter is given no tokenizer.
"""
import hashlib
import json
import os
import pathlib
import sys
import tempfile

import numpy
import torch
from safetensors.torch import load_file, save_file

V, T = 32, 10
BASE = dict(vocab_size=V, hidden_size=16, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=24, max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
WIDE = dict(BASE, intermediate_size=64)         # the converter writes 4 times the width, whatever the model has
MOE = dict(num_experts_per_tok=2, moe_intermediate_size=8)
LATENT = dict(BASE, num_hidden_layers=2, num_key_value_heads=4, kv_lora_rank=8, qk_nope_head_dim=4, qk_rope_head_dim=4, v_head_dim=6,
              n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=8, n_shared_experts=2,
              first_k_dense_replace=1, head_dim=4)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16, beta_fast=32,
            beta_slow=1)
BIG = dict(vocab_size=V, n_embd=16, n_head=4, n_layer=1, n_inner=64, n_positions=64, bos_token_id=1, eos_token_id=2,
           activation_function="gelu_pytorch_tanh")


# Models whose code transformers does not have, out of LLaMA's: what their weights and configurations are when it computes
# the same.
DEPTH, EMBED, UNIT = 1.4, 12, 8


def minicpm(model):
    """A twin whose scales are in the weights computes the logits."""
    c, w = model.config, {k: v.clone() for k, v in model.state_dict().items()}
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                p *= DEPTH / c.num_hidden_layers ** 0.5
        model.lm_head.weight.copy_(w["model.embed_tokens.weight"] * UNIT / c.hidden_size)
        model.model.embed_tokens.weight *= EMBED
    del w["lm_head.weight"]
    return w, dict(scale_emb=EMBED, scale_depth=DEPTH, dim_model_base=UNIT, tie_word_embeddings=True)


def internlm2(model):
    w, out, kv = model.state_dict(), {}, model.config.num_key_value_heads
    parts = {"input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "attention.wo",
             "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2",
             "model.embed_tokens": "model.tok_embeddings", "lm_head": "output"}
    for name, x in w.items():
        for a, b in parts.items():
            name = name.replace(a, b)
        if "self_attn.q_proj" in name:
            k, v = (w[name.replace("q_proj", p)] for p in ("k_proj", "v_proj"))
            groups = [y.reshape(kv, -1, y.shape[1]) for y in (x, k, v)]
            out[name.replace("self_attn.q_proj", "attention.wqkv")] = torch.cat(groups, 1).reshape(-1, x.shape[1])
        elif "self_attn" not in name:
            out[name] = x
    return out, dict(bias=False)


DRESSED = {"minicpm": ("MiniCPM", minicpm), "internlm2": ("InternLM2", internlm2)}

HOW = {"qwen2": dict(fuse_qkv=True), "gptneox": dict(config={"rotary_pct": 0.5}),
       "gptneox-seq": dict(config={"rotary_pct": 1.0}), "qwen3": dict(split_max_tensors=9)}


def rope(**k):
    return dict(rope_type="default", rope_theta=10000.0, **k)


MODELS = {
    "llama": ("Llama", dict(BASE, num_hidden_layers=2, head_dim=8, attention_bias=True, mlp_bias=True)),
    "llama3": ("Llama", dict(BASE, tie_word_embeddings=True, rope_parameters=dict(
        rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=16))),
    "llama-linear": ("Llama", dict(BASE, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.0))),
    "llama-yarn": ("Llama", dict(BASE, rope_parameters=YARN)),
    "mixtral": ("Mixtral", dict(BASE, num_local_experts=4, num_experts_per_tok=2)),
    "qwen2": ("Qwen2", BASE),
    "qwen2moe": ("Qwen2Moe", dict(BASE, **MOE, num_experts=4, shared_expert_intermediate_size=12, norm_topk_prob=False)),
    "qwen3": ("Qwen3", dict(BASE, num_hidden_layers=2, head_dim=8)),
    "qwen3moe": ("Qwen3Moe", dict(BASE, **MOE, head_dim=8, num_experts=4, norm_topk_prob=True, mlp_only_layers=[])),
    "gemma": ("Gemma", dict(BASE, head_dim=8, num_key_value_heads=1)),
    "gemma2": ("Gemma2", dict(BASE, num_hidden_layers=2, head_dim=8, sliding_window=5, attn_logit_softcapping=5.0,
                              final_logit_softcapping=3.0, query_pre_attn_scalar=8)),
    "phi2": ("Phi", dict(WIDE, num_key_value_heads=4, rope_parameters=rope(partial_rotary_factor=0.5))),
    "phi3": ("Phi3", dict(BASE, sliding_window=6, pad_token_id=0)),
    "phi3-longrope": ("Phi3", dict(BASE, pad_token_id=0, original_max_position_embeddings=8, rope_parameters=dict(
        rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.5], long_factor=[2.0, 3.5],
        original_max_position_embeddings=8))),
    "stablelm": ("StableLm", dict(BASE, use_qkv_bias=True, rope_parameters=rope(partial_rotary_factor=0.5))),
    "stablelm-12b": ("StableLm", dict(BASE, use_parallel_residual=True, qk_layernorm=True,
                                      rope_parameters=rope(partial_rotary_factor=0.5))),
    "starcoder": ("GPTBigCode", BIG),
    "starcoder2": ("Starcoder2", dict(BASE, use_bias=True, sliding_window=None)),
    "falcon-7b": ("Falcon", dict(WIDE, num_kv_heads=1, new_decoder_architecture=False, multi_query=True)),
    "falcon-11b": ("Falcon", dict(WIDE, num_kv_heads=2, new_decoder_architecture=True, num_ln_in_parallel_attn=1,
                                  tie_word_embeddings=False)),
    "falcon-40b": ("Falcon", dict(WIDE, num_kv_heads=2, new_decoder_architecture=True)),
    "bloom": ("Bloom", dict(vocab_size=V, hidden_size=16, n_layer=1, n_head=4, bos_token_id=1, eos_token_id=2)),
    "gptneox": ("GPTNeoX", dict(BASE, rope_parameters=rope(partial_rotary_factor=0.5))),
    "gptneox-seq": ("GPTNeoX", dict(BASE, rope_parameters=rope(partial_rotary_factor=1.0),
                                    use_parallel_residual=False)),
    "deepseek2": ("DeepseekV2", dict(LATENT, q_lora_rank=None, topk_method="greedy", norm_topk_prob=False,
                                     rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707))),
    "deepseek3": ("DeepseekV3", dict(LATENT, q_lora_rank=12, n_group=4, topk_group=2, norm_topk_prob=True,
                                     routed_scaling_factor=2.5,
                                     rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0))),
}


def converter(llama):
    """The converter as a function of a directory, a file and a type."""
    sys.path[:0] = [llama, os.path.join(llama, "gguf-py")]
    import gguf
    from conversion import get_model_class
    from conversion.base import ModelBase

    hparams = ModelBase.load_hparams

    def run(src, to, ftype, config={}, **how):
        ModelBase.load_hparams = staticmethod(lambda *a, **k: dict(hparams(*a, **k), **config))
        cls = get_model_class(json.load(open(src / "config.json"))["architectures"][0])
        original = cls.modify_tensors

        def modify(self, *a):                   # norms of heads are stacked in what is returned, which upstream loses
            yield from (yield from original(self, *a)) or ()

        cls.set_vocab = lambda self: None
        if hasattr(cls, "_stack_qk_norm"):
            cls.modify_tensors = modify
        with torch.inference_mode():
            cls(src, getattr(gguf.LlamaFileType, ftype), to, eager=True, **how).write()
        cls.modify_tensors = original

    return run


def rewrite(src, to, one):
    """A copy of a GGUF in which one(name, data) gives the tensors that take the place of each."""
    import gguf

    r = gguf.GGUFReader(src)
    w = gguf.GGUFWriter(to, r.get_field("general.architecture").contents())
    for f in r.fields.values():
        if not f.name.startswith("GGUF.") and f.name != "general.architecture":
            w.add_key_value(f.name, f.contents(), f.types[0], f.types[-1] if len(f.types) > 1 else None)
    for t in r.tensors:
        for name, data in one(t.name, t.data):
            w.add_tensor(name, data)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def one_by_one(name, data):
    """Experts as the first files had them."""
    if not name.endswith("_exps.weight"):
        return [(name, data)]
    return [(name.replace("_exps.weight", f".{e}.weight"), x.copy()) for e, x in enumerate(data)]


def together(name, data, kept={}):
    """Keys and values of a latent in one matrix, likewise."""
    if ".attn_k_b." in name:
        kept["k"] = data
        return []
    if ".attn_v_b." in name:
        both = numpy.concatenate([kept["k"].transpose(0, 2, 1), data], 1)
        return [(name.replace("v_b", "kv_b"), both.reshape(-1, both.shape[2]).copy())]
    return [(name, data)]


def build(cls, knobs):
    import transformers

    torch.manual_seed(5)
    config = getattr(transformers, cls + "Config")(**knobs, attn_implementation="eager")    # the others lack soft caps
    model = getattr(transformers, cls + "ForCausalLM")(config)
    with torch.no_grad():
        for name, p in list(model.named_parameters()) + list(model.named_buffers()):
            if "inv_freq" in name or "embed_scale" in name:
                continue
            p.copy_((torch.randn(p.shape) * (0.3 if p.ndim > 1 else 0.2) + (1 if "norm" in name or "ln_" in name else 0)
                     if p.ndim < 2 and name.endswith("weight") else torch.randn(p.shape) * 0.3).half().float())
    return model.eval()


def make(llama, out):
    convert = converter(llama)
    rows = []
    os.makedirs(out, exist_ok=True)
    for name, (cls, knobs) in [*MODELS.items(), *((n, (c, dict(BASE, num_hidden_layers=2))) for n, (c, _) in DRESSED.items())]:
        dress = DRESSED.get(name, (None, None))[1]
        model = build("Llama" if dress else cls, knobs)
        weights, more = dress(model) if dress else (None, None)
        ids = torch.randint(3, V, (2, T), generator=torch.Generator().manual_seed(7))
        with torch.inference_mode():
            logits = model(input_ids=ids, use_cache=False).logits.float()
        save_file({"input_ids": ids.int(), "logits": logits.contiguous()}, os.path.join(out, name + ".safetensors"))
        with tempfile.TemporaryDirectory() as tmp:
            d = os.path.join(tmp, "small")              # the file says so
            os.mkdir(d)
            if dress:
                arch = dict(architectures=[cls + "ForCausalLM"], model_type=name, hidden_act="silu", rms_norm_eps=1e-6,
                            rope_theta=10000.0, rope_scaling=None, torch_dtype="float32")
                json.dump({**knobs, **arch, **more}, open(d + "/config.json", "w"))
                save_file({k: v.contiguous() for k, v in weights.items()}, d + "/model.safetensors", {"format": "pt"})
            else:
                model.save_pretrained(d)
            names = "".join(n + "\n" for n in sorted(load_file(d + "/model.safetensors")))
            rows.append((name, cls + "ForCausalLM", hashlib.sha256(names.encode()).hexdigest()))
            convert(pathlib.Path(d), pathlib.Path(out, name + ".gguf"), "MOSTLY_F16", **HOW.get(name, {}))
        print(name, float(logits.abs().max()), sep="\t", flush=True)
    for old, new, how in (("mixtral", "mixtral-old", one_by_one), ("deepseek3", "deepseek3-old", together)):
        rewrite(os.path.join(out, old + ".gguf"), os.path.join(out, new + ".gguf"), how)
        pathlib.Path(out, new + ".safetensors").write_bytes(pathlib.Path(out, old + ".safetensors").read_bytes())
        rows += [(new, *r[1:]) for r in rows if r[0] == old]
    open(os.path.join(out, "families.tsv"), "w").write("".join("\t".join(r) + "\n" for r in rows))


def fixtures(llama, src, out, names):
    convert = converter(llama)
    os.makedirs(out, exist_ok=True)
    for name in names or sorted(os.listdir(src)):
        if not os.path.exists(os.path.join(src, name, "config.json")):
            continue
        try:
            convert(pathlib.Path(src, name), pathlib.Path(out, name + ".gguf"), "ALL_F32")
            print(name, "ok", sep="\t", flush=True)
        except (Exception, SystemExit) as e:
            print(name, type(e).__name__, str(e).splitlines()[:1], sep="\t", flush=True)


def load(directory, reference):
    import transformers

    ref = load_file(reference)
    model, info = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager",
                                                                    output_loading_info=True)
    with torch.inference_mode():
        got = model.eval()(input_ids=ref["input_ids"].long(), use_cache=False).logits
    print(type(model).__name__, float((got - ref["logits"]).abs().max() / ref["logits"].abs().max()),
          sorted(info["missing_keys"]), sorted(info["unexpected_keys"]), sep="\t")


if __name__ == "__main__":
    what, *args = sys.argv[1:]
    if what == "make":
        make(*args)
    elif what == "convert":
        fixtures(args[0], args[1], args[2], args[3:])
    else:
        load(*args)
