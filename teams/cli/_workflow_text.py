"""Runs as text and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from actors._user_code.text import cut, printable
from teams._journal.codec import decode
from teams._journal.errors import NotReadable
from teams._journal.rows import JournalEntry, RunRow
from teams.cli._text import json_line, lines, result_text
from teams.workflows._engine.ref import RunStatus
from teams.workflows._quality.domain import Scores
from teams.workflows._run.execution import ExecutionChoice
from teams.workflows._run.keeper import CONTINUED
from teams.workflows._run.names import step_of

_CELL = 60
_BODY = 120
"""Characters of a body that a line of the history shows."""
_STEP_STATE = {
    "began": "running",
    "asked": "waiting",
    "done": "done",
    "slept": "done",
    "answered": "done",
    "signalled": "done",
    "expired": "expired",
    "failed": "failed",
    "skipped": "skipped",
}


def instant(at: float) -> str:
    """A time in seconds since the epoch, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_lines(status: RunStatus) -> Iterator[str]:
    """A run, for people."""
    progress = "" if status.percentage is None else f", {status.percentage:g} %"
    of = "" if status.total is None else f" of {status.total}"
    rows: list[tuple[str, str]] = [
        ("run", status.id),
        ("workflow", f"{status.workflow} (version {status.version[:12]})"),
        *([("key", status.key)] if status.key is not None else []),
        *([("parent", _parent_text(status))] if status.parent is not None else []),
        ("state", _state_text(status)),
        ("steps", f"{status.done}{of} done{f', {status.failed} failed' if status.failed else ''}{progress}"),
        *([("execution", _choice_text(status.execution))] if status.execution is not None else []),
        *(("now", each) for each in status.current_steps),
        *(("question", f"{step}: {question}") for step, question in status.questions.items()),
        *(("unread", each) for each in status.unread),
        *(("quality", _scores_text(step, scores)) for step, scores in status.quality.items()),
        ("created", instant(status.created_at)),
        *([("started", instant(status.started_at))] if status.started_at is not None else []),
        *([("ended", instant(status.ended_at))] if status.ended_at is not None else []),
        *([("goes on", f"as run {status.continued_as}")] if status.continued_as is not None else []),
    ]
    for name, text in rows:
        yield f"{name:<9} {cut(text, 500)}"
    if status.state == "done":
        yield f"result    {result_text(status.result)}"
    if status.error is not None:
        yield f"error     {lines(status.error)}"


def _state_text(status: RunStatus) -> str:
    if status.waiting_for is None or status.waiting_since is None:
        return status.state
    return f"{status.state}, for {status.waiting_for}, since {instant(status.waiting_since)}"


def _parent_text(status: RunStatus) -> str:
    if status.parent_step == CONTINUED:
        return f"run {status.parent}, in whose place it goes on"
    return f"run {status.parent}, step {status.parent_step}"


def _choice_text(choice: ExecutionChoice) -> str:
    return f"{choice.execution}, {choice.reason}: {choice.detail}"


def _scores_text(step: str, scores: Scores) -> str:
    said = ", ".join(f"{name} {score:g}" for name, score in scores.scores.items())
    missing = "".join(f", {name} missing" for name in scores.missing)
    return f"{step}: {scores.score:g} {'passed' if scores.passed else 'too low'} ({scores.domain}: {said}{missing})"


def status_json(status: RunStatus) -> str:
    """A run, for programs; times in ISO 8601."""
    found = dataclasses.asdict(status)
    for name in ("created_at", "started_at", "ended_at", "waiting_since"):
        found[name] = None if found[name] is None else instant(found[name])
    return json_line(found)


def run_lines(rows: Iterable[RunRow]) -> Iterator[str]:
    """Runs as a table, one line each."""
    for row in rows:
        waits = "" if row.waiting_for is None else f"  {cut(row.waiting_for, _CELL)}"
        key = "" if row.key is None else f"  key {cut(row.key, _CELL)}"
        yield f"{printable(row.id)}  {instant(row.created_at / 1e6)}  {row.state:<10}  {cut(row.workflow)}{key}{waits}"


def run_json(row: RunRow) -> str:
    """A run of a list."""
    return json_line(
        {
            "id": row.id,
            "workflow": row.workflow,
            "version": row.version,
            "key": row.key,
            "state": row.state,
            "waiting_for": row.waiting_for,
            "priority": row.priority,
            "created_at": instant(row.created_at / 1e6),
            "started_at": None if row.started_at is None else instant(row.started_at / 1e6),
            "ended_at": None if row.ended_at is None else instant(row.ended_at / 1e6),
        }
    )


# The history


def body_of(entry: JournalEntry) -> Any:
    """The content of an entry."""
    if entry.body is None:
        return None
    try:
        return decode(entry.body)
    except NotReadable as error:
        return f"(it cannot be read: {error.what})"


def entry_line(entry: JournalEntry) -> str:
    """An entry, for people."""
    attempt = "" if entry.attempt <= 1 else f" (attempt {entry.attempt})"
    body = body_of(entry)
    said = "" if body is None else f"  {cut(result_text(body), _BODY)}"
    took = "" if entry.seconds is None else f"  {entry.seconds:.3f} s"
    step = cut(entry.step, _CELL) + attempt
    return f"{entry.seq:>5}  {instant(entry.at / 1e6)}  {entry.kind:<9}  {step}{took}{said}".rstrip()


def entry_json(entry: JournalEntry) -> str:
    """An entry, for programs."""
    return json_line(
        {
            "run": entry.run,
            "seq": entry.seq,
            "kind": entry.kind,
            "step": entry.step,
            "attempt": entry.attempt,
            "at": instant(entry.at / 1e6),
            "seconds": entry.seconds,
            "body": body_of(entry),
        }
    )


# The picture of a run


def step_states(row: RunRow, entries: Iterable[JournalEntry]) -> dict[str, str]:
    """The state of each step of a run that has begun, was skipped or has ended."""
    parts: dict[str, dict[str, str]] = {}
    for entry in entries:
        state = _STEP_STATE.get(entry.kind)
        if entry.kind == "began" and isinstance(body_of(entry), dict):
            state = "waiting"
        id = step_of(entry.step)
        if state is not None and id:
            undone = entry.step.endswith("/undo")
            if undone and state == "done":
                parts[id] = {"": "undone"}
            elif not undone and not entry.step.endswith("/pause"):
                parts.setdefault(id, {})[entry.step] = state
    found = {step: _together(step, states) for step, states in parts.items()}
    if row.ended_at is not None:
        found = {step: row.state if state in ("running", "waiting") else state for step, state in found.items()}
    return found


def _together(step: str, states: Mapping[str, str]) -> str:
    """The state of a step: its own if it has ended, else that of its parts."""
    own = states.get(step, states.get(""))
    if own not in (None, "running", "waiting"):
        return str(own)
    for state in ("running", "waiting", "failed"):
        if state in states.values():
            return state
    return "done"


_OF_MODULES = ("returns", "undo", "retry", "run", "pattern", "quality")
"""Keys of a step that may name what only its modules have."""


def drawable(body: bytes) -> dict[str, Any]:
    """The document of a workflow without what only its modules say: it can be drawn where they cannot be imported."""
    document = json.loads(body)
    return _drawable(document)


def _drawable(document: dict[str, Any]) -> dict[str, Any]:
    found = {key: each for key, each in document.items() if key != "input"}
    for key in ("steps", "tasks"):
        if key in found:
            found[key] = [_drawable_step(each) for each in found[key]]
    return found


def _drawable_step(step: dict[str, Any]) -> dict[str, Any]:
    found = {key: each for key, each in step.items() if key not in _OF_MODULES}
    if "run" in step:
        found["agent"] = str(step["run"]).rpartition(":")[2] or "function"
    if "pattern" in step and "team" in step:
        found["pattern"] = step["pattern"]
    elif "pattern" in step:
        kind = step["pattern"].get("type") if isinstance(step["pattern"], dict) else None
        found["agent"] = str(kind or "pattern").rpartition(":")[2]
    if isinstance(step.get("workflow"), dict):
        found["workflow"] = _drawable(step["workflow"])
    if isinstance(found.get("agent"), dict):
        found["agent"] = {key: each for key, each in found["agent"].items() if key != "key"}
    return found
