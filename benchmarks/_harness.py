"""Interleaved rounds: each runs every subject of a work once, in turn, each in a fresh child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._outcome import Outcome
from benchmarks._subjects import Subject
from benchmarks._works import Work

TIME_LIMIT = 180.0
"""Seconds a child may take, its imports and its peer's start included."""

QUICK_DIVISOR = 10

Launch = Callable[[Subject, Work, int], Outcome]
"""Does one measurement of a work of the given size on a subject."""


@dataclass(slots=True)
class Measured:
    """One subject under one work: the outcome of every round it ran in."""

    subject: Subject
    work: Work
    size: int
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failure(self) -> Outcome | None:
        """The outcome that ended its rounds, if one did: nothing is gained by failing again."""
        last = self.outcomes[-1] if self.outcomes else None
        return last if last is not None and last.status != "ok" else None

    def samples(self, key: str) -> list[float]:
        """One metric's figures, round by round."""
        return [outcome.figures[key] for outcome in self.outcomes if outcome.status == "ok"]


def size_of(subject: Subject, work: Work, *, quick: bool) -> int:
    """How often `subject` does `work`: a tenth of its full size when `quick`, yet never less than two."""
    full = subject.sizes[work.name]
    return max(2, full // QUICK_DIVISOR) if quick else full


def measure(
    work: Work,
    subjects: Iterable[Subject],
    *,
    rounds: int,
    quick: bool,
    launch: Launch,
    progress: Callable[[str], None],
) -> list[Measured]:
    """Measure `work` on those of `subjects` that do it, `rounds` times in turn, fewer where the work says so.

    `progress` is told each measurement before it begins.
    """
    doing = [Measured(s, work, size_of(s, work, quick=quick)) for s in subjects if work.name in s.sizes]
    rounds = rounds if work.rounds is None else min(rounds, work.rounds)
    for turn in range(1, rounds + 1):
        for one in doing:
            if one.failure is None:
                progress(f"{work.name} round {turn} of {rounds}: {one.subject.name}")
                one.outcomes.append(launch(one.subject, work, one.size))
    return doing


def launch_child(subject: Subject, work: Work, size: int) -> Outcome:
    """Measure in a fresh child, so that peers do not disturb each other; each way to fail is an outcome."""
    if absent := subject.missing():
        return Outcome("missing", detail=absent)
    command = [sys.executable, "-m", "benchmarks._run", subject.name, work.name, str(size)]
    return run_child(command, TIME_LIMIT)


def run_child(command: Sequence[str], limit: float) -> Outcome:
    """The outcome the child `command` reports within `limit` seconds."""
    child = subprocess.Popen(
        command,
        cwd=Path(__file__).resolve().parent.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A session of its own: peers start processes, and all of them must go when the time is up.
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return Outcome("timed out", detail=f"not done after {limit:g} s")
    outcome = Outcome.from_output(output)
    if outcome is not None:
        return outcome
    last = (errors.strip().splitlines() or ["it wrote no error"])[-1]
    return Outcome("failed", detail=f"exit code {child.returncode}: {last}")
