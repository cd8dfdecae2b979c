"""The pytest plugin, the entry of Hypothesis, and what importing them costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.testing import Crash, Demote, Fault, FaultPlan, Move, Schedule, SimulationMachine, simulate
from actors.testing._hypothesis_entry import register

pytest_plugins = ["pytester"]

# A run inside of this one forgets what it was the first to import: whatever it needs is imported out here.
LOADED = (SimulationMachine, simulate)
ROOT = Path(__file__).parents[3]
RACE = """
    from actors.testing import Crash, faults, simulate
    from tests.actors.testing.cast import Counter

    @simulate(plan=faults.plans("a", kinds=[Crash]), examples=30)
    def test_nothing_crashes(sim, plan, tmp_path):
        sim.spawn(Counter, name="a").tell("x")
        sim.run(until=1)
        assert not sim.fired, "it crashed"
"""
WITH_FIXTURE = """
    from tests.actors.testing.cast import Counter

    def test_an_actor_counts(sim):
        ref = sim.spawn(Counter, name="a")
        assert ref.ask("x") == {count}
"""
NO_ENTRY = ("-p", "no:letitcrash", "-p", "letitcrash._pytest_plugin", "-p", "no:cacheprovider")


def run(pytester: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    """Runs a file of tests with the plugin as it stands here, installed or not."""
    pytester.makepyfile(test)
    return pytester.runpytest_inprocess(*NO_ENTRY, *options)


def test_the_report_is_shown_and_its_blob_replays(pytester: pytest.Pytester) -> None:
    """What a person does: read the failure, copy the option, see the same failure."""
    result = run(pytester, RACE)
    result.assert_outcomes(failed=1)
    found = re.search(r"pytest (--sim-replay \S+)", result.stdout.str())
    assert found is not None
    again = pytester.runpytest_inprocess(*NO_ENTRY, *found.group(1).split())
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*it crashed*", f"*{found.group(1)}*"])
    pytester.makepyfile(RACE.replace("assert not sim.fired", "assert sim"))
    mended = pytester.runpytest_inprocess(*NO_ENTRY, *found.group(1).split())
    mended.assert_outcomes(failed=1)
    mended.stdout.fnmatch_lines(["*StaleReplay: stale: this blob showed AssertionError; the run passes now*"])


def test_a_blob_that_is_none_is_an_error_of_usage(pytester: pytest.Pytester) -> None:
    """It is refused before any test runs."""
    result = run(pytester, RACE, "--sim-replay", "nonsense")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*this is not a replay blob*"])


def test_settings_of_hypothesis_are_told_what_to_write_instead(pytester: pytest.Pytester) -> None:
    """Hypothesis's own plugin would call them pointless, and stop there."""
    above = RACE.replace("@simulate", "@settings(max_examples=3)\n    @simulate")
    result = run(pytester, above.replace("from actors", "from hypothesis import settings\n    from actors", 1))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*WrongUse: test_nothing_crashes: @settings does nothing here: @simulate(examples=*"])


def test_less_than_one_schedule_is_an_error_of_usage(pytester: pytest.Pytester) -> None:
    """The same for a number that would test nothing."""
    assert run(pytester, RACE, "--sim-schedules", "0").ret == pytest.ExitCode.USAGE_ERROR


def test_the_fixture_is_a_simulation_under_way(pytester: pytest.Pytester) -> None:
    """A plain test takes `sim`; the oracles are asked when it ends."""
    run(pytester, WITH_FIXTURE.format(count=1)).assert_outcomes(passed=1)


def test_a_failure_with_the_fixture_has_its_report_and_replays(pytester: pytest.Pytester) -> None:
    """One failure, and no second one from the teardown."""
    result = run(pytester, WITH_FIXTURE.format(count=2))
    result.assert_outcomes(failed=1)
    found = re.search(r"pytest (--sim-replay \S+)", result.stdout.str())
    assert found is not None
    pytester.runpytest_inprocess(*NO_ENTRY, *found.group(1).split()).assert_outcomes(failed=1)


def test_what_an_oracle_finds_at_the_end_fails_the_test(pytester: pytest.Pytester) -> None:
    """An orphan is a failure of the test, and not an error of the fixture."""
    result = run(
        pytester,
        """
        import asyncio

        def test_a_task_is_left(sim):
            async def forever():
                await asyncio.Event().wait()

            sim.loop.create_task(forever())
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*OrphanLeft*"])


def test_the_determinism_option_runs_a_test_with_the_fixture_twice(pytester: pytest.Pytester) -> None:
    """State outside of the simulation shows as a difference; a clean test passes."""
    leaking = """
        from tests.actors.testing.cast import counters

        runs = []

        def test_leak(sim):
            runs.append(1)
            sim.start(counters("a", "b")).child("ab"[len(runs) % 2]).tell("x")
            sim.run(until=1)
    """
    result = run(pytester, leaking, "--sim-determinism")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*NotDeterministic*step*"])
    run(pytester, WITH_FIXTURE.format(count=1), "--sim-determinism").assert_outcomes(passed=1, failed=0)


def test_a_fixture_that_uses_the_simulation_cannot_be_run_twice(pytester: pytest.Pytester) -> None:
    """Its actors would be those of the first run; the error names it."""
    test = """
        import pytest
        from tests.actors.testing.cast import Counter

        @pytest.fixture
        def counter(sim):
            return sim.spawn(Counter, name="a")

        def test_counter(sim, counter):
            assert counter.ask("x") == 1
    """
    run(pytester, test).assert_outcomes(passed=1)
    result = run(pytester, test, "--sim-determinism")
    result.stdout.fnmatch_lines(["*WrongUse: --sim-determinism: the fixture 'counter' uses `sim`*"])


@pytest.mark.parametrize(
    "module",
    ["letitcrash._pytest_plugin", "actors.testing", "actors.testing._plugin", "actors.testing._hypothesis_entry"],
)
def test_what_is_loaded_in_every_test_run_is_light(module: str) -> None:
    """Neither Hypothesis nor the simulation is imported before somebody uses it."""
    code = (
        f"import sys; import {module}; "
        "print(sorted({'hypothesis', 'actors.testing._sim.strands', 'actors.testing._simulation'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", [FaultPlan, Schedule, Fault, Crash, Move, Demote])
def test_the_types_of_the_kit_have_strategies(kind: type) -> None:
    """`st.from_type` draws them, and each can be written down and read again."""
    register()

    @given(st.from_type(kind))
    def drawn(value: object) -> None:
        assert isinstance(value, kind)
        assert eval(repr(value), {each.__name__: each for each in _classes(value)}) == value

    drawn()


def _classes(value: object) -> list[type]:
    parts = value.faults if isinstance(value, FaultPlan) else value.moves if isinstance(value, Schedule) else [value]
    return [type(value), *(type(each) for each in parts)]
