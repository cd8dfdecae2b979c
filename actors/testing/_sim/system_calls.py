"""The calls by which a process ends itself or another one, as simulated processes have them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from actors.testing._sim.processes import SimProcess, SimProcesses

_SIGNALS = {getattr(signal, name, None): name for name in ("SIGSTOP", "SIGCONT")}
_ABORT = signal.SIGABRT


def process_patches(processes: SimProcesses) -> list[tuple[Any, str, Callable[..., Any]]]:
    """The replacements while there are simulated processes: module, name, replacement. Elsewhere than in such a
    process, and for the ids of others, each does what it did before.
    """
    real_exit, real_abort, real_getpid, real_kill = os._exit, os.abort, os.getpid, os.kill

    def _exit(status: int) -> NoReturn:
        process = processes.current
        if process is not None:
            process.end(None, status)
        real_exit(status)

    def abort() -> NoReturn:
        process = processes.current
        if process is not None:
            process.end(_ABORT, None)
        real_abort()

    def getpid() -> int:
        process = processes.current
        return real_getpid() if process is None else process.pid

    def kill(pid: int, number: int, /) -> None:
        process = processes.with_pid(pid)
        if process is None:
            real_kill(pid, number)
        elif process.dead:
            raise ProcessLookupError(3, "No such process")
        elif number:
            _signal(process, number)

    return [(os, "_exit", _exit), (os, "abort", abort), (os, "getpid", getpid), (os, "kill", kill)]


def _signal(process: SimProcess, number: int) -> None:
    """A signal comes to a process: all but two end it."""
    name = _SIGNALS.get(number)
    if name == "SIGSTOP":
        process.freeze()
    elif name == "SIGCONT":
        process.thaw()
    else:
        process.end(number, None)
