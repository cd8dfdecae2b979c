"""Actors that subscribe to events: what they do with events is no event for them, and never feeds itself."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Actor, DeadLetter, Exited, LifecycleEvent, MailboxSpec, MessageHandled, Started, bounded, handles
from actors._core.mailbox import OverflowPolicy
from actors._core.outcomes import unhandled
from actors.testing import simulation
from supervisors import child, start, supervisor
from tests.actors.cast import Player, seen_by, stage
from tests.support import in_loop


class Listener(Player):
    """Subscribes to what it is told and notes what comes."""

    def __init__(self, *types: type[LifecycleEvent]) -> None:
        super().__init__()
        self.types = types

    def on_start(self) -> None:
        self.subscribe(*self.types)


class Spy(Actor):
    """Hears of everything, handles some of it."""

    def on_start(self) -> None:
        self.subscribe()

    @handles
    def told(self, event: Exited) -> None: ...


def counts(w: Any) -> dict[str, int]:
    return dict(w.runtime.events.dead_letters)


@pytest.mark.parametrize("policy", ["reject", "drop_oldest", "drop_newest", "block"])
@in_loop
async def test_what_does_not_fit_a_subscriber_is_reported_once_and_lost(policy: OverflowPolicy) -> None:
    """Guards the loop: an overflow of dead letters is not a dead letter for the same mailbox."""
    async with stage() as w:
        office = await w.runtime.spawn(Listener, args=(DeadLetter,), mailbox=bounded(2, policy))
        deaf = await w.runtime.spawn(Actor)
        office.suspend()
        await w.settle()
        for n in range(4):
            deaf.tell(n)
        await w.settle()
        assert counts(w) == {"unhandled": 4, "overflow": 2}
        lost = [event.message.message for event in w.seen(DeadLetter) if event.reason == "overflow"]
        assert lost == ([0, 1] if policy == "drop_oldest" else [2, 3])
        assert (await w.runtime.spawn(Actor)).is_alive()
        office.resume()
        await w.settle()
        heard = [event.message for event in seen_by(office)]
        assert heard == ([2, 3] if policy == "drop_oldest" else [0, 1])


@in_loop
async def test_two_full_subscribers_do_not_feed_each_other() -> None:
    """Guards the kind: what one loses is not sent to the other, also when what gives way is no event."""
    async with stage() as w:
        offices = [
            await w.runtime.spawn(Listener, args=(DeadLetter,), mailbox=bounded(3, "drop_oldest")) for _ in range(2)
        ]
        deaf = await w.runtime.spawn(Actor)
        for office in offices:
            office.suspend()
        await w.settle()
        for office in offices:
            for n in range(3):
                office.tell(n)
        deaf.tell("x")
        await w.settle()
        assert counts(w) == {"unhandled": 1, "overflow": 2}
        assert [office.status().queued for office in offices] == [3, 3]


@in_loop
async def test_a_subscriber_to_everything_does_not_feed_itself() -> None:
    async with stage() as w:
        spies = [await w.runtime.spawn(Spy) for _ in range(2)]
        (await w.runtime.spawn(Actor)).stop(block=False)
        await w.settle()
        before = [spy.statistics().handled for spy in spies]
        assert max(before) < 10
        await w.settle()
        assert [spy.statistics().handled for spy in spies] == before
        assert w.seen(DeadLetter)  # a function still hears of what the spies did not handle


@in_loop
async def test_subscribers_to_handled_messages_hear_of_all_other_messages() -> None:
    async with stage() as w:
        spies = [await w.runtime.spawn(Listener, args=(MessageHandled,)) for _ in range(2)]
        heard: list[LifecycleEvent] = []
        w.runtime.events.subscribe(heard.append, MessageHandled)
        player = await w.runtime.spawn(Player)
        player.tell("one")
        await w.settle()
        assert [[event.message for event in seen_by(spy)] for spy in spies] == [["one"], ["one"]]
        assert len(heard) == 3


@in_loop
async def test_an_event_that_was_stashed_stays_an_event() -> None:
    """Guards the mark on its way through the stash."""

    class Later(Listener):
        def on_receive(self, message: Any) -> Any:
            if message == "now":
                self.unstash()
            elif getattr(self, "put", 0) < 3:
                self.put = getattr(self, "put", 0) + 1
                self.stash()
            else:
                unhandled(self._cell)

    async with stage() as w:
        later = await w.runtime.spawn(Later, args=(DeadLetter,))
        deaf = await w.runtime.spawn(Actor)
        for n in range(3):
            deaf.tell(n)
        await w.settle()
        later.tell("now")
        await w.settle()
        assert counts(w) == {"unhandled": 6}
        assert later.status().queued == later.status().stashed == 0


@pytest.mark.parametrize("redeliver", [0, 2])
@in_loop
async def test_an_event_that_crashes_its_subscriber_is_no_event_for_it(redeliver: int) -> None:
    class Weak(Listener):
        def on_receive(self, message: Any) -> Any:
            if isinstance(message, LifecycleEvent):
                raise OSError

    async with stage() as w:
        weak = child("weak", Weak, args=(DeadLetter,), backoff=None, redeliver=redeliver)
        async with start(supervisor("root", weak, max_restarts=100), w.runtime) as root:
            (await w.runtime.spawn(Actor)).tell("x")
            await w.settle()
            assert root.child("weak").incarnation == 2 + redeliver
            assert len(w.seen(DeadLetter)) == (1 if redeliver else 2)


@in_loop
async def test_an_event_whose_priority_cannot_be_told_is_a_dead_letter() -> None:
    async with stage() as w:
        spec = MailboxSpec(priority=lambda message: message[0])
        spy = await w.runtime.spawn(Listener, args=(Started,), mailbox=spec)
        await w.runtime.spawn(Actor)
        await w.settle()
        assert counts(w) == {"refused": 2}  # its own start, and that of the other
        assert seen_by(spy) == []


@in_loop
async def test_subscriptions_end_one_by_one_and_keep_their_order() -> None:
    """Guards the stream's index: order of sinks, cancelling twice, one class named twice."""
    async with stage() as w:
        events, heard = w.runtime.events, []
        first = events.subscribe(lambda _: heard.append(1), Started, Exited)
        second = events.subscribe(lambda _: heard.append(2))
        third = events.subscribe(lambda _: heard.append(3), Started, Started)
        await w.runtime.spawn(Actor)
        assert heard == [1, 2, 3]
        second.cancel()
        second.cancel()
        await w.runtime.spawn(Actor)
        assert heard == [1, 2, 3, 1, 3]
        first.cancel()
        third.cancel()
        await w.runtime.spawn(Actor)
        assert heard == [1, 2, 3, 1, 3]


@pytest.mark.parametrize("mailbox", [bounded(2, "drop_oldest"), MailboxSpec(capacity=2, priority=lambda _: 0.0)])
def test_events_that_are_lost_are_no_lost_messages_in_a_simulation(mailbox: MailboxSpec) -> None:
    """Guards the journal: the mark stays with the message, and each loss is accounted for."""
    with simulation() as sim:
        office = sim.spawn(Listener, args=(DeadLetter,), mailbox=mailbox)
        deaf = sim.spawn(Actor)
        office.suspend()
        sim.settle()
        for n in range(4):
            deaf.tell(n)
        sim.settle()
        office.resume()
        sim.settle()
        assert len(seen_by(office)) == 2
        assert sim.runtime.events.dead_letters == {"unhandled": 4, "overflow": 2}
