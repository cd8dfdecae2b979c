"""The table of names (docs/reference/names.md): where those of other guides lead to here."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from teams.cli._app import app

TABLE = (Path(__file__).parents[2] / "docs/reference/names.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+) \| (.+) \|$", TABLE, re.MULTILINE)[1:]
NAMES = sorted({name for _, ours in ROWS for name in re.findall(r"`([^`]+)`", ours)})
HOMES = tuple(
    map(
        importlib.import_module,
        (
            "teams",
            "teams.orchestration",
            "teams.patterns",
            "teams.planning",
            "teams.protocols",
            "teams.recipes",
            "teams.resilience",
            "teams.workflows",
            "supervisors",
            "actors",
        ),
    )
)


def found(name: str) -> Any:
    """What a name of the table stands for."""
    first, *rest = name.split(".")
    home = next((home for home in HOMES if first in getattr(home, "__all__", ())), None)
    assert home is not None, f"no package exports {first}"
    value: Any = getattr(home, first)
    for each in rest:
        value = getattr(value, each)
    return value


def options_of(function: Any) -> set[str]:
    """The names of the arguments of a function, those of its typed dictionary of options included."""
    parameters = inspect.signature(function).parameters.values()
    names = {each.name for each in parameters}
    for each in parameters:
        if each.kind is each.VAR_KEYWORD:
            (options,) = re.findall(r"Unpack\[(\w+)\]", str(each.annotation))
            known = inspect.unwrap(function).__globals__[options]
            names |= known.__optional_keys__ | known.__required_keys__
    return names


def test_the_table_has_rows() -> None:
    """Guards the tests below against a table that is not found."""
    assert len(ROWS) > 30
    assert all("`" in ours for _, ours in ROWS)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_table_exists(name: str) -> None:
    """Guards a reader who comes from another guide: what the table says is there, with these options."""
    if name.startswith("letitcrash "):
        assert name.removeprefix("letitcrash ") in get_command(app).commands  # type: ignore[attr-defined]
        return
    path, _, options = name.partition("(")
    value = found(path)
    missing = set(re.findall(r"(\w+)=", options)) - (options_of(value) if options else set())
    assert not missing
