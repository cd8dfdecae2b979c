"""The work of the pytest plugin: the fixture `sim`, and options for replay, determinism and the number of schedules.

The hooks themselves are those of `letitcrash._pytest_plugin`, which imports this module when a test uses a simulation.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from actors.testing._report.replay import Replay
from actors.testing._search.foreign import SIMULATED, refuse_foreign
from actors.testing._search.options import PluginOptions, options
from actors.testing.errors import StaleReplay, WrongUse

if TYPE_CHECKING:
    from actors.testing._simulation import Simulation


def check_options(config: pytest.Config) -> None:
    """Raises `UsageError` for an option that cannot be followed."""
    asked = _asked(config)
    if asked.schedules is not None and asked.schedules < 1:
        raise pytest.UsageError(f"--sim-schedules {asked.schedules}: at least 1")
    if asked.replay is not None:
        try:
            Replay.decode(asked.replay)
        except StaleReplay as error:
            raise pytest.UsageError(f"--sim-replay: {error}") from None


def _asked(config: pytest.Config) -> PluginOptions:
    return PluginOptions(
        config.getoption("--sim-replay"), config.getoption("--sim-determinism"), config.getoption("--sim-schedules")
    )


@contextlib.contextmanager
def options_of(item: pytest.Item) -> Iterator[None]:
    """The options hold while the test runs. Raises `WrongUse` for a decorator that does nothing there."""
    test = getattr(item, "obj", None)
    if hasattr(test, SIMULATED):
        refuse_foreign(test)
    token = options.set(_asked(item.config))
    try:
        yield
    finally:
        options.reset(token)


@contextlib.contextmanager
def simulation_of(config: pytest.Config) -> Iterator[Simulation]:
    """A simulation that is under way. When the test ends everything is stopped, and the oracles are asked."""
    made = _simulation(_asked(config))
    with made.under_way():
        yield made


def _simulation(asked: PluginOptions) -> Simulation:
    from actors.testing._simulation import Simulation

    if asked.replay is None:
        return Simulation()
    replay = Replay.decode(asked.replay)
    return Simulation(replay.plan, replay.schedule, replay.seed, strict=False)


def pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Ends the simulation with the test itself: what the oracles say is a failure of the test, with its report."""
    # A test with the fixture has imported it; another object of that name is not ours.
    module = sys.modules.get("actors.testing._simulation")
    made: Any = pyfuncitem.funcargs.get("sim")
    if module is None or not isinstance(made, module.Simulation):
        return (yield)
    asked = _asked(pyfuncitem.config)
    try:
        result = yield
        made.__exit__(None, None, None)
    except BaseException as error:
        if not made.is_over:
            made.__exit__(*sys.exc_info())
        if asked.replay is not None:
            Replay.decode(asked.replay).judge(made, error)
        raise
    if asked.replay is not None:
        Replay.decode(asked.replay).judge(made, None)
    if asked.determinism:
        _again(pyfuncitem, made)
    return result


def _again(item: Any, first: Simulation) -> None:
    """Runs the test once more, and compares. Raises `NotDeterministic`, `WrongUse`."""
    from actors.testing._search.attempt import AttemptOutcome

    for name, definitions in item._fixtureinfo.name2fixturedefs.items():
        if name != "sim" and any("sim" in each.argnames for each in definitions):
            raise WrongUse(f"--sim-determinism: the fixture {name!r} uses `sim`, so {item.name} cannot be run twice")
    second = _simulation(PluginOptions())
    given = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
    with second:
        item.obj(**(given | {"sim": second}))
    AttemptOutcome(first, None).same_as(AttemptOutcome(second, None))
