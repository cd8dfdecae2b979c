"""Shared state: one actor owns it, and the others ask.

    message                                 answer
    Get(key)                                the entry, None if it is absent
    GetAll()                                every entry
    Set(key, value)                         the version of the change
    Update(key, function, default)          the entry after it; what `function` raises is the answer
    CompareAndSet(key, value, version)      the version of the change, or `VersionConflict`
    Delete(key)                             whether there was an entry
    AddWatcher(watcher, key, current)       None; from then on the watcher gets a `Change` for every change, in order
    RemoveWatcher(watcher, key)             None

Versions count the changes of the whole state: a later change of any key has a higher one, and an entry's version is
that of its last change (the `mod_revision` of etcd). So a key that was deleted and set again never has an old version.

Promise: an acknowledged change is there, once, however often the actor crashes or is killed, and after the end of the
process with a store of files. Values are copied on the way in and out: only a message changes what the actor
owns, so no lock is needed. Bounds: a watch ends with `WatchOverrun` when its reader falls
behind by `limit` changes.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from actors.spi import Actor, ActorDeadError, ActorError, ActorRef, ExitReason, Future, handles, when_gone
from supervisors.spi import SpecFault
from teams._checks.fields import count_faults, refuse
from teams._state.answering import errors_as_answers
from teams._state.event_sourcing import close_when_gone, save_if_due
from teams._state.stores import EventLog, EventStore, Stored
from teams._state.watch import Change, Watch
from teams.errors import VersionConflict
from teams.events import StoreRepaired, UpdateConflict


class Entry(NamedTuple):
    """The value of a key, with its version."""

    value: Any
    version: int


class Get(NamedTuple):
    """Read one key."""

    key: str


class GetAll(NamedTuple):
    """Read all keys."""


class Set(NamedTuple):
    """Put a value under a key."""

    key: str
    value: object


class Update(NamedTuple):
    """Put `function(value)` under a key."""

    key: str
    function: Callable[[Any], object]
    default: object


class CompareAndSet(NamedTuple):
    """Put a value under a key whose entry is at this version; 0: which is absent."""

    key: str
    value: object
    version: int


class Delete(NamedTuple):
    """Take a key out."""

    key: str


class AddWatcher(NamedTuple):
    """Tell this watcher of every change of a key; None: of all keys. `current`: of the present values, first."""

    watcher: ActorRef[Any] | Watch
    key: str | None
    current: bool


class RemoveWatcher(NamedTuple):
    """Tell this watcher no more."""

    watcher: ActorRef[Any] | Watch
    key: str | None


class SharedStateRef(ActorRef["SharedState"]):
    """A shared state, from outside. Futures: `await` them, or `.get()` them in a thread.

    Keys are strings. A wrong key, version or function is refused at once, with SpecError.
    """

    __slots__ = ()

    def get(self, key: str, default: object = None) -> Future[Any]:
        """A copy of the value under a key, `default` if it is absent."""
        return self.entry(key).map(lambda entry: default if entry is None else entry.value)

    def entry(self, key: str) -> Future[Entry | None]:
        """A copy of the value under a key, with its version; None if it is absent."""
        _refuse(self.path, key=(str, key))
        return self.ask(Get(key), block=False)

    def get_all(self) -> Future[dict[str, Entry]]:
        """A copy of everything, from one moment."""
        return self.ask(GetAll(), block=False)

    def set(self, key: str, value: object) -> Future[int]:
        """Puts a copy of `value` under a key. A future of the version of the change."""
        _refuse(self.path, key=(str, key))
        return self.ask(Set(key, value), block=False)

    def update(self, key: str, function: Callable[[Any], object], default: object = None) -> Future[Entry]:
        """Puts `function(value)` under a key in one step that nothing comes between. A future of the entry after it.

        `function` gets a copy of the value, or of `default` if the key is absent. It runs in the actor and must
        neither block nor be `async`; what it raises is the answer, and nothing is changed.
        """
        _refuse(self.path, key=(str, key), function=(Callable, function))
        return self.ask(Update(key, function, default), block=False)

    def compare_and_set(self, key: str, value: object, version: int) -> Future[int]:
        """Puts a value under a key whose entry is at `version`; 0: which is absent. A future of the version of the
        change, which raises `VersionConflict` when another writer was faster.
        """
        _refuse(self.path, key=(str, key), version=(int, version))
        return self.ask(CompareAndSet(key, value, version), block=False)

    def delete(self, key: str) -> Future[bool]:
        """Takes a key out. A future of whether it was there."""
        _refuse(self.path, key=(str, key))
        return self.ask(Delete(key), block=False)

    def watch(self, key: str | None = None, *, current: bool = False, limit: int = 1000) -> Future[Watch]:
        """A future of the changes of a key, of all keys by default, from its settling on.

        Args:
            key: the key; None: all
            current: whether the present values come first
            limit: how many changes may wait for the reader

        Raises:
            ValueError: `limit` is below 1
        """
        _refuse(self.path, key=(str | None, key), limit=(int, limit))
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        watch = Watch(self.path, self.runtime, limit)
        asked: Future[None] = self.ask(AddWatcher(watch, key, current), block=False)
        return asked.map(lambda _: watch)

    def tell_changes(self, to: ActorRef[Any], key: str | None = None, *, current: bool = False) -> Future[None]:
        """Has every change of a key, of all keys by default, told to an actor as a `Change`, until `stop_telling`, or
        until one of the two has terminated. Asking again changes nothing, except that with `current` it is told
        again what stands there.

        A bounded mailbox that refuses a change misses it: versions tell.
        """
        _refuse(self.path, to=(ActorRef, to), key=(str | None, key))
        return self.ask(AddWatcher(to, key, current), block=False)

    def stop_telling(self, to: ActorRef[Any], key: str | None = None) -> Future[None]:
        """Takes `tell_changes` back."""
        _refuse(self.path, to=(ActorRef, to), key=(str | None, key))
        return self.ask(RemoveWatcher(to, key), block=False)


def _refuse(path: str, **given: tuple[Any, object]) -> None:
    """Refuses arguments of a wrong type, before they reach the actor. Raises SpecError with every fault."""
    faults = [
        SpecFault(path, f"{name}: must be {_KINDS[kind]}, got {value!r}")
        for name, (kind, value) in given.items()
        if not isinstance(value, kind)
    ]
    refuse(faults)


_KINDS: Mapping[object, str] = {
    str: "a string",
    str | None: "a string, or None for all",
    int: "an integer",
    Callable: "a function of the value",
    ActorRef: "the ref of an actor",
}


class _Entries:
    """The data that outlives the incarnations."""

    def __init__(self) -> None:
        self.ready = False
        self.entries: dict[str, Entry] = {}
        self.version = 0
        self.log: EventLog | None = None
        self.watchers: dict[tuple[ActorRef[Any] | Watch, str | None], None] = {}

    def end_watches(self, path: str, reason: ExitReason) -> None:
        """The actor has terminated."""
        for watcher, key in self.watchers:
            if isinstance(watcher, Watch):
                watcher.end(ActorDeadError(path, reason, AddWatcher(watcher, key, False)))
        self.watchers.clear()


class SharedState(Actor):
    """Owns a dictionary."""

    only_host = "loop"
    answers = (VersionConflict,)
    ref_type: ClassVar[type[ActorRef[Any]]] = SharedStateRef

    if TYPE_CHECKING:

        @property
        def ref(self) -> SharedStateRef: ...

    def __init__(
        self,
        initial: Mapping[str, object] | None = None,
        *,
        store: EventStore | None = None,
        snapshot_every: int = 1000,
    ) -> None:
        """Takes what it begins with; what a store holds goes before it.

        Args:
            initial: the entries it begins with, where the store is empty
            store: where changes and snapshots are written; None: nowhere, they live as long as the actor's place
            snapshot_every: after how many changes a snapshot is due

        Raises:
            SpecError: every fault
        """
        refuse(_initial_faults(self.path, initial), count_faults(self.path, "snapshot_every", snapshot_every))
        self._initial = initial or {}
        self._store = store
        self._every = snapshot_every
        self._kept = self.kept(_Entries)

    def on_start(self) -> None:
        """Reads the store, the first time, and owns it until the actor has terminated.

        Raises `StoreDamaged`, and `StoreInUse` when another owner has it.
        """
        kept = self._kept
        if kept.ready:
            return
        if self._store is not None and kept.log is None:
            log = EventLog(self._store, self._every)
            stored = log.load()
            try:
                self._rebuild(stored, log.number)
            except BaseException:
                log.close()  # the next incarnation loads it again
                raise
            kept.log = log
            close_when_gone(self, log)
        if not kept.version:
            values = copy.deepcopy(dict(self._initial))
            self._store_events(*([key, value] for key, value in values.items()))
            kept.entries = {key: Entry(value, at) for at, (key, value) in enumerate(values.items(), start=1)}
            kept.version = len(values)
        kept.ready = True
        when_gone(self, partial(kept.end_watches, self.path))

    def _rebuild(self, stored: Stored, version: int) -> None:
        kept = self._kept
        entries: Any = stored.snapshot or {}
        kept.entries = {key: Entry(*entry) for key, entry in entries.items()}
        for version, event in enumerate(stored.events, start=stored.number + 1):
            match event:
                case [str(key), value]:
                    kept.entries[key] = Entry(value, version)
                case [str(key)]:
                    del kept.entries[key]
        kept.version = version
        if stored.dropped:
            self.runtime.events.publish(StoreRepaired(self.path, self.runtime.now(), stored.dropped))

    @handles
    def get(self, message: Get) -> Entry | None:
        return copy.deepcopy(self._kept.entries.get(message.key))

    @handles
    def get_all(self, message: GetAll) -> dict[str, Entry]:
        return copy.deepcopy(self._kept.entries)

    @handles
    def set(self, message: Set) -> int | None:
        with errors_as_answers(self):
            return self._commit(message.key, message.value).version
        return None

    @handles
    def update(self, message: Update) -> Entry | None:
        entry = self._kept.entries.get(message.key)
        with errors_as_answers(self):
            value = message.function(copy.deepcopy(message.default if entry is None else entry.value))
            if inspect.iscoroutine(value):
                value.close()
                raise TypeError(f"update({message.key!r}) needs a plain function, {message.function!r} is async")
            return Entry(value, self._commit(message.key, value).version)
        return None

    @handles
    def compare_and_set(self, message: CompareAndSet) -> int | None:
        entry = self._kept.entries.get(message.key)
        found = 0 if entry is None else entry.version
        if found != message.version:
            now = self.runtime.now()
            self.runtime.events.publish(UpdateConflict(self.path, now, message.key, message.version, found))
            raise VersionConflict(self.path, message.key, message.version, found)
        return self.set(Set(message.key, message.value))

    @handles
    def delete(self, message: Delete) -> bool | None:
        kept = self._kept
        if message.key not in kept.entries:
            return False
        with errors_as_answers(self):
            self._store_events([message.key])
            del kept.entries[message.key]
            kept.version += 1
            self._tell(Change(message.key, None, kept.version, deleted=True))
            return True
        return None

    @handles
    def add_watcher(self, message: AddWatcher) -> None:
        kept, watcher = self._kept, message.watcher
        if message.current:
            now = sorted(kept.entries.items(), key=lambda each: each[1].version)
            for key, entry in now:
                if message.key in (None, key):
                    _deliver(watcher, copy.deepcopy(Change(key, entry.value, entry.version)))
        kept.watchers[watcher, message.key] = None

    @handles
    def remove_watcher(self, message: RemoveWatcher) -> None:
        self._kept.watchers.pop((message.watcher, message.key), None)

    def _commit(self, key: str, value: object) -> Entry:
        """The change: stored first, since that alone can fail; what follows no crash and no kill comes between."""
        own = copy.deepcopy(value)
        self._store_events([key, own])
        kept = self._kept
        kept.version += 1
        kept.entries[key] = entry = Entry(own, kept.version)
        self._tell(Change(key, own, kept.version))
        return entry

    def _store_events(self, *events: list[object]) -> None:
        log = self._kept.log
        if log is not None:
            if log.due:
                save_if_due(self, log, dict(self._kept.entries))
            log.append(events)

    def _tell(self, change: Change) -> None:
        watchers = self._kept.watchers
        concerned = [each for each in watchers if each[1] in (None, change.key)]
        if concerned:
            change = copy.deepcopy(change)
        for each in concerned:
            if not _deliver(each[0], change):
                del watchers[each]


def _initial_faults(path: str, initial: object) -> Iterator[SpecFault]:
    if initial is not None and not isinstance(initial, Mapping):
        yield SpecFault(path, f"initial: must be a mapping, got {initial!r}")
    elif initial is not None:
        yield from (
            SpecFault(path, f"initial: keys must be strings, got {key!r}") for key in initial if type(key) is not str
        )


def _deliver(watcher: ActorRef[Any] | Watch, change: Change) -> bool:
    """Tells one watcher. Returns whether it wants more."""
    if isinstance(watcher, Watch):
        return watcher.deliver(change)
    try:
        watcher.tell(change)
    except ActorDeadError:
        return False
    except ActorError:  # a bounded mailbox refused it; the next change may fit
        return True
    return True
