"""The controls of an experiment and its 2 x 2, from the files that a small run leaves: a model against itself gives exactly 0;
20 noisy copies give 20 differences that come from their own score files; each model on each text adds up.
"""
import json
import math

import harness
import stages

COPIES = 20


class ControlsTest(harness.Case):
    def setUp(self):
        super().setUp()
        self.stage = stages.Run(self.dir, 40)
        text = self.stage.experiment.read_text(encoding="utf-8")
        self.stage.experiment.write_text('texts = ["own", "cross"]\ncontrols = ["null", "noise"]\n' + text, encoding="utf-8")
        self.ok(*self.stage.arguments(), timeout=280)
        self.pair = self.stage.out / "pairs" / "grpo" / "analysis"

    @staticmethod
    def read(path):
        return json.loads(path.read_text(encoding="utf-8"))

    def intensity(self, name, cut):
        """act_intensity of one score file, by a comparison of it with itself."""
        scores = self.pair / name / f"scores.{cut}.safetensors"
        done = self.ok("compare", "--before", scores, "--after", scores, "--out", self.dir / "self", "--bootstrap", "0",
                       "--permutations", "0", "--json")
        return json.loads(done.out)["metrics"]["act_intensity"]["before"]

    def test_controls_and_texts(self):
        for cut in ("alpha-0.1", "alpha-0.5"):
            null = self.read(self.pair / "null" / cut / "metrics.json")
            for name, metric in null["metrics"].items():
                self.assertIn(metric["difference"], (0, None), name)

            noise = self.read(self.pair / "noise" / f"{cut}.json")
            self.assertEqual(noise["copies"], COPIES)
            got = noise["metrics"]["act_intensity"]
            before = self.intensity("attribute/before", cut)
            effect = self.intensity("attribute/after-on-before", cut) - before
            self.assertEqual(len(set(got["noise"])), COPIES, "each copy has noise of its own")
            self.assertTrue(math.isclose(got["before"], before, rel_tol=1e-12))
            self.assertTrue(math.isclose(got["effect"], effect, rel_tol=1e-9))
            third = self.intensity("noise/copy-2", cut) - before
            self.assertTrue(math.isclose(got["noise"][2], third, rel_tol=1e-9))
            reached = sum(abs(x) >= abs(got["effect"]) for x in got["noise"])
            self.assertTrue(math.isclose(got["p"], (1 + reached) / (1 + COPIES)))

            both = self.read(self.pair / "compare" / cut / "metrics.json")["two_by_two"]["act_intensity"]
            model = ((both["after_on_before"] - both["before"]) + (both["after"] - both["before_on_after"])) / 2
            text = ((both["before_on_after"] - both["before"]) + (both["after"] - both["after_on_before"])) / 2
            self.assertTrue(math.isclose(both["model"]["value"], model, rel_tol=1e-9))
            self.assertTrue(math.isclose(both["text"]["value"], text, rel_tol=1e-9))
        self.assertFalse((self.stage.out / "pairs" / "grpo" / "noisy-copy").exists(), "the last copy is thrown away")
        self.assertIn("More than noise?", (self.stage.out / "report.html").read_text(encoding="utf-8"))

        wanted = self.stage.outputs()
        self.ok(*self.stage.arguments())
        self.assertEqual(self.stage.outputs(), wanted)

    def test_too_few_copies_are_refused(self):
        text = self.stage.experiment.read_text(encoding="utf-8")
        self.stage.experiment.write_text("noise_copies = 3\n" + text, encoding="utf-8")
        self.refused(2, ["noise_copies", "20", "3"], *self.stage.arguments())


if __name__ == "__main__":
    harness.main()
