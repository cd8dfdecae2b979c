"""The distribution as a user gets it: four typed packages, one command, no extra needed."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

import letitcrash

PACKAGES = ("letitcrash", "actors", "supervisors", "teams")
EXTRAS = (
    "alembic",
    "cronsim",
    "greenlet",
    "hypothesis",
    "opentelemetry",
    "psycopg",
    "pytest",
    "ray",
    "rich",
    "sqlalchemy",
    "typer",
    "uvloop",
    "yaml",
)

installed = pytest.mark.skipif(
    os.environ.get("CI") != "true" and os.environ.get("LETITCRASH_INSTALLED") != "1",
    reason="needs the installed wheel; `make test` runs it",
)


@installed
@pytest.mark.parametrize("package", PACKAGES)
def test_the_installed_package_is_tested_and_not_the_checkout(package: str) -> None:
    """Guards against a green run over files that no wheel contains."""
    file = importlib.import_module(package).__file__
    assert file is not None
    assert Path(file).resolve().is_relative_to(Path(sysconfig.get_path("purelib")).resolve())


@installed
def test_the_wheel_contains_the_packages_and_nothing_else() -> None:
    """Guards the users' namespace: no `tests`, `examples` or `benchmarks` becomes importable."""
    files = metadata.files("letitcrash")
    assert files is not None
    tops = {file.parts[0] for file in files if file.parts[0] != ".."}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


@installed
@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_marked_as_typed(package: str) -> None:
    """Guards the users' type checker, which ignores the annotations of an unmarked package."""
    files = metadata.files("letitcrash")
    assert files is not None
    assert PurePosixPath(package, "py.typed") in files


@installed
def test_the_wheel_contains_the_migrations_of_the_store() -> None:
    """Guards files that nothing imports: Alembic reads them by their path."""
    files = metadata.files("letitcrash")
    assert files is not None
    folder = PurePosixPath("teams", "_journal", "migrations")
    assert {folder / "env.py", folder / "versions" / "r0001_first.py"} <= {PurePosixPath(file) for file in files}


@installed
def test_the_command_letitcrash_points_at_something_that_can_be_called() -> None:
    """Guards the console script, which nothing resolves before a user runs it."""
    (script,) = metadata.entry_points(group="console_scripts", name="letitcrash")
    assert callable(script.load())


@installed
def test_hypothesis_finds_the_strategies_of_both_packages() -> None:
    """Guards the entry points: a wrong one makes `import hypothesis` fail for every user."""
    entries = metadata.entry_points(group="hypothesis")
    ours = {entry.value: entry.load() for entry in entries if entry.name.startswith("letitcrash")}
    assert set(ours) == {f"letitcrash._hypothesis:register_{name}" for name in ("actors", "supervisors")}
    assert all(map(callable, ours.values()))


@installed
def test_what_other_programs_load_has_the_unique_name_of_the_distribution() -> None:
    """Guards a user's own `actors.py`: what every test run loads must not lead to a module of that name."""
    entries = metadata.distribution("letitcrash").entry_points
    assert {entry.group for entry in entries} == {"console_scripts", "pytest11", "hypothesis"}
    assert {entry.value.partition(".")[0] for entry in entries} == {"letitcrash"}


@installed
def test_the_version_of_the_package_is_that_of_the_distribution() -> None:
    """One place says it, for the metadata, the command and programs."""
    assert letitcrash.__version__ == metadata.version("letitcrash")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_imported_without_any_extra(package: str) -> None:
    """Guards the bare installation: this environment has extras, so a needless import would go unnoticed."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        f"sys.modules.update(dict.fromkeys({EXTRAS!r})); "  # None makes an import fail as if it were absent
        f"import {package}"
    )
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
