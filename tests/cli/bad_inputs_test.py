"""What the program says to bad input: one line, naming the place; 2 for usage and configuration, 1 for data; what lay at
the output's name before is still there.

Each row of a table is one bad input; the parts named have to stand in the line. `bad_inputs_test.py --list` prints the count by kind.
"""
import json
import shutil
import struct
import subprocess
import sys

import harness

MODEL = harness.GOLDEN / "llama_mha" / "model"
KEPT = b"what lay here before\n"
ROWS = [{"id": "a", "tokens": [1, 2, 3, 4], "prompt_len": 2}, {"id": "b", "tokens": [5, 6, 7], "prompt_len": 1}]
SEQ = ["--sequences", "{sequences}"]
SCORE = ["score", "{model}", *SEQ, "--out", "{out}"]
ATTRIBUTE = ["attribute", "{model}", *SEQ, "--out", "{outdir}"]
GENERATE = ["generate", "{chat_model}", "--data", "{questions}", "--dataset", "generic", "--out", "{out}"]

# Command lines: exit code 2.
USAGE = [
    ("no command", [], ["command"]),
    ("unknown command", ["atribute"], ["atribute"]),
    ("unknown flag", [*SCORE, "--frobnicate"], ["--frobnicate"]),
    ("no model", ["score", *SEQ, "--out", "{out}"], ["model"]),
    ("no sequences", ["score", "{model}", "--out", "{out}"], ["sequences"]),
    ("no output", ["score", "{model}", *SEQ], ["out"]),
    ("a flag without its value", ["score", "{model}", *SEQ, "--out"], ["--out"]),
    ("a flag given twice", [*SCORE, "--dtype", "float32", "--dtype", "float64"], ["dtype"]),
    ("unknown dtype", [*SCORE, "--dtype", "float16"], ["dtype", "float16", "bfloat16"]),
    ("unknown device", [*SCORE, "--device", "gpu"], ["device", "gpu"]),
    ("negative threads", [*SCORE, "--threads", "-1"], ["threads", "-1"]),
    ("threads that is no number", [*SCORE, "--threads", "two"], ["threads", "two"]),
    ("neither alpha nor t-cut", ATTRIBUTE, ["alpha", "t-cut"]),
    ("both alpha and t-cut", [*ATTRIBUTE, "--t-cut", "2", "--alpha", "0.1"], ["alpha", "t-cut"]),
    ("t-cut 0", [*ATTRIBUTE, "--t-cut", "0"], ["t-cut", "0"]),
    ("t-cut that is no number", [*ATTRIBUTE, "--t-cut", "few"], ["t-cut", "few"]),
    ("t-cut with a fraction", [*ATTRIBUTE, "--t-cut", "1.5"], ["t-cut", "1.5"]),
    ("t-cut beyond 64 bits", [*ATTRIBUTE, "--t-cut", "99999999999999999999"], ["t-cut"]),
    ("alpha 0", ["attribute", "{model}", "--pairs", "{pairs}", "--side", "before", "--alpha", "0", "--out", "{outdir}"], ["alpha"]),
    ("alpha that is no number", ["attribute", "{model}", "--pairs", "{pairs}", "--side", "before", "--alpha", "0.1,x", "--out", "{outdir}"], ["alpha", "x"]),
    ("alpha nan", ["attribute", "{model}", "--pairs", "{pairs}", "--side", "before", "--alpha", "nan", "--out", "{outdir}"], ["alpha"]),
    ("top edges of another method", [*ATTRIBUTE, "--t-cut", "2", "--top-edges", "4"], ["top-edges", "exact"]),
    ("top edges in a shard", [*ATTRIBUTE, "--t-cut", "2", "--method", "exact", "--top-edges", "4", "--shard", "1/2"], ["top-edges", "shard"]),
    ("top edges and a sample of edges", [*ATTRIBUTE, "--t-cut", "2", "--method", "exact", "--top-edges", "4", "--edge-sample", "4"], ["top-edges", "edge-sample"]),
    ("shard beyond the last", [*ATTRIBUTE, "--t-cut", "2", "--shard", "3/2"], ["shard", "3/2"]),
    ("memory below nothing", [*ATTRIBUTE, "--t-cut", "2", "--memory", "-1"], ["memory", "-1"]),
    ("neither pairs nor sequences", ["attribute", "{model}", "--t-cut", "2", "--out", "{outdir}"], ["pairs", "sequences"]),
    ("both pairs and sequences", [*ATTRIBUTE, "--pairs", "{pairs}", "--side", "after", "--t-cut", "2"], ["pairs", "sequences"]),
    ("pairs without a side", ["attribute", "{model}", "--pairs", "{pairs}", "--t-cut", "2", "--out", "{outdir}"], ["side"]),
    ("unknown side", ["attribute", "{model}", "--pairs", "{pairs}", "--side", "left", "--t-cut", "2", "--out", "{outdir}"], ["side", "left"]),
    ("unknown method", [*ATTRIBUTE, "--t-cut", "2", "--method", "eapig"], ["method", "eapig", "eap-ig"]),
    ("unknown graph", [*ATTRIBUTE, "--t-cut", "2", "--graph", "heads"], ["graph", "heads"]),
    ("unknown gradient", [*ATTRIBUTE, "--t-cut", "2", "--gradient", "total"], ["gradient", "total"]),
    ("unknown objective", [*ATTRIBUTE, "--t-cut", "2", "--objective", "loss"], ["objective", "loss"]),
    ("unknown edge set", [*ATTRIBUTE, "--t-cut", "2", "--edges", "some"], ["edges", "some"]),
    ("residual gradient on the qkv graph", [*ATTRIBUTE, "--t-cut", "2", "--gradient", "residual"], ["residual", "block"]),
    ("no interpolation steps", [*ATTRIBUTE, "--t-cut", "2", "--method", "eap-ig", "--ig-steps", "0"], ["ig-steps"]),
    ("chunk 0", [*ATTRIBUTE, "--t-cut", "2", "--chunk", "0"], ["chunk"]),
    ("negative temperature", [*GENERATE, "--temperature", "-1"], ["temperature"]),
    ("top-p above 1", [*GENERATE, "--temperature", "1", "--top-p", "1.5"], ["top-p"]),
    ("no new tokens", [*GENERATE, "--max-new-tokens", "0"], ["max-new-tokens"]),
    ("unknown prompt", [*GENERATE, "--prompt", "haiku"], ["prompt", "haiku"]),
    ("unknown filter", ["select", "--before", "{graded}", "--after", "{graded}", "--out", "{out}", "--filter", "none"], ["filter", "none"]),
    ("no pairs wanted", ["select", "--before", "{graded}", "--after", "{graded}", "--out", "{out}", "--n-pairs", "0"], ["n-pairs"]),
    ("unknown outcome", ["select", "--before", "{graded}", "--after", "{graded}", "--out", "{out}", "--outcome", "all"], ["outcome", "all"]),
    ("no bins", ["compare", "--before", "{scores}", "--after", "{scores}", "--out", "{outdir}", "--bins", "0"], ["bins"]),
    ("unknown cells", ["compare", "--before", "{scores}", "--after", "{scores}", "--out", "{outdir}", "--cells", "rows"], ["cells", "rows"]),
]

# sequences.jsonl, as text: exit code 1, the file and the line named.
SEQUENCES = [
    ("empty file", b"", ["sequences.jsonl"]),
    ("not JSON", b"tokens\n", ["sequences.jsonl:1"]),
    ("a torn line", b'{"id": "a", "tokens": [1, 2', ["sequences.jsonl:1"]),
    ("not an object", b"[1, 2]\n", ["sequences.jsonl:1", "object"]),
    ("a blank line between", b'{"id": "a", "tokens": [1, 2], "prompt_len": 1}\n\n{"id": "b", "tokens": [1, 2], "prompt_len": 1}\n', ["sequences.jsonl:2"]),
    ("no id", b'{"tokens": [1, 2], "prompt_len": 1}\n', ["sequences.jsonl:1", "id"]),
    ("no tokens", b'{"id": "a", "prompt_len": 1}\n', ["sequences.jsonl:1", "tokens"]),
    ("no prompt_len", b'{"id": "a", "tokens": [1, 2]}\n', ["sequences.jsonl:1", "prompt_len"]),
    ("id that is a list", b'{"id": [], "tokens": [1, 2], "prompt_len": 1}\n', ["sequences.jsonl:1", "id"]),
    ("tokens that are text", b'{"id": "a", "tokens": "1 2", "prompt_len": 1}\n', ["sequences.jsonl:1", "tokens"]),
    ("a token with a fraction", b'{"id": "a", "tokens": [1, 2.5], "prompt_len": 1}\n', ["sequences.jsonl:1", "tokens"]),
    ("a negative token", b'{"id": "a", "tokens": [1, -2], "prompt_len": 1}\n', ["sequences.jsonl:1", "tokens", "-2"]),
    ("a token outside the vocabulary", b'{"id": "a", "tokens": [1, 320], "prompt_len": 1}\n', ["sequences.jsonl", "320", "vocabulary"]),
    ("a token beyond 64 bits", b'{"id": "a", "tokens": [1, 36893488147419103232], "prompt_len": 1}\n', ["sequences.jsonl:1", "tokens"]),
    ("no prompt", b'{"id": "a", "tokens": [1, 2], "prompt_len": 0}\n', ["sequences.jsonl:1", "prompt_len"]),
    ("no answer", b'{"id": "a", "tokens": [1, 2], "prompt_len": 2}\n', ["sequences.jsonl:1", "prompt_len"]),
    ("an id twice", b'{"id": "a", "tokens": [1, 2], "prompt_len": 1}\n{"id": "a", "tokens": [1, 3], "prompt_len": 1}\n', ["sequences.jsonl:2", '"a"']),
    ("a field twice", b'{"id": "a", "id": "b", "tokens": [1, 2], "prompt_len": 1}\n', ["sequences.jsonl:1", "id"]),
    ("text that is not UTF-8", b'{"id": "\xff", "tokens": [1, 2], "prompt_len": 1}\n', ["sequences.jsonl:1", "UTF-8"]),
    ("a NUL byte", b'{"id": "a", "tokens": [1, 2], "prompt_len": 1}\x00\n', ["sequences.jsonl:1"]),
    ("very deep nesting", b'{"id": ' + b"[" * 100000 + b"\n", ["sequences.jsonl:1"]),
]


# Checkpoints: (name, what is done to a copy, parts). Exit code 1.
def edit_config(**changes):
    def change(folder):
        path = folder / "config.json"
        config = json.loads(path.read_text())
        for key, value in changes.items():
            if value is None:
                config.pop(key, None)
            else:
                config[key] = value
        path.write_text(json.dumps(config))
    return change


def edit_bytes(name, edit):
    return lambda folder: (folder / name).write_bytes(edit((folder / name).read_bytes()))


def edit_header(edit):
    """Edits the header of model.safetensors as an object."""
    def change(data):
        (size,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8:8 + size])
        edit(header)
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + size:]
    return edit_bytes("model.safetensors", change)


NORM = "model.norm.weight"
Q = "model.layers.0.self_attn.q_proj.weight"
CHECKPOINTS = [
    ("no config.json", lambda f: (f / "config.json").unlink(), ["config.json"]),
    ("config.json is not JSON", edit_bytes("config.json", lambda d: d[:-10]), ["config.json"]),
    ("config.json is a list", edit_bytes("config.json", lambda d: b"[]"), ["config.json"]),
    ("no model_type", edit_config(model_type=None), ["config.json", "model_type"]),
    ("unknown model_type", edit_config(model_type="mamba"), ["mamba", "llama"]),
    ("quantised weights", edit_config(quantization_config={"quant_method": "awq"}), ["quanti"]),
    ("unknown rope type", edit_config(rope_scaling={"rope_type": "spiral", "factor": 2.0}), ["spiral"]),
    ("no layers", edit_config(num_hidden_layers=0), ["num_hidden_layers"]),
    ("layers that are text", edit_config(num_hidden_layers="three"), ["num_hidden_layers"]),
    ("a billion layers", edit_config(num_hidden_layers=10**9), ["num_hidden_layers"]),
    ("a negative width", edit_config(hidden_size=-64), ["hidden_size"]),
    ("heads that do not share keys evenly", edit_config(num_key_value_heads=3), ["num_key_value_heads"]),
    ("a wrong number of layers", edit_config(num_hidden_layers=2), ["model.layers.2"]),
    ("another width than the tensors'", edit_config(intermediate_size=100), ["gate_proj"]),
    ("unknown activation", edit_config(hidden_act="swoosh"), ["swoosh"]),
    ("no weights", lambda f: (f / "model.safetensors").unlink(), ["model.safetensors"]),
    ("weights cut short", edit_bytes("model.safetensors", lambda d: d[:len(d) // 2]), ["model.safetensors"]),
    ("weights of 3 bytes", edit_bytes("model.safetensors", lambda d: d[:3]), ["model.safetensors"]),
    ("empty weights", edit_bytes("model.safetensors", lambda d: b""), ["model.safetensors"]),
    ("a header of 2^63 bytes", edit_bytes("model.safetensors", lambda d: struct.pack("<Q", 2**63) + d[8:]), ["model.safetensors", "header"]),
    ("a header that is not JSON", edit_bytes("model.safetensors", lambda d: d[:8] + b"x" + d[9:]), ["model.safetensors", "header"]),
    ("a tensor missing", edit_header(lambda h: h.pop(NORM)), ["model.safetensors"]),
    ("a tensor too many", edit_header(lambda h: h.update({"model.extra.weight": h[NORM]})), ["model.safetensors"]),
    ("a tensor of the wrong shape", edit_header(lambda h: h[Q].update(shape=h[Q]["shape"][::-1] + [1])), [Q]),
    ("a shape that its bytes do not fill", edit_header(lambda h: h[NORM].update(shape=[3])), [NORM]),
    ("a shape whose product overflows", edit_header(lambda h: h[NORM].update(shape=[2**62, 2**62])), [NORM]),
    ("a negative shape", edit_header(lambda h: h[NORM].update(shape=[-64])), [NORM]),
    ("offsets beyond the file", edit_header(lambda h: h[NORM].update(data_offsets=[10**12, 10**12 + 256])), [NORM]),
    ("offsets the wrong way round", edit_header(lambda h: h[NORM].update(data_offsets=h[NORM]["data_offsets"][::-1])), [NORM]),
    ("an unknown element type", edit_header(lambda h: h[NORM].update(dtype="F8_E4M3")), ["F8_E4M3"]),
    ("integers for weights", edit_header(lambda h: h[NORM].update(dtype="I32")), ["I32"]),
]

# scores.safetensors given to compare: (name, edit of the tensors, parts).
SCORES = [
    ("no scores in it", lambda t: t.pop("scores"), ["scores"]),
    ("no loss in it", lambda t: t.pop("loss"), ["loss"]),
    ("a score that is not a number", lambda t: t["scores"][2].__setitem__(1, float("nan")), ["nan"]),
    ("fewer losses than samples", lambda t: t.update(loss=("F32", [1], [0.5])), ["loss"]),
    ("scores of the wrong rank", lambda t: t.update(scores=("F32", [6, 2], t["scores"][2])), ["scores"]),
    ("edges of another shape", lambda t: t.update(edges=("U8", [3, 1], [1, 1, 1])), ["edges"]),
    ("another graph than the other file's", lambda t: t.update(scores=("F32", [2, 2, 3], t["scores"][2]), edges=("U8", [2, 3], [1] * 6)), ["shape"]),
    ("another number of samples", lambda t: t.update(scores=("F32", [1, 3, 2], t["scores"][2][:6]), loss=("F32", [1], [0.5]), error=("F32", [1], [0.5]), t_cut=("I64", [1], [2])), ["sample"]),
]

EXPERIMENT = """name = "x"
[[pair]]
name = "p"
before = "{model}"
after = "{model}"
[[data]]
name = "d"
file = "{questions}"
dataset = "generic"
[attribute]
alpha = [0.1]
"""
# Experiments: (name, replacements, exit code, parts).
EXPERIMENTS = [
    ("not TOML", [('name = "x"', "name = ")], 2, ["experiment.toml"]),
    ("unknown key", [("alpha =", "alfa =")], 2, ["alfa", "alpha"]),
    ("unknown table", [("[attribute]", "[atribute]")], 2, ["atribute", "attribute"]),
    ("a value of the wrong kind", [("[0.1]", '"small"')], 2, ["alpha"]),
    ("no pair", [("[[pair]]", "[[data]]"), ('before = "{model}"\nafter = "{model}"\n', 'file = "{questions}"\n')], 2, ["pair"]),
    ("no after-model", [('after = "{model}"\n', "")], 2, ["after"]),
    ("unknown texts", [('name = "x"', 'name = "x"\ntexts = ["both"]')], 2, ["texts", "both"]),
    ("alpha out of range", [("[0.1]", "[-0.1]")], 2, ["alpha"]),
    ("unknown data set", [('"generic"', '"gsm9k"')], 2, ["gsm9k", "gsm8k"]),
    ("a pair with a data set that the file has not", [('after = "{model}"\n', 'after = "{model}"\ndata = ["e"]\n')], 2, ['[[pair]] "p"', 'no [[data]] is named "e"', "d expected"]),
    ("a pair without a data set", [('after = "{model}"\n', 'after = "{model}"\ndata = []\n')], 2, ["data", "at least one"]),
    ("a data set that no pair is asked", [("[attribute]", '[[data]]\nname = "e"\nfile = "{questions}"\n[attribute]'),
                                          ('after = "{model}"\n', 'after = "{model}"\ndata = ["d"]\n')], 2, ['"e"', "no pair"]),
    ("a model that is not there", [('before = "{model}"', 'before = "nowhere"')], 1, ["nowhere"]),
    ("questions that are not there", [('file = "{questions}"', 'file = "nowhere.jsonl"')], 1, ["nowhere.jsonl"]),
]


class BadInputs(harness.Case):
    def setUp(self):
        super().setUp()
        self.seen = []
        names = {"sequences": "sequences.jsonl", "out": "out", "outdir": "outdir", "pairs": "pairs.jsonl", "graded": "graded.jsonl",
                 "scores": "scores.safetensors", "questions": "questions.jsonl"}
        self.place = {key: str(self.dir / name) for key, name in names.items()}
        self.place["model"] = str(MODEL)
        self.place["chat_model"] = str(harness.MODELS / "arith-sft")
        harness.write_rows(self.place["sequences"], ROWS)
        harness.write_rows(self.place["questions"], [{"id": "q", "question": "What is 1 + 1?", "answer": "2"}])
        side = {"tokens": [1, 2, 3], "prompt_len": 1}
        harness.write_rows(self.place["pairs"], [
            {"header": {"t_mean": 2.0, "t_ref": 2.0, "filter": "both", "counts": {}}},
            {"id": "q", "before": side, "after": side, "t_before": 2, "t_after": 2}])
        harness.write_rows(self.place["graded"], [self.generation("q")])
        harness.write_safetensors(self.place["scores"], self.scores())
        (self.dir / "out").write_bytes(KEPT)

    @staticmethod
    def generation(identity, **changes):
        return {"id": identity, "sample": 0, "prompt": "1+1=", "prompt_tokens": [1, 2], "answer": "2", "answer_tokens": [3, 4, 5],
                "finish_reason": "stop", "gold": "2", "dataset": "generic", "seed": 0, "extracted": "2", "verdict": "equal",
                "correct": True, **changes}

    @staticmethod
    def scores():
        return {"scores": ("F32", [2, 3, 2], [0.1 * i for i in range(12)]), "loss": ("F32", [2], [0.5, 0.6]),
                "error": ("F32", [2], [0.3, 0.4]), "t_cut": ("I64", [2], [2, 2]), "edges": ("U8", [3, 2], [1, 1, 1, 0, 1, 1])}

    def bad(self, name, code, parts, arguments):
        with self.subTest(name):
            (self.dir / "out").write_bytes(KEPT)
            line = self.refused(code, [], *[str(a).format(**self.place) for a in arguments])
            for part in parts:  # flags may be written as the user wrote them or as the file's key
                self.assertIn(part.replace("-", "_").lower(), line.replace("-", "_").lower(), name)
            self.assertEqual((self.dir / "out").read_bytes(), KEPT, f"{name}: the earlier output is gone")
            self.assertLess(len(line), 1000, line)

    def test_command_lines(self):
        for name, arguments, parts in USAGE:
            self.bad(name, 2, parts, arguments)

    def test_rows_of_sequences(self):
        for name, text, parts in SEQUENCES:
            (self.dir / "sequences.jsonl").write_bytes(text)
            self.bad(name, 1, parts, SCORE)
        (self.dir / "sequences.jsonl").unlink()
        self.bad("no such file", 1, ["sequences.jsonl"], SCORE)
        (self.dir / "sequences.jsonl").mkdir()
        self.bad("a folder for a file", 1, ["sequences.jsonl"], SCORE)

    def test_checkpoints(self):
        for name, edit, parts in CHECKPOINTS:
            copy = self.dir / "checkpoint"
            shutil.copytree(MODEL, copy)
            edit(copy)
            self.place["model"] = str(copy)
            self.bad(name, 1, parts, SCORE)
            shutil.rmtree(copy)
        self.bad("no such folder", 1, ["checkpoint"], SCORE)

    def test_scores(self):
        for name, edit, parts in SCORES:
            tensors = {key: (d, list(s), list(v)) for key, (d, s, v) in self.scores().items()}
            edit(tensors)
            harness.write_safetensors(self.dir / "bad.safetensors", tensors)
            self.bad(name, 1, parts, ["compare", "--before", "{scores}", "--after", self.dir / "bad.safetensors", "--out", "{outdir}"])
        (self.dir / "bad.safetensors").write_bytes(b"not tensors")
        self.bad("not safetensors", 1, ["bad.safetensors"],
                 ["compare", "--before", self.dir / "bad.safetensors", "--after", "{scores}", "--out", "{outdir}"])
        self.bad("no such scores", 1, ["nowhere.safetensors"],
                 ["compare", "--before", self.dir / "nowhere.safetensors", "--after", "{scores}", "--out", "{outdir}"])

    def test_generations(self):
        select = ["select", "--before", "{graded}", "--after", self.dir / "after.jsonl", "--out", "{out}"]
        cases = [
            ("not graded", [self.generation("q", correct=None, verdict=None, extracted=None)], ["after.jsonl"]),
            ("another question", [self.generation("r")], ["r"]),
            ("an id twice", [self.generation("q"), self.generation("q")], ["after.jsonl:2"]),
            ("correct that is text", [self.generation("q", correct="yes")], ["after.jsonl:1", "correct"]),
            ("no answer tokens field", [{k: v for k, v in self.generation("q").items() if k != "answer_tokens"}], ["answer_tokens"]),
            ("empty file", [], ["after.jsonl"]),
        ]
        for name, rows, parts in cases:
            harness.write_rows(self.dir / "after.jsonl", rows)
            if name == "not graded":
                row = {k: v for k, v in rows[0].items() if k not in ("correct", "verdict", "extracted")}
                harness.write_rows(self.dir / "after.jsonl", [row])
            self.bad(name, 1, parts, select)
        harness.write_rows(self.dir / "after.jsonl", [self.generation("q", correct=False, verdict="different")])
        self.bad("no question of that outcome", 1, ["both-right"], select)
        (self.dir / "after.jsonl").write_text("{}\n", encoding="utf-8")
        self.bad("a row without fields", 1, ["after.jsonl:1"], ["grade", self.dir / "after.jsonl", "--out", "{out}"])
        self.bad("nothing to grade", 1, ["nowhere.jsonl"], ["grade", self.dir / "nowhere.jsonl", "--out", "{out}"])

    def test_questions(self):
        fresh = [*GENERATE[:-1], str(self.dir / "new.jsonl")]
        for name, text, parts in [
            ("no question", b'{"id": "a", "answer": "1"}\n', ["questions.jsonl:1", "question"]),
            ("a question that is a number", b'{"id": "a", "question": 7, "answer": "1"}\n', ["questions.jsonl:1", "question"]),
            ("an id twice", b'{"id": "a", "question": "x", "answer": "1"}\n' * 2, ["questions.jsonl:2"]),
            ("no rows", b"", ["questions.jsonl"]),
        ]:
            (self.dir / "questions.jsonl").write_bytes(text)
            self.bad(name, 1, parts, fresh)
            self.assertFalse((self.dir / "new.jsonl").exists(), name)
        harness.write_rows(self.place["questions"], [{"id": "q", "question": "1+1", "answer": "2"}])
        self.place["chat_model"] = str(MODEL)
        self.bad("a model without a tokenizer", 1, ["tokenizer.json"], fresh)

    def test_experiments(self):
        for name, replacements, code, parts in EXPERIMENTS:
            text = EXPERIMENT
            for old, new in replacements:
                self.assertIn(old, text, name)
                text = text.replace(old, new)
            (self.dir / "experiment.toml").write_text(
                text.replace("{model}", self.place["chat_model"]).replace("{questions}", self.place["questions"]), encoding="utf-8")
            self.bad(name, code, parts, ["run", self.dir / "experiment.toml", "--out", "{outdir}"])
        self.bad("no such experiment", 2, ["nowhere.toml"], ["run", self.dir / "nowhere.toml", "--out", "{outdir}"])

    def test_manifests_and_reports(self):
        manifest = self.dir / "manifest.json"
        self.bad("no manifest", 1, ["manifest.json"], ["verify", manifest])
        for name, text in [("not JSON", "{"), ("no outputs", '{"command": "run"}'), ("a list", "[]")]:
            manifest.write_text(text, encoding="utf-8")
            self.bad(f"a manifest: {name}", 1, ["manifest.json"], ["verify", manifest])
        self.bad("no folder to report on", 1, ["nowhere"], ["report", self.dir / "nowhere"])
        (self.dir / "empty").mkdir()
        self.bad("a folder without a run", 1, ["empty"], ["report", self.dir / "empty"])

    def test_tokenizers(self):
        copy = self.dir / "tokenizer"
        for name, edit, parts in [
            ("no tokenizer.json", lambda f: (f / "tokenizer.json").unlink(), ["tokenizer.json"]),
            ("tokenizer.json is not JSON", edit_bytes("tokenizer.json", lambda d: d[:-9]), ["tokenizer.json"]),
            ("no model in tokenizer.json", edit_bytes("tokenizer.json", lambda d: b"{}"), ["tokenizer.json", "model"]),
        ]:
            shutil.copytree(harness.MODELS / "arith-sft", copy)
            edit(copy)
            self.bad(name, 1, parts, ["tokenize", copy])
            shutil.rmtree(copy)

    def test_rows_on_stdin(self):
        model = harness.MODELS / "arith-sft"
        for command, text, parts in [
            ("tokenize", b"text\n", ["1"]),
            ("tokenize", b'{"texts": "x"}\n', ["text"]),
            ("tokenize", b'{"text": 3}\n', ["text"]),
            ("detokenize", b'{"ids": "1"}\n', ["ids"]),
            ("chat", b'{"messages": "hello"}\n', ["messages"]),
            ("chat", b'{"text": "hello"}\n', ["messages"]),
        ]:
            with self.subTest(command=command, row=text):
                self.refused(1, parts, command, model, stdin=text)
        late = self.refused(1, ["stdin:2"], "tokenize", model, stdin=b'{"text": "3"}\nbad\n')
        self.assertIn("JSON", late)
        self.assertEqual(harness.run("tokenize", model, stdin=b'{"text": "3"}\nbad\n').out, "", "nothing is written before all is read")

    def test_outputs_that_cannot_be_written(self):
        (self.dir / "file").write_bytes(b"")
        self.bad("an output below a file", 1, ["file"], ["score", "{model}", *SEQ, "--out", self.dir / "file" / "x.safetensors"])
        self.bad("an output that is a folder", 1, [self.dir.name], ["score", "{model}", *SEQ, "--out", self.dir])

    def test_a_full_disk_behind_stdout(self):
        for arguments, text in [(["inspect", MODEL], b""), (["tokenize", harness.MODELS / "arith-sft"], b'{"text": "3 apples"}\n' * 9)]:
            with self.subTest(arguments[0]), open("/dev/full", "wb") as full:
                done = subprocess.run([harness.PROGRAM, *arguments], input=text, stdout=full, stderr=subprocess.PIPE, timeout=60)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr.decode(), r"^error: .*\n$")


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        for kind in ("USAGE", "SEQUENCES", "CHECKPOINTS", "SCORES", "EXPERIMENTS"):
            print(f"{kind.lower()}: {len(globals()[kind])}")
        sys.exit()
    harness.main()
