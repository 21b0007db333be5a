"""What may not change the result does not: scores are the same bytes however work was cut or resumed at one chunk size, near
the same for another; the text stages give the same bytes twice; a null pair differs by exactly 0.
"""
import json
import random
import resource

import harness

MODEL = harness.MODELS / "arith-sft"


class SameBytesTest(harness.Case):
    def sequences(self, count):
        draw = random.Random(3)
        rows = []
        for i in range(count):
            length = draw.randrange(12, 40)
            rows.append({"id": f"s{i}", "prompt_len": draw.randrange(1, 10), "tokens": [draw.randrange(107) for _ in range(length)]})
        return harness.write_rows(self.dir / "sequences.jsonl", rows)

    def attribute(self, name, *flags, sequences=None):
        out = self.dir / name
        self.ok("attribute", MODEL, "--sequences", sequences or self.dir / "sequences.jsonl", "--t-cut", "5", "--out", out, *flags)
        return out / "scores.tcut-5.safetensors"

    def test_attribution_twice_gives_the_same_bytes(self):
        self.sequences(40)
        for threads in ("1", "2"):
            first, second = (self.attribute(f"{threads}-{i}", "--threads", threads) for i in range(2))
            self.assertEqual(first.read_bytes(), second.read_bytes(), f"{threads} threads")

    def test_another_chunk_size_changes_scores_by_rounding_only(self):
        self.sequences(40)
        base, _ = harness.read_safetensors(self.attribute("chunk-16", "--chunk", "16"))
        for chunk in ("1", "7", "64"):
            other, _ = harness.read_safetensors(self.attribute(f"chunk-{chunk}", "--chunk", chunk))
            self.assertLess(harness.largest_difference(other["scores"].values, base["scores"].values), 1e-5, chunk)
            self.assertLess(harness.largest_difference(other["loss"].values, base["loss"].values), 1e-5, chunk)

    def test_where_tensors_lie_changes_nothing(self):
        """Under a limit on the process's memory large tensors lie in no pool; a limit that nothing reaches changes no byte."""
        draw = random.Random(5)
        sequences = harness.write_rows(self.dir / "long.jsonl", [
            {"id": f"s{i}", "prompt_len": 8, "tokens": [draw.randrange(107) for _ in range(400 - 7 * i)]} for i in range(24)])
        pooled = self.attribute("pooled", sequences=sequences)
        before = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (2**40, before[1]))
        try:
            limited = self.attribute("limited", sequences=sequences)
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, before)
        self.assertEqual(pooled.read_bytes(), limited.read_bytes())

    def test_a_sample_does_not_depend_on_those_beside_it(self):
        path = self.sequences(10)
        rows = harness.read_rows(path)
        all_scores, _ = harness.read_safetensors(self.attribute("all", "--dtype", "float64"))
        size = len(all_scores["scores"].values) // len(rows)
        for i in (0, 4, 9):
            alone = harness.write_rows(self.dir / f"alone-{i}.jsonl", [rows[i]])
            one, _ = harness.read_safetensors(self.attribute(f"alone-{i}", "--dtype", "float64", sequences=alone))
            self.assertLess(harness.largest_difference(one["scores"].values, all_scores["scores"].values[i * size:(i + 1) * size]), 1e-12)

    def test_an_answers_loss_is_what_score_finds_for_it(self):
        questions = harness.first_lines(harness.QUESTIONS, 24, self.dir / "questions.jsonl")
        for name, flags in (("greedy", []), ("drawn", ["--temperature", "1.3", "--top-p", "0.9", "--batch-size", "5"])):
            out = self.dir / f"{name}.jsonl"
            self.ok("generate", MODEL, "--data", questions, "--dataset", "generic", "--chat", "--max-new-tokens", "46", "--out", out, *flags)
            rows = harness.read_rows(out)
            harness.write_rows(self.dir / f"{name}-sequences.jsonl", [
                {"id": r["id"], "tokens": r["prompt_tokens"] + r["answer_tokens"], "prompt_len": len(r["prompt_tokens"])} for r in rows])
            self.ok("score", MODEL, "--sequences", self.dir / f"{name}-sequences.jsonl", "--out", self.dir / f"{name}.safetensors")
            found, _ = harness.read_safetensors(self.dir / f"{name}.safetensors")
            for i, row in enumerate(rows):
                nll = found[f"nll.{i}"].values[len(row["prompt_tokens"]) - 1:]
                self.assertEqual(len(nll), len(row["answer_tokens"]))
                self.assertAlmostEqual(row["mean_nll"], sum(nll) / len(nll), delta=2e-5, msg=row["id"])

    def test_score_generate_and_compare_twice_give_the_same_bytes(self):
        self.sequences(10)
        questions = harness.first_lines(harness.QUESTIONS, 20, self.dir / "questions.jsonl")
        found = []
        for i in range(2):
            folder = self.dir / f"round-{i}"
            folder.mkdir()
            self.ok("score", MODEL, "--sequences", self.dir / "sequences.jsonl", "--out", folder / "score.safetensors", "--logits")
            self.ok("generate", MODEL, "--data", questions, "--dataset", "generic", "--chat", "--temperature", "1", "--seed", "5",
                    "--max-new-tokens", "46", "--out", folder / "sampled.jsonl")
            scores = self.attribute(f"scores-{i}")
            result = self.ok("compare", "--before", scores, "--after", scores, "--out", folder / "compare", "--json")
            found.append([(folder / "score.safetensors").read_bytes(), (folder / "sampled.jsonl").read_bytes(), result.out])
        self.assertEqual(found[0], found[1])

    def test_a_model_against_itself_differs_by_exactly_nothing(self):
        self.sequences(12)
        scores = self.attribute("scores")
        result = self.ok("compare", "--before", scores, "--after", scores, "--out", self.dir / "compare", "--json")
        metrics = json.loads(result.out)["metrics"]
        self.assertIn("act_intensity", metrics)
        for name, figure in metrics.items():
            if figure["difference"] is not None:
                self.assertEqual(figure["difference"], 0, name)
                self.assertEqual(figure["before"], figure["after"], name)

    def test_sampling_depends_on_the_seed_and_nothing_is_lost_by_a_limit(self):
        questions = harness.first_lines(harness.QUESTIONS, 30, self.dir / "questions.jsonl")
        sampled = {}
        for seed in ("1", "2"):
            out = self.dir / f"seed-{seed}.jsonl"
            self.ok("generate", MODEL, "--data", questions, "--dataset", "generic", "--chat", "--temperature", "1", "--seed", seed,
                    "--max-new-tokens", "46", "--out", out)
            sampled[seed] = [row["answer"] for row in harness.read_rows(out)]
        self.assertNotEqual(sampled["1"], sampled["2"])
        out = self.dir / "limited.jsonl"
        self.ok("generate", MODEL, "--data", questions, "--dataset", "generic", "--chat", "--temperature", "1", "--seed", "1",
                "--max-new-tokens", "46", "--limit", "7", "--out", out)
        self.assertEqual([row["answer"] for row in harness.read_rows(out)], sampled["1"][:7])


if __name__ == "__main__":
    harness.main()
