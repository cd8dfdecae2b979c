"""The package with the distribution's own name: light, and the same objects under a shorter way."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

import letitcrash

HOME = str(Path(letitcrash.__file__).parents[1])


def python(
    folder: Path, *arguments: str, path: str = HOME, stdout: int | IO[str] = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Python in a folder, as a person starts it there."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )


def test_importing_the_door_imports_none_of_the_packages(tmp_path: Path) -> None:
    """It is loaded in every test run of every project in the environment."""
    code = (
        "import sys; before = set(sys.modules); import letitcrash, letitcrash.cli, letitcrash._packages; "
        "print(sorted({'actors', 'supervisors', 'teams', 'asyncio', 'pydantic'} & (set(sys.modules) - before)))"
    )
    assert python(tmp_path, "-c", code).stdout == "[]\n"


def test_the_names_of_the_door_are_the_objects_of_the_packages() -> None:
    """One object, and it says that it belongs to its package."""
    packages = [importlib.import_module(name) for name in ("actors", "supervisors", "teams")]
    for name in letitcrash.__all__:
        found = getattr(letitcrash, name)
        (home,) = (each for each in packages if name in each.__all__)
        assert found is getattr(home, name)
        assert found.__module__ == home.__name__


def test_the_door_has_its_names_before_they_are_loaded_and_no_others(tmp_path: Path) -> None:
    """Guards completion in a shell, and what asks every module for special names."""
    code = (
        "import sys, letitcrash; assert set(letitcrash.__all__) <= set(dir(letitcrash)); "
        "print(hasattr(letitcrash, '__wrapped__'), hasattr(letitcrash, 'Nothing'), 'actors' in sys.modules)"
    )
    assert python(tmp_path, "-c", code).stdout == "False False False\n"


def test_a_name_of_the_door_says_which_file_shadows_a_package(tmp_path: Path) -> None:
    """Guards `from letitcrash import Actor` beside a file `actors.py`, or one `teams.py`."""
    (tmp_path / "teams.py").write_text("")
    done = python(tmp_path, "-c", "from letitcrash import Actor")
    problem = f"letitcrash needs its own package 'teams', but Python found {tmp_path / 'teams.py'} first"
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: {problem}: rename that file")


def test_both_ways_to_start_the_command_say_the_version(tmp_path: Path) -> None:
    """`python -m letitcrash` where the script is not on the path; `-m teams` is the same."""
    for module in ("letitcrash", "teams"):
        done = python(tmp_path, "-m", module, "--version")
        assert (done.stdout, done.returncode) == (f"letitcrash {letitcrash.__version__}\n", 0)


def test_the_command_says_in_a_line_each_which_files_shadow_packages(tmp_path: Path) -> None:
    """Guards the command in a folder with a user's own files: all of them at once, and no traceback."""
    (tmp_path / "actors.py").write_text("raise SystemError('it is not imported')")
    (tmp_path / "teams.py").write_text("")
    done = python(tmp_path, "-m", "letitcrash", "check", "tree.toml")
    assert done.returncode == 2
    assert [
        f"{each}.py first" in line for each, line in zip(("actors", "teams"), done.stderr.splitlines(), strict=True)
    ]


@pytest.mark.parametrize("args", ["--help", "--version", "workflow --help", "doctor"])
def test_an_output_that_cannot_be_written_is_told_without_a_traceback(tmp_path: Path, args: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = python(tmp_path, "-m", "letitcrash", *args.split(), stdout=full)
    assert done.returncode == 1
    assert done.stderr == "letitcrash: the output cannot be written: No space left on device\n"


def test_ctrl_c_during_the_imports_of_the_command_shows_no_traceback(tmp_path: Path) -> None:
    """The import of a library is interrupted, as in the first 0.4 s. The signal is sent by the import itself."""
    code = f"import os, signal\nos.kill(os.getpid(), {int(signal.SIGINT)})\nfor _ in range(10**9): pass\n"
    (tmp_path / "typer.py").write_text(code)
    done = python(tmp_path, "-m", "letitcrash", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_ctrl_c_that_is_ignored_stays_ignored_during_the_imports(tmp_path: Path) -> None:
    """A shell script starts a command in the background with SIGINT ignored."""
    (tmp_path / "sitecustomize.py").write_text("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)")
    (tmp_path / "yaml.py").write_text("")
    (tmp_path / "rich.py").write_text(f"import os\nos.kill(os.getpid(), {int(signal.SIGINT)})\nraise OSError('here')\n")
    done = python(tmp_path, "-m", "letitcrash", "--version", path=f"{tmp_path}{os.pathsep}{HOME}")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "OSError: here")
