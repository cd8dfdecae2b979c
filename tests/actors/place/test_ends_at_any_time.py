"""A process that is killed at any moment of its life: nothing is lost in silence, and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections import Counter
from functools import partial
from typing import Any

import pytest

from actors import Crashed, DeadLetter, Killed, Lost, ManualClock, PlaceLost, Runtime, StartError, StartTimeout, process
from actors._place.place import ActorPlace
from actors._place.process import ProcessCarrier, ProcessCarriers
from supervisors import child, start, supervisor
from tests.actors.place import cast
from tests.actors.place.cast import Listener, Performer, hearer, pid, placed, stage, tree
from tests.actors.place.test_prefetch import Recorder
from tests.support import in_loop

SUBTREE_FRAMES = 80
"""More than the process of a subtree sends in a life of its test."""
FRAMES = 16
"""More than the process sends in a life of the test below."""


class Killer:
    """Kills a process when it has sent so many frames."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at: int | None = None
        self.count = 0
        self.fired = False
        original = ActorPlace.received

        def received(place: ActorPlace, frame: tuple[Any, ...]) -> None:
            if place.path.endswith("/victim"):
                self.count += 1
                if self.count == self.at:
                    self.fired = True
                    assert isinstance(place._carrier, ProcessCarrier)
                    place._carrier._signal()
            original(place, frame)

        monkeypatch.setattr(ActorPlace, "received", received)


@in_loop
async def test_a_process_killed_at_any_frame_loses_nothing_in_silence() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        killer = Killer(monkeypatch)
        async with tree(child("listener", Listener), max_restarts=None) as (s, root):
            listener = root.child("listener")
            for number in range(2, FRAMES):
                killer.at, killer.count, killer.fired = number, 0, False
                await listener.call(forget)
                s.events.clear()
                spec = placed("victim", Recorder, args=(listener,), host=process(prefetch=3), retry_start=True)
                victim = await root.start_child(spec)
                asked = [victim.ask(f"asked {each}", block=False) for each in range(2)]
                sent = list(range(4))
                for each in sent:
                    victim.tell(each)
                asked.append(victim.ask("asked last", block=False))
                for question in asked:
                    with contextlib.suppress(PlaceLost):
                        assert str(await question).startswith("asked")
                with contextlib.suppress(PlaceLost):
                    await victim.call("asked at the end")
                await root.terminate_child("victim")
                await root.delete_child("victim")
                heard = [each for each in await listener.call(cast.heard) if isinstance(each, int)]
                lost = [letter.message for letter in s.seen(DeadLetter) if letter.reason == "lost"]
                assert set(heard) | set(lost) >= set(sent), number
                assert heard == sorted(set(heard)), number
                assert len(lost) <= killer.fired, number


@in_loop
async def test_a_subtree_killed_at_any_frame_loses_nothing_in_silence() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        killer = Killer(monkeypatch)
        async with tree(child("listener", Listener), max_restarts=None) as (s, root):
            listener = root.child("listener")
            actors, names = set(s.runtime.cells), s.runtime.registry.size
            for number in range(2, SUBTREE_FRAMES):
                killer.at, killer.count, killer.fired = number, 0, False
                await listener.call(forget)
                s.events.clear()
                inner = supervisor(
                    "sub", child("b", Recorder, args=(listener,), name="recorder", backoff=None), backoff=None
                )
                spec = supervisor(
                    "victim", child("a", Performer), inner, host=process(), backoff=None, retry_start=True
                )
                await root.start_child(spec)
                b = root.child("victim/sub/b")
                asked = [b.ask(f"asked {each}", block=False) for each in range(2)]
                sent = list(range(4))
                for each in sent:
                    b.tell(each)
                asked.append(root.supervisor("victim").count_children())
                asked.append(b.ask("asked last", block=False))
                for question in asked:
                    with contextlib.suppress(PlaceLost):
                        await question
                with contextlib.suppress(PlaceLost):
                    await b.call("asked at the end")
                assert s.runtime.whereis("recorder") is b
                await root.terminate_child("victim")
                await root.delete_child("victim")
                heard = [each for each in await listener.call(cast.heard) if isinstance(each, int)]
                letters = [letter for letter in s.seen(DeadLetter) if letter.reason == "lost"]
                lost = [letter.message for letter in letters]
                assert set(heard) | {each for each in lost if isinstance(each, int)} >= set(sent), number
                assert heard == sorted(set(heard)), number
                under_way = Counter(letter.path for letter in letters)  # one to each actor there
                assert all(count <= killer.fired for count in under_way.values()), number
                assert (set(s.runtime.cells), s.runtime.registry.size) == (actors, names), number
            assert not killer.fired  # there is no later frame


def forget(self: Any) -> None:
    self.heard.clear()


@in_loop
async def test_a_kill_before_the_process_is_there_leaves_none() -> None:
    async with stage() as s:
        coming = s.runtime.spawn(Performer, host=process(), name="early")
        early = s.runtime.find("early")
        assert early is not None
        await asyncio.sleep(0)
        early.kill()
        with pytest.raises(StartError) as caught:
            await coming
        assert isinstance(caught.value.reason, Killed)
        later = await s.runtime.spawn(Performer, host=process())
        assert await later.call(1) == 1


@pytest.mark.usefixtures("new_zygotes")
@in_loop
async def test_an_import_that_never_ends_costs_its_own_start_alone() -> None:
    async with stage() as s:
        with pytest.raises(StartError) as caught:
            await s.runtime.spawn(Performer, host=process(preload=["tests.actors.place.hanging"]), start_timeout=0.1)
        assert isinstance(caught.value.reason, Crashed)
        assert isinstance(caught.value.reason.exception, StartTimeout)
        later = await s.runtime.spawn(Performer, host=process())
        assert await later.call(1) == 1


@in_loop
async def test_an_import_that_never_ends_after_a_start_costs_its_own_alone() -> None:
    """Guards the other processes against a preloaded module: what forks them all imports it."""
    async with stage() as s:
        before = await s.runtime.spawn(Performer, host=process())
        with pytest.raises(StartError) as caught:
            await s.runtime.spawn(Performer, host=process(preload=["tests.actors.place.hanging"]), start_timeout=0.1)
        assert isinstance(caught.value.reason, Crashed)
        assert isinstance(caught.value.reason.exception, StartTimeout)
        later = await s.runtime.spawn(Performer, host=process())
        assert [await each.call(1) for each in (before, later)] == [1, 1]


@in_loop
async def test_an_import_that_is_given_up_before_it_begins_costs_its_own() -> None:
    """What forks the processes was busy, or slow: it has the request, and would import for ever when it goes on."""
    async with stage() as s:
        before = await s.runtime.spawn(Performer, host=process())
        processes = s.runtime.place_hosts["process"].carriers
        assert isinstance(processes, ProcessCarriers)
        zygote = processes.launcher.pid
        assert zygote is not None
        os.kill(zygote, signal.SIGSTOP)
        coming = s.runtime.spawn(Performer, host=process(preload=["tests.actors.place.hanging"]), name="early")
        early = s.runtime.find("early")
        assert early is not None
        await asyncio.sleep(0)
        early.kill()
        with pytest.raises(StartError):
            await coming
        with contextlib.suppress(ProcessLookupError):
            os.kill(zygote, signal.SIGCONT)
        later = await s.runtime.spawn(Performer, host=process())
        assert [await each.call(1) for each in (before, later)] == [1, 1]


@in_loop
async def test_a_process_that_ends_in_its_start_fails_the_start() -> None:
    async with stage() as s:
        with pytest.raises(StartError) as caught:
            await s.runtime.spawn(Dying, host=process())
        assert isinstance(caught.value.reason, Lost)
        assert caught.value.reason.exit_code == 3


class Dying(Performer):
    def on_start(self) -> None:
        os._exit(3)


class DyingInStop(Performer):
    def on_stop(self) -> None:
        os._exit(4)


@in_loop
async def test_a_process_that_ends_in_its_stop_is_lost() -> None:
    async with stage() as s:
        a = await s.runtime.spawn(DyingInStop, host=process())
        a.stop(block=False)
        reason = await a.ended()
        assert isinstance(reason, Lost)
        assert reason.exit_code == 4


@in_loop
async def test_a_process_is_not_killed_while_it_sends_what_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has said that it ends, and takes longer than `kill_grace` to do so: the machine may be slow."""
    clock, received, late = ManualClock(), ActorPlace.received, [0.9, 0.9, 0.9]

    def slowly(place: ActorPlace, frame: Any) -> None:
        if frame[0] == "tell" and place._gone is not None and late:
            clock.advance(late.pop())
        received(place, frame)

    monkeypatch.setattr(ActorPlace, "received", slowly)
    async with stage(clock=lambda _: clock, kill_grace=1) as s:
        a = await s.runtime.spawn(Performer, host=process())
        heard, queue = await hearer(s)
        assert await a.call(partial(cast.flood, to=heard, count=5000)) == 5000
        assert await a.stop(block=False)
        await heard.call("last")
        assert [queue.get_nowait() for _ in range(queue.qsize())] == [*range(5000), "last"]
    assert late == []


HANDLED = threading.Event()
"""Set in a process when its handler has ended."""


def handlers_come_first(self: Any) -> None:
    """From now on the loop of this process goes on after a frame when the handler of its message has ended."""
    peer = self._cell.runtime.peer
    heard = peer._heard

    def hear(frame: tuple[Any, ...]) -> None:
        HANDLED.clear()
        heard(frame)
        if frame[0] == "message":
            HANDLED.wait(60)

    peer._heard = hear


def is_alive(_: Any, ref: Any) -> bool:
    try:
        return bool(ref.is_alive())
    finally:
        HANDLED.set()


@in_loop
async def test_a_thread_of_a_process_never_takes_an_ended_actor_for_alive() -> None:
    """Guards a handler that is faster than the loop of its process: what it is told comes after that end."""
    async with stage() as s:
        a = await s.runtime.spawn(cast.ThreadPerformer, host=process())
        listener = await s.runtime.spawn(Listener)
        await a.call(handlers_come_first)
        await listener.stop(block=False)
        assert await a.call(partial(is_alive, ref=listener)) is False


@in_loop
async def test_a_process_that_tells_for_ever_after_its_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait ends, also that for what waited."""
    monkeypatch.setattr("actors._place.place.GRACES", 3)
    clock, received, kill = ManualClock(), ActorPlace.received, ProcessCarrier.kill
    told, pids, killed_at = list[Any](), list[int](), list[float]()

    def hear(place: ActorPlace, frame: Any) -> None:
        if frame[0] == "tell":
            told.append(frame)
        if frame[0] == "gone":
            with contextlib.suppress(ProcessLookupError):  # it may have ended, and the end was not heard of
                os.kill(pids[0], signal.SIGSTOP)
        received(place, frame)
        if frame[0] == "gone":
            for _ in range(9):
                received(place, told[-1])
                clock.advance(1)

    def killed(carrier: ProcessCarrier) -> None:
        killed_at.append(clock.now())
        kill(carrier)

    monkeypatch.setattr(ActorPlace, "received", hear)
    monkeypatch.setattr(ProcessCarrier, "kill", killed)
    async with stage(clock=lambda _: clock, kill_grace=1) as s:
        a = await s.runtime.spawn(Performer, host=process())
        heard, _ = await hearer(s)
        pids.append(await a.call(pid))
        await a.call(partial(cast.flood, to=heard, count=1))
        await a.stop(block=False)
        assert killed_at[0] == 3


@in_loop
async def test_a_runtime_that_is_lost_leaves_no_process() -> None:
    async with stage() as s:
        a = await s.runtime.spawn(Performer, host=process())
        await a.call(1)
        s.runtime.kill()
        assert isinstance(await a.ended(), Killed)


def test_a_loop_that_is_closed_early_leaves_no_process() -> None:
    """Guards the last line of defence: the runtime is lost with its loop."""
    loop = asyncio.new_event_loop()

    async def begin() -> int:
        runtime = await Runtime(log=False, watchdog=None).__aenter__()
        a = await runtime.spawn(Performer, host=process())
        found: int = await a.call(pid)
        return found

    gc.disable()  # what is left is finalized in the order in which it was made: the runtime before its sockets
    try:
        process_id = loop.run_until_complete(begin())
        loop.close()
        gc.collect()  # the tasks of the loop end, and say so
    finally:
        gc.enable()
    assert cast.wait_for_end(process_id)


@in_loop
async def test_a_tree_stops_its_places_in_order_and_restarts_them_by_strategy() -> None:
    async with stage() as s:
        spec = supervisor("root", placed("a"), placed("b"), placed("c"), strategy="one_for_all")
        async with start(spec, runtime=s.runtime) as root:
            before = [await root.child(id).call(pid) for id in "abc"]
            root.child("b").tell(cast.segfault)
            after = [await root.child(id).call(pid) for id in "bca"]
            assert not set(before) & set(after)
