"""The carrier of a process: two sockets, a lifeline, and what both processes share.

The process is over when it was reaped, and not before.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from actors._core.process import ProcessSpec
from actors._place.carrier import Carried, LoopOwner
from actors._place.launcher import Launcher, signal_name
from actors._place.link import INNER_NOTES, NOTED, NOTES, READING, FrameLink
from actors._place.main import main_module
from actors.errors import PlaceLost

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.clock import TimerHandle
    from actors._core.placed import PlacedType


MEMORY_EVERY = 1.0
"""Seconds between two looks at the memory of a process that has a limit."""


class ProcessCarriers:
    """Makes the processes of a program."""

    def __init__(self, runtime: LoopOwner) -> None:
        self._runtime = runtime
        self.launcher = Launcher(runtime)

    def carrier(self, place: Carried, cell: Cell, kind: PlacedType) -> ProcessCarrier:
        """Makes the carrier of a place."""
        return ProcessCarrier(self._runtime, self.launcher, place, request_of(place.path, kind))

    async def close(self) -> None:
        """Ends the zygote. Every place has ended."""
        await self.launcher.close()

    def abandon(self) -> None:
        """Ends the zygote at once."""
        self.launcher.abandon()

    def forked_away(self) -> None:
        """This process is a fork of the program."""
        self.launcher.forked_away()


def request_of(path: str, kind: PlacedType) -> dict[str, Any]:
    """The properties of the process of this actor, for the process that forks it."""
    spec = kind.spec
    return {
        "path": path,
        "memory": spec.memory,
        "cpus": spec.cpus if isinstance(spec, ProcessSpec) else None,
        "nice": spec.nice,
        "preload": kind.preload,
        "main": main_module() if kind.in_main else None,
    }


class ProcessCarrier:
    """Carries one incarnation in a process."""

    knows_begun = True
    delay = 0.0

    def __init__(
        self, runtime: LoopOwner, launcher: Launcher, place: Carried, request: dict[str, Any], where: str = ""
    ) -> None:
        """`where`: what its name says beside the number of the process, such as ` on the node 10.0.0.1`."""
        self._runtime = runtime
        self._where = where
        self._launcher = launcher
        self._place = place
        self._wanted = request
        self.name = "a process that has not begun"
        self._forked = False
        self._link: FrameLink
        self._lookups: FrameLink
        self._request = 0
        self._lifeline = -1
        self._process = -1
        self._faults = -1
        self._notes = -1
        self._begun = self._closed = self._ended = False
        self._killed = False
        self._looks: TimerHandle | None = None
        """The next look at its memory."""
        self._over_limit: str | None = None
        """Why it was ended, if it had too much memory."""

    # The start

    def begin(self, *first: object) -> None:
        """Asks for the process. Raises OSError."""
        if sys.platform != "linux":
            raise OSError("host=process() needs Linux: give the actor another host, such as host='thread'")
        with contextlib.ExitStack() as opened:
            here, there = map(opened.enter_context, socket.socketpair())
            asking, asked = map(opened.enter_context, socket.socketpair())
            reader, self._lifeline = os.pipe()
            opened.callback(os.close, reader)
            opened.callback(os.close, self._lifeline)
            self._faults = _kept(opened, os.memfd_create("faults"))
            self._notes = _kept(opened, os.memfd_create("notes"))
            os.ftruncate(self._notes, NOTED)
            copies = opened.enter_context(contextlib.ExitStack())
            ends = (there.fileno(), reader, asked.fileno(), self._faults, self._notes)
            theirs = [_kept(copies, os.dup(each)) for each in ends]
            loop, context = self._runtime.loop, self._runtime.context
            self._link = FrameLink(loop, context, here, self._place.received, self._signal)
            opened.callback(self._link.close)
            self._lookups = FrameLink(loop, context, asking, self._place.looked_up, lambda: None)
            opened.callback(self._lookups.close)
            self._lookups.listen()
            self._link.send(*first)
            copies.pop_all()  # the launcher closes them
            self._begun = True
            try:
                self._request = self._launcher.fork(self, self._wanted, theirs)
            except OSError:
                self._begun = False
                raise
            opened.pop_all()  # from now on `close` ends it
        for end in (there, asked):
            end.close()
        os.close(reader)

    def forked(self, pid: int) -> None:
        """The process runs. What it says is heard from now on: it comes over another socket than this news, and may be
        there before.
        """
        self.name = f"process {pid}{self._where}"
        self._forked = True
        with contextlib.suppress(ProcessLookupError):  # it has ended, which the zygote tells
            self._process = os.pidfd_open(pid)
        if self._killed:
            self._signal()
        elif self._wanted["memory"] is not None:
            self._watch_memory(pid)
        self._link.listen()

    def _watch_memory(self, pid: int) -> None:
        """Looks again in a while how much memory the process has."""
        clock = self._runtime.clock
        self._looks = clock.call_at(clock.now() + MEMORY_EVERY, partial(self._look_at_memory, pid))

    def _look_at_memory(self, pid: int) -> None:
        """Ends the process if it has more memory than its limit: that of the kernel does not count what is shared."""
        if self._ended:
            return
        has, limit = memory_of(pid), self._wanted["memory"]
        if has > limit:
            self._over_limit = f"over its memory limit: it had {has >> 20} MiB, and may have {limit >> 20} MiB"
            self._signal()
        else:
            self._watch_memory(pid)

    def refused(self, why: str) -> None:
        """The zygote has forked no process."""
        self._end(OSError(f"{self._place.path} has no process: {why}"))

    # Frames

    def send(self, *frame: object) -> None:
        """Sends a frame, if the process is there."""
        if not self._closed:
            self._link.send(*frame)

    def answer(self, *frame: object) -> None:
        """Answers a thread of the process that waits for it."""
        if not self._closed:
            self._lookups.send(*frame)

    def last_begun(self) -> tuple[int, float]:
        """The number of the last message that the actor has begun with, and the seconds since then."""
        number, began = NOTES.unpack(os.pread(self._notes, NOTES.size, 0))
        return number, monotonic() - began

    def being_read(self) -> int:
        """The number of the message that was being read when the process ended; 0: none."""
        number: int = READING.unpack(os.pread(self._notes, READING.size, NOTES.size + INNER_NOTES.size))[0]
        return number

    def noted_inside(self) -> tuple[int, int]:
        """How many messages wait inside, and whether an inner actor has handled one."""
        if self._notes < 0 or not self._begun:
            return 0, 0
        came, taken, handled = INNER_NOTES.unpack(os.pread(self._notes, INNER_NOTES.size, NOTES.size))
        return max(0, came - taken), handled

    def catch_up(self) -> None:
        """Hands over what the process has sent until now."""
        self._link.drain()

    # The end

    def kill(self) -> None:
        """Ends the process, in whatever state it is."""
        if self._ended or not self._begun:
            return
        self._killed = True
        if self._forked:
            self._signal()
            return
        # It was not forked. If that still comes, it finds its lifeline cut before it runs code of the user's.
        self._launcher.forget(self._request)
        self._end(None)

    def _signal(self) -> None:
        # One that has lost its link has ended by itself, and keeps its status, or is of no use.
        if self._process >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def reaped(self, status: int, max_rss: int, cpu: float) -> None:
        """The process has ended."""
        self._link.drain()
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGKILL and self._over_limit is not None and not self._killed:
            self._end(self._lost(f"{self.name} was ended {self._over_limit}", -code, None, max_rss, cpu))
        elif code < 0:
            how = f"{self.name} was killed by {signal_name(-code)}{self._by_memory(-code, max_rss)}"
            self._end(self._lost(how, -code, None, max_rss, cpu))
        else:
            self._end(self._lost(f"{self.name} ended with exit code {code}", None, code, max_rss, cpu))

    def unwatched(self) -> None:
        """The zygote is gone: the end of the process is noticed, and how it ended is not."""
        if self._process < 0:
            self._end(self.loss("has ended, and so has the process that forked it"))
        else:
            self._runtime.context.copy().run(self._runtime.loop.add_reader, self._process, self._ended_unwatched)

    def _ended_unwatched(self) -> None:
        self._link.drain()
        self._end(self.loss("has ended; how is not known, because the process that forked it has ended, too"))

    def loss(self, how: str) -> PlaceLost:
        """The error for an end of which no more is known."""
        return self._lost(f"{self.name} {how}", None, None, None, None)

    def _lost(
        self, how: str, number: int | None, code: int | None, max_rss: int | None, cpu: float | None
    ) -> PlaceLost:
        error = PlaceLost(self._place.path, self.name, how, number, code, max_rss, cpu)
        stack = self._stack()
        if stack:
            error.add_note(f"In {self.name}:\n{stack}")
        return error

    def _stack(self) -> str:
        """The stack of the process when it was ended by a fault, such as a segfault; else empty."""
        return "" if self._faults < 0 else os.pread(self._faults, 1 << 14, 0).decode("utf-8", "replace").strip()

    def _by_memory(self, number: int, max_rss: int) -> str:
        limit = self._wanted["memory"]
        near = limit is not None and max_rss > 0.9 * limit
        return ", probably out of memory" if near and number == signal.SIGKILL and not self._killed else ""

    def _end(self, error: BaseException | None) -> None:
        if not self._ended:
            self._ended = True
            self._place.ended(error)

    def close(self) -> None:
        """Gives up what it has of the process. The lifeline is cut: what is left there is killed by the kernel."""
        if self._closed or not self._begun:
            return
        self._closed = True
        if self._looks is not None:
            self._looks.cancel()
        self._signal()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._link.close()
        with contextlib.suppress(RuntimeError):
            self._lookups.close()
        for each in (self._lifeline, self._faults, self._notes):
            os.close(each)
        self._faults = -1
        if self._process >= 0:
            with contextlib.suppress(RuntimeError, ValueError):  # the loop is closed, or it was not watched
                self._runtime.loop.remove_reader(self._process)
            os.close(self._process)
            self._process = -1

    def forked_away(self) -> None:
        """This process is a fork of the program: it must not keep the process alive."""
        if self._begun and not self._closed:
            os.close(self._lifeline)


def memory_of(pid: int) -> int:
    """The bytes of RAM that the process has for itself or shares: pages of files, which the kernel takes back when it
    needs them, do not count. 0: it has ended.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return 0
    return sum(int(size) for size in _COUNTED.findall(status)) * 1024


_COUNTED = re.compile(rb"^Rss(?:Anon|Shmem):\s+(\d+) kB$", re.MULTILINE)


def _kept(stack: contextlib.ExitStack, descriptor: int) -> int:
    """The descriptor, which the stack closes."""
    stack.callback(os.close, descriptor)
    return descriptor
