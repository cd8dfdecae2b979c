"""Global names of modules that no patch of the standard library reaches.

That is what they imported by name (`from time import monotonic`), and the locks and `threading.local`s they made when
they were imported. Libraries keep their locks: real threads, which ran before, may use them.
"""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

LOCKS: tuple[type, ...] = (type(threading.Lock()), type(threading.RLock()))
_LOCAL = threading.local
MADE = (*LOCKS, _LOCAL)
"""Not a class derived from `threading.local`: it was derived from the real one, and stays that."""
_OURS = str(Path(__file__).parents[2])
_STDLIB = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
_APART = frozenset(
    (
        "_hypothesis_pytestplugin",
        "_pytest",
        "coverage",
        "execnet",
        "greenlet",
        "hypothesis",
        "pluggy",
        "pydantic",
        "pydantic_core",
        "pytest",
        "pytest_timeout",
        "xdist",
    )
)
"""Libraries that watch a run from outside, and pydantic, which compares classes by their identity."""


class Name(NamedTuple):
    """A global name of a module, and what it stands for while no simulation runs."""

    namespace: dict[str, Any]
    name: str
    value: object


class _Found(NamedTuple):
    modules: tuple[int, str]
    wanted: frozenset[int]
    names: tuple[Name, ...]


_SEARCHES = 4
"""How many searches of one run may differ: for clocks and threads, for processes, and for files twice."""
_found: deque[_Found] = deque(maxlen=_SEARCHES)
"""The names found last: nearly always the modules are those of the run before."""


def imported(identities: Iterable[int]) -> list[Name]:
    """Where a module has any of these, or a `threading.local`; and where one of the user's has a lock."""
    wanted = frozenset(identities)
    modules = (len(sys.modules), next(reversed(sys.modules)))
    names = next((each.names for each in _found if each[:2] == (modules, wanted)), None)
    if names is None:
        names = tuple(
            Name(vars(module), name, value)
            for module, made in _modules()
            for name, value in list(vars(module).items())
            if id(value) in wanted or type(value) in made
        )
        _found.append(_Found(modules, wanted, names))
    return [each for each in names if each[0].get(each[1]) is each[2]]  # by number: there are many


def _modules() -> Iterator[tuple[ModuleType, tuple[type, ...]]]:
    """The modules whose names are replaced, each with the types of what it may have made that is replaced, too."""
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType):
            continue
        file = getattr(module, "__file__", None)
        if file is None:
            if module.__name__ == "__main__":  # typed in by hand
                yield module, MADE
        elif file.startswith(_OURS) or module.__name__.partition(".")[0] in _APART:
            continue
        elif "site-packages" in file or "dist-packages" in file:
            yield module, (_LOCAL,)
        elif not file.startswith(_STDLIB):
            yield module, MADE
