"""Greedy answers of the shipped models to the 500 test questions, graded: as many right as transformers gets with the same
files and 46 new tokens (one may differ where two tokens nearly tie).
"""
import harness

RIGHT = {"arith-sft": 243, "arith-grpo": 352}


class AccuracyTest(harness.Case):
    def test_greedy_accuracy_is_that_of_transformers(self):
        for name, wanted in RIGHT.items():
            with self.subTest(model=name):
                answers, graded = self.dir / f"{name}.jsonl", self.dir / f"{name}-graded.jsonl"
                self.ok("generate", harness.MODELS / name, "--data", harness.TEST_QUESTIONS, "--dataset", "generic", "--chat",
                        "--max-new-tokens", "46", "--dtype", "float32", "--out", answers, timeout=300)
                self.ok("grade", answers, "--out", graded)
                rows = harness.read_rows(graded)
                self.assertEqual(len(rows), 500)
                right = sum(row["correct"] is True for row in rows)
                self.assertLessEqual(abs(right - wanted), 1, f"{name}: {right} of 500 right, transformers: {wanted}")


if __name__ == "__main__":
    harness.main()
