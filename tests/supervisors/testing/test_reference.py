"""The supervisor under its own kit: generated trees, faults and schedules, judged at every step by the reference
model.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from actors import Shutdown
from actors._core.cell import Cell
from actors._core.children import ChildCells
from actors._core.outcomes import refuse_waiting
from supervisors import child, constant, supervisor
from supervisors._engine.engine import Engine
from supervisors._engine.operation import Operation
from supervisors.testing import Reference, ReferenceDisagreement, ScriptedAction, ScriptedActor, Trial, trials


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(trials())
def test_generated_trees_under_faults_agree_with_the_model_of_the_rules(trial: Trial) -> None:
    """Guards rules 1 to 26 in every strategy, restart type, budget and backoff: whatever happens, the model explains
    it. `make soak` runs as many as there is time for.
    """
    trial.run()


def test_the_model_judges_what_happens() -> None:
    """Guards the test above: a model that looks at nothing agrees with everything."""
    tree = supervisor(
        "root", child("a", ScriptedActor, backoff=None), child("b", ScriptedActor), strategy="one_for_all"
    )
    judged = Trial(tree, (ScriptedAction(1.0, "root/a", "crash"), ScriptedAction(2.0, "root/b", "crash"))).run().judged
    assert judged["starts"] >= 6
    assert judged["stops"] >= 3
    assert judged["delays"] >= 1


def test_a_supervisor_that_breaks_a_rule_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the model: a group that leaves its bystanders running is no one_for_all."""
    monkeypatch.setattr("supervisors._engine.engine.group", lambda strategy, order, place: (order[place],))
    tree = supervisor(
        "root", child("a", ScriptedActor, backoff=None), child("b", ScriptedActor), strategy="one_for_all"
    )
    with pytest.raises(ReferenceDisagreement, match="rule"):
        Trial(tree, (ScriptedAction(1.0, "root/a", "crash"),)).run()


def test_a_reference_counts_what_it_has_judged() -> None:
    """Guards the account: it begins with nothing."""
    assert Reference(supervisor("root")).judged == Counter()


CRASHED = (ScriptedAction(1.0, "root/a", "crash"),)


def accused(patch: pytest.MonkeyPatch, target: str, put: object, trial: Trial) -> int:
    """The rule that the model says is broken, with something else in the place of a method."""
    trial.run()
    patch.setattr(target, put)
    with pytest.raises(ReferenceDisagreement) as found:
        trial.run()
    return found.value.rule


def test_a_time_limit_that_passes_between_two_events_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards rule 4 in the model: nothing happens at the moment when the limit is over but what has to happen."""
    slow = child("a", ScriptedActor, args={"starts": ("slow",)}, start_timeout=0.125)
    trial = Trial(supervisor("root", slow))
    assert accused(monkeypatch, "actors._core.outcomes.start_overdue", lambda self: None, trial) == 4


def test_who_is_told_to_stop_when_its_supervisor_is_killed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards rule 20 in the model: descendants are killed, and not asked."""
    tree = supervisor("root", supervisor("s", child("a", ScriptedActor)))
    trial = Trial(tree, (ScriptedAction(1.0, "root/s", "kill"),))

    def ask(self: ChildCells) -> list[Cell]:
        for each in list(self.values()):
            each.supervise(False)
            if each.told_to_stop is None:
                each.stop(Shutdown("its parent ended"), 5.0)
        return []

    assert accused(monkeypatch, "actors._core.children.ChildCells.orphans", ask, trial) == 20


def test_a_restart_that_empties_the_mailbox_unasked_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards rule 26 in the model: a dead letter is no loss, but what waits is kept unless the spec says otherwise."""
    trial = Trial(supervisor("root", child("a", ScriptedActor)), (*CRASHED, ScriptedAction(1.0, "root/a", "work")))
    empty = "actors._core.cell.Cell.settle_exit"
    assert accused(monkeypatch, empty, lambda self: refuse_waiting(self, "dropped"), trial) == 26


def test_a_request_that_waits_for_the_delay_of_a_group_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards rule 12 in the model: while a group waits, the supervisor goes on serving its API."""
    tree = supervisor("root", child("a", ScriptedActor, backoff=constant(4.0)), strategy="one_for_all")
    trial = Trial(tree, (*CRASHED, ScriptedAction(2.0, "root", "start_child", child("b", ScriptedActor))))

    def wait(self: Engine, operation: Operation, until: float, now: float) -> None:
        operation.token = self.effects.arm(operation, max(0.0, until - now))

    assert accused(monkeypatch, "supervisors._engine.engine.Engine._wait_together", wait, trial) == 23
