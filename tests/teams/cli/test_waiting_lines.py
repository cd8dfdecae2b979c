"""Lines that wait for the thread that draws: in the order in which they came, and none left out in silence."""

from __future__ import annotations

import io

from teams.cli import _streams
from teams.cli._streams import Lines, WaitingLines


def test_prints_and_log_records_keep_their_order() -> None:
    """Guards readers who look what was printed before a crash: one order for stdout, stderr and the log."""
    waiting = WaitingLines()
    out, err = Lines(io.StringIO(), waiting), Lines(io.StringIO(), waiting)
    out.write("one\ntw")
    waiting.logged(["crashed", "Traceback"], "red")
    err.write("three\n")
    out.write("o\n")
    assert [(line.text, line.style) for line in waiting.take()] == [
        ("one", None),
        ("crashed", "red"),
        ("Traceback", "red"),
        ("three", None),
        ("two", None),
    ]
    assert waiting.take() == []


def test_a_log_that_is_faster_than_the_terminal_is_counted() -> None:
    """Guards the event loop, which must not wait for a terminal, and readers, who are told."""
    waiting = WaitingLines()
    for number in range(_streams._MOST + 12):
        waiting.logged([f"record {number}"], "dim")
    lines = [line.text for line in waiting.take()]
    assert lines[: _streams._MOST + 1] == [f"record {number}" for number in range(_streams._MOST + 1)]
    assert lines[-1] == "(11 log records came too fast for the terminal; --plain shows all)"
    waiting.logged(["later"], "dim")
    assert [line.text for line in waiting.take()] == ["later"]


def test_what_is_printed_after_the_view_has_closed_goes_to_the_terminal() -> None:
    """Guards code that holds the stream of the view: its output is not kept for a thread that draws no more."""
    terminal, waiting = io.StringIO(), WaitingLines()
    lines = Lines(terminal, waiting)
    lines.write("whole\npart")
    assert lines.release() == "part"
    lines.write(" of the end\n")
    assert terminal.getvalue() == " of the end\n"
    assert [line.text for line in waiting.take()] == ["whole"]
