"""Gates with feedback, reviews, refinement."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisors import SpecError
from teams import BadVerdict, GatherFailed, NotApproved, RunFailed, first, member
from teams.patterns import (
    Approved,
    Refined,
    Rejected,
    Reviews,
    Revision,
    multi_stage_review,
    quality_gate,
    refine,
    sequential,
)
from tests.teams.patterns.cast import crew_of, error_of, fails, result_of, takes


def writer(seen: list[object] | None = None) -> Any:
    """Writes a draft, and a longer one at every revision."""

    def write(value: Any) -> object:
        if seen is not None:
            seen.append(value)
        return f"{value.previous}+" if isinstance(value, Revision) else f"{value}"

    return member("writer", takes(1.0, write))


def wants(length: int) -> Any:
    """A judge that is content with so many revisions."""
    return lambda value: Approved("fine") if value.count("+") >= length else Rejected(f"{value} is too short")


def says(verdict: object, seconds: float = 1.0) -> Any:
    """A reviewer that always says this."""
    return takes(seconds, lambda value: verdict)


def test_what_is_rejected_goes_back_with_feedback_until_it_is_approved() -> None:
    """Guards the rounds: the producer sees the work, the feedback, its last result and the round."""
    seen: list[object] = []
    assert result_of(quality_gate("writer", wants(2)), "draft", writer(seen)) == "draft++"
    assert seen == [
        "draft",
        Revision("draft", "draft is too short", "draft", 2),
        Revision("draft", "draft+ is too short", "draft+", 3),
    ]


def test_a_gate_does_not_loop_for_ever() -> None:
    """Guards the defect of the sketches: after the last round it is a typed error, with all that was said."""
    error = error_of(quality_gate("writer", wants(99), max_rounds=2), "d", writer())
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, NotApproved)
    assert error.error.last == "d+"
    assert error.error.feedback == ("d is too short", "d+ is too short")


@settings(max_examples=30)
@given(content_after=st.integers(0, 6), rounds=st.integers(1, 6))
def test_a_gate_has_at_most_its_rounds_and_passes_only_what_is_approved(content_after: int, rounds: int) -> None:
    """Guards the bound for every number of rounds."""
    seen: list[object] = []
    pattern = quality_gate("writer", wants(content_after), max_rounds=rounds)
    if content_after < rounds:
        assert result_of(pattern, "d", writer(seen)) == "d" + "+" * content_after
    else:
        assert isinstance(error_of(pattern, "d", writer(seen)), RunFailed)
    assert len(seen) == min(content_after + 1, rounds)


@pytest.mark.parametrize("said", [True, None, {"approved": True}, "ok", Approved], ids=str)
def test_an_answer_other_than_a_verdict_approves_nothing(said: object) -> None:
    """Guards gates that a model answers: only the types count."""
    error = error_of(quality_gate("writer", "gate"), "d", writer(), member("gate", says(said)))
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, BadVerdict)


def test_a_gate_that_fails_lets_nothing_pass() -> None:
    """Guards the gate: its crash is a failure of the run."""
    error = error_of(quality_gate("writer", "gate"), "d", writer(), member("gate", fails("gate")))
    assert isinstance(error, RunFailed)
    assert error.partial == {"produce": "d"}


def test_a_producer_and_a_gate_may_be_patterns() -> None:
    """Guards composition: a sequence before the gate, a review as the gate."""
    review = multi_stage_review({"security": says(Approved()), "length": wants(1)})
    pattern = quality_gate(sequential("writer", lambda text: text.strip()), review)
    assert result_of(pattern, "d", writer()) == "d+"


def test_everybody_has_to_approve() -> None:
    """Guards the review without a last word: one objection or one missing verdict rejects, and says whose."""
    people = [
        member("good", says(Approved())),
        member("strict", says(Rejected("unsafe"))),
        member("bad", fails("broken")),
        member("slow", says(Approved(), 99.0)),
    ]
    assert result_of(multi_stage_review(["good"]), "x", *people) == Approved()
    assert result_of(multi_stage_review(["good", "strict"]), "x", *people) == Rejected({"strict": "unsafe"})
    all_four = multi_stage_review(["good", "strict", "bad", "slow"], within=9.0)
    rejected = result_of(all_four, "x", *people)
    assert set(rejected.feedback) == {"strict", "bad", "slow"}


def test_the_last_word_has_all_verdicts() -> None:
    """Guards the approval: it gets work, verdicts and failures, and its verdict counts."""
    seen: list[Reviews] = []

    def approve(reviews: Reviews) -> object:
        seen.append(reviews)
        return Approved("in spite of it")

    people = [member("strict", says(Rejected("unsafe"))), member("bad", fails("broken"))]
    assert result_of(multi_stage_review(["strict", "bad"], approve), "x", *people) == Approved("in spite of it")
    (reviews,) = seen
    assert reviews.work == "x"
    assert reviews.verdicts == {"strict": Rejected("unsafe")}
    assert list(reviews.failures) == ["bad"]


def test_reviewers_work_at_once_and_enough_of_them_are_enough() -> None:
    """Guards the policy: the first verdict may do."""
    people = [member("quick", says(Approved())), member("slow", says(Rejected("no"), 50.0))]
    with crew_of(*people) as (sim, crew):
        assert crew.play(multi_stage_review(["quick", "slow"], policy=first()), "x").get() == Approved()
        assert sim.now == 1.0


def test_too_few_verdicts_are_a_typed_error() -> None:
    """Guards the policy: a failure is not an approval."""
    error = error_of(multi_stage_review(["bad"], policy=first()), "x", member("bad", fails()))
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, GatherFailed)


def test_a_refinement_ends_when_the_reviewer_is_content() -> None:
    """Guards the loop: the result, approved, and how often it took."""
    assert result_of(refine("writer", wants(1)), "d", writer()) == Refined("d+", True, 2, ("d is too short",))


def test_a_refinement_ends_after_its_iterations_with_the_last_result() -> None:
    """Guards the bound: not approved, and still a result, which says so."""
    refined = result_of(refine("writer", wants(9), max_iterations=2), "d", writer())
    assert refined == Refined("d+", False, 2, ("d is too short", "d+ is too short"))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: quality_gate("", "b"), "producer"),
        (lambda: quality_gate("a", 3), "gate"),  # type: ignore[arg-type]
        (lambda: quality_gate("a", "b", max_rounds=0), "max_rounds"),
        (lambda: refine("a", "b", max_iterations=True), "max_iterations"),
        (lambda: multi_stage_review([]), "no reviewers"),
        (lambda: multi_stage_review("ann"), "reviewers: must be a list"),
        (lambda: multi_stage_review(["a"], ""), "approval"),
    ],
)
def test_bad_gates_are_refused(make: Any, text: str) -> None:
    """Guards bad arguments."""
    with pytest.raises(SpecError, match=text):
        make()
