"""Backoff (rule 11)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors import Constant, Exponential, Linear, SpecError, constant, exponential, linear
from supervisors._specs.backoff import Jitter

JITTERS: list[Jitter] = ["none", "full", "equal", "decorrelated"]
BACKOFFS = st.builds(
    lambda initial, extra, jitter, make: make(initial, initial + extra, jitter),
    st.floats(0.001, 10),
    st.floats(0, 100),
    st.sampled_from(JITTERS),
    st.sampled_from(
        [
            lambda initial, cap, jitter: Constant(initial=initial, cap=cap, jitter=jitter),
            lambda initial, cap, jitter: Linear(initial=initial, cap=cap, jitter=jitter),
            lambda initial, cap, jitter: Exponential(initial=initial, cap=cap, jitter=jitter),
        ]
    ),
)


@given(BACKOFFS, st.integers(1, 10_000), st.none() | st.floats(0, 200), st.integers(0, 99))
def test_a_delay_is_never_negative_and_never_above_the_cap(
    backoff: Constant | Linear | Exponential, attempt: int, previous: float | None, seed: int
) -> None:
    """Rule 11: jitter stays inside the cap, whatever the attempt and the delay before."""
    assert 0 <= backoff.delay(attempt, previous, random.Random(seed)) <= backoff.cap


@given(st.sampled_from(JITTERS))
def test_attempt_ten_thousand_does_not_overflow(jitter: Jitter) -> None:
    """A child that fails for a night must not crash its supervisor with an OverflowError."""
    assert exponential(0.1, cap=30, jitter="none").delay(10_000, None, random.Random(0)) == 30
    assert 0 <= exponential(1e-9, cap=30, jitter=jitter, factor=1e6).delay(10_000, 1, random.Random(0)) <= 30


def test_exponential_doubles_to_its_cap() -> None:
    """The base delays of the default factor."""
    backoff = exponential(1, cap=9, jitter="none")
    assert [backoff.delay(n, None, random.Random(0)) for n in range(1, 7)] == [1, 2, 4, 8, 9, 9]


def test_linear_adds_its_step_to_its_cap() -> None:
    """The base delays; without a step, `initial` is added."""
    assert [linear(1, step=2, cap=6, jitter="none").base(n) for n in range(1, 6)] == [1, 3, 5, 6, 6]
    assert [linear(2, cap=6, jitter="none").base(n) for n in range(1, 5)] == [2, 4, 6, 6]


def test_constant_stays_the_same() -> None:
    """Without jitter, every delay is the one that was asked for."""
    assert {constant(5).delay(n, None, random.Random(0)) for n in (1, 2, 1000)} == {5}


def test_a_factor_of_one_stays_at_the_initial_delay() -> None:
    """The cap is only reached by growing."""
    assert exponential(1, cap=9, factor=1, jitter="none").base(1000) == 1


@given(st.integers(1, 40), st.integers(0, 99))
def test_equal_jitter_keeps_half_of_the_delay(attempt: int, seed: int) -> None:
    """Equal jitter: half is certain, half is drawn."""
    backoff = exponential(1, cap=60, jitter="equal")
    assert backoff.base(attempt) / 2 <= backoff.delay(attempt, None, random.Random(seed)) <= backoff.base(attempt)


@given(st.floats(1, 100), st.integers(0, 99))
def test_decorrelated_jitter_is_between_initial_and_three_times_the_last(previous: float, seed: int) -> None:
    """Decorrelated jitter looks at the delay before, not at the attempt."""
    drawn = exponential(1, cap=1000, jitter="decorrelated").delay(7, previous, random.Random(seed))
    assert 1 <= drawn <= 3 * previous


@given(st.floats(0, 1), st.integers(0, 99))
def test_decorrelated_jitter_after_a_shorter_delay_is_not_below_initial(previous: float, seed: int) -> None:
    """The delay before may be of another backoff, or of none, when `update_specs` has changed the spec meanwhile."""
    drawn = exponential(1, cap=1000, jitter="decorrelated").delay(7, previous, random.Random(seed))
    assert 1 <= drawn <= 3


def test_the_default_is_exponential_from_0_1_to_30_s_with_full_jitter() -> None:
    """Rule 11 names the default."""
    default = exponential()
    assert (default.initial, default.cap, default.factor, default.jitter) == (0.1, 30, 2, "full")
    assert default.stable_after == 30


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"initial": 0}, "initial"),
        ({"initial": -1}, "initial"),
        ({"initial": True}, "initial"),
        ({"initial": float("nan")}, "initial"),
        ({"cap": float("inf")}, "cap"),
        ({"initial": 5, "cap": 1}, "cap=1.0 is below initial=5.0"),
        ({"factor": 0.5}, "factor"),
        ({"jitter": "ful"}, "jitter"),
        ({"reset_after": 0}, "reset_after"),
    ],
)
def test_bad_values_are_refused(arguments: dict[str, object], word: str) -> None:
    """Rule 24: a bad value is a fault of the spec, named."""
    with pytest.raises(SpecError, match=word):
        exponential(**arguments)  # type: ignore[arg-type]
