"""What every test stands on: where modules are found, and how Hypothesis runs."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# `benchmarks`, `examples` and `tests` are in no wheel. Appended, not inserted: the installed `actors`,
# `supervisors` and `teams` come first, and the checkout's stand in only where nothing is installed.
sys.path.append(str(Path(__file__).parents[1]))

# A collection of tests makes millions of objects and no garbage. `pytest_collection_finish` enables it again.
gc.disable()

# No deadline and no `too_slow`: a test never depends on the speed of the machine.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci",
    settings.get_profile("dev"),
    derandomize=True,
    database=None,
    print_blob=True,
)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


@pytest.fixture(autouse=True, scope="session")
def signals_are_heard() -> Iterator[None]:
    """A shell that starts the tests in the background has SIGINT ignored, nohup SIGHUP, and so would every process of a
    test.
    """
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True, scope="session")
def programs_are_forked() -> Iterator[None]:
    """Ends what forks the programs of the tests, if a test has started one."""
    yield
    from tests.forked import server

    server.close()


@pytest.fixture(autouse=True, scope="module")
def heap_is_small() -> Iterator[None]:
    """What the tests of a module leave with pytest and Hypothesis is hidden, too: a `gc.collect()` of a later test
    takes milliseconds, not a tenth of a second.
    """
    yield
    hide_the_heap()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are processors: each waits some of its time for a disk, a server or a process."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return usable + 1


def pytest_collection_finish() -> None:
    """Hides what the collection has made from the garbage collector: millions of objects, which every `gc.collect()` of
    a test would walk.
    """
    gc.enable()
    hide_the_heap()


def hide_the_heap() -> None:
    """The garbage collector looks at nothing that there is now."""
    gc.collect()
    gc.freeze()
