"""State machines: what a restart keeps, and any machine against a model of the rules."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import (
    ExitReason,
    StateMachine,
    entering,
    handles,
)
from supervisors import child, start, supervisor
from tests.actors.state_machine.door import Do, Door, Entrance, Push, a_door, state
from tests.support import in_loop, world

# Restarts


@in_loop
async def test_a_restart_begins_in_the_initial_state() -> None:
    """Guards supervision rule 29: the state starts afresh, and is entered again."""
    log: list[Any] = []
    tree = supervisor("root", child("door", Entrance, args={"log": log}, backoff=None))
    async with world() as w, start(tree, runtime=w.runtime) as root:
        ref = root.child("door")
        await ref.call(Push())
        log.clear()
        ref.kill()
        await w.settle()
        assert (state(ref), log) == (Door.CLOSED, ["enter closed"])


@in_loop
async def test_a_class_that_carries_its_state_over_goes_on_where_it_crashed() -> None:
    """Guards carry_over and on_restore: the state they name is entered like any other."""

    class Durable(Entrance):
        def carry_over(self, reason: ExitReason) -> object:
            return self.state

        def on_restore(self, carried: Door) -> None:
            self.goto(carried)

    log: list[Any] = []
    tree = supervisor("root", child("door", Durable, args={"log": log}, backoff=None))
    async with world() as w, start(tree, runtime=w.runtime) as root:
        ref = root.child("door")
        await ref.call(Push())
        log.clear()
        ref.tell(Do(what=lambda door: door.goto("nowhere")))
        await w.settle()
        assert (ref.incarnation, state(ref), log) == (2, Door.OPEN, ["enter open"])


@in_loop
async def test_a_status_shows_the_state_and_the_users_attributes_alone() -> None:
    """Guards introspection: no bookkeeping of ours in `ref.state()`, and no assignment past goto."""
    async with world() as w:
        ref, log = await a_door(w)
        assert ref.state() == {"state": Door.CLOSED, "log": log}

        def assign(door: Any) -> None:
            with pytest.raises(AttributeError):
                door.state = Door.OPEN

        await ref.call(Do(what=assign))


# Against a model

STATES = ("s0", "s1", "s2")
KINDS = 3


@dataclass(frozen=True)
class Move:
    """What a state does with one kind of message."""

    postpone: bool
    target: int | None


@dataclass(frozen=True)
class Event:
    """A message; its kind chooses the move, its number tells it from others."""

    kind: int
    number: int


def tables() -> st.SearchStrategy[dict[tuple[int, int], Move]]:
    """Moves for each state and kind.

    One that postpones goes upwards only, or two states could hand a message to and fro for ever.
    """

    def move(state_number: int) -> st.SearchStrategy[Move]:
        upwards = [None, *range(state_number + 1, len(STATES))]
        anywhere = [None, *range(len(STATES))]
        return st.one_of(
            st.builds(Move, st.just(True), st.sampled_from(upwards)),
            st.builds(Move, st.just(False), st.sampled_from(anywhere)),
        )

    return st.fixed_dictionaries({(s, k): move(s) for s in range(len(STATES)) for k in range(KINDS)})


def model(table: dict[tuple[int, int], Move], kinds: list[int]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """What a machine does: the tries (number, state), the states entered, and the numbers still put aside."""
    waiting = list(enumerate(kinds))
    aside: list[tuple[int, int]] = []
    now, tries, entered = 0, [], [0]
    while waiting:
        number, kind = waiting.pop(0)
        tries.append((number, now))
        move = table[now, kind]
        if move.postpone:
            aside.append((number, kind))
        if move.target is not None and move.target != now:
            now = move.target
            entered.append(now)
            waiting, aside = aside + waiting, []
    return tries, entered, [number for number, _ in aside]


class Modelled(StateMachine):
    """Does what a table says; odd messages are handled by an async handler."""

    states = STATES
    initial = STATES[0]

    def __init__(self, table: dict[tuple[int, int], Move]) -> None:
        self.table = table
        self.tries: list[tuple[int, int]] = []
        self.entered: list[int] = []

    @handles
    def handle(self, event: Event) -> Any:
        return self.later(event) if event.number % 2 else self.move(event)

    async def later(self, event: Event) -> int:
        await asyncio.sleep(0)
        return self.move(event)

    def move(self, event: Event) -> int:
        now = STATES.index(str(self.state))
        self.tries.append((event.number, now))
        move = self.table[now, event.kind]
        if move.postpone:
            self.postpone()
        if move.target is not None:
            self.goto(STATES[move.target])
        return now

    @entering(*STATES)
    def enter(self) -> None:
        self.entered.append(STATES.index(str(self.state)))


@settings(max_examples=60)
@given(table=tables(), kinds=st.lists(st.integers(0, KINDS - 1), max_size=12), batch=st.integers(1, 5))
def test_any_machine_handles_messages_in_the_order_of_the_model(
    table: dict[tuple[int, int], Move], kinds: list[int], batch: int
) -> None:
    """With any transitions and postpones, no message is lost, answered twice or handled out of turn."""

    @in_loop
    async def run() -> None:
        async with world() as w:
            ref = await w.runtime.spawn(Modelled, args=(table,))
            answers = []
            for number, kind in enumerate(kinds):
                answers.append(asyncio.ensure_future(ref.call(Event(kind, number), timeout=None)))
                if number % batch == 0:
                    await w.settle()
            await w.settle()
            tries, entered, aside = model(table, kinds)
            seen = ref.state()
            assert (seen["tries"], seen["entered"], seen["state"]) == (tries, entered, STATES[entered[-1]])
            assert [number for number, answer in enumerate(answers) if not answer.done()] == sorted(aside)
            last_try = dict(tries)
            assert all(answer.result() == last_try[n] for n, answer in enumerate(answers) if answer.done())
            assert ref.status().stashed == len(aside)
            for answer in answers:
                answer.cancel()
            await asyncio.gather(*answers, return_exceptions=True)

    run()
