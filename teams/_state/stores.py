"""Where events are written down: a small protocol, a store in memory, and one of JSON lines in files.

A store holds numbered events and the last snapshot. What has been appended is in the next `load`, entirely or, when
the process died meanwhile, not at all; what a snapshot includes need not be kept as events any longer.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

from pydantic import TypeAdapter

from teams.errors import StoreDamaged, StoreInUse

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Stored(NamedTuple):
    """The content of a store."""

    number: int
    """The number of the last event in the snapshot; 0 without a snapshot."""
    snapshot: object
    """The state after that event; None without a snapshot."""
    events: tuple[object, ...]
    """The events since, numbered without a gap."""
    dropped: bytes = b""
    """The end of the last write, where the process died in the middle of it. It was never acknowledged."""


class EventStore(Protocol):
    """Keeps numbered events. One owner uses it, from one thread at a time; a second one is refused."""

    def load(self) -> Stored:
        """Everything there is. Raises `StoreDamaged`, and `StoreInUse` when another owner uses it."""
        ...

    def append(self, number: int, events: Sequence[object]) -> None:
        """Adds events, the first with this number: all of them, or none and an exception."""
        ...

    def save(self, number: int, state: object) -> None:
        """Replaces the snapshot by the state after event `number`, or leaves everything as it was and raises."""
        ...

    def close(self) -> None:
        """Closes the store; the next use opens it again."""
        ...


class MemoryStore:
    """A store in memory. States are held as they are, so they must be values."""

    def __init__(self) -> None:
        self._number = 0
        self._snapshot: object = None
        self._events: list[object] = []

    def load(self) -> Stored:
        """Everything there is."""
        return Stored(self._number, self._snapshot, tuple(self._events))

    def append(self, number: int, events: Sequence[object]) -> None:
        """Adds events."""
        self._events += events

    def save(self, number: int, state: object) -> None:
        """Replaces the snapshot."""
        del self._events[: number - self._number]
        self._number, self._snapshot = number, state

    def close(self) -> None:
        """Does nothing."""

    def __str__(self) -> str:
        return type(self).__name__


class FileStore:
    """JSON lines in `path`, one for each write, and the snapshot in a file beside it that ends in `.snapshot`.

    Opening, reading and writing block the thread of the owner. A process that dies loses nothing that was
    acknowledged; with `fsync` a machine that dies does not either, for the price of one `fsync` a write. A snapshot is
    written beside the old one and takes its place in one step (POSIX rename); after it the events begin anew.

    The first use opens the file of the events and locks it until `close`, against every other owner, in this process or
    another; a process that dies loses its lock, too. Windows has no such lock: a second process goes unnoticed there.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, fsync: bool = False, event: Any = None, state: Any = None
    ) -> None:
        """Opens nothing yet.

        Args:
            path: the file of the events; its folder must exist when it is first used
            fsync: whether every write waits until the disk has it
            event: the type of the events, anything pydantic can read and write, a union for instance; None: what JSON
                can say, and as JSON says it: a tuple comes back as a list
            state: the type of the snapshots, likewise
        """
        self._file: FileIO | None = None
        self._path = Path(path)
        self._snapshot_path = self._path.with_name(self._path.name + ".snapshot")
        self._fsync = fsync
        self._event: TypeAdapter[Any] | None = None if event is None else TypeAdapter(event)
        self._state: TypeAdapter[Any] | None = None if state is None else TypeAdapter(state)
        self._good: int | None = None
        """The length of the sound part of the file. The rest is of a write that failed. None: unknown."""

    def __del__(self) -> None:
        self.close()

    def __str__(self) -> str:
        return str(self._path)

    def load(self) -> Stored:
        """Everything there is. A file that does not exist yet is made.

        Raises:
            StoreInUse: another owner has the file
            StoreDamaged: a line cannot be read and is not the last, or a number is missing
            OSError: the files cannot be opened
        """
        file = self._opened()
        number, snapshot = self._load_snapshot()
        events: list[object] = []
        file.seek(0)
        content = file.readall()
        good = 0
        lines = content.splitlines(keepends=True)
        expected = number + 1
        for index, line in enumerate(lines):
            try:
                first, payload = _parsed(line)
            except ValueError as error:
                if index == len(lines) - 1:
                    break
                raise StoreDamaged(str(self._path), index + 1, str(error)) from None
            for event_number, event in enumerate(payload, start=first):
                if event_number <= number:
                    continue  # the process died between the snapshot and the fresh start of the events
                if event_number != expected:
                    why = f"event {expected} is missing, {event_number} follows"
                    raise StoreDamaged(str(self._path), index + 1, why)
                events.append(self._read(self._event, event, self._path, index + 1))
                expected += 1
            good += len(line)
        self._good = good
        return Stored(number, snapshot, tuple(events), content[good:])

    def _load_snapshot(self) -> tuple[int, object]:
        path = self._snapshot_path
        if not path.exists():
            return 0, None
        try:
            number, state = json.loads(path.read_bytes())
            if type(number) is not int:
                raise ValueError(f"its number is {number!r}")
        except (ValueError, TypeError) as error:
            raise StoreDamaged(str(path), 1, str(error)) from None
        return number, self._read(self._state, state, path, 1)

    @staticmethod
    def _read(adapter: TypeAdapter[Any] | None, value: object, path: Path, line: int) -> object:
        try:
            return value if adapter is None else adapter.validate_python(value)
        except ValueError as error:
            raise StoreDamaged(str(path), line, str(error)) from None

    def append(self, number: int, events: Sequence[object]) -> None:
        """Adds events, in one line.

        Raises:
            TypeError, ValueError: JSON cannot say an event; nothing is written
            StoreInUse: another owner has the file
            StoreDamaged: nothing had been loaded, and it cannot be
            OSError: the disk refused
        """
        line = _encoded([number, [_plain(self._event, event) for event in events]]) + b"\n"
        file = self._opened()
        if self._good is None:
            self.load()
            assert self._good is not None
        if file.seek(0, os.SEEK_END) != self._good:
            file.truncate(self._good)
            file.seek(self._good)
        written = file.write(line)
        if written != len(line):
            raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes were written", str(self._path))
        self._flush(file)
        self._good += len(line)

    def save(self, number: int, state: object) -> None:
        """Replaces the snapshot, and begins the events anew.

        Raises:
            TypeError, ValueError: JSON cannot say the state
            StoreInUse: another owner has the file
            OSError: the disk refused
        """
        file = self._opened()
        text = _encoded([number, _plain(self._state, state)])
        fresh = self._snapshot_path.with_name(self._snapshot_path.name + ".new")
        with fresh.open("wb") as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())  # or the rename may reach the disk before the content does
        fresh.replace(self._snapshot_path)
        if self._fsync:
            self._sync_folder()
        file.truncate(0)
        self._flush(file)
        self._good = 0

    def close(self) -> None:
        """Closes the file, and lets others have it; the next use opens it again."""
        file, self._file, self._good = self._file, None, None
        if file is not None:
            file.close()

    def _opened(self) -> FileIO:
        if self._file is None:
            file = FileIO(self._path, "a+b")  # made if it is missing, and never emptied: it may be another owner's
            try:
                if not lock(file):
                    raise StoreInUse(str(self))
            except BaseException:
                file.close()
                raise
            self._file = file
        return self._file

    def _flush(self, file: FileIO) -> None:
        if self._fsync:
            os.fsync(file.fileno())

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(adapter: TypeAdapter[Any] | None, value: object) -> object:
    return value if adapter is None else adapter.dump_python(value, mode="json")


def _parsed(line: bytes) -> tuple[int, list[object]]:
    """The number of the first event of a line, and its events. Raises ValueError."""
    if not line.endswith(b"\n"):
        raise ValueError("the line does not end")
    match json.loads(line):
        case [int(number), list(events)]:
            return number, events
    raise ValueError("the line is not a number and a list of events")


class EventLog:
    """Numbers the events of one owner, and says when a snapshot is due. From `load` to `close` the store is this
    owner's, also where two are given the very same store.
    """

    def __init__(self, store: EventStore, snapshot_every: int) -> None:
        self._store = store
        self._every = snapshot_every
        self._since = 0
        self.number = 0
        """The number of the last event."""

    def load(self) -> Stored:
        """The content of the store. Raises `StoreInUse` when it has an owner."""
        with _CLAIM:
            if _OWNERS.setdefault(id(self._store), self) is not self:
                raise StoreInUse(str(self._store))
        try:
            stored = self._store.load()
        except BaseException:
            self.close()
            raise
        self._since = len(stored.events)
        self.number = stored.number + self._since
        return stored

    def append(self, events: Sequence[object]) -> None:
        """Numbers the events and stores them: all, or none and an exception."""
        self._store.append(self.number + 1, events)
        self.number += len(events)
        self._since += len(events)

    @property
    def due(self) -> bool:
        """Whether enough has happened since the last snapshot."""
        return self._since >= self._every

    def save(self, state: object) -> None:
        """Stores a snapshot of the state after the last event."""
        self._store.save(self.number, state)
        self._since = 0

    def close(self) -> None:
        """Lets go of the store, if it is this owner's."""
        with _CLAIM:
            if _OWNERS.get(id(self._store)) is not self:
                return
            del _OWNERS[id(self._store)]
        self._store.close()


_OWNERS: WeakValueDictionary[int, EventLog] = WeakValueDictionary()
"""The owner of each store of this process, by `id`: an owner holds its store, so that no other gets the same `id`."""
_CLAIM = threading.Lock()


def lock(file: FileIO) -> bool:
    """Locks an open file without waiting. Returns whether it is ours now; always, where there are no locks.

    The lock is the system's own (`flock`): it ends when the file is closed or the process ends, by `kill -9` too, and a
    forked process shares it.

    Raises OSError when the file cannot be locked at all, as on some network drives.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
