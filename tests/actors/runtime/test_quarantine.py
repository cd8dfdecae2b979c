"""The quarantine of a runtime: what it holds, how much, and what becomes of it."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import (
    Actor,
    ActorDeadError,
    DeadLetter,
    MailboxFull,
    NotQuarantined,
    OptionError,
    Quarantined,
    QuarantineDiscarded,
    QuarantineRetried,
    Runtime,
    bounded,
)
from actors._runtime.quarantine import size_of
from actors.testing import Simulation, simulation
from supervisors import child, supervisor


class Fragile(Actor):
    """Crashes over `bad` until it is healed."""

    healed = False

    def on_receive(self, message: Any) -> Any:
        """Crash, or keep the message."""
        if isinstance(message, Exception) and not Fragile.healed:
            raise message
        done.append(message)
        return message


done: list[Any] = []


@pytest.fixture(autouse=True)
def _ill() -> None:
    Fragile.healed = False
    done.clear()


def tree(sim: Simulation, *names: str, redeliver: int = 1, **options: Any) -> Any:
    """Fragile actors."""
    specs = [child(name, Fragile, redeliver=redeliver, backoff=None, **options) for name in names]
    return sim.start(supervisor("root", *specs, max_restarts=None))


def numbers(message: Any) -> Any:
    """What an exception was made with."""
    return message.args[0]


def test_a_poison_message_is_held_with_what_is_known_of_it() -> None:
    with simulation() as sim:
        root, poison = tree(sim, "a"), ValueError("bad")
        root.child("a").tell(poison)
        sim.run(until=1)
        (held,) = sim.runtime.quarantine
        assert held.message is poison
        assert (held.id, held.path, held.message_type, held.crashes) == (1, "root/a", "ValueError", 2)
        assert (held.cause, held.reason, held.sender) == ("ValueError", "ValueError: bad", None)
        assert sim.runtime.quarantine[1] is held
        assert sim.runtime.quarantine.size == held.size > 0


def test_messages_are_chosen_by_number_path_and_cause() -> None:
    with simulation() as sim:
        root = tree(sim, "a", "ab")
        for name, error in (("a", ValueError("1")), ("ab", KeyError("2")), ("a", KeyError("3"))):
            root.child(name).tell(error)
        sim.run(until=1)
        held = sim.runtime.quarantine

        def chosen(**how: Any) -> list[str]:
            return [numbers(each.message) for each in held.messages(**how)]

        assert sorted(chosen()) == ["1", "2", "3"]
        assert sorted(chosen(path="root/a")) == ["1", "3"]
        assert sorted(chosen(path="root")) == ["1", "2", "3"]
        assert sorted(chosen(cause="KeyError")) == ["2", "3"]
        assert chosen(path="root/a", cause="KeyError") == ["3"]
        assert chosen(path="nowhere") == []


def test_what_is_retried_when_the_cause_is_mended_is_handled_once() -> None:
    with simulation() as sim:
        root = tree(sim, "a")
        told: list[Any] = []
        sim.runtime.events.subscribe(told.append, QuarantineRetried)
        for number in range(3):
            root.child("a").tell(ValueError(number))
        sim.run(until=1)
        Fragile.healed = True
        outcome = sim.runtime.quarantine.retry(cause="ValueError")
        sim.run(until=2)
        assert [numbers(each.message) for each in outcome.sent] == [0, 1, 2]
        assert [each.args[0] for each in done] == [0, 1, 2]
        assert len(sim.runtime.quarantine) == sim.runtime.quarantine.size == 0
        assert [(each.path, each.count, each.message_type) for each in told] == [("root/a", 3, "ValueError")]


def test_what_crashes_its_actor_again_comes_back_under_a_new_number() -> None:
    with simulation() as sim:
        root = tree(sim, "a")
        root.child("a").tell(ValueError("bad"))
        sim.run(until=1)
        sim.runtime.quarantine.retry(1)
        sim.run(until=2)
        (held,) = sim.runtime.quarantine
        assert (held.id, held.crashes) == (2, 2)


def test_what_its_actor_takes_no_more_stays_and_is_told() -> None:
    with simulation() as sim:
        root = tree(sim, "a")
        root.child("a").tell(ValueError("bad"))
        sim.run(until=1)
        root.terminate_child("a").get()
        outcome = sim.runtime.quarantine.retry()
        ((held, error),) = outcome.refused
        assert outcome.sent == ()
        assert isinstance(error, ActorDeadError)
        assert list(sim.runtime.quarantine) == [held]


def test_a_full_mailbox_leaves_the_rest_in_quarantine() -> None:
    with simulation() as sim:
        root = tree(sim, "a", mailbox=bounded(1))
        for number in range(3):
            root.child("a").tell(ValueError(number))
            sim.run(until=sim.now + 1)
        outcome = sim.runtime.quarantine.retry()
        assert [each.id for each in outcome.sent] == [1]
        assert [type(error) for _, error in outcome.refused] == [MailboxFull, MailboxFull]
        assert [each.id for each in sim.runtime.quarantine] == [2, 3]


def test_what_is_discarded_is_gone_and_told() -> None:
    with simulation() as sim:
        root = tree(sim, "a")
        told: list[Any] = []
        sim.runtime.events.subscribe(told.append, QuarantineDiscarded)
        for number in range(3):
            root.child("a").tell(ValueError(number))
        sim.run(until=1)
        gone = sim.runtime.quarantine.discard(1, 3)
        assert [each.id for each in gone] == [1, 3]
        assert [each.id for each in sim.runtime.quarantine] == [2]
        assert [each.count for each in told] == [2]


@pytest.mark.parametrize("act", ["retry", "discard"])
def test_an_unknown_number_changes_nothing(act: str) -> None:
    with simulation() as sim:
        tree(sim, "a").child("a").tell(ValueError("bad"))
        sim.run(until=1)
        with pytest.raises(NotQuarantined, match="number 7;") as caught:
            getattr(sim.runtime.quarantine, act)(1, 7)
        assert len(sim.runtime.quarantine) == 1
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        with pytest.raises(NotQuarantined):
            sim.runtime.quarantine[9]


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 5), st.integers(0, 3_000))
def test_the_oldest_give_way_and_are_dead_letters(sizes: list[int], most: int, largest: int) -> None:
    runtime = Runtime(quarantine_messages=most, quarantine_bytes=largest, log=False)
    runtime.now = lambda: 0.0
    letters: list[DeadLetter] = []
    runtime.events.subscribe(letters.append, DeadLetter)
    held = runtime.quarantine
    for number, size in enumerate(sizes):
        held.add("root/a", b"x" * size * 100 + str(number).encode(), 1, ValueError(), None)
        assert len(held) <= most
        assert held.size <= largest
        assert held.size == sum(each.size for each in held)
    kept = [each.message for each in held]
    assert [each.reason for each in letters] == ["evicted"] * len(letters)
    assert [each.message for each in letters] + kept == [
        b"x" * size * 100 + str(number).encode() for number, size in enumerate(sizes)
    ]


def test_every_message_is_handled_held_or_a_dead_letter() -> None:
    """Conservation: retries and evictions lose nothing, and bring nothing twice."""
    with simulation() as sim:
        letters: list[Any] = []
        sim.runtime.events.subscribe(lambda event: letters.append(event.message), DeadLetter)
        root = tree(sim, "a", redeliver=2)
        sent = [ValueError(number) for number in range(20)]
        for number, each in enumerate(sent):
            root.child("a").tell(each)
            if number % 5 == 4:
                sim.run(until=sim.now + 1)
                sim.runtime.quarantine.retry()
        Fragile.healed = True
        sim.runtime.quarantine.retry()
        sim.run(until=sim.now + 5)
        held = [each.message for each in sim.runtime.quarantine]
        assert sorted(each.args[0] for each in [*done, *held, *letters]) == list(range(20))


def test_two_threads_that_retry_at_once_send_each_message_once() -> None:
    with Runtime(log=False) as runtime:
        actor = runtime.spawn(Fragile).get()
        Fragile.healed = True
        for number in range(200):
            runtime.quarantine.add(actor.path, number, 1, ValueError(), None)
        ready = threading.Barrier(2)

        def retry() -> None:
            ready.wait()
            runtime.quarantine.retry()

        threads = [threading.Thread(target=retry) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert actor.ask("last") == "last"
        assert sorted(each for each in done if each != "last") == list(range(200))


def test_what_another_takes_meanwhile_is_not_sent() -> None:
    with Runtime(log=False) as runtime:
        actor = runtime.spawn(Fragile).get()
        Fragile.healed = True
        for number in range(3):
            runtime.quarantine.add(actor.path, number, 1, ValueError(), None)
        find = runtime.find
        others: list[Any] = []

        def found(path: str) -> Any:
            """Between two messages another caller discards the last one."""
            if not others:
                others.append(runtime.quarantine.discard(3))
            return find(path)

        runtime.find = found  # type: ignore[method-assign]
        assert [each.id for each in runtime.quarantine.retry().sent] == [1, 2]
        assert actor.ask("last") == "last"
        assert done == [0, 1, "last"]


def test_the_event_comes_before_the_message_can_be_found() -> None:
    with simulation() as sim:
        seen: list[int] = []
        sim.runtime.events.subscribe(lambda _: seen.append(len(sim.runtime.quarantine)), Quarantined)
        tree(sim, "a").child("a").tell(ValueError("bad"))
        sim.run(until=1)
        assert (seen, len(sim.runtime.quarantine)) == ([0], 1)


def test_the_size_of_a_message_counts_what_it_owns_and_nothing_shared() -> None:
    small, large = size_of({"a": [1, 2]}), size_of({"a": [b"x" * 10_000]})
    assert 100 < small < 1_000
    assert 10_000 < large < 11_000
    assert size_of([large, Runtime, threading, size_of]) < 300
    cycle: list[Any] = []
    cycle.append(cycle)
    assert size_of(cycle) < 200

    class Mute:
        def __sizeof__(self) -> int:
            raise ValueError("no")

    assert size_of(Mute()) > 0


def test_bad_limits_are_refused_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        Runtime(quarantine_messages=-1, quarantine_bytes=1.5)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 2
