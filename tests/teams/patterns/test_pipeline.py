"""Pipelines: items on their way through stages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisors import SpecError
from teams import (
    Failed,
    RunFailed,
    SourceFailed,
    StepFailed,
    StepPassedOver,
    StepSkipped,
    StepTimeout,
    member,
    step,
)
from teams.patterns import parallel, pipeline, sequential, stage
from tests.teams.patterns.cast import crew_of, error_of, fails, result_of, seconds_of, takes


def odd(value: int) -> int:
    """A worker's function that refuses even numbers."""
    if value % 2 == 0:
        raise ValueError(f"{value} is even")
    return value


picky = member("picky", takes(1.0, odd))
plus = member("plus", takes(1.0, lambda value: value + 1))
times = member("times", takes(1.0, lambda value: value * 10))


class Source:
    """Items, and how far they were read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.read = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.read += 1
            yield number


async def rows(count: int) -> AsyncIterator[int]:
    """Items that take a second each to come."""
    for number in range(count):
        await asyncio.sleep(1.0)
        yield number


def test_every_item_goes_through_every_stage_in_order() -> None:
    """Guards the pattern: results in the order of the items, whatever kind of collection they come in."""
    for source in ([0, 1, 2], (0, 1, 2), range(3), iter([0, 1, 2]), {0: "", 1: "", 2: ""}.keys(), rows(3)):
        assert result_of(pipeline("plus", "times"), source, plus, times) == [10, 20, 30]


@pytest.mark.parametrize("one", ["text", b"bytes", {"a": 1}, 7, None], ids=str)
def test_a_value_that_is_not_a_collection_is_one_item_with_one_result(one: Any) -> None:
    """Guards single items: text and mappings are not taken apart."""
    assert result_of(pipeline(lambda value: [value]), one) == [one]


def test_nothing_to_do_has_an_empty_result() -> None:
    """Guards the empty source."""
    assert result_of(pipeline("plus"), [], plus) == []


def test_stages_work_at_the_same_time_on_different_items() -> None:
    """Guards the overlap: three stages of a second take n + 2 seconds for n items, not 3 n."""
    people = [member(name, takes(1.0)) for name in "abc"]
    with crew_of(*people) as (sim, crew):
        assert seconds_of(sim, crew, pipeline("a", "b", "c"), range(10)) == 12.0


def test_a_parallel_stage_takes_several_items_at_once() -> None:
    """Guards `parallel`: a stage of four seconds with four places keeps pace with one of a second."""
    people = [member("quick", takes(1.0)), member("slow", takes(4.0), count=4)]
    with crew_of(*people) as (sim, crew):
        assert seconds_of(sim, crew, pipeline("quick", stage("Enrich", "slow", parallel=4)), range(10)) == 14.0


def test_items_that_overtake_each_other_come_out_in_their_order() -> None:
    """Guards order: the first item is the slowest here."""

    async def work(value: float) -> float:
        await asyncio.sleep(value)
        return value

    with crew_of(member("worker", work, concurrency=4)) as (_, crew):
        assert crew.play(pipeline(stage("s", "worker", parallel=4)), [9.0, 5.0, 1.0, 3.0]).get() == [9.0, 5.0, 1.0, 3.0]


def test_a_slow_stage_holds_those_before_it_and_the_source() -> None:
    """Guards backpressure: what is read is bounded by the places of the stages, not by the source."""
    source = Source(1_000)
    people = [member("quick", takes(0.0)), member("stuck", takes(1e6), count=2)]
    with crew_of(*people) as (sim, crew):
        crew.play(pipeline(stage("quick", "quick", parallel=2), stage("stuck", "stuck", parallel=2)), source)
        sim.advance(1_000)
        # Two in each stage, two waiting before each, and one in the hand of the reader.
        assert source.read == 9


def test_a_failure_stops_the_pipeline_and_what_came_out_is_kept() -> None:
    """Guards on_failure "stop", the default: results by then stand in the error, and no work goes on."""
    with crew_of(picky, member("plus", takes(0.5, lambda value: value + 1))) as (sim, crew):
        handle = crew.play(pipeline(stage("check", "picky"), stage("add", "plus")), [1, 3, 5, 6, 7])
        with pytest.raises(RunFailed) as caught:
            handle.get()
        assert caught.value.partial == {"items/0": 2, "items/1": 4, "items/2": 6}
        assert isinstance(caught.value.error, StepFailed)
        assert caught.value.error.step == "3/check"
        sim.advance(1.0)
        assert all(slot.reserved == 0 for slot in crew.roster().get())


def test_skip_leaves_out_the_item_and_its_failure_is_its_result() -> None:
    """Guards on_failure "skip": the item goes no further, the others do."""
    with crew_of(plus, picky) as (_, crew):
        handle = crew.play(pipeline(stage("check", "picky", on_failure="skip"), "plus"), range(4))
        results = handle.get()
        assert results[1::2] == [2, 4]
        assert all(isinstance(each, Failed) for each in results[::2])
        skipped = [each for each in handle.stream() if isinstance(each, StepSkipped)]
        assert [each.step for each in skipped] == ["0/check", "2/check"]


def test_continue_with_warning_lets_the_item_go_on_as_it_is() -> None:
    """Guards on_failure "continue_with_warning"."""
    with crew_of(plus, picky) as (_, crew):
        handle = crew.play(pipeline(stage("check", "picky", on_failure="continue_with_warning"), "plus"), range(4))
        assert handle.get() == [1, 2, 3, 4]
        assert sum(isinstance(each, StepPassedOver) for each in handle.stream()) == 2


def test_retry_once_gives_each_item_one_more_chance() -> None:
    """Guards on_failure "retry_once": once an item, and not once for all of them."""
    seen: list[int] = []

    async def shaky(value: int) -> int:
        seen.append(value)
        if seen.count(value) == 1:
            raise ValueError("the first time")
        return value

    assert result_of(pipeline(stage("s", "shaky", on_failure="retry_once")), range(3), member("shaky", shaky)) == [
        0,
        1,
        2,
    ]
    assert seen == [0, 0, 1, 1, 2, 2]


def test_a_stage_that_never_ends_is_a_timeout() -> None:
    """Guards the bad input: the item that is stuck fails by `StepTimeout`, at its time."""
    with crew_of(member("stuck", takes(1e6))) as (sim, crew):
        with pytest.raises(RunFailed) as caught:
            crew.play(pipeline(stage("s", "stuck", timeout=30.0)), range(3)).get()
        assert isinstance(caught.value.error, StepTimeout)
        assert sim.now == 30.0


def test_options_of_steps_hold_in_stages() -> None:
    """Guards `when`, `transform` and `fallback`, for each item."""
    assert result_of(pipeline(stage("s", "plus", when=lambda each: each > 1)), range(4), plus) == [0, 1, 3, 4]
    assert result_of(pipeline(stage("s", "plus", transform=lambda each: each * 2)), range(3), plus) == [1, 3, 5]
    assert result_of(pipeline(stage("s", "picky", fallback=("plus",))), range(4), picky, plus) == [1, 1, 3, 3]
    assert result_of(pipeline(step("picky", on_failure="skip", name="check")), [1, 3], picky) == [1, 3]


def test_a_stage_may_be_a_pattern_and_a_pipeline_a_step() -> None:
    """Guards nesting in both directions."""
    both = parallel("plus", "times", merge=lambda results: sum(results.values()))
    pattern = sequential(lambda count: range(count), pipeline(stage("both", both), str), len)
    assert result_of(pattern, 5, plus, times) == 5
    assert result_of(sequential(pipeline(both)), [1, 2], plus, times) == [12, 23]


def test_a_source_that_fails_is_a_typed_failure() -> None:
    """Guards the source: its exception is the cause, and what came out by then is kept."""

    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk")

    async def broken_later() -> AsyncIterator[int]:
        for number in broken():
            await asyncio.sleep(5.0)
            yield number

    for source in (broken(), broken_later()):
        error = error_of(pipeline("plus"), source, plus)
        assert isinstance(error, RunFailed)
        assert isinstance(error.error, SourceFailed)
        assert isinstance(error.error.__cause__, OSError)
        assert error.error.items == 2


@pytest.mark.parametrize(
    "odd", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()], ids=repr
)
def test_a_source_that_raises_what_ends_programs_fails_like_any_other(odd: BaseException) -> None:
    """Guards the event loop: such an exception in a task of the pipeline would end it, or leave the run to wait."""

    def plain() -> Iterator[int]:
        yield 1
        raise odd

    async def later() -> AsyncIterator[int]:
        for number in plain():
            yield number

    for source in (plain(), later()):
        error = error_of(pipeline("plus"), source, plus)
        assert isinstance(error, RunFailed)
        assert isinstance(error.error, SourceFailed)
        assert error.error.__cause__ is odd


def test_results_can_be_seen_while_the_pipeline_goes_on() -> None:
    """Guards partial results and progress of a run under way."""
    with crew_of(plus) as (sim, crew):
        handle = crew.play(pipeline("plus"), range(10))
        sim.advance(3.5)
        assert handle.partial == {"items/0": 1, "items/1": 2, "items/2": 3}
        assert handle.progress.done == 3
        assert handle.progress.under_way == ("3/plus",)
        assert handle.get() == list(range(1, 11))


def test_a_pipeline_keeps_no_more_items_than_its_stages_have_places() -> None:
    """Guards memory: beside results, nothing grows with the number of items; neither in the run nor in the team."""
    with crew_of(plus, member("again", takes(0.01))) as (sim, crew):
        handle = crew.play(pipeline("again", stage("more", "again", parallel=3)), range(300))
        most = 0
        coordinator = crew.child("coordinator")._cell
        while not handle.done():
            sim.advance(0.05)
            record = handle._record
            sizes = [record.journal, record.parts, record.answers, record.under_way, record.emitted]
            most = max(
                most, *map(len, sizes), *(len(each.dispatch.works) for each in (coordinator.kept or {}).values())
            )
        assert len(handle.get()) == 300
        assert most <= 12


@settings(max_examples=30)
@given(
    seconds=st.lists(st.sampled_from([0.0, 0.5, 2.0]), min_size=1, max_size=3),
    parallels=st.lists(st.integers(1, 3), min_size=3, max_size=3),
    items=st.lists(st.integers(0, 9), max_size=8),
)
def test_a_pipeline_computes_what_a_loop_computes(seconds: list[float], parallels: list[int], items: list[int]) -> None:
    """Guards the pattern against a model: stages of any speed and width give what one function after the other does."""
    people = [
        member(f"m{number}", takes(each, lambda value: value * 2 + 1), count=2) for number, each in enumerate(seconds)
    ]
    stages = [stage(f"s{number}", f"m{number}", parallel=parallels[number]) for number in range(len(seconds))]
    expected = items
    for _ in seconds:
        expected = [value * 2 + 1 for value in expected]
    assert result_of(pipeline(*stages), items, *people) == expected


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: pipeline(), "no stages"),
        (lambda: pipeline("a", "a"), "there is a stage 'a' before it"),
        (lambda: pipeline("a", 3), "pipeline/2"),  # type: ignore[arg-type]
        (lambda: stage("s", "a", parallel=0), "parallel"),
        (lambda: stage("s", "a", timeout=-1), "timeout"),
        (lambda: stage("s/t", "a"), "name"),
    ],
)
def test_bad_stages_are_refused(make: Any, says: str) -> None:
    """Guards bad arguments."""
    with pytest.raises(SpecError, match=says):
        make()


def test_a_member_that_fails_every_item_fails_the_run_at_the_first() -> None:
    """Guards "stop" with parallel places: one error, and not one for each item."""
    error = error_of(pipeline(stage("s", "bad", parallel=3)), range(9), member("bad", fails(), count=3))
    assert isinstance(error, RunFailed)
    assert error.partial == {}
