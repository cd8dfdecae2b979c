"""Workflows as code: an `async` function whose steps are written down, and what happens when its code has changed."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from supervisors import SpecError
from teams import member
from teams.patterns import Plan, quality_gate
from teams.workflows import (
    BadInput,
    RunFailure,
    WorkflowContext,
    coded,
    do,
    routing,
    rule,
    workflow,
)
from tests.teams.workflows.cast import Scene, failure, kinds, played

double = member("double", lambda value: value * 2)


def again(scene: Scene, *parts: Any) -> Any:
    """The engine of a later process, with other code, on what the first one has left."""
    assert scene.disk is not None
    tables = copy.deepcopy(scene.disk.durable)
    tables.engines.clear()
    return played(*parts, tables=tables, seed=1)  # its ids are others


class Order(BaseModel):
    """An order."""

    count: int


@coded
async def order(run: WorkflowContext, value: Order) -> dict[str, Any]:
    """Everything that code may do with its run."""
    first = await run.do("double", value.count, name="first")
    gathered = await run.gather({"a": ("double", 1), "b": ("double", 2)})
    paid = await run.wait("paid", within=100)
    ship = await run.ask("ship it?", options=("yes", "no"))
    began = run.now()
    await run.sleep(50)
    return {
        "first": first,
        "gathered": dict(gathered.results),
        "paid": paid,
        "ship": ship,
        "began": began.isoformat(),
        "dice": [run.random.randint(1, 6), run.random.randint(1, 6)],
        "uuid": str(run.uuid()),
        "new": run.version("new"),
    }


def finish(scene: Scene, id: str) -> Any:
    run = scene.eng.workflow_run(id)
    scene.sim.advance(5)
    run.signal("paid", 7).get()
    scene.sim.advance(5)
    run.answer("ask", "yes").get()
    return run.get(timeout=1_000)


def test_code_waits_asks_gathers_and_sleeps_like_steps() -> None:
    with played(double, order) as scene:
        run = scene.start("order", {"count": 3})
        found = finish(scene, run.id)
        assert found["first"] == 6
        assert found["gathered"] == {"a": 2, "b": 4}
        assert (found["paid"], found["ship"], found["new"]) == (7, "yes", True)
        assert datetime.fromisoformat(found["began"]).tzinfo == UTC


def test_code_goes_on_in_another_process_with_the_same_values() -> None:
    with played(double, order) as scene:
        run = scene.start("order", {"count": 3})
        scene.sim.advance(5)
        assert scene.state(run) == "waiting"
    with again(scene, double, order) as scene:
        found = finish(scene, run.id)
        assert found["first"] == 6
        assert kinds(scene.eng.workflow_run(run.id), "first") == ["began", "done"]
    with again(scene, double, order) as scene:
        assert scene.eng.workflow_run(run.id).get() == found


def test_the_input_of_code_is_checked_before_anything_is_stored() -> None:
    with played(double, order) as scene:
        with pytest.raises(BadInput, match="count"):
            scene.start("order", {"count": "many"})
        assert scene.eng.workflow_runs().get() == ()


def changing(change: str) -> Any:
    """Code in another version: with another target, another input, or a step more at its end."""

    @coded
    async def flow(run: WorkflowContext, value: int) -> int:
        target, given = ("triple" if change == "target" else "double"), (value + 1 if change == "input" else value)
        if change == "more" and run.version("more"):
            given = await run.do("double", given, name="more")
        first: int = await run.do(target, given, name="first")
        await run.wait("go")
        return first

    return flow


triple = member("triple", lambda value: value * 3)


@pytest.mark.parametrize("change", ["target", "input"])
def test_a_step_that_has_changed_blocks_the_run_and_does_nothing(change: str) -> None:
    with played(double, triple, changing("")) as scene:
        run = scene.start("flow", 1)
        scene.sim.advance(5)
    with again(scene, double, triple, changing(change)) as scene:
        taken = scene.eng.workflow_run(run.id)
        taken.signal("go").get()
        scene.sim.advance(5)
        row = scene.row(taken)
        assert row.state == "blocked"
        assert row.waiting_for is not None
        assert "step first" in row.waiting_for
        assert kinds(taken, "first") == ["began", "done"]
        taken.resume(accept_changes=True).get()
        assert taken.get() == 2  # what was done stays done


def test_a_change_that_asks_for_its_version_does_not_meet_older_runs() -> None:
    with played(double, changing("")) as scene:
        run = scene.start("flow", 1)
        scene.sim.advance(5)
    with again(scene, double, changing("more")) as scene:
        scene.sim.advance(100)  # the same time would make the same id
        new = scene.start("flow", 1)
        for each in (scene.eng.workflow_run(run.id), new):
            each.signal("go").get()
        assert scene.eng.workflow_run(run.id).get() == 2
        assert new.get() == 4


@given(st.lists(st.sampled_from(["now", "random", "uuid"]), max_size=6), st.integers(0, 5))
def test_what_differs_between_two_calls_is_the_same_in_a_replay(calls: list[str], cut: int) -> None:
    """Times, random numbers and UUIDs, on both sides of the place at which the process ended."""

    @coded
    async def flow(run: WorkflowContext, value: int) -> list[str]:
        said = []
        for number, call in enumerate(calls):
            if number == cut:
                said.append(await run.wait("go"))
            match call:
                case "now":
                    said.append(run.now().isoformat())
                case "uuid":
                    said.append(str(run.uuid()))
                case _:
                    said.append(str(run.random.random()))
            await run.do("double", number, name=f"step-{number}")
        return [*said, await run.wait("end")]

    with played(double, flow) as scene:
        run = scene.start("flow", 1)
        scene.sim.advance(5)
        first = scene.eng.workflow_run(run.id).history().get()
    with again(scene, double, flow) as scene:
        taken = scene.eng.workflow_run(run.id)
        taken.signal("go", "go").get()
        taken.signal("end", "end").get()
        found = taken.get()
        history = taken.history().get()
        assert history[: len(first)] == first
        assert len(found) == len(calls) + 1 + (cut < len(calls))
        begun = [each.step for each in history if each.kind == "began"]
        assert len(begun) == len(set(begun))


def test_code_that_is_no_async_function_of_two_is_refused() -> None:
    with pytest.raises(SpecError, match="async function"):
        coded(lambda run, value: None)  # type: ignore[arg-type, return-value]

    async def three(run: Any, value: Any, more: Any) -> None: ...

    with pytest.raises(SpecError, match="must take the run and its input"):
        coded(three)  # type: ignore[arg-type]


# Routing


def desk() -> Any:
    return routing(
        "desk",
        rule("input.priority == 'high'", "parallel", agents=["double", "triple"], name="fast"),
        rule("input.n > 100", quality_gate("double", "judge"), name="gate"),
        rule("default", "sequential", agents=["double"], name="rest"),
    )


def numbers(name: str, factor: int) -> Any:
    return member(name, lambda value: value["n"] * factor if isinstance(value, dict) else value * factor)


def test_work_goes_to_the_pattern_of_the_first_rule_that_holds() -> None:
    judge = member("judge", lambda _: {"$is": "no verdict"})
    with played(numbers("double", 2), numbers("triple", 3), judge, desk()) as scene:
        assert scene.result("desk", {"priority": "high", "n": 1}) == {"double": 2, "triple": 3}
        assert scene.result("desk", {"priority": "low", "n": 1}) == 2
        run = scene.start("desk", {"priority": "low", "n": 1})
        run.get()
        assert [each.body for each in run.history().get() if each.kind == "routed"] == [b'"rest"']


def test_work_that_no_rule_fits_fails_and_says_so() -> None:
    only = routing("desk", rule("input.n > 100", "sequential", agents=["double"]))
    with played(double, only) as scene:
        assert "no rule of 'desk' fits" in str(failure(lambda: scene.result("desk", {"n": 1})))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (lambda: routing("desk"), "has no rules"),
        (
            lambda: routing("desk", *(rule("default", name, agents=["a"]) for name in ("sequential", "parallel"))),
            "comes after the default",
        ),
        (lambda: rule("input.n >", "sequential", agents=["a"]), "when:"),
        (lambda: rule("step.n > 1", "sequential", agents=["a"]), "is not known here"),
        (lambda: rule("default", "sequentail", agents=["a"]), "sequential"),
        (lambda: rule("default", "hierarchical"), "needs a leader"),
        (lambda: rule("default", "parallel"), "needs at least one"),
    ],
    ids=["none", "after", "condition", "root", "name", "leader", "agents"],
)
def test_a_rule_or_routing_with_a_fault_is_refused(rules: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        rules()


# What is missing


def test_a_run_whose_member_is_missing_waits_until_it_is_there() -> None:
    """A member that was given up, or is not in the engine of this process: nothing is lost."""
    flow = workflow("flow", do("first", "double"), do("second", "triple"))
    with played(double, triple, flow) as scene:
        scene.sim.runtime.find("eng/agents").leave("triple").get()  # type: ignore[union-attr]
        run = scene.start("flow", 1)
        scene.sim.advance(5)
        row = scene.row(run)
        assert row.state == "blocked"
        assert "triple" in (row.waiting_for or "")
    with again(scene, double, triple, flow) as scene:
        taken = scene.eng.workflow_run(run.id)
        taken.resume().get()
        assert taken.get() == 6
        assert kinds(taken, "first") == ["began", "done"]


def test_a_run_that_fails_raises_what_was_recorded() -> None:
    @coded
    async def flow(run: WorkflowContext, value: int) -> int:
        raise LookupError("not there")

    with played(flow) as scene, pytest.raises(RunFailure, match="not there"):
        scene.result("flow", 1)


def test_types_that_pydantic_cannot_check_are_refused_all_at_once() -> None:
    async def flow(run: WorkflowContext, input: Plan) -> Plan:
        return input

    with pytest.raises(SpecError) as caught:
        coded(flow)
    assert [fault.message.partition(":")[0] for fault in caught.value.faults] == ["input", "returns"]
