"""The stream of a run: its events, read from the journal."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from actors import ActorDeadError
from actors.testing import FaultPlan, Kill, simulation
from supervisors import constant, start
from teams import member
from teams._journal.rows import JournalEntry, RunRow
from teams.patterns import Revision
from teams.resilience import retry
from teams.workflows import (
    Artifact,
    ArtifactMade,
    LevelComplete,
    NodeComplete,
    NoSuchRun,
    RunComplete,
    StreamEvent,
    TaskComplete,
    TaskFailed,
    TaskScored,
    TaskScoredLow,
    TaskSkipped,
    TaskStarted,
    Workflow,
    ask,
    coded,
    do,
    engine,
    quality,
    quality_domain,
    wait,
    workflow,
)
from teams.workflows._run.names import keyed
from teams.workflows._run.reader import RunReader
from teams.workflows.testing import Disk, StoreGone, World, worlds
from tests.teams.workflows.cast import Scene, played

double = member("double", lambda value: value * 2)


def named(events: list[StreamEvent]) -> list[tuple[str, object]]:
    """The kind of each event, with the step that it is of."""
    return [
        (each.kind, getattr(each, "task_id", None) or getattr(each, "node_id", None) or getattr(each, "level", None))
        for each in events
    ]


def those(events: list[StreamEvent], *kinds: type[StreamEvent]) -> list[Any]:
    return [each for each in events if isinstance(each, kinds)]


async def slow(value: Any) -> Any:
    """Takes two virtual seconds."""
    await asyncio.sleep(2)
    return value


# What it tells


def test_a_chain_tells_of_each_step_with_its_member_and_duration() -> None:
    flow = workflow("flow", do("first", "double"), do("second", "slow"))
    with played(double, member("slow", slow), flow) as scene:
        run = scene.start("flow", 3)
        events = list(run.stream())
        assert named(events) == [
            ("task_start", "first"),
            ("task_complete", "first"),
            ("node_complete", "first"),
            ("task_start", "second"),
            ("task_complete", "second"),
            ("node_complete", "second"),
            ("run_complete", None),
        ]
        assert [each.agent for each in those(events, TaskStarted)] == ["double", "slow"]
        assert [each.duration for each in those(events, TaskComplete)] == [0.0, pytest.approx(2)]
        assert {each.run for each in events} == {run.id}
        assert those(events, RunComplete)[0].state == "done"


def test_a_dag_tells_of_each_level_when_its_last_step_has_ended() -> None:
    flow = workflow("flow", tasks=[do("a", "double"), do("b", "slow"), do("c", len, after=("a", "b"))])
    with played(double, member("slow", slow), flow) as scene:
        events = list(scene.start("flow", 3).stream())
        levels = those(events, LevelComplete)
        assert [(each.level, each.nodes) for each in levels] == [(1, ("a", "b")), (2, ("c",))]
        order = named(events)
        assert (
            order.index(("node_complete", "b")) < order.index(("level_complete", 1)) < order.index(("task_start", "c"))
        )


def test_a_step_with_items_is_complete_when_the_next_one_begins() -> None:
    flow = workflow("flow", do("each", "slow", each="$input", max_parallel=1), do("sum", sum))
    with played(member("slow", slow), flow) as scene:
        events = list(scene.start("flow", [1, 2]).stream())
        order = named(events)
        assert ("task_complete", "each[1]") in order
        assert order.index(("node_complete", "each")) == order.index(("task_start", "sum")) - 1
        assert those(events, NodeComplete)[0].duration == pytest.approx(4)


def test_a_step_with_a_quality_is_complete_with_its_last_score() -> None:
    def draft(value: Any) -> object:
        return {"good": 0.9 if isinstance(value, Revision) else 0.2}

    how = quality(quality_domain("ONE", good=0.5), on_low="retry")
    with played(member("writer", draft), workflow("flow", do("draft", "writer", quality=how))) as scene:
        events = list(scene.start("flow").stream())
        (low,), (good,) = (
            those(events, TaskScoredLow),
            [each for each in those(events, TaskScored) if each.scores.passed],
        )
        assert (low.task_id, low.quality_score) == ("draft", 0.2)
        assert (good.task_id, good.quality_score) == ("draft#2", 0.9)
        (node,) = those(events, NodeComplete)
        assert (node.node_id, node.quality_score) == ("draft", 0.9)
        assert not [each for each in events if ".quality" in str(getattr(each, "task_id", ""))]


def test_a_low_score_that_only_warns_completes_its_step() -> None:
    how = quality(quality_domain("ONE", good=0.5))
    with played(
        member("writer", lambda _: {"good": 0.1}), workflow("flow", do("draft", "writer", quality=how))
    ) as scene:
        assert [each.quality_score for each in those(list(scene.start("flow").stream()), NodeComplete)] == [0.1]


def test_a_failure_says_whether_it_is_tried_again() -> None:
    calls: list[int] = []

    def shaky(value: Any) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("not yet")
        return value

    flow = workflow("flow", do("first", shaky, retry=retry(1, backoff=constant(2))))
    with played(flow) as scene:
        run = scene.start("flow")
        events = list(run.stream())
        failed = those(events, TaskFailed)
        assert [(each.task_id, each.again_in) for each in failed] == [("first", 2.0), ("first~2", None)]
        assert "not yet" in failed[0].error
        assert "not yet" in those(events, RunComplete)[0].error
        run.retry().get()
        more = list(run.stream(since=events[-1].seq))
        assert named(more)[-2:] == [("node_complete", "first"), ("run_complete", None)]
        assert [each.error for each in those(list(run.stream()), RunComplete)] == [None, None]


def test_what_is_left_out_and_what_people_say_is_told() -> None:
    flow = workflow(
        "flow",
        do("never", "double", when="$input > 100"),
        ask("ship", "Ship it?", options=["yes", "no"]),
        wait("late", "paid", timeout=5, on_timeout="skip"),
    )
    with played(double, flow) as scene:
        run = scene.start("flow", 1)
        scene.sim.advance(5)
        run.answer("ship", "yes").get()
        events = list(run.stream())
        assert [each.task_id for each in those(events, TaskSkipped)] == ["never", "late"]
        assert ("task_start", "ship") in named(events)
        (answered,) = those(events, TaskComplete)
        assert (answered.task_id, answered.duration) == ("ship", pytest.approx(5, abs=0.5))
        assert "Ship it?" in next(each.agent for each in those(events, TaskStarted) if each.task_id == "ship")


def test_an_artifact_is_told_once_with_its_type_and_size() -> None:
    flow = workflow("flow", do("write", "writer"), do("pass_on", "same"))
    writer = member("writer", lambda _: Artifact("report", {"text": "hi"}, "note"))
    with played(writer, member("same", lambda value: value), flow) as scene:
        (made,) = those(list(scene.start("flow").stream()), ArtifactMade)
        assert (made.task_id, made.name, made.type, made.data) == ("write", "report", "note", {"text": "hi"})
        assert made.size == len('{"text":"hi"}')


def test_a_step_that_an_edit_adds_is_told_and_its_level_is_complete_again() -> None:
    flow = workflow(
        "flow", tasks=[do("a", "double"), wait("go", "go", after="a"), do("z", "double", after="go", input=1)]
    )
    with played(double, flow) as scene:
        run = scene.start("flow", 3)
        scene.sim.advance(1)
        stream = run.stream()
        before = [next(stream) for _ in range(5)]
        assert named(before)[-2:] == [("level_complete", 1), ("task_start", "go")]
        run.edit(add_node=do("b", "double", input=1)).get()
        run.signal("go", 1).get()
        events = [*before, *stream]
        assert ("node_complete", "b") in named(events)
        assert sorted((each.level, each.nodes) for each in those(events, LevelComplete)) == [
            (1, ("a",)),
            (1, ("a", "b")),
            (2, ("go",)),
            (3, ("z",)),
        ]


def test_code_tells_of_its_steps() -> None:
    @coded
    async def flow(run: Any, value: int) -> int:
        return int(await run.do("double", value, name="first"))

    with played(double, flow) as scene:
        assert named(list(scene.start("flow", 1).stream())) == [
            ("task_start", "first"),
            ("task_complete", "first"),
            ("run_complete", None),
        ]


# Where it goes on


def told(workflow: Workflow, row: RunRow, entries: list[JournalEntry]) -> list[StreamEvent]:
    reader = RunReader()
    reader.use(workflow.graph)
    return [event for entry in entries for event in reader.read(entry, row)]


@settings(max_examples=40)
@given(worlds(deeds=("say", "cancel", "cancel_now", "pause", "resume")))
def test_whatever_happened_to_a_run_its_stream_tells_what_is_written(world: World) -> None:
    """Every end of a step once, the levels in order, and places that grow."""
    outcome = world.run()
    flow = world.sketch.build()
    for row in outcome.tables.runs.values():
        entries = outcome.tables.entries[row.id]
        events = told(flow, row, entries)
        places = [each.seq for each in events]
        assert places == sorted(set(places))
        ends = [each for each in entries if each.kind in ("done", "slept", "signalled", "answered")]
        done = Counter(keyed(each.step, each.attempt) for each in ends)
        assert Counter(each.task_id for each in those(events, TaskComplete)) == done
        nodes = [each.node_id for each in those(events, NodeComplete)]
        assert len(nodes) == len(set(nodes))
        levels = those(events, LevelComplete)
        assert len({each.level for each in levels}) == len(levels)
        if row.state == "done":
            skipped = {each.task_id for each in those(events, TaskSkipped)}
            assert set(nodes) | skipped >= set(flow.graph.by_id)
            assert [each.level for each in levels] == ([] if flow.chain else list(range(1, len(flow.graph.levels) + 1)))
            assert events[-1].kind == "run_complete"


def test_a_stream_of_an_ended_run_ends_where_nothing_is_left_to_tell() -> None:
    with played(double, workflow("flow", do("a", "double"))) as scene:
        run = scene.start("flow", 3)
        told_all = list(run.stream())
        assert list(run.stream(since=told_all[-1].seq)) == []
        assert list(run.stream(since=10**12)) == []


def test_a_stream_goes_on_after_any_event_with_just_the_rest() -> None:
    pieces = member("pieces", lambda _: [Artifact("one", 1), Artifact("two", 2)])
    flow = workflow("flow", tasks=[do("a", "pieces"), do("b", "double"), do("c", len, after=("a", "b"))])
    with played(double, pieces, flow) as scene:
        run = scene.start("flow", 3)
        events = list(run.stream())
        assert any(each.seq == after.seq - 1 for each, after in pairwise(events))
        for number, event in enumerate(events):
            assert list(scene.eng.stream(run.id, since=event.seq)) == events[number + 1 :]


def test_a_reader_gets_each_event_when_it_is_written() -> None:
    """The wait for the next event ends with it, and not with the run."""
    flow = workflow("flow", do("first", "double"), do("second", "slow"), do("third", "slow"))
    with played(double, member("slow", slow), flow) as scene:
        run = scene.start("flow", 3)
        heard = [(each.kind, scene.sim.now) for each in run.stream() if isinstance(each, TaskComplete | RunComplete)]
        begin = heard[0][1]
        assert [round(at - begin) for _, at in heard] == [0, 2, 4, 4]


def test_another_process_tells_the_same_and_goes_on() -> None:
    """After kill -9, in the middle of a run that another process began."""
    flow = workflow("flow", do("first", "double"), wait("go", "go"), do("second", "double"))
    with played(double, flow) as scene:
        run = scene.start("flow", 3)
        scene.sim.advance(5)
        stream = run.stream()
        events = [next(stream) for _ in range(4)]
        assert scene.disk is not None
        tables = scene.disk.durable
    tables.engines.clear()
    with played(double, flow, tables=tables) as scene:
        taken = scene.eng.workflow_run(run.id)
        taken.signal("go", 1).get()
        whole = list(taken.stream())
        assert whole[:4] == events
        assert list(taken.stream(since=events[-1].seq)) == whole[4:]


def test_a_reader_waits_for_a_run_that_is_parked() -> None:
    flow = workflow("flow", wait("go", "go"), do("second", "double"))
    with played(double, flow) as scene:
        run = scene.start("flow", 3)
        scene.sim.runtime.clock.call_at(scene.sim.now + 200, lambda: run.signal("go", 1))
        heard = [(each.kind, scene.sim.now) for each in run.stream()]
        assert scene.sim.now == pytest.approx(200, abs=1)
        assert heard[0][1] < 1
        assert heard[-1][0] == "run_complete"


def test_a_reader_at_one_engine_hears_of_the_runs_of_another() -> None:
    flow = workflow("flow", do("first", "double"), wait("go", "go"), do("second", "double"))
    with simulation() as sim:
        disk = Disk(sim, exclusive=False)
        engines = [sim.start(engine(f"eng-{n}", double, flow, store=disk.opened_by(disk.process()))) for n in range(2)]
        run = engines[0].start_workflow("flow", 3).get()
        stream = engines[1].stream(run.id)
        assert named([next(stream) for _ in range(4)])[-1] == ("task_start", "go")
        run.signal("go", 1).get()
        assert named(list(stream))[-1] == ("run_complete", None)


def test_a_reader_waits_while_the_store_is_away() -> None:
    flow = workflow("flow", do("first", "slow"), do("second", "slow"))
    with played(member("slow", slow), flow, faults=(StoreGone(1.0, 10.0),)) as scene:
        events = list(scene.start("flow", 3).stream())
        assert named(events)[-1] == ("run_complete", None)
        assert scene.sim.now > 11


def test_a_reader_outlives_the_desk() -> None:
    flow = workflow("flow", do("first", "slow"), do("second", "slow"))
    with played(member("slow", slow), flow, plan=FaultPlan(Kill("eng/desk", at=1.0))) as scene:
        assert named(list(scene.start("flow", 3).stream()))[-1] == ("run_complete", None)


# How it ends


def test_the_stream_of_an_unknown_run_says_so() -> None:
    with played(double) as scene, pytest.raises(NoSuchRun):
        next(scene.eng.stream("nobody"))


@pytest.mark.parametrize("since", [-1, 1.5, True, "1"])
def test_a_place_that_is_no_seq_is_refused(since: Any) -> None:
    with played(double) as scene, pytest.raises(ValueError, match="since"):
        scene.eng.stream("run", since=since)


def readers(scene: Scene) -> int:
    """How many readers wait at the desk of the engine."""
    (kept,) = scene.sim.runtime.cells["eng/desk"].kept.values()  # type: ignore[union-attr]
    return sum(map(len, kept.listeners.readers.values()))


def test_a_reader_that_is_cancelled_leaves_nothing_behind() -> None:
    flow = workflow("flow", wait("go", "go"))
    with played(flow) as scene:
        run = scene.start("flow")
        tasks: list[asyncio.Task[Any]] = []

        async def read() -> None:
            async for _ in run.stream():
                pass

        async def begin() -> None:
            tasks.append(asyncio.ensure_future(read()))

        scene.sim.call(begin())
        scene.sim.advance(5)
        assert readers(scene) == 1
        tasks.pop().cancel()
        scene.sim.settle()
        assert readers(scene) == 0


def test_a_loop_that_is_left_leaves_nothing_behind() -> None:
    flow = workflow("flow", do("first", "double"), wait("go", "go"))
    with played(double, flow) as scene:
        for _ in scene.start("flow", 1).stream():
            break
        assert readers(scene) == 0


def test_a_reader_hears_that_the_engine_has_terminated() -> None:
    flow = workflow("flow", do("first", "double"), wait("go", "go"))
    with played(double, flow) as scene:
        run = scene.start("flow", 1)
        stream = run.stream()
        scene.sim.runtime.clock.call_at(scene.sim.now + 20, scene.eng.kill)
        with pytest.raises(ActorDeadError):
            list(stream)


def test_threads_and_coroutines_read_beside_each_other(tmp_path: Path) -> None:
    """Without a simulation."""
    flow = workflow("flow", do("first", "double"), do("second", "double"))
    with start(engine("eng", double, flow, store=f"sqlite:///{tmp_path}/runs.db"), log=False) as eng:
        run = eng.start_workflow("flow", 3).get(timeout=10)
        found: list[list[StreamEvent]] = []
        threads = [threading.Thread(target=lambda: found.append(list(run.stream()))) for _ in range(3)]
        for each in threads:
            each.start()

        async def read() -> list[StreamEvent]:
            return [each async for each in run.stream()]

        found.append(asyncio.run(read()))
        for each in threads:
            each.join(20)
        assert len(found) == 4
        assert all(each == found[0] for each in found)
        assert found[0][-1].kind == "run_complete"
