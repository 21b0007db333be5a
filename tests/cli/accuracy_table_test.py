"""`accuracy` over folders of graded answers: figures against their definitions written out here, formats, and bad folders."""
import csv
import io
import json
import math

import harness


def row(identity, correct, sample=0, **changes):
    verdict = "undecided" if correct is None else "equal" if correct else "different"
    return {"id": identity, "sample": sample, "prompt": "", "prompt_tokens": [], "answer": "x", "answer_tokens": [],
            "finish_reason": "stop", "gold": "1", "dataset": "generic", "seed": 0, "extracted": "1", "verdict": verdict,
            "correct": correct, **changes}


def wilson(k, n):
    z, p = 1.959963984540054, k / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


class AccuracyTable(harness.Case):
    def setUp(self):
        super().setUp()
        self.before = [True] * 12 + [False] * 30 + [None] * 2
        self.after = [True] * 11 + [False] + [True] * 20 + [False] * 12
        for name, marks in (("sft", self.before), ("grpo", self.after)):
            (self.dir / name).mkdir()
            harness.write_rows(self.dir / name / "gsm8k.jsonl", [row(f"q{i}", mark) for i, mark in enumerate(marks)])

    def table(self, *arguments):
        return json.loads(self.ok("accuracy", self.dir / "sft", self.dir / "grpo", "--pairs", "sft:grpo", "--json", *arguments).out)

    def test_accuracies_and_intervals(self):
        table = self.table()
        self.assertEqual((table["models"], table["data"]), (["sft", "grpo"], ["gsm8k"]))
        for cell, marks in zip(table["cells"], (self.before, self.after)):
            right = sum(mark is True for mark in marks)
            self.assertEqual((cell["questions"], cell["answers"], cell["undecided"]), (44, 44, marks.count(None)))
            self.assertAlmostEqual(cell["accuracy"], right / 44)
            for got, wanted in zip(cell["ci95"], wilson(right, 44)):
                self.assertAlmostEqual(got, wanted, places=12)

    def test_the_paired_test_is_exact(self):
        (pair,) = self.table()["pairs"]
        self.assertEqual((pair["both"], pair["only_before"], pair["only_after"], pair["neither"]), (11, 1, 20, 12))
        self.assertAlmostEqual(pair["p"], 2 * (math.comb(21, 0) + math.comb(21, 1)) / 2**21, places=15)
        self.assertAlmostEqual(pair["difference"], 19 / 44)

    def test_p_values_are_corrected_over_the_table(self):
        for name in ("sft", "grpo"):
            marks = [True] * 3 + [name == "grpo"] * 3
            harness.write_rows(self.dir / name / "math.jsonl", [row(f"m{i}", mark) for i, mark in enumerate(marks)])
        first, second = self.table()["pairs"]
        self.assertAlmostEqual(second["p"], 2 / 8)
        self.assertAlmostEqual(second["p_adjusted"], 2 / 8)
        self.assertAlmostEqual(first["p_adjusted"], 2 * first["p"])

    def test_several_answers_a_question(self):
        marks = {f"q{i}": [True] * k + [False] * (4 - k) for i, k in enumerate((0, 1, 2, 4))}
        (self.dir / "sampled").mkdir()
        harness.write_rows(self.dir / "sampled" / "aime24.jsonl",
                           [row(q, mark, sample) for q, answers in marks.items() for sample, mark in enumerate(answers)])
        (cell,) = json.loads(self.ok("accuracy", self.dir / "sampled", "--json").out)["cells"]
        self.assertAlmostEqual(cell["accuracy"], 7 / 16)
        self.assertEqual(cell["interval"], "bootstrap over questions")
        passes = [sum(1 - math.comb(4 - c, k) / math.comb(4, k) for c in (0, 1, 2, 4)) / 4 for k in (1, 2, 4)]
        for got, wanted in zip((cell["pass_at_k"][k] for k in ("1", "2", "4")), passes):
            self.assertAlmostEqual(got, wanted)

    def test_bold_only_where_the_test_carries_it(self):
        folders = ["accuracy", self.dir / "sft", self.dir / "grpo", "--pairs", "sft:grpo"]
        text = self.ok(*folders, "--format", "markdown").out
        self.assertRegex(text, r"\| grpo \| \*\*70\.5 \[")
        self.assertRegex(text, r"\| sft \| 27\.3 \[")
        self.assertIn("\\textbf{70.5}", self.ok(*folders, "--format", "latex").out)
        harness.write_rows(self.dir / "grpo" / "gsm8k.jsonl", [row(f"q{i}", i < 14) for i in range(44)])
        self.assertNotIn("**", self.ok(*folders, "--format", "markdown").out)

    def test_a_pair_of_a_run_is_tested_on_the_data_sets_it_was_asked(self):
        run = self.dir / "run"
        for model, sets in {"m": "xy", "n": "xy", "o": "y"}.items():
            (run / "grade" / model).mkdir(parents=True)
            for data in sets:
                harness.write_rows(run / "grade" / model / f"{data}.jsonl", [row("q", model == "n"), row("r", True)])
        pairs = [{"name": "one", "before": "a/m", "after": "b/n", "data": ["x"]}, {"name": "two", "before": "a/m", "after": "c/m", "after_name": "o"}]
        (run / "experiment.json").write_text(json.dumps({"pairs": pairs}), encoding="utf-8")
        tested = [(p["before"], p["after"], p["data"]) for p in json.loads(self.ok("accuracy", run, "--json").out)["pairs"]]
        self.assertEqual(tested, [("m", "n", "x"), ("m", "o", "y")])
        pairs[0]["data"] = [7]
        (run / "experiment.json").write_text(json.dumps({"pairs": pairs}), encoding="utf-8")
        self.refused(1, ["experiment.json", "data", "names"], "accuracy", run)

    def test_csv_reads_back_and_out_writes_a_file(self):
        self.ok("accuracy", self.dir / "sft", "--format", "csv", "--out", self.dir / "t.csv")
        rows = list(csv.DictReader(io.StringIO((self.dir / "t.csv").read_text(encoding="utf-8").split("\n\n")[0])))
        self.assertEqual([r["model"] for r in rows], ["sft"])
        self.assertAlmostEqual(float(rows[0]["accuracy"]), 12 / 44)

    def test_bad_folders(self):
        self.refused(2, ["dirs"], "accuracy")
        self.refused(1, ["nowhere"], "accuracy", self.dir / "nowhere")
        (self.dir / "empty").mkdir()
        self.refused(1, ["empty", "no graded answers"], "accuracy", self.dir / "empty")
        ungraded = [{k: v for k, v in row("q", True).items() if k not in ("extracted", "verdict", "correct")}]
        harness.write_rows(self.dir / "empty" / "math.jsonl", [row("p", True), {**ungraded[0]}])
        self.refused(1, ["math.jsonl:2", "verdict", "circuitdiff grade"], "accuracy", self.dir / "empty")
        self.refused(2, ["--pairs", "sfd", "sft"], "accuracy", self.dir / "sft", "--pairs", "sfd:sft")
        self.refused(2, ["--pairs", "BEFORE:AFTER"], "accuracy", self.dir / "sft", "--pairs", "sft")
        self.refused(1, ["gsm8k.jsonl", "read already"], "accuracy", self.dir / "sft", self.dir / "sft")
        harness.write_rows(self.dir / "grpo" / "gsm8k.jsonl", [row("other", True)])
        self.refused(1, ["no question in common"], "accuracy", self.dir / "sft", self.dir / "grpo", "--pairs", "sft:grpo")


if __name__ == "__main__":
    harness.main()
