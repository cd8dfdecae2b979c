"""Drafts of workflows by a member: what passes, what goes back, what is refused; and that no draft leads to code."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from actors.testing import simulation
from supervisors import SpecError
from teams import RunFailed, StepFailed, can, member, role, team
from teams.patterns import Revision, sequential
from teams.planning import DraftRefused, drafted, plan
from teams.planning._draft import STEP, DraftNames, checked_draft
from teams.workflows import WorkflowContext, coded, workflow_from
from teams.workflows._graph.file import FORMS, WORKFLOW
from tests.documents import changed
from tests.teams.workflows.cast import failure, kinds, played

DRAFT: dict[str, Any] = {
    "workflow": "report",
    "tasks": [
        {"id": "gather", "agent": "ann", "estimated_duration": [1, 2, 9], "input": "$input.topic"},
        {"id": "draw", "agent": {"can": "draw"}, "dependencies": ["gather"], "parallel_safe": False},
        {"id": "write", "agent": {"pool": "writer", "route": "round_robin"}, "input": {"facts": "$gather"}},
        {"id": "check", "workflow": {"workflow": "inner", "steps": [{"id": "read", "agent": "ann", "undo": "ann"}]}},
        {"id": "ok", "ask": "Send ${write}?", "options": ["yes", "no"], "default": "no", "timeout": "1h"},
        {
            "id": "send",
            "agent": "ann",
            "condition": "$ok == 'yes'",
            "retry": 2,
            "quality": {"domain": {"name": "Q", "criteria": {"good": 0.5}}, "scorers": {"good": "bob"}},
        },
    ],
    "output": "$send",
}
KNOWN = DraftNames.of(["ann", "bob", "writer", can("draw")], {}, [])


def again(text: object) -> str:
    return f"{text}!"


def refused(draft: object, most: int = 100) -> list[str]:
    """The faults of a draft."""
    with pytest.raises(SpecError) as caught:
        checked_draft(draft, KNOWN, most)
    return [str(each) for each in caught.value.faults]


def crew(model: Callable[[Any], Any]) -> Any:
    people = (member("ann", again), member("bob", again, role="writer"), member("cleo", again, capabilities=["draw"]))
    return team("crew", role("writer"), member("model", model), *people)


def asked(model: Callable[[Any], Any], **options: Any) -> Any:
    """What comes of a pattern whose planner is this function."""
    with simulation() as sim:
        playing = sim.start(crew(model)).play(drafted("model", **options), "a report")
        sim.settle()
        return playing.get()


def test_a_draft_without_faults_is_a_workflow_at_once() -> None:
    heard: list[object] = []

    def model(given: object) -> object:
        heard.append(given)
        return DRAFT

    made = workflow_from(asked(model))
    assert heard == ["a report"]
    assert made == workflow_from(DRAFT)
    assert plan(made).task("gather").estimate.high == 9


@pytest.mark.parametrize("form", ["{}", "\n{} ", "```json\n{}\n```", "```\n{}```"])
def test_a_draft_may_be_json_as_text(form: str) -> None:
    assert checked_draft(form.replace("{}", json.dumps(DRAFT)), KNOWN, 100) == checked_draft(DRAFT, KNOWN, 100)


def test_faults_go_back_to_the_planner_all_at_once() -> None:
    heard: list[Any] = []
    bad = {"workflow": "w", "steps": [{"id": "a", "agent": "an"}, {"id": "b", "agent": "ann", "timeout": -1}]}

    def model(given: object) -> object:
        heard.append(given)
        return DRAFT if len(heard) == 3 else bad if len(heard) == 1 else "{"

    asked(model)
    second, third = heard[1:]
    assert isinstance(second, Revision)
    assert isinstance(second.feedback, list)
    assert (second.work, second.previous, second.round) == ("a report", bad, 2)
    assert any("timeout" in each for each in second.feedback)
    assert isinstance(third, Revision)
    assert isinstance(third.feedback, list)
    assert (third.work, third.previous, third.round) == ("a report", "{", 3)
    assert "must be JSON" in third.feedback[0]


def test_names_are_those_of_the_team() -> None:
    heard: list[Any] = []

    def model(given: object) -> object:
        heard.append(given)
        agent = "ann" if len(heard) > 1 else "anna"
        return {"workflow": "w", "steps": [{"id": "a", "agent": agent}, {"id": "b", "agent": {"can": "draw"}}]}

    asked(model)
    assert heard[1].feedback == ["w/a: no member or role 'anna'; did you mean 'ann'?"]


def test_after_the_last_round_the_draft_is_refused() -> None:
    count = 0

    def model(given: object) -> object:
        nonlocal count
        count += 1
        return {"workflow": "w", "steps": [{"id": "a", "agent": "nowhere"}, {"id": "b", "run": "os:getcwd"}]}

    with pytest.raises(RunFailed) as caught:
        asked(model, max_rounds=2)
    error = caught.value.__cause__
    assert isinstance(error, DraftRefused)
    assert count == error.rounds == 2
    assert len(error.faults) == 2
    assert "no draft passed its checks in 2 rounds" in str(error)
    assert "and 1 more fault" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_planner_that_fails_is_not_a_draft_with_faults() -> None:
    def model(given: object) -> object:
        raise ValueError("no model")

    with pytest.raises(RunFailed) as caught:
        asked(model)
    assert isinstance(caught.value.__cause__, StepFailed)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"run": "os:getcwd"}, "run: leads to code"),
        ({"pattern": {"steps": ["os:getcwd"]}}, "pattern: leads to code"),
        ({"agent": "os:getcwd"}, "agent: 'os:getcwd' names code"),
        ({"agent": {"pool": "os:getcwd"}}, "pool: 'os:getcwd' names code"),
        ({"agent": {"pool": "writer", "key": "os:getcwd"}}, "key: leads to code"),
        ({"agent": {"steps": ["os:getcwd"]}}, "steps: leads to code"),
        ({"agent": "ann", "undo": "os:getcwd"}, "undo: 'os:getcwd' names code"),
        ({"agent": "ann", "undo": ["os:getcwd"]}, "undo: must be the name of a member"),
        ({"agent": "ann", "returns": "os:getcwd"}, "returns: leads to code"),
        ({"agent": "ann", "retry": {"on": "os:getcwd"}}, "retry: must be a number"),
        ({"agent": "ann", "quality": {"domain": "GENERIC", "scorers": "os:getcwd"}}, "scorers: 'os:getcwd' names code"),
        (
            {"agent": "ann", "quality": {"domain": "GENERIC", "scorers": {"accuracy": "os:getcwd"}}},
            "scorers/accuracy: 'os:getcwd' names code",
        ),
        ({"workflow": {"name": "i", "steps": [{"id": "x", "run": "os:getcwd"}]}}, "run: leads to code"),
        ({"workflow": {"name": "i", "input": "os:getcwd", "steps": []}}, "input: leads to code"),
        ({"workflow": "other"}, "no workflow 'other'"),
        ({"team": "other", "workflow": [{"role": "x", "action": "y"}]}, "no team 'other'"),
        ({"agnet": "ann"}, "agnet: unknown key; did you mean 'agent'?"),
        ({"agent": "ann", "estimated_duration": math.nan}, "estimated_duration: must be a finite number, got nan"),
        ({"agent": "ann", "estimated_duration": -1}, "estimated_duration: must be more than 0"),
        ({"agent": "ann", "estimated_duration": [3, 2, 1]}, "estimated_duration: must be seconds, or three points"),
        ({"agent": "ann", "dependencies": ["nothing"]}, "nothing"),
        ({"agent": "ann", "dependencies": ["a"]}, "cycle"),
        ({"agent": "ann", "input": object()}, "must be a mapping with the keys of a workflow"),
    ],
)
def test_a_draft_with_this_step_is_refused(step: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a model that has code imported or called."""
    forbid_code(monkeypatch)
    faults = refused({"workflow": "w", "tasks": [{"id": "a", **step}, {"id": "b", "agent": "ann"}]})
    assert any(said in each for each in faults), faults


@pytest.mark.parametrize(
    "draft", [None, 3, [], "", "text", "[]", '{"a": NaN}', '{"workflow": "w", "steps": [1e999]}', {}, {1: 2}, b"\xff"]
)
def test_what_is_not_a_workflow_is_refused_as_a_draft(draft: object) -> None:
    assert refused(draft)


def test_a_draft_is_bounded() -> None:
    steps = [{"id": f"s{number}", "agent": "ann"} for number in range(4)]
    assert refused({"workflow": "w", "steps": steps}, most=3) == [
        "draft/steps/s3: is one step too many: a draft has at most 3"
    ]
    checked_draft({"workflow": "w", "steps": steps}, KNOWN, 4)
    inner: dict[str, Any] = {"workflow": "w", "steps": [{"id": "a", "agent": "ann"}]}
    for _ in range(30):
        inner = {"workflow": "w", "steps": [{"id": "a", "workflow": inner}]}
    assert any("nested deeper" in each for each in refused(inner))
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert any(
        "nested deeper" in each
        for each in refused({"workflow": "w", "steps": [{"id": "a", "agent": "ann", "input": deep}]})
    )
    assert any("characters" in each for each in refused(" " + "x" * 300_000))


def forbid_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is imported by a name in a document."""

    def locate(path: str, key: str, location: str) -> object:
        raise AssertionError(f"{path}: {key}: {location} was looked for")

    for module in ("teams.workflows._graph.file", "teams._files.form", "teams._files.condition"):
        monkeypatch.setattr(f"{module}.locate", locate, raising=False)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changed(DRAFT, sorted({*STEP, *WORKFLOW, *(key for _, keys in FORMS.values() for key in keys)})))
def test_no_draft_leads_to_code(monkeypatch: pytest.MonkeyPatch, draft: object) -> None:
    """Guards the list of keys: whatever a model writes passes, or is told with faults."""
    forbid_code(monkeypatch)
    try:
        found = checked_draft(draft, KNOWN, 100)
    except SpecError:
        return
    assert checked_draft(found, KNOWN, 100) == found
    workflow_from(found)


def test_arguments_of_the_pattern_are_checked() -> None:
    with pytest.raises(SpecError) as caught:
        drafted("", targets=[3], max_rounds=0, max_steps=True)  # type: ignore[list-item]
    assert len(caught.value.faults) == 4
    with pytest.raises(SpecError, match="must be a list of names"):
        drafted("model", targets="ann")


# In a run of an engine


@coded
async def drafting(run: WorkflowContext, goal: str) -> Any:
    """Drafts a workflow, and runs it."""
    draft = await run.do(drafted("model"), goal, name="plan")
    return await run.do(workflow_from(draft), goal, name="report")


STEPS = {"workflow": "w", "steps": [{"id": "a", "agent": "ann"}, {"id": "b", "agent": "ann"}]}


def model_of(*drafts: object) -> tuple[Callable[[object], object], list[Any]]:
    """A planner with these drafts in turn, and what it was asked."""
    heard: list[Any] = []

    def model(given: object) -> object:
        heard.append(given)
        return drafts[min(len(heard), len(drafts)) - 1]

    return model, heard


def test_a_run_of_an_engine_plays_its_own_draft() -> None:
    model, heard = model_of({"workflow": "w", "steps": []}, {"a": math.nan}, STEPS)
    with played(member("model", model), member("ann", again), drafting) as scene:
        run = scene.start("drafting", "hello")
        assert run.get(timeout=1_000) == "hello!!"
        assert len(heard) == 3
        feedback: list[str] = heard[2].feedback
        assert any("NaN" in each or "nan" in each for each in feedback)
        assert kinds(run, "plan/check") == ["began", "done"]


def test_a_draft_that_is_written_is_not_asked_for_again() -> None:
    """Guards a model that would say something else after kill -9."""
    model, heard = model_of({"workflow": "w"}, STEPS, {"workflow": "other"})
    parts = (member("model", model), member("ann", again), drafting)
    with played(*parts) as scene:
        assert scene.disk is not None
        run = scene.start("drafting", "hello")
        while "plan/check#2" not in [each.step for each in run.history().get() if each.kind == "done"]:
            scene.sim.advance(0.01)
        tables = scene.disk.durable
        scene.disk.dead.add(1)
    with played(*parts, tables=tables) as scene:
        assert scene.eng.workflow_run(run.id).get(timeout=1_000) == "hello!!"
    assert len(heard) == 2


def test_a_draft_that_is_refused_fails_the_run_of_an_engine() -> None:
    model, _ = model_of({"workflow": "w", "steps": []})
    with played(member("model", model), drafting) as scene:
        error = failure(lambda: scene.result("drafting", "hello"))
        assert "no draft passed its checks in 3 rounds" in str(error)


def test_a_draft_may_be_a_step_of_another_pattern() -> None:
    with simulation() as sim:
        flow = sequential(drafted(lambda given: STEPS, targets=["ann"]), lambda draft: draft["workflow"])
        playing = sim.start(crew(again)).play(flow, "hello")
        sim.settle()
        assert playing.get() == "w"
