"""Models as people have them: what Python's torch wrote, hostile pickles, GGUF files and LoRA adapters, through every command."""
import io
import json
import os
import pickle
import random
import shutil
import time
import unittest
import zipfile

import harness
import model_files

SFT = harness.MODELS / "arith-sft"
TORCH = harness.ROOT / "tests" / "golden" / "checkpoint" / "torch"


def random_sequences(path, count=3, vocabulary=100):
    draw = random.Random(3)
    return harness.write_rows(path, [{"id": f"s{i}", "prompt_len": 5, "tokens": [draw.randrange(vocabulary) for _ in range(12 + i)]}
                                     for i in range(count)])


class Call:
    """What pickles into a call of `function`, by its name, with `arguments`."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Named:
    """A function of any module, without importing it; pickled as its name."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Pickler(pickle._Pickler):  # the one in Python, whose steps may be changed
    def reduce(self, named):
        self.write(b"c" + f"{named.module}\n{named.name}\n".encode())

    dispatch = {**pickle._Pickler.dispatch, Named: reduce}

    def save_reduce(self, func, args, **keywords):
        if not isinstance(func, Named):
            return super().save_reduce(func, args, **keywords)
        self.save(func)
        self.save(args)
        self.write(pickle.REDUCE)


def pickled(value, protocol=2):
    out = io.BytesIO()
    Pickler(out, protocol).dump(value)
    return out.getvalue()


class FilesTest(harness.Case):
    def scores(self, model, *more):
        sequences = random_sequences(self.dir / "sequences.jsonl")
        out = self.dir / "scores.safetensors"
        self.ok("score", model, "--sequences", sequences, "--out", out, "--logits", *more)
        tensors, _ = harness.read_safetensors(out)
        return tensors

    def twin(self, name):
        """A golden model whose weights Python's torch wrote."""
        folder = self.dir / name
        shutil.copytree(TORCH / name, folder)
        shutil.copy(harness.GOLDEN / name / "model" / "config.json", folder)
        return folder

    def test_what_torch_wrote_scores_to_the_bit_as_safetensors_do(self):
        for name in ("llama_bias", "qwen2_swa"):  # one file; two shards and their index
            for dtype in ("float32", "float64", "bfloat16"):
                with self.subTest(model=name, dtype=dtype):
                    self.assertEqual(self.scores(self.twin_of(name), "--dtype", dtype),
                                     self.scores(harness.GOLDEN / name / "model", "--dtype", dtype))

    def twin_of(self, name):
        return self.dir / name if (self.dir / name).exists() else self.twin(name)

    def test_every_command_takes_it(self):
        model = self.twin("llama_bias")
        self.assertIn("all present and in shape", self.ok("inspect", model).out)
        sequences = random_sequences(self.dir / "sequences.jsonl")
        for side, folder in (("bin", model), ("safetensors", harness.GOLDEN / "llama_bias" / "model")):
            self.ok("attribute", folder, "--sequences", sequences, "--t-cut", "4", "--out", self.dir / side)
        files = [self.dir / side / "scores.tcut-4.safetensors" for side in ("bin", "safetensors")]
        found, wanted = (harness.read_safetensors(f)[0] for f in files)
        self.assertEqual(found, wanted)
        compared = json.loads(self.ok("compare", "--before", files[0], "--after", files[1], "--out", self.dir / "c", "--json").out)
        self.assertEqual(compared["metrics"]["act_intensity"]["difference"], 0)

    def test_hostile_pickles_are_refused_and_nothing_is_executed(self):
        proof = self.dir / "proof"
        touch, write = f"touch {proof}", f"open({str(proof)!r}, 'w')"
        deep = []
        for _ in range(300):
            deep = [deep]
        around = {}
        around["self"] = around
        calls = {
            "os.system": Call(os.system, touch),  # as Python itself pickles it: posix.system
            "eval": Call(eval, write),
            "exec": Call(exec, write),
            "open": Call(open, str(proof), "w"),
            "getattr": Call(Named("builtins", "getattr"), "os", "system"),
            "os by its own name": Call(Named("os", "system"), touch),
            "popen": Call(Named("os", "popen"), touch),
            "nt": Call(Named("nt", "system"), touch),
            "Popen": Call(Named("subprocess", "Popen"), ["touch", str(proof)]),
            "run": Call(Named("subprocess", "run"), ["touch", str(proof)]),
            "import": Call(Named("builtins", "__import__"), "os"),
            "compile": Call(Named("builtins", "compile"), write, "x", "exec"),
            "partial": Call(Named("functools", "partial"), Named("os", "system"), touch),
            "attrgetter": Call(Named("operator", "attrgetter"), "system"),
            "runpy": Call(Named("runpy", "run_path"), str(proof)),
            "pty": Call(Named("pty", "spawn"), "sh"),
            "webbrowser": Call(Named("webbrowser", "open"), "file:///"),
            "torch.load": Call(Named("torch", "load"), str(proof)),
            "torch.hub": Call(Named("torch.hub", "load"), "x", "y"),
            "torch.jit": Call(Named("torch.jit", "load"), str(proof)),
            "dotted": Call(Named("torch._utils", "os.system"), touch),
            "rebuild with another callee": Call(Named("torch._utils", "_rebuild_tensor_v2.__globals__"), touch),
            "numpy": Call(Named("numpy.core.multiarray", "_reconstruct"), "x", (0,), b"b"),
            "codecs": Call(Named("_codecs", "encode"), "x", "latin1"),
            "deep": deep,
            "around": around,
            "a number": 7,
            "an object": FilesTest,
        }
        self.assertGreaterEqual(len(calls), 20)
        for name, value in calls.items():
            for inside in (False, True):  # the whole file, and an entry beside others
                with self.subTest(pickle=name, inside=inside):
                    folder = self.dir / "hostile"
                    shutil.rmtree(folder, ignore_errors=True)
                    folder.mkdir()
                    shutil.copy(SFT / "config.json", folder)
                    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as archive:
                        archive.writestr("m/data.pkl", pickled({"model.norm.weight": value} if inside else value))
                        archive.writestr("m/data/0", b"\0" * 64)
                    begun = time.monotonic()
                    self.refused(1, "pytorch_model.bin", "inspect", folder)
                    self.assertLess(time.monotonic() - begun, 20)
                    self.assertFalse(proof.exists(), "something was executed")

    def test_the_format_before_zip_is_refused(self):
        folder = self.twin("llama_bias")
        shutil.copy(TORCH / "legacy.bin", folder / "pytorch_model.bin")
        self.refused(1, ["pytorch_model.bin", "torch before 1.6"], "inspect", folder)


class GgufTest(harness.Case):
    scores = FilesTest.scores

    def test_scores_are_those_of_the_folder_it_was_made_of(self):
        gguf = model_files.write_gguf(SFT, self.dir / "sft.gguf")
        self.assertEqual(self.scores(gguf), self.scores(SFT))
        self.ok("inspect", gguf)
        sequences = random_sequences(self.dir / "sequences.jsonl")
        for side, model in (("a", gguf), ("b", SFT)):
            self.ok("attribute", model, "--sequences", sequences, "--t-cut", "4", "--out", self.dir / side)
        found, wanted = (harness.read_safetensors(self.dir / side / "scores.tcut-4.safetensors")[0] for side in "ab")
        self.assertEqual(found, wanted)

    def test_tokenizer_and_template_come_from_the_file(self):
        gguf = model_files.write_gguf(SFT, self.dir / "sft.gguf")
        row = json.dumps({"messages": [{"role": "user", "content": "Why?"}]}) + "\n"
        self.assertEqual(json.loads(self.ok("chat", gguf, stdin=row.encode()).out), {"text": "<bos>Why?<sep>"})
        ids = json.loads(self.ok("tokenize", gguf, stdin=b'{"text": "<bos>a b<sep>"}\n').out)["ids"]
        tokens = model_files.ascii_tokens(107)
        self.assertEqual([tokens[i] for i in ids], ["<bos>", "a", "\u0120", "b", "<sep>"])

    def test_a_killed_run_goes_on_to_the_same_bytes(self):
        gguf = model_files.write_gguf(SFT, self.dir / "sft.gguf")
        questions = harness.first_lines(harness.QUESTIONS, 60, self.dir / "questions.jsonl")

        def arguments(out):
            return ["generate", gguf, "--data", questions, "--dataset", "generic", "--chat", "--max-new-tokens", "40",
                    "--threads", "1", "--batch-size", "4", "--temperature", "0.8", "--out", out]

        whole = self.ok(*arguments(self.dir / "whole.jsonl"))
        draw, kills = random.Random(1), 0
        for _ in range(8):
            kills += harness.kill_after(draw.uniform(0.02, whole.seconds), *arguments(self.dir / "killed.jsonl"))
        self.ok(*arguments(self.dir / "killed.jsonl"))
        self.assertEqual((self.dir / "killed.jsonl").read_bytes(), (self.dir / "whole.jsonl").read_bytes())
        self.assertEqual(len(harness.read_rows(self.dir / "whole.jsonl")), 60)
        self.assertGreater(kills, 0)

    def test_what_a_gguf_file_cannot_be_used_for_says_so(self):
        gguf = model_files.write_gguf(SFT, self.dir / "sft.gguf")
        text = "\n".join(['model = "sft.gguf"', "[data]", f"file = {json.dumps(str(harness.QUESTIONS))}"])
        config = self.dir / "train.toml"
        config.write_text(text, encoding="utf-8")
        self.refused(1, ["sft.gguf", "GGUF", "Hugging Face folder"], "train", "sft", config, "--dry-run",
                     "--out", self.dir / "out", cwd=self.dir)
        self.assertTrue(gguf.exists())


class AdapterTest(harness.Case):
    scores = FilesTest.scores

    def adapter(self):
        modules = {f"model.layers.{layer}.{name}": shape for layer in (0, 2)
                   for name, shape in (("self_attn.q_proj", (64, 64)), ("mlp.down_proj", (64, 192)))}
        return model_files.write_adapter(self.dir / "lora", modules)

    def test_it_gives_the_scores_of_the_merged_model(self):
        adapter = self.adapter()
        merged = model_files.merged_folder(SFT, adapter, self.dir / "merged")
        found, wanted = self.scores(SFT, "--adapter", adapter), self.scores(merged)
        for name in wanted:
            self.assertLess(harness.largest_difference(found[name].values, wanted[name].values), 1e-5, name)
        plain = self.scores(SFT)
        self.assertGreater(harness.largest_difference(found["logits.0"].values, plain["logits.0"].values), 1e-3)
        self.assertIn("matrices merged", self.ok("inspect", SFT, "--adapter", adapter).out)
        gguf = model_files.write_gguf(SFT, self.dir / "sft.gguf")
        self.assertEqual(self.scores(gguf, "--adapter", adapter), found)

    def test_an_experiment_may_compare_a_model_with_itself_and_an_adapter(self):
        adapter = self.adapter()
        questions = harness.first_lines(harness.QUESTIONS, 24, self.dir / "questions.jsonl")
        experiment = self.dir / "experiment.toml"
        experiment.write_text(f"""name = "lora"
controls = ["null"]
[[pair]]
name = "adapter"
before = {json.dumps(str(SFT))}
after = {json.dumps(str(SFT))}
after_adapter = "lora"
chat = true
[[data]]
name = "questions"
file = {json.dumps(str(questions))}
[generate]
max_new_tokens = 46
threads = 1
[select]
outcome = "both-wrong"
filter = "paper"
beta = 0.01
gamma = 10
delta = 3
[attribute]
alpha = [0.5]
[compare]
bootstrap = 100
permutations = 100
""", encoding="utf-8")
        out = self.dir / "out"
        self.ok("run", experiment, "--out", out)
        self.assertEqual(sorted(p.name for p in (out / "generate").iterdir()), ["arith-sft", "arith-sft+lora"])
        before, after = (harness.read_rows(out / "generate" / name / "questions.jsonl") for name in ("arith-sft", "arith-sft+lora"))
        self.assertNotEqual([r["answer"] for r in before], [r["answer"] for r in after])
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        self.assertIn("after adapter of adapter", [r["role"] for r in manifest["inputs"]])
        self.ok("verify", out / "manifest.json")
        # The adapter is an input: another one may not go on with this one's work.
        config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        (adapter / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 1}), encoding="utf-8")
        self.refused(1, "adapter of adapter", "run", experiment, "--out", out)


class NewArchitecturesTest(harness.Case):
    def test_commands_that_need_no_tokenizer_take_them(self):
        sequences = random_sequences(self.dir / "sequences.jsonl")
        for name in ("phi3", "gemma2", "olmo2"):
            with self.subTest(model=name):
                model = harness.GOLDEN / name / "model"
                self.assertIn(name, self.ok("inspect", model).out)
                self.ok("attribute", model, "--sequences", sequences, "--t-cut", "3", "--out", self.dir / name, "--dry-run")
                config = self.dir / "train.toml"
                config.write_text(f"model = {json.dumps(str(model))}\n[data]\nfile = {json.dumps(str(harness.QUESTIONS))}\n")
                self.refused(1, [name, "cannot be trained"], "train", "sft", config, "--dry-run", "--out", self.dir / "t")


if __name__ == "__main__":
    harness.main()
