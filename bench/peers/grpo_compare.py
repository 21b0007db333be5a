#!/usr/bin/env python3
"""Whole GRPO steps of circuitdiff against grpo_torch.py, in turns on the same machine.

    grpo_compare.py PROGRAM PYTHON_WITH_TORCH [--rounds N] [--steps N] [--threads N] [--json FILE]

Same start (models/arith-sft), 32 questions x 4 answers at temperature 1, 46 new tokens, two minibatches, groups without variance
dropped. Prints each round's median seconds a step and drawn tokens a second, and the median of the ratios.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from result_row import ResultFile, add_json_option  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RECIPE = """model = "{root}/models/arith-sft"
out = "{out}"
steps = {steps}
seeds = [1]
threads = {threads}
[data]
file = "{questions}"
batch = 32
[algorithm]
minibatches = 2
redraw = false
[optimizer]
lr = 5e-4
beta2 = 0.99
[rollout]
max_new_tokens = 46
[reward]
correct = 3
wrong = -0.5
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("python")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    add_json_option(parser)
    args = parser.parse_args()
    ratios, all_seconds = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        questions, generations = folder / "questions.jsonl", folder / "generations.jsonl"
        run = lambda *command: subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
        run(args.program, "data", "arithmetic", "--count", 600, "--seed", 77, "--out", questions)
        run(args.program, "generate", ROOT / "models/arith-sft", "--data", questions, "--max-new-tokens", 46, "--out", generations)
        for i in range(args.rounds):
            recipe = folder / "recipe.toml"
            recipe.write_text(RECIPE.format(root=ROOT, out=folder / f"out-{i}", steps=args.steps, threads=args.threads, questions=questions))
            run(args.program, "train", "dapo", recipe)
            ours = [json.loads(line) for line in (folder / f"out-{i}" / "metrics.jsonl").open()][1:]
            peer = [json.loads(line) for line in run(args.python, ROOT / "bench/peers/grpo_torch.py", ROOT / "models/arith-sft",
                    generations, "--steps", args.steps, "--threads", args.threads).splitlines()][1:]
            mine = statistics.median(r["completions/mean_length"] * 128 / r["seconds"] for r in ours)
            theirs = statistics.median(r["tokens_per_second"] for r in peer)
            ratios.append(mine / theirs)
            seconds = statistics.median(r["seconds"] for r in ours), statistics.median(r["seconds"] for r in peer)
            all_seconds.append(seconds)
            print(f"round {i + 1}: {seconds[0]:.3f} s against {seconds[1]:.3f} s a step, {mine:.0f} against {theirs:.0f} tokens a second: x{ratios[-1]:.2f}")
    print(f"median ratio x{statistics.median(ratios):.2f}")
    mine, theirs = zip(*all_seconds)
    ResultFile(args.json).add("training", f"GRPO step of the shipped model, 32 questions x 4 answers, {args.threads} thread"
                              + "s" * (args.threads > 1), "s a step", mine, "plain PyTorch", theirs,
                              [a / b for a, b in all_seconds])


if __name__ == "__main__":
    main()
