"""The plugin of pytest: options and the fixture `sim`.

It is loaded in every test run where this distribution is installed, before pytest has put the folder of the tests on
`sys.path`. So it imports nothing of our packages before a test, or an option, uses them: the `actors.py` of a user is
found as without us. Where our packages are shadowed, one line says so.

`actors.testing._plugin` does the work.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from letitcrash._packages import NAME, find

if TYPE_CHECKING:
    from actors.testing import Simulation

_OPTIONS = ("--sim-replay", "--sim-determinism", "--sim-schedules")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup(NAME, f"simulations ({NAME})")
    group.addoption("--sim-replay", metavar="BLOB", help="run simulated tests exactly as this replay blob says")
    group.addoption("--sim-determinism", action="store_true", help="run every simulation twice and compare the runs")
    group.addoption("--sim-schedules", metavar="N", type=int, help="schedules for each example of @simulate")


def pytest_configure(config: pytest.Config) -> None:
    if all(config.getoption(each) is None or config.getoption(each) is False for each in _OPTIONS):
        return
    found = find("actors")
    if not found.is_ours:
        raise pytest.UsageError(f"the options --sim-...: {found.problem}")
    _plugin().check_options(config)


def pytest_report_collectionfinish() -> list[str]:
    """One line if `actors` is not ours, when pytest has completed `sys.path`."""
    found = find("actors")
    return [] if found.is_ours else [f"{NAME}: the fixture `sim` is off, for 'actors' is {found.where}"]


@pytest.hookimpl(wrapper=True, tryfirst=True)  # Hypothesis's own plugin knows less of why a decorator is wrong
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    if not _is_used():
        return (yield)
    with _plugin().options_of(item):
        return (yield)


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """A simulation that is under way. When the test ends everything is stopped, and the oracles are asked."""
    found = find("actors")
    if not found.is_ours:
        pytest.fail(f"the fixture `sim`: {found.problem}", pytrace=False)
    with _plugin().simulation_of(request.config) as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Ends the simulation with the test itself: what the oracles say is a failure of the test, with its report."""
    if not _is_used():
        return (yield)
    return (yield from _plugin().pyfunc_call(pyfuncitem))


def _is_used() -> bool:
    """Whether this process uses our simulation: it has been imported, by a test or for an option."""
    return "actors.testing" in sys.modules and find("actors").is_ours


def _plugin() -> Any:
    return import_module("actors.testing._plugin")
