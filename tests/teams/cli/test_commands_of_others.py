"""Commands that other packages add by an entry point of the group `letitcrash.commands`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import teams
from tests import forked

PACKAGES = str(Path(teams.__file__).parents[1])
MODULE = """
import typer
app = typer.Typer()

@app.command()
def hello(name: str) -> None:
    "Greets."
    print(f"hello {name}")

two = typer.Typer(help="Two commands.")
two.command("one")(lambda: print("one"))
two.command("other")(lambda: print("other"))
thing = 3
"""
ENTRIES = """
[letitcrash.commands]
hello = others:app
two = others:two
gone = others_that_are_gone:app
thing = others:thing
check = others:app
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with another package."""
    (tmp_path / "others.py").write_text(MODULE)
    info = tmp_path / "others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    return tmp_path


def command(site: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(site), PACKAGES))}
    done = forked.run(["-m", "letitcrash", *arguments], env=environment)
    return done.returncode, done.stdout, done.stderr


def test_a_command_of_another_package_is_one_of_ours(site: Path) -> None:
    assert command(site, "hello", "Ada") == (0, "hello Ada\n", "")
    assert command(site, "two", "other") == (0, "other\n", "")


def test_the_help_lists_the_commands_of_others_after_ours(site: Path) -> None:
    code, said, _ = command(site, "--help")
    assert code == 0
    assert said.index("workflow") < said.index("hello") < said.index("two")
    assert "Greets." in said


@pytest.mark.parametrize(("name", "why"), [("gone", "No module named"), ("thing", "must be a typer.Typer")])
def test_a_command_that_cannot_be_imported_says_so_alone(site: Path, name: str, why: str) -> None:
    code, said, errors = command(site, name, "--anything")
    assert (code, said) == (2, "")
    assert f"command {name} of" in errors
    assert why in errors
    assert command(site, "hello", "Bob")[0] == 0


def test_no_package_replaces_a_command_of_ours(site: Path) -> None:
    code, said, errors = command(site, "check", "no/such/file.toml")
    assert code == 2
    assert "hello" not in said + errors
