"""`letitcrash` on teams in files: from a checkout, too, where no metadata says who reads them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import supervisors
from tests import forked

PACKAGES = Path(supervisors.__file__).parents[1]

WORK = """
async def triage(text):
    return text.upper()

async def answer(text):
    if "BOMB" in text:
        raise ValueError("no [bold]luck")
    return {"answer": text}
"""

FILE = """
team = "desk"
max_restarts = 1

[[members]]
id = "triage"
work = "desk_work:triage"

[[members]]
id = "answerer"
work = "desk_work:answer"
backoff = { kind = "constant", initial = 0.01, cap = 0.01 }

[goal]
input = "hello"
steps = ["triage", { agent = "answerer", timeout = "30s" }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A team in a file, and the module of its members."""
    (tmp_path / "desk_work.py").write_text(WORK)
    (tmp_path / "desk.toml").write_text(FILE)
    return tmp_path


def letitcrash(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """A command, in the folder."""
    environment = {**os.environ, "PYTHONPATH": f"{PACKAGES}{os.pathsep}{folder}"}
    return forked.run(["-m", "teams", *args], cwd=folder, env=environment)


def test_a_team_in_a_file_is_run_until_its_goal_is_reached(folder: Path) -> None:
    """Guards `letitcrash run team.toml`: the result on stdout, exit code 0."""
    said = letitcrash(folder, "run", "desk.toml", "--plain")
    assert said.returncode == 0, said.stderr
    assert said.stdout == '{"answer":"HELLO"}\n'
    assert "desk has ended" in said.stderr


def test_a_team_reaches_its_goal_with_stdout_closed(folder: Path) -> None:
    """Guards `>&-`: the result goes nowhere, as what is printed does."""
    said = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "teams", "run", "desk.toml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{PACKAGES}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert said.returncode == 0, said.stderr
    assert "desk has ended" in said.stderr


def test_a_team_in_a_file_that_does_not_reach_its_goal_exits_with_1(folder: Path) -> None:
    """Guards the exit code, and that the account names the member and its own error."""
    (folder / "desk.toml").write_text(FILE.replace("hello", "bomb"))
    said = letitcrash(folder, "run", "desk.toml", "--plain")
    assert said.returncode == 1
    assert said.stdout == ""
    assert "desk/members/answerer crashed" in said.stderr
    assert "ValueError: no [bold]luck" in said.stderr


def test_a_team_in_a_file_is_checked_and_shown_without_starting_it(folder: Path) -> None:
    """Guards `check` and `tree`."""
    checked = letitcrash(folder, "check", "desk.toml")
    assert checked.returncode == 0, checked.stderr
    shown = letitcrash(folder, "tree", "desk.toml")
    assert shown.returncode == 0
    for part in ("desk", "members", "triage", "answerer", "coordinator", "goal"):
        assert part in shown.stdout


def test_a_bad_team_in_a_file_is_told_with_every_fault(folder: Path) -> None:
    """Guards the account of a bad file: exit code 2, each fault with its place."""
    (folder / "desk.toml").write_text(FILE.replace('["triage"', '["traige"').replace("work:triage", "work:traige"))
    said = letitcrash(folder, "run", "desk.toml")
    assert said.returncode == 2
    assert "2 faults in desk.toml" in said.stderr
    assert "desk/goal/steps/traige: 'traige' is not in the team; did you mean 'triage'?" in said.stderr
    assert "desk/members/triage: work: module 'desk_work' has no 'traige'" in said.stderr


@pytest.mark.parametrize("instead", ["", 'id = "desk"'])
def test_members_without_a_team_are_told_first_which_key_is_missing(folder: Path, instead: str) -> None:
    """Guards against a broken supervisor with a list of its keys, where a team was meant."""
    (folder / "desk.toml").write_text(FILE.replace('team = "desk"', instead).replace('["triage"', '["traige"'))
    said = letitcrash(folder, "check", "desk.toml")
    assert said.returncode == 2
    faults = said.stderr.splitlines()[1:]
    assert faults[0] == '  team: a team needs the key team = "name"'
    assert ["id" in fault for fault in faults[1:-1]] == ([True] if instead else [])
    assert "'traige' is not in the team; did you mean 'triage'?" in faults[-1]


def test_a_supervisor_with_members_and_children_stays_a_supervisor(folder: Path) -> None:
    """Guards the other way: a stray key does not make it a team."""
    (folder / "tree.toml").write_text('id = "root"\nchildren = []\nmembers = []\n')
    said = letitcrash(folder, "check", "tree.toml")
    assert said.returncode == 2
    assert "root: members: unknown key" in said.stderr
    assert "team" not in said.stderr


def test_the_example_of_a_team_in_a_file_surveys_its_own_folder(folder: Path) -> None:
    """Guards examples/team_file.toml: members that crash, branches, an aggregator, and a result."""
    example = Path(__file__).parents[3] / "examples" / "team_file.toml"
    said = letitcrash(folder, "run", str(example), "--plain")
    assert said.returncode == 0, said.stderr
    assert re.fullmatch(r"\d+ lines, the longest definition is \w+, \d+ files define nothing\n", said.stdout)
    assert "crashed_exit path=survey/members/counter" in said.stderr


def test_metrics_of_the_team_are_served_beside_those_of_its_actors(folder: Path) -> None:
    """Guards `--metrics-port`, in the process that would serve them."""
    program = (
        "from prometheus_client import CollectorRegistry, generate_latest\n"
        "from actors import Runtime\n"
        "from teams.cli._app import _collectors\n"
        "registry = CollectorRegistry()\n"
        "with Runtime(log=False) as runtime, _collectors(runtime, registry):\n"
        "    print(generate_latest(registry).decode())\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{PACKAGES}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert said.returncode == 0, said.stderr
    assert "letitcrash_team_work_total" in said.stdout
    assert "letitcrash_starts_total" in said.stdout
