"""Sequential patterns and the options of steps."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from supervisors import SpecError
from teams import (
    GatherFailed,
    NoCapableAgent,
    Pattern,
    RunFailed,
    StepBegan,
    StepBroke,
    StepFailed,
    StepPassedOver,
    StepSkipped,
    StepTimeout,
    can,
    fail_fast,
    member,
    step,
)
from teams.patterns import parallel, pipeline, sequential, stage
from teams.protocols import discussion
from tests.teams.patterns.cast import crew_of, error_of, fails, result_of, takes


def adds(letter: str) -> Any:
    """A member's work: one letter more."""
    return takes(1.0, lambda value: value + letter)


class Shaky:
    """Fails so often, and then works."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.seen: list[object] = []

    async def __call__(self, value: Any) -> object:
        self.seen.append(value)
        if len(self.seen) <= self.failures:
            raise ValueError("shaky")
        return f"{value}!"


a, b = member("a", adds("a"), capabilities={"sing"}), member("b", adds("b"), role="writer")


def test_each_step_gets_the_result_of_the_one_before() -> None:
    """Guards the order, and every kind of target: member, role, capability, pattern, function."""
    pattern = sequential("a", "writer", can("sing"), sequential("b"), str.upper)
    assert result_of(pattern, "", a, b) == "ABAB"


def test_a_failure_ends_it_with_what_was_done() -> None:
    """Guards partial results: what was done before the failure stands in the error."""
    error = error_of(sequential("a", "bad", "b"), "", a, b, member("bad", fails("broken")))
    assert isinstance(error, RunFailed)
    assert error.partial == {"a": "a"}
    assert isinstance(error.error, StepFailed)
    assert error.error.step == "bad"
    assert str(error.error.error) == "broken"


def test_a_step_that_never_ends_is_a_timeout() -> None:
    """Guards the bad input: a step with a timeout ends at it, and its member is free again."""
    with crew_of(member("slow", takes(1000.0))) as (sim, crew):
        with pytest.raises(RunFailed) as caught:
            crew.play(sequential(step("slow", timeout=5.0)), 1).get()
        assert isinstance(caught.value.error, StepTimeout)
        assert sim.now == 5.0
        assert crew.roster().get()[0].reserved == 0


def test_a_step_without_a_capable_member_is_a_typed_failure() -> None:
    """Guards the bad input: no member is capable."""
    error = error_of(sequential(can("fly")), 1, a)
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, StepFailed)
    assert isinstance(error.error.error, NoCapableAgent)


def test_continue_with_warning_goes_on_with_the_input_and_says_so() -> None:
    """Guards the option: the failure is an event of level warning, and no result of the step is made up."""
    with crew_of(a, b, member("bad", fails())) as (_, crew):
        handle = crew.play(sequential("a", step("bad", on_failure="continue_with_warning"), "b"), "")
        assert handle.get() == "ab"
        (event,) = (each for each in handle.stream() if isinstance(each, StepSkipped))
    assert isinstance(event, StepPassedOver)
    assert event.level == "warning"
    assert event.step == "bad"
    assert isinstance(event.error, StepFailed)


def test_skip_goes_on_without_a_warning() -> None:
    """Guards the option: what is optional and fails is left out, and the event is not a warning."""
    with crew_of(a, b, member("bad", fails())) as (_, crew):
        handle = crew.play(sequential("a", step("bad", on_failure="skip"), "b"), "")
        assert handle.get() == "ab"
        (event,) = (each for each in handle.stream() if isinstance(each, StepSkipped))
    assert type(event) is StepSkipped
    assert event.level == "info"


@pytest.mark.parametrize(("failures", "works"), [(0, True), (1, True), (2, False)])
def test_retry_once_tries_once_more_and_then_stops(failures: int, works: bool) -> None:
    """Guards the option: two attempts, not three."""
    shaky = Shaky(failures)
    pattern = sequential(step("shaky", on_failure="retry_once"))
    if works:
        assert result_of(pattern, "x", member("shaky", shaky)) == "x!"
    else:
        assert isinstance(error_of(pattern, "x", member("shaky", shaky)), RunFailed)
    assert len(shaky.seen) == min(failures + 1, 2)


def test_retry_once_has_its_whole_timeout_again() -> None:
    """Guards the option with a timeout: the second attempt is not cut short by the first."""
    with crew_of(member("slow", takes(1000.0))) as (sim, crew):
        with pytest.raises(RunFailed):
            crew.play(sequential(step("slow", timeout=5.0, on_failure="retry_once")), 1).get()
        assert sim.now == 10.0


def test_attempts_are_for_crashes_of_the_member() -> None:
    """Guards the option: the step is given out as often as it may be, and no more."""
    shaky = Shaky(2)
    assert result_of(sequential(step("shaky", attempts=3)), "x", member("shaky", shaky)) == "x!"
    assert shaky.seen == ["x", "x", "x"]


@pytest.mark.parametrize("make", [lambda: step("a", fallback="bob"), lambda: stage("s", "a", fallback="bob")])
def test_a_fallback_that_is_a_text_is_refused(make: Any) -> None:
    """Guards whoever forgets the brackets: its letters are no members."""
    with pytest.raises(SpecError, match="fallback: must be a list, got 'bob'"):
        make()


def test_fallbacks_are_tried_in_turn_and_only_after_a_failure() -> None:
    """Guards the option: the first that works makes the result; the last failure is the one that is told."""
    people = [a, b, member("bad", fails()), member("worse", fails("worse"))]
    assert result_of(step("bad", fallback=("worse", "a", "b")), "", *people) == "a"
    assert result_of(step("b", fallback=("bad",)), "", *people) == "b"
    error = error_of(step("bad", fallback=("worse",)), "", *people)
    assert isinstance(error, RunFailed)
    assert "worse" in str(error)


def test_a_step_whose_condition_is_not_met_is_left_out() -> None:
    """Guards the option: no member is called, the input goes on, and an event says why."""
    with crew_of(a, b) as (_, crew):
        handle = crew.play(sequential(step("a", when=lambda value: value == "yes"), "b"), "no")
        assert handle.get() == "nob"
        told = list(handle.stream())
    assert [each.step for each in told if isinstance(each, StepBegan)] == ["b"]
    (skipped,) = (each for each in told if isinstance(each, StepSkipped))
    assert skipped.why == "its condition is not met"


def test_transform_makes_what_the_target_gets() -> None:
    """Guards the option: the input is changed for this step only."""
    shaky = Shaky(0)
    assert result_of(step("shaky", transform=len), "four", member("shaky", shaky)) == "4!"
    assert shaky.seen == [4]


@pytest.mark.parametrize("option", ["when", "transform"])
def test_a_condition_or_transformation_that_raises_fails_its_step(option: str) -> None:
    """Guards user code in options: it is the step that failed, by name."""

    def bad(value: object) -> object:
        raise KeyError("missing")

    options: dict[str, Any] = {option: bad}
    error = error_of(sequential(step("a", name="first", **options)), "", a)
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, StepFailed)
    assert error.error.step == "first"


def test_steps_of_the_same_name_are_told_apart() -> None:
    """Guards names: they are unique in a run, so that partial results are not overwritten."""
    error = error_of(sequential("a", "a", "bad"), "", a, member("bad", fails()))
    assert isinstance(error, RunFailed)
    assert error.partial == {"a": "a", "a#2": "aa"}


ODD = [
    asyncio.CancelledError(),
    BaseException("odd"),
    BaseExceptionGroup("odd", [KeyboardInterrupt()]),
    GeneratorExit(),
    KeyboardInterrupt(),
    SystemExit(3),
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
@pytest.mark.parametrize("within", ["step", "condition", "transform", "branch", "merge", "stage"])
def test_a_step_that_raises_what_ends_programs_fails_like_any_other(within: str, odd: BaseException) -> None:
    """Guards the run, which would try again for ever, and the event loop, which it would end for everybody."""

    def leaves(value: object) -> object:
        raise odd

    patterns: dict[str, Pattern] = {
        "step": sequential(leaves),
        "condition": sequential(step("a", when=leaves)),
        "transform": sequential(step("a", transform=leaves)),
        "branch": parallel(leaves, policy=fail_fast()),
        "merge": parallel("a", merge=leaves),
        "stage": pipeline(stage("leave", leaves)),
    }
    error = error_of(patterns[within], "", a)
    assert isinstance(error, RunFailed)
    if within == "branch":
        assert isinstance(error.error, GatherFailed)
        assert isinstance(error.error.gathered.failures["leaves"].error, StepFailed)
    else:
        assert isinstance(error.error, StepFailed)
        assert error.error.error is odd


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_a_pattern_whose_own_code_raises_what_ends_programs_fails_its_run(odd: BaseException) -> None:
    """Guards the predicates of patterns that are no steps."""

    def leaves(value: object) -> object:
        raise odd

    error = error_of(discussion(["a"], until=leaves), "", a)
    assert isinstance(error, RunFailed)
    assert error.error is odd


def test_a_function_that_raises_a_timeout_of_its_own_has_failed() -> None:
    """Guards the types: `StepTimeout` is for the limit of the step."""

    def late(value: object) -> object:
        raise TimeoutError("of its own")

    error = error_of(sequential(step(late, timeout=100.0)), 1)
    assert isinstance(error, RunFailed)
    assert type(error.error) is StepFailed


def test_a_pattern_with_a_timeout_calls_off_what_goes_on_inside() -> None:
    """Guards nesting: the limit of the whole ends the step inside, and its member is free."""
    with crew_of(a, member("slow", takes(1000.0))) as (sim, crew):
        handle = crew.play(step(sequential("a", "slow"), timeout=5.0), "")
        with pytest.raises(RunFailed) as caught:
            handle.get()
        assert isinstance(caught.value.error, StepTimeout)
        assert caught.value.error.step == "sequential"
        assert caught.value.partial == {"sequential/a": "a"}
        assert sim.now == 5.0
        sim.advance(1.0)
        assert all(slot.reserved == 0 for slot in crew.roster().get())
        assert handle.progress.under_way == ()


def test_attempts_of_a_pattern_do_it_again_from_its_beginning() -> None:
    """Guards nesting: a pattern that failed may be tried again as a whole."""
    shaky = Shaky(1)
    people = [a, member("shaky", shaky)]
    assert result_of(step(sequential("a", "shaky"), attempts=2), "", *people) == "a!"
    assert shaky.seen == ["a", "a"]


def test_the_failure_of_a_member_is_told_as_it_happens() -> None:
    """Guards the stream: began and broke, in order, with the error."""
    with crew_of(member("bad", fails("why"))) as (_, crew):
        handle = crew.play(sequential("bad"), 1)
        told = [type(each).__name__ for each in handle.stream()]
        broke = [each for each in handle.stream() if isinstance(each, StepBroke)]
    assert told == ["RunBegan", "StepBegan", "StepBroke", "RunEnded"]
    assert isinstance(broke[0].error, StepFailed)


def test_every_fault_of_a_step_is_told_at_once() -> None:
    """Guards bad arguments: each is named, with its value and its place."""
    options: dict[str, Any] = {
        "name": "a/b",
        "timeout": 0,
        "on_failure": "explode",
        "attempts": 0,
        "priority": "high",
        "fallback": [3],
        "when": 1,
        "transform": 2,
    }
    with pytest.raises(SpecError) as caught:
        step("", **options)
    text = str(caught.value)
    for part in (
        "'a/b'",
        "must name a member or a role",
        "timeout",
        "explode",
        "attempts",
        "'high'",
        "fallback 1",
        "when",
        "transform",
    ):
        assert part in text
    assert len(caught.value.faults) == 9


@pytest.mark.parametrize("bad", [(), ("a", 3), (None,), (int, "")], ids=str)
def test_a_sequence_of_nothing_or_of_no_targets_is_refused(bad: tuple[Any, ...]) -> None:
    """Guards bad arguments of the builder."""
    with pytest.raises(SpecError):
        sequential(*bad)


def letters(value: Any) -> Any:
    """A generator function."""
    yield from value


async def later_letters(value: Any) -> Any:
    """One whose letters are awaited."""
    for letter in value:
        yield letter


class Letters:
    """An object that is called like one."""

    def __call__(self, value: Any) -> Any:
        yield from value


@pytest.mark.parametrize("yields", [letters, later_letters, Letters(), partial(letters, "abc")])
def test_a_generator_is_not_a_step_nor_a_part_of_one(yields: Any) -> None:
    """Guards against a generator as a result, of which nothing has run; members refuse it as well."""
    for build in (
        sequential,
        parallel,
        lambda each: pipeline(stage("s", each)),
        lambda each: step("a", fallback=[each]),
    ):
        with pytest.raises(SpecError, match="is a generator.* return a list"):
            build(yields)
    with pytest.raises(SpecError, match="when: .* must not yield"):
        step("a", when=yields)


def test_a_condition_and_a_transformation_are_plain_functions() -> None:
    """Guards against a coroutine that counts as true, or that the step would get for its input."""

    async def soon(value: object) -> object:
        return value

    with pytest.raises(SpecError, match=r"when: is asked at once.*\n.*transform: is asked at once"):
        step("a", when=soon, transform=soon)


def test_a_class_is_not_a_target() -> None:
    """Guards a likely mistake: the class of an actor in place of the member."""

    class Writer:
        """An agent of the user's."""

    with pytest.raises(SpecError, match="make it a member"):
        sequential(Writer)  # type: ignore[arg-type]
