"""What a member may answer with: a result, or one value that asks for more. Anything else is an error."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pykka
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor
from actors.testing import simulation
from supervisors import start
from teams import BadAnswer, Done, Emit, Handoff, RunFailed, WorkFailed, handoff, member, team
from teams._members.results import answer_fault
from teams.patterns import sequential
from teams.protocols import EventUndelivered


async def fetch(value: object = None) -> object:
    """Something to wait for."""
    return value


async def pages(value: object = None) -> Any:
    """An async generator."""
    yield value


def lines(value: object = None) -> Iterator[object]:
    """A generator."""
    yield value


ANSWERS: dict[str, tuple[Callable[[], object], str]] = {
    "list": (lambda: [Handoff("b"), Handoff("c")], r"a list of Handoff; .*one Handoff.*parallel\(\)"),
    "one in a list": (lambda: [Handoff("b")], "a list of Handoff"),
    "tuple with a result": (lambda: (1, Handoff("b")), "a tuple of Handoff"),
    "set": (lambda: {Handoff("b")}, "a set of Handoff"),
    "mapping": (lambda: {"next": Handoff("b")}, "a mapping to Handoff"),
    "in a Done": (lambda: Done("ready", [Handoff("b")]), "a list of Handoff"),
    "class": (lambda: Handoff, r"the class Handoff; return an instance: Handoff\(\.\.\.\)"),
    "class of an event": (lambda: Emit, r"the class Emit; return an instance: Emit\(\.\.\.\)"),
    "classes in a list": (lambda: [1, Emit], r"a list of the class Emit; return instances: Emit\(\.\.\.\)"),
    "coroutine": (lambda: fetch(), "the coroutine fetch, which was not awaited; write `await`"),
    "coroutines": (lambda: [fetch(1), fetch(2)], "a list of the coroutine fetch"),
    "async generator": (lambda: pages(), r"the async generator pages; .*\[each async for each in \.\.\.\]"),
    "generator": (lambda: lines(), r"the generator lines; return a list: list\(\.\.\.\)"),
    "future": (lambda: pykka.ThreadingFuture(), "a ThreadingFuture that was not awaited; await it"),
}
WRONG = pytest.mark.parametrize(("make", "told"), ANSWERS.values(), ids=ANSWERS)


def kinds_of(make: Callable[[], object]) -> dict[str, Any]:
    """Members of all kinds, each of which answers so."""

    async def waits(_: object) -> object:
        return make()

    def blocks(_: object) -> object:
        # What a plain function returns is awaited; here it is in what it returns.
        async def around() -> object:
            return make()

        return around()

    class Mine(Actor):
        async def on_receive(self, message: object) -> object:
            return make()

    class Threaded(Actor):
        host = "thread"

        async def on_receive(self, message: object) -> object:
            return make()

    return {"waits": waits, "blocks": blocks, "mine": Mine, "threaded": Threaded}


@WRONG
@pytest.mark.parametrize("kind", ["waits", "blocks", "mine", "threaded"])
def test_an_answer_that_is_not_a_result_is_an_error_that_says_so(kind: str, make: Any, told: str) -> None:
    """Guards members of all kinds: several hand-offs, a class or a coroutine were taken for the result."""
    members = [member(name, work) for name, work in kinds_of(make).items()]
    with simulation() as sim:
        crew: Any = sim.start(team("crew", *members, member("b", fetch), member("c", fetch)))
        with pytest.raises(WorkFailed, match=told) as caught:
            crew.assign(1, kind, attempts=3).get()
        error = caught.value.error
        assert isinstance(error, BadAnswer)
        assert error.path == f"crew/members/{kind}"
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        assert caught.value.attempts == 1
        assert crew.assign(1, "b").get() == 1
        assert crew.child("coordinator").incarnation == 1


@pytest.mark.parametrize("name", [each for each in ANSWERS if each != "coroutine"])
def test_a_pykka_actor_may_not_answer_so_either(name: str) -> None:
    """Guards plain pykka actors; a coroutine that one returns is awaited, and so is not an answer."""
    make, told = ANSWERS[name]

    class Old(pykka.ThreadingActor):
        def on_receive(self, message: object) -> object:
            return make()

    with start(team("crew", member("old", Old)), log=False) as root:
        crew: Any = root
        with pytest.raises(WorkFailed, match=told):
            crew.assign(1, "old").get(timeout=10)


@pytest.mark.parametrize(
    ("make", "told"),
    [*ANSWERS.values(), (lambda: Handoff("b"), r"a Handoff; .*return Emit\(topic, payload\)")],
    ids=[*ANSWERS, "hand-off"],
)
def test_an_event_that_is_answered_so_is_undelivered_and_not_tried_again(make: Any, told: str) -> None:
    """Guards subscribers: what they ask for in vain is not passed over in silence."""
    heard: list[object] = []
    undelivered: list[EventUndelivered] = []

    async def hear(value: object) -> object:
        heard.append(value)
        return make()

    with simulation() as sim:
        sim.runtime.events.subscribe(undelivered.append, EventUndelivered)
        crew: Any = sim.start(team("crew", member("ear", hear, subscribes=["news"])))
        crew.topics.publish("news", 1)
        sim.advance(60.0)
        assert heard == [1]
        assert [(each.subscriber, each.reason) for each in undelivered] == [("crew/members/ear", "fatal")]
        with pytest.raises(BadAnswer, match=told):
            raise undelivered[0].error  # type: ignore[misc]


def test_a_function_that_makes_an_async_generator_is_refused_with_a_hint() -> None:
    """Guards what the check of the function itself does not see."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", lambda value: pages(value), host="loop")))
        with pytest.raises(RunFailed, match="the async generator pages"):
            crew.play(sequential("a"), 1).get()


def test_a_rule_is_not_called_with_what_is_not_a_result() -> None:
    """Guards hand-off rules: a predicate of the user's sees results."""
    seen: list[object] = []

    def note(result: object) -> bool:
        seen.append(result)
        return False

    async def wrong(value: object) -> object:
        return [Handoff("b"), Handoff("b")] if value == "wrong" else value

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", wrong), member("b", fetch), handoffs=[handoff("a", "b", note)]))
        with pytest.raises(WorkFailed):
            crew.assign("wrong", "a").get()
        assert crew.assign("right", "a").get() == "right"
        assert seen == ["right"]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside) | st.tuples(inside, inside),
    max_leaves=10,
)


@given(st.one_of(PLAIN, st.builds(Emit, st.just("a"), PLAIN), st.lists(st.builds(Emit, st.just("a"), PLAIN))))
def test_every_other_value_is_a_result(value: object) -> None:
    """Guards results: plain values of any shape, events, and functions."""
    assert answer_fault(value) is None
    assert answer_fault([value, len, dict, Handoff.__init__]) is None
    assert answer_fault(Handoff("b")) is None


def test_a_coroutine_that_has_begun_is_left_alone() -> None:
    """Guards code that runs: only what has not begun is closed."""

    async def waits() -> None:
        await asyncio.sleep(0)

    running = waits()
    running.send(None)
    assert answer_fault(running) is not None
    with pytest.raises(StopIteration):
        running.send(None)
