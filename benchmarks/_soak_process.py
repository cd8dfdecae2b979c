"""A process of `benchmarks.soak_workflows`: an engine that starts runs and prints what it is told, until it is killed.

It is forked from an interpreter that has imported everything: a kill is the same, and costs a third.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from typing import TYPE_CHECKING, Any, Self, TextIO
from unittest.mock import patch

import psycopg  # noqa: F401  # here, and not in each process
from sqlalchemy import text

from supervisors import start
from teams import member
from teams._journal.rows import OPEN
from teams.events import StepDone
from teams.workflows import EngineRef, Transaction, Workflow, WorkflowRun, delay, do, engine, workflow
from teams.workflows._engine import desk, lookout

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])
AT_ONCE = 5
"""Runs that a process has under way."""


def flow() -> Workflow:
    """The workflow: a chain with a map, a step in a transaction and a timer."""
    return workflow(
        "flow",
        do("spread", "worker", input=["$input", 1, 2]),
        do("each", "worker", each="$spread", input=["$item"]),
        do("note", note, input="$run.id", effects="transaction"),
        delay("nap", 0.05),
        do("last", "worker", input="$each"),
    )


def note(step: Transaction) -> None:
    """Writes a row beside the runs."""
    step.connection.execute(text("INSERT INTO noted VALUES (:run)"), {"run": step.value})


def work(url: str, first: int, lease: float, elsewhere: bool) -> None:
    """Starts runs, and prints what it is told, until it is killed. With `first` below 0: until no run is open.
    `elsewhere`: as on another machine, so that its lease outlives it.
    """
    if elsewhere:
        patch("teams._journal.sql.own_name", return_value=None).start()
    desk.LEASE = lease
    lookout.LOOK = min(lookout.LOOK, lease / 2)

    async def worker(value: Any) -> object:
        return value

    with start(engine("soak", member("worker", worker), flow(), store=url, durability="process")) as eng:
        assert isinstance(eng, EngineRef)
        eng.runtime.events.subscribe(lambda event: tell("step", event.run, event.step), StepDone)
        if first < 0:
            while eng.workflow_runs(states=tuple(OPEN), limit=1).get(timeout=60):
                eng.workflow_runs(limit=1).get(timeout=60)
            tell("finished")
            return
        under_way: list[tuple[int, WorkflowRun]] = []
        number = first
        while True:
            while len(under_way) < AT_ONCE:
                run = eng.start_workflow("flow", number, key=f"run-{number}").get(timeout=120)
                tell("acknowledged", number, run.id)
                under_way.append((number, run))
                number += 1
            number_of_first, oldest = under_way.pop(0)
            tell("result", number_of_first, json.dumps(oldest.get(timeout=300)))


def tell(*words: object) -> None:
    """A line of the standard output, from any thread."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def _begin(told: Connection, *arguments: Any) -> None:
    """In the new process: all that it says goes into the pipe."""
    for stream in (1, 2):
        os.dup2(told.fileno(), stream)
    told.close()
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", encoding="utf-8", closefd=False) for stream in (1, 2))
    work(*arguments)


class SoakProcess:
    """A process that works, as the campaign sees it."""

    def __init__(self, url: str, first: int, lease: float, *, elsewhere: bool) -> None:
        reader, writer = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_begin, args=(writer, url, first, lease, elsewhere))
        self._process.start()
        writer.close()
        self.lines: TextIO = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        """Its output."""
        reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()
        self.wait()
        self._process.close()

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()

    def wait(self) -> int | None:
        """The exit code, as soon as it has ended."""
        self._process.join()
        return self._process.exitcode
