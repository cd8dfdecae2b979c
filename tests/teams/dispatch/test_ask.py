"""Asking an actor again that crashed over the question."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Actor
from actors.spi import CallbackReply
from actors.testing import Simulation, simulation
from supervisors import child, supervisor
from teams import RunError, WorkCancelled
from teams._dispatch.ask import TRIES, ask_again


class Asked(Actor):
    """Crashes over the first questions, as many as it is told."""

    answers = (WorkCancelled,)

    def __init__(self, crashes: int, refuses: bool = False) -> None:
        self.crashes, self.refuses = crashes, refuses
        self.seen = self.kept(list[object])

    def on_receive(self, message: object) -> object:
        self.seen.append(message)
        if self.refuses:
            raise WorkCancelled("x", "no")
        if len(self.seen) <= self.crashes:
            raise ValueError(len(self.seen))
        return len(self.seen)


def asked(sim: Simulation, *args: Any, **options: Any) -> tuple[list[Any], list[Any]]:
    """The result and the error of one question to such an actor, of which one is there."""
    root: Any = sim.start(supervisor("root", child("asked", Asked, args=args), max_restarts=100))
    results: list[Any] = []
    errors: list[Any] = []
    ask_again(root.child("asked"), "question", CallbackReply(results.append, errors.append), **options)
    sim.advance(600.0)
    return results, errors


@pytest.mark.parametrize("crashes", [0, 1, TRIES - 1])
def test_an_actor_that_crashed_over_a_question_is_asked_again(crashes: int) -> None:
    """Guards the answer of the incarnation that has one."""
    with simulation() as sim:
        assert asked(sim, crashes) == ([crashes + 1], [])


def test_an_actor_that_always_crashes_is_asked_a_limited_number_of_times() -> None:
    """Guards the bound, and the last error."""
    with simulation() as sim:
        results, (error,) = asked(sim, 1000)
        assert results == []
        assert str(error) == str(TRIES)


def test_an_answer_that_is_an_error_is_not_asked_for_again() -> None:
    """Guards refusals: they are answers, whatever their class."""
    with simulation() as sim:
        results, (error,) = asked(sim, 0, True)
        assert results == []
        assert isinstance(error, WorkCancelled)
        assert not isinstance(error, RunError)


def test_an_answer_that_is_not_wanted_any_more_is_not_asked_for_again() -> None:
    """Guards a step that was called off while the coordinator crashed over it."""
    with simulation() as sim:
        results, (error,) = asked(sim, 1, wanted=lambda: False)
        assert results == []
        assert str(error) == "1"
