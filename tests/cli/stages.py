"""The stages that resume, as the tests of killing, interrupting and refusing run them: small inputs, a second or two each."""
import json
import random

import harness

# What tells how long a stage took differs from run to run, and is no result.
TIMED = {"report.html"}


class Generate:
    name = "generate"

    def __init__(self, folder, count):
        self.out = folder / "generations.jsonl"
        self.questions = harness.first_lines(harness.QUESTIONS, count, folder / "questions.jsonl")

    def arguments(self, *more):
        length = [] if "--max-new-tokens" in more else ["--max-new-tokens", "46"]
        return ["generate", harness.MODELS / "arith-sft", "--data", self.questions, "--dataset", "generic", "--chat", *length,
                "--threads", "1", "--out", self.out, *more]

    def outputs(self):
        return {self.out.name: self.out.read_bytes()} if self.out.exists() else {}

    def finished(self):
        """What a killed run had finished: it may not be lost or done again."""
        return self.out.read_bytes().rpartition(b"\n")[0] if self.out.exists() else b""


class Sampled(Generate):
    """Several samples a question; their random numbers hang on the question alone, so that a killed run may go on anywhere."""

    name = "sampled"

    def arguments(self, *more):
        return super().arguments("--n", "3", "--temperature", "0.9", "--top-p", "0.95", "--top-k", "40", "--seed", "11",
                                 "--batch-size", "24", *more)


class Attribute:
    name = "attribute"

    def __init__(self, folder, count):
        self.out = folder / "scores"
        draw = random.Random(7)
        rows = [{"id": f"s{i}", "prompt_len": 20, "tokens": [draw.randrange(107) for _ in range(60)]} for i in range(count)]
        self.sequences = harness.write_rows(folder / "sequences.jsonl", rows)

    def arguments(self, *more):
        return ["attribute", harness.MODELS / "arith-sft", "--sequences", self.sequences, "--t-cut", "20", "--threads", "1",
                "--out", self.out, *more]

    def outputs(self):
        return {p.name: p.read_bytes() for p in self.out.glob("*.safetensors")}

    def finished(self):
        return b""


class Run:
    name = "run"

    def __init__(self, folder, count):
        self.questions = harness.first_lines(harness.QUESTIONS, count, folder / "questions.jsonl")
        self.experiment = folder / "experiment.toml"
        self.out = folder / "out"
        self.write()

    def write(self, alpha="[0.1, 0.5]"):
        self.experiment.write_text(f"""name = "killed"
[[pair]]
name = "grpo"
before = {json.dumps(str(harness.MODELS / "arith-sft"))}
after = {json.dumps(str(harness.MODELS / "arith-grpo"))}
chat = true
[[data]]
name = "analysis"
file = {json.dumps(str(self.questions))}
dataset = "generic"
[generate]
max_new_tokens = 46
[select]
n_pairs = 10
[attribute]
alpha = {alpha}
""", encoding="utf-8")

    def arguments(self, *more):
        return ["run", self.experiment, "--out", self.out, "--threads", "1", *more]

    def outputs(self):
        return harness.tree(self.out, TIMED) if self.out.exists() else {}

    def finished(self):
        return b""


class Train:
    """A dynamics experiment: training at two temperatures with checkpoints, evaluation and probe on the way, then its report."""

    name = "train"

    def __init__(self, folder, count):
        self.out = folder / "out"
        self.experiment = folder / "dynamics.toml"
        held_out = harness.first_lines(harness.TEST_QUESTIONS, count, folder / "held_out.jsonl")
        self.experiment.write_text(f"""name = "killed"
model = {json.dumps(str(harness.MODELS / "arith-sft"))}
seeds = [1]
steps = 8
threads = 1
[dynamics]
temperatures = [0.6, 1.0]
windows = ["2-8", "2-6"]
questions = 200
exclude = [{json.dumps(str(held_out))}, {json.dumps(str(harness.QUESTIONS))}]
[data]
chat = true
batch = 8
[optimizer]
lr = 5e-4
[rollout]
max_new_tokens = 46
[eval]
file = {json.dumps(str(held_out))}
every = 4
[probe]
sequences = {json.dumps(str(harness.ROOT / "data" / "arithmetic_probe.jsonl"))}
every = 4
limit = 6
[checkpoint]
every = 2
""", encoding="utf-8")

    def arguments(self, *more):
        return ["run", self.experiment, "--out", self.out, *more]

    def outputs(self):
        files = harness.tree(self.out) if self.out.exists() else {}
        # metrics.jsonl and the event files also tell how long each step took; dynamics.csv has the rest of them.
        return {name: data for name, data in files.items() if name.endswith((".safetensors", ".csv", "dynamics.json", "questions.jsonl"))}

    def finished(self):
        return b""


class TrainResume:
    """`train` itself, two seeds: after the first kill it goes on with --resume, wherever that was."""

    name = "train-resume"

    def __init__(self, folder, count):
        self.out = folder / "out"
        self.recipe = folder / "recipe.toml"
        questions = harness.first_lines(harness.QUESTIONS, count, folder / "questions.jsonl")
        self.recipe.write_text(f"""model = {json.dumps(str(harness.MODELS / "arith-sft"))}
seeds = [1, 2]
steps = 6
threads = 1
[data]
file = {json.dumps(str(questions))}
batch = 8
[algorithm]
minibatches = 2
[rollout]
max_new_tokens = 46
[checkpoint]
every = 2
keep = 1
""", encoding="utf-8")

    def arguments(self, *more):
        begun = any(self.out.glob("seed-*/train.json"))
        return ["train", "grpo", self.recipe, "--out", self.out, *(["--resume"] if begun else []), *more]

    def outputs(self):
        found = {str(p.relative_to(self.out)): p.read_bytes() for p in self.out.rglob("*.safetensors")}
        for path in self.out.rglob("metrics.jsonl"):  # without how long each step took
            rows = [{k: v for k, v in row.items() if not k.startswith("seconds")} for row in harness.read_rows(path)]
            found[str(path.relative_to(self.out))] = json.dumps(rows).encode()
        return found

    def finished(self):
        return b""


STAGES = {"generate": Generate, "sampled": Sampled, "attribute": Attribute, "run": Run, "train": Train,
          "train-resume": TrainResume}
