"""A disk that fills up under `train` loses nothing: one clear line, the last checkpoint whole, and the same command goes on to the
same bits once there is room. The disk is a limit on the size of the process's files, set while it runs.
"""
import json
import resource
import signal
import subprocess
import time

import harness

FULL = 20_000  # bytes: metrics still fit, a model does not


class TrainDisk(harness.Case):
    def setUp(self):
        super().setUp()
        rows = [{"id": str(i), "question": f"Tom has {i} apples. Tom buys 3 more. How many apples now?", "answer": str(i + 3),
                 "completion": f"{i}+3={i + 3}. \\boxed{{{i + 3}}}"} for i in range(20)]
        questions = harness.write_rows(self.dir / "rows.jsonl", rows)
        self.recipe = self.dir / "recipe.toml"
        self.recipe.write_text(f"""model = {json.dumps(str(harness.MODELS / "arith-sft"))}
steps = 30
threads = 1
[data]
file = {json.dumps(str(questions))}
batch = 4
[checkpoint]
every = 1
keep = 2
""", encoding="utf-8")

    def start(self, out, limit=None):
        def before():  # a write beyond the limit is an error then, as on a full disk, and no signal
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            if limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        return subprocess.Popen([str(harness.PROGRAM), "train", "sft", str(self.recipe), "--out", str(out)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                env=harness.environment(), preexec_fn=before)

    def ended(self, process):
        """Its one line of error."""
        _, err = process.communicate(timeout=60)
        lines = err.decode().strip().splitlines()
        self.assertEqual(process.returncode, 1, err)
        self.assertEqual(len(lines), 1, err)
        self.assertIn("File too large", lines[0])
        return lines[0]

    def test_no_room_for_the_first_checkpoint(self):
        out = self.dir / "out"
        line = self.ended(self.start(out, FULL))
        self.assertIn("step 1", line)
        self.assertIn("no checkpoint was written yet", line)
        self.assertEqual([p.name for p in out.glob("*.tmp-*")], [], "half a checkpoint stayed")
        self.finishes_as_undisturbed(out)

    def test_full_after_some_checkpoints(self):
        out = self.dir / "out"
        process = self.start(out)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + 60
        while not (out / "checkpoint-2" / "trainer_state.json").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FULL, FULL))
        line = self.ended(process)
        self.assertIn("the last good checkpoint is", line)
        last = max(int(p.name.partition("-")[2]) for p in out.glob("checkpoint-*") if p.name.count("-") == 1)
        self.assertTrue(line.endswith(f"checkpoint-{last}"), line)
        self.assertLess(last, 30)
        self.ok("inspect", out / f"checkpoint-{last}")
        self.finishes_as_undisturbed(out, "--resume")

    def finishes_as_undisturbed(self, out, *more):
        self.ok("train", "sft", self.recipe, "--out", out, *more)
        self.ok("train", "sft", self.recipe, "--out", self.dir / "undisturbed")
        for name in ("final/model.safetensors", "checkpoint-30/trainer_state.safetensors"):
            self.assertEqual((out / name).read_bytes(), (self.dir / "undisturbed" / name).read_bytes(), name)


if __name__ == "__main__":
    harness.main()
