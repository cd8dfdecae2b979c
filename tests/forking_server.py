"""What `tests/forked.py` forks programs from: an interpreter that has imported the packages, and has one thread.

It listens on the socket that it is told. Each connection asks for one program; it hands over the three
standard streams and what else the program is to have open, and is told the process id and how the process ended. It is
a zombie until the connection is closed, as a child is until its parent has waited. The server ends when its stdin does.

`python forking_server.py serve SOCKET` is that interpreter; with modules as further arguments it has imported only
these. `python forking_server.py ask SOCKET ARGUMENTS...` asks for a program with the streams, folder and environment of
the asking process, and ends as that program ends: for shell scripts.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import types
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

IMPORTED = (
    "teams.cli._app",
    "teams.cli._workflow",
    "teams._journal.sql",
    "teams._journal.migrations",
    "teams.orchestration",
    "teams.planning",
    "teams.recipes",
    "actors._peer.peer",
    "actors._peer.zygote",
    "actors._core.placed",
)
"""What the programs import: a fork has it at once."""
FACADES = ("actors", "supervisors", "teams", "teams.patterns", "teams.protocols", "teams.resilience", "teams.workflows")
"""Everything that these packages export is imported, too."""
WAITS = (
    ("teams.workflows._engine.desk", "PARK", "POLL"),
    ("teams.workflows._engine.lookout", "POLL"),
    ("teams.cli._workflow_wait", "POLL"),
)
"""Modules, and their names of times that an engine or a command lets pass before it looks again."""
STREAMS = 3
MOST = 8
"""The most descriptors of a request."""


class Server:
    """Forks on request, and tells how each program ends."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._programs: dict[int, socket.socket | None] = {}
        """The connection that has asked for a program, by process id. None: it was closed while the program ran."""
        self._ended: set[int] = set()
        """Programs that have ended, and are not yet waited for."""

    def run(self) -> tuple[dict[str, Any], list[int]] | None:
        """Returns in every program, with the request for it and its descriptors, and in the server at its end."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        while True:
            watched: list[Any] = [0, woken, self._listening, *filter(None, self._programs.values())]
            readable, _, _ = select.select(watched, [], [])
            if 0 in readable:
                return None
            if woken in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
            for pid, asking in list(self._programs.items()):
                if asking in readable:
                    self._closed(pid, asking)
            self._look_for_ends()
            if self._listening in readable:
                connection, _ = self._listening.accept()
                asked = self._fork(connection)
                if asked is not None:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (woken, wake, 0):
                        os.close(each)
                    self._listening.close()
                    for other in filter(None, self._programs.values()):
                        other.close()
                    return asked

    def _fork(self, connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
        try:
            text, descriptors = receive(connection)
        except ConnectionError:
            connection.close()
            return None
        pid = os.fork()
        if pid == 0:
            connection.close()
            return json.loads(text), descriptors
        for each in descriptors:
            os.close(each)
        self._programs[pid] = connection
        with contextlib.suppress(OSError):
            connection.sendall(b"%d\n" % pid)
        return None

    def _look_for_ends(self) -> None:
        for pid, connection in list(self._programs.items()):
            if pid in self._ended:
                continue
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                continue
            self._ended.add(pid)
            if connection is None:
                self._reap(pid)
                continue
            status = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            with contextlib.suppress(OSError):
                connection.sendall(b"%d\n" % status)

    def _closed(self, pid: int, connection: socket.socket | None) -> None:
        """The test waits for the program, or has forgotten it."""
        if pid in self._ended:
            self._reap(pid)
        else:
            self._programs[pid] = None
        if connection is not None:
            connection.close()  # the test goes on now, if it waits

    def _reap(self, pid: int) -> None:
        os.waitpid(pid, 0)
        self._ended.remove(pid)
        del self._programs[pid]


def ask(
    address: str,
    arguments: Sequence[str],
    cwd: str,
    env: Mapping[str, str],
    streams: Sequence[int],
    ignored: Sequence[int],
    kept: Sequence[int] = (),
) -> socket.socket:
    """A connection that has asked for a program, which has the descriptors of `kept` under the same numbers. It tells
    the process id, then the exit code, each in a line.
    """
    request = {
        "arguments": list(arguments),
        "cwd": cwd,
        "env": dict(env),
        "ignored": list(ignored),
        "numbers": [*range(STREAMS), *kept],
    }
    body = json.dumps(request).encode() + b"\n"
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
        sent = socket.send_fds(connection, [body], [*streams, *kept])
        connection.sendall(body[sent:])
    except BaseException:
        connection.close()
        raise
    return connection


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """A request: a line of text, and descriptors with its first byte."""
    size = array.array("i").itemsize
    text, descriptors = b"", list[int]()
    while not text.endswith(b"\n"):
        part, extra, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(MOST * size))
        if not part:
            raise ConnectionError("a request that is cut off")
        text += part
        for _, _, data in extra:
            found = array.array("i")
            found.frombytes(data[: len(data) - len(data) % size])
            descriptors += found
    return text, descriptors


def become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Makes this process what a new interpreter is for the arguments of the request."""
    os.setsid()
    numbers: list[int] = request["numbers"]
    spare = max([*numbers, *descriptors]) + 1
    for place, each in enumerate(descriptors):  # out of the way of those that come to their places
        os.dup2(each, spare + place, inheritable=False)
        os.close(each)
    for place, number in enumerate(numbers):
        os.dup2(spare + place, number)
        os.close(spare + place)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    for each in request["ignored"]:
        signal.signal(each, signal.SIG_IGN)
    sys.stdin = _stream(0, "<stdin>", "strict")
    sys.stdout = sys.__stdout__ = _stream(1, "<stdout>", "strict")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, "<stderr>", "backslashreplace")  # type: ignore[misc]
    if os.environ.get("PYTHONFAULTHANDLER"):
        importlib.import_module("faulthandler").enable()
    sys.path[:0] = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]


def _stream(descriptor: int, name: str, errors: str) -> io.TextIOWrapper:
    through = bool(os.environ.get("PYTHONUNBUFFERED"))
    mode = "r" if descriptor == 0 else "w"
    raw = io.FileIO(descriptor, mode, closefd=False)
    raw.name = name
    held: Any = io.BufferedReader(raw) if mode == "r" else raw if through else io.BufferedWriter(raw)
    lines = descriptor == 2 or raw.isatty()
    stream = io.TextIOWrapper(held, "utf-8", errors, line_buffering=lines, write_through=through)
    stream.mode = mode  # type: ignore[misc]
    return stream


def execute(arguments: list[str]) -> None:
    """Does what `python` does with these arguments: `-W action`, `-P`, then `-m module`, `-c code` or a file."""
    safe = False
    while True:
        first, *arguments = arguments
        if first == "-W":
            action = arguments.pop(0)
            sys.warnoptions.append(action)
            warnings.simplefilter(action)  # type: ignore[arg-type]
        elif first == "-P":
            safe = True
        else:
            break
    if first == "-m":
        name, *arguments = arguments
        sys.argv = [name, *arguments]
        if not safe:
            sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    if first == "-c":
        text, *arguments = arguments
        sys.argv = ["-c", *arguments]
        folder, file = "", "<string>"
    else:
        text = Path(first).read_text(encoding="utf-8")
        sys.argv = [first, *arguments]
        folder, file = str(Path(first).resolve().parent), first
        main.__file__ = first
    if not safe:
        sys.path.insert(0, folder)
    exec(compile(text, file, "exec", dont_inherit=True), vars(main))


def look_often() -> None:
    """The engines of the programs and commands that wait look every 50 ms for what is new in a store; a run that waits
    is parked as soon.
    """
    for module, *names in WAITS:
        for name in names:
            setattr(importlib.import_module(module), name, 0.05)


def leave(names: Iterable[str]) -> None:
    """Keeps the end of the interpreter from taking down these modules, which would copy their pages in each program.
    Their names become None, as at any end.
    """
    for name in names:
        sys.modules[name] = None  # type: ignore[assignment]


def main(address: str, modules: Sequence[str]) -> tuple[dict[str, Any], list[int]] | None:
    """Listens at the socket of this name, with these modules imported; none: those that programs need."""
    left: set[str] = set()
    atexit.register(leave, left)  # before those of the modules, so that it is called after them
    for name in modules or (*IMPORTED, *FACADES):
        module = importlib.import_module(name)
        for each in module.__all__ if name in FACADES else ():
            getattr(module, each)
    if not modules:
        look_often()
    left.update(sys.modules.keys() - {"__main__", "builtins", "sys"})
    held: list[object] = [sys.modules[name] for name in left]
    held.append(held)  # and the collector looks at no cycle that is frozen
    gc.collect()
    gc.freeze()  # what is there stays, and a collection in a program does not copy its pages
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    return Server(listening).run()


def command(address: str, arguments: Sequence[str]) -> NoReturn:
    """Runs a program with the streams of this process, and ends as it ends."""
    connection = ask(address, arguments, str(Path.cwd()), os.environ, range(STREAMS), ())
    with connection, connection.makefile("r") as told:
        _, status = told.readline(), int(told.readline())
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    _, what, its_address, *words = sys.argv
    if what == "ask":
        command(its_address, words)
    found = main(its_address, words)
    if found is not None:
        # What leaves this file leaves the process as it would an interpreter: by its exit code or with a traceback.
        become(*found)
        execute(found[0]["arguments"])
