"""Programs in processes of their own, forked from an interpreter that has imported the packages.

A new interpreter takes half a second of processor time until `letitcrash` has its arguments, a fork 10 ms. What a test
sees is the same: a process with streams, an environment and a folder of its own, signals, an exit code. A test that is
about the start itself starts a new interpreter: the command line, what is imported, a stream that is closed.

Where the system is not Linux each program is a new interpreter.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import actors
from tests.forking_server import ask

PACKAGES = str(Path(actors.__file__).parents[1])
SERVER = Path(__file__).with_name("forking_server.py")
DEVNULL, PIPE, STDOUT = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
_MAY_BE_IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM)


class Server:
    """The interpreter that forks, started by the first program of a session. It has imported these modules; none: those
    that programs need.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._folder: str | None = None
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        """The socket of the running server."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="forks-")
            environment = {name: value for name, value in os.environ.items() if not name.startswith("LETITCRASH")}
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(SERVER), "serve", f"{self._folder}/s", *self._modules],
                env={**environment, "PYTHONPATH": PACKAGES},
                stdin=PIPE,
                stdout=PIPE,
                text=True,
                start_new_session=True,
            )
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == "ready\n"
        return f"{self._folder}/s"

    def close(self) -> None:
        """Ends the server. Programs that run go on."""
        if self._process is not None:
            self._process.communicate()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None


server = Server()
"""Closed at the end of the session, by a fixture of `tests/conftest.py`."""


class Program:
    """A process with the part of `subprocess.Popen` that tests use. Its text is UTF-8. `pass_fds` has the same numbers
    there.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        pass_fds: Sequence[int] = (),
        by: Server = server,
    ) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
        self.stderr: IO[str] | None = None
        with contextlib.ExitStack() as theirs:
            streams: list[int] = []
            for number, (name, wanted) in enumerate((("stdin", stdin), ("stdout", stdout), ("stderr", stderr))):
                if wanted == PIPE:
                    reader, writer = os.pipe()
                    here, there, mode = (writer, reader, "w") if number == 0 else (reader, writer, "r")
                    setattr(self, name, open(here, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
                    theirs.callback(os.close, there)
                    streams.append(there)
                elif wanted == DEVNULL:
                    streams.append(os.open(os.devnull, os.O_RDWR))
                    theirs.callback(os.close, streams[-1])
                else:
                    streams.append(streams[1] if wanted == STDOUT else number if wanted is None else wanted)
            ignored = [each for each in _MAY_BE_IGNORED if signal.getsignal(each) is signal.SIG_IGN]
            environment = os.environ if env is None else env
            where = str(cwd or Path.cwd())
            self._connection = ask(by.address, self.args, where, environment, streams, ignored, pass_fds)
        self._told = self._connection.makefile("rb", buffering=0)  # what is not read must show in `select`
        self.pid = int(self._told.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the streams, and waits."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def poll(self) -> int | None:
        """The exit code, or minus the signal that ended it. None: it runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Returns when it has ended. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = int(self._told.readline())
            self._connection.shutdown(socket.SHUT_WR)
            self._told.read()  # until the server has reaped it
            self._told.close()
            self._connection.close()
        return self.returncode

    def forget(self) -> None:
        """Has its end watched by no test: it goes on."""
        self._told.close()
        self._connection.close()

    def send_signal(self, number: int) -> None:
        """Sends a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """Writes the input, reads both streams to their ends, and waits. Raises subprocess.TimeoutExpired."""
        until = None if timeout is None else time.monotonic() + timeout
        read = {"stdout": "", "stderr": ""}

        def write() -> None:
            assert self.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self.stdin.write(input or "")
                self.stdin.close()

        def read_all(name: str, stream: IO[str]) -> None:
            read[name] = stream.read()
            stream.close()

        threads = [threading.Thread(target=write, daemon=True)] if self.stdin and not self.stdin.closed else []
        for name in read:
            stream = getattr(self, name)
            if stream is not None and not stream.closed:
                threads.append(threading.Thread(target=read_all, args=(name, stream), daemon=True))
        for each in threads:
            each.start()
        for each in threads:
            each.join(None if until is None else max(0.0, until - time.monotonic()))
            if each.is_alive():
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
        self.wait(None if until is None else max(0.0, until - time.monotonic()))
        return read["stdout"], read["stderr"]


Process = Program | subprocess.Popen[str]


def start(arguments: Sequence[str], **options: Any) -> Process:
    """Starts `python` with these arguments. The options are those of Program."""
    if sys.platform == "linux":
        return Program(arguments, **options)
    return subprocess.Popen([sys.executable, *arguments], encoding="utf-8", **options)


def command(arguments: Sequence[str]) -> list[str]:
    """A command for a shell script: `python` with these arguments, and with those that follow."""
    if sys.platform == "linux":
        return [sys.executable, "-I", "-S", str(SERVER), "ask", server.address, *arguments]
    return [sys.executable, *arguments]


def run(
    arguments: Sequence[str],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """`python` with these arguments, finished, with what it wrote. Raises subprocess.TimeoutExpired."""
    stdin = DEVNULL if input is None else PIPE
    process = start(arguments, cwd=cwd, env=env, stdin=stdin, stdout=PIPE, stderr=PIPE)
    try:
        out, err = process.communicate(input, timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    assert process.returncode is not None
    return subprocess.CompletedProcess(list(arguments), process.returncode, out, err)
