"""Random small models of every family, through transformers and through llmc.  Needs the Python packages torch and
transformers (families.md says which versions); nothing here is run by the tests.

    python tests/oracle/families.py compare [--seed N] [--draws N] [--keep DIR] [--stop N] [FAMILY...]
        draws configurations over the corners of each family, writes checkpoints as the hub has them, and compares
        logits, hidden states (f32; bf16 where the checkpoint is) and the tensors that import and pack give back.
        A draw that differs is kept under DIR, and can be had again alone: --seed N --draws 1
    python tests/oracle/families.py write FAMILY SEED DIR
        one draw as a fixture: config.json, model.safetensors, reference.safetensors

The programs are those of this tree; LLMC_BIN names others.  The configurations are those of families_draw.py; what
transformers cannot run (it refuses the configuration) is drawn again.  Where transformers differs from the code that a
family was published with, the latter is right: the notes at the functions say how.
"""
import argparse
import json
import math
import os
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

from families_draw import BUFFERS, FAMILIES, PREFIX, Draw  # noqa: E402

sys.path.pop(0)  # a file beside these has the name of a package
import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

torch.set_num_threads(1)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("LLMC_BIN", os.path.join(ROOT, "bin"))
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
WORDS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


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
