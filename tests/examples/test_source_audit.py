"""The main example: its arithmetic on a folder with every kind of poison, and its pure functions."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import DeadLetter
from examples.source_audit import (
    AuditResults,
    Collector,
    Function,
    GetResults,
    Metrics,
    Work,
    find_files,
    in_one_line,
    lines_of,
    measure,
    report_on,
)
from tests.examples.running import EXAMPLES, run_command, run_example
from tests.support import in_loop, world

POISON = {
    "encoding/latin.py": (b'name = "caf\xe9"\n', "UnicodeDecodeError"),
    "encoding/bom_twice.py": (b"\xef\xbb\xbf\xef\xbb\xbfx = 1\n", "SyntaxError"),
    "syntax/print.py": (b'print "hello"\n', "SyntaxError"),
    "syntax/indent.py": (b"if True:\nx = 1\n", "IndentationError"),
    "depth/walk.py": (b"x = " + b"1 + " * 1500 + b"1\n", "RecursionError"),
}
"""Files that crash the worker that has them in hand, each with the exception it must be quarantined for."""

EITHER = {
    "syntax/null.py": (b"x = 1\0\n", ("SyntaxError", "ValueError")),
    "depth/parse.py": (b"x = " + b"-" * 9000 + b"1\n", ("MemoryError", "RecursionError", "SyntaxError")),
}
"""Poison whose exception depends on the version of Python."""


def make_folder(folder: Path, good: int) -> None:
    """Good files, poison among them, a link to nowhere, and what is to be left out."""
    for number in range(good):
        write(
            folder / f"pkg{number % 3}/good{number}.py",
            b"def f(x):\n    if x:\n        return 1\n\n" * number,
        )
    for name, (content, _) in [*POISON.items(), *EITHER.items()]:
        write(folder / name, content)
    (folder / "dangling.py").symlink_to(folder / "nowhere.py")
    for name in ("__pycache__/a.py", "site-packages/b.py", "pkg0/notes.txt"):
        write(folder / name, b"not ( python")


def write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def audit(folder: Path, tmp_path: Path, *options: str) -> dict[str, Any]:
    """The report on `folder`, from a run of its own that must succeed."""
    file = tmp_path / "report.json"
    process = run_example("source_audit.py", folder, "--json", file, *options)
    assert process.returncode == 0, process.stderr
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    total = f"{report['found']} found = {report['audited']} audited + {len(report['quarantined'])} quarantined"
    assert total in process.stdout
    return report


@pytest.mark.parametrize("workers", ["1", "3"])
def test_found_is_audited_plus_quarantined_although_workers_crash(tmp_path: Path, workers: str) -> None:
    """Guards the promise of the example: every file is counted once, whatever it does to the workers."""
    make_folder(tmp_path / "sources", good=60)
    report = audit(tmp_path / "sources", tmp_path, "--workers", workers)
    bad = {*POISON, *EITHER, "dangling.py"}
    assert report["found"] == 60 + len(bad)
    assert report["audited"] == 60
    assert set(report["quarantined"]) == bad
    assert report["crashes"] == 3 * len(bad)
    assert report["functions"] == sum(range(60))
    assert report["lines"] == sum(4 * number + 1 for number in range(60))


def test_poison_is_quarantined_with_the_exception_that_crashed_its_worker(tmp_path: Path) -> None:
    """Guards the reasons in the quarantine."""
    make_folder(tmp_path / "sources", good=1)
    reasons = audit(tmp_path / "sources", tmp_path)["quarantined"]
    kinds = {name: reason.partition(":")[0] for name, reason in reasons.items()}
    assert kinds.pop("dangling.py") == "FileNotFoundError"
    assert {name: kinds[name] for name in POISON} == {name: kind for name, (_, kind) in POISON.items()}
    for name, (_, possible) in EITHER.items():
        assert kinds[name] in possible


def test_crashes_and_progress_are_shown_while_it_runs(tmp_path: Path) -> None:
    """Guards that a person sees the crashes, and on which file they were."""
    write(tmp_path / "sources/bad.py", b"(")
    process = run_example("source_audit.py", tmp_path / "sources")
    for attempt in (1, 2, 3):
        assert f"crash {attempt} of 3: audit/parsers/" in process.stderr
    assert "on bad.py; quarantined: SyntaxError" in process.stderr


def test_the_command_line_runs_it_with_what_stands_after_the_dashes(tmp_path: Path) -> None:
    """Guards the README's way to run it: exit 0 by itself, and 2 for a path that is not there."""
    make_folder(tmp_path / "sources", good=3)
    process = run_command("run", EXAMPLES / "source_audit.py", "--", tmp_path / "sources", "--top", "1")
    assert process.returncode == 0, process.stderr
    assert "11 found = 3 audited + 8 quarantined" in process.stdout
    process = run_command("run", EXAMPLES / "source_audit.py", "--", tmp_path / "missing")
    assert process.returncode == 2
    assert "no such file or folder" in process.stderr


def test_one_file_can_be_audited(tmp_path: Path) -> None:
    """Guards that a path may be a file."""
    write(tmp_path / "one.py", b"def f():\n    pass\n")
    report = audit(tmp_path / "one.py", tmp_path)
    assert (report["found"], report["audited"], report["functions"]) == (1, 1, 1)


def test_an_empty_folder_is_a_report_of_nothing(tmp_path: Path) -> None:
    """Guards against waiting for files that will never come."""
    (tmp_path / "empty").mkdir()
    assert audit(tmp_path / "empty", tmp_path)["found"] == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["no/such/folder"], "no/such/folder: no such file or folder"),
        ([".", "--workers", "0"], "--workers must be 1 or more"),
        ([".", "--json", "no/such/folder/report.json"], "its folder does not exist"),
    ],
)
def test_bad_arguments_are_named_and_end_the_process_with_2(arguments: list[str], named: str) -> None:
    """Guards the message for a path that is not there, and other slips."""
    process = run_example("source_audit.py", *arguments)
    assert process.returncode == 2
    assert named in process.stderr
    assert "Traceback" not in process.stderr


@in_loop
async def test_a_file_whose_worker_was_killed_is_accounted_for() -> None:
    """Guards that no file is lost in silence: a dead letter of the pipeline counts as quarantined."""
    async with world() as w:
        collector = await w.runtime.spawn(Collector)
        w.runtime.events.publish(DeadLetter("audit/parsers/0", 0.0, Work("a.py"), "killed"))
        await w.settle()
        results: AuditResults = await collector.call(GetResults())
        assert results.quarantined == {"a.py": "lost (killed) in audit/parsers/0"}


def test_each_python_file_is_found_once_and_in_order(tmp_path: Path) -> None:
    """Guards what is left out, and that no loop of links is followed."""
    make_folder(tmp_path, good=2)
    (tmp_path / "pkg0/again").symlink_to(tmp_path)
    found = list(find_files(tmp_path))
    expected = ["dangling.py", *POISON, *EITHER, "pkg0/good0.py", "pkg1/good1.py"]
    assert found == sorted(expected)


DECISION = st.sampled_from(
    [
        ("if x: pass", 1),
        ("if x: pass\nelif y: pass", 2),
        ("while x: pass", 1),
        ("for x in y: pass", 1),
        ("x and y or z", 2),
        ("x and y and z", 2),
        ("[x for x in y if x if z]", 3),
        ("x if y else z", 1),
        ("try: pass\nexcept A: pass\nexcept B: pass\nelse: pass", 2),
        ("match x:\n case 1: pass\n case _: pass", 2),
        ("class C: pass", 0),
        ("x = lambda: y or z", 1),
        ("with x: pass", 0),
    ]
)
"""Statements, each with the number of decisions in it."""

Body = list[tuple[str, int]]


def indented(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield f"    {line}"


def function(name: str, *body: str) -> str:
    return "\n".join([f"def {name}():", *(line for each in ("pass", *body) for line in indented(each))])


@given(outer=st.lists(DECISION, max_size=6), inner=st.lists(DECISION, max_size=6))
def test_complexity_is_one_plus_the_decisions_of_the_function_itself(outer: Body, inner: Body) -> None:
    """Guards the measure: what stands in a nested function counts there and nowhere else."""
    nested = function("inner", *(text for text, _ in inner))
    source = function("outer", nested, *(text for text, _ in outer))
    metrics = measure(ast.parse(source), 0)
    assert {each.name: each.complexity for each in metrics.functions} == {
        "outer": 1 + sum(count for _, count in outer),
        "outer.inner": 1 + sum(count for _, count in inner),
    }
    lengths = {each.name: each.lines for each in metrics.functions}
    assert lengths == {"outer": len(source.splitlines()), "outer.inner": len(nested.splitlines())}


METRICS = st.builds(
    Metrics,
    lines=st.integers(1, 10_000),
    functions=st.lists(st.builds(Function, st.text("fg", min_size=1), *[st.integers(1, 500)] * 3), max_size=5).map(
        tuple
    ),
)
PATHS = st.text("abc/\udcff", min_size=1, max_size=6)


@given(
    audited=st.dictionaries(PATHS, METRICS, max_size=12),
    reasons=st.dictionaries(PATHS, st.text(max_size=20), max_size=12),
    top=st.integers(0, 4),
)
def test_a_report_adds_up_and_shows_the_largest(audited: dict[str, Metrics], reasons: dict[str, str], top: int) -> None:
    """Guards the report: nothing is left out of the sums, and nothing larger than what it lists."""
    quarantined = {path: reason for path, reason in reasons.items() if path not in audited}
    results = AuditResults(len(audited) + len(quarantined), audited, quarantined)
    assert results.done
    report = report_on(results, "root", top, 1.0)
    assert report.adds_up
    assert report.lines == sum(each.lines for each in audited.values())
    lengths = sorted((each.lines for file in audited.values() for each in file.functions), reverse=True)
    assert [each.lines for _, each in report.largest_functions] == lengths[:top]
    complexities = sorted((each.complexity for each in audited.values()), reverse=True)
    assert [complexity for _, complexity in report.most_complex_files] == complexities[:top]
    assert f"{results.found} found = {len(audited)} audited + {len(quarantined)} quarantined" in list(lines_of(report))


@given(missing=st.integers(1, 5), audited=st.dictionaries(PATHS, METRICS, max_size=5))
def test_results_are_not_done_while_a_file_is_missing(missing: int, audited: dict[str, Metrics]) -> None:
    """Guards against a report that comes too early."""
    assert not AuditResults(None, audited).done
    assert not AuditResults(len(audited) + missing, audited).done


@given(text=st.text(), width=st.integers(30, 120))
def test_a_reason_is_one_line_that_begins_with_the_class(text: str, width: int) -> None:
    """Guards the table of the quarantine against messages with line breaks, and endless ones."""
    for error in (ValueError(text), SyntaxError(text), SyntaxError(text, ("a.py", 3, 1, text))):
        reason = in_one_line(error, width)
        assert len(reason) <= width
        assert len(reason.splitlines()) == 1
        assert reason.startswith(type(error).__name__)
