"""Engines: steps that wait for signals, people and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from actors.testing import ClockJump, FaultPlan, Kill
from teams.workflows import (
    AlreadyAnswered,
    AlreadyEnded,
    NoOpenQuestion,
    NotAnOption,
    RunParked,
    RunTakenUp,
    ask,
    do,
    sleep,
    wait,
    workflow,
)
from tests.teams.workflows.cast import failure, kinds, played
from tests.teams.workflows.steps import Mail, Played, a, adds, land

__all__ = ["land"]

# Signals, people, time


def test_a_signal_is_taken_by_the_step_that_waits_for_it(land: Played) -> None:
    with land(a, workflow("flow", wait("paid", "paid"), do("a", "a"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(0.5)
        run.signal("other", ["no"]).get()
        run.signal("paid", ["yes"]).get()
        assert run.get() == ["yes", "a"]
        assert run.status().get().unread == ("other",)


def test_a_signal_that_came_before_is_kept_for_its_step(land: Played) -> None:
    with land(a, workflow("flow", do("a", "a"), wait("paid", "paid"), wait("again", "paid"))) as scene:
        run = scene.start("flow", [])
        run.signal("paid", 1).get()
        run.signal("paid", 2).get()
        assert run.get() == 2
        assert [each.step for each in run.history().get() if each.kind == "signalled"] == ["paid", "again"]


@pytest.mark.parametrize("on_timeout", ["fail", "skip"])
def test_a_signal_that_does_not_come_in_time_fails_or_skips(on_timeout: Any, land: Played) -> None:
    with land(a, workflow("flow", wait("paid", "paid", timeout=10.0, on_timeout=on_timeout), do("a", "a"))) as scene:
        run = scene.start("flow", ["in"])
        if on_timeout == "skip":
            assert run.get() == ["in", "a"]
        else:
            assert "did not come within 10 s" in str(failure(run.get))
        assert 10.0 <= scene.sim.now <= 11.0
        with pytest.raises(AlreadyEnded):
            run.signal("paid").get()


def test_a_signal_has_the_type_that_its_step_says(land: Played) -> None:
    seen: list[object] = []
    with land(workflow("flow", wait("mail", "mail", returns=Mail), do("see", seen.append))) as scene:
        run = scene.start("flow")
        run.signal("mail", {"to": "me"}).get()
        run.get()
        assert seen == [Mail(to="me")]


def test_a_question_is_answered_once_with_one_of_its_options(land: Played) -> None:
    flow = workflow("flow", ask("ok", "Send ${input}?", options=["yes", "no"]), do("see", lambda said: [said]))
    with land(flow) as scene:
        run = scene.start("flow", "it")
        scene.sim.advance(0.5)
        assert run.status().get().questions == {"ok": "Send it?"}
        with pytest.raises(NotAnOption):
            run.answer("ok", "maybe").get()
        with pytest.raises(NoOpenQuestion):
            run.answer("other", "yes").get()
        run.answer("ok", "yes", by="eve").get()
        with pytest.raises(AlreadyAnswered, match="eve"):
            run.answer("ok", "no").get()
        answered = scene.sim.runtime.clock.wall()
        scene.sim.advance(30)
        assert run.get() == ["yes"]
        with pytest.raises(AlreadyAnswered, match="answered by eve at ") as caught:
            run.answer("ok", "no").get()
        assert caught.value.at == datetime.fromtimestamp(answered, UTC)


def test_two_answers_at_once_are_one_answer(land: Played) -> None:
    with land(workflow("flow", ask("ok", "Send?", options=["yes", "no"]))) as scene:
        run = scene.start("flow")
        scene.sim.advance(5.0)
        answers = [run.answer("ok", "yes", by="eve"), run.answer("ok", "no", by="ann")]
        now = datetime.fromtimestamp(scene.sim.runtime.clock.wall(), UTC)
        answers[0].get()
        with pytest.raises(AlreadyAnswered) as caught:
            answers[1].get()
        assert (caught.value.by, caught.value.at) == ("eve", now)
        assert run.get() == "yes"


def test_a_question_without_an_answer_in_time_has_its_default_or_fails(land: Played) -> None:
    given = workflow("given", ask("ok", "Send?", default="no", timeout=60.0))
    none = workflow("none", ask("ok", "Send?", timeout=60.0))
    with land(given, none) as scene:
        assert scene.result("given") == "no"
        run = scene.start("none")
        assert "an answer did not come within 60 s" in str(failure(run.get))
        with pytest.raises((NoOpenQuestion, AlreadyEnded)):
            run.answer("ok", "yes").get()


def test_waiting_for_people_does_not_count_as_time_of_the_run(land: Played) -> None:
    flow = workflow("flow", do("a", "a"), ask("ok", "Send?"), do("slow", "slow"), timeout=10.0)
    with land(a, adds("slow", 5.0), flow) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(100.0)
        assert scene.state(run) == "waiting"
        run.answer("ok", "yes").get()
        assert run.get() == [*"yes", "slow"]


def test_a_sleep_ends_after_its_seconds_and_at_its_time(land: Played) -> None:
    flow = workflow("flow", sleep("nap", 100.0), do("a", "a"))
    until = workflow("until", sleep("nap", until="$input"), do("a", "a", input=[]))
    with land(a, flow, until) as scene:
        run = scene.start("flow", [])
        assert run.get() is None or run.get() == ["a"]
        assert 101.0 <= scene.sim.now < 102.0
        assert scene.result("until", scene.sim.runtime.clock.wall() + 50.0) == ["a"]
        assert 152.0 <= scene.sim.now < 154.0


@pytest.mark.parametrize("jump", [-600.0, 600.0])
@pytest.mark.parametrize("long", [0.9, 100.0], ids=["awake", "parked"])
def test_a_clock_that_is_set_makes_a_timer_late_and_never_early(jump: float, long: float) -> None:
    flow = workflow("flow", sleep("nap", long), do("a", lambda _: "end"))
    with played(flow, default_timeout=None, plan=FaultPlan(ClockJump(at=0.5, seconds=jump))) as scene:
        began = scene.sim.runtime.clock.wall()
        run = scene.start("flow")
        assert run.get() == "end"
        (slept,) = [each for each in run.history().get() if each.kind == "slept"]
        assert slept.at / 1e6 >= began + long
        assert scene.sim.now < long + abs(jump) + 5


@pytest.mark.parametrize("step", [wait("x", "go"), ask("x", "Go?"), sleep("x", 200.0)], ids=["wait", "ask", "sleep"])
def test_a_run_that_waits_for_long_has_no_actor(step: Any, land: Played) -> None:
    with land(a, workflow("flow", do("a", "a"), step), default_timeout=None) as scene:
        told: list[object] = []
        scene.sim.runtime.events.subscribe(told.append, RunParked, RunTakenUp)
        run = scene.start("flow", [])
        scene.sim.advance(1.5)
        assert scene.awake() == 1
        scene.sim.advance(5.0)
        assert scene.awake() == 0
        row = scene.row(run)
        assert (row.state, row.owner) == ("waiting", None)
        assert (
            row.waiting_for
            == {"wait": "signal go", "ask": "a person: Go?", "sleep": "timer"}[
                re.split("(?<=[a-z])(?=[A-Z])", type(step.what).__name__)[0].lower()
            ]
        )
        begins = next(each.at for each in run.history().get() if each.step == "x")
        assert row.wake_at == (begins + 200_000_000 if row.waiting_for == "timer" else None)
        if row.waiting_for == "timer":
            scene.sim.advance(190.0)
            assert scene.awake() == 0
        elif row.waiting_for == "signal go":
            run.signal("go", 5).get()
        else:
            run.answer("x", "yes").get()
        run.get()
        assert [type(each) for each in told] == [RunParked, RunTakenUp]
        if row.waiting_for == "timer":
            assert 201.0 <= scene.sim.now < 202.0
        assert kinds(run, "a") == ["began", "done"]


def test_a_run_that_was_parked_is_parked_again_at_its_next_wait(land: Played) -> None:
    flow = workflow("flow", wait("one", "one"), sleep("two", 100), ask("three", "Sure?"), do("last", lambda _: "end"))
    with land(flow, default_timeout=None) as scene:
        run = scene.start("flow")
        scene.sim.advance(10)
        assert (scene.state(run), scene.awake()) == ("waiting", 0)
        run.signal("one").get()
        scene.sim.advance(10)
        assert (scene.state(run), scene.awake()) == ("waiting", 0)
        scene.sim.advance(110)
        assert (scene.state(run), scene.awake()) == ("waiting", 0)
        run.answer("three", "yes").get()
        assert run.get() == "end"


@pytest.mark.parametrize("at", [0.25, 0.75, 0.875])
def test_what_a_desk_that_died_would_have_parked_is_parked(at: float) -> None:
    with played(workflow("flow", wait("go", "go")), plan=FaultPlan(Kill("eng/desk", at=at))) as scene:
        run = scene.start("flow")
        scene.sim.advance(10)
        assert len(scene.sim.fired) == 1
        assert (scene.state(run), scene.awake()) == ("waiting", 0)
        run.signal("go", 1).get()
        assert run.get(timeout=20) == 1


def test_an_open_run_says_what_it_waits_for_and_since_when(land: Played) -> None:
    flow = workflow("flow", do("a", lambda value: value), wait("paid", "paid"), sleep("nap", 100))
    with land(flow, max_concurrent_workflows=1) as scene:
        began = scene.sim.runtime.clock.wall()
        run = scene.start("flow", 1)

        def waits() -> tuple[str | None, float | None]:
            status = run.status().get()
            return status.waiting_for, None if status.waiting_since is None else status.waiting_since - began

        assert waits() == (None, None)
        scene.sim.advance(50)
        assert waits() == ("signal paid", 0)
        run.signal("other").get()
        scene.sim.advance(10)
        assert waits() == ("signal paid", 0)
        run.signal("paid").get()
        scene.sim.advance(10)
        assert waits()[0] == "timer"
        assert waits()[1] == pytest.approx(60, abs=1)
        run.pause().get()
        scene.sim.advance(10)
        assert waits()[0] == "resume"
        assert waits()[1] == pytest.approx(70, abs=1)
        run.resume().get()
        scene.sim.advance(200)
        assert waits() == (None, None)


def test_a_run_with_work_under_way_is_not_parked(land: Played) -> None:
    flow = workflow("flow", tasks=[wait("go", "go", timeout=200.0), do("slow", "slow", input=[])])
    with land(adds("slow", 50.0), flow) as scene:
        run = scene.start("flow")
        scene.sim.advance(40.0)
        assert scene.awake() == 1
        scene.sim.advance(40.0)
        assert scene.awake() == 0
        run.signal("go", 1).get()
        assert run.get() == {"go": 1, "slow": ["slow"]}
        assert kinds(run, "slow") == ["began", "done"]


def test_a_signal_to_a_parked_run_that_nothing_waits_for_leaves_it_parked(land: Played) -> None:
    with land(workflow("flow", wait("go", "go"), wait("then", "other"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(5.0)
        run.signal("other", "kept").get()
        scene.sim.advance(20.0)
        assert scene.awake() == 0
        assert scene.state(run) == "waiting"
        assert run.status().get().unread == ("other",)
        run.signal("go").get()
        assert run.get() == "kept"


def test_a_parked_run_fails_when_its_time_is_up(land: Played) -> None:
    with land(workflow("flow", wait("go", "go"), timeout=30.0)) as scene:
        run = scene.start("flow")
        assert "did not end in time" in str(failure(partial(run.get, timeout=100)))
        assert scene.sim.now == pytest.approx(30.0, abs=1.0)


@pytest.mark.parametrize("long", [1e17, 1e308])
def test_a_time_that_no_column_takes_is_the_longest_that_one_does(land: Played, long: float) -> None:
    """The run failed with an OverflowError when it came to the step, and again when it ended."""
    flow = workflow("flow", sleep("long", long), timeout=long)
    with land(a, flow, workflow("brief", do("a", "a", input=[])), retain={"done": long}) as scene:
        run = scene.start("flow")
        scene.sim.advance(60.0)
        assert run.status().get().state == "waiting"
        assert scene.start("brief").get() == ["a"]
