#!/usr/bin/env python3
"""What a comparison owes to how its questions were chosen: the four outcomes of a pair, and every metric's change under each
grader and filter.

    selection_effects.py RUN PAIR DATA [--alpha A] [--n-pairs N] [--program P]

RUN is the folder of a finished `circuitdiff run`; its answers are graded again (our verdicts, the harness's), selected under
each filter, attributed and compared below RUN/selection. Python's standard library only. Printed as Markdown.
"""
import argparse
import json
import pathlib
import struct
import subprocess
import sys

GRADERS = {"ours": "none", "harness": "harness"}
FILTERS = ("both", "paper", "code")
OUTCOMES = ("both-right", "both-wrong", "gained", "lost")
METRICS = ("act_intensity", "info_complexity_fixed", "dist_kurtosis", "diversity", "node_entropy", "gini", "mean_loss",
           "intensity_per_error")


def rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tensors(path):
    """{name: list of numbers} of a float32 safetensors file."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    out = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            out[name] = struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
    return out


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else None


def shown(value, digits=3):
    return "" if value is None else f"{value:.{digits}g}"


class Effects:
    def __init__(self, options):
        self.program, self.alpha, self.n_pairs = options.program, options.alpha, options.n_pairs
        self.out = options.run / "selection" / options.pair / options.data
        pair = next(p for p in json.loads((options.run / "experiment.json").read_text())["pairs"] if p["name"] == options.pair)
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

    def own_loss(self, side):
        """{id: mean NLL (nats) of the model's own whole answer}."""
        sequences = self.out / f"{side}-sequences.jsonl"
        answered = [row for row in rows(self.answers[side]) if row["answer_tokens"]]
        sequences.write_text("".join(json.dumps({"id": r["id"], "tokens": r["prompt_tokens"] + r["answer_tokens"],
                                                 "prompt_len": len(r["prompt_tokens"])}) + "\n" for r in answered))
        self.run("score", self.models[side], "--sequences", sequences, "--out", self.out / f"{side}-nll.safetensors")
        nll = tensors(self.out / f"{side}-nll.safetensors")
        return {r["id"]: mean(nll[f"nll.{i}"][len(r["prompt_tokens"]) - 1:]) for i, r in enumerate(answered)}

    def outcomes(self):
        sides = {side: {row["id"]: row for row in rows(self.graded("ours", side))} for side in ("before", "after")}
        loss = {side: self.own_loss(side) for side in sides}
        kinds = {name: [] for name in (*OUTCOMES, "undecided")}
        for key in sides["before"].keys() & sides["after"].keys():
            b, a = (sides[side][key]["correct"] for side in ("before", "after"))
            kinds["undecided" if None in (a, b) else "both-right" if a and b else "both-wrong" if not a and not b
                  else "gained" if a else "lost"].append(key)
        print("| outcome | questions | tokens before | tokens after | loss before (nats) | loss after |\n|---|---|---|---|---|---|")
        for name, keys in kinds.items():
            cells = [shown(mean(len(sides[s][k]["answer_tokens"]) for k in keys)) for s in sides]
            cells += [shown(mean(loss[s][k] for k in keys if k in loss[s])) for s in sides]
            print(f"| {name} | {len(keys)} | " + " | ".join(cells) + " |")

    def compared(self, grader, kind):
        folder = self.out / f"{grader}-{kind}"
        self.run("select", "--before", self.graded(grader, "before"), "--after", self.graded(grader, "after"), "--filter", kind,
                 "--n-pairs", self.n_pairs, "--out", folder / "pairs.jsonl")
        for side, model in self.models.items():
            self.run("attribute", model, "--pairs", folder / "pairs.jsonl", "--side", side, "--alpha", self.alpha, "--out",
                     folder / side, "--overwrite")
        scores = f"scores.alpha-{self.alpha}.safetensors"
        result = json.loads(self.run("compare", "--before", folder / "before" / scores, "--after", folder / "after" / scores, "--out",
                                     folder / "compare", "--json"))
        header, *drawn = rows(folder / "pairs.jsonl")
        return header["header"]["counts"], {row["id"] for row in drawn}, result["metrics"]

    def selections(self):
        found = {(g, f): self.compared(g, f) for g in GRADERS for f in FILTERS}
        reference = found["ours", "both"][1]
        print("\n| grader | filter | right on both sides | kept | drawn | of those of ours, both | "
              + " | ".join(METRICS) + " |\n|" + "---|" * (6 + len(METRICS)))
        for (grader, kind), (counts, ids, metrics) in found.items():
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
    parser.add_argument("pair")
    parser.add_argument("data")
    parser.add_argument("--alpha", default="0.5")
    parser.add_argument("--n-pairs", default="100")
    parser.add_argument("--program", default="build/circuitdiff")
    effects = Effects(parser.parse_args())
    effects.out.mkdir(parents=True, exist_ok=True)
    effects.grade()
    effects.outcomes()
    effects.selections()


if __name__ == "__main__":
    main()
