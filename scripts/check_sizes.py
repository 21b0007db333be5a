"""Holds files and functions of the program to a size that is read in one sitting. scripts/check_layers.py runs this.

Read: src/ and apps/. A file may have 400 lines, a function 80. universal-ctags says where a function begins and ends; without it
nothing is known, which is a breach of its own. What is left out: tests, and lambdas, which are counted with the function that
they stand in.
"""
import json
import pathlib
import shutil
import subprocess

LINES_OF_FILE = 400
LINES_OF_FUNCTION = 80
SUFFIXES = {".h", ".cpp", ".cu", ".js", ".css", ".html"}

# Functions that are a table: a list of rows, or a switch with some lines a case, which gets no clearer in pieces.
TABLES = {
    "units.cpp::unit_patterns": "the harness's list of units, a line each",
    "torch_pickle.cpp::step": "a switch with a case an instruction of pickle",
}

# Larger than they should be today. No line may be added; who cuts one takes its line out.
TO_BE_CUT = {
    "filters_sequence.cpp", "lexer.cpp", "objects.cpp", "operators.cpp", "parser_expression.cpp",
    "text.cpp", "text_methods.cpp", "value.cpp",
    "evaluate.cpp::evaluate", "format_braces.cpp::format_value", "format_percent.cpp::format_percent",
    "interpreter.cpp::run_statement", "lexer.cpp::unescape",
}


def functions_of(files):
    """(file, first line, last line, name) of each function."""
    command = ["ctags", "--output-format=json", "--languages=C++", "--map-C++=+.cu", "--kinds-C++=f", "--fields=+ne", "-f", "-",
               "-L", "-"]
    tags = subprocess.run(command, input="\n".join(map(str, files)), capture_output=True, text=True, check=True).stdout
    for tag in map(json.loads, tags.splitlines()):
        if tag["_type"] == "tag" and "end" in tag and not tag["name"].startswith("__anon"):
            yield pathlib.Path(tag["path"]), tag["line"], tag["end"], tag["name"]


def has_universal_ctags():
    return bool(shutil.which("ctags")) and "Universal Ctags" in subprocess.run(
        ["ctags", "--version"], capture_output=True, text=True, check=False).stdout


def breaches(root, pardoned=frozenset(TO_BE_CUT), tables=TABLES):
    files = [file for top in ("src", "apps") for file in sorted((root / top).rglob("*"))
             if file.suffix in SUFFIXES and file.is_file()]
    for file in files:
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > LINES_OF_FILE and file.name not in pardoned:
            yield f"{file.relative_to(root)}: {lines} lines; a file has {LINES_OF_FILE} at most"
    if files and not has_universal_ctags():
        yield "the lengths of functions are not known without universal-ctags (apt-get install universal-ctags)"
        return
    for file, first, last, name in functions_of([f for f in files if f.suffix in {".h", ".cpp", ".cu"}]):
        short = f"{file.name}::{name}"
        if last - first + 1 > LINES_OF_FUNCTION and short not in pardoned and short not in tables:
            yield (f"{file.relative_to(root)}:{first}: {name} has {last - first + 1} lines; a function that is no table has "
                   f"{LINES_OF_FUNCTION} at most")


def function(name, lines):
    return f"int {name}(int x) {{\n" + "  ++x;\n" * (lines - 3) + "  return x;\n}\n"


# file, its text, a part of the message that has to come (None: allowed)
PLANTED = [
    ("src/io/json.cpp", "// a line\n" * 400, None),
    ("src/io/json.cpp", "// a line\n" * 401, "src/io/json.cpp: 401 lines; a file has 400 at most"),
    ("apps/circuitdiff/main.cpp", "// a line\n" * 401, "apps/circuitdiff/main.cpp: 401 lines"),
    ("src/report/page.js", "// a line\n" * 401, "src/report/page.js: 401 lines"),
    ("tests/io/json_test.cpp", "// a line\n" * 401, None),
    ("src/io/json.cpp", function("small", 80), None),
    ("src/io/json.cpp", "//\n" + function("long_one", 81), "src/io/json.cpp:2: long_one has 81 lines"),
    ("src/io/json.h", "struct S {\n" + function("inside", 81) + "};\n", "src/io/json.h:2: inside has 81 lines"),
    ("src/grade/harness/units.cpp", function("unit_patterns", 100), None),
    ("src/grade/harness.cpp", function("unit_patterns", 100), "unit_patterns has 100 lines"),
]
