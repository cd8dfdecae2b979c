"""Steps that start a run of another workflow, which goes on by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from supervisors import SpecError
from teams import member
from teams._dispatch.ask import asked
from teams._journal.errors import StoreAway
from teams.workflows import (
    NeedsEngine,
    WorkflowContext,
    coded,
    delay,
    do,
    engine,
    nested,
    picture,
    quality,
    wait,
    workflow,
    workflow_from,
)
from teams.workflows._engine import keepers
from teams.workflows._engine.keepers import Keepers
from teams.workflows._run.detached import DetachedRun
from teams.workflows.testing import DiskFault, FailCommit, UnknownCommit
from tests.teams.workflows.cast import Scene, failure, kinds, played
from tests.teams.workflows.run.test_code import again


async def work(value: Any) -> Any:
    await asyncio.sleep(1)
    return value


worker = member("worker", work)
side = workflow("side", delay("nap", 30), do("send", "worker", input="$input"))
main = workflow("main", nested("mail", "side", input={"to": "$input"}, detached=True), do("last", "worker"))


def sides(scene: Scene) -> list[tuple[str, bytes]]:
    """State and input of the runs that were started by steps."""
    rows = scene.eng.workflow_runs(workflow="side", limit=100).get()
    return sorted((each.state, each.input) for each in rows)


def test_a_detached_step_ends_with_the_id_of_the_run_that_it_started() -> None:
    with played(worker, main, side) as scene:
        run = scene.start("main", "ann", priority=7)
        started = run.get(timeout=20)
        assert scene.state(run) == "done"
        other = scene.eng.workflow_run(started)
        status = other.status().get()
        assert (status.workflow, status.key, status.state) == ("side", f"{run.id}/mail", "waiting")
        assert (status.parent, status.parent_step) == (run.id, "mail")
        assert scene.row(other).priority == 7
        assert other.get(timeout=100) == {"to": "ann"}


def test_a_child_goes_with_its_parent_unless_it_is_detached() -> None:
    inside = workflow("inside", nested("mail", "side", input={"to": "bob"}), do("last", "worker"))
    outside = workflow("outside", nested("mail", "side", input={"to": "ann"}, detached=True), wait("never", "never"))
    with played(worker, side, inside, outside) as scene:
        runs = [scene.start(flow) for flow in ("inside", "outside")]
        scene.sim.advance(3)
        for run in runs:
            run.cancel("enough").get()
        scene.sim.advance(60)
        assert [scene.state(run) for run in runs] == ["cancelled", "cancelled"]
        assert sides(scene) == [("done", b'{"to":"ann"}')]


def test_each_item_of_a_map_starts_a_run_of_its_own() -> None:
    flow = workflow("flow", nested("mail", "side", each="$input", input={"to": "$item"}, detached=True))
    with played(worker, flow, side) as scene:
        ids = scene.result("flow", ["ann", "bob"])
        assert [scene.eng.workflow_run(each).get(timeout=100) for each in ids] == [{"to": "ann"}, {"to": "bob"}]


def test_a_step_that_is_tried_again_finds_the_run_that_it_started() -> None:
    flow = workflow("flow", nested("mail", "side", input={}, detached=True), do("last", "bad"))
    with played(worker, member("bad", lambda _: 1 / 0), flow, side) as scene:
        run = scene.start("flow")
        failure(lambda: run.get(timeout=20))
        run.retry(step="mail").get()
        failure(lambda: run.get(timeout=20))
        assert kinds(run, "mail") == ["began", "done"] * 2
        assert len(sides(scene)) == 1


def test_every_attempt_at_a_start_finds_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Keepers._started
    heard: list[DetachedRun] = []

    async def unlucky(keepers: Keepers, run: DetachedRun) -> str:
        id = await started(keepers, run)
        heard.append(run)
        if len(heard) < 3:
            raise ConnectionError("it is started, and nobody hears of it")
        return id

    monkeypatch.setattr(Keepers, "_started", unlucky)
    flow = workflow("flow", nested("mail", "side", input={}, detached=True, retry=3))
    with played(worker, flow, side) as scene:
        run = scene.start("flow")
        id = run.get(timeout=60)
        assert {each.key for each in heard} == {f"{run.id}/mail"}
        assert [each.id for each in scene.eng.workflow_runs(workflow="side").get()] == [id]


def test_a_start_waits_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(10))

    async def away(desk: Any, message: Any) -> Any:
        if next(times) < 3:
            raise StoreAway("disk:", "it does not answer", False)
        return await asked(desk, message)

    monkeypatch.setattr(keepers, "asked", away)
    with played(worker, main, side) as scene:
        run = scene.start("main", "ann")
        assert scene.eng.workflow_run(run.get(timeout=20)).get(timeout=200) == {"to": "ann"}
        assert kinds(run, "mail") == ["began", "done"]


@given(
    st.lists(st.builds(FailCommit, st.integers(1, 8)) | st.builds(UnknownCommit, st.integers(1, 8)), max_size=3),
    st.floats(0, 3),
)
def test_whatever_fails_a_detached_step_starts_one_run(faults: list[DiskFault], killed_at: float) -> None:
    with played(worker, main, side, faults=tuple(faults)) as scene:
        run = scene.start("main", "ann")
        scene.sim.advance(killed_at)
        later = again(scene, worker, main, side)
    with later as scene:
        started = scene.eng.workflow_run(run.id).get(timeout=10_000)
        assert scene.eng.workflow_run(started).get(timeout=10_000) == {"to": "ann"}
        assert len(sides(scene)) == 1


def test_code_starts_a_run_once_however_often_it_is_played() -> None:
    @coded
    async def code(run: WorkflowContext, to: str) -> str:
        started = await run.start("side", {"to": to}, name="mail", priority=3)
        await run.sleep(5)
        return started

    with played(worker, code, side) as scene:
        run = scene.start("code", "ann")
        scene.sim.advance(2)
        later = again(scene, worker, code, side)
    with later as scene:
        started = scene.eng.workflow_run(run.id).get(timeout=100)
        assert scene.row(scene.eng.workflow_run(started)).priority == 3
        assert sides(scene) == [("waiting", b'{"to":"ann"}')]


def test_an_input_that_the_other_workflow_refuses_fails_the_step() -> None:
    class Mail(BaseModel):
        to: str

    strict = workflow("strict", do("send", "worker"), input=Mail)
    flow = workflow("flow", nested("mail", "strict", input={"too": 1}, detached=True))
    with played(worker, strict, flow) as scene:
        assert "BadInput" in str(failure(lambda: scene.result("flow")))
        assert len(scene.eng.workflow_runs().get()) == 1


def test_a_detached_step_needs_an_engine() -> None:
    with played(worker, main, side) as scene:
        team = scene.sim.runtime.find("eng/agents")
        handle = team.play(main, "ann")  # type: ignore[union-attr]
        with pytest.raises(Exception, match="needs what only a run of an engine has") as caught:
            handle.get(timeout=10)
        assert isinstance(caught.value.__cause__.__cause__, NeedsEngine)  # type: ignore[union-attr]


def test_a_detached_step_is_checked_when_it_is_built() -> None:
    with pytest.raises(SpecError) as caught:
        nested("mail", "side", detached=True, timeout=3, returns=int, quality=quality("GENERIC"))
    assert [each.message.partition(":")[0] for each in caught.value.faults] == ["timeout", "returns", "quality"]
    with pytest.raises(SpecError, match="detached: must be True or False, got 'yes'"):
        nested("mail", "side", detached="yes")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="workflow: no workflow 'sid'; did you mean 'side'"):
        engine("eng", worker, side, workflow("flow", nested("mail", "sid", detached=True)))
    inner = {"workflow": "inner", "steps": [{"id": "a", "agent": "worker"}]}
    with pytest.raises(SpecError, match="detached: is for a workflow of the engine, by its name"):
        workflow_from({"workflow": "flow", "steps": [{"id": "mail", "workflow": inner, "detached": True}]})


def test_a_detached_step_in_a_file_is_what_the_builder_makes() -> None:
    step = {"id": "mail", "workflow": "side", "detached": True, "input": {"to": "$input"}}
    flow = workflow_from({"workflow": "main", "steps": [step, {"id": "last", "agent": "worker"}]})
    assert flow == main
    assert workflow_from({"workflow": "main", "steps": [{**step, "detached": False}]}) == workflow(
        "main", nested("mail", "side", input={"to": "$input"})
    )
    assert "  1  mail  start side" in picture(main)
