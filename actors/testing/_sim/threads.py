"""The identity and the local values of a simulated thread: `current_thread()`, `get_ident()`, `threading.local`.

Only what Python asks by these names: the C code of `threading.local` knows threads of the machine, of which all
simulated ones are the same. So one that is made while a simulation runs, or is a global name of a module of the user's,
is the standard library's own Python version of it; any other that was made before is shared.
"""

from __future__ import annotations

import _threading_local
import sys
import threading
from typing import Any

from actors.testing._sim.blocking import outlives
from actors.testing._sim.strands import Strand, Strands

LOCAL = threading.local


class SimThread(threading.Thread):
    """The value of `threading.current_thread()` in a simulated thread: a name and a number."""

    def __init__(self, strand: Strand) -> None:
        super().__init__(name=strand.name, daemon=True)
        self._strand_number = strand.number

    @property
    def ident(self) -> int:
        return self._strand_number

    def is_alive(self) -> bool:
        """True: only code that runs in it can ask."""
        return True


class SimLocal(_threading_local.local):
    """`threading.local`: each simulated thread has values of its own."""

    def __new__(cls, /, *args: Any, **kwargs: Any) -> Any:
        if cls is SimLocal and outlives(sys._getframe(1)):
            return LOCAL()
        return super().__new__(cls, *args, **kwargs)


def simulated_local(real: threading.local) -> SimLocal:
    """Stands for a local made before the simulation. Outside of simulated threads its values are the same."""
    made: SimLocal = SimLocal()
    implementation = object.__getattribute__(made, "_local__impl")
    ((key, (thread, _)),) = implementation.dicts.items()
    implementation.dicts[key] = thread, vars(real)
    return made


def thread_patches(strands: Strands) -> list[tuple[Any, str, object]]:
    """The replacements in `threading` while a simulation runs: module, name, replacement."""
    real_thread, real_ident = threading.current_thread, threading.get_ident

    def current_thread() -> threading.Thread:
        strand = strands.mine
        if strand is None:
            return real_thread()
        if strand.thread is None:
            strand.thread = SimThread(strand)
        return strand.thread

    def get_ident() -> int:
        strand = strands.mine
        return real_ident() if strand is None else strand.number

    return [
        (threading, "current_thread", current_thread),
        (threading, "get_ident", get_ident),
        (threading, "local", SimLocal),
        (_threading_local, "current_thread", current_thread),
    ]
