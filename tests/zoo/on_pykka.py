"""pykka's own classes, with pykka's own bug: `ask` looks whether the actor is alive, and then puts its question.

An actor that stops between the two empties its inbox before the question is there, and whoever asked waits for ever. No
fault is needed, and no line of pykka is changed: in a simulation its threads are greenlets, and at every queue and lock
another one may go first.
"""

from __future__ import annotations

from collections.abc import Callable

import pykka

from actors.testing import DeadlockFailure, Simulation
from tests.zoo._entry import Entry


class Clerk(pykka.ThreadingActor):
    """Answers."""

    def on_receive(self, message: object) -> object:
        return message


Starter = Callable[[Simulation], pykka.ActorRef[Clerk]]


def on_its_own(sim: Simulation) -> pykka.ActorRef[Clerk]:
    """As pykka starts it."""
    return Clerk.start()


def in_a_cell(sim: Simulation) -> pykka.ActorRef[Clerk]:
    """The same class in a cell, whose end settles every question."""
    return sim.spawn(Clerk, name="clerk")


def ask_versus_stop(sim: Simulation, start: Starter) -> None:
    """Three clients ask, a fourth one stops the clerk; look for the whole stop between two lines of `ask`."""
    clerk = start(sim)

    def call(number: int) -> object:
        return clerk.stop(block=False) if number == 3 else clerk.ask("hello")

    work = sim.workload(call, n=4)
    sim.run(until=60)
    sim.eventually("every call has ended", lambda: work.done == 4, within=1)


ENTRIES = (Entry("pykka's ask-versus-stop hang", ask_versus_stop, on_its_own, in_a_cell, DeadlockFailure),)
