"""Decisions: how votes are counted, and who abstains."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import sleep
from actors.testing import FaultPlan, Simulation, faults, simulate, simulation
from actors.testing.faults import Crash, Kill, Slow
from supervisors import SpecError
from teams import TeamRef, can, member, team
from teams.protocols import (
    Abstain,
    Decided,
    NoQuorum,
    Poll,
    Rule,
    Ruling,
    Tied,
    Undecided,
    decision,
    discussion,
    first_past,
    majority,
    tally,
    unanimity,
    weighted,
)
from teams.protocols._agreement.decision import Tally
from tests.teams.cast import begun

Votes = dict[str, str | None]
votes_strategy = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["x", "y", "z", None]))
rules = st.one_of(
    st.builds(majority, quorum=st.integers(0, 4)),
    st.builds(unanimity, quorum=st.integers(0, 4)),
    st.builds(weighted, st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 5)), quorum=st.integers(0, 4)),
)


def kind(outcome: Tally) -> tuple[object, ...]:
    """An outcome without the order in which options came."""
    match outcome:
        case Decided(option, counts):
            return "decided", option, dict(counts)
        case Tied(options, counts):
            return "tied", frozenset(options), dict(counts)
        case Undecided(counts):
            return "undecided", dict(counts)
        case NoQuorum(votes, quorum, counts):
            return "no quorum", votes, quorum, dict(counts)


@given(votes=votes_strategy, rule=rules, order=st.randoms(use_true_random=False))
def test_the_order_of_votes_does_not_matter(votes: Votes, rule: Rule, order: st.DataObject) -> None:
    """Guards every rule but first past the post."""
    shuffled = list(votes.items())
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert kind(tally(shuffled, rule)) == kind(tally(votes, rule))


@given(votes=votes_strategy, rule=st.one_of(rules, st.builds(first_past, st.integers(1, 4))))
def test_abstentions_never_change_the_outcome(votes: Votes, rule: Rule) -> None:
    """Guards that an abstention does not count."""
    assert tally(votes, rule) == tally({who: vote for who, vote in votes.items() if vote is not None}, rule)


@given(votes=votes_strategy, option=st.sampled_from("xyz"))
def test_one_more_vote_for_the_winner_never_changes_the_winner(votes: Votes, option: str) -> None:
    """Guards monotonicity."""
    for rule in (majority(), first_past(2)):
        before = tally(votes, rule)
        if isinstance(before, Decided):
            after = tally({**votes, "new": before.option}, rule)
            assert isinstance(after, Decided)
            assert after.option == before.option


@given(votes=votes_strategy)
def test_a_majority_is_more_than_half_and_unanimity_is_all(votes: Votes) -> None:
    """Guards the two rules against their definitions."""
    cast = [vote for vote in votes.values() if vote is not None]
    expected = next((option for option in "xyz" if cast.count(option) * 2 > len(cast)), None)
    found = tally(votes, majority())
    assert (found.option if isinstance(found, Decided) else None) == expected
    found = tally(votes, unanimity())
    assert isinstance(found, Decided) == (len(set(cast)) == 1)


@given(votes=votes_strategy, n=st.integers(1, 4))
def test_first_past_the_post_is_the_first_to_have_n(votes: Votes, n: int) -> None:
    """Guards the rule in which the order matters, against its definition: later votes never change it."""
    cast: list[tuple[str, str | None]] = []
    winner: object = None
    for each in votes.items():
        cast.append(each)
        found = tally(cast, first_past(n))
        if winner is None and isinstance(found, Decided):
            winner = found.option
            assert sum(vote == found.option for _, vote in cast) == n
        assert (found.option if isinstance(found, Decided) else None) == winner


@pytest.mark.parametrize(
    ("votes", "rule", "outcome"),
    [
        ({}, majority(), Undecided({})),
        ({"a": None}, unanimity(), Undecided({})),
        ({"a": "x", "b": "y"}, majority(), Tied(("x", "y"), {"x": 1, "y": 1})),
        ({"a": "x", "b": "y", "c": "x", "d": "z"}, majority(), Undecided({"x": 2, "y": 1, "z": 1})),
        ({"a": "x", "b": "y"}, weighted({"a": 3}), Decided("x", {"x": 3, "y": 1})),
        ({"a": "x", "b": "y"}, weighted({"a": 2, "b": 2}), Tied(("x", "y"), {"x": 2, "y": 2})),
        (
            {"a": "x", **dict.fromkeys("bcdefghijk", "y")},
            weighted({"a": 1.0, **dict.fromkeys("bcdefghijk", 0.1)}),
            Tied(("x", "y"), {"x": 1, "y": 1}),
        ),
        (
            {"a": "x", "b": "x", "c": "y"},
            weighted({"a": 0.1, "b": 0.2, "c": 0.3}),
            Tied(("x", "y"), {"x": 0.3, "y": 0.3}),
        ),
        ({"a": "x", "b": "y"}, weighted({"a": 1e308, "b": 10**400}), Decided("y", {"x": 10**308, "y": 10**400})),
        ({"a": "x", "b": None}, majority(quorum=2), NoQuorum(1, 2, {"x": 1})),
        ({"a": "y", "b": "x", "c": "x"}, first_past(2), Decided("x", {"y": 1, "x": 2})),
        ({"a": "y", "b": "x"}, first_past(2), Tied(("y", "x"), {"y": 1, "x": 1})),
        ({"a": "x", "b": "x", "c": "y", "d": "y", "e": "y"}, first_past(2), Decided("x", {"x": 2, "y": 3})),
    ],
)
def test_every_outcome(votes: Votes, rule: Rule, outcome: Tally) -> None:
    """Guards the truth table: ties, abstentions and missing quorums are results."""
    assert tally(votes, rule) == outcome


@pytest.mark.parametrize(
    "make",
    [
        lambda: first_past(0),
        lambda: majority(quorum=-1),
        lambda: weighted({"a": -1}),
        lambda: weighted({"a": float("nan")}),
        lambda: tally([("a", "x"), ("a", "y")], majority()),
        lambda: decision([]),
        lambda: decision(["a", "a"]),
        lambda: decision(["a"], timeout=0),
        lambda: decision(["a"], timeout=float("nan")),
        lambda: decision(["a"], majority),  # type: ignore[arg-type]
        lambda: decision(["a"], options="yes"),
        lambda: decision("ann"),
        lambda: decision([5]),  # type: ignore[list-item]
        lambda: discussion("ann"),
        lambda: discussion(["a"], turn_timeout=float("nan")),
        lambda: weighted({"a": "much"}),  # type: ignore[dict-item]
        lambda: weighted({"a": float("inf")}),
        lambda: weighted(["a"]),  # type: ignore[arg-type]
        lambda: tally({"a": ["x"]}, majority()),  # type: ignore[arg-type]
        lambda: tally({"a": "x"}, majority),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], object]) -> None:
    """Guards the builders, and one vote a voter."""
    with pytest.raises(SpecError):
        make()


def test_every_fault_of_a_decision_is_told_at_once() -> None:
    """All faults at once."""
    with pytest.raises(SpecError) as refused:
        decision([""], "majority", options="yes", timeout="5")  # type: ignore[arg-type]
    assert len(refused.value.faults) == 4


CREW = ("crew/members/*", "crew/runs/*", "crew/coordinator")


async def yes(poll: Poll) -> str:
    return "yes"


async def no(poll: Poll) -> str:
    return "no"


async def never(poll: Poll) -> str:
    await sleep(1000.0)
    return "yes"


async def broken(poll: Poll) -> str:
    raise RuntimeError("out of order")


async def silent(poll: Poll) -> Abstain:
    return Abstain("it is not my field")


async def odd(poll: Poll) -> list[str]:
    return ["yes"]


def test_a_participant_that_fails_abstains_with_the_reason() -> None:
    """Guards the pattern: crash, silence, refusal and a bad answer are abstentions; the others decide."""
    works = {"ann": yes, "bob": yes, "cid": no, "dan": never, "eve": broken, "fay": silent, "gus": odd}
    with simulation() as sim:
        crew = begun(sim, team("crew", *(member(name, work) for name, work in works.items())))
        assert crew is not None
        ruling = crew.play(decision(list(works), options=("yes", "no"), timeout=10.0), "shall we?").get()
        assert isinstance(ruling, Ruling)
        assert ruling.outcome == Decided("yes", {"yes": 2, "no": 1})
        assert ruling.option == "yes"
        assert ruling.votes == {"ann": "yes", "bob": "yes", "cid": "no"}
        assert ruling.abstained["dan"] == "no answer within 10 s"
        assert "out of order" in ruling.abstained["eve"]
        assert ruling.abstained["fay"] == "it is not my field"
        assert "none of the options" in ruling.abstained["gus"]


def test_without_options_a_vote_has_to_be_countable() -> None:
    """Guards answers that are no options because there are none."""
    with simulation() as sim:
        crew = begun(sim, team("crew", member("gus", odd), member("ann", yes, capabilities=["judge"])))
        assert crew is not None
        ruling = crew.play(decision({"a": "gus", "b": can("judge")}, unanimity()), "shall we?").get()
        assert ruling.votes == {"b": "yes"}
        assert "not hashable" in ruling.abstained["a"]


@simulate(plan=faults.plans(*CREW, kinds=[Crash, Kill, Slow], max_faults=3), examples=25)
def test_under_faults_a_decision_ends_with_every_participant_accounted_for(sim: Simulation, plan: FaultPlan) -> None:
    """Guards that no vote is lost in silence, under any crashes."""
    names = ["ann", "bob", "cid"]
    crew = begun(sim, team("crew", *(member(name, yes) for name in names)))
    if crew is None:
        return
    ruling = ask(sim, crew, names)
    assert sorted([*ruling.votes, *ruling.abstained]) == names
    assert set(ruling.votes.values()) <= {"yes"}


def ask(sim: Simulation, crew: TeamRef, names: list[str]) -> Ruling:
    """The ruling of a run, once faults are over."""
    run = crew.play(decision(names, timeout=10.0), "shall we?")
    sim.run(until=60)
    sim.heal()
    ruling = run.get()
    assert isinstance(ruling, Ruling)
    return ruling
