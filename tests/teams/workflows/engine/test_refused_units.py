"""What the database cannot take: its asker hears it, and no other run waits for it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from teams import member
from teams.workflows import NoSuchRun, NotStorable, RunFailure, WorkflowContext, ask, coded, delay, do, wait, workflow
from teams.workflows._run import code
from tests.teams.workflows.cast import played, played_on_sqlite

SURROGATE = "a\ud800"
"""UTF-8 cannot say it, so neither can SQLite."""

a = member("a", lambda value: [*value, "a"])


@pytest.mark.parametrize(
    "bad", [{"key": SURROGATE}, {"priority": 2**70}, {"priority": "high"}], ids=["key", "large", "text"]
)
@pytest.mark.parametrize("at", [0, 3, 7])
def test_a_start_that_cannot_be_stored_stops_no_other_run(tmp_path: Path, bad: dict[str, Any], at: int) -> None:
    """Guards the batch: it was tried again for ever, with all that came after it."""
    with played_on_sqlite(tmp_path, a, workflow("flow", do("a", "a"))) as scene:
        starts = [scene.eng.start_workflow("flow", [], **(bad if each == at else {})) for each in range(8)]
        with pytest.raises(NotStorable, match="key: a string has|the database does not take it|priority: it must be"):
            starts.pop(at).get(timeout=60)
        assert [start.get(timeout=60).get(timeout=60) for start in starts] == [["a"]] * 7


def test_a_signal_that_cannot_be_stored_is_given_back(tmp_path: Path) -> None:
    with played_on_sqlite(tmp_path, workflow("flow", wait("go", signal="go"))) as scene:
        run = scene.start("flow")
        with pytest.raises(NotStorable):
            run.signal(SURROGATE, 1).get(timeout=60)
        run.signal("go", 2).get(timeout=60)
        assert run.get(timeout=60) == 2


@pytest.mark.parametrize("name", [None, 5, "a\0b"])
def test_a_signal_without_a_name_for_every_store_is_given_back(tmp_path: Path, name: Any) -> None:
    with played_on_sqlite(tmp_path, workflow("flow", wait("go", signal="go"))) as scene:
        run = scene.start("flow")
        with pytest.raises(NotStorable, match="^name: "):
            run.signal(name, 1).get(timeout=60)
        run.signal("go", 2).get(timeout=60)
        assert run.get(timeout=60) == 2


def test_an_answer_that_cannot_be_stored_leaves_the_question_open(tmp_path: Path) -> None:
    with played_on_sqlite(tmp_path, workflow("flow", ask("sure", "Sure?", options=["yes", "no"]))) as scene:
        run = scene.start("flow")
        scene.sim.advance(1.0)
        with pytest.raises(NotStorable):
            run.answer("sure", "yes", by=SURROGATE).get(timeout=60)
        run.answer("sure", "no").get(timeout=60)
        assert run.get(timeout=60) == "no"


@coded
async def names(run: WorkflowContext, name: dict[str, str]) -> None:
    """A step whose name comes from the input."""
    await run.do("a", [], name="a\0b" if name["is"] == "nul" else SURROGATE)


@pytest.mark.parametrize("kind", ["nul", "surrogate"])
def test_a_step_name_that_some_store_does_not_take_fails_its_run(kind: str) -> None:
    with played(a, names) as scene, pytest.raises(RunFailure, match="the name of a step"):
        scene.start("names", {"is": kind}).get(timeout=60)


@pytest.mark.parametrize("key", ["a\0b", SURROGATE, "é" * 1001, 5])
def test_a_key_that_some_store_does_not_take_is_refused(key: str) -> None:
    with played(a, workflow("flow", do("a", "a"))) as scene, pytest.raises(NotStorable, match="^key: "):
        scene.start("flow", [], key=key)


def test_a_run_ends_when_what_it_did_cannot_be_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the last line: the run was asleep for ever in the hands of its engine."""
    monkeypatch.setattr(code, "text_cell", lambda text, _: text)
    with played_on_sqlite(tmp_path, a, names, workflow("flow", do("a", "a"))) as scene:
        run = scene.start("names", {"is": "surrogate"})
        other = scene.start("flow", [])
        with pytest.raises(RunFailure, match="the database does not take it"):
            run.get(timeout=60)
        assert other.get(timeout=60) == ["a"]
        scene.sim.settle()
        assert scene.awake() == 0


def test_a_run_whose_id_the_store_does_not_take_is_not_there(tmp_path: Path) -> None:
    """Guards the engine: one who waited for such a run cut short every look for runs."""
    with played_on_sqlite(tmp_path, a, workflow("flow", delay("nap", 30.0), do("a", "a", input=[]))) as scene:
        bad = scene.eng.workflow_run(SURROGATE)
        run = scene.start("flow")
        for ask_it in (bad.status, bad.history, bad.retry, partial(bad.answer, "a", 1), partial(bad.get, timeout=9)):
            with pytest.raises(NoSuchRun):
                answered = ask_it()
                answered.get(timeout=9)
        with pytest.raises(NotStorable, match="what is looked for"):
            scene.eng.workflow_runs(workflow=SURROGATE).get(timeout=9)
        assert run.get(timeout=60) == ["a"]
