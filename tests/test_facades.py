"""The facades: lazy, complete, and the name that every public object bears."""

from __future__ import annotations

import ast
import importlib
import pickle
import subprocess
import sys
import typing
from contextlib import suppress
from dataclasses import is_dataclass
from pathlib import Path
from types import FunctionType

import pytest

FACADES = (
    "letitcrash",
    "actors",
    "actors.testing",
    "supervisors",
    "supervisors.testing",
    "teams",
    "teams.orchestration",
    "teams.patterns",
    "teams.planning",
    "teams.protocols",
    "teams.recipes",
    "teams.resilience",
    "teams.workflows",
    "teams.workflows.testing",
)
TOPS = ("actors", "supervisors", "teams")


def public(package: str) -> dict[str, object]:
    facade = importlib.import_module(package)
    return {name: getattr(facade, name) for name in facade.__all__}


def syntax(package: str) -> ast.Module:
    file = importlib.import_module(package).__file__
    assert file is not None
    return ast.parse(Path(file).read_text(encoding="utf-8"))


def homes_of(package: str) -> dict[str, list[str]]:
    """The table of a facade, as it is written."""
    calls = (node for node in ast.walk(syntax(package)) if isinstance(node, ast.Call))
    (call,) = (each for each in calls if ast.unparse(each.func) == "facade")
    homes: dict[str, list[str]] = ast.literal_eval(call.args[1])
    return homes


@pytest.mark.parametrize("package", FACADES)
def test_every_public_object_says_that_it_belongs_to_its_facade(package: str) -> None:
    """Tracebacks, pickles and pages show where users import it from. What two facades export belongs to one of them."""
    wrong = {
        name: value.__module__
        for name, value in public(package).items()
        if isinstance(value, type | FunctionType)
        and value.__module__.partition(".")[0] in TOPS
        and value.__module__ not in FACADES
    }
    assert not wrong


@pytest.mark.parametrize("package", FACADES)
def test_the_table_of_a_facade_agrees_with_its_imports_for_type_checkers(package: str) -> None:
    """Guards `__all__`, the imports under TYPE_CHECKING and the table of homes against each other."""
    tree = syntax(package)
    (checked,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    typed = {
        (each.module, alias.name) for each in checked.body if isinstance(each, ast.ImportFrom) for alias in each.names
    }
    found = {
        (package if home == f"{package}.{name}" else home, name)
        for home, names in homes_of(package).items()
        for name in names
    }
    assert found == typed
    assert sorted(name for _, name in found) == sorted(importlib.import_module(package).__all__)


def test_a_name_that_several_facades_export_is_one_object() -> None:
    """`from actors import sleep` and a `sleep` of another package in one module is a mistake that nothing shows."""
    homes: dict[str, dict[int, list[str]]] = {}
    for package in FACADES:
        for name, value in public(package).items():
            homes.setdefault(name, {}).setdefault(id(value), []).append(package)
    assert {name: list(found.values()) for name, found in homes.items() if len(found) > 1} == {}


def test_an_unknown_name_is_an_attribute_error_that_says_so() -> None:
    """Like that of any module; `from actors import Nothing` is an ImportError by it."""
    import actors

    with pytest.raises(AttributeError, match="module 'actors' has no attribute 'Nothing'"):
        actors.Nothing  # type: ignore[attr-defined]  # noqa: B018


def test_dir_shows_the_public_names_before_they_are_loaded() -> None:
    """Guards completion in a shell."""
    code = "import teams; print(set(teams.__all__) <= set(dir(teams)))"
    assert python(code).strip() == "True"


def test_importing_a_facade_loads_none_of_what_it_exports() -> None:
    """`import teams` is cheap: what a program does not use costs it nothing."""
    heavy = ["pydantic", "structlog", "prometheus_client", "pykka", "asyncio"]
    code = f"import sys, actors, supervisors, teams, teams.resilience; print([m for m in {heavy} if m in sys.modules])"
    assert python(code).strip() == "[]"


def test_what_only_some_trees_need_is_loaded_only_for_them() -> None:
    """Guards the price of an import: a tree without a log, metrics, files and checks needs none of their modules."""
    some = ["structlog", "rich", "prometheus_client", "tomllib", "supervisors._supervisor.results"]
    code = (
        "import sys; from teams import member, team; from actors import Actor; "
        "print('supervisors._check.check' in sys.modules); from supervisors import start; "
        f"print([m for m in {some} if m in sys.modules])"
    )
    assert python(code).split("\n")[:2] == ["False", "[]"]


def test_the_command_line_imports_workflows_only_for_their_commands() -> None:
    """Guards how soon `letitcrash run` begins."""
    some = ["teams.workflows._engine", "teams.planning", "teams._dispatch.coordinator", "teams.cli._workflow"]
    code = (
        "import sys; from typer.testing import CliRunner; from teams.cli._app import app; "
        "print(all(CliRunner().invoke(app, words).exit_code == 0 for words in (['--help'], ['run', '--help']))); "
        f"print([m for m in {some} if m in sys.modules])"
    )
    assert python(code).split("\n")[:2] == ["True", "[]"]


@pytest.mark.parametrize(
    "made",
    [
        "from actors import MailboxFull; error = MailboxFull('root/a', 10, 'message')",
        "from supervisors import SpecError, SpecFault; error = SpecError([SpecFault('root', 'wrong')])",
        "from teams import UnknownMember; error = UnknownMember('crew', 'ann', ())",
    ],
)
def test_a_pickled_error_is_read_in_a_process_that_has_imported_nothing(made: str) -> None:
    """A pickle names the facade, and loading it imports what it needs."""
    space: dict[str, object] = {}
    exec(made, space)
    blob = pickle.dumps(space["error"])
    assert b"._" not in blob.partition(b"\x8c")[2][:60]
    assert python(f"import pickle; print(pickle.loads({blob!r}))").strip() == str(space["error"])


@pytest.mark.parametrize("package", FACADES)
def test_the_type_hints_of_public_values_can_be_read(package: str) -> None:
    """Guards user models of pydantic with our values in them: a facade does not hold the names of an annotation."""
    values = public(package)
    unknown = []
    for home, names in homes_of(package).items():
        for value in map(values.get, names):
            if isinstance(value, type) and (is_dataclass(value) or hasattr(value, "_fields")):
                with suppress(NameError, TypeError):
                    there = typing.get_type_hints(value, vars(sys.modules[home]))
                    try:
                        assert typing.get_type_hints(value) == there
                    except NameError as error:
                        unknown.append((value, error.name))
    assert not unknown


def test_an_error_shows_its_facade_however_it_was_reached() -> None:
    """A traceback of an error that the user never imported says `actors.ActorDeadError`, too."""
    code = "from actors import Actor; from actors.errors import ActorDeadError; print(ActorDeadError.__module__)"
    assert python(code).strip() == "actors"


def python(code: str) -> str:
    setup = f"import sys; sys.path[:] = {sys.path!r}\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", setup + code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
