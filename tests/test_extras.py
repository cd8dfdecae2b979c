"""Extras that are not installed: one text says what is missing and what to install, wherever it is missed."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from actors import MissingExtra
from actors._extras import EXTRA_OF, needs_extra

ROOT = Path(__file__).parents[1]
GUARDED = (
    "actors/_ray/",
    "actors/testing/_hypothesis_entry.py",
    "supervisors/testing/_hypothesis_entry.py",
    "actors/testing/_plugin.py",
    "letitcrash/_pytest_plugin.py",
    "teams/_journal/sql",
    "teams/_journal/migrations/",
    "teams/cli/",
)
"""Modules that are imported only by what they need (Hypothesis, pytest), or after it was looked for (ray), or where the
import itself is guarded.
"""
DISTRIBUTIONS = {"yaml": "pyyaml", "opentelemetry": "opentelemetry-api"}

TREE = "from actors import Actor; from supervisors import child; tree = child('a', Actor)"


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("greenlet", "from actors.testing import simulation"),
        ("greenlet", "from actors.testing import simulate"),
        ("hypothesis", "from actors.testing import SimulationMachine"),
        ("hypothesis", "from actors.testing import plans; plans('a')"),
        ("hypothesis", "from actors.testing import schedules; schedules()"),
        ("hypothesis", "from actors.testing import simulate\n@simulate()\ndef test(sim): pass"),
        ("hypothesis", "from supervisors.testing import trees"),
        ("hypothesis", "from teams.workflows.testing import worlds; worlds()"),
        ("yaml", "from supervisors import load_tree; load_tree('tree.yaml')"),
        ("sqlalchemy", "from teams._journal.open_store import open_store; open_store('sqlite:///a.db')"),
        ("alembic", "from teams._journal.open_store import open_store; open_store('sqlite:///a.db')"),
        ("psycopg", "from teams._journal.open_store import open_store; open_store('postgresql://nowhere.invalid/a')"),
        ("cronsim", "from teams.workflows import schedule; schedule('a', 'b', cron='0 0 * * *')"),
        ("opentelemetry", "from teams.workflows import WorkflowTracing"),
        ("opentelemetry", "from teams.workflows import engine; engine('a', store='memory:', tracing=True)"),
        ("typer", "import sys; sys.argv = ['letitcrash']; from letitcrash.cli import main; main()"),
        ("rich", "import sys; sys.argv = ['letitcrash']; from letitcrash.cli import main; main()"),
        ("ray", "from actors import Actor, Runtime, ray\nwith Runtime() as runtime: runtime.spawn(Actor, host=ray())"),
        ("uvloop", "import sys; sys.argv[1:] = ['run', 'it.py', '--uvloop']; from letitcrash.cli import main; main()"),
    ],
)
def test_what_is_missing_is_named_with_what_to_install(tmp_path: Path, module: str, code: str) -> None:
    """Guards `No module named 'greenlet'`."""
    (tmp_path / "tree.yaml").write_text("id: root\nchildren: []\n")
    (tmp_path / "it.py").write_text(TREE)
    setup = f"import sys; sys.path[:] = {sys.path!r}; sys.modules[{module!r}] = None\n"  # as if it were not there
    done = subprocess.run(
        [sys.executable, "-P", "-c", setup + code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 2)
    said = f"the module {module} is not installed. Install it with: pip install 'letitcrash[{EXTRA_OF[module]}]'"
    assert said in done.stderr


WITHOUT = """
import importlib, inspect, sys
for module in {modules!r}:
    sys.modules[module] = None  # as if it were not there
from actors import MissingExtra
facade = importlib.import_module({facade!r})
exec(f"from {{facade.__name__}} import *")
members = dict(inspect.getmembers(facade))
left_out = []
for name in {names!r}:
    try:
        getattr(facade, name)
    except MissingExtra:
        left_out.append(name)
assert sorted(left_out) == sorted(set({names!r}) - set(facade.__all__)), (left_out, facade.__all__)
assert not members.keys() & set(left_out)
print(*left_out)
"""


@pytest.mark.parametrize(
    ("facade", "modules", "some"),
    [
        ("teams.workflows", ["opentelemetry"], "WorkflowTracing"),
        ("actors.testing", ["greenlet"], "simulation"),
        ("actors.testing", ["hypothesis"], "SimulationMachine"),
        ("supervisors.testing", ["greenlet"], "trees"),
        ("supervisors.testing", ["hypothesis"], "trees"),
        ("teams.workflows.testing", ["greenlet"], "World"),
        ("letitcrash", sorted(EXTRA_OF), ""),
        ("actors", sorted(EXTRA_OF), ""),
        ("supervisors", sorted(EXTRA_OF), ""),
        ("teams", sorted(EXTRA_OF), ""),
    ],
)
def test_what_needs_a_missing_extra_is_in_neither_all_nor_dir(facade: str, modules: list[str], some: str) -> None:
    """`from package import *` and `inspect.getmembers` use no name; an access to the name itself says what to install.
    Nothing else is left out.
    """
    names = list(import_module(facade).__all__)
    done = python(WITHOUT.format(modules=modules, facade=facade, names=names))
    assert done.returncode == 0, done.stderr
    assert some in done.stdout.split() if some else done.stdout.split() == []


def test_a_simulation_does_without_the_extras_of_what_it_imported() -> None:
    """It loads the facades that were imported, of what is installed."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None; import teams.workflows; "
        "from actors.testing import simulation\nwith simulation() as sim: print(sim.now)"
    )
    done = python(code)
    assert done.stdout.strip() == "0.0", done.stderr


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Runs it in an interpreter that has imported nothing."""
    setup = f"import sys; sys.path[:] = {sys.path!r}\n"
    return subprocess.run(
        [sys.executable, "-P", "-c", setup + code], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_table_of_extras_is_that_of_the_distribution() -> None:
    """Guards a requirement that is added to pyproject.toml alone."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {
        (re.split(r"[\[<>=~!]", requirement)[0].lower(), extra)
        for extra, requirements in extras.items()
        for requirement in requirements
    }
    known = {(DISTRIBUTIONS.get(module, module), extra) for module, extra in EXTRA_OF.items()}
    assert known - {("click", "cli")} == wanted  # typer's own need


def imports(tree: ast.AST, guarded: bool = False) -> Iterator[tuple[str, bool]]:
    """The modules that are imported at run time, each with whether that is guarded."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, guarded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", guarded
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            here = isinstance(node, ast.With) and ast.unparse(node.items[0]) == "needs_extra()"
            yield from imports(node, guarded or here)


def test_every_import_of_what_an_extra_brings_is_guarded() -> None:
    """Guards the next import: without `needs_extra` its error does not say what to install."""
    wrong = []
    for package in ("letitcrash", "actors", "supervisors", "teams"):
        for path in (ROOT / package).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(GUARDED):
                found = imports(ast.parse(path.read_text(encoding="utf-8")))
                unsafe = [module for module, is_safe in found if not is_safe]
                wrong += [f"{name}: {module}" for module in unsafe if module.partition(".")[0] in EXTRA_OF]
    assert not wrong


def test_a_module_of_no_extra_is_missed_as_ever() -> None:
    """Its error is not ours to explain; nor is an error of another kind."""
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_module'") as caught, needs_extra():
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401
    assert not isinstance(caught.value, MissingExtra)
    with pytest.raises(ZeroDivisionError), needs_extra():
        _ = 1 / 0


def test_the_error_is_one_of_imports_and_survives_pickling() -> None:
    """Guards code that tries an import and goes on without, and reads `name`."""
    error = MissingExtra("greenlet", "letitcrash[testing]")
    assert isinstance(error, ModuleNotFoundError)
    assert error.name == "greenlet"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.name, copy.extra) == (str(error), "greenlet", "letitcrash[testing]")
