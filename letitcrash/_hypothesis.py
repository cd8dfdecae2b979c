"""Called by Hypothesis when it is imported, in every program that has both installed.

`st.from_type(ChildSpec)` needs a strategy only where `ChildSpec` is imported. So nothing of our packages is imported
here: a program that does not use them pays nothing, and its own `actors.py` is found. What has been imported is
registered at once; for the rest the facades call `loaded` (actors/_facade.py).
"""

from __future__ import annotations

import sys
from importlib import import_module

from letitcrash._packages import find

_awaited: dict[str, tuple[str, ...]] = {}
"""The modules that register strategies, with those that define their types."""


def register_actors() -> None:
    """`FaultPlan`, `Schedule`, their faults and their moves."""
    _await("actors.testing._hypothesis_entry", "actors.testing._faults.plan", "actors.testing._faults.schedule")


def register_supervisors() -> None:
    """`ChildSpec`, `SupervisorSpec`, budgets and backoffs."""
    _await("supervisors.testing._hypothesis_entry", "supervisors._specs.spec", "supervisors._specs.backoff")


def _await(entry: str, *types: str) -> None:
    _awaited[entry] = types
    loaded()


def loaded() -> None:
    """Registers the strategies of the types that have been imported since."""
    for entry, types in list(_awaited.items()):
        are_there = any(each in sys.modules for each in types) and find(entry.partition(".")[0]).is_ours
        if are_there and _awaited.pop(entry, None) is not None:  # of two threads, one registers
            import_module(entry).register()
