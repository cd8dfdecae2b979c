"""The reference model judges progress and changed settings, too (rules 8, 9, 11 and 23)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from supervisors import child, constant, dynamic_supervisor, linear, supervisor
from supervisors._engine.budget import Budget
from supervisors._engine.children import Child
from supervisors._engine.engine import Engine
from supervisors.testing import ReferenceDisagreement, ScriptedAction, ScriptedActor, Trial

A = child("a", ScriptedActor, backoff=None)
CRASHES = tuple(ScriptedAction(1.0 + number, "root/a", "crash") for number in range(4))
WORKED = tuple(ScriptedAction(0.5 + number, "root/a", "work") for number in range(4))


def judged(trial: Trial) -> Trial:
    """A trial that the model judges to its end."""
    assert not trial.run().silent
    return trial


def accused(patch: pytest.MonkeyPatch, trial: Trial, target: object, name: str, put: object) -> int:
    """The rule that the model says is broken, with something else in the place of a method."""
    judged(trial)
    patch.setattr(target, name, put)
    with pytest.raises(ReferenceDisagreement) as found:
        trial.run()
    return found.value.rule


def telling(handled: int) -> Callable[..., None]:
    """In place of `Engine.exited`: each exit with this number of messages handled."""
    exited: Callable[..., None] = Engine.exited

    def told(engine: Engine, *notice: Any) -> None:
        exited(engine, *notice[:5], handled, *notice[6:])

    return told


def test_a_budget_without_a_period_is_spent_in_a_row_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the model of rule 8: what is handled between two crashes takes them back."""
    tree = supervisor("root", A, max_restarts=2)
    with monkeypatch.context() as patch:
        assert accused(patch, Trial(tree, CRASHES), Budget, "grants", lambda *_: True) in (10, 17)
    with monkeypatch.context() as patch:
        assert accused(patch, Trial(tree, WORKED + CRASHES), Child, "down", lambda *_: None) in (10, 18, 26)


def test_the_delay_after_a_message_that_was_handled_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the model of rule 11: a supervisor that counts on is accused."""
    a = child("a", ScriptedActor, backoff=linear(0.125, jitter="none"))
    trial = Trial(supervisor("root", a), WORKED + CRASHES)
    assert accused(monkeypatch, trial, Engine, "exited", telling(0)) == 11


def test_a_message_that_crashes_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the model of rule 8: or a crash loop would never be found."""
    tree = supervisor("root", A, max_restarts=2)
    assert accused(monkeypatch, Trial(tree, CRASHES), Engine, "exited", telling(1)) in (10, 17)


def test_a_child_may_be_given_up_alone_by_the_budget_of_its_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the model of rule 9."""
    tree = supervisor("root", child("a", ScriptedActor, backoff=None, on_limit="drop"), max_restarts=2)
    never = property(lambda _: False)
    assert accused(monkeypatch, Trial(tree, CRASHES), type(A), "dropped_at_limit", never) == 18


def test_a_supervisor_that_gave_up_without_progress_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the model of rule 8: the time that it was up says nothing."""
    below = supervisor(
        "s", child("a", ScriptedActor, backoff=constant(2.0, reset_after=9.0)), max_restarts=0, backoff=None
    )
    crashes = tuple(ScriptedAction(4.0 * number, "root/s/a", "crash") for number in range(1, 5))
    trial = Trial(supervisor("root", below, max_restarts=2), crashes)
    assert accused(monkeypatch, trial, Engine, "exited", telling(1)) in (10, 17)


def test_changed_settings_count_at_once_however_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the model of rule 23: a supervisor that goes on as before is accused."""
    settings = supervisor("settings", max_restarts=1, period=60.0, strategy="one_for_all")
    tree = supervisor("root", supervisor("s", A, child("b", ScriptedActor, backoff=None)))
    crashes = (ScriptedAction(2.0, "root/s/a", "crash"), ScriptedAction(3.0, "root/s/a", "crash"))
    for deed in ("update_settings", "adopt_settings"):
        with monkeypatch.context() as patch:
            trial = Trial(tree, (ScriptedAction(1.0, "root/s", deed, settings), *crashes))
            assert accused(patch, trial, Engine, "_take_settings", lambda *_: ()) in (6, 23)


def test_changed_settings_of_a_dynamic_supervisor_are_judged() -> None:
    """Guards the model of rule 25: the limit counts for the next child."""
    settings = dynamic_supervisor("settings", A, max_children=1)
    starts = (
        ScriptedAction(1.0, "root", "start_child"),
        ScriptedAction(3.0, "root", "start_child"),
        ScriptedAction(4.0, "root", "start_child"),
    )
    judged(Trial(dynamic_supervisor("root", A), (*starts, ScriptedAction(2.0, "root", "update_settings", settings))))


def test_a_trial_with_settings_survives_its_blob() -> None:
    """Guards `encode` and `decode`: the line holds the spec of a supervisor."""
    settings = supervisor("settings", max_restarts=1, period=60.0)
    trial = Trial(supervisor("root", A), (ScriptedAction(1.0, "root", "update_settings", settings),))
    assert Trial.decode(trial.encode()) == trial
