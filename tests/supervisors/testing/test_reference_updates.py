"""The reference model judges `update_specs`, too (rule 23)."""

from __future__ import annotations

import pytest

from supervisors import Reconciliation, Spec, SupervisorSpec, budget, child, constant, dynamic_supervisor, supervisor
from supervisors._engine.children import Children
from supervisors._engine.effects import EffectList
from supervisors._engine.engine import Engine
from supervisors.testing import ReferenceDisagreement, ScriptedAction, ScriptedActor, Trial
from supervisors.testing._update import difference, runs_the_same

A = child("a", ScriptedActor, backoff=None)
B = child("b", ScriptedActor, backoff=None)
C = child("c", ScriptedActor, backoff=None)
A_AS_ANOTHER = child("a", ScriptedActor, backoff=None, args={"stop": "slow"})
B_AS_ANOTHER = child("b", ScriptedActor, backoff=None, args={"stop": "slow"})
NEW = child("n", ScriptedActor, backoff=None)
TREE = supervisor("root", A, B, C, strategy="rest_for_one")
CRASH = ScriptedAction(3.0, "root/a", "crash")


def update(spec: Spec, at: float = 1.0) -> ScriptedAction:
    """One line of a script."""
    assert not isinstance(spec, SupervisorSpec)
    return ScriptedAction(at, "root", "update_specs", spec)


def judged(tree: SupervisorSpec, *script: ScriptedAction) -> Trial:
    """A trial that the model judges to its end."""
    trial = Trial(tree, script)
    assert not trial.run().silent
    return trial


def accused(patch: pytest.MonkeyPatch, trial: Trial, target: object, name: str, put: object) -> int:
    """The rule that the model says is broken, with something else in the place of a method."""
    patch.setattr(target, name, put)
    with pytest.raises(ReferenceDisagreement) as found:
        trial.run()
    return found.value.rule


def test_what_runs_and_what_is_policy() -> None:
    """Guards the model: class, arguments, host and name are what a worker runs; a supervisor runs its tree."""
    assert runs_the_same(A, child("a", ScriptedActor, restart="temporary", shutdown=1.0, redeliver=1))
    assert not runs_the_same(A, A_AS_ANOTHER)
    assert not runs_the_same(A, child("a", ScriptedActor, backoff=None, name="a"))
    assert not runs_the_same(A, supervisor("a"))
    assert runs_the_same(supervisor("s", A), supervisor("s", A, restart="transient", own_budget=budget(1)))
    assert runs_the_same(supervisor("s", A), supervisor("s", A, max_restarts=1, strategy="one_for_all"))
    assert not runs_the_same(supervisor("s", A), supervisor("s", A, B))
    assert not runs_the_same(supervisor("s", A), dynamic_supervisor("s", A))
    assert runs_the_same(dynamic_supervisor("s", A), dynamic_supervisor("s", B, max_children=1))


def test_the_difference_is_in_the_order_of_the_specs() -> None:
    """Guards the model: what is removed by the old order, the rest by the new."""
    old = {"a": A, "b": B, "c": C}
    assert difference(old, [NEW, B_AS_ANOTHER, A_AS_ANOTHER]) == Reconciliation(("c",), ("b", "a"), (), ("n",))
    assert difference(old, [C, child("a", ScriptedActor)]) == Reconciliation(("b",), (), ("a",), ())


def test_an_update_goes_on_being_judged() -> None:
    """Guards the model: one child is removed and one added, then what is there restarts and ends by the new order."""
    judged(
        TREE, update(NEW), CRASH, ScriptedAction(4.0, "root", "which_children"), ScriptedAction(5.0, "root/n", "crash")
    )


def test_what_is_adopted_counts_at_once() -> None:
    """Guards rule 23 in the model: the restart type, the backoff and the grace of the child that is there."""
    judged(
        TREE,
        update(child("a", ScriptedActor, restart="temporary")),
        CRASH,
        ScriptedAction(4.0, "root", "which_children"),
    )
    judged(TREE, update(child("a", ScriptedActor, backoff=constant(4.0))), CRASH)
    never = supervisor("root", child("a", ScriptedActor, args={"stop": "never"}))
    judged(
        never,
        update(child("a", ScriptedActor, args={"stop": "never"}, shutdown=1.0)),
        ScriptedAction(2.0, "root/a", "stop"),
    )


def test_a_changed_child_that_waits_for_its_restart_starts_at_once() -> None:
    """Guards rule 23 in the model: the update may be the very repair it waits for."""
    tree = supervisor("root", child("a", ScriptedActor, backoff=constant(16.0)), B)
    assert judged(tree, ScriptedAction(0.5, "root/a", "crash"), update(A_AS_ANOTHER), CRASH).run().judged["starts"] == 4


def test_what_is_at_rest_stays_at_rest() -> None:
    """Guards rule 23 in the model: whatever it would run."""
    script = (
        ScriptedAction(0.5, "root/a", "terminate_child"),
        update(A_AS_ANOTHER),
        ScriptedAction(3.0, "root/a", "restart_child"),
    )
    judged(TREE, *script)


def test_children_to_come_are_made_from_the_other_template() -> None:
    """Guards rule 23 in the model of a dynamic supervisor: those that are there stay what they are."""
    tree = dynamic_supervisor("root", child("t", ScriptedActor, backoff=None, shutdown=1.0))
    other = child("t", ScriptedActor, backoff=None, shutdown=2.0)
    start = (ScriptedAction(0.5, "root", "start_child"), ScriptedAction(1.5, "root", "start_child"))
    stops = (ScriptedAction(2.0, "root/1", "terminate_child"), ScriptedAction(2.5, "root/2", "terminate_child"))
    judged(tree, *start, update(other), *stops, ScriptedAction(3.0, "root", "count_children"))


def test_who_restarts_what_is_adopted_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards rule 23 in the model."""
    trial = judged(TREE, update(child("a", ScriptedActor, shutdown=1.0)))

    def restart(self: Engine, child: object, spec: Spec) -> None:
        stop: list[object] = []
        self._replace(child, spec, stop, [], 1.0)  # type: ignore[arg-type]
        self._under_way().add(stop=stop)  # type: ignore[arg-type]

    assert accused(monkeypatch, trial, Engine, "_adopt", restart) in (5, 23)


def test_who_ignores_the_new_order_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards rule 23 in the model: what came first in the new order is left alone by a crash after it."""
    trial = judged(TREE, update(NEW), CRASH)
    assert accused(monkeypatch, trial, Children, "reorder", lambda self, ids: None) == 5


def test_who_answers_something_else_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards rule 23 in the model: the answer is what was done."""
    trial = judged(TREE, update(NEW))
    answer = EffectList.answer

    def lie(self: EffectList, request: object, value: object) -> None:
        answer(self, request, Reconciliation((), (), (), ()) if isinstance(value, Reconciliation) else value)

    assert accused(monkeypatch, trial, EffectList, "answer", lie) == 23
