"""Waiting for what runs do. Every wait ends: with what it waits for, or when its time is up."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from supervisors import ChildStartError, SupervisorSpec, start
from teams._journal.errors import StoreAway, StoreRefused
from teams._journal.rows import ENDED, JournalEntry
from teams._journal.store import Store
from teams.cli._account import did_not_start
from teams.cli._text import lines
from teams.cli._workflow_outcome import FAILED, needs_people, note, refuse
from teams.cli._workflow_store import status_in
from teams.workflows._engine.ref import RunStatus
from teams.workflows.events import StoreBack, StoreLost

T = TypeVar("T")

POLL = 0.1
"""Seconds between two looks at whether another process has written."""
PROBE = 1.0
"""Seconds of the lease by which it is found out whether this process can be the engine of a store."""

ORDERS = frozenset({"resume", "cancel", "pause", "move", "edit"})
"""What is said to a run that does not go on by itself, and changes that."""

Pause = Callable[[float], object]


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def _always() -> bool:
    return True


def looks(
    store: Store,
    look: Callable[[], T],
    seconds: float,
    *,
    alive: Callable[[], bool] = _always,
    clock: Callable[[], float] = time.monotonic,
    pause: Pause = _pause,
) -> Iterator[T]:
    """What `look` returns: at first, and whenever something may be new in the store, until the time is up or the
    engine in this process is not `alive`. Raises StoreAway, if the store is away when the time is up.
    """
    until = clock() + seconds
    fresh = True
    while True:
        away: StoreAway | None = None
        try:
            if store.changed() or fresh:
                found = look()
                fresh = False
                yield found
        except StoreAway as error:
            away, fresh = error, True
        if not alive():
            return
        left = until - clock()
        if left <= 0:
            if away is not None:
                raise away
            return
        pause(min(POLL, left))


def end_of(
    store: Store, run: str, seconds: float, *, alive: Callable[[], bool] = _always, **options: Callable[..., object]
) -> RunStatus | None:
    """How a run is when it has ended, or goes on only when a person says something; None: the time is up. Of a run that
    another one goes on for, how that is.
    """

    def look() -> tuple[RunStatus, bool]:
        nonlocal run
        while True:
            # The inbox first: an order that is taken up between the two reads shows in the state.
            is_told = any(each.kind in ORDERS for each in store.inbox(run))
            status = status_in(store, run)
            if status.continued_as is None:
                return status, is_told
            run = status.continued_as

    found = looks(store, look, seconds, alive=alive, **options)  # type: ignore[arg-type]
    for status, told in found:
        if status.state in ENDED or (needs_people(status) and not told):
            return status
    return None


def follow(store: Store, run: str, seconds: float, **options: Callable[..., object]) -> Iterator[JournalEntry]:
    """The entries of a run as they are written, until it has ended or the time is up."""
    last = 0

    def look() -> tuple[list[JournalEntry], bool]:
        ended = status_in(store, run).state in ENDED
        return store.entries(run, last), ended

    for entries, ended in looks(store, look, seconds, **options):  # type: ignore[arg-type]
        for entry in entries:
            yield entry
            last = entry.seq
        if ended:
            return


def can_serve(store: Store) -> bool:
    """Whether a process of its own can be the engine of the store now."""
    try:
        epoch = store.register(socket.gethostname(), os.getpid(), PROBE)
    except StoreRefused:
        return False
    store.release(epoch)
    return True


@contextlib.contextmanager
def playing(spec: SupervisorSpec) -> Iterator[Callable[[], bool]]:
    """The engine, up in this process; yields whether it is alive. It is stopped in order at the end and by SIGTERM.
    stderr has what its store says while that does not answer.
    """
    with contextlib.ExitStack() as stack:
        engine = start(spec, log=False)
        events = engine.runtime.events
        events.subscribe(lambda lost: note(lines(f"the run waits: {lost.error}")), StoreLost)
        events.subscribe(lambda _: note("the store answers again"), StoreBack)
        try:
            root = stack.enter_context(engine)
        except ChildStartError as error:
            refuse(did_not_start(spec.id, error), FAILED)
        yield root.is_alive
