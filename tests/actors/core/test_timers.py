"""Timers: once, again and again, and for no longer than the incarnation that set them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import bounded
from supervisors import child, start, supervisor
from tests.actors.cast import Host, Player, crash, seen_by, stage
from tests.support import in_loop


@given(st.lists(st.integers(0, 20), max_size=8))
@in_loop
async def test_a_message_comes_when_its_delay_is_over_and_not_before(delays: list[int]) -> None:
    """Guards the time of each, and the order of time between them."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        await ref.call(lambda self: [self.tell_after(delay, delay) for delay in delays])
        for now in range(21):
            await w.advance(0)
            assert sorted(seen_by(ref)) == sorted(delay for delay in delays if delay <= now)
            await w.advance(1)
        assert seen_by(ref) == sorted(delays)
        assert ref.status().timers == 0


@in_loop
async def test_an_interval_keeps_to_its_times_and_does_not_drift() -> None:
    """Guards the rhythm: from the due time, not from when it was noticed; missed ticks are not made up for."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        await ref.call(lambda self: self.tell_every(10, lambda self: self.seen.append(self.runtime.now())))
        for _ in range(3):
            await w.advance(10)
        assert seen_by(ref) == [10, 20, 30]


@in_loop
async def test_a_cancelled_timer_is_silent() -> None:
    """Guards `cancel`, twice too, for both kinds."""
    async with stage(default_timeout=None) as w:
        ref = await w.runtime.spawn(Player)
        once, every = await ref.call(lambda self: (self.tell_after(1, "once"), self.tell_every(1, "every")))
        assert once.active
        for timer in (once, every, once):
            timer.cancel()
        await w.advance(5)
        assert seen_by(ref) == []
        assert not once.active
        assert w.clock.pending == 0


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
@in_loop
async def test_an_interval_must_be_longer_than_nothing(interval: float) -> None:
    """Guards the loop against a timer that never rests."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        with pytest.raises(ValueError, match="seconds must be a number > 0"):
            await ref.call(lambda self: self.tell_every(interval, "x"))


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_timers_end_with_the_incarnation_that_set_them(host: Host) -> None:
    """Guards the next incarnation against messages of its predecessor, on either host."""
    async with stage(default_timeout=None) as w:
        tree = supervisor("root", child("a", Player, host=host, backoff=None))
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            await ref.call(lambda self: (self.tell_after(1, "once"), self.tell_every(1, "every")))
            down = ref.monitor()
            ref.tell(crash(ValueError()))
            await down
            await ref.call("second")
            await w.advance(5)
            assert ref.incarnation == 2
            assert seen_by(ref) == ["second"]
            assert w.clock.pending == 0


@in_loop
async def test_a_timers_message_that_waits_at_the_end_is_a_dead_letter() -> None:
    """Guards the queue that survives: a tick that fell due is not for the successor, and not lost in silence."""
    async with stage() as w:
        tree = supervisor("root", child("a", Player, backoff=None))
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            await ref.call(lambda self: self.tell_after(1, "tick"))
            ref.suspend()
            await w.advance(1)
            ref.kill()
            ref.resume()
            await w.settle()
            assert ref.incarnation == 2
            assert seen_by(ref) == []
            assert w.dead_letters == [("stale_timer", "tick")]


@in_loop
async def test_a_timers_message_that_a_full_mailbox_refuses_is_a_dead_letter() -> None:
    """Guards against a loss in silence where nobody is there to take the message back."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, mailbox=bounded(1))
        await ref.call(lambda self: self.tell_after(1, "tick"))
        ref.suspend()
        await w.settle()
        ref.tell("first")
        await w.advance(1)
        assert w.dead_letters == [("overflow", "tick")]


@in_loop
async def test_a_dead_letter_from_a_timer_holds_the_message_as_it_was_set() -> None:
    """Guards those who read dead letters: the wrapping of timers is none of theirs, for any reason."""

    class Fragile(Player):
        def on_receive(self, message: Any) -> Any:
            if message == "boom":
                raise ValueError(message)
            return super().on_receive(message)

    async with stage() as w:
        ref = await w.runtime.spawn(Fragile)
        await ref.call(lambda self: self.tell_after(1, "boom"))
        await w.advance(1)
        assert w.dead_letters == [("crashed", "boom")]
        assert [event.message_type for event in w.events if hasattr(event, "message_type")] == ["str"]


@in_loop
async def test_nothing_is_left_of_timers_when_the_actor_is_gone() -> None:
    """Guards the clock: a dead actor's timers do not pile up."""
    async with stage(default_timeout=None) as w:
        ref = await w.runtime.spawn(Player)
        await ref.call(lambda self: [self.tell_after(1000, n) for n in range(50)])
        assert w.clock.pending >= 50
        ref.kill()
        await w.settle()
        assert w.clock.pending == 0
