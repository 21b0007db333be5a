"""Training files that cannot be run: one clear line before the first step, naming file, table and key."""
import json

import harness

FILE = {
    "": {"model": str(harness.MODELS / "arith-sft"), "steps": 2, "threads": 1},
    "data": {"file": "{questions}", "chat": True, "batch": 4},
    "rollout": {"max_new_tokens": 46},
}
DYNAMICS = {**FILE, "dynamics": {"temperatures": [0.6, 1.0]}, "eval": {"file": "{questions}", "every": 1},
            "probe": {"sequences": str(harness.ROOT / "data" / "arithmetic_probe.jsonl"), "every": 1}}


class TrainErrors(harness.Case):
    def setUp(self):
        super().setUp()
        self.questions = harness.first_lines(harness.QUESTIONS, 8, self.dir / "questions.jsonl")

    def toml(self, base, **changes):
        """The file with tables changed: table=dict, or top=dict for the keys ahead of them."""
        tables = {name: dict(values) for name, values in base.items()}
        for name, values in changes.items():
            tables.setdefault("" if name == "top" else name, {}).update(values)
        text = ""
        for name, values in tables.items():
            text += f"[{name}]\n" if name else ""
            text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        path = self.dir / "recipe.toml"
        path.write_text(text.replace("{questions}", str(self.questions)), encoding="utf-8")
        return path

    def refuse_train(self, code, parts, algorithm="grpo", **changes):
        self.refused(code, parts, "train", algorithm, self.toml(FILE, **changes), "--out", self.dir / "out")
        self.assertFalse(list(self.dir.glob("out/**/metrics.jsonl")), "a step was taken")

    def refuse_run(self, code, parts, **changes):
        self.refused(code, parts, "run", self.toml(DYNAMICS, **changes), "--out", self.dir / "out")
        self.assertFalse(list(self.dir.glob("out/**/metrics.jsonl")), "a step was taken")

    def test_the_file_itself_runs(self):
        self.ok("train", "grpo", self.toml(FILE), "--out", self.dir / "out")

    def test_tables_and_keys(self):
        self.refuse_train(2, ["rewards", "reward"], rewards={"kind": "exact"})
        self.refuse_train(2, ["[reward]", "kinds", "kind"], reward={"kinds": "exact"})
        self.refuse_train(2, ["brilliant", "exact"], reward={"kind": "brilliant"})
        self.refuse_train(2, ["top_p"], rollout={"top_p": 0.9})
        self.refuse_train(2, ["temperature"], rollout={"temperature": 0})
        self.refuse_train(2, ["steps"], top={"steps": 0})
        self.refuse_train(2, ["lr"], optimizer={"lr": -1})
        self.refused(2, ["grpp", "grpo"], "train", "grpp", self.toml(FILE), "--out", self.dir / "out")

    def test_files(self):
        self.refused(2, ["none.toml"], "train", "grpo", self.dir / "none.toml")
        self.refuse_train(1, ["nowhere"], top={"model": str(self.dir / "nowhere")})
        self.refuse_train(1, ["none.jsonl"], data={"file": str(self.dir / "none.jsonl")})
        self.questions.write_text('{"id": 1, "question": "two?"}\n', encoding="utf-8")
        self.refuse_train(1, ["questions.jsonl:1", "answer"])
        self.questions.write_text("{]\n", encoding="utf-8")
        self.refuse_train(1, ["questions.jsonl:1", "JSON"])
        self.questions.write_text("", encoding="utf-8")
        self.refuse_train(1, ["questions.jsonl"])

    def test_a_reference_of_another_kind(self):
        other = harness.GOLDEN / "qwen2_tied" / "model"
        self.refuse_train(1, ["qwen2_tied", "reference's architecture is qwen2"], top={"reference": str(other)})

    def test_data_without_what_the_algorithm_learns_from(self):
        self.refuse_train(1, ["questions.jsonl", "ana-0", "completion"], algorithm="sft")
        self.refuse_train(1, ["questions.jsonl", "chosen"], algorithm="dpo")

    def test_dynamics(self):
        self.refuse_run(2, ["temperatures", "twice"], dynamics={"temperatures": [1.0, 1.0]})
        self.refuse_run(2, ["windows", "60 to 120"], dynamics={"windows": ["60 to 120", "1-2"]})
        self.refuse_run(2, ["windows", "1 for 2"], dynamics={"windows": ["1-2"]})
        self.refuse_run(2, ["smooth"], dynamics={"smooth": 0})
        self.refuse_run(2, ["[dynamics]", "temperature"], dynamics={"temperature": 1})
        self.refuse_run(2, ["[probe]", "every"], probe={"every": 0})
        self.refuse_run(2, ["[eval]", "every"], eval={"every": 0})
        self.refuse_run(2, ["questions"], dynamics={"questions": 10})


if __name__ == "__main__":
    harness.main()
