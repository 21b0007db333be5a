"""Holds what files say of the documents to what the documents have. scripts/check_layers.py runs this.

Read: every text file of the repository, for `docs/NAME.md#anchor` and, in Markdown, for links like `[..](NAME.md#anchor)`.
The file must be there, and one of its headings must have that anchor, as GitHub makes it. A reference by a section's number
is a breach too: sections have names. A source file that Markdown names in backticks must be there. What is left out:
addresses on the web, and this file, which holds bad references to be tested on.
"""
import functools
import pathlib
import re

FOLDERS = ("apps", "bench", "cmake", "data", "docs", "experiments", "models", "scripts", "src", "tests")
SUFFIXES = {".h", ".cpp", ".cu", ".py", ".sh", ".md", ".txt", ".cmake", ".toml", ".js", ".html", ".jsonl"}
LARGEST = 1 << 20  # bytes; longer files are data
NUMBERED = re.compile(r"\bSPEC\b")  # "SPEC 6": a section by its number, of no document that is here
NAMED = re.compile(r"\b(docs/[\w./-]+\.md)(?:#([\w-]+))?")
SOURCE = re.compile(r"`((?:apps|bench|cmake|scripts|src|tests)/[\w./-]+\.\w+)`")
LINK = re.compile(r"\]\(([\w./-]*\.md)?(?:#([\w-]+))?\)")


def anchors_of(text):
    """The anchors that GitHub gives a Markdown file's headings."""
    anchors, fenced = set(), False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        heading = re.match(r"#+ +(.*?)#* *$", line)
        if heading and not fenced:
            slug = re.sub(r"[^\w\- ]", "", heading[1].strip().lower()).replace(" ", "-")
            number = 0
            while (f"{slug}-{number}" if number else slug) in anchors:
                number += 1
            anchors.add(f"{slug}-{number}" if number else slug)
    return anchors


@functools.lru_cache(maxsize=None)
def anchors_at(file):
    return anchors_of(file.read_text(encoding="utf-8")) if file.is_file() else None


def texts(root):
    files = sorted(root.glob("*.md")) + [root / "Makefile"]
    for folder in FOLDERS:
        files += sorted((root / folder).rglob("*"))
    for file in files:
        if file.is_file() and file.name != "check_anchors.py" and (file.suffix in SUFFIXES or file.name == "Makefile") and file.stat().st_size < LARGEST:
            yield file, file.read_text(encoding="utf-8", errors="replace")


def references(root, file, text):
    """(offset, file meant, as it is written, anchor or None)"""
    for found in NAMED.finditer(text):
        if not text[:found.start()].endswith("/"):  # ../docs/x.md is a link's, below
            yield found.start(), root / found[1], found[1], found[2]
    if file.suffix == ".md":
        for found in LINK.finditer(text):
            if found[1] or found[2]:
                target = (file.parent / found[1]).resolve() if found[1] else file
                yield found.start(), target, found[1] or file.name, found[2]


def breaches(root):
    root = root.resolve()
    for file, text in texts(root):
        def where(offset):
            return f"{file.relative_to(root)}:{text.count(chr(10), 0, offset) + 1}"
        for found in NUMBERED.finditer(text):
            yield f"{where(found.start())}: sections have names; write docs/spec.md#anchor"
        for found in SOURCE.finditer(text) if file.suffix == ".md" else ():
            if not (root / found[1]).is_file():
                yield f"{where(found.start())}: there is no {found[1]}"
        for offset, target, written, anchor in references(root, file, text):
            anchors = anchors_at(target)
            if anchors is None:
                yield f"{where(offset)}: there is no {written}"
            elif anchor and anchor not in anchors:
                yield f"{where(offset)}: {written} has no heading with the anchor #{anchor}"


DOCUMENT = "# Definitions\n\n## Command line\n\n## Files\n\n```sh\n# not a heading\n```\n\n### `--top-edges K`, and more\n\n## Files\n"
# file, its text, a part of the message that has to come (None: allowed); docs/spec.md holds DOCUMENT.
PLANTED = [
    ("src/io/json.h", "// Rows (docs/spec.md#files), see docs/spec.md.\n", None),
    ("src/io/json.h", "//\n// Rows (docs/spec.md#rows).\n", "src/io/json.h:2: docs/spec.md has no heading with the anchor #rows"),
    ("src/io/json.h", "// Rows (docs/format.md#files).\n", "there is no docs/format.md"),
    ("src/io/json.h", "// Rows (SP" "EC 6).\n", "sections have names"),
    ("src/io/json.h", "// What SP" "EC's table says.\n", "sections have names"),
    ("tests/io/json_test.cpp", "// SP" "EC (12)\n", "tests/io/json_test.cpp:1: sections have names"),
    ("src/io/json.h", "// docs/spec.md#not-a-heading\n", "no heading"),
    ("src/io/json.h", "// docs/spec.md#command-line, docs/spec.md#--top-edges-k-and-more, docs/spec.md#files-1\n", None),
    ("docs/numerics.md", "[files](spec.md#files) and [here](#here)\n\n# Here\n", None),
    ("docs/numerics.md", "[files](spec.md#file)\n", "spec.md has no heading with the anchor #file"),
    ("docs/numerics.md", "[here](#there)\n\n# Here\n", "numerics.md has no heading with the anchor #there"),
    ("models/README.md", "[files](../docs/spec.md#files), [page](page.md)\n", "there is no page.md"),
    ("docs/numerics.md", "By products (`src/io/product.h`, see `src/io`).\n", "docs/numerics.md:1: there is no src/io/product.h"),
    ("docs/numerics.md", "As `docs/spec.md` and `scripts/*.py` say.\n", None),
    ("experiments/demo.toml", "# docs/spec.md#file\n", "no heading"),
]
