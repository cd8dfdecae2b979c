"""Conflicts: what decides them, and when a person has to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor
from actors.testing import simulation
from supervisors import SpecError, child, supervisor
from teams.protocols import ConflictResolved, Person, PersonRef
from teams.recipes import (
    Claim,
    Contention,
    Contradiction,
    Disagreement,
    Escalated,
    Position,
    Resolved,
    Statement,
    resolve,
    settle,
)

claims = st.lists(st.builds(Claim, st.text(), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6)


@given(claims=claims)
def test_contention_goes_to_the_highest_priority_and_then_to_the_first(claims: list[Claim]) -> None:
    """Guards the rule against its definition; no person is asked."""
    resolution = resolve(Contention("disk", tuple(claims)))
    assert isinstance(resolution, Resolved)
    winner = resolution.winner
    assert all((-winner.priority, winner.at) <= (-claim.priority, claim.at) for claim in claims)


@given(
    findings=st.lists(
        st.builds(Statement, st.text(), st.sampled_from("xyz"), st.integers(0, 5)), min_size=1, max_size=6
    )
)
def test_a_contradiction_goes_to_the_strongest_evidence_or_to_a_person(findings: list[Statement]) -> None:
    """Guards that evidence of one statement adds up, and that a tie is escalated."""
    weights: dict[object, float] = {}
    for finding in findings:
        weights[finding.statement] = weights.get(finding.statement, 0) + finding.evidence
    strongest = [statement for statement, weight in weights.items() if weight == max(weights.values())]
    match resolve(Contradiction("the cause", tuple(findings), default="x", within=5.0)):
        case Resolved(winner):
            assert [winner] == strongest
        case Escalated(question, options, default, within):
            assert len(strongest) > 1
            assert (question, list(options), default, within) == ("the cause: what is true?", strongest, "x", 5.0)


def test_evidence_is_added_up_as_it_is_written() -> None:
    """Guards against a tie that is missed: ten floats of 0.1 are less than 1.0."""
    parts = tuple(Statement("a", "x", 0.1) for _ in range(10))
    tied = resolve(Contradiction("the cause", (*parts, Statement("b", "y", 1.0))))
    assert isinstance(tied, Escalated)
    assert tied.why == "the evidence is equally strong: 1"
    certain = resolve(Contradiction("the cause", (*parts, Statement("b", "y", float("inf")))))
    assert (certain.why, getattr(certain, "winner", None)) == ("its evidence is the strongest: inf", "y")


def test_the_sum_of_the_greatest_evidence_can_be_shown() -> None:
    """Guards the text: the sum is more than a float holds."""
    resolution = resolve(Contradiction("the cause", tuple(Statement("a", "x", 1e308) for _ in range(10))))
    assert resolution.why == "its evidence is the strongest: 1.00000e+309"


def test_a_disagreement_goes_to_a_person_unless_there_is_none() -> None:
    """Guards that who wants the same does not disagree."""
    resolution = resolve(Disagreement("the plan", (Position("a", "x"), Position("b", "y"), Position("c", "x"))))
    assert isinstance(resolution, Escalated)
    assert resolution.options == ("x", "y")
    same = resolve(Disagreement("the plan", (Position("a", "x"), Position("b", "x"))))
    assert isinstance(same, Resolved)
    assert same.winner == "x"


@pytest.mark.parametrize("kind", [Contention, Contradiction, Disagreement])
def test_a_conflict_needs_parties(kind: Any) -> None:
    """Guards against a winner among none."""
    with pytest.raises(SpecError, match="at least one"):
        kind("it", ())


def test_settling_without_a_person_is_refused_before_it_resolves() -> None:
    """Guards bad input, of a conflict that needs no person as well."""
    clear = Contention("disk", (Claim("ann", 1), Claim("bob", 2)))
    missing: Any = "p"
    with simulation() as sim, pytest.raises(SpecError, match="person: must be the ref of a Person.*\n.*id: must be"):
        sim.call(settle(clear, missing, id=""))


class Judge(Actor):
    """Settles what it is given."""

    async def on_receive(self, message: Any) -> Resolved:
        person: Any = self.sibling("boss")
        return await settle(message, person, id="the case")


def test_settling_asks_the_person_where_it_must() -> None:
    """Guards the whole way: escalation, answer or default, and the event."""
    with simulation() as sim:
        told: list[ConflictResolved] = []
        sim.runtime.events.subscribe(told.append, ConflictResolved)
        root = sim.start(supervisor("court", child("boss", Person), child("judge", Judge)))
        judge, person = root.child("judge"), root.child("boss")
        assert isinstance(person, PersonRef)
        clear = judge.ask(Contention("disk", (Claim("ann", 1), Claim("bob", 2))))
        assert clear.winner.by == "bob"
        asked = judge.ask(Disagreement("the plan", (Position("a", "x"), Position("b", "y"))), block=False)
        sim.advance(1)
        (question,) = person.questions().get()
        person.answer(question.id, "y").get()
        assert asked.get().winner == "y"
        assert [(each.path, each.kind, each.about) for each in told] == [
            ("court/judge", "contention", "disk"),
            ("court/judge", "disagreement", "the plan"),
        ]


def test_settling_takes_the_default_without_an_answer() -> None:
    """Guards the deadline."""
    with simulation() as sim:
        person = sim.start(supervisor("court", child("boss", Person))).child("boss")
        assert isinstance(person, PersonRef)
        conflict = Contradiction(
            "the cause", (Statement("a", "x"), Statement("b", "y")), default="unknown", within=60.0
        )
        resolution = sim.call(settle(conflict, person))
        assert resolution.winner == "unknown"
        assert "no answer came in time" in resolution.why


@pytest.mark.parametrize(
    "make",
    [
        lambda: Contention("disk", (Claim("a", float("nan")), Claim("b", 1))),
        lambda: Contention("disk", (Claim("a", 10**400),)),
        lambda: Contention("disk", (Claim("a", "high"),)),  # type: ignore[arg-type]
        lambda: Contention("disk", ("ann",)),  # type: ignore[arg-type]
        lambda: Contention("disk", (Claim(each) for each in "ab")),  # type: ignore[arg-type]
        lambda: Contradiction("it", (Statement("a", "x", float("nan")),)),
        lambda: Contradiction("it", (Statement("a", "x", -1),)),
        lambda: Contradiction("it", (Statement("a", ["x"]),)),  # type: ignore[arg-type]
        lambda: Disagreement("it", (Position("a", {"x": 1}),)),  # type: ignore[arg-type]
        lambda: Disagreement("it", (Position("a", 1), Position("b", 2)), within=-1),
        lambda: resolve("a conflict"),  # type: ignore[arg-type]
    ],
)
def test_a_conflict_that_cannot_be_decided_is_refused(make: Callable[[], object]) -> None:
    """Guards the decision: of NaN nothing is the most, and what is not hashable cannot be told from others."""
    with pytest.raises(SpecError):
        make()
