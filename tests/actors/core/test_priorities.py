"""Priorities: what the user's function returns or raises is its sender's to hear, and spoils the queue for nobody."""

from __future__ import annotations

import math
import pickle
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import ActorRef, InvalidPriority, MailboxSpec, prioritized
from actors._core.envelope import Envelope
from actors._core.future import park_thread
from actors._core.mailbox import BoundedQueue, OverflowPolicy, PriorityQueue, make_queue, waiting_in, withdraw
from actors.testing import simulation
from tests.actors.cast import Player, seen_by, stage
from tests.support import in_loop


class Level(IntEnum):
    LOW = 9


class Odd(float):
    """A number that refuses to be compared."""

    def __lt__(self, other: object) -> bool:
        raise OSError


class Boom(Exception):
    pass


def first(message: tuple[Any, ...]) -> Any:
    """The priority of the messages of these tests."""
    if message[0] is Boom:
        raise Boom
    return message[0]


GOOD: list[Any] = [3.0, 1, -2, True, math.inf, -math.inf, 10**400, Level.LOW, Fraction(1, 3), Decimal("0.5"), Odd(2)]
BAD: list[Any] = [None, "1", "x", math.nan, Decimal("nan"), 1j, (), (1,), object(), [2], {}]


async def tell(ref: ActorRef[Any], message: object) -> Any:
    ref.tell(message)


async def ask(ref: ActorRef[Any], message: object) -> Any:
    return ref.ask(message, block=False)


async def call(ref: ActorRef[Any], message: object) -> Any:
    return await ref.call(message)


async def send(ref: ActorRef[Any], message: object) -> Any:
    await ref.send(message)


WAYS: list[Callable[[ActorRef[Any], object], Any]] = [tell, ask, call, send]
SPECS = [
    prioritized(first),
    prioritized(first, capacity=2),
    prioritized(first, capacity=2, policy="drop_oldest"),
    prioritized(first, capacity=2, policy="drop_newest"),
    prioritized(first, capacity=2, policy="block"),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.capacity}-{spec.policy}")
@pytest.mark.parametrize("way", WAYS)
@in_loop
async def test_a_priority_that_is_no_number_is_refused_at_its_sender(way: Any, spec: MailboxSpec) -> None:
    """Guards the queue, also a full one: nothing is dropped for a message that is refused."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, mailbox=spec)
        ref.suspend()
        await w.settle()
        ref.tell((3.0, "c"))
        ref.tell((1.0, "a"))
        for bad in BAD:
            message = (bad, "x")
            with pytest.raises(InvalidPriority) as caught:
                await way(ref, message)
            error = caught.value
            assert (error.path, error.value, error.undelivered) == (ref.path, bad, message)
        with pytest.raises(Boom):
            await way(ref, (Boom, "x"))
        ref.resume()
        await w.settle()
        assert seen_by(ref) == [(1.0, "a"), (3.0, "c")]
        assert w.dead_letters == []
        assert pickle.loads(pickle.dumps(InvalidPriority("a", None, 1))).undelivered == 1


@in_loop
async def test_a_timer_whose_message_is_refused_makes_a_dead_letter() -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Player, mailbox=MailboxSpec(priority=lambda m: 0.0 if callable(m) else first(m)))
        ref.tell(lambda actor: actor.tell_after(1, (None, "t")) and None)
        await w.advance(2)
        assert w.dead_letters == [("refused", (None, "t"))]
        ref.tell((1, "after"))
        await w.settle()
        assert seen_by(ref) == [(1, "after")]


@in_loop
async def test_a_priority_function_may_send_to_its_own_bounded_mailbox() -> None:
    """Guards the lock of the mailbox: no code of the user's runs under it."""
    async with stage() as w:
        refs: list[ActorRef[Any]] = []

        def rank(message: Any) -> float:
            if message == "outer":
                refs[0].tell("inner")
            return 1.0

        refs.append(await w.runtime.spawn(Player, mailbox=prioritized(rank, capacity=5)))
        refs[0].tell("outer")
        await w.settle()
        assert seen_by(refs[0]) == ["inner", "outer"]


def test_a_refused_priority_is_no_lost_message_in_a_simulation() -> None:
    with simulation() as sim:
        ref = sim.spawn(Player, mailbox=prioritized(first))
        with pytest.raises(InvalidPriority):
            ref.ask((None, 1))
        ref.tell((1, "a"))
        sim.settle()
        assert seen_by(ref) == [(1, "a")]


@given(st.lists(st.sampled_from(GOOD + BAD + [Boom]) | st.floats() | st.integers() | st.text(), max_size=30))
def test_whatever_keys_come_the_good_ones_leave_in_order(keys: list[Any]) -> None:
    """Property: each message is given back or handed out, once, in the order of its priority and its arrival."""
    asked: list[Any] = []

    def rank(message: Any) -> Any:
        asked.append(message)
        return first(message)

    queue, kept = PriorityQueue(rank, "a"), []
    for number, key in enumerate(keys):
        before = len(queue)
        message = (key, number)
        refused: Exception | None = None
        try:
            queue.append(Envelope(message))
        except (InvalidPriority, Boom) as error:
            refused = error
        if refused is None:
            kept.append(message)
        else:
            assert len(queue) == before
            assert isinstance(refused, Boom) or refused.args[2] is message
    assert [message[1] for message in asked] == list(range(len(keys)))
    assert [queue.popleft().message for _ in range(len(queue))] == sorted(
        kept, key=lambda message: float.__add__(message[0], 0.0) if isinstance(message[0], Odd) else message[0]
    )


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "put", "pop", "back", "oldest", "withdraw"]), st.integers(0, 5)),
    max_size=120,
)


@given(STEPS)
def test_a_queue_that_drops_its_oldest_agrees_with_a_plain_list(steps: list[tuple[str, int]]) -> None:
    """Property: the order, the oldest and what waits, against a model that is linear."""
    queue = PriorityQueue(lambda message: message[0], "a")
    front: deque[Envelope] = deque()
    model: list[Envelope] = []

    def rank(envelope: Envelope) -> int:
        message: Any = envelope.message
        return int(message[0])

    for number, (step, value) in enumerate(steps):
        match step:
            case "put":
                model.append(Envelope((value, number)))
                queue.append(model[-1])
            case "back":
                front.appendleft(Envelope((value, number)))
                queue.appendleft(front[0])
            case "pop" | "oldest" if not front and not model:
                with pytest.raises(IndexError):
                    queue.popleft() if step == "pop" else queue.pop_oldest()
            case "pop":
                expected = front[0] if front else min(model, key=rank)
                assert queue.popleft() is expected
                front.popleft() if front else model.remove(expected)
            case "oldest":
                expected = front[0] if front else model[0]
                assert queue.pop_oldest() is expected
                front.popleft() if front else model.remove(expected)
            case "withdraw" if model:
                withdraw(queue, model.pop(value % len(model)))
        assert len(queue) == len(front) + len(model)
        assert set(map(id, waiting_in(queue))) == set(map(id, [*front, *model]))
        assert len(queue._heap) <= 2 * len(model) + 20


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "reject"])
def test_a_refused_message_leaves_a_full_mailbox_as_it_was(policy: OverflowPolicy) -> None:
    dropped: list[Envelope] = []
    queue = make_queue(prioritized(first, capacity=1, policy=policy), "a", dropped.append, park_thread)
    assert isinstance(queue, BoundedQueue)
    queue.append(Envelope((1, "kept")))
    with pytest.raises(InvalidPriority):
        queue.append(Envelope((None, "bad")))
    assert (dropped, [each.message for each in queue.waiting()]) == ([], [(1, "kept")])
