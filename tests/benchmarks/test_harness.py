"""The harness without its stopwatch: statistics, rounds, tables, goals, arguments. Nothing here is timed."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import _measure
from benchmarks.__main__ import Options, main, parse
from benchmarks._goals import GOALS, Goal, judge
from benchmarks._harness import Measured, launch_child, measure, run_child, size_of
from benchmarks._machine import build, pinning, where
from benchmarks._outcome import Outcome
from benchmarks._report import Row, ratio, rows_of
from benchmarks._subjects import SUBJECTS, Subject
from benchmarks._table import quantity, table
from benchmarks._works import WORKS, Metric, Work

FASTER = Metric("rate", "msg/s")
SMALLER = Metric("cycle", "us", higher_is_better=False)
TELL = WORKS["tell"]
POSITIVE = st.floats(min_value=1e-3, max_value=1e9)


def subject(name: str, **sizes: int) -> Subject:
    """A subject that does the works it has sizes for."""
    return Subject(name=name, entry="nowhere:WORKS", isolation="task", lacks="-", sizes=sizes)


def silent(text: str) -> None:
    """Progress nobody follows."""


def ok(**figures: float) -> Outcome:
    """A measurement that succeeded."""
    return Outcome("ok", figures)


def rows(name: str, work: str, metric: str, samples: Sequence[float], size: int = 10**6) -> list[Row]:
    """The rows of one subject that measured `samples` of one metric."""
    others = {one.key: 1.0 for one in WORKS[work].metrics}
    measured = Measured(subject(name, **{work: size}), WORKS[work], size)
    measured.outcomes = [ok(**{**others, metric: sample}) for sample in samples]
    return rows_of([measured])


@given(st.lists(POSITIVE, min_size=1), st.floats(min_value=0, max_value=1))
def test_a_quantile_is_a_value_that_at_least_its_share_does_not_exceed(values: list[float], share: float) -> None:
    """Guards the nearest rank: p99 is a span that happened, and it is not one too low."""
    found = _measure.quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) <= share * len(values)


@given(st.integers(min_value=1, max_value=20_000))
def test_the_branches_of_a_tree_hold_all_its_leaves_evenly(count: int) -> None:
    """Guards the work stop: as many actors as it says, on branches of like size."""
    parts = _measure.branches(count)
    assert sum(parts) == count
    assert max(parts) - min(parts) <= 1


def test_figures_of_spans_are_in_microseconds() -> None:
    """Guards the unit: spans are taken in seconds and shown in microseconds."""
    assert _measure.cycle([1e-6, 2e-6, 9e-6]) == {"cycle": pytest.approx(2.0)}
    assert _measure.detection([1e-6, 3e-6]) == {"p50": pytest.approx(1.0), "p99": pytest.approx(3.0)}


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1))
def test_a_ratio_above_one_is_better_whichever_way_the_metric_points(
    pairs: list[tuple[float, float]],
) -> None:
    """Guards the reading of the last column: a time twice as long is half as good."""
    ours, peers = [a for a, _ in pairs], [b for _, b in pairs]
    fast, small = ratio(FASTER, ours, peers), ratio(SMALLER, peers, ours)
    assert fast is not None
    assert fast == small


def test_a_ratio_pairs_the_rounds() -> None:
    """Guards against noise: a round in which both were slow says the same as one in which both were fast."""
    assert ratio(FASTER, [10, 1, 100], [5, 0.5, 50]) == 2


def test_there_is_no_ratio_without_a_common_round() -> None:
    """Guards the missing peer: no figure, no ratio, and no error."""
    assert ratio(FASTER, [1.0], []) is None


def test_each_round_runs_every_subject_once_in_turn() -> None:
    """Guards the interleaving, and that a subject does only the works it has a size for."""
    ran: list[str] = []

    def launch(one: Subject, work: Work, size: int) -> Outcome:
        ran.append(f"{one.name} {size}")
        return ok(rate=1)

    subjects = [subject("a", tell=20), subject("b", ring=9), subject("c", tell=40)]
    told: list[str] = []
    measure(TELL, subjects, rounds=2, quick=False, launch=launch, progress=told.append)
    assert ran == ["a 20", "c 40", "a 20", "c 40"]
    assert told[0] == "tell round 1 of 2: a"


def test_a_subject_that_failed_is_not_run_again_and_the_others_are() -> None:
    """Guards the time of a run, and that one failure is a row and not the end."""

    def launch(one: Subject, work: Work, size: int) -> Outcome:
        return Outcome("failed", detail="boom") if one.name == "a" else ok(rate=size)

    subjects = [subject("a", tell=1), subject("b", tell=2)]
    failed, fine = measure(TELL, subjects, rounds=3, quick=False, launch=launch, progress=silent)
    assert len(failed.outcomes) == 1
    assert fine.samples("rate") == [2, 2, 2]
    assert [(row.status, row.detail) for row in rows_of([failed])] == [("failed", "boom")]


def test_a_work_too_long_to_repeat_caps_its_rounds() -> None:
    """Guards `Work.rounds`: a million actors are started once, however many rounds are asked for."""
    (one,) = measure(
        WORKS["million"],
        [subject("a", million=10)],
        rounds=5,
        quick=False,
        launch=lambda *_: ok(live=10, rate=1, memory=1),
        progress=silent,
    )
    assert len(one.outcomes) == 1


def test_quick_is_a_tenth_and_never_less_than_two() -> None:
    """Guards small works: a tenth of two restarts would be none."""
    assert size_of(subject("a", tell=500), TELL, quick=True) == 50
    assert size_of(subject("a", tell=5), TELL, quick=True) == 2
    assert size_of(subject("a", tell=500), TELL, quick=False) == 500


def test_a_peer_that_is_not_installed_is_a_row_that_says_how_to_get_it() -> None:
    """Guards the missing row: said so, not a failure, and no child is started for it."""
    absent = Subject(
        "ghost", "nowhere:WORKS", "task", "-", {"tell": 1}, module="no_such_peer", install="pip install ghost"
    )
    (one,) = measure(TELL, [absent], rounds=3, quick=False, launch=launch_child, progress=silent)
    (row,) = rows_of([one])
    assert (row.status, row.detail, row.median) == ("missing", "not installed (pip install ghost)", None)


def test_a_child_reports_in_the_last_line_of_its_output() -> None:
    """Guards against peers that write to the standard output."""
    line = ok(rate=5).to_line()
    assert Outcome.from_output(f"noise\n{line}\n") == ok(rate=5)
    assert Outcome.from_output("") is None
    assert Outcome.from_output("noise") is None
    assert Outcome.from_output("[1]") is None


def test_a_child_that_dies_without_a_report_has_failed_with_its_last_word() -> None:
    """Guards the row of a peer that takes its process along."""
    outcome = run_child([sys.executable, "-c", "raise SystemExit('no luck')"], limit=60)
    assert outcome == Outcome("failed", detail="exit code 1: no luck")


def test_a_child_that_takes_too_long_is_ended() -> None:
    """Guards the run: a peer that hangs is a row too."""
    outcome = run_child([sys.executable, "-c", "import threading; threading.Event().wait()"], limit=0)
    assert outcome == Outcome("timed out", detail="not done after 0 s")


def test_a_table_is_as_wide_as_its_widest_cells() -> None:
    """Guards the columns, and that no line ends in blanks."""
    assert table(["a", "bb"], [["ccc", "d"], ["", "e"]]) == "a    bb\n---  --\nccc  d\n     e"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "us", "-"),
        (1_234_567, "msg/s", "1.23 M msg/s"),
        (45_678, "hops/s", "45.7 k hops/s"),
        (4, "calls/s", "4.00 calls/s"),
        (170, "us", "170 us"),
        (1_900_000, "us", "1.90 s"),
        (2.6, "KiB/actor", "2.60 KiB/actor"),
        (90_326, "KiB/actor", "88.2 MiB/actor"),
    ],
)
def test_a_quantity_has_three_digits_and_a_unit_that_reads_well(value: float | None, unit: str, text: str) -> None:
    """Guards every cell of the figures' table."""
    assert quantity(value, unit) == text


def test_a_goal_of_a_ratio_is_met_at_its_bound() -> None:
    """Guards "at 6 x pykka": six is enough, a little less is not."""
    goal = Goal("six", "tell", "rate", 6, peer="pykka")
    peer = rows("pykka", "tell", "rate", [10.0])
    assert judge(goal, [*rows("ours", "tell", "rate", [60.0]), *peer]).verdict == "met"
    assert judge(goal, [*rows("ours", "tell", "rate", [59.0]), *peer]).verdict == "missed"


def test_a_goal_without_its_peer_or_at_too_small_a_size_is_not_judged() -> None:
    """Guards honesty: a quick run of ten thousand says nothing of a million."""
    assert (
        judge(Goal("six", "tell", "rate", 6, peer="pykka"), rows("ours", "tell", "rate", [60.0])).verdict
        == "not measured"
    )
    goal = Goal("million", "million", "live", 1_000_000, size=1_000_000)
    assert judge(goal, rows("ours", "million", "live", [100.0], size=100)).verdict == "not measured"
    assert judge(goal, []).verdict == "not measured"


def test_a_goal_in_a_unit_is_an_upper_bound_where_less_is_better() -> None:
    """Guards the direction of the memory, detection and million goals."""
    memory = Goal("memory", "spawn", "memory", 4)
    assert judge(memory, rows("ours", "spawn", "memory", [3.9])).verdict == "met"
    assert judge(memory, rows("ours", "spawn", "memory", [4.0])).verdict == "missed"
    live = Goal("live", "million", "live", 1_000_000)
    assert judge(live, rows("ours", "million", "live", [1_000_000.0])).verdict == "met"


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.about)
def test_every_goal_names_a_metric_of_its_work_and_a_subject_that_does_it(goal: Goal) -> None:
    """Guards the goals against a renamed work, metric or peer: they would be "not measured" for ever."""
    assert goal.metric in {metric.key for metric in WORKS[goal.work].metrics}
    assert goal.work in SUBJECTS[goal.subject].sizes
    assert SUBJECTS[goal.subject].sizes[goal.work] >= goal.size
    assert goal.peer is None or goal.work in SUBJECTS[goal.peer].sizes


@pytest.mark.parametrize("one", SUBJECTS.values(), ids=lambda one: one.name)
def test_every_subject_exports_exactly_the_works_it_has_sizes_for(one: Subject) -> None:
    """Guards the catalogue against its modules, read as source: no peer is imported."""
    assert one.sizes.keys() <= WORKS.keys()
    module, _, attribute = one.entry.partition(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    (value,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == attribute
    ]
    if isinstance(value, ast.Dict) and None not in value.keys:
        assert {ast.literal_eval(key) for key in value.keys if key is not None} == one.sizes.keys()


def test_all_faults_of_the_arguments_are_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the exit code 2, and that nobody mends one fault to meet the next."""
    arguments = [
        "--only",
        "tell,sing",
        "--rounds",
        "0",
        "--json",
        "no/such/folder/x.json",
        "--loud",
        "--subjects",
    ]
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    for fault in ("'--loud'", "'sing'", "--rounds", "'0'", "no/such/folder/x.json", "--subjects: must name"):
        assert fault in errors


def test_the_defaults_are_everything_five_times() -> None:
    """Guards `python -m benchmarks` without arguments."""
    options = parse([])
    assert isinstance(options, Options)
    assert [work.name for work in options.works] == list(WORKS)
    assert [one.name for one in options.subjects] == list(SUBJECTS)
    assert (options.rounds, options.quick, options.json) == (5, False, None)


def test_the_list_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards --list: every work and every subject by name, no child."""

    def launch(*_: object) -> Outcome:
        raise AssertionError("measured")

    assert main(["--list"], launch) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in (*WORKS, *SUBJECTS))


def test_the_json_file_holds_rows_with_their_spread_and_the_goals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs are compared by the file; a missed goal is not an error."""
    speeds = iter([30.0, 10.0, 10.0, 10.0, 20.0, 10.0])
    target = tmp_path / "figures.json"
    arguments = ["--only", "tell", "--subjects", "ours,pykka", "--rounds", "3", "--json", str(target)]
    assert main(arguments, lambda *_: ok(rate=next(speeds))) == 0
    written = json.loads(target.read_text(encoding="utf-8"))
    assert written.keys() == {"schema", "machine", "rounds", "quick", "rows", "goals", "lacks"}
    assert written["machine"]["build"] == build()
    assert written["machine"]["pinned_to"] == pinning()
    ours = written["rows"][0]
    assert (ours["subject"], ours["samples"], ours["median"], ours["min"], ours["max"]) == (
        "ours",
        [30, 10, 20],
        20,
        10,
        30,
    )
    assert (ours["ratio"], ours["peer"], ours["isolation"]) == (2.0, "pykka", "task")
    assert written["goals"][0] == {
        "goal": "tell at 6 x pykka",
        "measured": "2 x pykka",
        "verdict": "missed",
    }
    printed = capsys.readouterr().out
    assert "2 x pykka" in printed
    assert "What they do not do" in printed
    assert where() in printed


@pytest.mark.skipif(pinning() is None, reason="this platform cannot pin")
def test_a_measuring_process_is_pinned_to_one_processor() -> None:
    """Threads that it starts have the same one."""
    code = "import os; from benchmarks._machine import pin; pin(); print(os.sched_getaffinity(0))"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    ).stdout
    assert told.strip() == str({pinning()})


def test_the_head_says_where_measurements_cannot_be_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert "not pinned: this platform cannot" in where()
