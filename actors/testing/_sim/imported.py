"""Global names of the user's modules that no patch of the standard library reaches.

That is what they imported by name (`from time import monotonic`), and the locks and `threading.local`s they made when
they were imported.
"""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

LOCKS: tuple[type, ...] = (type(threading.Lock()), type(threading.RLock()))
_LOCAL = threading.local
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_OURS = str(Path(__file__).parents[2])


class Name(NamedTuple):
    """A global name of a module, and what it stands for while no simulation runs."""

    namespace: dict[str, Any]
    name: str
    value: object


class _Found(NamedTuple):
    modules: tuple[int, str]
    wanted: frozenset[int]
    names: tuple[Name, ...]


_found: list[_Found] = []
"""The names found last: nearly always the modules are those of the run before."""


def imported(identities: Iterable[int]) -> tuple[Name, ...]:
    """Where a module of the user's has any of these, a lock, or a `threading.local`. Libraries keep theirs."""
    wanted = frozenset(identities)
    modules = (len(sys.modules), next(reversed(sys.modules)))
    if not _found or _found[0][:2] != (modules, wanted):
        names = tuple(
            Name(vars(module), name, value)
            for module in list(sys.modules.values())
            if _is_users(module)
            for name, value in list(vars(module).items())
            if id(value) in wanted or _is_made(value)
        )
        _found[:] = [_Found(modules, wanted, names)]
    return tuple(each for each in _found[0].names if each.namespace.get(each.name) is each.value)


def _is_made(value: object) -> bool:
    # Not of a class derived from threading.local: it was derived from the real one, and stays that.
    return isinstance(value, LOCKS) or type(value) is _LOCAL


def _is_users(module: object) -> bool:
    if not isinstance(module, ModuleType):
        return False
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__ == "__main__"  # typed in by hand
    return not file.startswith((_OURS, *_LIBRARIES))
