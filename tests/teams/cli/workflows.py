"""What the tests of `letitcrash workflow` share: a workflow in a file, the command in this process, rows as an engine
would write them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from teams._journal.codec import encode
from teams._journal.open_store import open_store
from teams._journal.rows import EntryKind, InboxRow, JournalEntry, RunRow, Unit, Written
from teams._journal.store import Store
from teams.cli import _workflow_wait as waits
from teams.cli._app import app
from teams.workflows._engine import desk, lookout
from tests.teams.journal.cast import empty_file

AGENTS = """
def classify(asked):
    return {"category": "spam" if "winner" in asked["message"] else "billing"}

def process(asked):
    if asked["category"] == "broken":
        raise ValueError("no [bold]luck\\x1b[31m")
    return {"result": asked["category"] + " desk"}

def respond(asked):
    return asked["processed"] or "thank you"
"""

FILE = """
workflow = "support"

[engine]
store = "sqlite:///support.db"

[agents]
classifier = "desk_agents:classify"
processor = "desk_agents:process"
responder = "desk_agents:respond"

[[steps]]
id = "classify"
agent = "classifier"
input = { message = "$input.message" }

[[steps]]
id = "process"
agent = "processor"
input = { category = "$classify.category" }
condition = "$classify.category != 'spam'"

[[steps]]
id = "approve"
ask = "Send it?"
options = ["yes", "no"]
condition = "$classify.category != 'spam'"

[[steps]]
id = "respond"
agent = "responder"
input = { processed = "$process.result" }
"""

STORE = "sqlite:///support.db"
INPUT = '{"message": "charged twice"}'


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


Letitcrash = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with the file, its agents and an empty store; modules and paths that a target brings along are
    taken back.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setenv("LETITCRASH_STORE", STORE)
    (tmp_path / "desk_agents.py").write_text(AGENTS)
    (tmp_path / "support.toml").write_text(FILE)
    empty_file(tmp_path / "support.db")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def no_store(folder: Path) -> None:
    """The folder has no store: a command that uses it makes it."""
    (folder / "support.db").unlink()


@pytest.fixture
def letitcrash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Letitcrash:
    """Runs `letitcrash workflow ...` in this process. Its engines look every 10 ms for what is new, and so does a
    command that waits; a run is parked after 10 ms.
    """
    monkeypatch.setattr(desk, "PARK", 0.01)
    for each in (desk, lookout, waits):
        monkeypatch.setattr(each, "POLL", 0.01)

    def invoke(*args: str, stdin: str | None = None) -> Said:
        found = CliRunner().invoke(app, ["workflow", *args], input=stdin)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return Said(found.exit_code, found.stdout, found.stderr)

    return invoke


@contextmanager
def store() -> Iterator[Store]:
    """The store of the folder."""
    found = open_store(STORE)
    try:
        yield found
    finally:
        found.close()


def run_with(letitcrash: Letitcrash, *arguments: str) -> str:
    """Starts a run, and returns its id."""
    said = letitcrash("start", "support.toml", "--input", INPUT, *arguments)
    assert said.code == 0, said.err
    return said.out.strip()


def played(run: str, *steps: tuple[EntryKind, str, Any], **update: Any) -> RunRow:
    """Writes entries of a run as an engine that has it now would, and gives the run up. With `ended_at=None` it is
    parked.
    """
    with store() as found:
        epoch = found.register("host", 1, 60.0)
        row = next((each for each in found.claim(epoch, 100) if each.id == run), None) or found.run(run)
        assert row is not None
        entries = tuple(
            JournalEntry(run, row.seq + number, kind, step, 1, found.now(), None, encode(body))
            for number, (kind, step, body) in enumerate(steps, 1)
        )
        changed: Mapping[str, Any] = {"owner": None, **update}
        assert found.commit([Unit(run, epoch=row.epoch, entries=entries, update=changed)]) == [Written()]
        found.release(epoch)
        ended = found.run(run)
        assert ended is not None
        return ended


def asks(question: str = "Send it?", options: tuple[str, ...] = ("yes", "no")) -> dict[str, Any]:
    """The body of an entry that asks."""
    return {
        "what": f"a person: {question}",
        "until": None,
        "asks": {"question": question, "options": list(options), "default": None, "person": None},
    }


def waiting(run: str) -> RunRow:
    """The run, where it asks a person."""
    return played(
        run,
        ("began", "classify", "classifier"),
        ("done", "classify", {"category": "billing"}),
        ("began", "process", "processor"),
        ("done", "process", {"result": "billing desk"}),
        ("asked", "approve", asks()),
        state="waiting",
        waiting_for="a person: Send it?",
    )


def inbox(run: str) -> list[InboxRow]:
    """What the run has not taken up."""
    with store() as found:
        return found.inbox(run)
