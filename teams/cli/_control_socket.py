"""The control socket of a `letitcrash run`: one question of another process of this user, and its answer.

It is a Unix socket in a folder that only this user can enter, and it listens on no network. A question is one line of
JSON, and so is the answer. Windows has none.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from actors.spi import NAME
from teams.cli._control import NotOurs

LONGEST = 64 * 1024
"""Bytes of a question."""
LONGEST_ANSWER = 16 * 1024 * 1024
PATIENCE = 5.0
"""Seconds that either side waits for the other."""

Serve = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Answers a question. Called in the thread of the socket."""


def folder() -> Path:
    """The folder of the sockets of this user. Raises NotOurs if others could reach into it."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    found = (base if base.is_absolute() else Path(tempfile.gettempdir())) / f"{NAME}-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        found.mkdir(mode=0o700)
    state = found.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise NotOurs(f"{found} is not a folder of this user alone")
    return found


@contextlib.contextmanager
def answering(serve: Serve, failed: Callable[[str], object]) -> Iterator[None]:
    """Answers questions while the block lasts. Where there can be no socket, `failed` is told why."""
    try:
        if not hasattr(socket, "AF_UNIX"):
            raise NotOurs("this system has no Unix sockets")
        path = folder() / f"{os.getpid()}.sock"
        path.unlink(missing_ok=True)  # of a process that had this id before
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(path))
            listener.listen()
        except OSError:
            listener.close()
            raise
    except (OSError, NotOurs) as error:
        failed(f"no control socket: {error}")
        yield
        return
    wake, woken = socket.socketpair()
    thread = threading.Thread(target=_listen, args=(listener, woken, serve), name=f"{NAME}-control", daemon=True)
    thread.start()
    try:
        yield
    finally:
        wake.close()
        thread.join(PATIENCE)
        listener.close()
        woken.close()
        path.unlink(missing_ok=True)


def _listen(listener: socket.socket, woken: socket.socket, serve: Serve) -> None:
    listener.setblocking(False)  # who asked may have gone before it is accepted
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                return
            with contextlib.suppress(OSError):  # who asked has gone
                asker, _ = listener.accept()
                with asker:
                    asker.settimeout(PATIENCE)
                    asker.sendall(_answer(asker, serve))


def _answer(asker: socket.socket, serve: Serve) -> bytes:
    try:
        question = json.loads(_line(asker, LONGEST))
        if not isinstance(question, dict):
            raise ValueError("a question is a mapping")
        said = serve(question)
    except Exception as error:  # noqa: BLE001 - whatever it is, the one who asked hears of it
        said = {"error": str(error) or type(error).__name__}
    return json.dumps(said).encode() + b"\n"


def _line(of: socket.socket, most: int) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        part = of.recv(65_536)
        if not part:
            break
        found += part
        if len(found) > most:
            raise ValueError(f"more than {most} bytes")
    return found


def asked(pid: int, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer of the `letitcrash run` of this process id. Raises NotOurs."""
    if not hasattr(socket, "AF_UNIX"):
        raise NotOurs("this system has no Unix sockets")
    path = folder() / f"{pid}.sock"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as ours:
            ours.settimeout(PATIENCE)
            ours.connect(str(path))
            ours.sendall(json.dumps(question).encode() + b"\n")
            said = json.loads(_line(ours, LONGEST_ANSWER))
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotOurs(f"process {pid} is not a `{NAME} run` of this user") from None
    except (OSError, ValueError) as error:
        raise NotOurs(f"process {pid} does not answer: {error}") from None
    if not isinstance(said, dict):
        raise NotOurs(f"process {pid} answers something else than a mapping")
    if "error" in said:
        raise NotOurs(str(said["error"]))
    return said
