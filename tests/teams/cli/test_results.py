"""The result of a tree on the command line: whatever it is, it is printed, and the tree stops in order."""

from __future__ import annotations

import io
import itertools
import json
import math
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

from actors import Actor
from actors.testing._sim import observations as seen
from supervisors import Concluded, SupervisorSpec, child, supervisor
from teams.cli._text import json_line, result_text
from tests.actors.hostile import VALUES, hostile_values, off_the_main_thread
from tests.teams.cli.test_signals_in_simulation import OnLoop, Said, run


def concluding(value: object) -> SupervisorSpec:
    """A tree that has this result, and then ends."""

    class Job(Actor):
        def on_continue(self) -> None:
            self.runtime.events.publish(Concluded(self.path, self.runtime.now(), value))
            self.stop()

    job = child("job", Job, restart="transient", significant=True)
    return supervisor("shop", child("a", OnLoop), child("b", OnLoop), job, auto_shutdown="any_significant")


def endless() -> Iterator[int]:
    yield from itertools.count()


RESULTS: list[Callable[[], Any]] = [*VALUES, endless, lambda: [endless()], lambda: {"a": {1, 2}, (1, 2): object()}]


@pytest.fixture
def signals_are_taken() -> Iterator[None]:
    """As in a session: no KeyboardInterrupt is the user's Ctrl-C."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("signals_are_taken")
@pytest.mark.parametrize("number", range(len(RESULTS)))
def test_a_tree_with_any_result_prints_it_and_stops_in_order(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards results that are no JSON, or cannot be shown at all."""
    value = RESULTS[number]()
    command = run(concluding(value), {})
    assert command.code == 0
    assert command.said == ["shop has ended: shutdown(auto_shutdown)"]
    assert command.order(seen.Exited) == ["shop/b", "shop/a", "shop"]
    printed = capsys.readouterr().out
    assert printed.endswith("\n")
    assert printed[:-1].isprintable()


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("a text\nof two lines", "a text\nof two lines"),
        ("\x1b[31mred \udc80", "\\x1b[31mred \\udc80"),
        ({"a": [1, None, True], "b": {"c": 1.5}}, '{"a":[1,null,true],"b":{"c":1.5}}'),
        (["é", "\x9b"], '["é","\\u009b"]'),
        ([math.nan, -math.inf], '["NaN","-Infinity"]'),
        (b"\xff", '"_w=="'),
        ([object], "[\"<class 'object'>\"]"),
        (["\ud800"], "['\\ud800']"),
        ("x" * 100_000, "x" * 100_000),
    ],
)
def test_a_result_is_text_as_it_is_or_json_or_its_repr(value: object, printed: str) -> None:
    """Guards who reads stdout: a text and JSON are whole, whatever their length."""
    assert result_text(value) == printed


@settings(max_examples=50)
@given(hostile_values())
def test_a_line_of_json_is_json_whatever_its_fields_are(value: object) -> None:
    """Guards `--log-format json`: a field of the user's does not cost the line."""
    line = off_the_main_thread(lambda: json_line({"event": "x", "value": value, "\ud800": value}))
    assert line.isprintable()
    sys.set_int_max_str_digits(0)
    try:
        assert json.loads(line)["event"] == "x"
    finally:
        sys.set_int_max_str_digits(4300)


class Broken(Said):
    """A view that fails at what it is told to."""

    at = ""

    def up(self, root: object) -> None:
        if self.at == "up":
            raise OSError("no terminal")

    def say(self, text: str) -> None:
        super().say(text)
        if self.at == "say":
            raise OSError("no terminal")


def test_a_stream_that_takes_no_result_stops_the_tree_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a stdout that the program itself has closed or put something else in the place of."""
    monkeypatch.setattr(sys, "stdout", closed := io.StringIO())
    monkeypatch.setattr(sys, "stderr", errors := io.StringIO())
    closed.close()
    command = run(concluding("done"), {})
    assert command.code == 1
    assert command.order(seen.Exited) == ["shop/b", "shop/a", "shop"]
    assert "the output failed; stopping shop in order\n" in errors.getvalue()
    assert "ValueError: I/O operation on closed file" in errors.getvalue()


SCRIPT = """
from actors import Actor
from supervisors import Concluded, child, supervisor

class Job(Actor):
    def on_continue(self):
        self.runtime.events.publish(Concluded(self.path, self.runtime.now(), result()))
        self.stop()

    def on_stop(self):
        print("stopped in order")

class Evil:
    def __repr__(self):
        raise SystemExit(3)

def result():
    made = [Evil()]
    made.append(made)
    return made

tree = supervisor("root", child("job", Job, restart="transient", significant=True), auto_shutdown="any_significant")
"""


def test_the_command_prints_what_it_can_of_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards `letitcrash run` as a whole, with a list that holds itself and what exits when it is shown."""
    from teams.cli._app import app

    (tmp_path / "job_with_odd_result.py").write_text(SCRIPT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    said = CliRunner().invoke(app, ["run", str(tmp_path / "job_with_odd_result.py"), "--plain", "--log-format", "json"])
    assert said.exit_code == 0, said.output
    assert "stopped in order\n" in said.stdout
    assert "<list, cannot be shown>\n" in said.stdout
    assert '"message":"root has ended: shutdown(auto_shutdown)"' in said.stderr
    assert all(json.loads(line)["logger"] == "letitcrash" for line in said.stderr.splitlines())
