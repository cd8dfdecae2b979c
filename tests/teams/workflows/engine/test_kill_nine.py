"""`kill -9` of a process with runs under way: another one goes on with them, and begins nothing again that was done.

The process prints a line whenever a step begins, and the test kills it when it has read so many of them.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from teams._journal.open_store import open_store
from tests.teams.journal.cast import place
from tests.teams.workflows.processes import process, read

RUNS = 4
STEPS = ("first", "each[0]", "each[1]", "each[2]", "last")
WORKER = """
import json, sys
from supervisors import start
from teams import Context, member
from teams.workflows import do, engine, workflow

def say(*words):
    # In one piece: the loop thread and the main thread both write.
    sys.stdout.write(" ".join(words) + "\\n")
    sys.stdout.flush()

def worker(name, result):
    async def work(value, context: Context):
        run, _, step = context.work_id.partition(":")
        say("begun", run, step)
        return result(value)
    return member(name, work)

members = [worker("one", lambda value: [value, value + 1, value + 2]), worker("twice", lambda value: value * 2)]
flow = workflow("flow", do("first", "one"), do("each", "twice", each="$first"), do("last", sum))
with start(engine("eng", *members, flow, store=sys.argv[1], durability="process")) as eng:
    runs = [eng.start_workflow("flow", number, key=f"run-{number}") for number in range(int(sys.argv[2]))]
    for number, run in enumerate(runs):
        found = run.get(timeout=120)
        say("acknowledged", found.id)
    for number, run in enumerate(runs):
        say("result", json.dumps([number, run.get().get(timeout=120)]))
"""


@pytest.mark.parametrize("at", [1, 2, 5, 9, 14])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_another_process_goes_on_and_begins_nothing_again_that_was_done(kind: str, at: int, tmp_path: Path) -> None:
    with place(kind, tmp_path) as there:
        if kind == "postgres":
            open_store(there.url).close()
        with process(WORKER, there.url, str(RUNS)) as running:
            lines = read(running, at)
            running.send_signal(signal.SIGKILL)
            lines += read(running, 1_000)
        acknowledged = {line[1] for line in lines if line[0] == "acknowledged"}
        store = open_store(there.url, durability="process")
        rows = store.runs(limit=1_000)
        assert acknowledged <= {row.id for row in rows}
        done = {(row.id, entry.step) for row in rows for entry in store.entries(row.id) if entry.kind == "done"}
        store.close()

        with process(WORKER, there.url, str(RUNS)) as running:
            later = read(running, 1_000)
            assert running.wait() == 0
        begun_again = {(line[1], line[2].strip()) for line in later if line[0] == "begun"}
        assert not begun_again & done
        results = dict(json.loads(line[1] + line[2]) for line in later if line[0] == "result")
        assert results == {number: 2 * (3 * number + 3) for number in range(RUNS)}

        store = open_store(there.url, durability="process")
        assert len(store.runs(limit=1_000)) == RUNS
        for row in store.runs(limit=1_000):
            ends = [entry.step for entry in store.entries(row.id) if entry.kind == "done"]
            assert sorted(ends) == sorted(STEPS)
        store.close()


GOING_ON = """
import json, sys
from supervisors import start
from teams import Context, member
from teams.workflows import continue_as_new, do, engine, workflow

async def add(value, context: Context):
    sys.stdout.write(f"begun {context.work_id}\\n")
    sys.stdout.flush()
    return {"number": value["number"] + 1}

flow = workflow("flow", do("add", "adder"), continue_as_new("next", "$add", when="$add.number < 6"), output="$add")
with start(engine("eng", member("adder", add), flow, store=sys.argv[1], durability="process")) as eng:
    run = eng.start_workflow("flow", {"number": 0}, key="k").get(timeout=120)
    print("result", "is", json.dumps(run.get(timeout=120)), flush=True)
"""


@pytest.mark.parametrize("at", [1, 2, 4, 6])
def test_a_run_that_goes_on_in_new_ones_outlives_its_processes(at: int, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'runs.db'}"
    with process(GOING_ON, address) as running:
        read(running, at)
        running.send_signal(signal.SIGKILL)
        read(running, 1_000)
    store = open_store(address, durability="process")
    for engine in store.engines():  # its lease would end by itself
        store.release(engine.epoch)
    store.close()
    with process(GOING_ON, address) as running:
        later = read(running, 1_000)
        assert running.wait() == 0
    assert later[-1] == ["result", "is", '{"number": 6}\n']
    store = open_store(address, durability="process")
    rows = store.runs(limit=1_000)[::-1]
    assert [json.loads(row.input)["number"] for row in rows] == [0, 1, 2, 3, 4, 5]
    assert [row.state for row in rows] == [*["continued"] * 5, "done"]
    store.close()
