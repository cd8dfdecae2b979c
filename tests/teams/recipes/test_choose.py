"""Which pattern fits."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import teams.patterns
import teams.protocols
from supervisors import SpecError
from teams.recipes import Situation, choose
from teams.recipes._choose import PatternName


@pytest.mark.parametrize(
    ("situation", "pattern"),
    [
        (Situation(workflow="linear"), "sequential"),
        (Situation(workflow="linear", speed="normal"), "sequential"),
        (Situation(tasks="independent", speed="critical"), "parallel"),
        (Situation(workflow="linear", tasks="independent", speed="critical"), "parallel"),
        (Situation(workflow="complex", flexibility="high"), "choreography"),
        (Situation(decisions="complex", authority="clear"), "hierarchical"),
        (Situation(environment="dynamic", resilience="critical"), "mesh"),
        (Situation(), "sequential"),
        (Situation(workflow="complex", flexibility="low", decisions="simple"), "sequential"),
    ],
)
def test_the_rules_of_the_document_choose_the_pattern(situation: Situation, pattern: str) -> None:
    """Guards the five rules, their order, and the default."""
    assert choose(situation).pattern == pattern


def test_the_default_says_that_it_is_one() -> None:
    """Guards the reason: linear work is chosen for its own sake, and anything else for want of a reason."""
    assert "start with sequential" in choose(Situation()).why
    assert "linear" in choose(Situation(workflow="linear")).why


@given(st.builds(Situation))
def test_there_is_a_choice_and_a_reason_for_every_situation(situation: Situation) -> None:
    """Guards totality."""
    choice = choose(situation)
    assert choice.why


@pytest.mark.parametrize("name", get_args(PatternName))
def test_a_choice_is_the_name_of_what_makes_the_pattern(name: str) -> None:
    """Guards the names: what is chosen can be imported."""
    assert callable(getattr(teams.patterns, name, None) or getattr(teams.protocols, name))


@pytest.mark.parametrize("bad", [{"workflow": "zigzag"}, {"speed": 3}, {"moon": "full"}], ids=str)
def test_a_value_that_is_not_a_situation_is_refused(bad: Any) -> None:
    """Guards bad input: unknown values and unknown names."""
    with pytest.raises(ValidationError):
        Situation(**bad)


@pytest.mark.parametrize("bad", [5, None, "linear", {"workflow": "linear"}, Situation], ids=str)
def test_only_a_situation_is_chosen_for(bad: Any) -> None:
    """Guards bad input: the error says what is wanted."""
    with pytest.raises(SpecError, match=r"must be a Situation\(...\), got"):
        choose(bad)
