"""Engines: what each kind of step does in a run, and what callers can do with runs, on virtual time."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from actors.testing import Crash, FaultPlan, Kill
from supervisors import constant
from teams import Member, RunCancelled, member, role, team
from teams.patterns import sequential
from teams.resilience import retry
from teams.workflows import (
    AlreadyAnswered,
    AlreadyEnded,
    BadInput,
    KeyTaken,
    NoOpenQuestion,
    NoSuchRun,
    NoSuchWorkflow,
    NotAnOption,
    NotEnded,
    NotStorable,
    PayloadTooLarge,
    RunBlocked,
    RunFailure,
    RunParked,
    RunStepUndone,
    RunTakenUp,
    StoreBack,
    StoreLost,
    ask,
    do,
    in_team,
    nested,
    sleep,
    wait,
    workflow,
)
from teams.workflows.testing import FailCommit, StoreGone, UnknownCommit
from tests.teams.patterns.cast import Ledger, fails, takes
from tests.teams.workflows.cast import Scene, failure, kinds, played, played_on_sqlite

Played = Callable[..., AbstractContextManager[Scene]]


@pytest.fixture(params=["disk", "sqlite"])
def land(request: pytest.FixtureRequest, tmp_path: Path) -> Played:
    """Engines on stores of every kind in turn."""
    return played if request.param == "disk" else partial(played_on_sqlite, tmp_path)


def adds(letter: str, seconds: float = 1.0) -> Member:
    """A member that appends its name to a list."""
    return member(letter, takes(seconds, lambda value: [*(value or []), letter]))


def flaky(name: str, failures: int, then: object = "done", seconds: float = 0.0) -> tuple[Member, Counter[str]]:
    """A member that fails so often, and then succeeds; and how often it was asked."""
    asked: Counter[str] = Counter()

    async def work(value: Any) -> object:
        asked[name] += 1
        await asyncio.sleep(seconds)
        if asked[name] <= failures:
            raise ValueError(f"failure {asked[name]}")
        return then

    return member(name, work), asked


a, b, c = adds("a"), adds("b"), adds("c")
bad = member("bad", fails("no"))


class Mail(BaseModel):
    """An input, and a result."""

    to: str
    lines: list[str] = []


# Chains and graphs


def test_a_chain_hands_each_result_to_the_next_step(land: Played) -> None:
    with land(a, b, c, workflow("flow", do("a", "a"), do("b", "b"), do("c", "c"))) as scene:
        run = scene.start("flow", ["start"])
        assert run.get() == ["start", "a", "b", "c"]
        assert scene.sim.now == pytest.approx(3.0)
        assert kinds(run) == ["began", "done"] * 3 + ["ended"]


def test_a_chain_of_n_steps_takes_n_and_one_commits() -> None:
    with played(a, b, c, workflow("flow", do("a", "a"), do("b", "b"), do("c", "c"))) as scene:
        assert scene.disk is not None
        scene.result("flow", [])
        rows = [unit for each in scene.disk.acknowledged for unit, _ in each.answers]
        assert len(scene.disk.acknowledged) <= 5, rows


def test_a_graph_begins_each_step_as_soon_as_what_it_needs_has_ended(land: Played) -> None:
    flow = workflow(
        "flow",
        do("first", "a", input=["$input"]),
        do("left", "slow", input=["$first"]),
        do("right", "b", input=["$first"]),
        do("after", "c", input=["$right"]),
        do("last", "a", input=["$left", "$after"], after="left"),
    )
    with land(a, b, c, adds("slow", 5.0), flow) as scene:
        run = scene.start("flow", "start")
        scene.sim.advance(3.5)
        assert set(run.status().get().current_steps) == {"left"}
        first = ["start", "a"]
        left, right = [first, "slow"], [first, "b"]
        assert run.get() == [left, [right, "c"], "a"]
        assert scene.sim.now == pytest.approx(7.0)


def test_a_graph_with_several_last_steps_has_their_results_by_name(land: Played) -> None:
    with land(a, b, workflow("flow", tasks=[do("one", "a", input=[]), do("two", "b", input=[])])) as scene:
        assert scene.result("flow") == {"one": ["a"], "two": ["b"]}


def test_a_step_of_a_graph_gets_the_results_that_it_depends_on(land: Played) -> None:
    seen = member("seen", takes(0.0))
    tasks = [do("one", "a", input=[]), do("two", "b", input=[]), do("all", "seen", after=["one", "two"])]
    with land(a, b, seen, workflow("flow", tasks=tasks)) as scene:
        assert scene.result("flow") == {"one": ["a"], "two": ["b"]}


def test_output_says_what_the_result_is(land: Played) -> None:
    with land(a, workflow("flow", do("a", "a"), output={"all": "$a", "who": "for ${input[0]}"})) as scene:
        assert scene.result("flow", ["me"]) == {"all": ["me", "a"], "who": "for me"}


def test_a_function_is_a_step(land: Played) -> None:
    with land(workflow("flow", do("count", len), do("twice", lambda n: n * 2))) as scene:
        assert scene.result("flow", [1, 2, 3]) == 6


# Conditions


def test_a_step_whose_condition_does_not_hold_is_skipped(land: Played) -> None:
    flow = workflow("flow", do("a", "a"), do("b", "b", when="$input[0] == 'yes'"), do("c", "c"))
    with land(a, b, c, flow) as scene:
        assert scene.result("flow", ["yes"]) == ["yes", "a", "b", "c"]
        run = scene.start("flow", ["no"])
        assert run.get() == ["no", "a", "c"]
        assert kinds(run, "b") == ["skipped"]


def test_a_reference_to_a_skipped_step_is_null_or_skips_or_fails(land: Played) -> None:
    def flow(name: str, on_skipped: Any) -> Any:
        return workflow(
            name,
            tasks=[
                do("one", "a", when="$input == 'yes'"),
                do("two", "echo", input={"one": "$one"}, on_skipped=on_skipped),
            ],
        )

    echo = member("echo", takes(0.0))
    with land(a, echo, flow("nulls", "null"), flow("skips", "skip"), flow("fails", "fail")) as scene:
        assert scene.result("nulls", "no") == {"one": None}
        assert scene.result("skips", "no") is None
        assert "was skipped" in str(failure(lambda: scene.result("fails", "no")))


def test_a_condition_that_cannot_be_decided_fails_its_step(land: Played) -> None:
    with land(a, workflow("flow", do("a", "a", when="$input > 3"))) as scene:
        assert "cannot be decided" in str(failure(lambda: scene.result("flow", "text")))


# Many times


def test_a_map_has_its_results_in_the_order_of_its_items(land: Played) -> None:
    async def work(value: Any) -> object:
        await asyncio.sleep(value)
        return [value]

    with land(member("w", work), workflow("flow", do("all", "w", each="$input"))) as scene:
        run = scene.start("flow", [3, 1, 2])
        assert run.get() == [[3], [1], [2]]
        assert scene.sim.now == pytest.approx(6.0)  # one member, one item at a time
        assert kinds(run, "all[1]") == ["began", "done"]


def test_a_map_does_at_most_max_parallel_items_at_once(land: Played) -> None:
    most = busy = 0

    async def work(value: Any) -> object:
        nonlocal most, busy
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(1.0)
        busy -= 1
        return value

    flow = workflow("flow", do("all", work, each="$input.items", max_parallel=3, input="$item"))
    with land(flow) as scene:
        assert scene.result("flow", {"items": list(range(7))}) == list(range(7))
        assert most == 3
        assert scene.sim.now == pytest.approx(3.0)


def test_a_map_over_nothing_is_empty_and_over_no_list_fails(land: Played) -> None:
    with land(a, workflow("flow", do("all", "a", each="$input.items", input=["$item", "$index"]))) as scene:
        assert scene.result("flow", {"items": []}) == []
        assert scene.result("flow", {"items": ["x", "y"]}) == [["x", 0, "a"], ["y", 1, "a"]]
        for value in ({"items": 5}, {"items": "text"}, {}):
            assert "must be a list" in str(failure(partial(scene.result, "flow", value)))


def test_a_map_over_too_long_a_list_fails(land: Played) -> None:
    with land(a, workflow("flow", do("all", "a", each="$input"))) as scene:
        assert "10001 items" in str(failure(lambda: scene.result("flow", [0] * 10_001)))


def test_an_item_that_fails_fails_the_map_and_calls_off_the_others(land: Played) -> None:
    ledger = Ledger()

    def check(value: Any) -> object:
        if value == 1:
            raise ValueError("one")
        return value

    work = ledger.worker("w", 1.0, check)
    with land(workflow("flow", do("all", work, each="$input", max_parallel=2))) as scene:
        assert str(failure(lambda: scene.result("flow", [0, 1, 2, 3]))) == "ValueError: one"
        scene.sim.advance(10)
        assert sum(ledger.begun.values()) <= 3


def test_a_loop_ends_when_its_condition_holds(land: Played) -> None:
    async def grow(value: Any) -> object:
        return {"n": (value["last"]["n"] if value["last"] else 0) + 1}

    flow = workflow("flow", do("grow", grow, input={"last": "$self"}, max_iterations=5, until="$self.n >= 3"))
    with land(flow) as scene:
        run = scene.start("flow")
        assert run.get() == {"n": 3}
        assert [each.step for each in run.history().get() if each.kind == "done"] == ["grow", "grow#2", "grow#3"]


def test_a_loop_whose_condition_never_holds_is_not_approved(land: Played) -> None:
    review = member("review", takes(0.0, lambda _: {"approved": False, "feedback": "longer"}))
    with land(review, workflow("flow", do("review", "review", max_iterations=2))) as scene:
        run = scene.start("flow")
        error = failure(run.get)
        assert "NotApproved" in str(error)
        assert [each.step for each in run.history().get() if each.kind == "done"] == ["review", "review#2"]


def test_a_loop_ends_with_an_approved_result(land: Played) -> None:
    review = member("review", takes(0.0, lambda _: {"approved": True}))
    with land(review, workflow("flow", do("review", "review", max_iterations=2))) as scene:
        assert scene.result("flow") == {"approved": True}


# Failures


def test_a_failed_step_is_tried_again_after_its_delays(land: Played) -> None:
    worker, asked = flaky("w", 2)
    flow = workflow("flow", do("w", "w", retry=retry(3, backoff=constant(10.0))))
    with land(worker, flow) as scene:
        run = scene.start("flow")
        assert run.get() == "done"
        assert asked["w"] == 3
        assert scene.sim.now == pytest.approx(20.0)
        assert [each.attempt for each in run.history().get() if each.kind == "began" and each.step == "w"] == [1, 2, 3]


def test_a_step_that_fails_more_often_than_it_is_tried_fails_the_run(land: Played) -> None:
    worker, asked = flaky("w", 5)
    with land(worker, workflow("flow", do("w", "w", retry=retry(2, backoff=None)))) as scene:
        run = scene.start("flow")
        assert str(failure(run.get)) == "ValueError: failure 3"
        assert asked["w"] == 3
        status = run.status().get()
        assert (status.state, status.failed) == ("failed", 3)
        assert "failure 3" in (status.error or "")


def test_a_retry_looks_at_the_kind_of_the_error(land: Played) -> None:
    worker, asked = flaky("w", 5)
    with land(worker, workflow("flow", do("w", "w", retry=retry(2, backoff=None, on=KeyError)))) as scene:
        failure(lambda: scene.result("flow"))
        assert asked["w"] == 1


def test_a_step_that_takes_too_long_fails_with_a_timeout(land: Played) -> None:
    with land(adds("slow", 100.0), workflow("flow", do("slow", "slow", timeout=5.0))) as scene:
        run = scene.start("flow")
        error = failure(run.get)
        assert scene.sim.now == pytest.approx(5.0)
        assert "5" in str(error)


@pytest.mark.parametrize("on_failure", ["continue_with_warning", "skip"])
def test_a_failure_may_be_passed_over(on_failure: Any, land: Played) -> None:
    with land(a, bad, c, workflow("flow", do("a", "a"), do("x", "bad", on_failure=on_failure), do("c", "c"))) as scene:
        run = scene.start("flow", [])
        assert run.get() == ["a", "c"]
        assert kinds(run, "x") == ["began", "failed", "skipped"]


@pytest.mark.parametrize("on_failure", ["stop", "undo"])
def test_a_failure_that_stops_has_what_was_raised_as_its_cause(on_failure: Any, land: Played) -> None:
    with land(a, bad, workflow("flow", do("a", "a"), do("x", "bad", on_failure=on_failure))) as scene:
        with pytest.raises(RunFailure) as caught:
            scene.result("flow", [])
        assert caught.value.step == "x"
        assert caught.value.state == "failed"
        assert str(caught.value.__cause__) == "ValueError: no"


def test_a_run_that_takes_too_long_fails_with_a_timeout(land: Played) -> None:
    flow = workflow("flow", do("a", "a"), do("slow", "slow"), timeout=10.0)
    with land(a, adds("slow", 100.0), flow) as scene:
        run = scene.start("flow", [])
        error = failure(run.get)
        assert "did not end in time" in str(error)
        assert scene.sim.now == pytest.approx(10.0, abs=0.5)


def test_the_timeout_of_the_engine_counts_where_no_other_is_given(land: Played) -> None:
    with land(adds("slow", 100.0), workflow("flow", do("slow", "slow")), default_timeout=20.0) as scene:
        assert "did not end in time" in str(failure(lambda: scene.result("flow", [])))
        assert scene.sim.now == pytest.approx(20.0, abs=0.5)
        assert scene.result("flow", [], timeout=200.0) == ["slow"]


# Undoing


def undoing(ledger: list[str], *names: str, failing: str | None = None) -> list[Any]:
    """Steps with an undo that writes down what it undoes."""

    def undo_of(name: str) -> Callable[[Any], Any]:
        async def undo(value: Any) -> object:
            ledger.append(f"undo {name} {value['result']}")
            if name == failing:
                raise ValueError("cannot")
            return None

        return undo

    def work_of(name: str) -> Callable[[Any], Any]:
        async def work(value: Any) -> object:
            await asyncio.sleep(1.0)
            ledger.append(name)
            return name.upper()

        return work

    return [do(name, work_of(name), undo=undo_of(name)) for name in names]


def test_a_failure_that_undoes_undoes_in_reverse_order_once(land: Played) -> None:
    ledger: list[str] = []
    flow = workflow("flow", *undoing(ledger, "one", "two"), do("x", "bad", on_failure="undo"))
    with land(bad, flow) as scene:
        told: list[str] = []
        scene.sim.runtime.events.subscribe(lambda event: told.append(event.step), RunStepUndone)
        run = scene.start("flow")
        assert str(failure(run.get)) == "ValueError: no"
        assert ledger == ["one", "two", "undo two TWO", "undo one ONE"]
        assert told == ["two", "one"]
        assert scene.state(run) == "failed"


def test_a_failure_that_stops_undoes_nothing(land: Played) -> None:
    ledger: list[str] = []
    with land(bad, workflow("flow", *undoing(ledger, "one"), do("x", "bad"))) as scene:
        failure(lambda: scene.result("flow"))
        assert ledger == ["one"]


def test_an_undo_that_fails_is_tried_again_and_told_of(land: Played) -> None:
    ledger: list[str] = []
    flow = workflow("flow", *undoing(ledger, "one", "two", failing="two"), do("x", "bad", on_failure="undo"))
    with land(bad, flow) as scene:
        run = scene.start("flow")
        with pytest.raises(RunFailure) as caught:
            run.get(timeout=1000)
        assert "could not undo two" in str(caught.value)
        assert ledger == ["one", "two", *["undo two TWO"] * 5, "undo one ONE"]


def test_cancelling_undoes_what_was_done_and_not_what_was_under_way(land: Played) -> None:
    ledger: list[str] = []
    with land(workflow("flow", *undoing(ledger, "one", "two", "three"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(2.5)
        run.cancel("not needed").get()
        with pytest.raises(RunCancelled, match="not needed"):
            run.get()
        assert ledger == ["one", "two", "undo two TWO", "undo one ONE"]
        assert scene.state(run) == "cancelled"


def test_cancelling_now_undoes_nothing(land: Played) -> None:
    ledger: list[str] = []
    with land(workflow("flow", *undoing(ledger, "one", "two"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(1.5)
        run.cancel(now=True).get()
        with pytest.raises(RunCancelled):
            run.get()
        assert ledger == ["one"]


def test_a_workflow_in_memory_undoes_what_failed_too() -> None:
    """Guards the pattern: a team plays the same workflow, without a store."""
    from actors.testing import simulation

    ledger: list[str] = []
    flow = workflow("flow", *undoing(ledger, "one", "two"), do("x", "bad", on_failure="undo"))
    with simulation() as sim:
        crew = sim.start(team("crew", bad))
        with pytest.raises(Exception, match="no"):
            crew.play(flow).get()
    assert ledger == ["one", "two", "undo two TWO", "undo one ONE"]


# Teams and other workflows


def test_a_step_in_a_team_is_played_there(land: Played) -> None:
    crew = team(
        "crew",
        role("writer"),
        member("w", takes(1.0, lambda value: [value["action"], value["input"]]), role="writer"),
    )
    roles = [{"role": "writer", "action": "draft"}, {"role": "writer", "action": "polish"}]
    with land(crew, workflow("flow", in_team("write", "crew", roles))) as scene:
        run = scene.start("flow", "text")
        assert run.get() == ["polish", ["draft", "text"]]
        assert kinds(run, "write/draft") == ["began", "done"]


def test_a_step_in_a_team_may_be_a_pattern_by_name(land: Played) -> None:
    crew = team("crew", adds("a"), adds("b"))
    flow = workflow("flow", in_team("write", "crew", "both"))
    with land(crew, flow, patterns={"both": sequential("a", "b")}) as scene:
        assert scene.result("flow", []) == ["a", "b"]


@pytest.mark.parametrize("by_name", [False, True])
def test_a_workflow_may_be_a_step_of_another(by_name: bool, land: Played) -> None:
    inner = workflow("inner", do("a", "a"), do("b", "b"))
    outer = workflow("outer", nested("inside", "inner" if by_name else inner), do("c", "c"))
    with land(a, b, c, inner, outer) as scene:
        run = scene.start("outer", [])
        assert run.get() == ["a", "b", "c"]
        assert kinds(run, "inside/a") == ["began", "done"]


def test_the_steps_of_a_workflow_inside_another_are_undone_too(land: Played) -> None:
    ledger: list[str] = []
    inner = workflow("inner", *undoing(ledger, "one", "two"))
    outer = workflow("outer", nested("inside", inner), *undoing(ledger, "three"), do("x", "bad", on_failure="undo"))
    with land(bad, outer) as scene:
        failure(lambda: scene.result("outer"))
        assert ledger[3:] == ["undo three THREE", "undo two TWO", "undo one ONE"]


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
        assert run.get() == ["yes"]
        with pytest.raises(AlreadyAnswered, match="eve"):
            run.answer("ok", "no").get()


def test_two_answers_at_once_are_one_answer(land: Played) -> None:
    with land(workflow("flow", ask("ok", "Send?", options=["yes", "no"]))) as scene:
        run = scene.start("flow")
        scene.sim.advance(5.0)
        answers = [run.answer("ok", "yes", by="eve"), run.answer("ok", "no", by="ann")]
        told: list[str | None] = []
        for each in answers:
            try:
                each.get()
                told.append(None)
            except AlreadyAnswered as error:
                told.append(error.by)
        assert told == [None, "eve"]
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
        scene.sim.advance(1000.0)
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


@pytest.mark.parametrize("step", [wait("x", "go"), ask("x", "Go?"), sleep("x", 1000.0)], ids=["wait", "ask", "sleep"])
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
        assert row.wake_at == (begins + 1_000_000_000 if row.waiting_for == "timer" else None)
        if row.waiting_for == "timer":
            scene.sim.advance(990.0)
            assert scene.awake() == 0
        elif row.waiting_for == "signal go":
            run.signal("go", 5).get()
        else:
            run.answer("x", "yes").get()
        run.get()
        assert [type(each) for each in told] == [RunParked, RunTakenUp]
        if row.waiting_for == "timer":
            assert 1001.0 <= scene.sim.now < 1002.0
        assert kinds(run, "a") == ["began", "done"]


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


# What callers do with runs


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
    with land(workflow("flow", sleep("nap", 100.0), do("end", lambda _: "end"))) as scene:
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


def test_a_result_that_is_too_large_fails_its_step_and_is_not_tried_again(land: Played) -> None:
    ledger = Ledger()
    large = ledger.member("w", 0.0, then=lambda _: "x" * (1 << 20))
    with land(large, workflow("flow", do("w", "w", retry=3))) as scene:
        assert "PayloadTooLarge" in str(failure(lambda: scene.result("flow", 1)))
        assert sum(ledger.begun.values()) == 1
        with pytest.raises(PayloadTooLarge):
            scene.start("flow", "x" * (1 << 20))


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


# Blocked


def test_a_run_whose_team_is_missing_is_blocked_until_it_is_there() -> None:
    flow = workflow("flow", do("a", "a"), wait("go", "go"))
    with played(a, flow) as scene:
        assert scene.disk is not None
        run = scene.start("flow", [])
        scene.sim.advance(5.0)
        tables = scene.disk.volatile
    with played(a, workflow("other", do("a", "a")), tables=tables) as scene:
        scene.sim.advance(10.0)
        later = scene.eng.workflow_run(run.id)
        later.signal("go", 1).get()
        scene.sim.advance(10.0)
        assert later.status().get().state == "waiting"  # it is of a workflow that this engine does not know


def killed(*parts: Any, step: str, **options: Any) -> tuple[Any, Any]:
    """The tables, and the run, of an engine that was killed when `step` had begun."""
    with played(*parts, **options) as scene:
        assert scene.disk is not None
        run = scene.start("flow", [])
        scene.sim.advance(1.5)
        assert kinds(run, step) == ["began"]
        tables = scene.disk.durable
        scene.disk.dead.add(1)
    return tables, run


def test_a_step_that_may_be_done_once_at_most_is_not_begun_again() -> None:
    ledger = Ledger()
    once = ledger.member("once", 10.0)
    flow = workflow("flow", do("a", "a"), do("once", "once", effects="at_most_once"))
    tables, run = killed(a, once, flow, step="once")
    with played(a, once, flow, tables=tables) as scene:
        told: list[object] = []
        scene.sim.runtime.events.subscribe(told.append, RunBlocked)
        scene.sim.advance(60.0)
        later = scene.eng.workflow_run(run.id)
        status = later.status().get()
        assert status.state == "blocked"
        assert "may be done once at most" in (status.waiting_for or "")
        assert sum(ledger.begun.values()) == 1
        assert len(told) == 1
        later.resume().get()
        scene.sim.advance(30.0)
        assert later.status().get().state == "blocked"
        later.resume(accept_changes=True).get()
        assert later.get(timeout=60) == ["a"]
        assert sum(ledger.begun.values()) == 2


# The process, the store, and actors


def test_another_process_goes_on_with_a_run_whose_process_died() -> None:
    flow = workflow("flow", do("a", "a"), do("b", "b"), do("c", "c"))
    tables, run = killed(a, b, c, flow, step="b")
    with played(a, b, c, flow, tables=tables) as scene:
        scene.sim.advance(20.0)
        later = scene.eng.workflow_run(run.id)
        assert later.get(timeout=60) == ["a", "b", "c"]
        assert kinds(later, "a") == ["began", "done"]
        assert kinds(later, "b")[-1] == "done"
        assert kinds(later, "b").count("done") == 1


def test_a_run_goes_on_when_its_engine_is_started_again(tmp_path: Path) -> None:
    flow = workflow("flow", do("a", "a"), sleep("nap", 100.0), do("b", "b", input="$a"))
    with played_on_sqlite(tmp_path, a, b, flow) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(10.0)
    with played_on_sqlite(tmp_path, a, b, flow) as scene:
        later = scene.eng.workflow_run(run.id)
        assert later.get(timeout=200) == ["a", "b"]
        assert scene.sim.now == pytest.approx(101.0 + 1.0, abs=1.0)  # the clock of each simulation begins anew


@pytest.mark.parametrize("fault", [StoreGone(at=2.5, seconds=8.0), FailCommit(3, times=4), UnknownCommit(3, times=4)])
def test_runs_wait_while_the_store_is_away_and_go_on_then(fault: Any) -> None:
    ledger = Ledger()
    members = [ledger.member(name) for name in "xyz"]
    flow = workflow("flow", *(do(name, name) for name in "xyz"))
    with played(*members, flow, faults=(fault,)) as scene:
        told: list[object] = []
        scene.sim.runtime.events.subscribe(told.append, StoreLost, StoreBack)
        run = scene.start("flow", 5)
        assert run.get(timeout=100) == 5
        assert [type(each) for each in told] == [StoreLost, StoreBack]
        assert set(ledger.begun.values()) == {1}


def test_a_start_is_not_acknowledged_while_the_store_is_away() -> None:
    with played(a, workflow("flow", do("a", "a")), faults=(StoreGone(at=1.0, seconds=10.0),)) as scene:
        scene.sim.advance(2.0)
        future = scene.eng.start_workflow("flow", [])
        scene.sim.advance(5.0)
        assert not future.done()
        assert future.get(timeout=20).get(timeout=20) == ["a"]


@pytest.mark.parametrize("path", ["eng/desk", "eng/journal", "eng/store", "eng/runs/*", "eng/runs", "eng/agents"])
@pytest.mark.parametrize("at", [0.5, 1.0, 1.5, 2.0])
def test_a_part_of_the_engine_may_be_killed_at_any_time(path: str, at: float) -> None:
    ledger = Ledger()
    members = [ledger.member(name) for name in "xyz"]
    flow = workflow("flow", *(do(name, name, retry=retry(9, backoff=constant(0.5))) for name in "xyz"))
    with played(*members, flow, plan=FaultPlan(Kill(path, at=at))) as scene:
        run = scene.start("flow", 5)
        scene.sim.advance(60.0)
        scene.sim.require_fired()
        scene.sim.heal()
        assert run.get(timeout=100) == 5
        assert max(Counter(each.step for each in run.history().get() if each.kind == "done").values()) == 1
        if path not in ("eng/agents", "eng/store"):
            assert set(ledger.finished.values()) == {1}


@pytest.mark.parametrize("path", ["eng/desk", "eng/journal", "eng/store"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_part_of_the_engine_may_crash_at_any_message(path: str, nth: int) -> None:
    flow = workflow("flow", do("a", "a"), do("b", "b"))
    with played(a, b, flow, plan=FaultPlan(Crash(path, nth=nth))) as scene:
        run = scene.eng.start_workflow("flow", [])
        scene.sim.advance(60.0)
        scene.sim.heal()
        try:
            started = run.get()
        except Exception:  # noqa: BLE001 - the desk crashed over the start itself, which is a typed answer
            started = scene.eng.start_workflow("flow", []).get()
        assert started.get(timeout=100) == ["a", "b"]
