"""The command where nothing says what is installed: from a checkout on PYTHONPATH, from a zipapp."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest

import letitcrash
import teams

CHECKOUT = Path(__file__).parents[3]
PACKAGES = Path(teams.__file__).parents[1]
OURS = ("letitcrash", "actors", "supervisors", "teams")


@pytest.fixture
def dependencies(tmp_path: Path) -> Path:
    """A folder with what we depend on, and nothing that says that we are installed."""
    folder = tmp_path / "dependencies"
    folder.mkdir()
    for place in {Path(each) for each in sys.path if "site-packages" in each}:
        for found in place.iterdir():
            ours = found.name in OURS or "letitcrash" in found.name or found.suffix == ".pth"
            if not ours and not (folder / found.name).exists():
                (folder / found.name).symlink_to(found)
    return folder


def python(path: list[Path], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python without `site`, and so without the packages of this environment."""
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=CHECKOUT / "examples",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The packages as a zipapp that starts the command."""
    source = tmp_path / "source"
    for name in OURS:
        shutil.copytree(PACKAGES / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    zipapp.create_archive(source, tmp_path / "letitcrash.pyz", main="letitcrash.cli:main")
    return tmp_path / "letitcrash.pyz"


def test_no_metadata_of_ours_is_found_here(dependencies: Path) -> None:
    """Guards the tests below: they would prove nothing."""
    said = python([CHECKOUT, dependencies], "-c", "import importlib.metadata; importlib.metadata.version('letitcrash')")
    assert "PackageNotFoundError" in said.stderr


def test_a_checkout_on_the_path_reads_a_team_in_a_file(dependencies: Path) -> None:
    """Guards `PYTHONPATH=... python -m teams check team.toml`, which told five nonsense faults."""
    said = python([CHECKOUT, dependencies], "-m", "teams", "check", "team_file.toml")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("survey: ")


def test_a_zipapp_reads_a_team_in_a_file_and_runs_it(archive: Path, dependencies: Path) -> None:
    """Guards a single file that is handed on, in a folder of a checkout, too. A run checks the team first."""
    said = python([dependencies], str(archive), "run", "team_file.toml", "--plain")
    assert said.returncode == 0, said.stderr
    assert "files define nothing" in said.stdout
    said = python([dependencies], str(archive), "--version")
    assert said.stdout == f"letitcrash {letitcrash.__version__}\n"


def test_a_zipapp_is_not_taken_for_a_shadow_of_itself(archive: Path, dependencies: Path) -> None:
    """Guards the search for a user's own `actors.py`: beside the checkout, whose packages are ours."""
    said = python([dependencies], str(archive), "check", str(CHECKOUT / "examples" / "tree_file.toml"))
    assert said.returncode == 0, said.stderr


def test_supervisors_alone_says_who_reads_a_team_in_a_file() -> None:
    """Guards `start("team.toml")` in a program that never imports `teams`: one fault, with what to do."""
    program = (
        "import sys; from supervisors import SpecError, start\n"
        "try: start('team_file.toml')\n"
        "except SpecError as error: print(len(error.faults), error.faults[0])\n"
        "assert 'teams' not in sys.modules\n"
        "import teams; print(start('team_file.toml').spec.id)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT / "examples",
        env={**os.environ, "PYTHONPATH": f"{PACKAGES}{os.pathsep}{CHECKOUT / 'examples'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert said.returncode == 0, said.stderr
    fault, team = said.stdout.splitlines()
    assert fault.startswith("1 team_file.toml: is a team, but `teams` is not imported: import it")
    assert team == "survey"
