#!/usr/bin/env python3
"""docs/benchmarks.md from bench/results/*.jsonl, the rows that the benchmarks append with --json FILE.

    render_benchmarks.py            writes docs/benchmarks.md
    render_benchmarks.py --check    says whether it is what the rows give; exit 1 if not
    render_benchmarks.py --self-test

A row is {topic, what, command, machine, commit, unit, median, least, most, runs, peer, peer_median, ratio, ratio_least,
ratio_most}; figures that are not known are left out. Where several rows have one topic, what, machine and peer, the last is
shown. Left out: the words of a topic, which stand below.
"""
import json
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/benchmarks.md"
NEEDED = ("topic", "what", "command", "machine", "commit", "unit")
KNOWN = {*NEEDED, "median", "least", "most", "runs", "peer", "peer_median", "ratio", "ratio_least", "ratio_most"}
FIGURES = KNOWN - {*NEEDED, "peer"}

HEAD = """# Benchmarks

Rendered by `scripts/render_benchmarks.py` from `bench/results`: a figure is changed by a new row there. The benchmarks append
rows to a file (`--json FILE`); `make bench` runs some and writes theirs to `build/bench-results.jsonl`. "measured" is the median of the runs, [least, most] of them
where known, or the best; wall time unless a row says otherwise. "ratio" is ours over the peer's: of seconds and bytes less is
better, of rates more. A commit names the program that was measured. Intel's 6/207 is Emerald Rapids; shapes are those of
`bench/random_checkpoint.py`.
"""
TOPICS = {
    "attribution-cpu": ("Attribution on CPUs", """float32, two threads, eap on random weights. The peer "at::matmul alone" is the forward pass and the
input gradient of every linear map, and lm_head on the answer's rows, which no method can avoid. Where a row has only a ratio, it
is the median of pairs of runs, one behind the other. How the cost grows: [attribution-cost.svg](attribution-cost.svg)."""),
    "attribution-gpu": ("Attribution on GPUs", """bfloat16. The ratio to a matrix product of 8192 is the share of its operations a second; what is computed
twice, attention itself and everything elementwise count as nothing."""),
    "memory": ("Memory", ""),
    "generation": ("Generation", ""),
    "tokenizers": ("Tokenizers", """One thread, 4.2 MB of mixed text; every id is the same. Ours reads and writes JSON lines in that time."""),
    "grading": ("Grading", ""),
    "training": ("Training", ""),
    "whole-runs": ("Whole runs", ""),
}


def rows_of(folder):
    """The rows of all files, with file and line for messages."""
    for file in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            where = f"{file.name}:{number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                sys.exit(f"error: {where}: {error}")
            if missing := [field for field in NEEDED if not row.get(field)]:
                sys.exit(f"error: {where}: {missing[0]} is missing")
            if unknown := sorted(set(row) - KNOWN):
                sys.exit(f"error: {where}: {unknown[0]} is not a field of a row")
            if wrong := [f for f in FIGURES & set(row) if not isinstance(row[f], (int, float)) or row[f] < 0]:
                sys.exit(f"error: {where}: {wrong[0]} is no figure")
            if row["topic"] not in TOPICS:
                sys.exit(f"error: {where}: {row['topic']} is not a topic (they are: {', '.join(TOPICS)})")
            yield row


def number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def with_range(row, middle, least, most):
    """"1.42 [1.33, 1.58]", or what of it is known: "1.26 to 1.38", "best 1.98"."""
    known = [number(row[key]) for key in (least, most) if key in row]
    if middle in row:
        return number(row[middle]) + (f" [{', '.join(known)}]" if known else "")
    return " to ".join(known) if len(known) == 2 else f"best {known[0]}" if known else ""


def line(row):
    measured = with_range(row, "median", "least", "most")
    if measured:
        measured += f" {row['unit']}" + (f", {row['runs']} runs" if row.get("runs", 1) > 1 else "")
    peer = row.get("peer", "") + (f": {number(row['peer_median'])}" if "peer_median" in row else "")
    cells = [row["what"], f"`{row['command']}`", row["machine"], row["commit"], measured, peer,
             with_range(row, "ratio", "ratio_least", "ratio_most")]
    return "| " + " | ".join(cells) + " |"


def page(rows):
    shown = {}
    for row in rows:
        key = (row["topic"], row["what"], row["machine"], row.get("peer"))
        shown.pop(key, None)
        shown[key] = row
    out = [HEAD]
    for topic, (title, words) in TOPICS.items():
        found = [line(row) for key, row in shown.items() if key[0] == topic]
        if found:
            out.append(f"## {title}\n" + (f"\n{words}\n" if words else ""))
            out.append("| what | command | machine | commit | measured | peer | ratio |\n|---|---|---|---|---|---|---|")
            out.append("\n".join(found) + "\n")
    return "\n".join(out)


ROW = {"topic": "memory", "what": "a model", "command": "bench", "machine": "M", "commit": "abc", "unit": "MiB"}
# rows, and a part of the page or of the error that has to come
PLANTED = [
    ([{**ROW, "median": 1234.5, "least": 1.2345, "most": 3, "runs": 3}], "| a model | `bench` | M | abc | 1,234 [1.23, 3] MiB, 3 runs |  |  |"),
    ([{**ROW, "least": 2, "peer": "p", "peer_median": 4, "ratio": 0.5}], "| best 2 MiB | p: 4 | 0.5 |"),
    ([{**ROW, "median": 1}, {**ROW, "median": 2}], "| 2 MiB |"),
    ([{**ROW, "topic": "colour"}], "colour is not a topic"),
    ([{**ROW, "commit": ""}], "a.jsonl:1: commit is missing"),
    ([ROW, {**ROW, "mean": 1}], "a.jsonl:2: mean is not a field"),
    ([{**ROW, "ratio": "2"}], "ratio is no figure"),
]


def self_test():
    for rows, wanted in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            try:
                found = page(rows_of(pathlib.Path(folder)))
            except SystemExit as error:
                found = str(error)
        if wanted not in found or found.count("| a model |") > 1:
            sys.exit(f"wanted {wanted}, found {found}")


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    text = page(rows_of(ROOT / "bench/results"))
    if arguments == ["--check"]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            sys.exit("error: docs/benchmarks.md is not what bench/results gives; run scripts/render_benchmarks.py")
        return
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
