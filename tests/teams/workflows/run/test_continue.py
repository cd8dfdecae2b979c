"""A run that another one goes on for, and the limit of a journal which makes that necessary."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors import SpecError
from teams import member
from teams.workflows import (
    RunContinued,
    Workflow,
    WorkflowContext,
    coded,
    continue_as_new,
    delay,
    do,
    engine,
    nested,
    wait,
    workflow,
)
from teams.workflows._run import keeper
from teams.workflows.testing import DiskFault, FailCommit, UnknownCommit
from tests.teams.workflows.cast import Scene, failure, kinds, played
from tests.teams.workflows.run.test_code import again

LAST = 3


async def work(value: Any) -> Any:
    await asyncio.sleep(1)
    return value


worker = member("worker", work)


@coded
async def count(run: WorkflowContext, number: int) -> str:
    """Goes on in a new run until the last number."""
    done = await run.do("worker", number, name="work")
    if done < LAST:
        run.continue_as_new(number + 1)
    return f"ended with {done}"


@coded
async def listen(run: WorkflowContext, heard: list[int]) -> list[int]:
    """Hears one signal a run."""
    if len(heard) == LAST:
        return heard
    run.continue_as_new([*heard, await run.wait("said")])


def runs_of(scene: Scene) -> list[tuple[str, str | None, bytes]]:
    """State, key and input of every run, oldest first."""
    rows = scene.eng.workflow_runs(limit=100).get()
    return [(each.state, each.key, each.input) for each in sorted(rows, key=lambda row: int(row.input))]


def test_a_run_goes_on_in_a_new_one_with_another_input() -> None:
    with played(worker, count) as scene:
        assert scene.result("count", 0, key="k", priority=7, attributes={"of": "ann"}) == f"ended with {LAST}"
        assert runs_of(scene) == [
            ("continued", "k", b"0"),
            ("continued", None, b"1"),
            ("continued", None, b"2"),
            ("done", None, b"3"),
        ]
        rows = sorted(scene.eng.workflow_runs(limit=100).get(), key=lambda row: int(row.input))
        assert [each.parent for each in rows] == [None, *(each.id for each in rows[:-1])]
        assert {(each.priority, each.attributes) for each in rows} == {(7, rows[0].attributes)}
        first = scene.eng.workflow_run(rows[0].id)
        assert kinds(first) == ["began", "done", "ended"]
        status = first.status().get()
        assert (status.state, status.result, status.continued_as) == ("continued", None, rows[1].id)
        assert first.get(timeout=10) == f"ended with {LAST}"


def test_signals_that_no_step_has_taken_go_on_with_the_run() -> None:
    with played(listen) as scene:
        run = scene.start("listen", [])
        for number in range(LAST):
            run.signal("said", number).get()
        assert run.get(timeout=100) == [0, 1, 2]


@given(
    st.lists(st.builds(FailCommit, st.integers(1, 12)) | st.builds(UnknownCommit, st.integers(1, 12)), max_size=3),
    st.floats(0, 4.5),
)
def test_each_run_has_one_that_goes_on_for_it_whatever_fails(faults: list[DiskFault], killed_at: float) -> None:
    with played(worker, count, faults=tuple(faults)) as scene:
        run = scene.start("count", 0)
        scene.sim.advance(killed_at)
        later = again(scene, worker, count)
    with later as scene:
        assert scene.eng.workflow_run(run.id).get(timeout=10_000) == f"ended with {LAST}"
        assert [(state, input) for state, _, input in runs_of(scene)] == [
            ("continued", b"0"),
            ("continued", b"1"),
            ("continued", b"2"),
            ("done", b"3"),
        ]


def test_a_run_that_was_cancelled_is_not_continued() -> None:
    @coded
    async def stubborn(run: WorkflowContext, number: int) -> None:
        try:
            await run.wait("never")
        finally:
            run.continue_as_new(number + 1)

    with played(stubborn) as scene:
        run = scene.start("stubborn", 0)
        scene.sim.advance(0.1)
        run.cancel("enough").get()
        scene.sim.advance(5)
        assert runs_of(scene) == [("cancelled", None, b"0")]


def test_an_input_that_the_workflow_does_not_take_fails_the_run() -> None:
    @coded
    async def wrong(run: WorkflowContext, number: int) -> None:
        run.continue_as_new("one")

    with played(wrong) as scene:
        assert "BadInput" in str(failure(lambda: scene.result("wrong", 0)))
        assert len(runs_of(scene)) == 1


def test_a_workflow_that_is_a_step_cannot_end_its_run() -> None:
    with played(worker, count, workflow("outer", nested("inner", "count"))) as scene:
        assert "NeedsEngine" in str(failure(lambda: scene.result("outer", 0)))


def test_a_run_that_was_continued_is_not_tried_again() -> None:
    with played(worker, count) as scene:
        run = scene.start("count", 0)
        run.get(timeout=100)
        with pytest.raises(Exception, match="continued"):
            run.retry().get()


# A workflow of steps


async def add(value: dict[str, int]) -> dict[str, int]:
    await asyncio.sleep(1)
    return {"number": value["number"] + 1}


adder = member("adder", add)


def counting(*, chain: bool = True) -> Workflow:
    """Counts to three, one a run."""
    add = do("add", "adder")
    last = continue_as_new("next", "$add", when="$add.number < 3", after=() if chain else "add")
    return workflow("counting", add, last, output="counted to ${add.number}")


def test_a_step_has_its_run_go_on_in_a_new_one() -> None:
    with played(adder, counting()) as scene:
        told: list[RunContinued] = []
        scene.sim.runtime.events.subscribe(told.append, RunContinued)
        assert scene.result("counting", {"number": 0}, key="k", priority=7) == "counted to 3"
        rows = scene.eng.workflow_runs(limit=100).get()[::-1]
        assert [(each.state, each.key, each.input) for each in rows] == [
            ("continued", "k", b'{"number":0}'),
            ("continued", None, b'{"number":1}'),
            ("done", None, b'{"number":2}'),
        ]
        assert [(each.run, each.next) for each in told] == [(rows[0].id, rows[1].id), (rows[1].id, rows[2].id)]
        first = scene.eng.workflow_run(rows[0].id)
        entries = [(each.kind, each.step) for each in first.history().get()]
        assert entries == [
            ("began", "add"),
            ("done", "add"),
            ("began", "next"),
            ("done", "next"),
            ("ended", ""),
        ]
        status = first.status().get()
        assert (status.state, status.done, status.percentage, status.continued_as) == ("continued", 2, 100, rows[1].id)


def test_a_step_of_a_graph_ends_the_run_when_all_others_have_ended() -> None:
    with played(adder, counting(chain=False)) as scene:
        assert scene.result("counting", {"number": 0}) == "counted to 3"


def test_a_step_of_a_chain_by_data_ends_the_run_after_all_before_it() -> None:
    last = continue_as_new("next", "$add", when="$add.number < 3")
    flow = workflow("counting", do("add", "adder"), do("other", "adder"), last, do("end", "adder"), execution="auto")
    assert set(flow.graph.needs("next")) >= {"add", "other"}
    assert "next" in flow.graph.needs("end")
    with played(adder, flow) as scene:
        assert scene.result("counting", {"number": 0}) == {"number": 5}


def test_the_run_that_goes_on_has_the_workflow_of_the_engine() -> None:
    old = workflow("flow", wait("go", "go"), continue_as_new("next", {}))
    new = workflow("flow", do("said", "worker", input="new"))
    with played(worker, old) as scene:
        run = scene.start("flow")
        scene.sim.advance(5)
        later = again(scene, worker, new)
    with later as scene:
        run = scene.eng.workflow_run(run.id)
        run.signal("go").get()
        assert run.get(timeout=100) == "new"
        found = {each.state: (each.version, each.total) for each in scene.eng.workflow_runs().get()}
        assert found == {"continued": (old.version, 2), "done": (new.version, 1)}
        assert scene.disk is not None
        assert ("flow", new.version) in scene.disk.durable.definitions


def test_a_step_ends_no_run_with_an_input_that_its_workflow_refuses() -> None:
    flow = workflow("flow", do("work", "worker", input=3), continue_as_new("next", "$work"), input=str)
    passed = workflow("passed", continue_as_new("next", "$input.no", on_failure="skip"))
    with played(worker, flow, passed) as scene:
        run = scene.start("flow", "x")
        assert "BadInput" in str(failure(lambda: run.get(timeout=100)))
        assert kinds(run)[-1] == "ended"
        assert scene.state(scene.start("passed", {})) == "running"
        assert scene.result("passed", {}) == {}


def test_a_run_that_a_step_would_end_is_not_part_of_another() -> None:
    with pytest.raises(SpecError, match="eng/outer/inner: workflow 'counting' ends its run"):
        engine("eng", adder, counting(), workflow("outer", nested("inner", "counting")))


# The limit


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "MOST_ENTRIES", 4)


@pytest.mark.usefixtures("short")
def test_a_run_whose_journal_is_full_begins_nothing_and_fails() -> None:
    chain = workflow("chain", *(do(f"s{number}", "worker") for number in range(5)))
    with played(worker, chain) as scene:
        run = scene.start("chain", 1)
        error = failure(lambda: run.get(timeout=100))
        assert "4 entries" in str(error)
        assert "continue_as_new" in str(error)
        assert kinds(run) == ["began", "done", "began", "done", "ended"]


@pytest.mark.usefixtures("short")
def test_what_is_under_way_ends_when_the_journal_is_full() -> None:
    wide = workflow("wide", *(do(f"s{number}", "worker", after=()) for number in range(3)), tasks=())
    tasks = workflow("tasks", tasks=[do(f"t{number}", "worker") for number in range(4)])
    with played(worker, wide, tasks) as scene:
        run = scene.start("tasks", 1)
        assert len(run.get(timeout=100)) == 4
        assert kinds(run).count("done") == 4


@pytest.mark.usefixtures("short")
def test_a_wait_and_a_time_of_code_count_too() -> None:
    naps = workflow("naps", *(delay(f"s{number}", 1) for number in range(4)))

    @coded
    async def clock(run: WorkflowContext, _: object) -> None:
        while True:
            run.now()

    with played(naps, clock) as scene:
        for flow in ("naps", "clock"):
            assert "4 entries" in str(failure(partial(scene.result, flow)))


@pytest.mark.usefixtures("short")
def test_code_that_ignores_the_limit_does_not_stop_other_runs() -> None:
    @coded
    async def deaf(run: WorkflowContext, _: object) -> None:
        while True:
            try:
                await run.do("worker", 1)
            except Exception:  # noqa: BLE001 - it is deaf
                continue

    with played(worker, deaf, workflow("other", do("a", "worker")), default_timeout=30) as scene:
        scene.start("deaf")
        assert scene.result("other", 5) == 5
