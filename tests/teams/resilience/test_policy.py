"""What every policy is: something around a call, composable, with the signature of the function left as it is."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors import Actor
from actors.testing import simulation
from supervisors import SpecError, constant
from teams import TeamError, resilience
from teams.resilience import (
    AllFailed,
    BatchMismatch,
    BulkheadFull,
    Call,
    CircuitOpen,
    Fatal,
    Policy,
    PolicyInUse,
    RateLimited,
    Recoverable,
    ResourcePool,
    ResourceTimeout,
    SwitchThrown,
    TimedOut,
    WrongCall,
    batch,
    bulkhead,
    cache,
    circuit_breaker,
    degrade,
    fallback,
    rate_limit,
    retry,
    staged_start,
    timeout,
)
from tests.support import in_loop
from tests.teams.resilience.cast import play


class Echo(Actor):
    """Answers with what it was told."""

    def on_receive(self, message: object) -> object:
        return message


class Tagging(Policy):
    """Notes who was asked first."""

    def __init__(self, tag: str, seen: list[str]) -> None:
        self.tag = tag
        self.seen = seen

    async def through(self, call: Call) -> object:
        self.seen.append(self.tag)
        return await call.proceed()


def yielding(*args: Any) -> Any:
    """A generator function."""
    yield from args


async def greet(name: str, *, loudly: bool = False) -> str:
    """Greets."""
    return f"hello {name}".upper() if loudly else f"hello {name}"


@in_loop
async def test_left_is_outermost_however_the_expression_is_grouped() -> None:
    """Guards the one rule of composition."""
    seen: list[str] = []
    a, b, c = (Tagging(tag, seen) for tag in "abc")
    for guarded in (a | b | c, a | (b | c), (a | b) | c):
        seen.clear()
        assert await guarded(greet)("ann") == "hello ann"
        assert seen == ["a", "b", "c"]


@in_loop
async def test_the_wrapped_function_is_called_as_before() -> None:
    """Guards positional and keyword arguments, name and documentation."""
    guarded = timeout(1)(greet)
    assert await guarded("ann", loudly=True) == "HELLO ANN"
    assert guarded.__name__ == "greet"
    assert guarded.__doc__ == "Greets."
    assert inspect.iscoroutinefunction(guarded)


@in_loop
async def test_a_policy_decorates_wraps_and_calls_alike() -> None:
    """Guards the three ways to put it around a call."""
    guarded = timeout(1) | retry(1)

    @guarded
    async def decorated(name: str) -> str:
        return await greet(name)

    assert await decorated("ann") == await guarded(greet)("ann") == await guarded.call(greet, "ann") == "hello ann"


@in_loop
async def test_a_plain_function_that_returns_an_awaitable_is_a_call() -> None:
    """Guards futures and partial application: what counts is that it can be awaited."""

    def soon(name: str) -> Awaitable[str]:
        return asyncio.ensure_future(greet(name))

    assert await timeout(1)(soon)("ann") == "hello ann"


@in_loop
async def test_a_plain_function_is_refused_with_what_to_do() -> None:
    """Guards against a blocking function on the event loop."""
    wrong: Callable[[], Any] = lambda: 3  # noqa: E731 - short
    with pytest.raises(WrongCall, match=r"returned int.*asyncio\.to_thread"):
        await timeout(1)(wrong)()


def test_in_an_actor_with_a_thread_of_its_own_a_plain_function_is_a_call() -> None:
    """Guards members that are blocking functions: there they block no other actor."""
    ends = iter([OSError("once"), 3])

    def blocking() -> Any:
        end = next(ends)
        if isinstance(end, OSError):
            raise end
        return end

    class Blocking(Actor):
        host = "thread"

        async def on_receive(self, message: object) -> object:
            guarded: Any = (retry(2, backoff=constant(1.0)) | bulkhead(1))(blocking)
            return await guarded()

    with simulation() as sim:
        assert sim.spawn(Blocking).ask("x") == 3
        assert sim.now == 1.0


def test_a_generator_is_refused_in_an_actor_with_its_own_thread_too() -> None:
    """Guards against an answer of which nothing has run, and which no policy is around any more when it does."""

    class Blocking(Actor):
        host = "thread"

        async def on_receive(self, message: object) -> object:
            guarded: Any = retry(2)(yielding)
            return await guarded(message)

    with simulation() as sim, pytest.raises(WrongCall, match="returned a generator"):
        sim.spawn(Blocking).ask("x")


def test_a_bound_call_of_a_ref_goes_through_policies() -> None:
    """Guards `guarded(ref.call)(message)`, from outside of actors."""
    with simulation() as sim:
        ref = sim.spawn(Echo)
        assert sim.call((timeout(1) | retry(2) | bulkhead(1))(ref.call)("hello", timeout=3)) == "hello"


def test_a_policy_is_composed_with_policies_only() -> None:
    """Guards a forgotten call: `retry(3) | ask` is an error where it is written."""
    with pytest.raises(TypeError):
        retry(3) | greet  # type: ignore[operator]
    with pytest.raises(TypeError):
        batch(2, 0.1) | batch(2, 0.1)  # type: ignore[operator]


@pytest.mark.parametrize(
    "make",
    [
        lambda: bulkhead(1),
        lambda: cache(1.0),
        lambda: circuit_breaker(),
        lambda: degrade(str, limit=1),
        lambda: rate_limit(1),
        lambda: staged_start(1, 1.0),
    ],
)
def test_a_policy_that_remembers_is_not_put_around_itself(make: Callable[[], Policy]) -> None:
    """Guards the first call: it would hold the only slot, or be the flight, that it then waits for."""
    policy = make()
    with pytest.raises(SpecError, match="around itself"):
        policy | retry(1) | policy
    with pytest.raises(SpecError, match="around itself"):
        policy | batch(2, 1.0) | policy
    assert len((make() | retry(1) | make()).parts) == 3
    patient = timeout(1.0)
    assert len((patient | retry(1) | patient).parts) == 3


def test_a_call_of_the_wrong_kind_is_not_made_again() -> None:
    """Guards what a plain function does: each attempt would do it once more."""
    made: list[int] = []

    async def main() -> None:
        wrong: Any = made.append
        with pytest.raises(WrongCall):
            await retry(3, backoff=None).call(wrong, 1)

    asyncio.run(main())
    assert made == [1]


def test_a_policy_shows_how_it_was_made() -> None:
    """Guards logs and error texts."""
    shown = repr(timeout(20) | bulkhead(10) | rate_limit(100, per=60))
    assert shown == (
        "timeout(seconds=20.0) | bulkhead(limit=10, waiting=None) | rate_limit(calls=100, per=60.0, burst=1, wait=True)"
    )
    assert repr(fallback(value=1)) == "fallback(others=(), value=1, on=(<class 'Exception'>,))"


@pytest.mark.parametrize(
    ("make", "problems"),
    [
        (lambda: timeout(0), ["seconds"]),
        (lambda: timeout(float("nan")), ["seconds"]),
        (lambda: retry(-1, on=int, deadline=0, backoff=1), ["max_retries", "on", "deadline", "backoff"]),  # type: ignore[arg-type]
        (lambda: circuit_breaker(0, -1, on=BaseException), ["failures", "reset_after", "on"]),  # type: ignore[arg-type]
        (lambda: fallback(), ["give something to fall back to"]),
        (lambda: fallback(3), ["others"]),  # type: ignore[arg-type]
        (lambda: cache(0, max_size=0, key=3), ["ttl", "max_size", "key"]),  # type: ignore[arg-type]
        (lambda: batch(0, -1), ["max_size", "max_delay"]),
        (lambda: fallback(greet, yielding), ["fallback()", "must not yield"]),
        (lambda: degrade(yielding, limit=1), ["fast", "must not yield"]),
        (lambda: cache(60, key=yielding), ["key", "must not yield"]),
        (lambda: degrade(greet), ["load"]),
        (lambda: degrade(greet, limit=1, load=lambda: 1.0), ["load"]),
        (lambda: degrade(greet, limit=1, threshold=0.5, until=0.6), ["until"]),
        (lambda: bulkhead(True, waiting=-1), ["limit", "waiting"]),
        (lambda: rate_limit(0, per=0, burst=0, wait=1), ["calls", "per", "burst", "wait"]),  # type: ignore[arg-type]
        (lambda: rate_limit(10**400, burst=10**400), ["calls", "burst"]),
        (lambda: retry(10**400), ["max_retries"]),
        (lambda: staged_start(0, 0), ["at_once", "every"]),
        (lambda: staged_start(10**400, 1.0), ["at_once"]),
        (
            lambda: ResourcePool(kind="x", sise=3),  # type: ignore[call-arg, arg-type]
            [
                "ResourcePool()",
                "kind",
                "did you mean 'size'?",
            ],
        ),
    ],
)
def test_bad_arguments_are_refused_at_once_with_every_fault(make: Callable[[], object], problems: list[str]) -> None:
    """Guards the builders: a policy that cannot work is never made."""
    with pytest.raises(SpecError) as caught:
        make()
    text = str(caught.value)
    assert all(problem in text for problem in problems), text
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "error",
    [
        TimedOut("ask", 2.0),
        CircuitOpen("ask", 3.0),
        CircuitOpen("ask", 0.0),
        BulkheadFull("ask", 2, 0),
        RateLimited("ask", 0.5),
        SwitchThrown("ask", "fire"),
        AllFailed("ask", (OSError("a"), ValueError("b"))),
        BatchMismatch("ask", 3, 2),
        WrongCall("ask", "wrong"),
        PolicyInUse("bulkhead(limit=1)"),
        ResourceTimeout("team/resources", "2 db"),
    ],
)
def test_errors_survive_pickling_and_name_what_they_are_about(error: TeamError) -> None:
    """Guards errors on their way to another process."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert str(error.args[0]).partition(" ")[0] in str(error)


def test_the_markers_may_be_raised_with_any_text() -> None:
    """Guards `raise Fatal("no such model")` in user code."""
    assert str(Fatal("no such model")) == "no such model"
    assert not issubclass(Recoverable, Fatal)


def test_an_error_says_in_which_actor_the_call_was_made() -> None:
    """Guards that a failure in a team of many can be found."""

    async def main() -> None:
        await timeout(1)(asyncio.sleep)(5)

    with pytest.raises(TimedOut, match=r"sleep \(called in Stage-1\) was not done within 1 s"):
        play(main)


@pytest.mark.parametrize(
    "policy", [circuit_breaker(), bulkhead(1), rate_limit(1), cache(1.0), staged_start(1, 1.0), batch(2, 0.0)], ids=str
)
def test_a_policy_that_remembers_belongs_to_one_loop_at_a_time(policy: Any) -> None:
    """Guards waiting for what happens on another loop: an error while that loop runs, a fresh start when it is over."""

    async def call(items: Any) -> Any:
        return items

    async def once() -> object:
        return await policy.call(call, "a")

    async def nested() -> None:
        await once()

        def elsewhere() -> object:
            return asyncio.run(once())

        with pytest.raises(PolicyInUse) as caught:
            await asyncio.to_thread(elsewhere)
        assert caught.value.policy == repr(policy)

    asyncio.run(nested())
    assert asyncio.run(once()) == "a"


def test_a_policy_outside_of_actors_publishes_no_event() -> None:
    """Guards policies in plain asyncio code."""

    async def main() -> str:
        return await (retry(1, backoff=constant(0.001)) | fallback(value="b")).call(fails)

    async def fails() -> str:
        raise OSError

    assert asyncio.run(main()) == "b"


def test_everything_public_is_named_and_exists() -> None:
    """Guards the façade."""
    assert resilience.__all__ == sorted(resilience.__all__)
    assert all(hasattr(resilience, name) for name in resilience.__all__)
