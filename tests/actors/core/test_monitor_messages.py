"""A monitor with a message of one's own, and one that is taken back with what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorRef, CrashedExit, Down, Killed, NoProc, handles
from actors.testing import simulation
from tests.actors.cast import AsyncPlayer, Host, Player, crash, letters, seen_by, stage
from tests.support import in_loop

HOSTS: list[Host] = ["loop", "thread"]


@dataclass(frozen=True)
class WorkerGone:
    """A message of the user's that is made of a `Down`."""

    down: Down


def watch(ref: ActorRef[Any], *message: Any) -> Callable[[Any], int]:
    """A message whose handler monitors."""
    return lambda self: self.monitor(ref, *message)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("late", [True, False])
def test_the_end_of_a_monitored_actor_comes_as_the_message_asked_for(late: bool, host: Host) -> None:
    """A value, a class and a function of the `Down`, and the `Down` itself; also for an actor that is gone already."""
    with simulation() as sim:
        ref, watched = sim.spawn(Player, host=host), sim.spawn(Player)
        if late:
            watched.kill()
            sim.settle()
        wanted: list[Any] = [("worker", 3), WorkerGone, lambda down: ("made", down.monitor), None]
        numbers = [ref.ask(watch(watched, each)) for each in wanted]
        watched.kill()
        sim.settle()
        reason = NoProc() if late else Killed("kill() was called")
        downs = [Down(watched, reason, number) for number in numbers]
        assert seen_by(ref) == [("worker", 3), WorkerGone(downs[1]), ("made", numbers[2]), downs[3]]


def test_the_message_of_a_monitor_goes_to_the_handler_of_its_class() -> None:
    class Watcher(Actor):
        def __init__(self, ref: ActorRef[Any]) -> None:
            self.gone: list[WorkerGone] = []
            self.monitor(ref, WorkerGone)

        @handles
        def worker_gone(self, message: WorkerGone) -> None:
            self.gone.append(message)

    with simulation() as sim:
        watched = sim.spawn(Player)
        ref = sim.spawn(Watcher, args=[watched])
        watched.kill()
        sim.settle()
        assert len(ref.state()["gone"]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("host", HOSTS)
def test_a_function_that_makes_the_message_runs_in_the_actor_that_watches(host: Host) -> None:
    """Its exception is the crash of that actor, and the `Down` is not lost: it is the dead letter."""
    with simulation() as sim:
        events: list[Any] = []
        sim.runtime.events.subscribe(events.append)
        ref, watched = sim.spawn(Player, host=host), sim.spawn(Player)
        number = ref.ask(watch(watched, crash(OSError())))
        watched.kill()
        sim.settle()
        assert not ref.is_alive()
        assert letters(events) == [("crashed", Down(watched, Killed("kill() was called"), number))]
        assert [each.message_type for each in events if isinstance(each, CrashedExit)] == ["Down"]


def test_a_handler_that_raises_over_such_a_message_is_reported_by_its_type() -> None:
    class Raising(Player):
        def on_receive(self, message: Any) -> Any:
            if isinstance(message, WorkerGone):
                raise OSError
            return super().on_receive(message)

    with simulation() as sim:
        events: list[Any] = []
        sim.runtime.events.subscribe(events.append)
        ref, watched = sim.spawn(Raising), sim.spawn(Player)
        ref.ask(watch(watched, WorkerGone))
        watched.kill()
        sim.settle()
        assert [each.message_type for each in events if isinstance(each, CrashedExit)] == ["WorkerGone"]
        assert [type(message) for _, message in letters(events)] == [WorkerGone]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("flush", [True, False])
def test_a_monitor_that_is_taken_back_takes_back_the_message_that_waits(flush: bool, host: Host) -> None:
    """The message comes while a handler is under way, and that handler takes the monitor back."""
    with simulation() as sim:
        ref, watched = sim.spawn(AsyncPlayer, host=host), sim.spawn(Player)

        async def act(self: Any) -> None:
            first = self.monitor(watched, "first")
            self.monitor(watched, "second")
            watched.kill()
            await asyncio.sleep(1)
            assert self.ref.status().queued == 2
            self.demonitor(first, flush=flush)

        ref.ask(act)
        sim.settle()
        assert seen_by(ref) == (["second"] if flush else ["first", "second"])
        assert sim.runtime.events.dead_letters == {}


def test_a_message_taken_back_is_no_dead_letter_when_its_actor_ends() -> None:
    with simulation() as sim:
        ref, watched = sim.spawn(AsyncPlayer), sim.spawn(Player)

        async def act(self: Any) -> None:
            first = self.monitor(watched, "first")
            self.monitor(watched, "second")
            watched.kill()
            await asyncio.sleep(1)
            self.demonitor(first)
            raise OSError

        ref.tell(act)
        sim.advance(2)
        assert not ref.is_alive()
        assert sim.runtime.events.dead_letters == {"crashed": 1, "dropped": 1}


@given(
    st.lists(st.sampled_from(["monitor", "demonitor", "keep", "kill", "settle"]), max_size=20), st.sampled_from(HOSTS)
)
def test_no_message_of_a_monitor_comes_after_it_was_taken_back(acts: list[str], host: Host) -> None:
    """Whatever the order of exits and handlers is: as with a tick of a timer that is cancelled."""
    with simulation() as sim:
        ref = sim.spawn(Player, host=host)
        back: list[int] = []
        wrong: list[int] = []

        def make(number: list[int]) -> Callable[[Down], str]:
            def made(down: Down) -> str:
                if down.monitor in back:
                    wrong.append(down.monitor)
                return "gone"

            return made

        numbers: list[int] = []
        watched: list[ActorRef[Any]] = []
        for act in acts:
            match act:
                case "monitor":
                    watched.append(sim.spawn(Player))
                    ref.tell(lambda self, to=watched[-1]: numbers.append(self.monitor(to, make(numbers))))
                case "demonitor":

                    def take_back(self: Any) -> None:
                        if numbers:
                            back.append(numbers[-1])
                            self.demonitor(numbers.pop())

                    ref.tell(take_back)
                case "keep":
                    ref.tell(lambda self: self.demonitor(numbers.pop(), flush=False) if numbers else None)
                case "kill" if watched:
                    watched.pop().kill()
                case _:
                    sim.settle()
        sim.settle()
        assert wrong == []
        possessions = ref._cell.possessions
        assert possessions is None or len(possessions.monitors) <= len(numbers)


@in_loop
async def test_a_monitor_leaves_nothing_with_its_actor_when_it_has_told() -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        for _ in range(20):
            watched = await w.runtime.spawn(Player)
            number = await ref.call(watch(watched))
            watched.kill()
            await w.settle()
            await ref.call(lambda self, taken=number: self.demonitor(taken))
        assert ref._cell.possessions is not None
        assert ref._cell.possessions.monitors == set()
