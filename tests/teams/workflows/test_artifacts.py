"""Artifacts: what steps return under a name of its own, read back from the journal."""

from __future__ import annotations

import pytest

from teams import member
from teams.workflows import Artifact, do, workflow
from tests.teams.workflows.cast import failure, played

FLOW = workflow("flow", do("write", "writer"), do("pass_on", "same"))
same = member("same", lambda value: value)


def test_a_run_tells_of_each_artifact_once_with_its_step_and_size() -> None:
    with played(member("writer", lambda value: Artifact("report", {"text": value}, "note")), same, FLOW) as scene:
        run = scene.start("flow", "hi")
        run.get(timeout=100)
        (made,) = run.artifacts().get()
        assert (made.step, made.name, made.kind, made.data) == ("write", "report", "note", {"text": "hi"})
        assert made.size == len('{"text":"hi"}')


def test_an_artifact_over_the_limit_fails_its_step() -> None:
    with played(member("writer", lambda _: Artifact("report", "x" * 2**20)), same, FLOW) as scene:
        run = scene.start("flow", "hi")
        assert "PayloadTooLarge" in failure(lambda: run.get(timeout=100)).type  # type: ignore[attr-defined]
        assert run.artifacts().get() == ()


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
def test_an_artifact_without_a_printable_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        Artifact(name, 1)
