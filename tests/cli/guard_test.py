"""What guards a stage's work: SIGINT ends it soon and keeps what was done; a second process is refused; a changed option or
input is refused by name; --overwrite begins anew; verify finds a changed file.
"""
import json
import signal
import time

import harness
import stages

# Questions of a stage that is still at work when it is disturbed: half a minute and more on a fast machine.
LONG = {"generate": 1500, "attribute": 3000, "run": 1500}
MORE = {"generate": ["--n", "40", "--temperature", "1"], "attribute": [], "run": []}
SHORT = {"generate": 6, "attribute": 6, "run": 40}


class GuardTest(harness.Case):
    def started(self, name):
        """A long stage, under way: it has begun to write."""
        stage = stages.STAGES[name](self.dir, LONG[name])
        process = harness.start(*stage.arguments(*MORE[name]))
        self.addCleanup(process.kill)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and process.poll() is None:
            size = sum(p.stat().st_size for p in stage.out.rglob("*") if p.is_file()) if stage.out.is_dir() else (
                stage.out.stat().st_size if stage.out.exists() else 0)
            if size > 0:
                return stage, process
            time.sleep(0.02)
        self.fail(f"{name} did not begin to write: {process.communicate()}")

    def test_sigint_ends_within_two_seconds_with_130(self):
        for name in LONG:
            with self.subTest(stage=name):
                _, process = self.started(name)
                self.assertIsNone(process.poll(), "it is at work")
                process.send_signal(signal.SIGINT)
                asked = time.monotonic()
                _, err = process.communicate(timeout=30)
                self.assertLess(time.monotonic() - asked, 2.0, name)
                self.assertEqual(process.returncode, 130, err)
                self.assertIn(b"interrupted", err)
                self.assertEqual(len(err.strip().splitlines()), 1, err)

    def test_sigterm_is_an_interruption_too(self):
        _, process = self.started("generate")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)

    def test_a_second_process_on_the_same_output_is_refused(self):
        for name in LONG:
            with self.subTest(stage=name):
                stage, process = self.started(name)
                self.refused(1, ["another circuitdiff process"], *stage.arguments())
                self.assertIsNone(process.poll(), "the first process goes on")
                process.kill()
                process.wait()

    def test_a_changed_option_is_named_and_overwrite_begins_anew(self):
        changes = {"generate": ("max_new_tokens", ["--max-new-tokens", "45"]), "attribute": ("objective", ["--objective", "logit"])}
        for name, (option, flags) in changes.items():
            with self.subTest(stage=name):
                stage = stages.STAGES[name](self.dir, SHORT[name])
                self.ok(*stage.arguments())
                before = stage.outputs()
                self.refused(1, [option, "--overwrite"], *stage.arguments(*flags))
                self.assertEqual(stage.outputs(), before)
                self.ok(*stage.arguments(*flags, "--overwrite"))
                if name == "attribute":
                    self.assertNotEqual(stage.outputs(), before)

    def test_a_changed_option_of_an_experiment_is_named(self):
        stage = stages.Run(self.dir, SHORT["run"])
        self.ok(*stage.arguments())
        stage.experiment.write_text(stage.experiment.read_text().replace("max_new_tokens = 46", "max_new_tokens = 40"))
        self.refused(1, ["max_new_tokens", "--overwrite"], *stage.arguments())
        self.ok(*stage.arguments("--overwrite"))

    def test_a_changed_input_is_named(self):
        stage = stages.Generate(self.dir, SHORT["generate"])
        self.ok(*stage.arguments())
        rows = harness.read_rows(stage.questions)
        rows[0]["question"] = "Tom has 1 book. Tom buys 1 more. How many books now?"
        harness.write_rows(stage.questions, rows)
        self.refused(1, ["questions.jsonl", "changed"], *stage.arguments())

        stage = stages.Attribute(self.dir, SHORT["attribute"])
        self.ok(*stage.arguments())
        rows = harness.read_rows(stage.sequences)
        rows[0]["tokens"][3] += 1 if rows[0]["tokens"][3] < 100 else -1
        harness.write_rows(stage.sequences, rows)
        self.refused(1, ["sequences.jsonl", "changed"], *stage.arguments())

    def test_a_torn_last_line_is_repaired_and_nothing_else(self):
        stage = stages.Generate(self.dir, SHORT["generate"])
        self.ok(*stage.arguments())
        whole = stage.out.read_bytes()
        for cut in (1, 40, len(whole) // 2, len(whole) - 1):
            stage.out.write_bytes(whole[:-cut])
            self.ok(*stage.arguments())
            self.assertEqual(stage.out.read_bytes(), whole)
        stage.out.write_bytes(whole.replace(b'"gold":"', b'"gold":"1', 1))
        self.refused(1, ["generations.jsonl", "changed after it was written"], *stage.arguments())
        stage.out.write_bytes(whole.replace(b'"gold":"', b'"gold":"1', 1)[:-40])
        self.refused(1, ["generations.jsonl", "changed after they were written"], *stage.arguments())
        self.ok(*stage.arguments("--overwrite"))
        self.assertEqual(stage.out.read_bytes(), whole)

    def test_verify_accepts_a_run_and_says_4_where_a_file_was_changed(self):
        stage = stages.Run(self.dir, SHORT["run"])
        self.ok(*stage.arguments())
        manifests = list(stage.out.rglob("manifest.json"))
        self.assertTrue(manifests, "a run leaves a manifest")
        manifest = min(manifests, key=lambda p: len(p.parts))
        self.ok("verify", manifest)
        recorded = json.loads(manifest.read_text(encoding="utf-8"))
        self.assertTrue(recorded["inputs"])
        self.assertTrue(recorded["outputs"])

        self.ok("verify", manifest, cwd=self.dir)
        self.ok("report", stage.out)
        self.ok("verify", manifest)

        scores = next(stage.out.rglob("*.safetensors"))
        whole = scores.read_bytes()
        scores.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        result = harness.run("verify", manifest)
        self.assertEqual(result.code, 4, result.err)
        self.assertIn(scores.name, result.out + result.err)
        scores.write_bytes(whole)
        self.ok("verify", manifest)

        stage.questions.write_bytes(stage.questions.read_bytes() + b"\n")
        result = harness.run("verify", manifest)
        self.assertEqual(result.code, 4, result.err)
        self.assertIn("questions.jsonl", result.out + result.err)
        scores.unlink()
        self.assertEqual(harness.run("verify", manifest).code, 4)


if __name__ == "__main__":
    harness.main()
