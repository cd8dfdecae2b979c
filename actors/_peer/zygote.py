"""The zygote: forks a process for each place, and tells how it ended.

It is started with a new interpreter, has one thread, and imports what places need before it forks. One process is
forked in advance, so that the next place begins at once. The zygote ends when the program that started it ends: the
kernel closes the control socket. Each place is the leader of a process group; when it has ended, what is left of the
group is killed.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import fcntl
import gc
import importlib
import os
import pickle
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from typing import Any, NamedTuple

from actors._place.main import import_main

LONGEST = 1 << 17
DESCRIPTORS = 8
"""The most descriptors of a place."""
_IMPORTED = ("actors._peer.process", "actors._pykka.foreign", "actors._core.placed")
"""The modules that every place needs."""
F_SETSIG = 10
"""Of Linux; the module `fcntl` of Python 3.11 has no name for it."""


def arm(lifeline: int) -> None:
    """Has the kernel kill this process when the last writer of the pipe is gone: when the program that started it ends,
    whatever this process does then.
    """
    fcntl.fcntl(lifeline, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, 0)
    if poll.poll(0):  # it was gone before
        os._exit(1)


def disarm(lifeline: int) -> None:
    """Takes that back: this process looks itself after its end, and after that of what it has forked."""
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) & ~os.O_ASYNC)


def open_streams() -> None:
    """Opens the standard streams that the program has closed, as a daemon does: no other descriptor of this process or
    of a place gets their numbers.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def flush() -> None:
    """Writes what waits in the output streams. One that is closed, or whose reader is gone, loses it."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


def main(control: int, lifeline: int) -> None:
    """The whole life of the zygote."""
    arm(lifeline)
    open_streams()
    for each in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(each, signal.SIG_IGN)
    for name in _IMPORTED:
        importlib.import_module(name)
    from actors._peer.process import warm_up

    asyncio.run(warm_up())
    gc.collect()
    gc.freeze()  # what is there stays, and a collection in a child does not copy its pages
    Zygote(socket.socket(fileno=control), lifeline).run()
    atexit._run_exitfuncs()
    flush()
    os._exit(0)  # its modules need not be taken apart: the program waits for this end


class Spare(NamedTuple):
    """A process that waits for its place: the request and the descriptors come over the socket."""

    pid: int
    end: socket.socket


class Zygote:
    """Waits for requests and for the ends of its children."""

    def __init__(self, control: socket.socket, lifeline: int) -> None:
        self._control = control
        self._lifeline = lifeline
        self._numbers: dict[int, int] = {}
        """The number of the request by process id."""
        self._preloaded: set[str] = set()
        self._spare: Spare | None = None
        """The process that waits for the next place. There is one from the first place on."""
        self._cpu = 0
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)

    def run(self) -> None:
        """Runs until the program closes the control socket."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        disarm(self._lifeline)
        self._tell("ready")
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            if self._numbers and self._spare is None and not poll.poll(0):
                with contextlib.suppress(OSError):  # then the next place is told
                    self._spare = self._fork_one()
            for descriptor, _ in poll.poll():
                if descriptor == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake, 4096)
                    self._reap()
                else:
                    body, descriptors = b"", list[int]()
                    with contextlib.suppress(ConnectionResetError):  # the program has ended, and has not read all
                        body, descriptors, _, _ = socket.recv_fds(self._control, LONGEST, DESCRIPTORS)
                    if not body:
                        self._end()
                        self._control.close()
                        return
                    self._fork(pickle.loads(body), descriptors)  # noqa: S301 - the program that started this one

    def _tell(self, *news: object) -> None:
        with contextlib.suppress(OSError):  # the program is gone, and the next read says so
            self._control.send(pickle.dumps(news, 5))

    def _end(self) -> None:
        for pid in self._numbers:
            _kill_group(pid)
        self._give_up_spare()

    def _give_up_spare(self) -> None:
        if self._spare is not None:
            spare, self._spare = self._spare, None
            spare.end.close()
            _kill_group(spare.pid)
            os.waitpid(spare.pid, 0)

    def _reap(self) -> None:
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            # Before its id is free again: what the place has started and left is in its group.
            _kill_group(ended.si_pid)
            if self._spare is not None and self._spare.pid == ended.si_pid:
                self._give_up_spare()
                continue
            pid, status, usage = os.wait4(ended.si_pid, 0)
            number = self._numbers.pop(pid, None)
            if number is not None:
                self._tell("ended", number, status, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)

    def _fork(self, request: dict[str, Any], descriptors: list[int]) -> None:
        number = request["number"]
        for name in request["preload"]:
            self._preload(name, request["main"])
        problem = _threads()
        if problem is None:
            try:
                pid = self._begin(request, descriptors)
            except OSError as error:
                problem = f"fork failed: {error}"
            else:
                self._numbers[pid] = number
                self._tell("forked", number, pid)
        for each in descriptors:
            os.close(each)
        if problem is not None:
            self._tell("refused", number, problem, _threads() is not None)

    def _begin(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """Has a process begin with a place. Returns its id. Raises OSError."""
        place = pickle.dumps((request, self._cpus(request["cpus"])), 5)
        if self._spare is not None:
            spare, self._spare = self._spare, None
            with spare.end, contextlib.suppress(OSError):  # it has ended: another one begins
                socket.send_fds(spare.end, [place], descriptors)
                return spare.pid
        spare = self._fork_one()
        with spare.end:
            socket.send_fds(spare.end, [place], descriptors)
        return spare.pid

    def _fork_one(self) -> Spare:
        """Forks a process that waits for its place. Raises OSError."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        flush()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # native threads of a library, which it looks after
                pid = os.fork()
        except OSError:
            here.close()
            there.close()
            raise
        if pid:
            there.close()
            with contextlib.suppress(OSError):  # the child has done it, or has ended
                os.setpgid(pid, pid)
            return Spare(pid, here)
        code = 1
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            here.close()
            for each in (self._control.detach(), self._wake, self._woken, self._lifeline):
                os.close(each)
            from actors._peer.process import run

            run(there)
            code = 0
        except BaseException:  # noqa: BLE001 - a child must never return into the loop of the zygote
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                flush()
            os._exit(code)

    def _cpus(self, wanted: int | None) -> set[int] | None:
        """The processors of the next place: those after the last one's."""
        if wanted is None:
            return None
        every = sorted(os.sched_getaffinity(0))
        chosen = {every[(self._cpu + each) % len(every)] for each in range(min(wanted, len(every)))}
        self._cpu = (self._cpu + wanted) % len(every)
        return chosen

    def _preload(self, name: str, main: tuple[str, str] | None) -> None:
        """Imports a module once. One that cannot be imported is left: the place that needs it will say why."""
        if name in self._preloaded:
            return
        self._preloaded.add(name)
        self._give_up_spare()  # it would import the module itself
        arm(self._lifeline)  # an import may take for ever
        with contextlib.suppress(BaseException):  # of the user's module, which raises anything
            if name == "__main__":
                import_main(main)
            else:
                importlib.import_module(name)
        disarm(self._lifeline)
        gc.collect()
        gc.freeze()


def _threads() -> str | None:
    """Why this process must not be forked; None: it has one thread."""
    names = [each.name for each in threading.enumerate() if each is not threading.main_thread()]
    if not names:
        return None
    return (
        f"a module that was imported for it started the thread {names[0]!r}, and a fork has no threads but its own. "
        "Start it in on_start, or name the modules to import with process(preload=[...])"
    )


def _kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
