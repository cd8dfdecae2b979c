"""Single calls gathered into one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import sleep
from teams.resilience import BatchMismatch, Retried, WrongCall, batch, retry
from tests.teams.resilience.cast import VISITS, Broken, Visit, crowd, play


class Bulk:
    """A function of lists: it notes what it was given, and takes as long as its slowest item."""

    def __init__(self, answer: str = "right") -> None:
        self.lists: list[list[Visit]] = []
        self.began: list[float] = []
        self.cancelled = 0
        self.answer = answer

    async def call(self, visits: list[Visit]) -> Sequence[Visit]:
        """Answers with the items, unless it is told otherwise."""
        self.lists.append(list(visits))
        number = len(self.lists)
        self.began.append(asyncio.get_running_loop().time())
        try:
            await sleep(max(visit.takes for visit in visits))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if any(visit.fails for visit in visits):
            raise Broken(number)
        answers: dict[str, Any] = {"right": visits, "short": visits[1:], "nothing": None}
        return cast("Sequence[Visit]", answers[self.answer])


def test_a_batch_goes_out_when_it_is_full_or_its_time_has_come() -> None:
    """Guards size and delay."""
    bulk = Bulk()

    async def main() -> list[Visit | BaseException]:
        return await crowd(batch(3, 1.0)(bulk.call), visits)

    visits = [Visit(at=at, key=key) for key, at in enumerate((0, 0.25, 0.5, 0.75))]
    assert play(main)[0] == visits
    assert [len(items) for items in bulk.lists] == [3, 1]
    assert bulk.began == [0.5, 1.75]


@pytest.mark.parametrize(("answer", "error"), [("short", BatchMismatch), ("nothing", WrongCall)])
def test_a_wrong_answer_reaches_each_caller(answer: str, error: type[Exception]) -> None:
    """Guards callers from waiting for ever for a result that was left out."""

    async def main() -> list[Visit | BaseException]:
        return await crowd(batch(3, 1.0)(Bulk(answer).call), [Visit(key=key) for key in range(3)])

    assert [type(each) for each in play(main)[0]] == [error] * 3


@pytest.mark.parametrize("error", [Broken("x"), SystemExit(3)])
def test_an_exception_of_the_function_reaches_each_caller_only(error: BaseException) -> None:
    """Guards the event loop too: a SystemExit in a task of its own would end it."""

    async def call(items: list[int]) -> list[int]:
        raise error

    async def main() -> list[BaseException]:
        heard: list[BaseException] = []

        async def caller(item: int) -> None:
            try:
                await batched(item)
            except BaseException as raised:  # noqa: BLE001 - the test counts them
                heard.append(raised)

        batched = batch(2, 1.0)(call)
        await asyncio.gather(caller(1), caller(2))
        return heard

    assert play(main)[0] == [error, error]


def test_a_cancelled_caller_of_a_batch_does_not_disturb_the_others() -> None:
    """Guards the others in the batch from cancellations."""
    bulk = Bulk()
    visits = [Visit(takes=5, leaves_after=0.5), Visit(takes=5, leaves_after=3, key=1), Visit(takes=5, key=2)]

    async def main() -> list[Visit | BaseException]:
        return await crowd(batch(9, 1.0)(bulk.call), visits)

    outcomes, _ = play(main)
    assert [type(each) for each in outcomes] == [asyncio.CancelledError, asyncio.CancelledError, Visit]
    assert bulk.lists == [visits[1:]]


def test_the_last_caller_that_leaves_ends_the_batch() -> None:
    """Guards work without a waiting caller."""
    bulk = Bulk()

    async def main() -> list[Visit | BaseException]:
        return await crowd(batch(2, 1.0)(bulk.call), [Visit(takes=9, leaves_after=2), Visit(takes=9, leaves_after=3)])

    outcomes, _ = play(main)
    assert [type(each) for each in outcomes] == [asyncio.CancelledError] * 2
    assert bulk.cancelled == 1


def test_a_policy_inside_a_batch_is_around_it_and_outside_around_each() -> None:
    """Guards the composition in both orders, and that policies inside tell the actor's events."""
    inside, outside = Bulk(), Bulk()
    bad = Visit(fails=True)

    async def main() -> None:
        for guarded in (
            (batch(2, 1.0) | retry(1, backoff=None))(inside.call),
            (retry(1, backoff=None) | batch(2, 1.0))(outside.call),
        ):
            assert [type(each) for each in await crowd(guarded, [bad, bad])] == [Broken, Broken]

    _, seen = play(main)
    assert [len(items) for items in inside.lists] == [2, 2]
    assert [len(items) for items in outside.lists] == [2, 2]
    assert len(seen.of(Retried)) == 1 + 2


@pytest.mark.parametrize("answer", [None, 5, "ab", b"ab", {1: "a", 2: "b"}, {1, 2}, iter([1, 2])])
def test_what_has_no_result_for_each_item_in_order_is_refused(answer: object) -> None:
    """Guards the callers: the letters of a text, or the keys of a mapping, are not results."""

    async def bulk(items: list[int]) -> Any:
        return answer

    async def main() -> list[Any]:
        single = batch(2, 1.0)(bulk)
        return [*await asyncio.gather(single(1), single(2), return_exceptions=True)]

    assert [type(each) for each in play(main)[0]] == [WrongCall] * 2


def test_a_call_has_one_argument_the_item() -> None:
    """Guards what cannot be put into a list."""

    async def main() -> None:
        with pytest.raises(WrongCall, match="one positional argument"):
            await batch(2, 1.0)(Bulk().call)(Visit(), Visit())  # type: ignore[call-arg]

    play(main)


@given(VISITS, st.integers(1, 4), st.sampled_from([0.0, 0.5, 2.0]))
def test_every_item_is_in_one_batch_and_gets_its_own_result(
    visits: list[Visit], max_size: int, max_delay: float
) -> None:
    """Guards conservation for any arrivals, failures and cancellations."""
    bulk = Bulk()
    visits = [Visit(each.at, each.takes, each.fails, each.leaves_after, key) for key, each in enumerate(visits)]

    async def main() -> list[Visit | BaseException]:
        return await crowd(batch(max_size, max_delay)(bulk.call), visits)

    outcomes, _ = play(main)
    sent = [visit for items in bulk.lists for visit in items]
    assert len(sent) == len(set(sent))
    assert all(len(items) <= max_size for items in bulk.lists)
    for began, items in zip(bulk.began, bulk.lists, strict=True):
        assert all(visit.at <= began <= visit.at + max_delay for visit in items)
    for visit, outcome in zip(visits, outcomes, strict=True):
        if isinstance(outcome, Visit):
            assert outcome is visit
        elif isinstance(outcome, Broken):
            assert any(other.fails for other in bulk.lists[outcome.args[0] - 1])
        else:
            assert isinstance(outcome, asyncio.CancelledError)
            assert visit.leaves_after is not None
