"""Names that stand in one place: that of the project, and those of packages, which a lower one does not know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ABOVE = {"actors": ("supervisors", "teams"), "supervisors": ("teams",)}
"""The packages above each package."""
OF_THE_PROJECT = {
    "actors/_name.py": "the place",
    "supervisors/_guard.py": "looks whether `actors` is ours before it imports anything of it",
    "teams/_journal/sql_tables.py": "the name in databases that exist, which stays",
}
"""Where the name of the project stands in a string, with the reason."""
PACKAGES_OF_ALL = "actors/_name.py"
"""The one list of all packages: the frames of their code are left out of accounts of exceptions."""


def strings(file: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module with their lines: parts of f-strings, too, and no docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def found(package: str, pattern: str) -> list[str]:
    """Where strings of a package match."""
    return [
        f"{file.relative_to(ROOT).as_posix()}:{line}: {text!r}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for line, text in strings(file)
        if re.search(pattern, text)
    ]


@pytest.mark.parametrize("package", ABOVE)
def test_no_string_of_a_package_is_a_module_above_it(package: str) -> None:
    """`import_module("supervisors")` is an import that import-linter cannot see."""
    names = found(package, rf"^({'|'.join(ABOVE[package])})(\.\w*)*$")
    assert [each for each in names if not each.startswith(PACKAGES_OF_ALL)] == []


@pytest.mark.parametrize("package", ["letitcrash", "actors", "supervisors", "teams"])
def test_the_name_of_the_project_stands_in_one_string(package: str) -> None:
    """Another name is one line, and what must not change with it says why."""
    assert [each for each in found(package, "(?i)letitcrash") if not each.startswith(tuple(OF_THE_PROJECT))] == []


def test_the_door_has_the_name_that_the_packages_have() -> None:
    """It looks for `actors` before it may trust it, so its own name is the source."""
    from actors._name import NAME
    from letitcrash import _packages

    assert _packages.NAME == NAME


def test_strings_are_found_in_calls_and_f_strings_and_not_in_docstrings(tmp_path: Path) -> None:
    """Guards the rules above against a search that finds nothing."""
    file = tmp_path / "it.py"
    file.write_text('"""teams"""\nX = load("teams")\n\ndef f():\n    """teams"""\n    return f"teams.{X}"\n')
    assert [each for each in strings(file) if "teams" in each[1]] == [(2, "teams"), (6, "teams.")]
