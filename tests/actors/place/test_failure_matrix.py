"""What happens to an actor in a process of its own, and what its askers, its supervisor and its messages get."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors import (
    ActorDeadError,
    Crashed,
    CrashedExit,
    DeadLetter,
    HandlerTimeout,
    Killed,
    Lost,
    ManualClock,
    NotReceivable,
    NotSendable,
    PlaceLost,
    PlaceSilent,
    Quarantined,
    Redelivered,
    RemoteError,
    StartError,
    VersionMismatch,
)
from actors._place.launcher import Launcher
from actors._place.process import ProcessCarrier, ProcessCarriers
from supervisors import child, start, supervisor
from tests.actors.hostile import NoClass
from tests.actors.place import cast
from tests.actors.place.cast import (
    AsyncPerformer,
    Door,
    Listener,
    Load,
    Performer,
    crash_of,
    noting,
    pid,
    placed,
    placing,
    stage,
    tree,
)
from tests.support import in_loop

ENDS = [
    (cast.segfault, signal.SIGSEGV, None, "was killed by SIGSEGV"),
    (cast.abort, signal.SIGABRT, None, "was killed by SIGABRT"),
    (cast.leave, None, 7, "ended with exit code 7"),
    (cast.kill_nine, signal.SIGKILL, None, "was killed by SIGKILL"),
]


@in_loop
async def test_a_handler_that_raises_is_a_crash_with_the_traceback_from_there() -> None:
    """Guards the error of the asker and the reason of the exit: the same exception, with its remote traceback."""
    async with tree(placed()) as (s, root):
        a = root.child("a")
        down = a.monitor()
        with pytest.raises(ValueError, match="no luck") as caught:
            await a.call(cast.fail)
        assert "in fail" in caught.value.__notes__[0]
        reason = (await down).reason
        assert type(reason) is Crashed
        assert isinstance(crash_of(reason), ValueError)
        assert await a.call("next") == "next"
        assert a.incarnation == 2
        (exit,) = s.seen(CrashedExit)
        assert exit.message_type == "function"


@in_loop
async def test_an_exception_whose_class_cannot_be_asked_for_crosses_as_it_is() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        down = a.monitor()
        error = await first_error(a.call(cast.fail_without_class))
        assert type(error) is NoClass
        assert type(crash_of((await down).reason)) is NoClass
        assert await a.call("next") == "next"


async def first_error(answer: Any) -> BaseException | None:
    """What the call raises; `pytest` cannot show what such an exception is."""
    try:
        await answer
    except NoClass as error:
        return error
    return None


@in_loop
async def test_an_exception_that_cannot_be_pickled_is_told_by_its_class_and_text() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        down = a.monitor()
        with pytest.raises(RemoteError) as caught:
            await a.call(cast.fail_oddly)
        assert (caught.value.type, caught.value.text) == ("Odd", "very odd")
        assert isinstance(crash_of((await down).reason), RemoteError)


EXITS = [RuntimeError, SystemExit, GeneratorExit, asyncio.CancelledError]


@pytest.mark.parametrize("error", EXITS)
@in_loop
async def test_a_message_that_cannot_be_sent_is_refused_and_the_actor_lives(error: type[BaseException]) -> None:
    async with tree(placed()) as (s, root):
        a = root.child("a")
        before = await a.call(pid)
        with pytest.raises(NotSendable, match="the message of type Unsendable"):
            await a.call(cast.Unsendable(error))
        a.tell(cast.Unsendable(error))
        assert await a.call(pid) == before
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["unsendable", "unsendable"]


@pytest.mark.parametrize("error", EXITS)
@in_loop
async def test_a_message_that_cannot_be_read_is_refused_and_the_actor_lives(error: type[BaseException]) -> None:
    async with tree(placed()) as (s, root):
        a = root.child("a")
        before = await a.call(pid)
        with pytest.raises(NotReceivable, match="a message"):
            await a.call(cast.Unreadable(error))
        a.tell(cast.Unreadable(error))
        assert await a.call(pid) == before
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["unsendable", "unsendable"]


@pytest.mark.parametrize(
    ("message", "error"), [(cast.give_unsendable, NotSendable), (cast.give_unreadable, NotReceivable)]
)
@in_loop
async def test_an_answer_that_cannot_travel_is_an_error_of_the_asker(message: Any, error: type[Exception]) -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        before = await a.call(pid)
        with pytest.raises(error, match="answer"):
            await a.call(message)
        assert await a.call(pid) == before


@in_loop
async def test_the_memory_limit_raises_a_memory_error() -> None:
    async with tree(placed(host=placing(memory="512 MiB"))) as (_, root):
        a = root.child("a")
        down = a.monitor()
        with pytest.raises(MemoryError):
            await a.call(cast.allocate)
        assert isinstance(crash_of((await down).reason), MemoryError)


@in_loop
async def test_a_process_over_its_memory_limit_is_ended() -> None:
    """Memory that is shared does not count for the limit of the kernel: the program looks once a second."""
    clock = ManualClock()
    async with stage(clock=lambda _: clock) as s:
        spec = supervisor("root", placed(host=placing(memory="128 MiB")))
        async with start(spec, runtime=s.runtime) as root:
            a = root.child("a")
            assert await a.call(partial(cast.share_memory, mebibytes=64)) == 64 << 20
            clock.advance(1)
            await a.call(partial(cast.share_memory, mebibytes=72))
            down = a.monitor()
            clock.advance(1)
            reason = (await down).reason
            assert isinstance(reason, Lost)
            assert re.search(r"was ended over its memory limit: it had 1[3-9]\d MiB, and may have 128 MiB", reason.how)
            assert reason.signal == signal.SIGKILL
            assert await a.call("next") == "next"


@pytest.mark.parametrize("hold", [cast.spin, cast.stuck_in_c])
@in_loop
async def test_a_process_that_does_not_answer_is_told_once(hold: Any, tmp_path: Path) -> None:
    """With the name of the message, and again after it has answered in between."""
    clock, door = ManualClock(), Door(tmp_path)
    async with stage(clock=lambda _: clock, default_timeout=None) as s:
        spec = supervisor("root", placed(host=placing(silent_after=10), restart="temporary"))
        async with start(spec, runtime=s.runtime) as root:
            a = root.child("a")
            assert await a.call("word") == "word"
            clock.advance(10)
            held = a.ask(door.then(hold), block=False, timeout=None)
            await door.opened()
            clock.advance(10)
            assert s.seen(PlaceSilent) == []
            for _ in range(3):
                clock.advance(10)
            (silent,) = s.seen(PlaceSilent)
            assert (silent.path, silent.seconds, silent.message_type) == ("root/a", 10, "partial")
            assert silent.place.startswith("process ")
            a.kill()
            with pytest.raises(ActorDeadError):
                await held
        assert clock.pending == 0


@in_loop
async def test_a_process_that_answers_is_not_silent(tmp_path: Path) -> None:
    """Its handler waits, and its event loop goes on."""
    clock = ManualClock()
    async with stage(clock=lambda _: clock) as s:
        a = await s.runtime.spawn(AsyncPerformer, host=placing(silent_after=10))
        waiting = a.ask(cast.wait_long, block=False, timeout=None)
        for _ in range(5):
            clock.advance(10)
            await a.call("it has read what was sent before")
            await a.call("and has answered it")
        assert s.seen(PlaceSilent) == []
        a.kill()
        with pytest.raises(ActorDeadError):
            await waiting


@in_loop
async def test_without_a_memory_limit_nothing_looks_at_the_memory() -> None:
    clock = ManualClock()
    async with stage(clock=lambda _: clock) as s:
        await s.runtime.spawn(Performer, host=placing())
        before = clock.pending
        await s.runtime.spawn(Performer, host=placing(memory="128 MiB"))
        assert clock.pending == before + 1


@in_loop
async def test_what_a_process_says_is_heard_once_it_is_known_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two come over different sockets, and that which forks may be slow to tell."""
    told, clock, held = Launcher._told, ManualClock(), list[asyncio.Future[None]]()

    async def tell_late(launcher: Launcher, news: Any, link: socket.socket) -> None:
        passes = 0
        while passes < 10:  # with something from the process that is not heard, or heard all
            await asyncio.sleep(0)
            passes = passes + 1 if started.done() or select.select([link], [], [], 0)[0] else 0
        told(launcher, news)

    def hear(launcher: Launcher, news: Any) -> None:
        if news[0] != "forked":
            told(launcher, news)
            return
        carrier = launcher._waiting[news[1]]
        assert isinstance(carrier, ProcessCarrier)
        held.append(asyncio.ensure_future(tell_late(launcher, news, carrier._link._socket)))

    async with stage(clock=lambda _: clock) as s:
        await s.runtime.spawn(Performer, host=placing())
        before = clock.pending
        monkeypatch.setattr(Launcher, "_told", hear)
        started = s.runtime.spawn(Performer, host=placing(memory="128 MiB"))
        await started
        assert clock.pending == before + 1, "its memory is looked at from its start"
        assert held[0].done()


@pytest.mark.parametrize(("message", "number", "code", "how"), ENDS, ids=lambda value: getattr(value, "__name__", ""))
@in_loop
async def test_the_end_of_the_process_is_told_with_its_cause(message: Any, number: Any, code: Any, how: str) -> None:
    """Guards guarantees 1, 3 and 5: the asker has an error, the supervisor a reason, and what waited is handled."""
    async with tree(placed()) as (s, root):
        a = root.child("a")
        process_id = await a.call(pid)
        down = a.monitor()
        asked = a.ask(message, block=False)
        a.tell(noting(1))
        with pytest.raises(PlaceLost, match=how):
            await asked
        reason = (await down).reason
        assert isinstance(reason, Lost)
        assert reason.kind == "lost"
        assert (reason.signal, reason.exit_code) == (number, code)
        assert reason.how == f"process {process_id} {how}"
        assert reason.max_rss is not None
        assert reason.max_rss > 1 << 20
        assert reason.cpu is not None
        assert await a.call(cast.notes) == [1]
        assert a.incarnation == 2
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["lost"]
        assert a.statistics().crashes == 1


@in_loop
async def test_the_stack_of_a_segfault_is_in_the_error() -> None:
    async with tree(placed()) as (_, root):
        with pytest.raises(PlaceLost) as caught:
            await root.child("a").call(cast.segfault)
        assert "in segfault" in caught.value.__notes__[0]


@in_loop
async def test_a_process_that_is_killed_while_idle_is_noticed() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        down = a.monitor()
        os.kill(await a.call(pid), signal.SIGKILL)
        reason = (await down).reason
        assert isinstance(reason, Lost)
        assert await a.call("again") == "again"


@pytest.mark.parametrize("prefetch", [1, 4])
@in_loop
async def test_a_message_that_ends_the_process_that_reads_it_is_a_cause(prefetch: int) -> None:
    """Guards against a process that dies for ever: no handler begins with it. The others keep their order."""
    async with tree(placed(host=placing(prefetch=prefetch))) as (s, root):
        a = root.child("a")
        first, second = a.call("first"), a.call("second")
        asked, after = a.call(cast.EndsItsReader()), a.call("after")
        with pytest.raises(PlaceLost, match="exit code 3"):
            await asked
        assert [await each for each in (first, second, after)] == ["first", "second", "after"]
        assert a.incarnation == 2
        assert [(letter.reason, type(letter.message)) for letter in s.seen(DeadLetter)] == [
            ("lost", cast.EndsItsReader)
        ]


@in_loop
async def test_a_message_that_ends_its_reader_is_redelivered_then_quarantined() -> None:
    async with tree(placed(redeliver=1)) as (s, root):
        a = root.child("a")
        a.tell(cast.EndsItsReader())
        assert await a.call("after") == "after"
        assert a.incarnation == 3
        assert [(held.path, held.crashes) for held in s.runtime.quarantine] == [("root/a", 2)]


@in_loop
async def test_a_message_that_ends_its_process_is_redelivered_then_quarantined() -> None:
    """Rule 27 holds across a place: the message that did it is known."""
    async with tree(placed(redeliver=1)) as (s, root):
        a = root.child("a")
        a.tell(cast.segfault)
        a.tell(noting("after"))
        while not s.seen(Quarantined):
            await asyncio.sleep(0.001)
        assert await a.call(cast.notes) == ["after"]
        assert a.incarnation == 3
        (again,), (kept,) = s.seen(Redelivered), s.seen(Quarantined)
        assert again.message is cast.segfault
        assert kept.message is cast.segfault
        assert kept.crashes == 2
        assert isinstance(kept.error, PlaceLost)


@in_loop
async def test_an_asked_message_is_not_delivered_again() -> None:
    async with tree(placed(redeliver=3)) as (s, root):
        a = root.child("a")
        with pytest.raises(PlaceLost):
            await a.call(cast.segfault)
        assert await a.call("next") == "next"
        assert a.incarnation == 2
        assert not s.seen(Redelivered)


@pytest.mark.parametrize("message", [cast.spin, cast.stuck_in_c])
@in_loop
async def test_kill_ends_a_process_whatever_it_does(message: Any, tmp_path: Path) -> None:
    door = Door(tmp_path)
    async with tree(placed()) as (_, root):
        a = root.child("a")
        process_id = await a.call(pid)
        down = a.monitor()
        a.tell(door.then(message))
        await door.opened()
        a.kill()
        assert (await down).reason == Killed("kill() was called")
        assert cast.wait_for_end(process_id)
        assert await a.call("next") == "next"


@in_loop
async def test_a_process_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    door = Door(tmp_path)
    async with stage() as s:
        a = await s.runtime.spawn(Performer, host=placing(), shutdown=0.05)
        a.tell(door.then(cast.spin))
        await door.opened()
        a.stop(block=False, drain=False)
        assert await a.ended() == Killed("did not stop in time")


@in_loop
async def test_a_handler_timeout_ends_the_process_and_the_message_is_known(tmp_path: Path) -> None:
    clock, door = ManualClock(), Door(tmp_path)
    async with stage(clock=lambda _: clock) as s:
        tree = supervisor("root", placed(handler_timeout=10, redeliver=1))
        async with start(tree, runtime=s.runtime) as root:
            a = root.child("a")
            a.tell(door.then(cast.spin))
            a.tell(noting("after"))
            for crashes in (1, 2):
                down = a.monitor()
                await door.opened()
                clock.advance(11)
                assert isinstance(crash_of((await down).reason), HandlerTimeout)
                assert a.statistics().crashes == crashes
            assert await a.call(cast.notes) == ["after"]
            (kept,) = s.seen(Quarantined)
            assert kept.crashes == 2


@in_loop
async def test_others_go_on_while_a_process_computes(tmp_path: Path) -> None:
    door = Door(tmp_path)
    async with tree(placed("a"), placed("b"), child("listener", Listener)) as (_, root):
        a, b, listener = root.child("a"), root.child("b"), root.child("listener")
        a.tell(door.then(cast.spin))
        await door.opened()
        assert await b.call("answer") == "answer"
        assert await listener.call("me too") == ("heard", "me too")
        a.kill()


@pytest.mark.usefixtures("new_zygotes")
@in_loop
async def test_places_go_on_when_what_forked_them_ends_and_new_ones_start() -> None:
    async with tree(placed("a"), placed("b")) as (s, root):
        a, b = root.child("a"), root.child("b")
        before = await a.call(pid)
        processes = s.runtime.place_hosts["process"].carriers
        assert isinstance(processes, ProcessCarriers)
        zygote = processes.launcher.pid
        assert zygote is not None
        os.kill(zygote, signal.SIGKILL)
        while processes.launcher.pid == zygote:
            await asyncio.sleep(0.001)
        assert await a.call(pid) == before
        down = b.monitor()
        os.kill(await b.call(pid), signal.SIGKILL)
        reason = (await down).reason
        assert isinstance(reason, Lost)
        assert (reason.signal, reason.exit_code) == (None, None)
        assert await b.call(pid) not in (before, zygote)


@in_loop
async def test_without_memory_for_a_process_the_start_fails_with_its_error() -> None:
    async with stage() as s:
        with pytest.raises(StartError, match="fork failed: .*Cannot allocate memory") as caught:
            await s.runtime.spawn(Performer, host=placing(preload=["tests.actors.place.forkless"]))
        assert isinstance(caught.value.__cause__, OSError)
        assert len(s.pids()) == 1, "that which forks the others"


@in_loop
async def test_an_import_that_starts_a_thread_is_refused_by_its_name() -> None:
    async with stage() as s:
        with pytest.raises(StartError, match="started the thread 'a thread of an import'") as caught:
            await s.runtime.spawn(Performer, host=placing(preload=["tests.actors.place.threaded"]))
        assert isinstance(caught.value.__cause__, OSError)
        a = await s.runtime.spawn(Performer, host=placing())
        assert await a.call("answer") == "answer"


@in_loop
async def test_a_module_that_cannot_be_imported_fails_the_start() -> None:
    async with stage() as s:
        a = await s.runtime.spawn(Performer, host=placing(preload=["tests.actors.place.not_there"]))
        load: object = Load(number=1)
        assert await a.call(load) == load


@in_loop
async def test_another_version_over_there_fails_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors._place.place.VERSION", "Python 2.7")
    async with stage() as s:
        with pytest.raises(StartError) as caught:
            await s.runtime.spawn(Performer, host=placing())
        assert isinstance(caught.value.__cause__, VersionMismatch)


@in_loop
async def test_arguments_that_cannot_be_pickled_fail_the_start() -> None:
    async with stage() as s:
        with pytest.raises(StartError, match="cannot be pickled"):
            await s.runtime.spawn(Performer, args=(cast.Unsendable(),), host=placing())
        with pytest.raises(StartError, match="cannot be read"):
            await s.runtime.spawn(Performer, args=(cast.Unreadable(),), host=placing())


@in_loop
async def test_no_room_for_a_process_fails_the_start_and_leaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards what was opened before the failure: the stage looks for descriptors that are left."""

    def none(*_: object) -> int:
        raise OSError(24, "Too many open files")

    async with stage() as s:
        a = await s.runtime.spawn(Performer, host=placing())
        for name in ("memfd_create", "pipe", "dup"):
            with monkeypatch.context() as patched:
                patched.setattr(f"os.{name}", none)
                with pytest.raises(StartError, match="Too many open files"):
                    await s.runtime.spawn(Performer, args=(a,), host=placing())
        assert a.status().monitors == 0
        assert await a.call(1) == 1


@in_loop
async def test_the_error_of_an_answer_from_a_thread_there_never_gets_lost() -> None:
    """A handler in a thread says first that it has failed, and then answers with its error."""
    async with tree(placed(start=cast.Refusing)) as (_, root):
        for _ in range(200):
            with pytest.raises(ValueError, match="no luck"):
                await root.child("a").call(cast.fail)
        assert root.child("a").incarnation == 1
