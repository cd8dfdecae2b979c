"""The mutation check: its edits, its trials, its verdicts and its arguments. One mutant is run, and the packages as
they are; the check of all is `make mutants`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import mutants
from benchmarks._mutation import Mutation
from benchmarks._mutations import MUTATIONS
from benchmarks.mutants import CannotCheck, Options, Outcome, check, check_all, draw, main, packages, parse, report
from supervisors import child, supervisor
from supervisors.testing import ScriptedAction, ScriptedActor, Trial

NAMED = {mutation.name: mutation for mutation in MUTATIONS}


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few generated trials, and one in which two siblings fall."""
    group = supervisor(
        "root", child("a", ScriptedActor, backoff=None), child("b", ScriptedActor), strategy="one_for_all"
    )
    trials = [*draw(3, 1), Trial(group, (ScriptedAction(1.0, "root/a", "crash"),))]
    file = tmp_path_factory.mktemp("trials") / "trials.json"
    file.write_text(json.dumps([trial.encode() for trial in trials]))
    return file


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_mutation_applies_to_the_packages_as_they_are(mutation: Mutation) -> None:
    """Guards against edits of the supervisor that leave a mutation behind: it would break nothing."""
    assert mutation.fault(packages()) is None
    assert mutation.old != mutation.new


def test_there_are_enough_mutations_with_names_and_edits_of_their_own() -> None:
    """Guards the figure: one mutation counted twice says nothing."""
    assert len(NAMED) == len(MUTATIONS) >= 40
    assert not [edit for edit, n in Counter((each.file, each.old, each.new) for each in MUTATIONS).items() if n > 1]


def test_the_packages_as_they_are_pass(blobs: Path) -> None:
    """Guards the check itself: what fails without a mutation kills every mutant."""
    assert check(None, blobs).by is None


def test_a_supervisor_that_breaks_a_rule_is_killed_by_the_rule(blobs: Path) -> None:
    """Guards that the copy is tested, and not the packages that are installed."""
    outcome = check(NAMED["stops in start order"], blobs)
    assert outcome.by is not None
    assert outcome.by.startswith("disagreement, rule")


def test_a_mutant_that_does_not_end_is_killed_by_its_time(blobs: Path) -> None:
    """Guards against a check that waits for ever."""
    waiting = "\nimport threading\nthreading.Event().wait()\n"
    outcome = check(Mutation("waiting", 1, "supervisors/_guard.py", "\nimport actors\n", waiting), blobs, wait=0.001)
    assert (outcome.by, outcome.detail) == ("hang", "not done after 0.001 s")


def test_a_mutant_that_computes_without_end_is_ended_by_its_processor_time(blobs: Path) -> None:
    endless = Mutation("endless", 1, "supervisors/_guard.py", "\nimport actors\n", "\nwhile True: pass\n")
    outcome = check(endless, blobs, limit=1)
    assert (outcome.by, outcome.detail) == ("hang", "not done after 1 s of processor time")


def test_a_mutant_that_does_not_even_import_is_an_error_and_no_kill(blobs: Path) -> None:
    """Guards the rate: broken syntax is noticed without any test."""
    broken = Mutation("broken", 1, "supervisors/_engine/strategy.py", "EXIT_ACTIONS: Mapping", "EXIT_ACTIONS Mapping")
    with pytest.raises(CannotCheck, match="broken: the mutant does not run at all.*SyntaxError"):
        check(broken, blobs)


def test_packages_that_fail_without_a_mutation_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards the order: first the packages as they are."""
    monkeypatch.setattr(mutants, "check", lambda *_: Outcome("(none)", 0, "OrphanLeft", 7, 0.1, "a timer"))
    with pytest.raises(CannotCheck, match="trial 7: OrphanLeft: a timer"):
        check_all(MUTATIONS, tmp_path, print)


@pytest.mark.parametrize(("file", "old"), [("supervisors/_gone.py", "x"), ("supervisors/_engine/budget.py", "self")])
def test_an_old_text_that_is_not_there_once_is_an_error(
    file: str, old: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against a mutation that edits nothing, or something else."""
    monkeypatch.setattr(mutants, "MUTATIONS", (Mutation("stale", 1, file, old, "y"),))
    assert main(["--list"]) == 2
    assert "stale: " in capsys.readouterr().err


def test_the_same_seed_draws_the_same_trials_and_no_two_alike() -> None:
    """Guards the comparison: every mutant meets what the packages as they are passed."""
    first = [trial.encode() for trial in draw(4, 5)]
    assert [trial.encode() for trial in draw(4, 5)] == first
    assert len(set(first)) == len(first)
    assert [trial.encode() for trial in draw(4, 6)] != first


def outcome(name: str, by: str | None) -> Outcome:
    """What became of a mutant."""
    return Outcome(name, 6, by, 3, 0.5, "")


@pytest.mark.parametrize(("killed", "code"), [(10, 0), (9, 0), (8, 1)])
def test_the_exit_code_says_whether_nine_of_ten_were_killed(
    killed: int, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Guards the goal, at its edge."""
    outcomes = [outcome(f"m{number}", "hang" if number < killed else None) for number in range(10)]
    monkeypatch.setattr(mutants, "check_all", lambda *_: outcomes)
    monkeypatch.setattr(mutants, "draw", lambda *_: [])
    target = tmp_path / "mutants.json"
    assert main(["--json", str(target)]) == code
    assert len(json.loads(target.read_text())["mutants"]) == 10


def test_the_report_names_what_survived() -> None:
    """Guards what a person looks for."""
    told = report([outcome("kept", None), outcome("gone", "disagreement, rule 6")], 30, 1)
    assert "kept    6     SURVIVED" in told
    assert "1 of 2 mutants killed (50.0%; goal 90%), 30 trials, seed 1" in told


def test_every_fault_of_the_arguments_is_named_at_once() -> None:
    """Guards against one fault at a time."""
    assert parse(["--trees", "0", "--seed", "x", "--only", "nobody", "--json", "", "more"]) == [
        "unknown argument 'more'",
        "--only: must be the name of a mutant (see --list), got 'nobody'",
        "--trees: must be an integer >= 1, got '0'",
        "--seed: must be an integer >= 0, got 'x'",
        "--json: must be a file in a folder that exists, got ''",
    ]
    assert parse([]) == Options(MUTATIONS, 800, 1, None, False)
    only = parse(["--only", "stops in start order"])
    assert isinstance(only, Options)
    assert only.mutations == (NAMED["stops in start order"],)
