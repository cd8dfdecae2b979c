"""A plugin of pytest for `benchmarks.anyio_suite`: anyio's tests of its asyncio backend, on a simulated loop."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from anyio._backends import _asyncio

from actors.testing import Simulation, simulation

if importlib.util.find_spec("trustme") is None:
    # anyio's conftest imports it for the certificates of its socket tests, which do not run here.
    stand_in = ModuleType("trustme")
    stand_in.CA = object  # type: ignore[attr-defined]
    sys.modules["trustme"] = stand_in


def simulated_loop() -> asyncio.AbstractEventLoop:
    """The loop of a new simulation, which ends with the loop."""
    sim = simulation(default_timeout=None)
    sim.__enter__()
    loop = sim.loop
    loop.close = lambda: _end(sim)  # type: ignore[method-assign]
    return loop


def _end(sim: Simulation) -> None:
    # The suite has a verdict of its own: with an error on its way the oracles are not asked.
    del sim.loop.close
    sim.__exit__(GeneratorExit, GeneratorExit(), None)


class SimulatedRunner(_asyncio.TestRunner):
    """anyio's runner of tests, with the loop of a simulation in place of any other."""

    def __init__(self, *, debug: bool | None = None, **_: Callable[[], asyncio.AbstractEventLoop] | bool) -> None:
        super().__init__(debug=debug, loop_factory=simulated_loop)


_asyncio.TestRunner = SimulatedRunner  # type: ignore[assignment, misc]


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Keeps the tests that run on an event loop of asyncio, once each."""
    kept, left = list[Any](), list[Any]()
    for item in items:
        callspec = getattr(item, "callspec", None)
        backend = None if callspec is None else callspec.params.get("anyio_backend")
        of_asyncio = isinstance(backend, tuple) and backend[0] == "asyncio" and "loop_factory" not in backend[1]
        # Plain tests begin real loops in real threads.
        (kept if of_asyncio and inspect.iscoroutinefunction(item.obj) else left).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)
