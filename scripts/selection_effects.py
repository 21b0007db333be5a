#!/usr/bin/env python3
"""What a comparison owes to how its questions were chosen: the four outcomes of a pair, and every metric's change under each
grader and filter.

    selection_effects.py RUN DATA [PAIR ...] [--alpha A] [--n-pairs N] [--program P]

RUN is the folder of a finished `circuitdiff run`, PAIR its pairs (all that were asked DATA if none is named); its answers are graded again
(our verdicts, the harness's), selected under each filter, attributed and compared below RUN/selection. A selection of the same
questions with the same cut is attributed once. Python's standard library only. Printed as Markdown.
"""
import argparse
import json
import pathlib
import subprocess
import sys

GRADERS = {"ours": "none", "harness": "harness"}
FILTERS = ("both", "paper", "code")
METRICS = ("act_intensity", "info_complexity_fixed", "dist_kurtosis", "diversity", "node_entropy", "gini", "mean_loss",
           "intensity_per_error")


def rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def shown(value, digits=3):
    return "" if value is None else f"{value:.{digits}g}"


class Effects:
    def __init__(self, options, pair):
        self.program, self.alpha, self.n_pairs = options.program, options.alpha, options.n_pairs
        self.out = options.run / "selection" / pair["name"] / options.data
        self.out.mkdir(parents=True, exist_ok=True)
        self.metrics = {}  # of each selection already attributed
        self.models = {side: pathlib.Path(pair[side]) for side in ("before", "after")}
        self.answers = {side: options.run / "generate" / model.name / f"{options.data}.jsonl" for side, model in self.models.items()}

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"circuitdiff {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def grade(self):
        for grader, compat in GRADERS.items():
            for side, path in self.answers.items():
                self.run("grade", path, "--compat", compat, "--out", self.graded(grader, side))

    def graded(self, grader, side):
        return self.out / f"{grader}-{side}.jsonl"

    def outcomes(self, header):
        print("| outcome | questions | tokens before | tokens after | nats a token before | nats a token after |\n|---|---|---|---|---|---|")
        for name, row in header["outcomes"].items():
            cells = [shown(x) for x in (*row["mean_tokens"], *row["mean_nll"])]
            print(f"| {name} | {row['questions']} | " + " | ".join(cells) + " |")

    def compared(self, grader, kind):
        folder = self.out / f"{grader}-{kind}"
        self.run("select", "--before", self.graded(grader, "before"), "--after", self.graded(grader, "after"), "--filter", kind,
                 "--n-pairs", self.n_pairs, "--out", folder / "pairs.jsonl")
        header, *drawn = rows(folder / "pairs.jsonl")
        ids = tuple(row["id"] for row in drawn)
        key = header["header"]["t_mean"], ids  # the mean length decides where answers are cut
        if key not in self.metrics:
            self.metrics[key] = self.attributed(folder)
        return header["header"], set(ids), self.metrics[key]

    def attributed(self, folder):
        for side, model in self.models.items():
            self.run("attribute", model, "--pairs", folder / "pairs.jsonl", "--side", side, "--alpha", self.alpha, "--out",
                     folder / side, "--overwrite")
        scores = f"scores.alpha-{self.alpha}.safetensors"
        return json.loads(self.run("compare", "--before", folder / "before" / scores, "--after", folder / "after" / scores, "--out",
                                   folder / "compare", "--json"))["metrics"]

    def selections(self):
        found = {(g, f): self.compared(g, f) for g in GRADERS for f in FILTERS}
        self.outcomes(found["ours", "both"][0])
        reference = found["ours", "both"][1]
        print("\n| grader | filter | right on both sides | kept | drawn | of those of ours, both | "
              + " | ".join(METRICS) + " |\n|" + "---|" * (6 + len(METRICS)))
        for (grader, kind), (header, ids, metrics) in found.items():
            counts = header["counts"]
            cells = []
            for name in METRICS:
                m = metrics[name]
                low, high = m["ci95"] or (None, None)
                cells.append(shown(m["difference"]) + (f" [{shown(low, 2)}, {shown(high, 2)}]" if low is not None else ""))
            print(f"| {grader} | {kind} | {counts['both-right']} | {counts['kept']} | {len(ids)} | {len(ids & reference)} | "
                  + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("data")
    parser.add_argument("pair", nargs="*")
    parser.add_argument("--alpha", default="0.5")
    parser.add_argument("--n-pairs", default="100")
    parser.add_argument("--program", default="build/circuitdiff")
    options = parser.parse_args()
    pairs = json.loads((options.run / "experiment.json").read_text())["pairs"]
    pairs = [pair for pair in pairs if options.data in pair.get("data", [options.data])]
    for name in options.pair:
        if name not in [pair["name"] for pair in pairs]:
            sys.exit(f"{options.run}: no pair {name}; {', '.join(pair['name'] for pair in pairs)} expected")
    for pair in pairs:
        if options.pair and pair["name"] not in options.pair:
            continue
        print(f"\n### {pair['name']}, {options.data}\n")
        effects = Effects(options, pair)
        effects.grade()
        effects.selections()


if __name__ == "__main__":
    main()
