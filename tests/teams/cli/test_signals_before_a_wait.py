"""A signal that comes just before the main thread waits: it interrupts nothing, and its handler runs after the wait."""

from __future__ import annotations

import contextlib
import queue
import signal
from typing import Any

import pytest

from actors import Actor, Runtime
from supervisors import SupervisorRef, child, supervisor
from teams.cli import _session
from teams.cli._account import Failures


class Notes:
    """A view that remembers what it was told, and which signal comes before the next wait."""

    every: float | None = None
    wants_keys: bool = False

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.coming: list[signal.Signals] = []

    def open(self) -> None: ...

    def begun(self, runtime: Runtime) -> None: ...

    def up(self, root: SupervisorRef) -> None:
        self.coming = [signal.SIGINT]

    def refresh(self) -> None: ...

    def pressed(self, key: str) -> None: ...

    def ask(self, text: str) -> None: ...

    def answered(self) -> None: ...

    def close(self) -> None: ...

    def say(self, text: str) -> None:
        self.lines.append(text)


class Inbox(queue.SimpleQueue[Any]):
    """The inbox of the main thread. A wait without a limit does not end by the signal that came before it."""

    def __init__(self, view: Notes) -> None:
        self._view = view
        self.waits: list[float | None] = []

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self._view.coming:
            return super().get()
        self.waits.append(timeout)
        number = self._view.coming.pop()
        assert timeout is not None, "this wait would not end"
        signal.raise_signal(number)
        raise queue.Empty


def test_a_signal_just_before_a_wait_stops_the_run_when_the_wait_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait of the main thread is without a limit, so the handler of the signal runs."""
    view = Notes()
    inbox = Inbox(view)
    monkeypatch.setattr(_session, "freeze", lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(queue, "SimpleQueue", lambda: inbox)
        session = _session.Session(
            supervisor("root", child("a", Actor)), view, Failures(), lambda _: contextlib.nullcontext()
        )
    assert session.run() == 0
    assert inbox.waits == [_session.LOOK]
    assert view.lines == ["SIGINT: stopping root in order; once more kills it", "root has stopped"]
