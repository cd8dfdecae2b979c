"""`kill -9` in any phase: the run goes on, and nothing is done again that was done."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors import Future
from actors.spi import current_clock
from actors.testing import simulation
from supervisors import SupervisorSpec
from teams import member
from teams._journal.codec import decode
from teams._journal.open_store import open_store
from teams._journal.rows import ENDED, JournalEntry
from teams._journal.store import Store
from teams.orchestration import orchestrator
from teams.workflows import WorkflowRun, engine
from teams.workflows.testing import Disk, Processes, Reboot
from tests.teams.orchestration.cast import TASKS, Crew
from tests.teams.workflows.processes import process, read

COMMITS = 19
"""Those of a run without a kill."""


class Watched(Crew):
    """Members that note when they were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[tuple[str, float]] = []

    def members(self) -> list[Any]:
        made = super().members()
        plans, sums = self._work("planner"), self._work("chief")

        async def plan(asked: Any) -> Any:
            await plans(asked)
            return {"tasks": TASKS}

        return [*made, member("planner", plan), member("chief", sums)]

    def _work(self, name: str) -> Callable[[Any], Any]:
        work = super()._work(name)

        async def noted(given: Any) -> Any:
            self.times.append((name, current_clock().wall()))
            return await work(given)

        return noted


AGENTS = {
    "planning/draft": "planner",
    "execution/search": "searcher",
    "execution/count": "counter",
    "execution/chart": "painter",
    "execution/report": "writer",
    "synthesis/aggregate": "chief",
}


def carried_out(*faults: Reboot) -> tuple[Any, list[JournalEntry], Watched, int]:
    """The result of one orchestration with these faults, its entries, its crew, and how often a process was killed."""
    crew = Watched()
    desk = orchestrator("desk", planner="planner", aggregator="chief")

    def served(path: str, store: Callable[[], Store]) -> SupervisorSpec:
        return engine(path, *crew.members(), desk, store=store)

    with simulation(strict=False) as sim:
        disk = Disk(sim, *faults, exclusive=True)
        processes = Processes(sim, disk, served)
        processes.run(1.0)
        while not disk.durable.runs:
            eng = processes.ref(0)
            started: Future[WorkflowRun] | None = None
            if eng is not None:
                started = eng.start_workflow("desk", "whales", key="task-1")
            processes.run(sim.now + 1.0)
            del started
        while any(each.state not in ENDED for each in disk.durable.runs.values()):
            processes.run(sim.now + 2.0)
        ((id, row),) = disk.durable.runs.items()
        return json.loads(row.result or b"null"), disk.durable.entries[id], crew, processes.reboots


@pytest.mark.parametrize("nth", range(1, COMMITS + 1))
@pytest.mark.parametrize("written", [True, False])
def test_kill_nine_at_any_commit_does_nothing_again_that_was_done(nth: int, written: bool) -> None:
    found, entries, crew, reboots = carried_out(Reboot(nth=nth, written=written))
    assert reboots == 1
    assert found["result"] == "by chief"
    assert found["successful"] == ["search", "count", "chart", "report"]
    ends = [each.step for each in entries if each.kind == "done"]
    assert len(ends) == len(set(ends))
    for entry in entries:
        if entry.kind == "done" and entry.step in AGENTS:
            assert [at for name, at in crew.times if name == AGENTS[entry.step] and at > entry.at / 1e6] == []
    assert sum(crew.asked.values()) <= len(AGENTS) + 1


def test_the_last_kill_above_is_at_the_last_commit_of_a_run() -> None:
    *_, reboots = carried_out(Reboot(nth=COMMITS + 1))
    assert reboots == 0


# For real

WORKER = """
import json, sys
from supervisors import start
from teams import Context, member
from teams.orchestration import orchestrator
from teams.workflows import engine

def say(*words):
    sys.stdout.write(" ".join(words) + "\\n")
    sys.stdout.flush()

def worker(name, result):
    async def work(value, context: Context):
        say("begun", context.work_id.partition(":")[2])
        return result
    return member(name, work)

tasks = [
    {"id": "search", "agent": "one"},
    {"id": "count", "agent": "two", "dependencies": ["search"]},
    {"id": "chart", "agent": "two", "dependencies": ["search"]},
    {"id": "report", "agent": "one", "dependencies": ["count", "chart"]},
]
people = [worker("planner", {"tasks": tasks}), worker("one", 1), worker("two", 2), worker("chief", "all")]
desk = orchestrator("desk", planner="planner", aggregator="chief")
with start(engine("eng", *people, desk, store=sys.argv[1], durability="process")) as eng:
    run = eng.start_workflow("desk", "whales", key="task-1").get(timeout=120)
    say("acknowledged", run.id)
    say("result", json.dumps(run.get(timeout=120)["result"]))
"""


def test_another_process_goes_on_after_kill_nine(tmp_path: Path) -> None:
    """While a task is under way."""
    url = f"sqlite:///{tmp_path}/runs.db"
    with process(WORKER, url) as running:
        read(running, 3, words=1)
        running.send_signal(signal.SIGKILL)
        read(running, 1_000, words=1)
    store = open_store(url, durability="process")
    done = {entry.step for row in store.runs() for entry in store.entries(row.id) if entry.kind == "done"}
    for each in store.engines():  # its lease would end by itself
        store.release(each.epoch)
    store.close()
    with process(WORKER, url) as running:
        later = read(running, 1_000, words=1)
        assert running.wait() == 0
    assert not {line[1].strip() for line in later if line[0] == "begun"} & done
    assert [decode(line[1].encode()) for line in later if line[0] == "result"] == ["all"]
