"""The short examples: each runs, does what its docstring says, and ends by itself without a warning."""

from __future__ import annotations

import pytest

from tests.examples.running import EXAMPLES, run_command, run_example

SAYS = {
    "script_tree.py": [
        "2 x apple: 1 left (incarnation 1)",
        "2 x apple: no: only 1 of apple (incarnation 1)",
        "1 x unicorn: the store crashed with KeyError('unicorn')",
        "1 x apple: 0 left (incarnation 2)",
        "ledger: store #1 KeyError",
    ],
    "embed_asyncio.py": [
        "INCR name ! crashed: invalid literal for int() with base 10: 'Ada'",
        "GET name = Ada",
        "INCR visits = 3",
        "INCR a = 2",
        "shards restarted: 1 of 4",
    ],
    "supervise_pykka.py": [
        "delivered to dora",
        "incarnation 2 delivered 2 letters",
        "ledger: mailer #1 crashed(ValueError",
    ],
    "crashing_parser.py": [
        "12 inputs: 8 parsed, 4 kept apart",
        "kept apart: bomb.doc: crashing_parser/parser is lost: process",
        "was killed by SIGSEGV",
        "kept apart: endless.doc: crashing_parser/parser handled Parse for more than",
        "kept apart: huge.doc: MemoryError",
    ],
    "blocking_worker.py": ["blocking_worker.py\n", "its hasher crashed", "missing.bin\n", "times meanwhile"],
    "state_machine.py": [
        "-- the breaker is closed",
        "three: failed: the service is down",
        "-- the breaker is open",
        "-- the breaker is half open",
        "six, patiently: SIX",
    ],
    "tree_file.py": [
        "18.5 °C (sensor incarnation 1)",
        "19.5 °C (sensor incarnation 2)",
        "21.0 °C (sensor incarnation 3)",
        "4 readings, mean 19.5 °C",
    ],
    "team_under_faults.py": [
        "found: at 9 s: 'no invoice is paid twice' does not hold",
        "@example(plan=FaultPlan(Slow(path='team/ann', nth=1, seconds=6.0, times=1)), schedule=Schedule(), seed=0)",
        "again: at 9 s: 'no invoice is paid twice' does not hold",
        "the mended team in 600 schedules: nothing to see",
    ],
}
"""What each example must have printed."""


RUNS = {
    "adaptive_mesh.py": ["29 pages read by"],
    "support_desk.py": ["manager answered 6", "triage answered 12"],
    "review_team.py": [f"of {len(list((EXAMPLES.parent / 'teams').glob('_*.py')))} pages approved"],
    "order_choreography.py": ["18 orders completed, 6 undone, 24 pieces shipped and paid"],
    "test_orchestra.py": ["checks: passed", "compiles: passed", "flaky: passed, at last"],
}
"""What each team must have printed: they are run by the command."""

WORKFLOWS = ("comprehensive_research.py", "release_pipeline.py", "nightly_report.py")
"""Durable workflows: test_workflow_examples.py kills and runs them."""


@pytest.mark.parametrize("name", RUNS)
def test_a_team_reaches_its_goal_under_the_command(name: str) -> None:
    """Guards the teams: `letitcrash run` plays the goal, prints its result and ends with exit code 0."""
    process = run_command("run", EXAMPLES / name)
    assert process.returncode == 0, process.stderr
    for line in RUNS[name]:
        assert line in process.stdout


@pytest.mark.parametrize("name", SAYS)
def test_an_example_does_what_it_says_and_ends_by_itself(name: str) -> None:
    """Guards the examples against rot."""
    process = run_example(name)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    for line in SAYS[name]:
        assert line in process.stdout


def test_every_example_is_run_by_a_test() -> None:
    """Guards against an example that nobody runs; source_audit.py and team_file.toml have tests of their own."""
    others = {*WORKFLOWS, "source_audit.py", "team_file.py", "support_agents.py"}
    assert {file.name for file in EXAMPLES.glob("*.py")} == {*SAYS, *RUNS, *others}


@pytest.mark.parametrize(
    "name", [*sorted(set(SAYS) - {"tree_file.py"}), *RUNS, *WORKFLOWS, "source_audit.py", "tree_file.toml"]
)
def test_the_tree_of_an_example_passes_the_check(name: str) -> None:
    """Guards that each tree is sound, and found by the command line under the name `tree`."""
    process = run_command("check", EXAMPLES / name)
    assert process.returncode == 0, process.stderr


def test_a_tree_in_a_file_is_run_by_the_command() -> None:
    """Guards that the classes a file names are found next to it."""
    process = run_command("run", EXAMPLES / "tree_file.toml")
    assert process.returncode == 0, process.stderr
    assert "4 readings, mean 19.5 °C" in process.stdout
