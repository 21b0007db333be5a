#!/usr/bin/env python3
"""Four megabytes of mixed text through `circuitdiff tokenize` and through Hugging Face tokenizers, one thread each, in turns.

    tokenizers_speed.py PROGRAM FOLDER [FOLDER..] [--rounds N] [--texts FILE.jsonl] [--json FILE]

FOLDER: a checkpoint or any folder with tokenizer.json. --texts: rows with "question"; without it the shipped questions, prose and code
of this repository, and lines of other scripts. Ours is timed as a process less one that reads a single line (start and loading), medians of the rounds; theirs
inside Python, loading left out; special tokens are not added on either side. Every id is compared. Needs the package tokenizers.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer, __version__ as tokenizers_version  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from result_row import ResultFile, add_json_option  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPTS = ["Быстрая коричневая лиса прыгает через ленивую собаку, и так 1234 раза.", "敏捷的棕色狐狸跳过了懒狗。计算 12 × 34 等于多少？", "すばやい茶色の狐がのろまな犬を飛び越える。",
           "الثعلب البني السريع يقفز فوق الكلب الكسول", "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है", "🦊➡️🐶 naïve café — “quoted” … x²+y²≤z²  \t tabs"]


def mixed_text(texts, size=4 << 20):
    lines = []
    if texts:
        lines += [json.loads(line)["question"] for line in open(texts, encoding="utf-8")]
    else:
        lines += [json.loads(line)["question"] for line in open(ROOT / "data/arithmetic_analysis.jsonl", encoding="utf-8")]
    for name in ["README.md", "docs/spec.md", "docs/training.md", "src/tokenizer/tokenizer.cpp", "tests/jinja/differential.py"]:
        lines += [block for block in (ROOT / name).read_text(encoding="utf-8").split("\n\n") if block.strip()]
    lines += SCRIPTS * 40
    out, total, i = [], 0, 0
    while total < size:
        out.append(lines[(i * 7919) % len(lines)])
        total += len(out[-1].encode())
        i += 1
    return out, total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts")
    add_json_option(parser)
    args = parser.parse_args()
    lines, size = mixed_text(args.texts)
    rows = "".join(json.dumps({"text": line}) + "\n" for line in lines).encode()
    one = json.dumps({"text": "one"}).encode() + b"\n"
    print(f"{len(lines)} texts, {size / 1e6:.2f} MB")
    results = ResultFile(args.json)
    for folder in args.folders:
        peer = Tokenizer.from_file(str(folder / "tokenizer.json"))

        def ours(data):
            begun = time.perf_counter()
            done = subprocess.run([args.program, "tokenize", folder, "--no-special"], input=data, capture_output=True, check=True)
            return time.perf_counter() - begun, done.stdout

        whole, start, theirs = [], [], []
        for _ in range(args.rounds):
            seconds, out = ours(rows)
            whole.append(seconds)
            start.append(ours(one)[0])
            begun = time.perf_counter()
            wanted = [peer.encode(line, add_special_tokens=False).ids for line in lines]
            theirs.append(time.perf_counter() - begun)
        mine = statistics.median(whole) - statistics.median(start)
        found = [json.loads(line)["ids"] for line in out.splitlines()]
        differ = sum(a != b for a, b in zip(found, wanted, strict=True))
        peer_seconds = statistics.median(theirs)
        mb = size / 1e6
        results.add("tokenizers", folder.name, "MB/s", [mb / (a - b) for a, b in zip(whole, start)], f"tokenizers {tokenizers_version}",
                    [mb / t for t in theirs], [t / (a - b) for a, b, t in zip(whole, start, theirs)])
        print(f"{folder.name:31} {size / 1e6 / mine:6.1f} MB/s against {size / 1e6 / peer_seconds:5.2f} MB/s: x{peer_seconds / mine:.1f}, "
              f"{sum(map(len, wanted))} tokens, {differ} texts differ", flush=True)


if __name__ == "__main__":
    main()
