#!/usr/bin/env python3
"""How often the grader agrees with verdicts given by hand and with the Qwen2.5-Math harness, by kind of answer, and how fast it is.

    grading_agreement.py PUBLIC.jsonl [--program P] [--json FILE]

PUBLIC.jsonl: rows {id, category, dataset, prediction_text, gold_raw, truth, truth_confidence, harness_equal, harness_status}.
Rows of confidence high count against `truth`, rows of status ok against `harness_equal`. Printed as Markdown.
"""
import argparse
import collections
import json
import pathlib
import resource
import subprocess
import tempfile

from result_row import ResultFile, add_json_option


def processor_seconds():
    """Of the programs that were run, so that other work on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("public", type=pathlib.Path)
    parser.add_argument("--program", default="build/circuitdiff")
    add_json_option(parser)
    options = parser.parse_args()
    results = ResultFile(options.json)
    rows = [json.loads(line) for line in options.public.read_text(encoding="utf-8").splitlines()]
    verdicts, seconds = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        answers = pathlib.Path(folder) / "answers.jsonl"
        answers.write_text("".join(json.dumps({
            "id": str(i), "sample": 0, "prompt": "", "prompt_tokens": [], "answer": row["prediction_text"], "answer_tokens": [],
            "finish_reason": "stop", "gold": row["gold_raw"], "dataset": row["dataset"], "seed": 0}) + "\n"
            for i, row in enumerate(rows)), encoding="utf-8")
        for compat in ("none", "harness"):
            out = pathlib.Path(folder) / f"{compat}.jsonl"
            begun = processor_seconds()
            subprocess.run([options.program, "grade", answers, "--compat", compat, "--out", out], check=True, capture_output=True)
            seconds[compat] = processor_seconds() - begun
            verdicts[compat] = [json.loads(line)["verdict"] for line in out.read_text(encoding="utf-8").splitlines()]

    truth = collections.defaultdict(collections.Counter)
    for row, verdict in zip(rows, verdicts["none"]):
        if row["truth_confidence"] != "high":
            continue
        kind = ("undecided" if verdict == "undecided" else "agree" if (verdict == "equal") == row["truth"]
                else "wrongly equal" if verdict == "equal" else "wrongly different")
        for group in (row["category"], "all"):
            truth[group][kind] += 1
    print("| kind of answer | rows | agree | wrongly equal | wrongly different | undecided |\n|---|---|---|---|---|---|")
    for group in sorted(truth, key=lambda g: (g == "all", g)):
        counts = truth[group]
        print(f"| {group} | {counts.total()} | {100 * counts['agree'] / counts.total():.2f} % | {counts['wrongly equal']} | "
              f"{counts['wrongly different']} | {counts['undecided']} |")
    harness = [(verdict == "equal") == row["harness_equal"] for row, verdict in zip(rows, verdicts["harness"]) if row["harness_status"] == "ok"]
    print(f"\n`--compat harness`: {sum(harness)} of {len(harness)} verdicts are the harness's ({100 * sum(harness) / len(harness):.2f} %)")
    for compat, spent in seconds.items():
        results.add("grading", f"{len(rows):,} answers, --compat {compat}, processor time", "answers a minute", [60 * len(rows) / spent])
        print(f"`--compat {compat}`: {60 * len(rows) / spent:,.0f} answers a minute of processor time, start of the program and files included")


if __name__ == "__main__":
    main()
