"""The seam: the package names are generic, so a user's own `actors.py` may stand in front of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import supervisors

HOME = str(Path(supervisors.__file__).parents[1])


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that finds modules in `folder` before ours."""
    setup = f"import sys; sys.path[:0] = [{str(folder)!r}]; sys.path.append({HOME!r})\n"
    return subprocess.run(
        [sys.executable, "-c", setup + code], capture_output=True, text=True, cwd=folder, timeout=60, check=False
    )


@pytest.mark.parametrize("name", ["actors.py", "actors/__init__.py"])
def test_a_foreign_module_called_actors_is_named_in_the_error(tmp_path: Path, name: str) -> None:
    """An ImportError that says which file is in the way and what to do, and not an AttributeError later."""
    foreign = tmp_path / name
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("class Actor:\n    pass\n")
    done = python("import supervisors", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("ImportError: letitcrash needs its own package 'actors'")
    assert str(foreign) in last
    assert "rename" in last


def test_a_foreign_actors_that_was_imported_before_is_found_out_too(tmp_path: Path) -> None:
    """Wherever it came from."""
    code = "import types; sys.modules['actors'] = types.ModuleType('actors')\nimport supervisors"
    done = python(code, tmp_path)
    assert "ImportError: letitcrash needs its own package 'actors'" in done.stderr


def test_a_folder_called_actors_without_code_does_not_hide_the_package(tmp_path: Path) -> None:
    """A namespace package gives way to a real one further along the path."""
    (tmp_path / "actors").mkdir()
    done = python("import supervisors; print(supervisors.start.__name__)", tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "start")


def test_importing_starts_and_configures_nothing(tmp_path: Path) -> None:
    """No thread, no loop, no log handler, no change of signals."""
    code = (
        "import logging, signal, threading\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        "import actors, supervisors\n"
        "assert threading.active_count() == 1\n"
        "assert logging.getLogger().handlers == [] and logging.getLogger('letitcrash').handlers == []\n"
        "assert signal.getsignal(signal.SIGINT) is before\n"
        "assert 'typer' not in sys.modules and 'yaml' not in sys.modules\n"
    )
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
