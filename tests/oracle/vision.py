"""Small random models that see, of every family that wraps a language model, through transformers and through llmc.
Needs the Python packages torch, transformers and compressed-tensors; nothing here is run by the tests.

    python tests/oracle/vision.py [--seed N] [--draws N]
        each model in both layouts that transformers writes (names as published; names of memory): logits of a text,
        the tensors that import and pack give back, and whether transformers loads what llmc-pack -f vllm writes,
        with no tensor missing or left over, and computes with it what it does with the dequantized weights

    python tests/oracle/vision.py --write DIR [--memory] FAMILY SEED
        one of them, smaller yet, as a fixture: config.json, model.safetensors, reference.safetensors

A line for each: family, layout, error of logits, error of the packed directory.  The programs are those of this tree;
LLMC_BIN names others.
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile
import warnings

os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
os.environ["HF_HUB_OFFLINE"] = os.environ["TQDM_DISABLE"] = "1"
warnings.filterwarnings("ignore")

sys.path.pop(0)  # a file beside this one has the name of a package
import torch  # noqa: E402
import transformers as t  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("LLMC_BIN", os.path.join(ROOT, "bin"))
V = 96
D, F, TOWER, PATCH = 32, [96, 160], 32, 14  # width of a head; of MLPs; of towers; of what they see at once


def text(r, **more):
    heads = r.choice([2, 4])
    return dict(hidden_size=D * heads, intermediate_size=r.choice(F), num_hidden_layers=r.choice([2, 3]),
                num_attention_heads=heads, num_key_value_heads=r.choice([1, 2]), vocab_size=V,
                max_position_embeddings=64, tie_word_embeddings=r.random() < 0.5, **more)


def clip(r, kind):
    return kind(hidden_size=TOWER, intermediate_size=2 * TOWER, num_hidden_layers=r.choice([2, 11]),
                num_attention_heads=4, image_size=2 * PATCH, patch_size=PATCH)


def mrope():
    return {"rope_type": "default", "mrope_section": [D // 4, D // 8, D // 8], "rope_theta": 1e6}


def llava(r):
    c = text(r)
    return t.LlavaForConditionalGeneration(t.LlavaConfig(
        vision_config=clip(r, t.CLIPVisionConfig), text_config=t.LlamaConfig(**c), image_token_index=95,
        tie_word_embeddings=c["tie_word_embeddings"]))


def llava_next(r):
    c = text(r, sliding_window=r.choice([None, 7]))
    return t.LlavaNextForConditionalGeneration(t.LlavaNextConfig(
        vision_config=clip(r, t.CLIPVisionConfig), text_config=t.MistralConfig(**c), image_token_index=95,
        image_grid_pinpoints=[[28, 28]], tie_word_embeddings=c["tie_word_embeddings"]))


def llava_onevision(r):
    c = text(r)
    return t.LlavaOnevisionForConditionalGeneration(t.LlavaOnevisionConfig(
        vision_config=clip(r, t.SiglipVisionConfig), text_config=t.Qwen2Config(**c), image_token_index=95,
        tie_word_embeddings=c["tie_word_embeddings"]))


def qwen2_vl(r):
    c = text(r, rope_parameters=mrope())
    return t.Qwen2VLForConditionalGeneration(t.Qwen2VLConfig(
        text_config=c,
        vision_config=dict(depth=2, embed_dim=TOWER, hidden_size=c["hidden_size"], num_heads=2, mlp_ratio=2,
                           patch_size=PATCH),
        tie_word_embeddings=c["tie_word_embeddings"], **special()))


def qwen2_5_vl(r):
    c = text(r, rope_parameters=mrope())
    return t.Qwen2_5_VLForConditionalGeneration(t.Qwen2_5_VLConfig(
        text_config=c,
        vision_config=dict(depth=2, hidden_size=TOWER, intermediate_size=64, num_heads=2, patch_size=PATCH,
                           out_hidden_size=c["hidden_size"], fullatt_block_indexes=[1]),
        tie_word_embeddings=c["tie_word_embeddings"], **special()))


def special():
    return dict(image_token_id=90, video_token_id=91, vision_start_token_id=92, vision_end_token_id=93)


def mllama(r):
    c = text(r, pad_token_id=0, rope_parameters={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                                 "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
                                                 "rope_theta": 500000.0})
    c["tie_word_embeddings"] = False
    n = c["num_hidden_layers"]
    c["cross_attention_layers"] = sorted(r.sample(range(n), r.randint(1, n - 1)))
    v = t.models.mllama.configuration_mllama.MllamaVisionConfig(
        hidden_size=TOWER, attention_heads=4, num_hidden_layers=3, num_global_layers=2, intermediate_size=2 * TOWER,
        image_size=2 * PATCH, patch_size=PATCH, max_num_tiles=2, vision_output_dim=3 * TOWER,
        intermediate_layers_indices=[1, 2], supported_aspect_ratios=[[1, 1], [1, 2], [2, 1]])
    return t.MllamaForConditionalGeneration(t.MllamaConfig(text_config=c, vision_config=v))


FAMILIES = [llava, llava_next, llava_onevision, qwen2_vl, qwen2_5_vl, mllama]


def llmc(*args):
    subprocess.run([os.path.join(BIN, args[0]), *args[1:], "-q"], check=True)


def randomize(m):
    with torch.no_grad():
        for name, p in m.named_parameters():
            if name.endswith("norm.weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            else:
                p.copy_((1.2 / p.shape[-1] ** 0.5 if p.dim() > 1 else 0.1) * torch.randn_like(p))
    return m.eval().float()


def error(a, b):
    return float((a - b).abs().max() / b.abs().max())


def compare(m, ids, want, original, d):
    m.save_pretrained(d + "/hf", save_original_format=original)
    save_file({"input_ids": ids}, d + "/ids.st")
    llmc("llmc-import", d + "/hf", "-o", d + "/f.llmc")
    llmc("llmc-eval", "logits", "--dtype", "f32", "--tokens", d + "/ids.st", "-o", d + "/out.st", d + "/f.llmc")
    llmc("llmc-pack", "-f", "hf", "-o", d + "/back", d + "/f.llmc")
    a, b = load_file(d + "/hf/model.safetensors"), load_file(d + "/back/model.safetensors")
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a), "not the tensors that there were"
    llmc("llmc-quant", "-w", "int4:g32", "--rule", "mlp.down=int8:channel", "--skip", "attn.o",
         d + "/f.llmc", "-o", d + "/q.llmc")
    llmc("llmc-pack", "-f", "vllm", "--force", "-o", d + "/packed", d + "/q.llmc")
    llmc("llmc-pack", "-f", "hf", "--dequantize", "-o", d + "/plain", d + "/q.llmc")
    packed, info = type(m).from_pretrained(d + "/packed", output_loading_info=True, dtype=torch.float32)
    assert not any(info.values()), info
    plain = type(m).from_pretrained(d + "/plain", dtype=torch.float32)
    with torch.no_grad():
        ours, theirs = packed(input_ids=ids).logits, plain(input_ids=ids).logits
    return error(load_file(d + "/out.st")["logits"], want), error(ours, theirs)


def draw(f, seed):
    r = random.Random(f"{f.__name__} {seed}")
    torch.manual_seed(r.randrange(1 << 30))
    m = randomize(f(r))
    return m, torch.randint(3, V - 10, (2, 24))


def write(name, seed, memory, d):
    global D, F, TOWER, PATCH
    D, F, TOWER, PATCH = 8, [24], 8, 4
    m, ids = draw({f.__name__: f for f in FAMILIES}[name], seed)
    ids = ids[:1, :12].contiguous()
    with torch.no_grad():
        o = m(input_ids=ids, output_hidden_states=True)
    m.save_pretrained(d, save_original_format=not memory)
    os.unlink(d + "/generation_config.json")
    save_file({"input_ids": ids, "logits": o.logits.contiguous(), "hidden": torch.stack(o.hidden_states)},
              d + "/reference.safetensors")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--draws", type=int, default=1)
    p.add_argument("--write", metavar="DIR")
    p.add_argument("--memory", action="store_true")
    p.add_argument("fixture", nargs="*", metavar="FAMILY SEED")
    o = p.parse_args()
    if o.write:
        write(o.fixture[0], int(o.fixture[1]), o.memory, o.write)
        return
    bad = 0
    for seed in range(o.seed, o.seed + o.draws):
        for f in FAMILIES:
            m, ids = draw(f, seed)
            with torch.no_grad():
                want = m(input_ids=ids).logits
            for original in (True, False):
                with tempfile.TemporaryDirectory() as d:
                    logits, packed = compare(m, ids, want, original, d)
                bad += logits > 1e-5 or packed > 1e-6
                layout = "published" if original else "memory"
                print(f.__name__, layout, f"{logits:.1e}\t{packed:.1e}", sep="\t", flush=True)
    sys.exit(bad > 0)


main()
