"""The examples of durable workflows: each is killed with kill -9 after a line that it prints, and goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import actors
from tests import forked
from tests.examples.running import EXAMPLES

KILLED = """
import os, signal, sys, threading
sys.path.insert(0, {folder!r})
import {name} as example
say, left, one = example.say, {nth}, threading.Lock()

def last(line):
    global left
    with one:  # no other thread says anything after the last line
        say(line)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

example.say = last
sys.exit(example.main())
"""


def play(folder: Path, name: str, *arguments: str, nth: int = 0) -> tuple[int, list[str]]:
    """The exit code of the example and the lines that it printed, in a folder; killed after its nth line."""
    code = KILLED.format(folder=str(EXAMPLES), name=name, nth=nth)
    environment = {**os.environ, "PYTHONPATH": str(Path(actors.__file__).parents[1]), "PYTHONUTF8": "1"}
    done = forked.run(["-W", "error", "-c", code, *arguments], cwd=folder, env=environment)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


RESEARCH = [
    "classified as errors",
    "gathered",
    "analyzed",
    "drafted",
    "reviewed 56 words: too long",
    "reviewed 16 words: approved",
    "result: Which errors are there? There are ",
]


@pytest.mark.parametrize("nth", range(1, len(RESEARCH)))
def test_research_goes_on_after_kill_9_in_any_step(nth: int, tmp_path: Path) -> None:
    """Only the step that was cut off begins again: its line comes twice, and no other one does."""
    code, before = play(tmp_path, "comprehensive_research", nth=nth)
    assert (code, len(before)) == (-signal.SIGKILL, nth)
    code, after = play(tmp_path, "comprehensive_research")
    assert code == 0
    assert starts([*before[:-1], *after]) == RESEARCH
    assert starts(before[-1:]) == RESEARCH[nth - 1 : nth]


def starts(lines: list[str]) -> list[str]:
    """The lines as far as RESEARCH has them."""
    return [next((each for each in RESEARCH if line.startswith(each)), line) for line in lines]


ORCHESTRATED = "result: Which errors are there? There are "


@pytest.mark.parametrize("nth", [1, 8])
def test_an_orchestrator_goes_on_after_kill_9_and_plans_once(nth: int, tmp_path: Path) -> None:
    """In planning, and while the report is written."""
    code, before = play(tmp_path, "research_orchestrator", nth=nth)
    assert (code, len(before)) == (-signal.SIGKILL, nth)
    code, after = play(tmp_path, "research_orchestrator")
    assert code == 0
    assert after[-2].startswith(ORCHESTRATED)
    assert after[-1] == "success rate: 1.0"
    for line in ("report is low: 0.5 of 0.85", "report is done, with a score of 1.0", "phase 7 is over: improvement"):
        assert after.count(line) == 1
    if any(line.startswith("planned 4 tasks in 2 rounds") for line in before):
        assert not any(line.startswith("the planner was told") for line in after)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_release_goes_on_after_kill_9_before_it_is_approved(nth: int, tmp_path: Path) -> None:
    (tmp_path / "news.txt").touch()
    code, before = play(tmp_path, "release_pipeline", "1.0", nth=nth)
    assert (code, before) == (-signal.SIGKILL, ["checked 2 files", "built shop-1.0.tar", "tested"][:nth])
    code, after = play(tmp_path, "release_pipeline", "1.0")
    assert code == 0
    assert [*before[:-1], *after][:3] == ["checked 2 files", "built shop-1.0.tar", "tested"]
    assert after[-1].startswith("asked: Publish shop-1.0.tar, ")
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("nth", [1, 2])
def test_an_approved_release_goes_on_after_kill_9_and_is_out_once(nth: int, tmp_path: Path) -> None:
    (tmp_path / "news.txt").touch()
    play(tmp_path, "release_pipeline", "1.0")
    code, before = play(tmp_path, "release_pipeline", "1.0", "yes", nth=nth)
    assert (code, len(before)) == (-signal.SIGKILL, nth)
    code, after = play(tmp_path, "release_pipeline", "1.0")  # the answer is written: it is not asked again
    assert code == 0
    assert after[-1] == "result: {'approved': 'yes', 'place': 'index/shop-1.0.tar'}"
    assert [*before[:-1], *after][:2] == ["published index/shop-1.0.tar", "announced 1.0"]
    assert (tmp_path / "news.txt").read_text() == "shop 1.0 is out\n"
    assert (tmp_path / "index" / "shop-1.0.tar").exists()


def test_a_release_that_is_not_approved_publishes_nothing(tmp_path: Path) -> None:
    play(tmp_path, "release_pipeline", "1.0")
    code, lines = play(tmp_path, "release_pipeline", "1.0", "no")
    assert (code, lines) == (0, ["result: {'approved': 'no', 'place': None}"])
    assert not (tmp_path / "index").exists()


def test_a_release_that_cannot_be_announced_is_withdrawn_after_kill_9(tmp_path: Path) -> None:
    play(tmp_path, "release_pipeline", "1.0")
    code, before = play(tmp_path, "release_pipeline", "1.0", "yes", nth=2)  # there is no news.txt
    assert (code, before) == (-signal.SIGKILL, ["published index/shop-1.0.tar", "withdrew index/shop-1.0.tar"])
    code, after = play(tmp_path, "release_pipeline", "1.0")
    assert code == 1
    assert after[-1].startswith("failed in announce: ")
    assert list((tmp_path / "index").iterdir()) == []


@pytest.mark.parametrize("nth", range(1, 9))
def test_each_night_has_one_report_after_kill_9(nth: int, tmp_path: Path) -> None:
    """Guards one run a slot: the nights that had begun go on, and the others are filled in."""
    code, before = play(tmp_path, "nightly_report", nth=nth)
    assert (code, len(before)) == (-signal.SIGKILL, nth)
    code, after = play(tmp_path, "nightly_report")
    assert code == 0
    assert [line for line in after if line.startswith("night of")] == [
        "night of 2025-03-28 01:30 UTC: reports/2025-03-28.txt",
        "night of 2025-03-29 01:30 UTC: reports/2025-03-29.txt",
        "night of 2025-03-30 01:00 UTC: reports/2025-03-30.txt",
        "night of 2025-03-31 00:30 UTC: reports/2025-03-31.txt",
    ]
    assert after[-1].startswith("next at ")
    assert sorted(each.name for each in (tmp_path / "reports").iterdir()) == [
        f"2025-03-{day}.txt" for day in (28, 29, 30, 31)
    ]
    again, lines = play(tmp_path, "nightly_report")
    assert again == 0
    assert not any(line.startswith(("collected", "wrote")) for line in lines)  # nothing is left to do
