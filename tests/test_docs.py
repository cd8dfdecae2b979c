"""The documentation: its code runs, what it names exists, and what comes from the code is up to date.

Conventions of the pages:
- The Python blocks of a page are one script, which runs as `__main__`. A block that begins with `# name.py` is a file
  of that name instead, and so is a TOML, YAML or CSV block; the script imports and reads it.
- A console block shows commands after `$`. Their names, options and files exist, and they are carried out
  (`tests/test_console_blocks.py`).
- `` `path/to/file.py::name` `` is a function or class, in pages as in pytest.
- `<!-- generated: ... -->` begins what `python docs/generate.py` writes.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import forked

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [
        *(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
    ]
)
IDS = [str(path.relative_to(ROOT)) for path in PAGES]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILES = ("toml", "yaml", "csv", "python")
TOPS = ("actors", "supervisors", "teams")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> Iterator[tuple[str, str, int]]:
    """Language, text and first line of every fenced block."""
    text = text_of(page)
    for match in BLOCK.finditer(text):
        yield match[1], match[2], text[: match.start(2)].count("\n")


@cache
def generator() -> ModuleType:
    """`docs/generate.py` as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    return module


# Code

NEEDS = {ROOT / "docs" / "how-to" / "run-on-ray.md": "ray"}
"""What the blocks of a page need that not every installation has."""
WITH_CODE = [page for page in PAGES if page != ROOT / "README.md" and any(each[0] in FILES for each in blocks(page))]
"""The README has a test of its own: each of its blocks runs by itself."""


@pytest.mark.parametrize("page", WITH_CODE, ids=[str(page.relative_to(ROOT)) for page in WITH_CODE])
def test_every_python_block_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """A reader who pastes the blocks of a page, in order, into a script sees them work: their own assertions hold."""
    write_files(page, tmp_path)
    script = tmp_path / f"{page.stem}.py"
    script.write_text(script_of(page), encoding="utf-8")
    if page not in NEEDS:
        done = forked.run([script.name], cwd=tmp_path)
    else:  # where it is installed, what the forks begin with may not be
        pytest.importorskip(NEEDS[page], reason=f"the extra `{NEEDS[page]}` is not installed")
        own = {**os.environ, "PYTHONPATH": forked.PACKAGES}
        command = [sys.executable, script.name]
        done = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def file_of(language: str, text: str) -> str | None:
    """The name of the file that a block is."""
    found = re.match(r"# ([\w-]+\.\w+)\b.*", text)
    return found[1] if found and language in FILES else None


def write_files(page: Path, folder: Path) -> None:
    """Writes the blocks of a page that are files."""
    for language, text, _ in blocks(page):
        if name := file_of(language, text):
            (folder / name).write_text(text, encoding="utf-8")


def script_of(page: Path) -> str:
    """The Python blocks of a page that are not files, one after another, each at the line that it has on the page: a
    traceback leads there.
    """
    lines: list[str] = []
    for language, text, line in blocks(page):
        if language == "python" and not file_of(language, text):
            lines += [""] * (line - len(lines)) + text.splitlines()
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_toml_block_of_a_page_can_be_read(page: Path) -> None:
    """Guards against a file that nobody can paste."""
    for language, text, _ in blocks(page):
        if language == "toml":
            tomllib.loads(text)


def shown_commands() -> Iterator[tuple[str, str, str]]:
    """Page, command and the files of the page, for every `letitcrash` command that is shown."""
    for page in PAGES:
        for language, text, _ in blocks(page):
            if language == "console":
                for line in re.findall(r"^\$ (?:\w+=\S+ )*(letitcrash .*?)(?:\s+#.*)?$", text, re.MULTILINE):
                    yield str(page.relative_to(ROOT)), line, text


def test_every_command_that_is_shown_exists_with_its_options() -> None:
    """Guards what a reader types: the command, its options, and the files of the repository it names."""
    commands = dict(generator().every_command())
    prefixes = {" ".join(each.split()[:length]) for each in commands for length in (2, 3)}
    problems = []
    shown = list(shown_commands())
    assert len(shown) > 10
    for page, line, _ in shown:
        _, name, *words = line.partition(" -- ")[0].split()
        if name.startswith("--"):
            continue
        while f"{name} {words[0] if words else ''}" in prefixes:
            name = f"{name} {words.pop(0)}"
        if name not in commands:
            problems.append(f"{page}: {line}: no command {name}")
            continue
        known = {each for option in commands[name].params for each in (*option.opts, *option.secondary_opts)}
        problems += [f"{page}: {line}: no option {word}" for word in words if word[:2] == "--" and word not in known]
        problems += [f"{page}: {line}: no file {word}" for word in words if missing(word)]
    assert not problems


def missing(word: str) -> bool:
    """Whether a word is a path into the repository that leads nowhere."""
    top, slash, _ = word.partition("/")
    return bool(slash) and top in ("examples", "benchmarks", "tests") and not (ROOT / word).exists()


# Names

PLACE = re.compile(r"`((?:actors|supervisors|teams|tests|benchmarks|examples|docs)/[\w/]+\.py)::([\w.]+)`")
FILE = re.compile(r"\b((?:actors|supervisors|teams|tests|benchmarks|examples|docs)/[\w/.-]+\.(?:py|toml|md|svg))\b")


@cache
def names_in(file: str) -> frozenset[str]:
    """The classes and functions of a file, by their qualified names and by their last parts."""
    full = [name for _, _, name in generator().definitions(ast.parse((ROOT / file).read_text(encoding="utf-8")))]
    return frozenset([*full, *(name.rpartition(".")[2] for name in full)])


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_place_in_the_code_that_a_page_names_exists(page: Path) -> None:
    """Guards links to code and tests: `file.py::name` is there under that name."""
    text = text_of(page)
    gone = [file for file in FILE.findall(text) if not (ROOT / file).exists()]
    gone += [
        f"{file}::{name}" for file, name in PLACE.findall(text) if (ROOT / file).exists() and name not in names_in(file)
    ]
    assert not gone


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_page_that_a_page_links_to_exists(page: Path) -> None:
    """Guards links between pages, and to their headings."""
    gone = []
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", without_code(text_of(page))):
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        if not other.exists() or (anchor and anchor not in anchors(other)):
            gone.append(target)
    assert not gone


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of the headings of a page, as Sphinx and forges make them."""
    heads = re.findall(r"^#+ (.*)$", without_blocks(text_of(page)), re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads)


def without_blocks(text: str) -> str:
    return BLOCK.sub("", text)


def without_code(text: str) -> str:
    return re.sub(r"`[^`]*`", "", without_blocks(text))


def test_every_page_is_in_a_table_of_contents() -> None:
    """Guards against a page that no reader of the site finds."""
    listed = set()
    for page in PAGES:
        for entries in re.findall(r"```\{toctree\}\n(.*?)```", text_of(page), re.DOTALL):
            for entry in re.findall(r"^([\w/.-]+)$", entries, re.MULTILINE):
                listed.add((page.parent / f"{entry}.md").resolve())
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert pages - listed == {ROOT / "docs" / "index.md"}
    assert not {page for page in listed if not page.exists()}


# Rules

RULES = text_of(ROOT / "docs/reference/supervision-rules.md")
ON_THE_PAGE = {int(number) for number in re.findall(r"^### Rule (\d+)$", RULES, re.MULTILINE)}


def test_the_page_has_every_rule_in_order() -> None:
    """Guards the numbers: code and tests quote them."""
    numbers = [int(number) for number in re.findall(r"^### Rule (\d+)$", RULES, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_rule_that_code_or_a_test_quotes_is_on_the_page() -> None:
    """Guards a reader of the code: "rule 12" leads to its text."""
    unknown = {}
    for top in (*TOPS, "tests", "benchmarks", "examples"):
        for path in sorted((ROOT / top).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            numbers = generator().quoted(text) | {int(each) for each in re.findall(r"\btest_rule_(\d+)_", text)}
            if path != Path(__file__) and numbers - ON_THE_PAGE:
                unknown[str(path.relative_to(ROOT))] = numbers - ON_THE_PAGE
    assert not unknown


@pytest.mark.parametrize("number", sorted(ON_THE_PAGE))
def test_every_rule_has_code_and_a_test(number: int) -> None:
    """Guards a reader of the page: what is promised is held by a test that says so."""
    _, _, after = RULES.partition(f"### Rule {number}\n")
    text = after.partition("\n### Rule ")[0].partition("\n## ")[0]
    places = PLACE.findall(text)
    assert re.search(r"^Decided by `(actors|supervisors|teams)/", text, re.MULTILINE)
    assert any(file.startswith("tests/") and name.startswith("test_") for file, name in places)


# Promises

LISTS = [ROOT / "docs" / "reference" / f"{name}.md" for name in ("guarantees", "limits", "processes")]
"""Pages on which each item of a list is a promise or a limit."""
TABLES = [*LISTS[2:], ROOT / "docs/reference/workflows.md", ROOT / "docs/explanation/delivery-semantics.md"]
"""Pages with tables of promises, which have a column "decided by"."""
PROTOCOLS = sorted((ROOT / "docs" / "explanation" / "protocols").glob("*.md"))
NOT_OURS = {
    "C code with a clock": "is about code that the simulation does not reach",
    "A function that imports `datetime`": "is about code that the simulation does not reach",
    "What a library keeps": "is about code that the simulation does not reach",
    "Tested on CPython": "is about the jobs of CI",
    "Free-threaded builds": "is about builds on which no test runs",
    "The times in a ledger": "is about two clocks of one machine, which read the same",
}
"""Limits, by how they begin, that no code of this project decides."""


def items(page: Path) -> list[str]:
    """The items of the lists of a page, each in one line."""
    found = re.findall(r"^(?:- |\d+\. )(.*(?:\n +\S.*)*)", without_blocks(text_of(page)), re.MULTILINE)
    return [" ".join(each.split()) for each in found]


def rows(page: Path) -> list[str]:
    """The rows of the tables with a column "decided by"."""
    tables = re.findall(r"^\|.* \| decided by \|.*\n\|[-|]+\n((?:\|.*\n)+)", text_of(page), re.MULTILINE)
    return [row for table in tables for row in table.splitlines()]


def unlinked(promises: Iterable[str]) -> list[str]:
    """The promises without a function that decides them, or without a test."""
    found = []
    for promise in promises:
        places = PLACE.findall(promise)
        tested = any(file.startswith("tests/") and "test_" in name for file, name in places)
        if not tested or not any(file.startswith(TOPS) for file, _ in places):
            found.append(promise)
    return found


@pytest.mark.parametrize("page", LISTS, ids=lambda page: page.stem)
def test_every_item_of_a_list_of_promises_has_code_and_a_test(page: Path) -> None:
    """Guards a reader who wants to see that a promise is held."""
    assert len(items(page)) > 10
    assert not [each for each in unlinked(items(page)) if not each.startswith(tuple(NOT_OURS))]


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.stem)
def test_every_row_of_a_table_of_promises_has_code_and_a_test(page: Path) -> None:
    """Guards the same for tables."""
    assert len(rows(page)) > 5
    assert not unlinked(rows(page))


@pytest.mark.parametrize("page", PROTOCOLS, ids=lambda page: page.stem)
def test_every_page_of_a_protocol_has_code_and_a_test(page: Path) -> None:
    """Guards the same for protocols, whose promises are prose."""
    assert not unlinked([text_of(page)])


def test_every_limit_that_is_not_ours_is_on_a_page() -> None:
    """Guards the list: an entry goes with its limit, or when that has code and a test."""
    without = [each for page in LISTS for each in unlinked(items(page))]
    assert [start for start in NOT_OURS if not any(each.startswith(start) for each in without)] == []


# Generated parts


def test_what_comes_from_the_code_is_up_to_date() -> None:
    """If this fails: python docs/generate.py"""
    stale = [
        str(path.relative_to(ROOT))
        for path, text in generator().wanted().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, "run: python docs/generate.py"


@pytest.mark.parametrize("facade", generator().FACADES)
def test_a_page_of_the_api_begins_with_names_that_the_facade_exports(facade: str) -> None:
    """Guards the ten names that matter."""
    text = text_of(ROOT / "docs" / "reference" / "api" / f"{facade}.md")
    table = text.partition("```{eval-rst}")[0]
    names = [name.partition("(")[0] for name in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)]
    module: Any = importlib.import_module(facade)
    assert len(names) >= 5
    assert not [name for name in names if name.partition(".")[0] not in module.__all__]


# Language

BANNED = (
    "whoever",
    "whom",
    "somebody",
    "nobody",
    "gone for good",
    "is to ",
    "are to ",
    "is no ",
    "comes to that",
    "come to that",
    "whole number",
)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=[*IDS, "CHANGELOG.md"])
def test_no_page_uses_the_words_that_the_style_bans(page: Path) -> None:
    """Guards plain English (CONTRIBUTING.md, "Language"); what is quoted as code is left out."""
    text = re.sub(r"<!-- generated:.*?<!-- end -->", "", text_of(page), flags=re.DOTALL)
    words = " ".join(without_code(text).lower().split())
    assert not [each for each in BANNED if re.search(rf"\b{each}", words)]


def test_the_readme_is_short() -> None:
    """It says what this is, and where to read on."""
    assert len((ROOT / "README.md").read_bytes()) <= 7 * 1024


def test_the_readme_needs_no_other_page_to_be_tried(tmp_path: Path) -> None:
    """Each block of the README runs by itself: a reader pastes one, not all."""
    for number, (language, text, _) in enumerate(blocks(ROOT / "README.md")):
        if language == "python":
            script = tmp_path / f"block{number}.py"
            script.write_text(text, encoding="utf-8")
            done = forked.run(["-P", str(script)], cwd=tmp_path)
            assert done.returncode == 0, done.stderr
