#!/usr/bin/env python3
"""Holds the includes to the picture of who may call whom (src/README.md).

    check_layers.py [ROOT]      one line a breach; exit 1 if there is any
    check_layers.py --self-test plants one breach after another in an empty folder; each must be caught

Read: every #include in src/, apps/ and tests/, the DEPS of every add_room(), and the types that headers of src/ define: two
of one name in the one flat namespace would be one type to the linker, whatever their members. To change an arrow, change the
table below and say why in the commit. What files say of the documents is held to the documents' headings (check_anchors.py), and
files and functions to a size (check_sizes.py).
What is left out: whether an allowed call is a good idea.
"""
import pathlib
import re
import sys
import tempfile

import check_anchors
import check_sizes

# A room may include itself, the rooms named here, and what those may include.
ROOMS = {
    "base": [],
    "formula": ["base"],
    "statistics": ["base"],
    "io": ["base"],
    "records": ["io"],
    # Without torch, so that their tests build and run in seconds.
    "graph": ["records"],
    "grade": ["records", "formula", "statistics"],
    "select": ["records"],
    "data": ["records"],
    "metrics": ["records", "graph", "statistics"],
    "report": ["records", "graph"],
    "exchange": ["records", "graph"],
    "tokenizer": ["io"],
    "jinja": ["io"],
    "checkpoint": ["io", "graph"],
    # Torch from here on.
    "kernels": ["base"],
    "model": ["checkpoint", "graph", "kernels"],
    "generate": ["model", "records", "tokenizer", "jinja"],
    "attribute": ["model", "graph", "records"],
    "train": ["model", "generate", "grade", "tokenizer", "jinja", "data", "records", "statistics"],
    "run": ["generate", "grade", "select", "attribute", "metrics", "report", "train", "data", "statistics"],
}
TORCH_ROOMS = {"kernels", "model", "generate", "attribute", "train"}
TORCH_HEADER = re.compile(r"(ATen|torch|c10)/")
# One file that includes it takes 25 s to compile; the narrow ATen/ops headers take 7.
TOO_WIDE = {"torch/torch.h", "torch/all.h", "ATen/ATen.h", "torch/extension.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
ADD_ROOM = re.compile(r"add_room\(\s*(\w+)([^)]*)\)")

NAMESPACE = re.compile(r"^namespace ([\w:]+)", re.MULTILINE)
TYPE = re.compile(r"^(?:struct|class|enum|enum class|union) (\w+)(?: final)?(?: *:(?!:)[^{;]*)? *\{", re.MULTILINE)
TEMPLATED = re.compile(r"template *<[^>]*>\s*$")


def closure(room):
    """The room itself and everything it may include."""
    seen, todo = set(), [room]
    while todo:
        here = todo.pop()
        if here not in seen:
            seen.add(here)
            todo += ROOMS[here]
    return seen


def reach_of(path):
    """(rooms a file may include, whether it may include torch), None for a file under no rule."""
    top, *rest = path.parts
    if top == "apps":
        return set(ROOMS), True
    if len(rest) < 2:
        return None
    if top == "tests" and rest[0] not in ROOMS:  # support, cli: what a test may need
        return set(ROOMS), True
    if rest[0] not in ROOMS:
        return set(), False
    return closure(rest[0]), rest[0] in TORCH_ROOMS


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_file(path, text):
    reach = reach_of(path)
    if reach is None:
        return
    rooms, torch = reach
    if path.parts[0] == "src" and path.parts[1] not in ROOMS:
        yield f"{path}: the room {path.parts[1]} is not in the table of scripts/check_layers.py"
        return
    for found in INCLUDE.finditer(text):
        header, where = found[2], f"{path}:{line_of(text, found.start())}"
        if header in TOO_WIDE:
            yield f"{where}: {header} is too wide; include the single headers of ATen/ that are used"
        elif TORCH_HEADER.match(header):
            if not torch:
                yield f"{where}: {path.parts[1]} is a room without torch and includes {header}"
        elif found[1] == '"':
            room = header.split("/")[0]
            if room in ROOMS and room not in rooms:
                yield f"{where}: {path.parts[1]} may not include {header} (it may: {' '.join(sorted(rooms))})"
            elif path.parts[0] == "src" and "/" not in header:
                yield f'{where}: "{header}" is named without its room'
            elif path.parts[0] == "src" and room not in ROOMS and not header.startswith("nlohmann/"):
                yield f"{where}: {header}: no such room"


# What a decoder layer is made of is called by the one layer alone, and by the CPU decoder, whose answers must not depend
# on the batch. The kernels' own room and the tests are free.
LAYER_WORK = re.compile(r"\b((?:rms_norm|swiglu|tiled_attention|causal_attention)(?:_backward)?|rope_in_place)\(")
LAYER_FILES = re.compile(r"src/(kernels/.*|model/layer\.(h|cpp)|model/tiled_attention\.(h|cpp)|generate/cpu_engine\.(h|cpp))$")


def check_layer_work(path, text):
    if path.parts[0] != "src" or LAYER_FILES.match(path.as_posix()):
        return
    for found in LAYER_WORK.finditer(re.sub(r"//.*", lambda comment: " " * len(comment[0]), text)):
        yield f"{path}:{line_of(text, found.start())}: {found[1]}() is called outside model/layer.h, where the one decoder layer is"


def check_cmake(path, text):
    for found in ADD_ROOM.finditer(text):
        room = found[1]
        if room not in ROOMS:
            yield f"{path}: the room {room} is not in the table of scripts/check_layers.py"
            continue
        words = re.sub(r"#.*", "", found[2]).split()
        for dep in words[words.index("DEPS") + 1:] if "DEPS" in words else []:
            if dep in ROOMS and dep not in closure(room):
                yield f"{path}: {room} may not link {dep}"
            if dep.startswith("torch::") and room not in TORCH_ROOMS:
                yield f"{path}: {room} is a room without torch and links {dep}"


def check_names(root):
    first = {}
    for file in sorted((root / "src").rglob("*.h")):
        path, text = file.relative_to(root), file.read_text(encoding="utf-8")
        spaces = NAMESPACE.findall(text)
        for found in TYPE.finditer(text):
            if TEMPLATED.search(text, 0, found.start()):  # a specialisation, or a template: not one name twice
                continue
            name = f"{spaces[0] if spaces else ''}::{found[1]}"
            where = f"{path}:{line_of(text, found.start())}"
            if name in first:
                yield f"{where}: {found[1]} is the name of another type, at {first[name]}"
            first.setdefault(name, where)


def breaches(root):
    yield from check_names(root)
    yield from check_anchors.breaches(root)
    yield from check_sizes.breaches(root)
    for top in ("src", "apps", "tests"):
        for file in sorted((root / top).rglob("*")):
            path = file.relative_to(root)
            if file.suffix in (".h", ".cpp"):
                text = file.read_text(encoding="utf-8")
                yield from check_file(path, text)
                yield from check_layer_work(path, text)
            elif file.name == "CMakeLists.txt" and top == "src":
                yield from check_cmake(path, file.read_text(encoding="utf-8"))


# file, its text, a part of the message that has to come (None: allowed)
PLANTED = [
    ("src/io/json.cpp", '#include "base/error.h"\n', None),
    ("src/io/bad.cpp", '// up\n#include "records/pair.h"\n', "src/io/bad.cpp:2: io may not include records/pair.h"),
    ("src/metrics/intensity.cpp", "#include <ATen/core/Tensor.h>\n", "metrics is a room without torch"),
    ("src/metrics/entropy.cpp", '#include "model/decoder.h"\n', "metrics may not include model/decoder.h"),
    ("src/attribute/eap.cpp", "#include <ATen/ops/einsum.h>\n#include <c10/core/Device.h>\n", None),
    ("src/attribute/exact.cpp", '#include "generate/sample.h"\n', "attribute may not include generate/sample.h"),
    ("src/model/layers.cpp", "  #  include <torch/torch.h>\n", "src/model/layers.cpp:1: torch/torch.h is too wide"),
    ("src/model/local.cpp", '#include "layers.h"\n', '"layers.h" is named without its room'),
    ("src/helpers/string.h", "\n", "the room helpers is not in the table"),
    ("src/attribute/eap.cpp", "// rms_norm(x) is the layer's\nvoid f() {\n  swiglu(gate, up, out);\n}\n", "src/attribute/eap.cpp:3: swiglu() is called"),
    ("src/train/packed_model.cpp", "void f() { causal_attention_backward(a); }\n", "causal_attention_backward() is called outside"),
    ("src/model/layer.cpp", "void f() { rms_norm(a); }\n", None),
    ("src/generate/cpu_engine.cpp", "void f() { kernels_.rms_norm(a); }\n", None),
    ("src/run/stage.cpp", '#include "attribute/eap.h"\n#include "report/page.h"\n', None),
    ("src/run/bad.cpp", '#include "apps/cmd.h"\n', "no such room"),
    ("src/run/device.cpp", "#include <c10/core/Device.h>\n", "run is a room without torch"),
    ("apps/circuitdiff/cmd_run.cpp", '#include "run/stage.h"\n#include "cmd.h"\n', None),
    ("apps/circuitdiff/main.cpp", "#include <torch/torch.h>\n", "too wide"),
    ("tests/grade/grade_test.cpp", '#include "run/stage.h"\n', "grade may not include run/stage.h"),
    ("tests/support/tensors.h", "#include <ATen/core/Tensor.h>\n", None),
    ("src/select/CMakeLists.txt", "add_room(select SOURCES a.cpp DEPS records torch::cpu)\n", "select is a room without torch"),
    ("src/grade/CMakeLists.txt", "add_room(grade\n  SOURCES a.cpp\n  DEPS io generate)\n", "grade may not link generate"),
]

# Headers that stand together, and a part of the message that has to come.
PLANTED_NAMES = [
    ({"src/formula/verdict.h": "namespace circuitdiff {\nenum class Verdict { equal };\n}\n",
      "src/report/words.h": "namespace circuitdiff {\nstruct Verdict : Base {\n};\n}\n"}, "src/report/words.h:2: Verdict"),
    ({"src/formula/tokens.h": "namespace circuitdiff {\nstruct Token {};\n}\n",
      "src/jinja/lexer.h": "namespace circuitdiff::jinja {\nstruct Token {};\n}\n"}, None),
    ({"src/graph/graph.h": "namespace circuitdiff {\nstruct Graph;\ntemplate <>\nstruct Words<int> {\n};\n}\n",
      "src/model/decoder.h": "namespace circuitdiff {\nstruct Graph {\n};\ntemplate <>\nstruct Words<bool> {\n};\n}\n"}, None),
]


def self_test():
    failures = []
    for files, wanted in PLANTED_NAMES:
        with tempfile.TemporaryDirectory() as folder:
            for file, text in files.items():
                (pathlib.Path(folder) / file).parent.mkdir(parents=True, exist_ok=True)
                (pathlib.Path(folder) / file).write_text(text, encoding="utf-8")
            found = list(breaches(pathlib.Path(folder)))
        if (found != [] if wanted is None else not (len(found) == 1 and found[0].startswith(wanted))):
            failures.append(f"{sorted(files)}: wanted {wanted}, found {found}")
    for file, text, wanted in PLANTED + check_anchors.PLANTED + check_sizes.PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "docs").mkdir()
            (root / "docs/spec.md").write_text(check_anchors.DOCUMENT, encoding="utf-8")
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(text, encoding="utf-8")
            found = list(breaches(root))
        if wanted is None and found:
            failures.append(f"{file}: allowed, yet reported: {found}")
        if wanted is not None and not (len(found) == 1 and wanted in found[0]):
            failures.append(f"{file}: wanted one breach with \"{wanted}\", found {found}")
    for room in ROOMS:  # an arrow that closes a circle would allow everything
        if any(room in closure(below) for below in ROOMS[room]):
            failures.append(f"{room} may reach itself through the table")
    return failures


def main(arguments):
    if arguments == ["--self-test"]:
        lines = self_test()
    else:
        root = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).resolve().parent.parent
        if not (root / "src").is_dir():
            lines = [f"{root} holds no src/"]
        else:
            lines = list(breaches(root))
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
