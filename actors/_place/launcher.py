"""The launcher: starts the zygote of a runtime, and asks it for processes.

The zygote is a single-threaded interpreter that has imported what places need. It forks on request and tells how each
process ended. See `actors._peer.zygote`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from actors._place.carrier import LoopOwner

FIRST = 3
"""The first descriptor after the standard streams."""
LONGEST = 1 << 17
"""The most bytes of a message between the launcher and the zygote."""
_CODE = "import sys; sys.path[:] = {path!r}; from actors._peer.zygote import main; main({control}, {lifeline})"


class ZygoteProcess(Protocol):
    """The process of a zygote, as `subprocess` has it."""

    pid: int
    returncode: Any

    def kill(self) -> None:
        """Ends it at once."""

    def wait(self) -> int:
        """Returns when it has ended."""


def start_zygote(control: int, lifeline: int) -> ZygoteProcess:
    """Starts a zygote with these descriptors, in a group of its own. Raises OSError."""
    code = _CODE.format(path=sys.path, control=control, lifeline=lifeline)
    return subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, *subprocess._args_from_interpreter_flags(), "-c", code],  # type: ignore[attr-defined]
        stdin=subprocess.DEVNULL,
        pass_fds=[control, lifeline],
        process_group=0,
    )


class Launched(Protocol):
    """The client that has asked for a process, and is told of it on the loop thread."""

    def forked(self, pid: int) -> None:
        """The process runs."""

    def refused(self, why: str) -> None:
        """There will be no process."""

    def reaped(self, status: int, max_rss: int, cpu: float) -> None:
        """The process has ended: its wait status, its memory in bytes and its CPU time in seconds."""

    def unwatched(self) -> None:
        """The zygote has ended: how the process ends will not be told."""


class Launcher:
    """Starts one zygote, and another one when that has ended."""

    def __init__(self, runtime: LoopOwner) -> None:
        self._runtime = runtime
        self._zygote: ZygoteProcess | None = None
        self._control: socket.socket | None = None
        self._lifeline = -1
        self._out: deque[tuple[bytes, Sequence[int]]] = deque()
        """The requests that the zygote has not taken, each with the descriptors that go along: these are closed after
        that.
        """
        self._waiting: dict[int, Launched] = {}
        """Those that have asked for a process, and were not told that it runs."""
        self._running: dict[int, Launched] = {}
        self._asked = 0
        self._ready = False
        """Whether the zygote takes requests: it has imported what every place needs."""
        self._named: set[str] = set()
        """The modules that the requests to this zygote have named."""
        self._importing: set[int] = set()
        """The requests that were the first to name a module, and have no answer: that import may take for ever."""

    @property
    def pid(self) -> int | None:
        """The process id of the zygote."""
        return None if self._zygote is None else self._zygote.pid

    def fork(self, launched: Launched, request: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """Asks for a process that has these descriptors, which are closed here. Returns the number of the request.
        Raises OSError if the zygote cannot be started.
        """
        if self._zygote is None:
            try:
                self._begin()
            except BaseException:
                for each in descriptors:
                    os.close(each)
                raise
        self._asked += 1
        self._waiting[self._asked] = launched
        new = set(request["preload"]) - self._named
        if new:
            self._named |= new
            self._importing.add(self._asked)
        self._out.append((pickle.dumps({**request, "number": self._asked}, 5), descriptors))
        self._send()
        return self._asked

    def forget(self, number: int) -> None:
        """What has asked for the process does not want to be told of it any more. A zygote that still imports for it,
        or for a request before it, may do so for ever and ends: the next request starts another one.
        """
        held_up = not self._ready or any(each <= number for each in self._importing)
        if self._waiting.pop(number, None) is not None and held_up:
            self._lose()

    def _begin(self) -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader, self._lifeline = os.pipe()
        theirs: list[int] = []
        try:
            for each in (there.fileno(), reader):  # never the number of a stream that this program has closed
                theirs.append(fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, FIRST))
            self._zygote = start_zygote(*theirs)
        except BaseException:
            here.close()
            os.close(self._lifeline)
            raise
        finally:
            there.close()
            for each in (reader, *theirs):
                os.close(each)
        here.setblocking(False)
        self._control, self._ready = here, False
        self._named.clear()
        self._importing.clear()
        self._runtime.context.copy().run(self._runtime.loop.add_reader, here.fileno(), self._readable)

    def _send(self) -> None:
        control = self._control
        while self._out and control is not None:
            body, descriptors = self._out[0]
            try:
                socket.send_fds(control, [body], list(descriptors))
            except BlockingIOError:
                self._runtime.context.copy().run(self._runtime.loop.add_writer, control.fileno(), self._writable)
                return
            except OSError:
                self._lose()
                return
            self._out.popleft()
            for each in descriptors:
                os.close(each)

    def _writable(self) -> None:
        if self._control is not None:
            self._runtime.loop.remove_writer(self._control.fileno())
            self._send()

    def _readable(self) -> None:
        while self._control is not None:
            try:
                body = self._control.recv(LONGEST)
            except BlockingIOError:
                return
            except OSError:
                body = b""
            if not body:
                self._lose()
                return
            self._told(pickle.loads(body))  # noqa: S301 - our own process

    def _told(self, news: Any) -> None:
        match news:
            case ("ready",):
                self._ready = True
            case ("forked", number, pid):
                self._importing.discard(number)
                launched = self._waiting.pop(number, None)
                if launched is not None:
                    self._running[number] = launched
                    launched.forked(pid)
            case ("refused", number, why, forks_no_more):
                self._importing.discard(number)
                launched = self._waiting.pop(number, None)
                if forks_no_more:  # the next request starts another zygote
                    self._lose()
                if launched is not None:
                    launched.refused(why)
            case ("ended", number, status, max_rss, cpu):
                launched = self._running.pop(number, None)
                if launched is not None:
                    launched.reaped(status, max_rss, cpu)

    def _lose(self) -> None:
        """The zygote has ended, or must end."""
        waiting, self._waiting = self._waiting, {}
        running, self._running = self._running, {}
        self._close()
        if self._zygote is not None:
            zygote, self._zygote = self._zygote, None
            zygote.kill()
            zygote.wait()
        for each in waiting.values():
            each.refused("the process that forks others has ended")
        for each in running.values():
            each.unwatched()

    def _close(self) -> None:
        """Closes every descriptor. The zygote ends by that, once it has imported what it imports."""
        if self._control is None:
            return
        with contextlib.suppress(RuntimeError, ValueError):  # the loop is closed
            self._runtime.loop.remove_reader(self._control.fileno())
            self._runtime.loop.remove_writer(self._control.fileno())
        self._control.close()
        self._control = None
        os.close(self._lifeline)
        while self._out:
            for each in self._out.popleft()[1]:
                os.close(each)

    async def close(self) -> None:
        """Ends the zygote, and waits for its end."""
        self._close()
        zygote, self._zygote = self._zygote, None
        if zygote is None:
            return
        loop = self._runtime.loop
        ended: asyncio.Future[None] = loop.create_future()
        watch = os.pidfd_open(zygote.pid)
        try:
            loop.add_reader(watch, ended.cancel)
            await asyncio.wait([ended], timeout=self._runtime.kill_grace)
        finally:
            loop.remove_reader(watch)
            os.close(watch)
            zygote.kill()
            zygote.wait()

    def abandon(self) -> None:
        """Ends the zygote at once."""
        self._close()
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.kill()
            zygote.wait()

    def forked_away(self) -> None:
        """This process is a fork of the one that has the zygote."""
        if self._control is not None:
            os.close(self._control.detach())
            os.close(self._lifeline)
            self._control = None
        if self._zygote is not None:
            self._zygote.returncode = 0  # it is not a child of this process
            self._zygote = None


def signal_name(number: int) -> str:
    """The name of a signal, such as SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
