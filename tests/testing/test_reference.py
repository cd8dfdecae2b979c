"""The supervisor under its own kit: generated trees, faults and schedules, judged at every step by the reference
model.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from supervisors import child, supervisor
from supervisors.testing import Puppet, Reference, ReferenceDisagreement, Trial, trials
from supervisors.testing._trial import Line


@settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(trials())
def test_generated_trees_under_faults_agree_with_the_model_of_the_rules(trial: Trial) -> None:
    """Guards rules 1 to 26 in every strategy, restart type, budget and backoff: whatever happens, the model explains
    it.
    """
    trial.run()


def test_the_model_judges_what_happens() -> None:
    """Guards the test above: a model that looks at nothing agrees with everything."""
    tree = supervisor("root", child("a", Puppet, backoff=None), child("b", Puppet), strategy="one_for_all")
    judged = Trial(tree, (Line(1.0, "root/a", "crash"), Line(2.0, "root/b", "crash"))).run().judged
    assert judged["starts"] >= 6
    assert judged["stops"] >= 3
    assert judged["delays"] >= 1


def test_a_supervisor_that_breaks_a_rule_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the model: a group that leaves its bystanders running is no one_for_all."""
    monkeypatch.setattr("supervisors._engine.group", lambda strategy, order, cause: (cause,))
    tree = supervisor("root", child("a", Puppet, backoff=None), child("b", Puppet), strategy="one_for_all")
    with pytest.raises(ReferenceDisagreement, match="rule"):
        Trial(tree, (Line(1.0, "root/a", "crash"),)).run()


def test_a_reference_counts_what_it_has_judged() -> None:
    """Guards the account: it begins with nothing."""
    assert Reference(supervisor("root")).judged == Counter()
