"""Artifacts: what steps return under a name of its own, read back from the journal."""

from __future__ import annotations

from typing import Any

import pytest

from teams import member
from teams.patterns import Approved
from teams.workflows import Artifact, do, workflow
from tests.teams.workflows.cast import failure, played

FLOW = workflow("flow", do("write", "writer"), do("pass_on", "same"))
same = member("same", lambda value: value)
ONE, TWO = Artifact("one", 1), Artifact("two", [2])


def test_a_run_tells_of_each_artifact_once_with_its_step_and_size() -> None:
    with played(member("writer", lambda value: Artifact("report", {"text": value}, "note")), same, FLOW) as scene:
        run = scene.start("flow", "hi")
        run.get(timeout=100)
        (made,) = run.artifacts().get()
        assert (made.step, made.name, made.kind, made.data) == ("write", "report", "note", {"text": "hi"})
        assert made.size == len('{"text":"hi"}')


@pytest.mark.parametrize(
    "result",
    [[ONE, TWO], (ONE, TWO), {"a": ONE, "b": {"c": [TWO]}}, [ONE, {"$is": "Artifact"}, TWO], Approved([ONE, TWO])],
)
def test_artifacts_are_found_anywhere_in_a_result(result: Any) -> None:
    with played(member("writer", lambda _: result), same, FLOW) as scene:
        run = scene.start("flow")
        run.get(timeout=100)
        assert [(each.name, each.data) for each in run.artifacts().get()] == [("one", 1), ("two", [2])]


@pytest.mark.parametrize(("returns", "result"), [(Artifact, ONE), (list[Artifact], [ONE])])
def test_a_step_may_say_that_it_returns_artifacts(returns: Any, result: object) -> None:
    flow = workflow("flow", do("write", "writer", returns=returns))
    with played(member("writer", lambda _: result), flow) as scene:
        run = scene.start("flow")
        assert run.get(timeout=100) == result
        assert [each.name for each in run.artifacts().get()] == ["one"]


def test_data_that_was_a_value_of_a_pattern_comes_back_as_one() -> None:
    with played(member("writer", lambda _: Artifact("verdict", Approved("good"))), same, FLOW) as scene:
        run = scene.start("flow")
        run.get(timeout=100)
        assert [each.data for each in run.artifacts().get()] == [Approved("good")]


def test_an_artifact_survives_kill_nine() -> None:
    flow = workflow("flow", do("write", "writer"))
    with played(member("writer", lambda _: ONE), flow) as scene:
        run = scene.start("flow")
        run.get(timeout=100)
        assert scene.disk is not None
        tables = scene.disk.durable
    with played(member("writer", lambda _: TWO), flow, tables=tables) as scene:
        assert [each.name for each in scene.eng.workflow_run(run.id).artifacts().get()] == ["one"]


def test_an_artifact_over_the_limit_fails_its_step() -> None:
    with played(member("writer", lambda _: Artifact("report", "x" * 2**20)), same, FLOW) as scene:
        run = scene.start("flow", "hi")
        assert "PayloadTooLarge" in failure(lambda: run.get(timeout=100)).type  # type: ignore[attr-defined]
        assert run.artifacts().get() == ()


def test_data_that_json_cannot_say_fails_its_step() -> None:
    with played(member("writer", lambda _: Artifact("report", float("nan"))), same, FLOW) as scene:
        run = scene.start("flow", "hi")
        assert "NotStorable" in failure(lambda: run.get(timeout=100)).type  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
def test_an_artifact_without_a_printable_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        Artifact(name, 1)
