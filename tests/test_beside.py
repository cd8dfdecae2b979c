"""The stages of `make test` that run beside each other (`.ci/beside`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BESIDE = Path(__file__).parents[1] / ".ci" / "beside"


def beside(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", str(BESIDE), *words], capture_output=True, text=True, check=False)


def test_what_a_stage_writes_is_shown_whole_under_its_name() -> None:
    done = beside("first", "echo one; echo two >&2", "second", "echo one; echo two >&2")
    assert done.returncode == 0
    parts = done.stdout.split("==> ")[1:]
    assert sorted(part.partition(" (")[0] for part in parts) == ["first", "second"]
    assert [part.partition("\n")[2] for part in parts] == ["one\ntwo\n"] * 2


def test_a_stage_that_fails_fails_the_run_and_is_named() -> None:
    done = beside("good", "true", "bad", "echo why; exit 7")
    assert (done.returncode, done.stderr) == (1, "failed: bad\n")
    assert "why\n" in done.stdout


def test_no_stage_begins_after_one_has_failed() -> None:
    bad = ["bad", "exit 1"] * (os.cpu_count() or 1)
    done = beside(*bad, "last", "echo it began")
    assert done.returncode == 1
    assert "it began" not in done.stdout
