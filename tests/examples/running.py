"""Runs an example the way a person does: as a script, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import actors

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_example(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The finished process, with what it printed. Warnings are errors in it.

    The path leads to the packages that the tests themselves use, installed or not.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(actors.__file__).parents[1]), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        timeout=120,
        check=False,
    )
