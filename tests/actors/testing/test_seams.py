"""The simulation observes what it runs: it takes public seams, and changes no private method."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import FunctionType

import actors.testing

OURS = "actors.testing"


def classes() -> Iterator[type]:
    """The classes of the package, without those that it imports."""
    for info in pkgutil.walk_packages(actors.testing.__path__, f"{OURS}."):
        module = import_module(info.name)
        yield from (
            each for each in vars(module).values() if isinstance(each, type) and each.__module__.startswith(OURS)
        )


def overridden(kind: type) -> Iterator[str]:
    """The private methods of bases from other packages of `actors` that a class replaces."""
    bases = [base for base in kind.__mro__[1:] if base.__module__.startswith("actors") and OURS not in base.__module__]
    for name, value in vars(kind).items():
        if name.startswith("_") and not name.startswith("__") and isinstance(value, FunctionType):
            yield from (f"{kind.__qualname__}.{name}" for base in bases if name in vars(base))


def test_no_class_of_the_simulation_overrides_a_private_method() -> None:
    """A private method is free to change: what a simulation needs of it is a seam with a name."""
    assert [name for kind in classes() for name in overridden(kind)] == []


def test_a_private_method_that_is_overridden_is_found() -> None:
    """Guards the rule above against a search that finds nothing."""
    from actors.events import EventStream

    class Quiet(EventStream):
        def _report(self, *_: object) -> None:
            """Nothing."""

    assert list(overridden(Quiet)) == [f"{Quiet.__qualname__}._report"]
    assert any(kind.__name__ == "SimRuntime" for kind in classes())
