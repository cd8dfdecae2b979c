"""Timers with keys: a new one replaces the old one, with the tick of it that waits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import bounded
from actors.testing import simulation
from supervisors import child, supervisor
from tests.actors.cast import Host, Player, crash, seen_by, stage
from tests.support import in_loop

HOSTS: list[Host] = ["loop", "thread"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_new_timer_with_the_same_key_replaces_the_old_one(host: Host) -> None:
    with simulation() as sim:
        ref = sim.spawn(Player, host=host)

        def again(self: Any) -> None:
            self.tell_after(1, "old", key="poll")
            self.tell_every(2, "new", key="poll")
            self.tell_after(3, "other", key="other")

        ref.ask(again)
        sim.run(until=4.5)
        assert seen_by(ref) == ["new", "other", "new"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("how", ["replaced", "cancelled"])
def test_a_tick_that_waits_is_taken_back_with_its_key(how: str, host: Host) -> None:
    """Fault R4: one rule for every timer that is cancelled."""
    with simulation() as sim:
        ref = sim.spawn(Player, host=host)
        ref.ask(lambda self: self.tell_after(1, "old", key="k") and None)
        ref.suspend()
        sim.settle()
        ref.tell(lambda self: self.tell_after(1, "new", key="k") if how == "replaced" else self.cancel_timer("k"))
        sim.advance(2)
        ref.resume()
        sim.advance(2)
        assert seen_by(ref) == (["new"] if how == "replaced" else [])
        assert sim.runtime.events.dead_letters == {}


def test_a_timer_is_cancelled_by_its_key_once() -> None:
    with simulation() as sim:
        ref = sim.spawn(Player)
        found = ref.ask(
            lambda self: (
                self.cancel_timer("k"),
                self.tell_after(1, "tick", key="k").active,
                self.cancel_timer("k"),
                self.cancel_timer("k"),
            )
        )
        sim.advance(2)
        assert (found, seen_by(ref)) == ((False, True, True, False), [])


def test_a_key_that_has_no_hash_is_refused_before_a_timer_is_set() -> None:
    with simulation() as sim:
        ref = sim.spawn(Player)

        def act(self: Any) -> int:
            with pytest.raises(TypeError, match="unhashable"):
                self.tell_after(1, "tick", key=[])
            timers: int = self.ref.status().timers
            return timers

        assert ref.ask(act) == 0


def test_the_timer_itself_gives_its_key_free_when_it_is_cancelled() -> None:
    with simulation() as sim:
        ref = sim.spawn(Player)

        def act(self: Any) -> list[Any]:
            timer = self.tell_every(1, "tick", key=("poll", 3))
            before = list(self.keyed_timers().items())
            timer.cancel()
            return [before == [(("poll", 3), timer)], self.keyed_timers()]

        assert ref.ask(act) == [True, {}]


@pytest.mark.parametrize("host", HOSTS)
def test_the_list_of_timers_has_those_whose_message_is_to_come(host: Host) -> None:
    """A tick that waits is to come; one that is being handled has come; a timer without a key is not in the list."""
    with simulation() as sim:
        ref = sim.spawn(Player, host=host)
        listed: list[list[Any]] = []

        def note(self: Any) -> None:
            listed.append(sorted(self.keyed_timers()))

        def begin(self: Any) -> None:
            self.tell_after(1, note, key="once")
            self.tell_every(2, note, key="often")
            self.tell_after(1, "no key")
            note(self)

        ref.ask(begin)
        ref.suspend()
        sim.advance(1)
        ref.resume()
        sim.advance(1)
        assert listed == [["often", "once"], ["often"], ["often"]]


@in_loop
async def test_a_tick_that_is_lost_gives_its_key_free() -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Player, mailbox=bounded(1))
        await ref.call(lambda self: self.tell_after(1, "tick", key="k") and None)
        ref.suspend()
        ref.tell(lambda self: list(self.keyed_timers()))
        await w.advance(1)
        assert w.dead_letters == [("overflow", "tick")]
        ref.resume()
        await w.settle()
        assert await ref.call(lambda self: list(self.keyed_timers())) == []


def test_a_timer_with_a_key_ends_with_its_incarnation() -> None:
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", Player, backoff=None))).child("a")
        ref.ask(lambda self: self.tell_every(1, "tick", key="k") and None)
        ref.tell(crash(OSError()))
        sim.advance(5)
        assert ref.incarnation == 2
        assert ref.ask(lambda self: (self.keyed_timers(), self.cancel_timer("k"), list(self.seen))) == ({}, False, [])


acts = st.lists(
    st.tuples(st.sampled_from(["after", "every", "cancel", "time"]), st.integers(0, 2), st.integers(1, 3)), max_size=25
)


@given(acts, st.sampled_from(HOSTS))
def test_each_key_has_at_most_one_timer_and_the_last_one_set_counts(plan: list[Any], host: Host) -> None:
    """Against a model: the message, due time and interval of each key."""
    with simulation() as sim:
        ref = sim.spawn(Player, host=host)
        model: dict[int, tuple[float, float | None, int]] = {}
        expected: list[tuple[float, int]] = []
        for number, (what, key, seconds) in enumerate(plan):
            now = sim.now
            match what:
                case "after":
                    ref.ask(lambda self, *a, k=key, s=seconds, n=number: self.tell_after(s, n, key=k) and None)
                    model[key] = (now + seconds, None, number)
                case "every":
                    ref.ask(lambda self, *a, k=key, s=seconds, n=number: self.tell_every(s, n, key=k) and None)
                    model[key] = (now + seconds, float(seconds), number)
                case "cancel":
                    assert ref.ask(lambda self, *a, k=key: self.cancel_timer(k)) == (key in model)
                    model.pop(key, None)
                case _:
                    sim.advance(seconds)
                    for each, (due, interval, message) in list(model.items()):
                        while due <= sim.now:
                            expected.append((due, message))
                            if interval is None:
                                del model[each]
                                break
                            due += interval
                        else:
                            model[each] = (due, interval, message)
            assert sorted(ref.ask(lambda self: list(self.keyed_timers()))) == sorted(model)
        assert sorted(seen_by(ref)) == sorted(message for _, message in expected)
