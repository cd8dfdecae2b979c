"""Checks the types of what readers copy: the Python blocks of the pages, the examples, and `tests/typing`.

`python docs/typecheck.py` runs mypy (strict, as `pyproject.toml` says) and pyright (strict) and prints what they find,
with page and line. It exits with 1 if they find something. The blocks of a page are one module, as in
`tests/test_docs.py`; each block of the README is a module of its own. A line that is wrong on purpose ends with
`# type: ignore[code]`: for mypy, a comment of that kind on a line that is right is an error, too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "docs" / "_build" / "typed"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+)\.py\b")
CHECKED = ("examples", "tests/typing")
"""What pyright checks besides the pages. The stage `mypy` checks these folders with everything else."""
PYRIGHT = {
    "typeCheckingMode": "strict",
    "pythonVersion": "3.11",
}


def pages() -> Iterator[Path]:
    """The pages with Python code."""
    docs = (path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
    return (path for path in sorted([*docs, ROOT / "README.md"]) if BLOCK.search(path.read_text(encoding="utf-8")))


def modules(text: str, package: str, *, alone: bool = False) -> Mapping[str, str]:
    """The modules of a page by name. Each line has the number that it has on the page.

    A block that begins with `# name.py` is the module `name`; all others are `page`, or, with `alone`, each is one. An
    import of such a module names it in `package`, where a type checker finds it.
    """
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for number, match in enumerate(BLOCK.finditer(text), start=1):
        file = FILE.match(match[1])
        name = file[1] if file else f"block{number}" if alone else "page"
        first = text.count("\n", 0, match.start(1))
        lines[name] += [""] * (first - len(lines[name])) + match[1].splitlines()
    local = "|".join(map(re.escape, lines))
    importing = re.compile(rf"^(\s*)from ({local}) import ", re.MULTILINE)
    return {
        name: importing.sub(rf"\1from {package}.\2 import ", "\n".join(each)) + "\n" for name, each in lines.items()
    }


def write(folder: Path) -> dict[Path, Path]:
    """Writes the modules of all pages below `folder`. Returns the page of each file."""
    shutil.rmtree(folder, ignore_errors=True)
    written = {}
    for page in pages():
        place = folder / re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix("")))
        place.mkdir(parents=True)
        package = ".".join(place.relative_to(ROOT).parts)
        for name, text in modules(page.read_text(encoding="utf-8"), package, alone=page.name == "README.md").items():
            file = place / f"{name}.py"
            file.write_text(text, encoding="utf-8")
            written[file] = page
    return written


def commands(folder: Path, files: Sequence[Path]) -> Iterator[list[str]]:
    """The commands that check the files, and what is checked besides."""
    config = folder / "pyrightconfig.json"
    top = os.path.relpath(ROOT, folder)  # pyright takes relative paths only
    include = [".", *(f"{top}/{each}" for each in CHECKED)]
    config.write_text(json.dumps({**PYRIGHT, "include": include, "extraPaths": [top]}), encoding="utf-8")
    yield [sys.executable, "-P", "-m", "mypy", "--no-error-summary", *map(str, files)]
    yield [sys.executable, "-P", "-m", "basedpyright", "--pythonpath", sys.executable, "--project", str(config)]


def on_pages(output: str, written: Mapping[Path, Path]) -> str:
    """The output of a checker with the names of pages in place of the files that were made from them."""
    for file, page in written.items():
        for name in (str(file), str(file.relative_to(ROOT))):
            output = output.replace(f"{name}:", f"{page.relative_to(ROOT)}:")
    return output


def main() -> int:
    """Runs both checkers at the same time. Returns 1 if one of them finds something."""
    written = write(BUILT)
    running = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands(BUILT, list(written))
    ]
    failed = 0
    for each in running:
        output, _ = each.communicate()
        if each.returncode:
            failed = 1
            sys.stdout.write(on_pages(output, written))
    return failed


if __name__ == "__main__":
    sys.exit(main())
