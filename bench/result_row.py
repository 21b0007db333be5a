"""A measured figure as one row of bench/results/*.jsonl: what bench/result_row.h is to the programs, for the scripts.

    results = ResultFile(arguments.json)      arguments.json: from add_json_option(parser); None writes nothing
    results.add("tokenizers", "gpt2", "MB/s", [24.0, 23.8, 24.1], peer="tokenizers 0.22.2", peer_values=[3.6, 3.5, 3.6])
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def add_json_option(parser):
    parser.add_argument("--json", metavar="FILE", help="append the figures as rows of bench/results")


def processor_name():
    found = {}
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    name = re.sub(r"\((R|TM)\)|@.*", "", found.get("model name", "unknown"))
    return f"{name} {found.get('cpu family')}/{found.get('model')}, {os.cpu_count()} processors"


def commit():
    return subprocess.run(["git", "-C", ROOT, "describe", "--always", "--exclude", "*", "--abbrev=7", "--dirty=+"], check=True,
                          capture_output=True, text=True).stdout.strip()


def command():
    """As it was typed, without --json and its file; of paths outside this repository only the last part."""
    words = [re.sub(f"^{re.escape(str(ROOT))}/", "", word) for word in sys.argv]
    words = [pathlib.Path(word).name if word.startswith("/") else word for word in words]
    if "--json" in words:
        at = words.index("--json")
        del words[at:at + 2]
    words[0] = str(pathlib.Path(sys.argv[0]).resolve().relative_to(ROOT))
    return " ".join(words)


def put_range(row, values, median, least, most):
    values = [float(f"{value:.5g}") for value in values]
    row[median] = statistics.median(values)
    if len(values) > 1:
        row[least], row[most] = min(values), max(values)


class ResultFile:
    def __init__(self, path, words=None):
        self.path, self.words = path, words or command()

    def add(self, topic, what, unit, values, peer=None, peer_values=(), ratios=(), machine=None):
        """values: one a run. Without ratios, the ratio is that of the medians."""
        if not self.path:
            return
        row = {"topic": topic, "what": what, "command": self.words, "machine": machine or processor_name(), "commit": commit(),
               "unit": unit}
        put_range(row, values, "median", "least", "most")
        row["runs"] = len(values)
        if peer:
            row["peer"] = peer
            row["peer_median"] = float(f"{statistics.median(peer_values):.5g}")
            put_range(row, ratios or [row["median"] / row["peer_median"]], "ratio", "ratio_least", "ratio_most")
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
