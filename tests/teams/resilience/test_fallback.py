"""What is done in place of a call that failed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teams.resilience import AllFailed, FellBack, fallback
from tests.teams.resilience.cast import Broken, play


async def primary(question: str) -> str:
    """Fails as it is told."""
    if question == "cancel":
        raise asyncio.CancelledError
    raise Broken("primary", question)


async def second(question: str) -> str:
    """Fails unless it knows."""
    if question == "known":
        return "second knows"
    raise OSError("second", question)


def third(question: str) -> str:
    """A plain function."""
    return f"third guesses {question}"


def test_the_first_that_answers_is_taken_with_the_arguments_of_the_call() -> None:
    """Guards the order, plain functions, and the events."""

    async def main() -> list[str]:
        guarded = fallback(second, third)(primary)
        return [await guarded("known"), await guarded("else")]

    answers, seen = play(main)
    assert answers == ["second knows", "third guesses else"]
    assert [event.to for event in seen.of(FellBack)] == ["second", "second", "third"]


def test_a_value_is_the_last_resort() -> None:
    """Guards `fallback(value=...)`, None included."""

    async def main() -> list[str | None]:
        return [await fallback(second, value=None)(primary)("x"), await fallback(value="later")(primary)("x")]

    assert play(main)[0] == [None, "later"]


def test_when_all_fail_every_cause_is_told() -> None:
    """Guards finding out what went wrong."""

    async def main() -> None:
        with pytest.raises(AllFailed) as caught:
            await fallback(second)(primary)("x")
        assert [type(cause) for cause in caught.value.causes] == [Broken, OSError]
        assert "second" in str(caught.value)

    play(main)


def test_what_on_does_not_mean_is_raised_as_it_is() -> None:
    """Guards bugs from being papered over, in the function and in the fallbacks."""

    async def main() -> None:
        with pytest.raises(Broken):
            await fallback(third, on=OSError)(primary)("x")
        with pytest.raises(OSError, match="second"):
            await fallback(second, third, on=Broken)(primary)("x")

    play(main)


def test_a_cancellation_is_not_a_failure() -> None:
    """Guards the cancellation of the caller."""

    async def main() -> bool:
        task = asyncio.ensure_future(fallback(value="later")(primary)("cancel"))
        await asyncio.wait([task])
        return task.cancelled()

    assert play(main)[0]


@given(st.lists(st.booleans(), min_size=2, max_size=6))
def test_nothing_is_called_after_the_first_answer_and_nothing_twice(fails: list[bool]) -> None:
    """Guards the chain for any failures."""
    called: list[int] = []

    def link(number: int, broken: bool):  # type: ignore[no-untyped-def]
        async def call() -> int:
            called.append(number)
            if broken:
                raise Broken(number)
            return number

        return call

    first, *others = [link(number, broken) for number, broken in enumerate(fails)]

    async def main() -> object:
        try:
            return await fallback(*others)(first)()
        except AllFailed as error:
            return [cause.args[0] for cause in error.causes]

    outcome, _ = play(main)
    if False in fails:
        assert outcome == fails.index(False)
        assert called == list(range(fails.index(False) + 1))
    else:
        assert outcome == called == list(range(len(fails)))
