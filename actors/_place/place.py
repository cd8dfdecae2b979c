"""A place: the process of one incarnation, seen from the program that started it.

It has the messages that are under way to the process until the process has handled them, so that none is lost with it.
The next incarnation begins when the process was reaped, and not before. Everything here is called on the loop thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from actors._core.clock import TimerHandle
from actors._core.envelope import Envelope
from actors._core.life import BEING_KILLED
from actors._core.placed import NOTHING, PlacedStart, PlacedType
from actors._place.codec import Codec, RefKey, key_for
from actors._place.launcher import signal_name
from actors._place.link import FrameLink
from actors._place.outward import Outward
from actors._place.traffic import Traffic
from actors.errors import IgnoreStart, NotReceivable, NotSendable, PlaceLost, VersionMismatch
from actors.events import HookFailed, LifecycleEvent
from actors.reasons import Crashed, ExitReason, Killed

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.ref import ActorRef
    from actors._place.host import PlaceHost

PROTOCOL = 1
"""The version of the frames between the two processes."""
VERSION = f"Python {sys.version.split()[0]} with protocol {PROTOCOL}"
NOTES = struct.Struct("=Qd")
"""What the process notes in memory that both share: the number of the last message that the actor has begun with, and
when it did, by the monotonic clock of the system. It is there when the process is not.
"""


class ProcessPlace:
    """The process of one incarnation."""

    def __init__(self, host: PlaceHost, cell: Cell, kind: PlacedType) -> None:
        self._host = host
        self._cell = cell
        self._kind = kind
        self._runtime = cell.runtime
        self.path = cell.path
        self.incarnation = cell.incarnation
        self.name = "a process that has not begun"
        """The process in words, such as `process 4711`."""
        self.codec = Codec(self.key_of, self._ref_of)
        self.started: asyncio.Future[None] = self._runtime.loop.create_future()
        """Settled when the actor is up, or with the exception that failed its start."""
        self.over: asyncio.Future[None] = self._runtime.loop.create_future()
        """Settled when the process was reaped, and its messages have their fate."""
        self._begun = self._forked = False
        self.traffic = Traffic(self, cell, kind)
        self._outward = Outward(self, cell)
        self._link: FrameLink
        self._lookups: FrameLink
        self._request = 0
        self._lifeline = -1
        self._process = -1
        self._faults = -1
        self._notes = -1
        self._closed = False
        self._ending = False
        """Whether the actor there ends, by a crash or its own wish, or was told to."""
        self._killed = False
        self._gone: tuple[ExitReason | None, object] | None = None
        """What the process said last: the reason of the exit, and what was carried over."""
        self._error: BaseException | None = None
        """How the process ended, if it was not told to."""
        self._grace: TimerHandle | None = None

    # The start

    def begin(self, start: PlacedStart) -> None:
        """Asks for the process. Raises `NotSendable` when what it begins with cannot be pickled, and OSError."""
        if sys.platform != "linux":
            raise OSError("host=process() needs Linux: give the actor another host, such as host='thread'")
        with contextlib.ExitStack() as opened:
            opened.callback(self._outward.close)  # that the arguments name other actors is forgotten, too
            first = self._first_frame(start)
            here, there = map(opened.enter_context, socket.socketpair())
            asking, asked = map(opened.enter_context, socket.socketpair())
            reader, self._lifeline = os.pipe()
            opened.callback(os.close, reader)
            opened.callback(os.close, self._lifeline)
            self._faults = _kept(opened, os.memfd_create("faults"))
            self._notes = _kept(opened, os.memfd_create("notes"))
            os.ftruncate(self._notes, NOTES.size)
            copies = opened.enter_context(contextlib.ExitStack())
            ends = (there.fileno(), reader, asked.fileno(), self._faults, self._notes)
            theirs = [_kept(copies, os.dup(each)) for each in ends]
            loop, context = self._runtime.loop, self._runtime.context
            self._link = FrameLink(loop, context, here, self._received, self._link_lost)
            opened.callback(self._link.close)
            self._lookups = FrameLink(loop, context, asking, self._outward.looked_up, lambda: None)
            opened.callback(self._lookups.close)
            self._link.send(*first)
            copies.pop_all()  # the launcher closes them
            self._begun = True
            try:
                self._request = self._host.launcher.fork(self, self._request_of(), theirs)
            except OSError:
                self._begun = False
                raise
            opened.pop_all()  # from now on `_close` ends it
        for end in (there, asked):
            end.close()
        os.close(reader)

    def _first_frame(self, start: PlacedStart) -> tuple[object, ...]:
        """What the process begins with."""
        cell, kind, runtime = self._cell, self._kind, self._runtime
        body = self.codec.dumps(
            self.path,
            lambda: f"the class {kind.actor_class.__qualname__} or its args",
            (kind.actor_class, start.args, dict(start.kwargs)),
        )
        carried = None
        if start.carried is not NOTHING:
            carried = self.codec.dumps(self.path, lambda: "the value of carry_over", start.carried)
        settings = {
            "above": cell.above,
            "incarnation": self.incarnation,
            "supervised": cell.supervised,
            "runtime": runtime.name,
            "default_timeout": runtime.default_timeout,
            "kill_grace": runtime.kill_grace,
            "levels": self._host.log_levels(),
        }
        return "start", VERSION, settings, body, carried

    def _request_of(self) -> dict[str, object]:
        """What the process is like, for what forks it."""
        spec, module = self._kind.spec, self._kind.actor_class.__module__
        return {
            "path": self.path,
            "memory": spec.memory,
            "cpus": spec.cpus,
            "nice": spec.nice,
            "preload": (module,) if spec.preload is None else spec.preload,
            "main": main_module() if module == "__main__" else None,
        }

    def forked(self, pid: int) -> None:
        """The process runs."""
        self.name = f"process {pid}"
        self._forked = True
        with contextlib.suppress(ProcessLookupError):  # it has ended, which the zygote tells
            self._process = os.pidfd_open(pid)
        if self._killed:
            self._end_process()

    def refused(self, why: str) -> None:
        """There is no process."""
        self._conclude(OSError(f"{self.path} has no process: {why}"))

    def _end_process(self) -> None:
        """Ends the process, in whatever state it is."""
        self._killed = True
        if self._process >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    # Its end

    def stop(self, reason: ExitReason) -> None:
        """Tells the actor there to end, for this reason, unless it ends already."""
        if not self._ending and not self.over.done():
            self._ending = True
            self._link.send("stop", *self.codec.encode_reason(self.path, reason))

    def outcome(self, reason: ExitReason) -> None:
        """Called when the process is gone, with the reason of the exit: keeps the carried value. Raises the exception
        of a hook of the end, and `PlaceLost` if the process ended without a word.
        """
        if self._gone is None:
            if not isinstance(reason, Crashed):
                raise self._error or self.lost_error("ended while the actor stopped")
            return
        said, carried = self._gone
        if carried is not NOTHING:
            self._cell.carry(carried)
        if isinstance(said, Crashed) and not isinstance(reason, Crashed):
            raise said.exception

    def kill(self) -> bool:
        """Ends the process at once. Returns whether it has ended: otherwise `over` is settled when it was reaped."""
        if not self._begun or self.over.done():
            return True
        if not self._forked:
            # It was not forked. If that still comes, it finds its lifeline cut before it runs code of the user's.
            self._killed = True
            self._host.launcher.forget(self._request)
            self._conclude(None)
            return True
        self._end_process()
        return False

    def reaped(self, status: int, max_rss: int, cpu: float) -> None:
        """The process has ended."""
        self._drain()
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            how = f"{self.name} was killed by {signal_name(-code)}{self._by_memory(-code, max_rss)}"
            self._conclude(self._loss(how, -code, None, max_rss, cpu))
        else:
            self._conclude(self._loss(f"{self.name} ended with exit code {code}", None, code, max_rss, cpu))

    def unwatched(self) -> None:
        """The zygote is gone: the end of the process is noticed, and how it ended is not."""
        if self._process < 0:
            self._conclude(self.lost_error("has ended, and so has the process that forked it"))
        else:
            self._runtime.context.copy().run(self._runtime.loop.add_reader, self._process, self._ended_unwatched)

    def _ended_unwatched(self) -> None:
        self._drain()
        self._conclude(
            self.lost_error("has ended; how is not known, because the process that forked it has ended, too")
        )

    def last_begun(self) -> tuple[int, float]:
        """The number of the last message that the actor has begun with, and the seconds since then."""
        number, began = NOTES.unpack(os.pread(self._notes, NOTES.size, 0))
        return number, monotonic() - began

    def _drain(self) -> None:
        self._link.drain()

    def lost_error(self, how: str) -> PlaceLost:
        """The error for an end of which no more is known."""
        return self._loss(f"{self.name} {how}", None, None, None, None)

    def _loss(
        self, how: str, number: int | None, code: int | None, max_rss: int | None, cpu: float | None
    ) -> PlaceLost:
        error = PlaceLost(self.path, self.name, how, number, code, max_rss, cpu)
        stack = self._stack()
        if stack:
            error.add_note(f"In {self.name}:\n{stack}")
        return error

    def _stack(self) -> str:
        """The stack of the process when it was ended by a fault, such as a segfault; else empty."""
        return "" if self._faults < 0 else os.pread(self._faults, 1 << 14, 0).decode("utf-8", "replace").strip()

    def _by_memory(self, number: int, max_rss: int) -> str:
        limit = self._kind.spec.memory
        near = limit is not None and max_rss > 0.9 * limit
        return ", probably out of memory" if near and number == signal.SIGKILL and not self._killed else ""

    def _link_lost(self) -> None:
        """The process has closed its end: it has ended, or must."""
        if self._gone is None and self._process >= 0:
            # One that has ended by itself keeps its status; one that has lost its link is of no use.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def _conclude(self, error: BaseException | None) -> None:
        """The process is gone, by this error if it was not told to end."""
        if self.over.done():
            return
        self._error = error
        cell = self._cell
        if cell.incarnation == self.incarnation:
            crash = None if self._killed or self._gone is not None or not self.started.done() else error
            try:
                self.traffic.settle(crash, self.last_begun()[0])
            except BaseException as failure:  # noqa: BLE001 - see LoopHost._drain
                self._runtime.turn_failed(cell, failure)
        self._close()
        self.over.set_result(None)
        if not self.started.done():
            self.started.set_exception(error if error is not None else asyncio.CancelledError())
            self.started.exception()  # nothing may wait for it any more

    def _close(self) -> None:
        """Gives up what it has of the process. The lifeline is cut: what is left there is killed by the kernel."""
        if self._closed or not self._begun:
            return
        self._closed = True
        self._outward.close()
        self._link.close()
        self._lookups.close()
        if self._grace is not None:
            self._grace.cancel()
        for each in (self._lifeline, self._faults, self._notes):
            os.close(each)
        self._faults = -1
        if self._process >= 0:
            with contextlib.suppress(RuntimeError, ValueError):  # the loop is closed, or it was not watched
                self._runtime.loop.remove_reader(self._process)
            os.close(self._process)
            self._process = -1

    def drop(self) -> list[Envelope]:
        """The runtime is lost: gives the process up. Returns the messages under way."""
        self._end_process()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._close()
        return self.traffic.everything()

    def forked_away(self) -> None:
        """This process is a fork of the program: it must not keep the place alive."""
        if self._begun and not self._closed:
            os.close(self._lifeline)

    # What the process says

    def _received(self, frame: tuple[Any, ...]) -> None:
        if self._cell.incarnation != self.incarnation:
            return
        try:
            _HEARD[frame[0]](self, *frame[1:])
        except BaseException as error:  # noqa: BLE001 - see LoopHost._drain
            self._runtime.turn_failed(self._cell, error)

    def send(self, *frame: object) -> None:
        """Sends a frame, if the process is there."""
        if not self._closed:
            self._link.send(*frame)

    def answer_lookup(self, *frame: object) -> None:
        """Answers a question that a thread of the process waits for."""
        self._lookups.send(*frame)

    def error_of(self, encoded: Any) -> BaseException:
        """The exception that the process has sent."""
        return self.codec.decode_error(self.path, encoded, self.name)

    def _hello(self, version: str) -> None:
        if version != VERSION and not self.started.done():
            self._failed_start(VersionMismatch(self.path, VERSION, version))
            self._end_process()

    def _failed_start(self, error: BaseException) -> None:
        self._gone = (None, NOTHING)
        if not self.started.done():
            self.started.set_exception(error)
        self._expect_end()

    def _has_started(self, trap_exits: bool) -> None:
        if not self.started.done():
            if self._cell.actor is not None:
                self._cell.actor.trap_exits = trap_exits
            self.started.set_result(None)

    def _declined(self) -> None:
        self._failed_start(IgnoreStart())

    def _start_failed(self, encoded: Any) -> None:
        self._failed_start(self.error_of(encoded))

    def _crashed(self, number: int | None, encoded: Any) -> None:
        self._ending = True
        self.traffic.crashed(number, self.error_of(encoded))

    def _leaving(self, what: str, body: Any) -> None:
        self._ending = True
        self._cell.exit(self._reason(what, body))

    def _reason(self, what: str, body: Any) -> ExitReason:
        if what == "crashed":
            return Crashed(self.error_of(body))
        try:
            found = self.codec.loads(self.path, "the reason of an exit", body)
        except NotReceivable as error:
            return Crashed(error)
        return found if isinstance(found, ExitReason) else Killed("its process said so")

    def _has_gone(self, what: str, body: Any, carried: bytes | None) -> None:
        self._ending = True
        reason, value = self._reason(what, body), NOTHING
        if carried is not None:
            try:
                value = self.codec.loads(self.path, "the value of carry_over", carried)
            except NotReceivable as error:
                cell, now = self._cell, self._runtime.now()
                self._runtime.events.publish(HookFailed(cell.path, now, cell.incarnation, "carry_over", error))
        self._gone = (reason, value)
        self._expect_end()
        if isinstance(reason, Killed) and self._cell.phase not in BEING_KILLED:
            self._cell.kill(reason)

    def _expect_end(self) -> None:
        """The process ends by itself now. One that does not is killed."""
        due = self._runtime.now() + self._runtime.kill_grace
        self._grace = self._runtime.clock.call_at(due, self._end_process)

    def _event(self, body: bytes) -> None:
        try:
            event = self.codec.loads(self.path, "an event", body)
        except NotReceivable as error:
            self._runtime.uncaught(self.path, "an event of its process", error)
            return
        if isinstance(event, LifecycleEvent):
            event.at = self._runtime.now()  # type: ignore[misc]  # the clock of the program counts
            self._runtime.events.publish(event)

    def _log(self, fields: dict[str, Any]) -> None:
        self._host.write_log(fields)

    def _healthy(self) -> None:
        self._cell.possess().say_healthy()

    def _view(self, body: bytes) -> None:
        self._cell.publish_view(self.codec.loads(self.path, "a view", body))

    # Refs

    def key_of(self, ref: ActorRef[Any]) -> RefKey:
        cell = ref._cell
        if cell.runtime is not self._runtime:
            raise NotSendable(self.path, f"the ref of {cell.path}", "it belongs to another runtime")
        if cell is not self._cell:
            self._outward.meet(cell)
        return key_for(ref)

    def _ref_of(self, key: RefKey) -> ActorRef[Any]:
        cell = self._runtime.cells.get(key[0]) or self._outward.met(key[0])
        if cell is None:
            raise LookupError(f"the actor {key[0]} has terminated")
        return cell.ref


_HEARD: dict[str, Callable[..., None]] = {
    "hello": ProcessPlace._hello,
    "started": ProcessPlace._has_started,
    "declined": ProcessPlace._declined,
    "start_failed": ProcessPlace._start_failed,
    "reply": lambda place, *frame: place.traffic.replied(*frame),
    "handled": lambda place, *frame: place.traffic.handled(*frame),
    "failed": lambda place, *frame: place.traffic.failed(*frame),
    "stashed": lambda place, *frame: place.traffic.stashed(*frame),
    "letter": lambda place, *frame: place.traffic.letter(*frame),
    "crashed": ProcessPlace._crashed,
    "leaving": ProcessPlace._leaving,
    "gone": ProcessPlace._has_gone,
    "event": ProcessPlace._event,
    "log": ProcessPlace._log,
    "healthy": ProcessPlace._healthy,
    "view": ProcessPlace._view,
    "tell": lambda place, *frame: place._outward.told(*frame),
    "ask": lambda place, *frame: place._outward.asked(*frame),
    "order": lambda place, *frame: place._outward.ordered(*frame),
}
"""The method for each frame of the process."""


def _kept(stack: contextlib.ExitStack, descriptor: int) -> int:
    """The descriptor, which the stack closes."""
    stack.callback(os.close, descriptor)
    return descriptor


def main_module() -> tuple[str, str] | None:
    """How another process imports the main module of this one: by its name, or by the path of its file."""
    main: Any = sys.modules["__main__"]
    # Its classes bear this name there, and come back under it; multiprocessing does the same.
    sys.modules.setdefault("__mp_main__", main)
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        name: str = spec.name
        return "name", name
    path = getattr(main, "__file__", None)
    return None if path is None else ("path", os.path.abspath(path))  # noqa: PTH100 - without the links resolved
