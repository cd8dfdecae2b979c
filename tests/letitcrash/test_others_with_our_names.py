"""Test runs of projects that have modules with the names of our packages, and do not use ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import letitcrash

HOME = str(Path(letitcrash.__file__).parents[1])
PLUGIN = ("-p", "no:letitcrash", "-p", "letitcrash._pytest_plugin", "-p", "no:cacheprovider")
MINE = "import actors\n\ndef test_mine():\n    assert actors.MINE == 1\n"


def pytest_in(folder: Path, *options: str, start: tuple[str, ...] = ("-m", "pytest")) -> tuple[int, str]:
    """Runs the tests of a folder where this distribution is installed. Returns the exit code and the output."""
    done = subprocess.run(
        [sys.executable, *start, *PLUGIN, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": HOME, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "HYPOTHESIS_NO_PLUGINS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def python(folder: Path, code: str) -> str:
    """What a program says that has both Hypothesis and this distribution."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": HOME, "HYPOTHESIS_NO_PLUGINS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a module `actors` of its own."""
    (tmp_path / "actors.py").write_text("MINE = 1\n")
    (tmp_path / "test_mine.py").write_text(MINE)
    return tmp_path


SCRIPT = ("-P", "-c", "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))")
"""The script `pytest`: the folder of the tests is on the path only when they are collected."""


@pytest.mark.parametrize("start", [("-m", "pytest"), SCRIPT], ids=["python -m pytest", "pytest"])
def test_tests_that_import_their_own_actors_pass_and_one_line_says_so(project: Path, start: tuple[str, ...]) -> None:
    """The plugin imports nothing that has a generic name, so the module of the project is found."""
    code, output = pytest_in(project, start=start)
    assert code == 0, output
    said = [line for line in output.splitlines() if "letitcrash" in line and "plugins" not in line]
    assert said == [f"letitcrash: the fixture `sim` is off, for 'actors' is {project / 'actors.py'}"]


def test_tests_with_hypothesis_and_their_own_actors_pass(project: Path) -> None:
    """The entries of Hypothesis leave the name to the project, too."""
    (project / "test_more.py").write_text(
        "import hypothesis, letitcrash._hypothesis as entry\n"
        "entry.register_actors(); entry.register_supervisors()\n" + MINE
    )
    code, output = pytest_in(project, start=SCRIPT)
    assert code == 0, output


HYPOTHESIS = "import hypothesis, letitcrash._hypothesis as entry; entry.register_actors(); entry.register_supervisors()"
OURS = "from actors.testing import FaultPlan, Schedule; from supervisors import ChildSpec, Constant, SupervisorSpec"


def test_importing_hypothesis_imports_none_of_our_packages(tmp_path: Path) -> None:
    """Every project in the environment that uses Hypothesis would pay for it, and lose a module of the same name."""
    code = "import sys; print(sorted({'actors', 'supervisors', 'teams', 'pydantic'} & set(sys.modules)))"
    assert python(tmp_path, f"{HYPOTHESIS}; {code}") == "[]\n"


@pytest.mark.parametrize("order", [(HYPOTHESIS, OURS), (OURS, HYPOTHESIS)], ids=["first", "last"])
def test_the_types_have_strategies_whichever_is_imported_first(tmp_path: Path, order: tuple[str, str]) -> None:
    """`st.from_type` draws what our strategy makes: a spec of random fields would be refused."""
    code = (
        "from hypothesis import HealthCheck, given, settings, strategies as st\n"
        "kinds = [FaultPlan, Schedule, ChildSpec, Constant, SupervisorSpec]\n"
        "@settings(max_examples=5, database=None, deadline=None, suppress_health_check=list(HealthCheck))\n"
        "@given(st.tuples(*map(st.from_type, kinds)))\n"
        "def drawn(values): assert [*map(type, values)] == kinds\n"
        "drawn(); print('drawn')"
    )
    assert python(tmp_path, "\n".join([*order, code])) == "drawn\n"


@pytest.mark.parametrize("name", ["FaultPlan", "Move", "Constant", "ChildSpec"])
def test_each_type_alone_has_its_strategy(tmp_path: Path, name: str) -> None:
    """Whichever of our modules is imported, and no other."""
    package = "actors.testing" if name in ("FaultPlan", "Move") else "supervisors"
    code = f"from {package} import {name}; from hypothesis.strategies import from_type; from_type({name}).validate()"
    code += "\nfrom hypothesis.strategies._internal.types import _global_type_lookup as known"
    assert python(tmp_path, f"{HYPOTHESIS}\n{code}; print({name} in known)") == "True\n"


def test_the_fixture_says_what_stands_in_its_way(project: Path) -> None:
    """Guards a project that would use ours: its test fails with one line, not with an error of import."""
    (project / "test_mine.py").write_text("def test_ours(sim): pass\n")
    code, output = pytest_in(project)
    assert code == 1
    assert f"the fixture `sim`: letitcrash needs its own package 'actors', but Python found {project}" in output


def test_an_option_says_what_stands_in_its_way(project: Path) -> None:
    """It is an error of usage before any test runs."""
    code, output = pytest_in(project, "--sim-schedules", "3")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "the options --sim-...: letitcrash needs its own package 'actors'" in output


def test_the_fixture_and_the_options_work_without_an_import_of_ours(tmp_path: Path) -> None:
    """A test that has the fixture alone uses our packages by that."""
    (tmp_path / "test_ours.py").write_text("def test_ours(sim):\n    assert type(sim).__name__ == 'Simulation'\n")
    code, output = pytest_in(tmp_path, "--sim-determinism")
    assert code == 0, output
    assert "letitcrash:" not in output
