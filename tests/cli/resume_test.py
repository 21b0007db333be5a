"""Each long stage, killed with SIGKILL at 50 random moments and started again, ends with the bytes of an undisturbed run and
keeps what it had finished.   resume_test.py generate|sampled|attribute|run|train|train-resume
"""
import random
import shutil
import sys
import time

import harness
import stages

COUNT = {"generate": 150, "sampled": 50, "attribute": 200, "run": 60, "train": 20, "train-resume": 40}
STAGE = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in COUNT else "generate"
KILLS = 25 if STAGE in ("sampled", "train", "train-resume") else 50


class ResumeTest(harness.Case):
    def test_killed_at_random_moments(self):
        stage = stages.STAGES[STAGE](self.dir, COUNT[STAGE])
        undisturbed = self.ok(*stage.arguments())
        wanted = stage.outputs()
        self.assertTrue(wanted)
        self.forget(stage)

        draw = random.Random(20)
        kills = rounds = resumed = 0
        begun = time.monotonic()
        while kills < KILLS:
            before = stage.finished()
            # Most moments lie within the work; a few in its first instants, where files are being made.
            latest = undisturbed.seconds * draw.choice([0.1, 0.5, 1.0])
            if harness.kill_after(draw.uniform(0.0, latest), *stage.arguments()):
                kills += 1
                after = stage.finished()
                self.assertTrue(after.startswith(before), f"kill {kills}: finished rows were lost or changed")
                resumed += bool(before)
            else:
                rounds += 1
                self.compare(stage.outputs(), wanted)
                self.forget(stage)
        self.ok(*stage.arguments())
        self.compare(stage.outputs(), wanted)
        written = self.written()
        self.ok(*stage.arguments())
        self.compare(stage.outputs(), wanted)
        self.assertTrue(written)
        self.assertEqual(self.written(), written, "finished work was done again")
        print(f"{STAGE}: {kills} kills, {rounds + 1} times to the end, an undisturbed run {undisturbed.seconds:.1f} s, "
              f"all {time.monotonic() - begun:.0f} s", file=sys.stderr)

    def written(self):
        """When what a model computed was written."""
        return {p: p.stat().st_mtime_ns for pattern in ("*generations*.jsonl", "*.safetensors") for p in self.dir.rglob(pattern)}

    def forget(self, stage):
        for path in self.dir.iterdir():
            if path.name.startswith(stage.out.name) or path.name.startswith("." + stage.out.name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def compare(self, found, wanted):
        self.assertEqual(sorted(found), sorted(wanted))
        for name, data in wanted.items():
            self.assertEqual(found[name], data, f"{name} differs from the undisturbed run's")


if __name__ == "__main__":
    harness.main()
