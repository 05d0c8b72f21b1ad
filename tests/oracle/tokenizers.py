"""What the reference tokenizer libraries say.  Needs the Python packages tokenizers and sentencepiece; nothing here
is run by the tests.

    python tests/oracle/tokenizers.py parts tests/golden/tok/parts.json
        normalisers, pre-tokenizers, decoders and small models, each by itself, with what the library made of some
        strings: what tests/unit/tok_parts.c is held to
    python tests/oracle/tokenizers.py compare bin/llmc-tokenize TOKENIZER [ROUNDS]
        random texts through llmc-tokenize and through the library, until they differ; TOKENIZER is a tokenizer.json
        or a tokenizer.model
    python tests/oracle/tokenizers.py mixed bin/llmc-tokenize ../shared [PART OF A NAME]
        more than a megabyte of mixed text (English, code, other scripts, emoji, marks, broken UTF-8, special tokens spelled
        out, very long words), in one piece and in pieces, there and back, by every tokenizer in ../shared; rank files are
        held to tiktoken

With tokenizers 0.23.3 and sentencepiece 0.2.3 all files of ../shared compare the same, but for two versions of a thing:
a Unigram tokenizer.model breaks ties as sentencepiece 0.1.97 does, which compares sums in double precision where 0.2.3
rounds them first (the golden vectors are 0.1.97's), and InternLM2's piece that is a NUL is used, as 0.1.97 does.  So
"mixed" is run once with all packages and once, for ".model", with sentencepiece 0.1.97 alone, which is the one to agree:
then nothing differs, over 1.3 MB for each of 27 tokenizers.
"""
import base64
import glob
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unicodedata

sys.path.pop(0)  # this file has the name of a package
try:
    import tokenizers  # noqa: E402
    from tokenizers import Tokenizer  # noqa: E402
except ImportError:  # "mixed ... .model" needs sentencepiece alone
    tokenizers = None

STRINGS = [
    "", " ", "  ", "a", "Hello world", " Hello  world ", "-a--b-", "--", "a-", "It's 3.14, isn't it?",
    "x\ty\r\nz\n\n", "١٢٣ ½²Ⅷ abc123def", "naïve café e\u0301 ﬁ ﬁ\u0301", "ſtraße K İstanbul ΟΔΟΣ",
    "日本語のテキスト, 中文。한국어", "a\u00a0b\u2003c\u3000d\u180ee\u200bf", "👨\u200d👩\u200d👧 🇩🇪🇫🇷!", "▁a ▁▁b",
    "<s>x</s> <mask>y<mask>", "tok tokken <tok>", "\ufefftext\x00nul\x7f\x85\u2028", "e\u0323\u0307 q\u0307\u0323",
    "$5+<=>^`|~ a_b @x", "Größe: 10%", "क्षि ไทย", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\r\n\r\n",
    "don't do not can't 've", "don't do  n't", "\u1fff\U000e0001\ufffdx\ue000", "𝔘𝔫𝔦 Ａｂｃ ｶﾞ Å ℌ",
]

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def seq(key, *steps):
    return {"type": "Sequence", key: list(steps)}


def byte_level(space=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": True, "use_regex": regex}


def metaspace(scheme, cut=True, mark="▁"):
    return {"type": "Metaspace", "replacement": mark, "prepend_scheme": scheme, "split": cut}


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
DIGITS = {"type": "Digits", "individual_digits": True}
PUNCT = {"type": "Punctuation", "behavior": "Contiguous"}

PRE = (
    [split("-", b, i, "String") for b in BEHAVIORS for i in (False, True)]
    + [split(r"\s+|[aeiou]", b) for b in BEHAVIORS]
    + [
        split(r"\s*", "Isolated"), split(r"x*", "MergedWithPrevious"), split(r"$", "Removed"), split(r"^", "Isolated"),
        split(r".", "Isolated"), split(r"(?m:.)+", "Isolated"), split(r"\w+", "Isolated"), split(r"\W+", "Removed"),
        split(r"[\w-]+", "Isolated"), split(r"[\S]+", "Isolated"), split(r"[^\S\n]+", "Removed"), split(r"\h+", "Isolated"),
        split(r"[\h_]+", "Isolated"), split(r"a{2}", "Isolated"), split(r"a{,3}", "Isolated"), split(r"a{1,3}+", "Isolated"),
        split(r"a{2,5}+b?", "Isolated"), split(r"(?<=o) ", "Isolated"), split(r"[a-c[x-z]]+", "Isolated"), split(r"[]a]+"),
        split(r"[\s_-]+", "Removed"), split(r"\u00e9|\x{e9}", "Isolated"), split(r"(?i:straße|k)", "Isolated"), split(r"l++", "Isolated"),
        split(r"\p{Han}+|\p{Hiragana}+", "Isolated"), split(r"[[:alpha:]]+", "Isolated"), split(r"\d+", "Isolated"),
        split(r" ?[^(\s|[.,!?…。，、।۔،])]+", "Isolated"), split(GPT2, "Removed", True), split(r"\v", "Isolated"),
        byte_level(), byte_level(True), byte_level(True, False), byte_level(False, False),
        metaspace("always"), metaspace("first"), metaspace("never"), metaspace("always", False), metaspace("first", False, "_"),
        {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"}, DIGITS, PUNCT,
        {"type": "Digits", "individual_digits": False}, {"type": "Punctuation", "behavior": "MergedWithNext"},
        {"type": "CharDelimiterSplit", "delimiter": "-"}, {"type": "FixedLength", "length": 3},
        seq("pretokenizers", DIGITS, byte_level()), seq("pretokenizers", PUNCT, byte_level(), DIGITS, split("[0-9][0-9][0-9]")),
        seq("pretokenizers", {"type": "WhitespaceSplit"}, metaspace("first")),
        seq("pretokenizers", {"type": "WhitespaceSplit"}, metaspace("always")),
        seq("pretokenizers", metaspace("first"), byte_level(True)),
        seq("pretokenizers", byte_level(True), byte_level(True)),
        seq("pretokenizers", split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), DIGITS, byte_level(False, False)),
    ]
)


def bert(**k):
    return dict({"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                 "lowercase": True}, **k)


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


NORM = [
    {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"}, {"type": "StripAccents"}, {"type": "Nmt"},
    {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Strip", "strip_left": False, "strip_right": True},
    {"type": "Prepend", "prepend": "▁"}, {"type": "ByteLevel"}, replace(" ", "▁"), replace(r"\s+", "_", "Regex"), replace("l", ""),
    replace(r"o*", "0", "Regex"), replace("$", "<$1>"),
    bert(), bert(lowercase=False), bert(strip_accents=False), bert(lowercase=False, strip_accents=True), bert(clean_text=False),
    bert(handle_chinese_chars=False),
    seq("normalizers", {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}),
    seq("normalizers", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")),
]

LLAMA = seq("decoders", replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0})
DEC = [
    byte_level(), {"type": "ByteFallback"}, {"type": "Fuse"}, metaspace("always"), metaspace("never"), metaspace("first", mark="_"), LLAMA,
    {"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "WordPiece", "prefix": "##", "cleanup": False},
    {"type": "BPEDecoder", "suffix": "</w>"}, {"type": "Strip", "content": "H", "start": 1, "stop": 0},
    {"type": "Strip", "content": "a", "start": 2, "stop": 1}, replace("l", "L"), replace("[aeiou]+", "", "Regex"),
]
LISTS = [
    [], ["Hello"], ["▁Hello", "▁world", "!"], ["▁", "▁▁a", "b▁"], ["Hel", "##lo", "##", "wor", "##ld", ".", "'", "s", "n't", "do not"],
    ["<0xE4>", "<0xBD>", "<0xA0>", "x", "<0xE4>", "<0xBD>", "y", "<0x41>", "<0xff>"], ["ĠHello", "ðŁ", "ĺĢ", "ÃŃ", "Ã", "a b"],
    ["_a", "b_c", "_"], ["he</w>", "l", "lo</w>", "x"], ["aaab", "aab", "baa", "HHi"], ["don", "'", "t", "<0x0A>", "▁<0x0A>"],
]


def token(i, content, **k):
    return dict({"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                 "special": False}, **k)


def small(tokens, merges, added=(), **parts):
    """A tokenizer with a BPE model of these tokens; parts with an underscore are the model's."""
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
             "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges}
    model.update({k[1:]: v for k, v in parts.items() if k[0] == "_"})
    t = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added), "normalizer": None,
         "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model}
    t.update({k: v for k, v in parts.items() if k[0] != "_"})
    return t


LETTERS = ["<unk>"] + list("abcdefghijklmnopqrstuvwxyz ▁HT'-") + ["he", "hel", "lo", "hello", "aa", "aaa", "aaaa", "in", "ing", "▁w", "or"]
MERGES = ["h e", "l o", "he l", "hel lo", "a a", "aa a", "aa aa", "i n", "in g", "▁ w", "o r"]
BYTES = ["<0x%02X>" % i for i in range(256)]
PREFIXED = ["<unk>"] + list("abcdehlorw") + ["##" + c for c in "abcdehlorw"] + ["he", "##lo", "hel", "hello"]
SUFFIXED = ["<unk>"] + list("abcdehlorw") + [c + "</w>" for c in "abcdehlorw"] + ["he", "lo</w>", "hel", "hello</w>"]
SPECIAL = [token(0, "<unk>", special=True), token(90, "<s>", special=True), token(91, "</s>", special=True),
           token(92, "<mask>", lstrip=True, special=True), token(93, "<tok>", rstrip=True), token(94, "tok", single_word=True),
           token(95, "aaaaa", normalized=True), token(96, " b", normalized=True), token(97, "\n", special=True), token(98, "")]
TEMPLATE = {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [3, 4], "tokens": ["c", "d"]},
                                           "</s>": {"id": "</s>", "ids": [5], "tokens": ["e"]}}}
LLAMA_NORM = seq("normalizers", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"))

MODELS = [
    small(LETTERS, MERGES), small(LETTERS, MERGES, _unk_token="<unk>"), small(LETTERS, MERGES, _unk_token="<unk>", _fuse_unk=True),
    small(LETTERS, MERGES, _ignore_merges=True), small(LETTERS + ["Hello world"], MERGES, _ignore_merges=True),
    small(LETTERS + BYTES, MERGES, _byte_fallback=True), small(LETTERS + BYTES, MERGES, _byte_fallback=True, _unk_token="<unk>"),
    small(LETTERS + BYTES[:200], MERGES, _byte_fallback=True, _unk_token="<unk>", _fuse_unk=True),
    small(LETTERS + BYTES[:200], MERGES, _byte_fallback=True, _unk_token="<unk>", normalizer=LLAMA_NORM),
    small(LETTERS, [m.split() for m in MERGES], _unk_token="<unk>", normalizer=LLAMA_NORM, decoder=LLAMA),
    small(PREFIXED, ["h ##e", "##l ##o", "he ##l", "hel ##lo"], _continuing_subword_prefix="##", _unk_token="<unk>",
          pre_tokenizer={"type": "WhitespaceSplit"}),
    small(SUFFIXED, ["h e", "l o</w>", "he l", "hel lo</w>"], _end_of_word_suffix="</w>", _unk_token="<unk>",
          pre_tokenizer={"type": "WhitespaceSplit"}),
    small(LETTERS, MERGES, SPECIAL, _unk_token="<unk>"), small(LETTERS, MERGES, SPECIAL, _unk_token="<unk>", normalizer=LLAMA_NORM),
    small(LETTERS, MERGES, SPECIAL, _unk_token="<unk>", pre_tokenizer=metaspace("first"), decoder=metaspace("first")),
    small(LETTERS, MERGES, SPECIAL, _unk_token="<unk>", pre_tokenizer=metaspace("always"), normalizer={"type": "Lowercase"}),
    small(LETTERS, MERGES, post_processor=TEMPLATE), small(LETTERS, MERGES, post_processor=seq("processors", byte_level(), TEMPLATE)),
    small(LETTERS, MERGES, post_processor={"type": "RobertaProcessing", "sep": ["a", 1], "cls": ["b", 2], "trim_offsets": True,
                                           "add_prefix_space": True}),
    small(LETTERS, MERGES, post_processor={"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]}),
]


def other_models():
    """The models that are no BPE."""
    words = ["[UNK]", "hello", "##l", "hel", "##lo", "world", "wor", "##ld", "w", "##o", "a", "##a", "-", "'", "isn", "t", "it", "日", "本",
             "Hello", "café", "straße", "123", "##ß"]
    piece = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 20,
             "vocab": {w: i for i, w in enumerate(words)}}
    level = {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {w: i for i, w in enumerate(words)}}
    uni = [["<unk>", 0.0]] + [[p, s] for p, s in zip(
        ["▁", "▁H", "ello", "▁wor", "ld", "l", "o", "e", "H", "w", "r", "d", "a", "aa", "aaa", "-", "--", "▁a", "▁it", "it", "'", "s", "▁w",
         "hello", "ll", "<0x41>", "本語", "本", "<s>"],
        [-2.0, -3.5, -4.25, -4.5, -4.0, -3.0, -3.0, -3.25, -5.0, -4.0, -3.5, -3.5, -3.0, -5.5, -9.0, -4.0, -8.0, -5.0, -4.0, -4.0, -3.0,
         -3.0, -4.5, -6.0, -5.5, -4.0, -5.0, -6.0, -1.0])]
    base = small([], [])
    for model, pre in ((piece, {"type": "BertPreTokenizer"}), (piece, None), (dict(piece, continuing_subword_prefix=""), {"type": "Whitespace"}),
                       (level, {"type": "Whitespace"}), (level, None)):
        yield dict(base, model=model, pre_tokenizer=pre, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True})
    for pre in (metaspace("always"), None, metaspace("first", False)):
        for extra in ([], [[b, -100.0] for b in BYTES]):
            for unk in (0, 1):
                yield dict(base, model={"type": "Unigram", "unk_id": unk, "vocab": uni + extra, "byte_fallback": bool(extra)},
                           pre_tokenizer=pre, decoder=metaspace("always"))
    yield dict(base, model={"type": "Unigram", "unk_id": 0, "vocab": uni, "byte_fallback": False},
               normalizer=seq("normalizers", {"type": "Nmt"}, {"type": "NFKC"}, replace(" {2,}", " ", "Regex")), pre_tokenizer=metaspace("always"))


def parts(out):
    made = {"made_with": "tokenizers " + tokenizers.__version__, "strings": STRINGS, "lists": LISTS,
            "pre_tokenizers": [], "normalizers": [], "decoders": [], "models": []}
    for p in PRE:
        t = Tokenizer.from_str(json.dumps(small(["a"], [], pre_tokenizer=p)))
        made["pre_tokenizers"].append({"json": p, "out": [[w for w, _ in t.pre_tokenizer.pre_tokenize_str(s)] for s in STRINGS]})
    for p in NORM:
        t = Tokenizer.from_str(json.dumps(small(["a"], [], normalizer=p)))
        made["normalizers"].append({"json": p, "out": [t.normalizer.normalize_str(s) for s in STRINGS]})
    for p in DEC:
        t = Tokenizer.from_str(json.dumps(small(["a"], [], decoder=p)))
        made["decoders"].append({"json": p, "out": [t.decoder.decode(v) if v else "" for v in LISTS]})
    for m in MODELS + list(other_models()):
        text = json.dumps(m, ensure_ascii=False, separators=(",", ":"))
        t = Tokenizer.from_str(text)
        rows = []
        for s in STRINGS:
            plain, special = t.encode(s, add_special_tokens=False).ids, t.encode(s).ids
            rows.append([plain, special, t.decode(special, skip_special_tokens=False), t.decode(special)])
        made["models"].append({"text": text, "out": rows})
    with open(out, "w", encoding="utf-8") as f:
        json.dump(made, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")


# Characters that any version of the Unicode tables knows: how new ones normalise depends on the library's age.
OLD = [chr(c) for c in range(0x110000) if unicodedata.ucd_3_2_0.category(chr(c)) not in ("Cn", "Cs")]


def random_text(r):
    pools = ["abcdefghij  ", "Hello world the and of in to a ", "0123456789 .,", "\n\r\t  \u00a0\u3000\u2028\u0085", "éàüßñçøåÀÉ",
             "абвгд ежз", "日本語中文字漢", "한국어 가나다", "हिन्दी क्षि", "🙂👨\u200d👩🇩🇪❤️", "'s't're'LL\u017f'", "!?-_#$%^&*()[]{}<>/\\|~`",
             "\u0301\u0323\u0307\u0300", "▁ Ġ Â", "½²Ⅷ٣", "ﬁ Å ｶﾞ ℌ", "\x00\x01\x7f\ufeff\u200b"]
    out = []
    for _ in range(r.randint(0, 12)):
        pool = r.choice(pools)
        out.append("".join(r.choice(pool) for _ in range(r.randint(1, 12))))
        if r.random() < 0.1:
            out.append(r.choice(["<s>", "</s>", "<unk>", "<|endoftext|>", "<|im_start|>", "<0x41>", "   ", "aaaaaaaaaaaaaaaaaaaa" * r.randint(1, 9)]))
        if r.random() < 0.02:
            out.append(r.choice(OLD))
    return "".join(out)


def reference(path):
    if path.endswith(".json"):
        t = Tokenizer.from_file(path)
        return lambda s: t.encode(s, add_special_tokens=False).ids
    import sentencepiece
    t = sentencepiece.SentencePieceProcessor(model_file=path)
    return lambda s: t.encode(s)  # later than 0.1.97 it avoids InternLM2's piece that is a NUL


def compare(tool, path, rounds=100):
    want, r = reference(path), random.Random(1)

    def ours(texts):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
            f.writelines(json.dumps({"text": s}) + "\n" for s in texts)
            f.flush()
            p = subprocess.run([tool, "-q", "-m", path, "--add-special", "no", "--print-ids", f.name], capture_output=True, check=True)
        return [int(x) for x in p.stdout.split()]

    for i in range(rounds):
        texts = [random_text(r).replace("\0" if path.endswith(".model") else "", "") for _ in range(300)]
        if ours(texts) == [x for s in texts for x in want(s)]:
            continue
        for s in texts:
            if ours([s]) != want(s):
                print("differ:", ascii(s), "\n ours", ours([s]), "\n want", want(s))
                return 1
    print("same:", rounds * 300, "texts")
    return 0


# --- mixed text ---

SCRIPTS = ["Съешь ещё этих мягких французских булок, да выпей чаю. ", "色は匂へど散りぬるを我が世誰ぞ常ならむ。", "天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。", "키스의 고유조건은 입술끼리 만나야 하고 ",
           "نص حكيم له سر قاطع وذو شأن عظيم ", "दीवारबंद जयपुर ऐसी दुनिया है ", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า ", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ", "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ",
           "Dès Noël, où un zéphyr haï me vêt… ", "דג סקרן שט בים מאוכזב ", "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ", "e\u0301\u0323 a\u0308o\u0328\u0301 Z\u0351\u036b\u0343a\u0336\u0321l\u0353g\u0489o ", "ﬁ ﬀ ½ ² Ⅷ ㎏ ｱﾞ ％ Å ſ K ", "\u00a0\u2003\u3000\u200b\u2028\u0085\ufeff "]
BROKEN = [b"\xff", b"\xc3", b"\xe4\xb8", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\x80", b"\xf8\x88\x80\x80\x80", b"\x80\xbf", b"ok\xe2\x28\xa1"]


def long_word(r):
    n = r.choice([100, 1000, 5000, 20000])
    return r.choice([lambda: "a" * n, lambda: base64.b64encode(r.randbytes(n)).decode(), lambda: "-" * n, lambda: "".join(chr(r.randint(0x4e00, 0x9fff)) for _ in range(n // 3)),
                     lambda: " " * (n // 10), lambda: "\n" * (n // 10), lambda: "0123456789" * (n // 10), lambda: "ab" * (n // 2), lambda: "\u0301" * (n // 10), lambda: "🙂" * (n // 4),
                     lambda: "".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(n))])()


def mixed_pieces(shared, special):
    """Pieces of text, bytes, that together are more than a megabyte."""
    r, out, size = random.Random(2), [], 0
    english = open(shared + "/data/wikitext-2/valid.txt", encoding="utf-8").read().splitlines(True)
    web = open(shared + "/data/calib/c4.utf8", encoding="utf-8").read().splitlines(True)
    here = os.path.dirname(os.path.abspath(__file__)) + "/../../"
    code = "".join(open(f, encoding="utf-8").read() for f in sorted(glob.glob(here + "lib/base/*.c") + glob.glob(here + "tests/*.py") + [here + "Makefile"])).splitlines(True)
    while size < 1300000:
        k = r.random()
        if k < 0.25:
            t = "".join(r.choice(english) for _ in range(r.randint(1, 3)))
        elif k < 0.35:
            t = r.choice(web)[:3000]
        elif k < 0.55:
            i = r.randrange(len(code))
            t = "".join(code[i:i + r.randint(1, 20)])
        elif k < 0.75:
            t = "".join(r.choice(SCRIPTS) for _ in range(r.randint(1, 8)))
        elif k < 0.9:
            t = random_text(r)
        elif k < 0.97:
            t = r.choice(["", " ", "x", "\n"]) + r.choice(special) * r.randint(1, 2) + r.choice(["", " ", "y", "\n\n"]) + r.choice(special)[:r.randint(0, 20)]
        elif k < 0.99:
            t = long_word(r)
        else:
            t = r.choice(OLD)
        b = t.encode()
        if r.random() < 0.1:
            at = r.randint(0, len(b))
            b = b[:at] + r.choice(BROKEN) + b[at:]
        out.append(b)
        size += len(b)
    return out


def valid(b):
    return b.decode("utf-8", "replace")


class Json:
    """The tokenizers library."""
    def __init__(self, text):
        self.t = Tokenizer.from_str(text)
        self.special = [a.content for a in self.t.get_added_tokens_decoder().values() if a.content] or ["<s>"]

    def encode(self, b):
        return self.t.encode(valid(b), add_special_tokens=False).ids

    def pieces(self, texts):
        return [i for e in self.t.encode_batch(texts) for i in e.ids]  # with special tokens

    def decode(self, ids):
        return self.t.decode(ids, skip_special_tokens=False).encode()

    auto = True


class Piece:
    """The sentencepiece library."""
    def __init__(self, path):
        import sentencepiece
        self.t = sentencepiece.SentencePieceProcessor(model_file=path)
        self.special = ["<s>", "</s>", "<unk>", "<0x41>", "[INST]", "\u2581"]

    def encode(self, b):
        return self.t.encode(b)

    def pieces(self, texts):
        return [i for t in texts for i in self.t.encode(t)]

    def decode(self, ids):
        return self.t.decode(ids).encode()

    auto = False


class Ranks:
    """The tiktoken library."""
    def __init__(self, path, regex, special, nfc):
        import tiktoken
        from tiktoken.load import load_tiktoken_bpe
        ranks = load_tiktoken_bpe(path)
        self.t = tiktoken.Encoding("x", pat_str=regex, mergeable_ranks=ranks, special_tokens={s: len(ranks) + i for i, s in enumerate(special)})
        self.special, self.nfc = special, nfc

    def encode(self, b):
        t = valid(b)
        return self.t.encode(unicodedata.normalize("NFC", t) if self.nfc else t, allowed_special="all")

    def pieces(self, texts):
        return [i for t in texts for i in self.encode(t.encode())]

    def decode(self, ids):
        return valid(self.t.decode_bytes(ids)).encode()

    auto = False


def gguf_arrays(path):
    """The vocabulary arrays of a GGUF file."""
    width = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    b = open(path, "rb").read()
    at, out = 24, {}

    def num(fmt):
        nonlocal at
        v = struct.unpack_from("<" + fmt, b, at)[0]
        at += struct.calcsize(fmt)
        return v

    def value(t):
        nonlocal at
        if t == 8:
            n = num("Q")
            at += n
            return b[at - n:at].decode()
        if t == 9:
            t, n = num("I"), num("Q")
            return [value(t) for _ in range(n)]
        at += width[t]
        return b[at - width[t]:at]

    for _ in range(struct.unpack_from("<Q", b, 16)[0]):
        key = value(8)
        out[key] = value(num("I"))
    return out


def assemble(pipeline, vocab, merges=None):
    """A tokenizer.json from a pipeline of pipelines.json and a vocabulary."""
    model = dict(pipeline["model_options"], vocab=vocab)
    if merges is not None:
        model["merges"] = merges
    added = [token(a[0], a[1], special="s" in a[2], normalized="n" in a[2], lstrip="l" in a[2], rstrip="r" in a[2]) for a in pipeline["added_tokens"]]
    return json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": pipeline["normalizer"],
                       "pre_tokenizer": pipeline["pre_tokenizer"], "post_processor": pipeline["post_processor"], "decoder": pipeline["decoder"], "model": model})


def merges_of(path):
    return [m for m in open(path, encoding="utf-8").read().split("\n") if m and not m.startswith("#version")]


OPT = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>", "additional_special_tokens": ["<s>", "<unk>"]}
ROBERTA = {"tokenizer_class": "RobertaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": {"content": "<mask>", "lstrip": True}}


def targets(shared, tmp):
    """(name, what llmc-tokenize is given, a function that makes the reference)."""
    d = shared + "/data/tokenizers/"
    pipes = json.load(open(shared + "/reference/golden/tokenizers/pipelines.json"))["tokenizers"]
    for f in sorted(glob.glob(d + "*/tokenizer.json") + glob.glob(shared + "/models/*/tokenizer.json")):
        yield f, f, lambda f=f: Json(open(f, encoding="utf-8").read())
    for f in sorted(glob.glob(d + "*/*.model") + glob.glob(shared + "/models/*/*.model")):
        if "llama3" not in f:
            yield f, f, lambda f=f: Piece(f)
    llama3 = [t[1] for t in sorted(pipes["llama3"]["added_tokens"])]
    regex = {n: pipes[n]["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] for n in ("llama3", "qwen2")}
    yield d + "llama3 (ranks)", d + "llama3/tokenizer.model", lambda: Ranks(d + "llama3/tokenizer.model", regex["llama3"], llama3, False)
    yield d + "qwen2 (ranks)", d + "qwen2/qwen.tiktoken", lambda: Ranks(d + "qwen2/qwen.tiktoken", regex["qwen2"], ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], True)
    for name, src, conf in (("gpt2", "gpt2", None), ("opt", "opt", OPT), ("roberta", "opt", ROBERTA)):
        os.mkdir(tmp + "/" + name)
        for f in ("vocab.json", "merges.txt"):
            shutil.copy(d + src + "/" + f, tmp + "/" + name)
        if conf:
            json.dump(conf, open(tmp + "/" + name + "/tokenizer_config.json", "w"))
        yield name + " (vocab.json, merges.txt)", tmp + "/" + name, lambda name=name, src=src: Json(assemble(
            pipes[name], json.load(open(d + src + "/vocab.json", encoding="utf-8")), merges_of(d + src + "/merges.txt")))
    words = open(d + "bert/vocab.txt", encoding="utf-8").read().rstrip("\n").split("\n")
    yield "bert (vocab.txt)", d + "bert/vocab.txt", lambda: Json(assemble(pipes["bert"], {w: i for i, w in enumerate(words)}))
    for name in ("starcoder", "deepseek-llm", "deepseek-coder"):
        g = gguf_arrays(glob.glob(d + name + "/*.gguf")[0])
        added = {a[1] for a in pipes[name]["added_tokens"]}
        vocab = {t: i for i, t in enumerate(g["tokenizer.ggml.tokens"]) if t not in added or i < 10}
        text = assemble(pipes[name], vocab, g["tokenizer.ggml.merges"])
        open(tmp + "/" + name + ".json", "w", encoding="utf-8").write(text)
        yield name + " (from GGUF)", tmp + "/" + name + ".json", lambda text=text: Json(text)


def mixed(tool, shared, part):
    """Nonzero when a tokenizer differs."""
    tool, worst = os.path.abspath(tool), 0
    with tempfile.TemporaryDirectory() as tmp:
        def run(*args):
            return subprocess.run([tool, "-q"] + list(args), capture_output=True, check=True).stdout

        for name, path, make in targets(shared, tmp):
            if part not in name:
                continue
            ref = make()
            pieces = mixed_pieces(shared, ref.special)
            whole = b"".join(pieces)
            open(tmp + "/text", "wb").write(whole)
            with open(tmp + "/pieces.jsonl", "w") as f:
                f.writelines(json.dumps({"text": valid(b)}) + "\n" for b in pieces)
            want = ref.encode(whole)
            run("-m", path, "--add-special", "no", "--print-ids", tmp + "/text", "-o", tmp + "/ids")
            got = [int(x) for x in open(tmp + "/ids").read().split()]
            want_pieces = ref.pieces([valid(b) for b in pieces])
            got_pieces = [int(x) for x in run("-m", path, "--add-special", "auto" if ref.auto else "no", "--print-ids", tmp + "/pieces.jsonl").split()]
            back = run("-m", path, "-d", tmp + "/ids")
            same = [got == want, got_pieces == want_pieces, back == ref.decode(got)]
            print("%s: %d bytes, %d tokens: %s" % (name, len(whole), len(want), "the same" if all(same) else "DIFFERS %s" % same), flush=True)
            for a, b in ((got, want), (got_pieces, want_pieces)):
                if a != b:
                    i = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
                    print("  at token %d of %d and %d: got %s, want %s, after %r" % (i, len(a), len(b), a[i:i + 8], b[i:i + 8], ref.decode(b[max(0, i - 6):i + 8])))
            worst |= not all(same)
    return worst


if __name__ == "__main__":
    if sys.argv[1:2] == ["parts"]:
        parts(sys.argv[2])
    elif sys.argv[1:2] == ["compare"]:
        sys.exit(compare(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:5])))
    elif sys.argv[1:2] == ["mixed"]:
        sys.exit(mixed(sys.argv[2], sys.argv[3], (sys.argv[4:] or [""])[0]))
    else:
        sys.exit(__doc__)
