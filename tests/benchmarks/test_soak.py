"""The campaign of generated trials: when it ends, what it says, and with which code."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from benchmarks import soak
from supervisors import child, supervisor
from supervisors.testing import ReferenceDisagreement, ScriptedAction, ScriptedActor, Trial

TREE = supervisor("root", child("a", ScriptedActor, backoff=None), child("b", ScriptedActor), strategy="one_for_all")
TRIAL = Trial(
    TREE,
    (
        ScriptedAction(1.0, "root/a", "crash"),
        ScriptedAction(2.0, "root/b", "nap"),
        ScriptedAction(2.0, "root", "which_children"),
    ),
)


@pytest.fixture(autouse=True)
def one_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch is this one trial."""
    monkeypatch.setattr(soak, "generated", lambda number: [TRIAL])


def ticking() -> Callable[[], float]:
    """A clock that goes on by a second whenever it is read."""
    seconds: Iterator[int] = count()
    return lambda: float(next(seconds))


def test_a_clean_campaign_ends_in_time_and_says_what_it_has_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the ordinary end: the seed, the progress, what was judged, and which faults nothing was shown about."""
    assert soak.main(["--minutes", "1", "--seed", "7"], ticking()) == 0
    shown = capsys.readouterr()
    assert shown.err.startswith("seed 7, 1 minutes\n")
    assert re.search(r"\d+ s: \d+ trials", shown.err)
    assert "starts" in shown.out
    assert "warning: never fired: AskTimeout, ClockJump, Crash," in shown.out


def test_a_failure_is_made_small_and_can_be_pasted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the report: what it prints fails again, and what the failure does not need is gone."""
    monkeypatch.setattr("supervisors._engine.engine.group", lambda strategy, order, cause: (cause,))
    assert soak.main(["--minutes", "1"], ticking()) == 1
    shown = capsys.readouterr().out
    blob = re.search(r'Trial\.decode\("([^"]+)"\)\.run\(\)', shown)
    assert blob is not None
    least = Trial.decode(blob.group(1))
    assert least.script == (ScriptedAction(1.0, "root/a", "crash"),)
    with pytest.raises(ReferenceDisagreement):
        least.run()


def test_an_interrupted_campaign_says_what_it_has_shown_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards Ctrl-C: the trial under way ends, then comes the summary, and the code is that of an interrupt."""
    clock = ticking()

    def interrupting() -> float:
        now = clock()
        if now == 20:
            signal.raise_signal(signal.SIGINT)
        return now

    assert soak.main(["--minutes", "100"], interrupting) == 130
    assert "trials" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_result_for_a_machine_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards `--json`: nothing else is on the standard output."""
    assert soak.main(["--minutes", "1", "--seed", "7", "--json"], ticking()) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["seed"] == 7
    assert values["trials"] > 1
    assert values["judged"]["starts"] > 0


def test_a_campaign_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the seed that is printed: it is all there is to a campaign."""
    monkeypatch.undo()
    monkeypatch.setattr(soak, "BATCH", 3)
    first, again = soak.endless(5), soak.endless(5)
    for _ in range(3 * soak.RUNS):
        assert next(first).encode() == next(again).encode()


def test_every_fault_of_the_arguments_is_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards against one fault at a time."""
    assert soak.main(["--minutes", "-1", "--seed", "x", "more"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "unknown argument 'more'",
        "--minutes: must be a number > 0, got '-1'",
        "--seed: must be an integer >= 0, got 'x'",
    ]
