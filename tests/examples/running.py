"""Runs an example the way a person does: in a process of its own, where warnings are errors."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import actors
from tests import forked

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_example(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The example as a script, finished, with what it printed."""
    return _run(EXAMPLES / name, *arguments)


def run_command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command `letitcrash`, finished, with what it printed."""
    return _run("-c", "from letitcrash.cli import main; main()", *arguments)


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # The path leads to the packages that the tests themselves use, installed or not.
    environment = {**os.environ, "PYTHONPATH": str(Path(actors.__file__).parents[1]), "PYTHONUTF8": "1"}
    return forked.run(["-W", "error", *map(str, arguments)], env=environment)
