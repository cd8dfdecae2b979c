"""Patterns that an engine plays: each gives what it gives in memory, also when its process is killed on the way."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from actors.testing import simulation
from supervisors import constant
from teams import Decline, Failed, Member, Pattern, member, quorum, step, team
from teams.patterns import (
    Approved,
    Plan,
    Rejected,
    Subtask,
    Synthesis,
    broadcast_to,
    delegate,
    hierarchical,
    multi_stage_review,
    parallel,
    pipeline,
    quality_gate,
    refine,
    sequential,
    stage,
)
from tests.teams.patterns.cast import fails, takes
from tests.teams.workflows.cast import played


def judge(wanted: int) -> Any:
    """A reviewer that approves texts of some length."""
    return takes(1.0, lambda said: Approved("good") if len(str(said)) >= wanted else Rejected("longer"))


def lead(value: Any) -> object:
    """A leader with a plan."""
    if isinstance(value, Synthesis):
        return {**value.results, "failed": sorted(value.failures)}
    return Plan([Subtask("one", to="a"), Subtask("two", to="b"), Subtask("three", to="bad")])


def signed(name: str, value: object) -> str:
    """A text with the name of who worked on it."""
    return f"{value}{name}"


def produce(value: Any) -> object:
    """Makes its text longer at every revision."""
    previous = getattr(value, "previous", None)
    return f"{previous or value}!"


def people() -> tuple[Member, ...]:
    """Those that do the work."""
    return (
        *(member(name, takes(1.0, partial(signed, name)), backoff=constant(0.1)) for name in "abc"),
        member("bad", fails("no")),
        member("lead", takes(1.0, lead)),
        member("produce", takes(1.0, produce)),
        member("judge", judge(4)),
        member("strict", judge(100)),
        member("shy", takes(1.0, lambda _: Decline("not me"))),
    )


PATTERNS: dict[str, tuple[Pattern, object]] = {
    "sequential": (sequential("a", "b", "c"), "x"),
    "steps": (sequential("a", step("bad", fallback=["b"]), step("bad", on_failure="skip")), "x"),
    "parallel": (parallel("a", "bad", "c"), "x"),
    "quorum": (parallel("a", "bad", "c", policy=quorum(1), merge=sorted), "x"),
    "pipeline": (pipeline(stage("one", "a", parallel=2), stage("two", "b", on_failure="skip")), ["x", "y", "z"]),
    "pipeline with failures": (pipeline(stage("one", "a"), stage("two", "bad", on_failure="skip")), ["x", "y"]),
    "hierarchical": (hierarchical("lead"), "x"),
    "quality gate": (quality_gate("produce", "judge", max_rounds=5), "x"),
    "refine": (refine("produce", "strict", max_iterations=2), "x"),
    "review": (multi_stage_review(["judge", "strict"]), "long text"),
    "delegate": (delegate("shy", "a"), "x"),
    "broadcast": (broadcast_to("a"), "x"),
    "nested": (sequential(parallel("a", sequential("b", "c")), pipeline("a")), "x"),
}


def plain(value: object) -> object:
    """A result as it can be compared: failures by what failed."""
    if isinstance(value, Failed):
        return f"failed: {str(value.error).rpartition(': ')[2]}"
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    fields = getattr(value, "__dataclass_fields__", None)
    return value if fields is None else {name: plain(getattr(value, name)) for name in fields}


def in_memory(pattern: Pattern, value: object) -> object:
    """What a team makes of it."""
    with simulation() as sim:
        return plain(sim.start(team("crew", *people())).play(pattern, value).get())


def said(value: object) -> object:
    """A result as the engine tells it: what is stored of values is without their names."""
    if isinstance(value, dict):
        if value.get("$is") == "Failed":
            return f"failed: {value['error']['message'].rpartition(': ')[2]}"
        return {name: said(each) for name, each in value.items() if name != "$is"}
    return [said(each) for each in value] if isinstance(value, list) else plain(value)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_gives_in_an_engine_what_it_gives_in_memory(name: str) -> None:
    pattern, value = PATTERNS[name]
    wanted = in_memory(pattern, value)
    with played(*people(), patterns={"it": pattern}) as scene:
        assert said(scene.result("it", value)) == wanted


@pytest.mark.parametrize("at", [0.5, 1.5, 2.5, 3.5])
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_gives_the_same_when_its_process_is_killed(name: str, at: float) -> None:
    pattern, value = PATTERNS[name]
    wanted = in_memory(pattern, value)
    with played(*people(), patterns={"it": pattern}) as scene:
        assert scene.disk is not None
        run = scene.start("it", value)
        scene.sim.advance(at)
        tables = scene.disk.durable
        done = [entry.step for entry in tables.entries.get(run.id, ()) if entry.kind == "done"]
        scene.disk.dead.add(1)
    with played(*people(), patterns={"it": pattern}, tables=tables) as scene:
        later = scene.eng.workflow_run(run.id)
        assert said(later.get(timeout=200)) == wanted
        ends = [entry.step for entry in later.history().get() if entry.kind == "done"]
        assert ends[: len(done)] == done
        assert len(set(ends)) == len(ends)
