"""What the command-line tests share: running the program, reading and writing its files, checking one error line.

Only Python's standard library. Each test file is a script: `CIRCUITDIFF=build/circuitdiff python3 x_test.py`.
"""
import collections
import contextlib
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = pathlib.Path(os.environ.get("CIRCUITDIFF", ROOT / "build" / "circuitdiff")).resolve()
GOLDEN = ROOT / "tests" / "golden" / "models"

MODELS = ROOT / "models"
QUESTIONS = ROOT / "data" / "arithmetic_analysis.jsonl"
TEST_QUESTIONS = ROOT / "data" / "arithmetic_test.jsonl"

Result = collections.namedtuple("Result", "code out err seconds")


def environment():
    """This process's environment without what would change the program's behaviour."""
    return {k: v for k, v in os.environ.items() if not k.startswith("CIRCUITDIFF_")}


def run(*arguments, stdin=None, timeout=120, cwd=None, env=None):
    """Runs the program to its end. A program that a signal killed has a negative code."""
    begun = time.monotonic()
    done = subprocess.run([str(PROGRAM), *map(str, arguments)], input=stdin, capture_output=True, timeout=timeout,
                          cwd=cwd, env=env or environment())
    return Result(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"),
                  time.monotonic() - begun)


def start(*arguments, cwd=None):
    """Starts the program; the caller waits for it or kills it."""
    return subprocess.Popen([str(PROGRAM), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, cwd=cwd, env=environment())


def kill_after(seconds, *arguments):
    """Starts the program and kills it with SIGKILL after so many seconds; returns whether it was still running."""
    process = start(*arguments)
    try:
        process.communicate(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True


def error_line(result):
    """The one line that begins with `error:`, without progress; None if there is not exactly one."""
    lines = [line for line in result.err.splitlines() if line.strip()]
    return lines[0] if len(lines) == 1 and lines[0].startswith("error: ") else None


def first_lines(source, count, path):
    """A file of the first `count` lines of another."""
    with open(source, encoding="utf-8") as lines:
        pathlib.Path(path).write_text("".join(line for line, _ in zip(lines, range(count))), encoding="utf-8")
    return pathlib.Path(path)


def write_rows(path, rows):
    pathlib.Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return pathlib.Path(path)


def read_rows(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()]


FORMATS = {"F64": "d", "F32": "f", "I64": "q", "I32": "i", "U8": "B"}
Tensor = collections.namedtuple("Tensor", "shape values")


def read_safetensors(path):
    """{name: Tensor}, metadata. Values are flat tuples in row-major order."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        code = FORMATS[entry["dtype"]]
        values = struct.unpack(f"<{(end - begin) // struct.calcsize(code)}{code}", data[8 + size + begin:8 + size + end])
        tensors[name] = Tensor(entry["shape"], values)
    return tensors, metadata


def write_safetensors(path, tensors, metadata=None):
    """tensors: {name: (dtype, shape, values)}."""
    header, blob = {"__metadata__": metadata or {}}, b""
    for name, (dtype, shape, values) in tensors.items():
        packed = struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(blob), len(blob) + len(packed)]}
        blob += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + blob)
    return pathlib.Path(path)


def largest_difference(found, wanted):
    """Largest abs(found - wanted) over the largest abs(wanted); infinite where a value is not a number."""
    scale = max(map(abs, wanted)) or 1.0
    worst = 0.0
    for a, b in zip(found, wanted, strict=True):
        difference = abs(a - b)
        if not difference <= worst:  # also where it is NaN
            worst = difference if difference == difference else float("inf")
    return worst / scale


def tree(folder, leave_out=()):
    """{relative path: bytes} of a folder; not locks and manifests, which tell who worked and how long."""
    folder = pathlib.Path(folder)
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file() and p.name not in leave_out and not p.name.endswith((".lock", "manifest.json"))}


class Case(unittest.TestCase):
    """A test with a folder of its own, and assertions on how the program ends."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="circuitdiff-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def ok(self, *arguments, **keywords):
        result = run(*arguments, **keywords)
        self.assertEqual(result.code, 0, f"circuitdiff {' '.join(map(str, arguments))}\n{result.err}")
        return result

    def refused(self, code, parts, *arguments, **keywords):
        """The program ends with `code` and one line on stderr that holds every one of `parts`."""
        result = run(*arguments, **keywords)
        shown = f"circuitdiff {' '.join(map(str, arguments))}\nexit code {result.code}, stderr:\n{result.err}"
        self.assertEqual(result.code, code, shown)
        line = error_line(result)
        self.assertIsNotNone(line, "not exactly one line `error: ...`: " + shown)
        for part in [parts] if isinstance(parts, str) else parts:
            self.assertIn(part, line, shown)
        return line


def main():
    if not PROGRAM.exists():
        sys.exit(f"no program at {PROGRAM}; name it in CIRCUITDIFF")
    unittest.main(verbosity=1)
