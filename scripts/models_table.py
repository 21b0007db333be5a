#!/usr/bin/env python3
"""Accuracies of the models that scripts/models.sh has trained, as Markdown: each answers its domain's held-out questions greedily.

    models_table.py PROGRAM RUNS [SEED..]        RUNS/seed-N/KIND/final

Gains are over the start model, and over its continued supervision, of the same seed, in points with a 95 % interval over questions (of
each, the mean over seeds).
Answers are kept in RUNS/answers. Python's standard library only.
"""
import json
import math
import pathlib
import subprocess
import sys

DOMAINS = {"arithmetic": ("", "46"), "sorting": ("sorting-", "64")}
KINDS = ("sft", "sft-continued", "dpo", "ppo", "online-dpo", "grpo", "grpo-t0.6", "grpo-t1.4", "grpo-random", "grpo-format", "grpo-inverted")


def rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def answers(program, runs, seed, name, domain, tokens):
    """{id: right} on the held-out questions, or None where the model is not there."""
    model = runs / f"seed-{seed}" / name / "final"
    if not model.exists():
        return None
    out = runs / "answers" / f"seed-{seed}" / f"{name}.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    for command in (["generate", model, "--data", f"data/{domain}_test.jsonl", "--dataset", "generic", "--chat", "--max-new-tokens",
                     tokens, "--out", out], ["grade", out, "--out", out.with_suffix(".graded.jsonl")]):
        done = subprocess.run([program, *map(str, command), "--quiet"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr.strip())
    return {row["id"]: bool(row["correct"]) for row in rows(out.with_suffix(".graded.jsonl"))}


def percent(values):
    values = list(values)
    return f"{100 * sum(values) / len(values):.1f}"


def gain(of_seed, than, levels):
    """Points by which answers are right more often than those of the same seed's other model; empty where there are none."""
    both = [s for s in of_seed if s in than]
    if not both:
        return ""
    d = [sum(of_seed[s][q] - than[s][q] for s in both) / len(both) for q in levels]
    mean = sum(d) / len(d)
    error = 1.96 * math.sqrt(sum((x - mean) ** 2 for x in d) / (len(d) - 1) / len(d))
    return f"{100 * mean:+.1f} [{100 * (mean - error):.1f}, {100 * (mean + error):.1f}]"


def main():
    program, runs, seeds = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:] or ["1"]
    for domain, (prefix, tokens) in DOMAINS.items():
        levels = {row["id"]: row["level"] for row in rows(f"data/{domain}_test.jsonl")}
        found = {kind: {s: a for s in seeds if (a := answers(program, runs, s, prefix + kind, domain, tokens))} for kind in KINDS}
        if not any(found.values()):
            continue
        print(f"\n{domain}: accuracy on {len(levels)} held-out questions, %\n")
        print("| trained by | " + " | ".join(f"seed {s}" for s in seeds) + " | mean | easy / medium / hard | over its start | over sft-continued |")
        print("|---" * (len(seeds) + 5) + "|")
        for kind, of_seed in found.items():
            if not of_seed:
                continue
            cells = [percent(of_seed[s].values()) if s in of_seed else "" for s in seeds]
            every = [right for a in of_seed.values() for right in a.values()]
            by_level = " / ".join(percent(a[q] for a in of_seed.values() for q in a if levels[q] == level) for level in (0, 1, 2))
            gains = [gain(of_seed, found[other], levels) if other != kind and kind != "sft" else "" for other in ("sft", "sft-continued")]
            print(f"| {kind} | " + " | ".join(cells) + f" | {percent(every)} | {by_level} | " + " | ".join(gains) + " |")


if __name__ == "__main__":
    main()
