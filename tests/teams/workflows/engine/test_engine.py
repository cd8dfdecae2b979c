"""Engines: what each kind of step does in a run, on virtual time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from supervisors import SpecError, SupervisorSpec, constant
from teams import RunCancelled, member, role, team
from teams.patterns import sequential
from teams.resilience import retry
from teams.workflows import (
    Node,
    RunFailure,
    RunStepUndone,
    do,
    engine,
    in_team,
    nested,
    wait,
    workflow,
)
from tests.teams.patterns.cast import Ledger, takes
from tests.teams.workflows.cast import failure, kinds, played
from tests.teams.workflows.steps import Played, a, adds, b, bad, c, flaky, land, undoing

__all__ = ["land"]

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
        assert (status.state, status.failed) == ("failed", 1)
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


def test_the_time_of_a_run_goes_on_while_no_engine_serves_it() -> None:
    """And a retry gives it the same time again."""
    flow = workflow("flow", do("a", "a"), wait("go", "go"), timeout=300.0)
    with played(a, flow) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(10.0)
        scene.eng.stop()
        scene.sim.advance(300.0)
        later = scene.sim.start(engine("later", a, flow, store=scene.open))
        run = later.workflow_run(run.id)
        assert "did not end in time" in str(failure(lambda: run.get(timeout=20)))
        run.retry().get()
        scene.sim.advance(250.0)
        run.signal("go", "went").get()
        assert run.get(timeout=20) == "went"
        assert kinds(run, "a") == ["began", "done"]


# Undoing


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


ENDLESS: dict[str, tuple[list[Node], list[Node]]] = {
    "itself": ([nested("x", "one")], []),
    "each other": ([do("a", "a"), nested("x", "two")], [nested("y", workflow("inside", nested("z", "one")))]),
}
ENDING: dict[str, tuple[list[Node], list[Node]]] = {
    "a condition": ([nested("x", "one", when="$input.deep")], []),
    "a list": ([nested("x", "one", each="$input.below")], []),
    "another one": ([nested("x", "two")], []),
    "a run of its own": ([nested("x", "one", detached=True)], []),
}


def engine_of(one: list[Node], two: list[Node]) -> SupervisorSpec:
    return engine("eng", a, workflow("one", *one), workflow("two", *two or [do("a", "a")]), store="memory:")


@pytest.mark.parametrize("case", ENDLESS)
def test_a_workflow_that_is_a_step_of_itself_is_a_fault(case: str) -> None:
    """It played until Python could recurse no deeper."""
    with pytest.raises(SpecError, match="is a step of itself, so no run of it would end") as found:
        engine_of(*ENDLESS[case])
    assert len(found.value.faults) == 1


@pytest.mark.parametrize("case", ENDING)
def test_a_workflow_that_may_be_a_step_of_itself_is_none(case: str) -> None:
    assert engine_of(*ENDING[case]).id == "eng"
