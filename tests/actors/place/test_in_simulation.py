"""What an actor can do in a process of its own is the same in a simulated process.

The tests of real processes run here again, in virtual time.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actors.testing import Simulation, portfolio, simulation
from tests.actors.place import (
    cast,
    test_ends_at_any_time,
    test_failure_matrix,
    test_operations,
    test_prefetch,
)
from tests.actors.place.cast import Stage

MODULES = (test_operations, test_prefetch, test_failure_matrix, test_ends_at_any_time)
RUNS = 3
"""How many schedules each test runs under."""
OF_THE_SYSTEM = {
    "test_a_program_that_is_forked_leaves_the_place_to_its_parent",
    "test_a_process_killed_at_any_frame_loses_nothing_in_silence",  # by pidfd; test_simulated_places has the same
    "test_a_subtree_killed_at_any_frame_loses_nothing_in_silence",
    "test_a_runtime_that_is_lost_leaves_no_process",
    "test_an_import_that_never_ends_costs_its_own_start_alone",
    "test_an_import_that_never_ends_after_a_start_costs_its_own_alone",
    "test_an_import_that_is_given_up_before_it_begins_costs_its_own",  # by the id of a real zygote
    "test_an_import_that_starts_a_thread_is_refused_by_its_name",
    "test_a_module_that_cannot_be_imported_fails_the_start",
    "test_a_thread_of_a_process_never_takes_an_ended_actor_for_alive",  # it holds up the loop
    "test_what_a_thread_has_told_is_written_before_its_next_message",
    "test_places_go_on_when_what_forked_them_ends_and_new_ones_start",  # by the id of a real zygote
    "test_the_memory_limit_raises_a_memory_error",
    "test_a_process_over_its_memory_limit_is_ended",
    "test_the_stack_of_a_segfault_is_in_the_error",
    "test_without_a_memory_limit_nothing_looks_at_the_memory",
    "test_without_memory_for_a_process_the_start_fails_with_its_error",
}
"""The tests of what the operating system does."""


def segfault(_: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


segfault.__module__, segfault.__qualname__ = cast.segfault.__module__, cast.segfault.__qualname__


class SimulatedStage(Stage):
    """A stage whose runtime is that of a simulation."""

    def pids(self) -> set[int]:
        """What forks processes is always there."""
        return {0}


def cases() -> Iterator[Any]:
    for module in MODULES:
        for name, test in vars(module).items():
            body = getattr(test, "__wrapped__", None)
            if not inspect.iscoroutinefunction(body) or inspect.signature(body).parameters:
                continue  # not a test, or one with a file or the like
            if name.startswith("test_") and name not in OF_THE_SYSTEM:
                yield pytest.param(module, body, id=name)


@pytest.mark.parametrize(("module", "test"), list(cases()))
def test_an_operation_in_a_simulated_process(
    module: Any, test: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, search in enumerate(portfolio(RUNS, 0, 200)):
        with simulation(seed=number, search=search) as sim:
            run(sim, module, test, monkeypatch)


def run(sim: Simulation, module: Any, test: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test of real processes in the simulation."""

    @asynccontextmanager
    async def stage(**options: Any) -> AsyncIterator[Stage]:
        yield SimulatedStage(sim.runtime, "simulated")

    monkeypatch.setattr(cast, "segfault", segfault)
    monkeypatch.setattr(cast, "stage", stage)
    monkeypatch.setattr(module, "stage", stage, raising=False)
    sim.call(test())
