"""Functions as children in processes of their own."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest

from actors import (
    Crashed,
    CrashedExit,
    Exited,
    HandlerTimeout,
    Killed,
    Lost,
    ManualClock,
    Normal,
    Shutdown,
    Started,
    StartFailed,
)
from actors._place.place import ActorPlace
from supervisors import BackingOff, SpecError, check, child, constant, process, start, supervisor
from tests.actors.place import cast, work
from tests.actors.place.cast import Listener, hearer, placed, stage, tree, until
from tests.support import in_loop


@pytest.mark.parametrize("function", [work.begin_then_block, work.begin_then_wait], ids=lambda f: f.__name__)
@in_loop
async def test_a_function_runs_in_a_process_of_its_own(function: Any) -> None:
    """Plain or async, with its arguments; the process is killed when it does not stop in time."""
    async with stage() as s:
        ref, heard = await hearer(s)
        spec = placed("poll", function, args=(ref,), shutdown="brutal_kill")
        async with start(supervisor("root", spec), runtime=s.runtime) as root:
            _, pid = await heard.get()
            assert pid in s.pids()
            assert root.child("poll").status().host == "process"


@in_loop
async def test_a_function_that_returns_ends_as_it_does_without_a_process() -> None:
    async with stage() as s:
        ref, heard = await hearer(s)
        spec = placed("say", work.say, args={"to": ref, "what": "done"}, restart="transient")
        async with start(supervisor("root", spec), runtime=s.runtime):
            await until(lambda: s.seen(Exited))
            assert heard.get_nowait() == "done"
            assert isinstance(s.seen(Exited)[0].reason, Normal)


@in_loop
async def test_a_function_that_raises_is_restarted_with_its_traceback() -> None:
    async with stage() as s:
        spec = placed("fail", work.fail, max_restarts=1, on_limit="drop")
        async with start(supervisor("root", spec), runtime=s.runtime):
            await until(lambda: len(s.seen(CrashedExit)) == 2)
        reason = s.seen(CrashedExit)[1].reason
        assert type(reason) is Crashed
        assert isinstance(reason.exception, ValueError)
        assert "in fail" in reason.exception.__notes__[0]
        assert [each.incarnation for each in s.seen(CrashedExit)] == [1, 2]


@in_loop
async def test_a_crash_that_comes_with_the_word_of_the_start_is_a_crash() -> None:
    """Guards frames that are read in one pass of the loop: the cell gets to know of the start in the next one."""
    async with stage() as s:
        received = ActorPlace.received
        held: list[Any] = []

        def hold(place: ActorPlace, frame: Any) -> None:
            held.append((place, frame))
            if frame[0] == "crashed":
                for each in held:
                    received(*each)
                held.clear()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ActorPlace, "received", hold)
            spec = placed("fail", work.fail, restart="temporary")
            async with start(supervisor("root", spec), runtime=s.runtime):
                await until(lambda: s.seen(CrashedExit))
        assert s.seen(StartFailed) == []
        assert len(s.seen(Started)) == 2  # the supervisor's, too


@in_loop
async def test_a_function_whose_process_dies_is_lost_and_comes_again() -> None:
    async with stage() as s:
        spec = placed("die", work.kill_nine, max_restarts=2, on_limit="drop")
        async with start(supervisor("root", spec), runtime=s.runtime):
            await until(lambda: len(s.seen(CrashedExit)) == 3)
        reason = s.seen(CrashedExit)[2].reason
        assert isinstance(reason, Lost)
        assert "was killed by SIGKILL" in reason.how


@in_loop
async def test_the_order_to_stop_cancels_a_coroutine_function() -> None:
    async with stage() as s:
        ref, heard = await hearer(s)
        spec = placed("wait", work.wait_and_tidy, args=(ref,))
        async with start(supervisor("root", spec), runtime=s.runtime):
            begun = await heard.get()
        assert await heard.get() == ("cancelled", begun[1])
        (exit,) = [each for each in s.seen(Exited) if each.path == "root/wait"]
        assert isinstance(exit.reason, Shutdown)


@in_loop
async def test_a_plain_function_hears_the_order_to_stop() -> None:
    async with stage() as s:
        ref, heard = await hearer(s)
        spec = placed("wait", work.begin_then_heed, args=(ref,), shutdown="infinity")
        async with start(supervisor("root", spec), runtime=s.runtime):
            begun = await heard.get()
        assert await heard.get() == ("told", begun[1])


@in_loop
async def test_a_plain_function_that_does_not_stop_is_killed() -> None:
    clock = ManualClock()
    async with stage(clock=lambda _: clock) as s:
        ref, heard = await hearer(s)
        spec = placed("wait", work.begin_then_block, args=(ref,), shutdown=5)
        async with start(supervisor("root", spec), runtime=s.runtime) as root:
            await heard.get()
            wait = root.child("wait")
            end = wait.ended()
            root.stop(block=False)
            await until(lambda: wait.status().state == "stopping")
            clock.advance(5)
            assert isinstance(await end, Killed)


@in_loop
async def test_a_function_that_takes_too_long_is_ended_with_its_process() -> None:
    clock = ManualClock()
    async with stage(clock=lambda _: clock) as s:
        ref, heard = await hearer(s)
        spec = placed("wait", work.begin_then_block, args=(ref,), handler_timeout=60, restart="temporary")
        async with start(supervisor("root", spec), runtime=s.runtime) as root:
            end = root.child("wait").ended()
            await heard.get()
            clock.advance(60)
            reason = await end
        assert isinstance(reason, Crashed)
        assert isinstance(reason.exception, HandlerTimeout)


@in_loop
async def test_the_time_of_a_function_ends_with_it() -> None:
    """Guards actors, too, whose `on_continue` has returned: they have no time limit any more."""
    clock = ManualClock()
    async with stage(clock=lambda _: clock) as s:
        ref, heard = await hearer(s)
        spec = child("go", cast.Continuing, args=(ref,), host=process(), handler_timeout=60)
        async with start(supervisor("root", spec), runtime=s.runtime) as root:
            assert await heard.get() == "continued"
            go = root.child("go")
            assert await go.call("asked") == "asked"
            await until(lambda: not go._cell.active)  # that its handler has ended is said after its answer
            clock.advance(60)
            assert await go.call("again") == "again"
            assert go.incarnation == 1


def faults(make: Any) -> str:
    with pytest.raises(SpecError) as caught:
        make()
    return str(caught.value)


def test_a_function_that_another_process_cannot_find_is_a_fault() -> None:
    def inner() -> None:
        pass

    assert "a lambda has no name" in faults(lambda: child("a", lambda: None, host=process()))
    assert "inner is defined in a function" in faults(lambda: child("a", inner, host=process()))
    assert "inner is defined in a function" in faults(lambda: child("a", partial(inner), host=process()))
    assert child("a", partial(work.say, what=1), host=process()).host == process()


def test_prefetch_is_a_fault_for_a_function() -> None:
    assert "prefetch=2 with a plain function" in faults(lambda: child("a", work.pid, host=process(prefetch=2)))


@pytest.mark.parametrize(
    "spec",
    [
        child("a", work.double, args=(threading.Lock(),), host=process()),
        child("a", partial(work.double, plus=threading.Lock()), args=(1,), host=process()),  # type: ignore[arg-type]
    ],
    ids=["args", "partial"],
)
def test_arguments_that_cannot_be_pickled_are_a_finding(spec: Any) -> None:
    (finding,) = check(supervisor("root", spec)).errors
    assert "cannot be pickled for host=process()" in finding.message


@in_loop
async def test_the_backoff_of_a_function_is_that_of_any_child() -> None:
    clock = ManualClock()
    async with stage(clock=lambda _: clock) as s:
        ref = await s.runtime.spawn(Listener)
        spec = child("say", work.say, args=(ref, "word"), host=process(), backoff=constant(30))
        async with start(supervisor("root", spec), runtime=s.runtime) as root:
            say = root.child("say")
            for incarnation in (1, 2):
                await until(lambda: len(s.seen(BackingOff)) == incarnation)
                assert say.incarnation == incarnation
                clock.advance(30)


@in_loop
async def test_a_function_beside_others_does_not_hold_them_up() -> None:
    async with tree(placed("spin", work.spin, shutdown="brutal_kill"), placed("b")) as (_, root):
        assert await root.child("b").call("hi") == "hi"
