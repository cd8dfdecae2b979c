"""`letitcrash pause`, `resume` and `kill`: a signal to a running `letitcrash run`, and to nothing else.

By the time a process id is typed, it may belong to another process, and a process that does not catch a signal is ended
by it. So the process is examined first: it must be a `letitcrash run` of this user, and far enough to catch the signal.
Where the system has descriptors of processes, all of that is done through one, which a reused id cannot deceive.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import NamedTuple

from actors.spi import NAME

PAUSE = signal.SIGUSR1
"""The tree begins nothing new (`SupervisorRef.pause_work`)."""
RESUME = signal.SIGUSR2
"""The tree goes on."""
KILL = signal.SIGQUIT
"""The kill switch: everything ends now, without an ordered stop. Ctrl-\\ in a terminal."""

_NAMES = (NAME, f"{NAME}.pyz", f"{NAME}.exe")
"""The file names of the script and of a zipapp of it."""
_PROCESSES = Path("/proc")


class NotOurs(Exception):
    """The process does not exist, or must not get the signal; says why."""


class _Process(NamedTuple):
    """The known facts about a process."""

    user: int
    arguments: list[str]
    catches: bool | None
    """Whether it catches the signal. None: the system does not say."""


def send(pid: int, number: signal.Signals) -> None:
    """Sends the signal to the `letitcrash run` of this process id. Raises NotOurs."""
    with _held(pid) as descriptor:
        process = _look(pid, number)
        if process.user != os.geteuid():
            raise NotOurs(f"process {pid} belongs to another user")
        if not is_run(process.arguments):
            raise NotOurs(f"process {pid} is not a `{NAME} run`: {' '.join(process.arguments) or 'it has no command'}")
        if process.catches is False:
            raise NotOurs(
                f"process {pid} is still loading its tree, and {number.name} would end it: wait until it is up"
            )
        try:
            if descriptor is None:
                os.kill(pid, number)
            else:
                signal.pidfd_send_signal(descriptor, number)
        except (ProcessLookupError, PermissionError) as error:
            raise NotOurs(f"process {pid} cannot be reached: {error.strerror}") from None


def is_run(arguments: list[str]) -> bool:
    """Whether this command line is a `letitcrash run`: the script itself or a zipapp of that name, or Python
    with one of these or with `-m letitcrash` (`-m teams`).
    """
    if not arguments:
        return False
    name = PurePath(arguments[0]).name
    rest = arguments
    if name.lower().startswith(("python", "pypy")):
        rest = arguments[1:]
        while rest and rest[0].startswith("-") and rest[0] != "-m":
            rest = rest[2 if rest[0] in ("-X", "-W") else 1 :]
        if rest[:2] in (["-m", NAME], ["-m", "teams"]):
            return rest[2:3] == ["run"]
    return bool(rest) and PurePath(rest[0]).name in _NAMES and rest[1:2] == ["run"]


@contextmanager
def _held(pid: int) -> Iterator[int | None]:
    """A descriptor of the process, where the system has such."""
    if not hasattr(os, "pidfd_open"):
        yield None
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        raise NotOurs(f"process {pid} does not exist") from None
    except OSError:  # a kernel that is older, or that forbids it: the check is then as good as it can be without
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _look(pid: int, number: signal.Signals) -> _Process:
    folder = _PROCESSES / str(pid)
    if not (_PROCESSES / "self" / "cmdline").exists():
        return _asked_of_ps(pid)
    try:
        user = folder.stat().st_uid
        arguments = (folder / "cmdline").read_bytes().decode(errors="backslashreplace").split("\0")[:-1]
        status = (folder / "status").read_text(errors="backslashreplace")
    except OSError:
        raise NotOurs(f"process {pid} does not exist") from None
    masks = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    catches = bool(int(masks[0], 16) >> (number - 1) & 1) if masks else None
    return _Process(user, arguments, catches)


def _asked_of_ps(pid: int) -> _Process:
    """The same by `ps`, which every POSIX system has; it shows no signals, and arguments without their borders."""
    command = ["ps", "-p", str(pid), "-o", "uid=", "-o", "args="]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603 - no shell
    except OSError as error:
        raise NotOurs(f"process {pid} cannot be looked at: {error}") from None
    if not said:
        raise NotOurs(f"process {pid} does not exist")
    return _Process(int(said[0]), said[1:], None)
