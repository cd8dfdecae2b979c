"""The command that runs hostile worlds: what it counts, what it prints, and how it ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from benchmarks import hostile
from supervisors.testing import HostileWorld, NotContained
from supervisors.testing._hostile import HostileAction, Played


@pytest.fixture
def clock() -> Callable[[], float]:
    """A clock that moves by a second at each look."""
    seconds: Iterator[float] = iter(float(each) for each in range(10_000))
    return lambda: next(seconds)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[HostileWorld]:
    """The worlds that were run; running one takes three steps and passes."""
    found: list[HostileWorld] = []

    def run(world: HostileWorld, *, texts: bool = True) -> Played:
        found.append(world)
        return Played(steps=3)

    monkeypatch.setattr(HostileWorld, "run", run)
    return found


def test_it_runs_as_many_schedules_as_it_is_told(
    played: list[HostileWorld], clock: Callable[[], float], capsys: pytest.CaptureFixture[str]
) -> None:
    """And says how many, with a line of progress now and then; the same seed runs the same worlds."""
    assert hostile.main(["--schedules", "25", "--seed", "7"], clock) == 0
    assert len(played) == 25
    out = capsys.readouterr()
    assert "25 schedules" in out.out
    assert "75 steps" in out.out
    assert "seed 7, 25 schedules" in out.err
    assert "s: 10 schedules" in out.err
    first = [*played]
    played.clear()
    hostile.main(["--schedules", "25", "--seed", "7"], clock)
    assert played == first


def test_the_first_finding_is_made_small_and_printed(
    monkeypatch: pytest.MonkeyPatch, clock: Callable[[], float], capsys: pytest.CaptureFixture[str]
) -> None:
    """With a blob that is the world."""

    def run(world: HostileWorld, *, texts: bool = True) -> Played:
        if any(line.exception == "SystemExit" for line in world.script):
            raise NotContained(1.0, "calm", "it is not")
        return Played()

    monkeypatch.setattr(HostileWorld, "run", run)
    assert hostile.main(["--schedules", "1000", "--seed", "1"], clock) == 1
    out = capsys.readouterr().out
    assert "NotContained: at 1 s: calm: it is not" in out
    blob = out.partition('decode("')[2].partition('"')[0]
    (line,) = HostileWorld.decode(blob).script
    assert line == HostileAction(line.at, line.path, line.act, exception="SystemExit")


def test_ctrl_c_ends_it_with_what_it_has(
    monkeypatch: pytest.MonkeyPatch, clock: Callable[[], float], capsys: pytest.CaptureFixture[str]
) -> None:
    """After the schedule under way."""

    def run(world: HostileWorld, *, texts: bool = True) -> Played:
        signal.raise_signal(signal.SIGINT)
        return Played()

    monkeypatch.setattr(HostileWorld, "run", run)
    assert hostile.main(["--schedules", "9", "--seed", "1"], clock) == 130
    assert "1 schedules" in capsys.readouterr().out


def test_every_wrong_argument_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """All at once."""
    assert hostile.main(["--schedules", "0", "--seed", "x", "--sede"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "unknown argument '--sede'",
        "--schedules must be an integer >= 1, got '0'",
        "--seed must be an integer >= 0, got 'x'",
    ]
