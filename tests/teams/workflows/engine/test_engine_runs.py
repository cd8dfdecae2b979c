"""Engines: what callers can do with runs, what of them is stored, and which of them are awake."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr

from actors import DeadLetter
from actors import sleep as pause
from actors.events import CrashedExit, MessageHandled
from supervisors import SpecError
from supervisors.spi import StartChild
from teams import RunCancelled, member
from teams._runs.state import RunState
from teams.workflows import (
    AlreadyEnded,
    BadInput,
    KeyTaken,
    NoSuchRun,
    NoSuchWorkflow,
    NotEnded,
    NotStorable,
    PayloadTooLarge,
    RunFailure,
    WorkflowContext,
    coded,
    delay,
    do,
    engine,
    nested,
    wait,
    workflow,
)
from teams.workflows._engine.notices import PlayerGone
from teams.workflows._run.keeper import DurableKeeper
from tests.teams.patterns.cast import Ledger, takes
from tests.teams.workflows.cast import failure, kinds
from tests.teams.workflows.steps import Mail, Played, a, adds, b, bad, c, flaky, land, undoing

__all__ = ["land"]

# What callers do with runs


def test_the_state_of_a_run_is_freed_when_it_ends_and_not_by_the_collector(land: Played) -> None:
    with land(a, b, workflow("flow", do("a", "a"), do("b", "b"))) as scene:
        gc.collect()
        gc.disable()
        try:
            run = scene.start("flow", [])
            assert run.get() == ["a", "b"]
            scene.sim.advance(1.0)
            assert not [each for each in gc.get_objects() if type(each) in (RunState, DurableKeeper)]
        finally:
            gc.enable()


def test_a_paused_run_goes_on_when_it_is_resumed(land: Played) -> None:
    with land(a, b, workflow("flow", do("a", "a"), do("slow", "slow"), do("b", "b")), adds("slow", 10.0)) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(3.0)
        run.pause().get()
        scene.sim.advance(100.0)
        assert scene.awake() == 0
        row = scene.row(run)
        assert (row.state, row.waiting_for) == ("paused", "resume")
        run.resume().get()
        assert run.get() == ["a", "slow", "b"]
        assert kinds(run, "a") == ["began", "done"]


def test_the_time_of_a_pause_is_not_time_of_the_run(land: Played) -> None:
    with land(workflow("flow", wait("go", "go"), timeout=30.0)) as scene:
        run = scene.start("flow")
        scene.sim.advance(10.0)
        run.pause().get()
        scene.sim.advance(100.0)
        run.resume().get()
        scene.sim.advance(15.0)
        assert scene.state(run) == "waiting"
        scene.sim.advance(15.0)
        assert scene.state(run) == "failed"


def test_a_paused_run_stays_paused_whatever_is_said_to_it(land: Played) -> None:
    with land(workflow("flow", wait("go", "go"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(0.5)
        run.pause().get()
        scene.sim.advance(5.0)
        run.signal("go", 1).get()
        scene.sim.advance(50.0)
        assert scene.state(run) == "paused"
        assert scene.awake() == 0
        run.resume().get()
        assert run.get() == 1


def test_a_parked_run_can_be_paused(land: Played) -> None:
    with land(workflow("flow", delay("nap", 100.0), do("end", lambda _: "end"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(10.0)
        assert scene.state(run) == "waiting"
        run.pause().get()
        scene.sim.advance(200.0)
        assert scene.state(run) == "paused"
        run.resume().get()
        assert run.get() == "end"


@pytest.mark.parametrize("moment", [0.5, 10.0], ids=["awake", "parked"])
def test_a_run_that_waits_can_be_cancelled(moment: float, land: Played) -> None:
    with land(workflow("flow", wait("go", "go"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(moment)
        run.cancel("enough").get()
        with pytest.raises(RunCancelled, match="enough"):
            run.get(timeout=20)
        assert scene.state(run) == "cancelled"
        for call in (run.cancel, run.pause, run.resume, partial(run.signal, "go")):
            with pytest.raises(AlreadyEnded):
                call().get()


def test_a_paused_run_can_be_cancelled(land: Played) -> None:
    ledger: list[str] = []
    with land(workflow("flow", *undoing(ledger, "one"), wait("go", "go"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(3.0)
        run.pause().get()
        scene.sim.advance(3.0)
        run.cancel().get()
        with pytest.raises(RunCancelled):
            run.get(timeout=20)
        assert ledger == ["one", "undo one ONE"]


def test_a_failed_run_is_tried_again_where_it_failed(land: Played) -> None:
    worker, asked = flaky("w", 1)
    with land(a, worker, c, workflow("flow", do("a", "a"), do("w", "w"), do("c", "c", input=["$w"]))) as scene:
        run = scene.start("flow", [])
        with pytest.raises(NotEnded):
            run.retry().get()
        failure(run.get)
        run.retry().get()
        assert run.get() == ["done", "c"]
        assert asked["w"] == 2
        assert kinds(run, "a") == ["began", "done"]
        with pytest.raises(AlreadyEnded):
            run.retry().get()


def test_a_failed_run_is_tried_again_from_a_step(land: Played) -> None:
    ledger = Ledger()
    worker, _ = flaky("w", 1)
    first, second = ledger.member("first"), ledger.member("second")
    flow = workflow("flow", do("first", "first"), do("second", "second"), do("w", "w"))
    with land(first, second, worker, flow) as scene:
        run = scene.start("flow", 5)
        failure(run.get)
        run.retry(step="second").get()
        assert run.get() == "done"
        assert {name: count for (name, _), count in ledger.finished.items()} == {"first": 1, "second": 2}


def test_the_step_of_a_failure_is_that_of_the_workflow_in_whatever_attempt(land: Played) -> None:
    worker, _ = flaky("w", 3)
    with land(worker, workflow("flow", do("w", "w", retry=2))) as scene:
        run = scene.start("flow", 5)
        with pytest.raises(RunFailure, match="step w failed in attempt 3: ValueError: failure 3") as caught:
            run.get(timeout=100)
        assert caught.value.step == "w"
        run.retry(step=caught.value.step).get()
        assert run.get(timeout=100) == "done"


def test_a_cancelled_run_can_be_tried_again(land: Played) -> None:
    with land(a, adds("slow", 10.0), workflow("flow", do("a", "a"), do("slow", "slow"))) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(3.0)
        run.cancel().get()
        with pytest.raises(RunCancelled):
            run.get()
        run.retry().get()
        assert run.get() == ["a", "slow"]
        assert scene.state(run) == "done"


def test_the_same_key_and_input_are_the_same_run(land: Played) -> None:
    with land(a, workflow("flow", do("a", "a")), workflow("other", do("a", "a"))) as scene:
        run = scene.start("flow", [1], key="mail-1")
        assert scene.start("flow", [1], key="mail-1").id == run.id
        with pytest.raises(KeyTaken):
            scene.start("flow", [2], key="mail-1")
        assert scene.start("other", [1], key="mail-1").id != run.id
        assert run.get() == [1, "a"]
        assert scene.start("flow", [1], key="mail-1").get() == [1, "a"]
        assert kinds(run, "a") == ["began", "done"]


def test_unknown_runs_and_workflows_are_told_apart_from_others(land: Played) -> None:
    with land(a, workflow("flow", do("a", "a"))) as scene:
        with pytest.raises(NoSuchWorkflow, match="flow"):
            scene.start("flaw", 1)
        unknown = scene.eng.workflow_run("nothing")
        for call in (
            unknown.result,
            unknown.status,
            unknown.history,
            unknown.cancel,
            unknown.pause,
            unknown.resume,
            unknown.retry,
            partial(unknown.signal, "go"),
            partial(unknown.answer, "ok", "yes"),
        ):
            with pytest.raises(NoSuchRun, match="nothing"):
                call().get()


def test_a_status_tells_how_far_a_run_is(land: Played) -> None:
    with land(a, b, c, workflow("flow", do("a", "a"), do("b", "b"), do("c", "c"), do("d", "c"))) as scene:
        run = scene.start("flow", [], key="mail")
        scene.sim.advance(1.5)
        status = run.status().get()
        assert (status.state, status.done, status.total, status.percentage) == ("running", 1, 4, 25.0)
        assert (status.workflow, status.key, status.current_steps) == ("flow", "mail", ("b",))
        run.get()
        status = run.status().get()
        assert (status.state, status.percentage, status.current_steps) == ("done", 100.0, ())
        assert status.result == ["a", "b", "c", "c"]
        assert (status.ended_at or 0) - (status.started_at or 0) == pytest.approx(4.0)


def test_items_attempts_and_undoing_are_no_steps_of_their_own(land: Played) -> None:
    inner = workflow("inner", do("a", "a"), do("b", "b"))
    again, _ = flaky("again", 2)
    ledger: list[str] = []
    flow = workflow(
        "flow",
        do("each", "a", each="$input", input=["$item"]),
        nested("nested", inner),
        do("again", "again", retry=2),
        do("twice", "a", max_iterations=2, until="$self == []", input=["x"], on_failure="skip"),
    )
    undone = workflow("undone", *undoing(ledger, "first"), do("last", "bad", retry=1, on_failure="undo"))
    with land(a, b, again, bad, flow, undone) as scene:
        run = scene.start("flow", [1, 2, 3])
        run.get(timeout=100)
        status = run.status().get()
        assert (status.done, status.failed, status.total, status.percentage) == (4, 0, 4, 100.0)
        run = scene.start("undone", 1)
        failure(lambda: run.get(timeout=100))
        status = run.status().get()
        assert (status.done, status.failed, status.total) == (0, 1, 2)


def test_runs_are_listed_newest_first_by_state_and_workflow(land: Played) -> None:
    with land(a, bad, workflow("one", do("a", "a")), workflow("two", do("x", "bad"))) as scene:
        ids = []
        for name in ("one", "two", "one"):
            ids.append(scene.start(name, []).id)
            scene.sim.advance(3.0)
        assert [each.id for each in scene.eng.workflow_runs().get()] == ids[::-1]
        assert [each.id for each in scene.eng.workflow_runs(states=["failed"]).get()] == [ids[1]]
        assert [each.id for each in scene.eng.workflow_runs(workflow="one", limit=1).get()] == [ids[2]]


# What is stored


def test_an_input_that_is_not_of_its_model_is_refused_and_not_stored(land: Played) -> None:
    with land(workflow("flow", do("to", lambda mail: mail.to), input=Mail)) as scene:
        with pytest.raises(BadInput, match="to"):
            scene.start("flow", {"lines": []})
        assert scene.eng.workflow_runs().get() == ()
        assert scene.result("flow", {"to": "me"}) == "me"
        assert scene.result("flow", Mail(to="you")) == "you"


@pytest.mark.parametrize(
    "value", [float("nan"), SecretStr("x"), {1: 2}, object()], ids=["nan", "secret", "key", "object"]
)
def test_a_value_that_json_cannot_say_is_refused(value: object, land: Played) -> None:
    with land(workflow("flow", do("same", lambda _: value)), workflow("other", wait("go", "go"))) as scene:
        with pytest.raises(NotStorable):
            scene.start("flow", value)
        assert "NotStorable" in str(failure(lambda: scene.result("flow", 1)))
        run = scene.start("other")
        with pytest.raises(NotStorable):
            run.signal("go", value).get()


def endless() -> list[object]:
    """It contains itself."""
    found: list[object] = []
    found.append(found)
    return found


def deep() -> object:
    """It has more levels than Python has calls."""
    found: object = 1
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize("made", [endless, deep])
def test_a_result_without_end_fails_its_step_and_is_not_tried_again(made: Callable[[], object], land: Played) -> None:
    calls: list[object] = []

    async def work(value: object) -> object:
        calls.append(value)
        return made()

    strict = workflow("strict", do("loop", "worker", retry=2))
    lax = workflow("lax", do("loop", "worker", on_failure="skip"), output="$input")
    with land(member("worker", work), strict, lax) as scene:
        error = failure(lambda: scene.result("strict", 1))
        assert "NotStorable" in str(error)
        assert calls == [1]
        assert scene.result("lax", 2) == 2
        with pytest.raises(NotStorable):
            scene.eng.start_workflow("lax", made()).get()


def test_a_result_that_is_too_large_fails_its_step_and_is_not_tried_again(land: Played) -> None:
    ledger = Ledger()
    large = ledger.member("w", 0.0, then=lambda _: "x" * (1 << 20))
    with land(large, workflow("flow", do("w", "w", retry=3))) as scene:
        assert "PayloadTooLarge" in str(failure(lambda: scene.result("flow", 1)))
        assert sum(ledger.begun.values()) == 1
        with pytest.raises(PayloadTooLarge):
            scene.start("flow", "x" * (1 << 20))


LARGEST = "x" * ((1 << 20) - 2)
"""The largest string that the default limit allows."""


def test_what_was_accepted_is_never_too_large_later(land: Played) -> None:
    taken = workflow("taken", wait("go", "go"), do("same", lambda value: value))
    aside = workflow("aside", wait("first", "first"), wait("go", "go"), do("same", lambda value: value))
    undone = workflow(
        "undone",
        do("same", lambda value: value, input="$input", undo=lambda _: None),
        do("bad", "bad", on_failure="undo"),
    )
    with land(bad, taken, aside, undone) as scene:
        run = scene.start("taken")
        run.signal("go", LARGEST).get()
        assert run.get() == LARGEST
        run = scene.start("aside")
        run.signal("go", LARGEST).get()
        scene.sim.advance(10)
        assert scene.awake() == 0
        run.signal("first").get()
        assert run.get() == LARGEST
        run = scene.start("undone", LARGEST)
        failure(run.get)
        assert kinds(run, "same/undo") == ["began", "done"]


@pytest.mark.parametrize("bad", [-1, 0, float("nan"), float("-inf"), "5", True, 10**400])
def test_a_start_whose_timeout_is_no_time_is_refused_and_not_stored(bad: Any, land: Played) -> None:
    with land(a, workflow("flow", do("a", "a"))) as scene:
        for asked in (scene.eng.start_workflow, scene.eng.execute):
            with pytest.raises(SpecError, match="flow: timeout: must be more than 0 seconds"):
                asked("flow", [], timeout=bad).get()
        assert scene.eng.workflow_runs().get() == ()
        assert scene.start("flow", [], timeout=float("inf")).get() == ["a"]


@pytest.mark.parametrize("bad", [{"attributes": 5}, {"attributes": "x"}, {"workflow": ["flow"]}, {"workflow": {}}])
def test_a_start_that_is_not_one_is_refused_and_crashes_nothing(bad: dict[str, Any], land: Played) -> None:
    """The desk crashed over it, five times for each."""
    with land(a, workflow("flow", do("a", "a"))) as scene:
        crashes: list[object] = []
        scene.sim.runtime.events.subscribe(crashes.append, CrashedExit)
        with pytest.raises((SpecError, NoSuchWorkflow), match="attributes: must be a mapping|there is no workflow"):
            scene.eng.start_workflow(**{"workflow": "flow", "value": [], **bad}).get()
        assert not crashes
        assert scene.eng.workflow_runs().get() == ()


def test_an_input_that_is_too_large_to_undo_fails_its_step_at_once(land: Played) -> None:
    flow = workflow("flow", do("same", lambda value: 1, input=["$input", "$input"], undo=lambda _: None, retry=3))
    with land(flow) as scene:
        run = scene.start("flow", LARGEST)
        assert "PayloadTooLarge: $input: the value has" in str(failure(run.get))
        assert kinds(run) == ["ended"]


def test_an_engine_may_take_values_up_to_16_mebibytes(land: Played) -> None:
    big = "x" * (3 << 20)

    @coded
    async def code(run: WorkflowContext, value: str) -> Any:
        if value == "again":
            run.continue_as_new(big)
        return await run.do(str.lower, value, name="same")

    flow = workflow("flow", do("same", lambda value: value), wait("go", "go"), do("both", lambda said: {"big": said}))
    with land(flow, code, max_value_bytes=4 << 20) as scene:
        run = scene.start("flow", big)
        run.signal("go", big).get()
        assert run.get() == {"big": big}
        assert scene.result("code", big) == scene.result("code", "again") == big
        with pytest.raises(PayloadTooLarge, match="or raise `max_value_bytes` of the engine"):
            scene.start("flow", [big, big])
    with pytest.raises(SpecError, match="max_value_bytes: must be at most 16777216"):
        engine("eng", flow, max_value_bytes=1 << 30)


def test_a_result_has_the_type_that_its_step_says(land: Played) -> None:
    seen: list[object] = []
    write = member("write", takes(0.0, lambda _: {"to": "me", "lines": ("one", "two")}))
    flow = workflow("flow", do("write", "write", returns=Mail), do("see", seen.append))
    with land(write, flow) as scene:
        run = scene.start("flow")
        run.get()
        assert seen == [Mail(to="me", lines=["one", "two"])]


def test_a_result_that_is_not_of_its_type_fails_its_step(land: Played) -> None:
    write = member("write", takes(0.0, lambda _: {"lines": 5}))
    with land(write, workflow("flow", do("write", "write", returns=Mail))) as scene:
        with pytest.raises(RunFailure) as caught:
            scene.result("flow")
        assert caught.value.step == "write"


def test_what_a_step_returned_is_handed_on_as_it_is_stored(land: Played) -> None:
    seen: list[object] = []
    with land(workflow("flow", do("pair", lambda _: (1, Mail(to="me"))), do("see", seen.append))) as scene:
        scene.result("flow")
        assert seen == [[1, {"to": "me", "lines": []}]]


# Places


def test_at_most_so_many_runs_are_awake_by_priority_and_age(land: Played) -> None:
    ledger = Ledger()
    flow = workflow("flow", do("w", ledger.worker("w", 10.0)))
    with land(flow, max_concurrent_workflows=2) as scene:
        for number, priority in enumerate((0, 0, 0, 5, 0)):
            scene.start("flow", number, priority=priority)
            scene.sim.advance(0.1)
        scene.sim.always("two at most", lambda: scene.awake() <= 2)
        scene.sim.advance(9.0)
        assert [value for _, value in ledger.begun] == ["0", "1"]
        waiting = scene.eng.workflow_runs(states=["created"]).get()
        assert [each.waiting_for for each in waiting] == ["a slot"] * 3
        scene.sim.advance(2.0)
        assert [value for _, value in ledger.begun] == ["0", "1", "3", "2"]
        scene.sim.advance(30.0)
        assert [each.state for each in scene.eng.workflow_runs().get()] == ["done"] * 5


def test_a_parked_run_takes_no_place(land: Played) -> None:
    with land(
        a, workflow("flow", do("a", "a")), workflow("waits", wait("go", "go")), max_concurrent_workflows=1
    ) as scene:
        run = scene.start("waits")
        other = scene.start("flow", [])
        assert other.get(timeout=20) == ["a"]
        run.signal("go", 1).get()
        assert run.get(timeout=20) == 1


@coded
async def late(run: WorkflowContext, value: object) -> None:
    """Takes its time to stop."""
    try:
        await run.do("slow", value)
    finally:
        await pause(2.0)


def test_an_engine_that_stops_with_runs_awake_drops_no_message(land: Played) -> None:
    """Each one would be a warning in the log."""
    with land(adds("slow", 100.0), workflow("flow", do("slow", "slow")), late) as scene:
        lost: list[DeadLetter] = []
        scene.sim.runtime.events.subscribe(lost.append, DeadLetter)
        for flow in ("late", *["flow"] * 30):
            scene.start(flow, [])
        scene.sim.advance(1.0)
        assert scene.awake() == 31
        scene.eng.stop(block=False)
        scene.sim.advance(10.0)
        assert not scene.eng.is_alive()
        assert lost == []


def test_an_engine_that_stops_has_no_more_actors_of_runs_started(land: Played) -> None:
    """What waits for their supervisor when that ends is a warning each in the log: up to a hundred."""
    with land(adds("slow", 100.0), workflow("flow", do("slow", "slow")), late) as scene:
        handled: list[MessageHandled] = []
        scene.start("late", [])
        scene.sim.advance(1.0)
        scene.eng.stop(block=False)
        scene.sim.advance(0.1)
        scene.sim.runtime.events.subscribe(handled.append, MessageHandled)
        scene.start("flow", [])
        assert scene.eng.is_alive()
        scene.sim.advance(10.0)
        assert not scene.eng.is_alive()
        assert [each for each in handled if each.path == "eng/runs" and isinstance(each.message, StartChild)] == []


def test_runs_whose_supervisor_dies_go_on_after_few_looks(land: Played) -> None:
    with land(adds("slow", 100.0), workflow("flow", do("slow", "slow"))) as scene:
        handled: list[MessageHandled] = []
        for _ in range(30):
            scene.start("flow", [])
        scene.sim.advance(1.0)
        scene.sim.runtime.events.subscribe(handled.append, MessageHandled)
        runs = scene.sim.runtime.find("eng/runs")
        assert runs is not None
        runs.kill()
        scene.sim.advance(2.0)
        assert scene.awake() == 30
        of_desk = [each.message for each in handled if each.path == "eng/desk"]
        assert sum(not isinstance(each, PlayerGone) for each in of_desk) < 20
