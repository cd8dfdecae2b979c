"""What a cell has only at times are objects of their own: children, possessions, stash."""

from __future__ import annotations

from threading import Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actors._core.cell
from actors import Actor, Crashed, Killed, Normal, Shutdown
from actors._core.envelope import Envelope
from actors._core.future import Future
from actors._core.outcomes import Fate, fate_of
from actors._core.possessions import Possessions
from actors.testing import simulation


class Plain(Actor):
    """Does what it is told."""

    def on_receive(self, message: Any) -> object:
        return message(self)


def test_an_actor_that_has_nothing_pays_for_nothing() -> None:
    """Most actors are leaves, take no names and no timers, and put nothing aside."""
    with simulation() as sim:
        cell = sim.spawn(Plain)._cell
        assert (cell.children, cell.possessions, cell.stash) == (None, None, None)


def test_what_an_incarnation_has_taken_is_given_up_with_it() -> None:
    with simulation() as sim:
        ref = sim.spawn(Plain)
        ref.tell(lambda actor: (actor.register("n"), actor.join("g"), actor.tell_every(1.0, None)))
        sim.settle()
        cell = ref._cell
        assert (sim.runtime.whereis("n"), sim.runtime.members("g")) == (ref, [ref])
        assert ref.status().timers == 1
        ref.kill()
        sim.settle()
        assert (sim.runtime.whereis("n"), sim.runtime.members("g"), cell.possessions) == (None, [], None)


def test_what_two_threads_take_at_once_is_kept_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread registers a name while the loop arms a timer: neither may be lost."""
    with simulation() as sim:
        cell = sim.spawn(Plain)._cell
        other: list[Possessions] = []

        class Late:
            """The lock, which the other thread had first."""

            def __enter__(self) -> None:
                monkeypatch.setattr(actors._core.cell, "_making", Lock())
                other.append(cell.possess())

            def __exit__(self, *_: object) -> None:
                """The other thread has the real lock."""

        monkeypatch.setattr(actors._core.cell, "_making", Late())
        assert cell.possess() is other[0]


REASONS = st.sampled_from([Normal(), Shutdown(), Killed(), Crashed(ValueError())])


@given(REASONS, st.integers(0, 3), st.integers(1, 5), st.booleans(), st.booleans())
def test_only_a_crash_of_a_message_that_is_not_asked_redelivers(
    reason: Any, redeliver: int, crashes: int, asked: bool, supervised: bool
) -> None:
    """Rule 27: at most `redeliver` times, and only where another incarnation follows."""
    culprit = Envelope("message", None, Future[Any]() if asked else None)
    culprit.crashes = crashes
    fate = fate_of(culprit, reason, redeliver, supervised=supervised)
    again = isinstance(reason, Crashed) and not asked and supervised and crashes <= redeliver
    assert (fate is Fate.REDELIVERED) == again
    assert fate is not Fate.QUARANTINED or (redeliver > 0 and not asked and (crashes > redeliver or not supervised))
