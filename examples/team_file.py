"""The members of the team in team_file.toml: they survey the Python files of a folder.

Run it with: letitcrash run examples/team_file.toml
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from teams import Context


class Unavailable(Exception):
    """The exception of a service that cannot answer just now."""


def scout(folder: str) -> list[str]:
    """The Python files below a folder beside this file."""
    return sorted(str(path) for path in (Path(__file__).parent / folder).rglob("*.py"))


def count_lines(files: list[str], context: Context) -> int:
    """All lines. Like many a service it is not there at first, which costs one attempt."""
    if context.attempt == 1:
        raise Unavailable("try again")
    return sum(len(Path(file).read_text(encoding="utf-8").splitlines()) for file in files)


def find_longest(files: list[str]) -> str:
    """The longest function or class."""
    every = [each for file in files for each in _definitions(ast.walk(_tree(file)))]
    return max(every, key=lambda each: len(ast.unparse(each))).name


def find_empty(files: list[str]) -> list[str]:
    """Files without a function or class."""
    return [file for file in files if not _definitions(_tree(file).body)]


class Found(TypedDict):
    """The names of the branches of the analysis in the file."""

    lines: int
    longest: str
    empty: list[str]


def report(found: Found) -> str:
    """One sentence."""
    lines, longest, empty = found["lines"], found["longest"], found["empty"]
    return f"{lines} lines, the longest definition is {longest}, {len(empty)} files define nothing"


def _tree(file: str) -> ast.Module:
    return ast.parse(Path(file).read_text(encoding="utf-8"))


def _definitions(nodes: Iterable[ast.AST]) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    return [each for each in nodes if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
