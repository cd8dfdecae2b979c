"""The store of workflows, as the command line uses it: to read, and to write what is said to runs, with an engine or
without one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

from actors._user_code.text import printable
from actors.spi import ENVIRONMENT
from supervisors import SupervisorSpec
from teams._journal import rows
from teams._journal.codec import decode, encode, text_cell
from teams._journal.errors import NotReadable, StoreRefused, without_password
from teams._journal.open_store import open_store
from teams._journal.process import is_there
from teams._journal.rows import ENDED, Definition, EngineRow, InboxKind, InboxRow, LifeState, RunRow, Unit
from teams._journal.store import Store
from teams.workflows._engine.parts import address_of
from teams.workflows._engine.ref import RunStatus, status_of
from teams.workflows._engine.said import next_of, refusal
from teams.workflows._engine.settings import EngineSettings
from teams.workflows._run.hidden import Hidden
from teams.workflows.errors import NoSuchRun

VARIABLE = f"{ENVIRONMENT}STORE"
DEFAULT = "sqlite:///runs.db"
PAGE = 500
"""Runs that are read at once."""
_FILE = re.compile(r"sqlite[^:]*:///([^?]+)")


def address(given: str | None, spec: SupervisorSpec | None = None) -> str:
    """The address of the store: the one that was given, else that of the engine, else the variable, else the default.
    An engine has that of the variable already, if there is one.

    Raises StoreRefused: only a function of the engine knows its store.
    """
    if given is None and spec is not None:
        found = address_of(spec)
        if found is None:
            raise StoreRefused("a function", "only the engine knows its store. Name it with --store")
        return found
    return given or os.environ.get(VARIABLE) or DEFAULT


@contextlib.contextmanager
def opened(address: str, *, create: bool = False) -> Iterator[Store]:
    """The store, open. Without `create`, a file that does not exist is refused. Raises StoreRefused."""
    if address == "memory:":
        raise StoreRefused(address, "it ends with its process, and no other sees it. Use sqlite:///runs.db")
    file = _FILE.fullmatch(address.partition("?")[0])
    if not create and file is not None and not os.path.exists(file[1]):  # noqa: PTH110 - Path raises for a long name
        why = "there is no such file; `workflow start` and `workflow serve` make it, or name another one with --store"
        raise StoreRefused(without_password(address), why)
    store = open_store(address)
    try:
        yield store
    finally:
        store.close()


def new_id(store: Store) -> str:
    """The id of a new run or message."""
    return EngineSettings.new_id(store.now(), random.SystemRandom())


def run_of(store: Store, run: str) -> RunRow:
    """The row of a run. Raises NoSuchRun."""
    row = store.run(run)
    if row is None:
        raise NoSuchRun(run)
    return row


def status_in(store: Store, run: str) -> RunStatus:
    """How far a run is. Raises NoSuchRun."""
    row = run_of(store, run)
    return status_of(row, store.entries(run), store.inbox(run), hidden=hidden_of(store, row))


def whereabouts(store: Store, run: str) -> str | None:
    """The process that has a run, and whether it is there; None: none has it."""
    row = run_of(store, run)
    if row.owner is None or row.state in ENDED:
        return None
    owner = next((each for each in store.engines() if each.epoch == row.owner), None)
    there = None if owner is None else is_there(owner.process)
    if there is False:
        return "its process is gone; the next engine that serves the store goes on with it"
    if owner is None or owner.lease_until <= store.now():
        return "the lease of its process is over; the next engine that serves the store goes on with it"
    known = "" if there else "; whether it is there is not known here"
    return f"process {owner.pid} on {printable(owner.host)}{known}"


def hidden_of(store: Store, row: RunRow) -> Hidden:
    """The hidden parts of a run."""
    definition = store.definition(row.workflow, row.version)
    return Hidden(None if definition is None else definition.body)


def say(
    store: Store,
    run: str,
    kind: InboxKind,
    name: str = "",
    value: object = None,
    by: str = "",
    *,
    definition: Definition | None = None,
) -> None:
    """Writes a message to a run. Raises NoSuchRun, AlreadyEnded, NotStorable."""
    body = None if value is None else encode(value)
    send(store, InboxRow(new_id(store), run, kind, text_cell(name, "name"), body, by, store.now()), definition)


def send(store: Store, row: InboxRow, definition: Definition | None = None) -> None:
    """Writes a message. Raises NoSuchRun, AlreadyEnded."""
    (result,) = store.commit([Unit(row.run, definition=definition, inbox=(row,))])
    if isinstance(result, rows.MessageRefused):
        ended = store.run(row.run)
        following = next_of(ended, row)
        if following is None:
            raise refusal(row.run, ended)
        send(store, following, definition)


def engine_of(store: Store, epoch: int | None = None) -> EngineRow | None:
    """An engine whose lease runs and whose process is not known to have ended, or the one with this epoch; None: there
    is none.
    """
    now = store.now()
    leased = (each for each in store.engines() if each.lease_until > now and epoch in (None, each.epoch))
    return next((each for each in leased if is_there(each.process) is not False), None)


def every_run(
    store: Store, *, states: tuple[LifeState, ...] | None = None, workflow: str | None = None, since: int | None = None
) -> Iterator[RunRow]:
    """Runs, newest first, read page by page."""
    after: RunRow | None = None
    while page := store.runs(states=states, workflow=workflow, since=since, limit=PAGE, after=after):
        yield from page
        after = page[-1]


# Looking through a store


def damage(store: Store) -> Iterator[str]:
    """The faults of the rows of a store."""
    known: set[tuple[str, str]] = set()
    for row in every_run(store):
        if (row.workflow, row.version) not in known:
            known.add((row.workflow, row.version))
            found = store.definition(row.workflow, row.version)
            if found is None or hashlib.sha256(found.body).hexdigest() != row.version:
                how = "is missing" if found is None else "is damaged: its text is that of another version"
                yield f"{row.id}: version {row.version[:12]} of workflow {row.workflow!r} {how}"
        entries = store.entries(row.id)
        if [each.seq for each in entries] != list(range(1, row.seq + 1)):
            yield f"{row.id}: it has {len(entries)} entries, and its row says {row.seq}"
        if row.state in ENDED and row.ended_at is None:
            yield f"{row.id}: it is {row.state}, and has no time of its end"
        bodies = {"input": row.input, "result": row.result, "error": row.error, "attributes": row.attributes}
        bodies |= {f"entry {each.seq}": each.body for each in entries}
        for name, body in bodies.items():
            if body is not None and (why := _unreadable(body)) is not None:
                yield f"{row.id}: {name}: {why}"


def _unreadable(body: bytes) -> str | None:
    try:
        decode(body)
    except NotReadable as error:
        return error.what
    return None


def exported(store: Store, *, workflow: str | None = None, since: int | None = None) -> Iterator[Mapping[str, Any]]:
    """Everything in a store as mappings, each with its `kind`: definitions, runs with their entries and messages,
    schedules. Bodies are values.
    """
    written: set[tuple[str, str]] = set()
    for row in every_run(store, workflow=workflow, since=since):
        if (row.workflow, row.version) not in written:
            written.add((row.workflow, row.version))
            definition = store.definition(row.workflow, row.version)
            if definition is not None:
                body = definition.body.decode("utf-8", "replace")
                yield {"kind": "definition", **fields(definition), "body": body}
        yield {"kind": "run", **fields(row)}
        yield from ({"kind": "entry", "of": each.kind, **_without_kind(each)} for each in store.entries(row.id))
        yield from ({"kind": "message", "of": each.kind, **_without_kind(each)} for each in store.inbox(row.id))
    if workflow is None and since is None:
        yield from ({"kind": "schedule", **fields(each)} for each in store.schedules())


def fields(row: object) -> dict[str, Any]:
    """The columns of a row; bodies as values."""
    names: tuple[str, ...] = getattr(row, "_fields", None) or type(row).__slots__  # type: ignore[attr-defined]
    found = {name: getattr(row, name) for name in names}
    return {name: _value(each) if isinstance(each, bytes) else each for name, each in found.items()}


def _without_kind(row: object) -> dict[str, Any]:
    return {name: each for name, each in fields(row).items() if name != "kind"}


def _value(body: bytes) -> Any:
    try:
        return decode(body)
    except NotReadable:
        return body.decode("utf-8", "replace")
