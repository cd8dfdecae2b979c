"""A Ctrl-C while the main thread is inside a call of a runtime, at every place where it may come."""

from __future__ import annotations

import contextlib
import gc
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType

import pytest

from actors import ActorRef, Runtime
from tests.actors.cast import PATIENCE, Player, left_behind


class CtrlC:
    """Raises a KeyboardInterrupt at one of the places where Python calls the handlers of signals: where a function
    begins, and where a call of a builtin returns.
    """

    def __init__(self, inside: CodeType, place: int) -> None:
        """`inside`: only what this function runs counts, its callees included. `place`: 0 is the first one."""
        self._inside = inside
        self._left = place

    @property
    def raised(self) -> bool:
        return self._left < 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        """The profile function of the thread. Python removes it when it raises."""
        if event in ("call", "c_return") and self._is_inside(frame):
            self._left -= 1
            if self.raised:
                raise KeyboardInterrupt

    def _is_inside(self, frame: FrameType | None) -> bool:
        return frame is not None and (frame.f_code is self._inside or self._is_inside(frame.f_back))


@contextmanager
def profiled(by: CtrlC) -> Iterator[None]:
    """Every call of this thread is seen by `by`. The collector rests: the finalizers of other tests are not calls of
    this one.
    """
    before = sys.getprofile()
    gc.disable()
    sys.setprofile(by)
    try:
        yield
    finally:
        sys.setprofile(before)
        gc.enable()


def stopped_with(ctrl_c: CtrlC) -> bool:
    """Whether the Ctrl-C came while a runtime with an actor was stopped; nothing is left of the runtime."""
    runtime = Runtime(watchdog=None, log=False)
    with profiled(ctrl_c):
        try:
            with runtime:
                ended = runtime.spawn(Player).get().ended()
        except KeyboardInterrupt:
            assert ctrl_c.raised
        else:
            assert not ctrl_c.raised, "the block has raised the KeyboardInterrupt"
    assert (runtime.running, ended.done(), runtime.abandoned) == (False, True, 0)
    assert left_behind(runtime) == {}
    return ctrl_c.raised


def test_a_ctrl_c_anywhere_in_a_stop_is_raised_and_the_stop_completes() -> None:
    """Asked for, noted or awaited: the stop is begun and ends, and the thread with it."""
    stop = Runtime._await_stop.__code__
    came = sum(1 for _ in itertools.takewhile(lambda place: stopped_with(CtrlC(stop, place)), itertools.count()))
    assert came > 10


@pytest.mark.parametrize("send", [lambda ref: ref.tell("first"), lambda ref: ref.ask("first")], ids=["tell", "ask"])
def test_after_a_ctrl_c_anywhere_in_a_call_the_runtime_still_works(send: Callable[[ActorRef[Player]], object]) -> None:
    """The message may be lost or handled; the next one is answered, and the runtime stops."""
    for place in itertools.count():
        ctrl_c = CtrlC(send.__code__, place)
        with Runtime(watchdog=None, log=False) as runtime:
            ref = runtime.spawn(Player).get()
            idle = threading.Event()  # before the loop has done what follows the start, a call has fewer places
            runtime.control_call(idle.set)
            assert idle.wait(PATIENCE)
            with profiled(ctrl_c), contextlib.suppress(KeyboardInterrupt):
                send(ref)
            assert ref.ask("second", timeout=PATIENCE) == "second"
        assert left_behind(runtime) == {}
        if not ctrl_c.raised:
            break
    assert place > 5
