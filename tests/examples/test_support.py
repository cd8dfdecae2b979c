"""The example support.toml: the documents' `customer_support`, killed with -9 and answered by a person."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from examples.support_agents import apologise
from teams.cli._app import app
from tests.examples.running import EXAMPLES
from tests.teams.cli.test_run import Program

FILE = str(EXAMPLES / "support.toml")
MESSAGE = '{"message": "my card was charged twice"}'
SPAM = '{"message": "you are a winner"}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder of the test's own: the store of the example is made there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setenv("LETITCRASH_STORE", "sqlite:///support.db")
    yield tmp_path
    sys.modules.pop("support_agents", None)


def workflow(*arguments: str) -> tuple[int, str]:
    """Exit code and stdout of a command in this process."""
    said = CliRunner().invoke(app, ["workflow", *arguments])
    return said.exit_code, said.stdout


def test_the_support_workflow_goes_on_after_kill_9(folder: Path) -> None:
    code, run = workflow("start", FILE, "--input", MESSAGE, "--key", "mail-4711")
    assert code == 0
    with closing(Program(folder, "workflow", "serve", FILE)) as engine:
        engine.until("engine is up")
        assert workflow("status", run.strip(), "--wait")[0] == 5
        engine.signal(signal.SIGKILL)
    assert workflow("answer", run.strip(), "approve", "yes", "--by", "ann")[0] == 0
    with closing(Program(folder, "workflow", "serve", FILE)) as engine:
        engine.until("engine is up")
        code, result = workflow("status", run.strip(), "--wait")
        engine.signal(signal.SIGTERM)
        assert engine.end()[0] == 0
    assert (code, result) == (0, "Your request is with the billing desk: my card was charged twice.\n")
    history = workflow("history", run.strip())[1]
    assert history.count("  done       classify") == 1
    assert history.count("  done       process") == 1


def test_spam_is_answered_without_work(folder: Path) -> None:
    code, _ = workflow("start", FILE, "--input", SPAM, "--key", "spam", "--wait")
    assert code == 5
    run = workflow("list")[1].split()[0]
    assert "process   skipped" in workflow("graph", run)[1]
    workflow("answer", run, "approve", "yes")
    assert workflow("start", FILE, "--input", SPAM, "--key", "spam", "--wait") == (0, "Thank you for your message.\n")


def test_the_answer_of_the_example_can_be_undone() -> None:
    assert apologise({"input": None, "result": "hello"}) == "Sorry, please ignore: hello"
