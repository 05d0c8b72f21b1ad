"""Chat templates: llmc-tokenize --chat against the transformers library.  Needs the Python packages transformers and jinja2;
nothing here is run by the tests.

    python tests/oracle/chat_templates.py compare bin/llmc-tokenize FILE...
        every template, a .jinja file or a tokenizer_config.json, on every conversation below: the same text, or both refuse
    python tests/oracle/chat_templates.py snippets bin/llmc-tokenize
        the same for the small templates of chat_snippets.py
    python tests/oracle/chat_templates.py random bin/llmc-tokenize [ROUNDS]
        and for templates put together at random
    python tests/oracle/chat_templates.py golden tests/golden/tok/chat.json
        those small templates with what the library made of them, for tests/unit/chat_test.c

Nothing but the template is compared: the tokenizer has one token for each byte.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
from datetime import datetime

from chat_snippets import GROUPS, VARS

sys.path.pop(0)
import transformers  # noqa: E402
from transformers.utils import chat_template_utils  # noqa: E402

DATE = "2024-07-26"


class Clock:
    @staticmethod
    def now():
        return datetime.fromisoformat(DATE)


chat_template_utils.datetime = Clock
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def said(role, content, **more):
    return dict({"role": role, "content": content}, **more)


HELLO = [said("user", "Hello, who are you?")]
TURNS = HELLO + [said("assistant", "I am a model.\n"), said("user", "  What is 2 + 2?  "), said("assistant", "4"), said("user", "And 3 + 3?")]
TOOL = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather <now> & \"later\" in a 'city'", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "where"},
                                         "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
                                         "days": {"type": ["integer", "null"], "minimum": 1}, "many": {"type": "array", "items": {"type": "number"}},
                                         "deep": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}},
        "required": ["city"]}, "return": {"type": "string"}}}
CALL = {"id": "abcdef123", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 3, "x": 1.5, "ok": True, "no": None}}}
CALLTEXT = {"id": "abcdef124", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Bern\"}"}}
PLAIN = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}

CONVERSATIONS = [
    {"messages": HELLO}, {"messages": [said("system", "Be brief.")] + HELLO}, {"messages": TURNS},
    {"messages": [said("system", " Be brief. \n")] + TURNS + [said("assistant", "6 it is ")]},
    {"messages": [said("assistant", "I begin.")] + HELLO}, {"messages": HELLO + HELLO}, {"messages": [said("system", "only")]},
    {"messages": [{"content": "no role"}]}, {"messages": [{"role": "user"}]}, {"messages": [said("user", None)]}, {"messages": [said("user", "")]},
    {"messages": [said("wizard", "unknown role")]}, {"messages": [said("developer", "dev")] + HELLO}, {"messages": [said("user", 17)]},
    {"messages": HELLO + [said("system", "in the middle"), said("user", "x")]},
    {"messages": [said("user", [{"type": "text", "text": "part one"}, {"type": "text", "text": " and two"}])]},
    {"messages": [said("system", [{"type": "text", "text": "sys"}]), said("user", [{"type": "image"}, {"type": "text", "text": "what is it?"}])]},
    {"messages": [said("user", "{{ messages }} {% if %} <s> </s> & \"quotes\" 'it''s' \\n é 日本 🙂 \u2028 \x7f")]},
    {"messages": HELLO + [said("assistant", "<think>\nLet me see\n</think>\n\nAnswer"), said("user", "again")]},
    {"messages": HELLO + [said("assistant", "Answer", reasoning_content="because", thinking="why", reasoning="so"), said("user", "again"),
                          said("assistant", "more", reasoning_content="b\n", thinking="t")]},
    {"messages": HELLO, "tools": [TOOL]}, {"messages": [said("system", "Use tools.")] + HELLO, "tools": [TOOL, TOOL]},
    {"messages": HELLO + [said("assistant", "", tool_calls=[CALL]), said("tool", "{\"t\": 20}", name="get_weather", tool_call_id="abcdef123")], "tools": [TOOL]},
    {"messages": HELLO + [said("assistant", None, tool_calls=[CALL]), said("tool", {"t": 20.5, "u": [1, "a", None, True]}, name="get_weather", tool_call_id="abcdef123"),
                          said("assistant", "It is 20.")], "tools": [TOOL]},
    {"messages": HELLO + [{"role": "assistant", "tool_calls": [CALL, CALLTEXT]}, said("tool", "20"), said("tool", "21"), said("assistant", "ok"), said("user", "thanks")],
     "tools": [TOOL]},
    {"messages": HELLO + [{"role": "assistant", "tool_calls": [CALLTEXT]}, said("tool", "20", name="get_weather", tool_call_id="abcdef124")]},
    {"messages": HELLO + [{"role": "assistant", "content": "x", "function_call": {"name": "f", "arguments": "{}"}}, said("function", "1", name="f")]},
    {"messages": HELLO, "tools": [PLAIN]}, {"messages": HELLO, "tools": []},
    {"messages": HELLO, "documents": [{"title": "A", "text": "alpha", "n": 1}, {"title": "B", "text": "beta"}]},
    {"messages": TURNS, "chat_template_kwargs": {"enable_thinking": False, "add_generation_prompt": True, "thinking": True, "date_string": "1 Jan 2000"}},
    {"messages": HELLO, "chat_template_kwargs": {"enable_thinking": True, "add_generation_prompt": True, "reasoning_effort": "high", "builtin_tools": ["browser", "python"],
                                                 "model_identity": "You are X.", "custom_instructions": "custom", "tools_in_user_message": False}},
]


def reference(template, row):
    """The text, or None when the library refuses."""
    more = dict(TOKENS, **row.get("chat_template_kwargs", {}))
    kw = {"add_generation_prompt": False, **more}
    try:
        return chat_template_utils.render_jinja_template(conversations=[row["messages"]], tools=row.get("tools"), documents=row.get("documents"),
                                                         chat_template=template, **kw)[0][0], ""
    except Exception as e:  # whatever a template can make Python do
        return None, "%s: %s" % (type(e).__name__, e)


def byte_names():
    """What stands for each byte in a byte-level vocabulary."""
    keep = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    rest = [b for b in range(256) if b not in keep]
    return {b: chr(b if b in keep else 256 + rest.index(b)) for b in range(256)}


def write_model(d, template):
    t = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
         "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {n: b for b, n in byte_names().items()}, "merges": []}}
    with open(os.path.join(d, "tokenizer.json"), "w") as f:
        json.dump(t, f)
    with open(os.path.join(d, "tokenizer_config.json"), "w") as f:
        json.dump(TOKENS, f)
    with open(os.path.join(d, "chat_template.jinja"), "w", newline="") as f:
        f.write(template)


def ours(tool, d, row):
    p = subprocess.run([tool, "-q", "-m", d, "--chat", "--chat-date", DATE, "--print-ids"], input=json.dumps(row).encode(), capture_output=True)
    if p.returncode == 0:
        return bytes(int(x) for x in p.stdout.split()).decode(), ""
    return None, "%d %s" % (p.returncode, p.stderr.decode().strip())


def templates(path):
    with open(path, encoding="utf-8", newline="") as f:
        text = f.read()
    if not path.endswith(".json"):
        return {path: text}
    t = json.loads(text)["chat_template"]
    return {path: t} if isinstance(t, str) else {path + ":" + e["name"]: e["template"] for e in t}


def compare(tool, named, rows):
    same = refused = unsupported = bad = 0
    for name, template in named:
        with tempfile.TemporaryDirectory() as d:
            write_model(d, template)
            for i, row in enumerate(rows):
                (want, why), (got, error) = reference(template, row), ours(tool, d, row)
                if want is not None and want == got:
                    same += 1
                elif want is None and error.startswith("3 "):
                    refused += 1
                elif error.startswith("4 "):
                    unsupported += 1
                    print("unsupported: %s, conversation %d: %s; the library: %s" % (name, i, error, why or "renders it"))
                else:
                    bad += 1
                    print("DIFFERS: %s, conversation %d\n  want %r %s\n  got  %r %s" % (name, i, want, why, got, error))
    print("%d the same, %d refused by both, %d not supported, %d differ" % (same, refused, unsupported, bad))
    return bad > 0


SNIPPETS = {"messages": VARS["messages"], "chat_template_kwargs": {k: v for k, v in VARS.items() if k != "messages"}}


def golden(path):
    rows = []
    for group in GROUPS:
        for t in group:
            rows.append([t, reference(t, SNIPPETS)[0]])
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"made_with": "transformers " + transformers.__version__, "date": DATE, "conversation": SNIPPETS, "templates": rows}, f, separators=(",", ":"))
        f.write("\n")


PIECES = ["{% if t %}", "{% if nope %}", "{%- if n == 7 -%}", "{% else %}", "{% elif t %}", "{% endif %}", "{%- endif -%}", "{% endif +%}", "{%+ endif %}", "{% for i in l %}", "{% for k in d -%}", "{% endfor %}", "{%- endfor %}",
          "{{ i }}", "{{- n -}}", "{{ loop.index if loop is defined }}", "{{ s }}", "{{ x }}", "{% set x = n + 1 %}", "{% set x = x ~ 'a' %}", "{% set x %}", "{% endset %}", "{# c #}", "{#- c -#}", "{% raw %}", "{% endraw %}", "{% break %}", "{% continue %}",
          "{% macro m(a, b=1) %}", "{% endmacro %}", "{{ m(1) }}", "{{ m(i, 2) }}", "{% call m(3) %}", "{% endcall %}", "{{ caller() if caller is defined }}", "{% with x = 5 %}", "{% endwith %}", "{% filter upper %}", "{% endfilter %}", "{% generation %}", "{% endgeneration %}",
          "a", " ", "  ", "\n", "\n  ", "\t", "\n\n", "\r\n", "b\n", "{", "}", "%}", "}}", "{{ loop.last if loop is defined }}", "{% set ns = namespace(q=x) %}", "{% set ns.q = i %}", "{{ ns.q }}"]


def random_template(r):
    """Mostly well nested: blocks are closed at the end."""
    out, stack = ["{% set i = 0 %}{% set x = 'x' %}{% set ns = namespace(q=1) %}{% macro m(a, b=2) %}{{ a }}{{ b }}{{ caller() if caller }}{% endmacro %}"], []
    for _ in range(r.randint(1, 25)):
        p = r.choice(PIECES)
        word = p.strip("{%+- ").split(" ")[0]
        if p.startswith("{%") and word in ("if", "for", "macro", "call", "with", "filter", "generation") or p == "{% set x %}":
            stack.append(word)
        elif p.startswith("{%") and word.startswith("end") or word in ("else", "elif"):
            if word != "endraw" and (not stack or stack[-1] not in ("if", "for") and word in ("else", "elif")) and r.random() < 0.9:
                continue
            if stack and word.startswith("end"):
                p = p.replace(word, "end" + stack.pop())
        out.append(p)
    for b in reversed(stack):
        out.append("{% end" + b + " %}")
    return "".join(out)


if __name__ == "__main__":
    what = sys.argv[1:2]
    if what == ["compare"]:
        sys.exit(compare(sys.argv[2], [t for p in sys.argv[3:] for t in templates(p).items()], CONVERSATIONS))
    elif what == ["snippets"]:
        sys.exit(compare(sys.argv[2], [(t, t) for g in GROUPS for t in g], [SNIPPETS]))
    elif what == ["random"]:
        rng = random.Random(1)
        made = [random_template(rng) for _ in range(int((sys.argv[3:] or ["1000"])[0]))]
        sys.exit(compare(sys.argv[2], [(ascii(t), t) for t in made], [SNIPPETS]))
    elif what == ["golden"]:
        golden(sys.argv[2])
    else:
        sys.exit(__doc__)
