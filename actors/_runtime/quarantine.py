"""The quarantine of a runtime: the messages that crashed their actors too often (supervision rule 27)."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from actors._core.ref import ActorRef
from actors._user_code.text import TEXT, described, type_name
from actors.errors import ActorDeadError, NotQuarantined
from actors.events import DeadLetter, QuarantineDiscarded, QuarantineRetried
from actors.reasons import Normal

if TYPE_CHECKING:
    from actors._runtime.runtime import Runtime

MESSAGES = 1_000
"""How many messages a quarantine holds, unless it is told."""
BYTES = 64 * 1024 * 1024
"""How many bytes they may have together, unless it is told."""
MOST_OBJECTS = 10_000
"""How many objects of a message are looked at to tell its size."""
_ORDER: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_MEMBERS: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__
"""What a metaclass of the user's could hide."""
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, ActorRef)
"""What a message does not own, whatever leads to it."""


@dataclass(frozen=True, slots=True, eq=False)
class QuarantinedMessage:
    """A message in quarantine."""

    id: int
    """Its number in the quarantine, from 1."""
    path: str
    """The actor that it crashed."""
    message: object = field(repr=False)
    message_type: str
    crashes: int
    """How many incarnations it crashed."""
    cause: str
    """The class of the last exception."""
    reason: str
    """That exception as text. Not the exception, whose traceback would keep frames alive."""
    sender: str | None
    at: float
    """When it came here, in seconds of the runtime's clock."""
    size: int
    """About how many bytes it keeps alive."""


class RetryOutcome(NamedTuple):
    """The outcome of another try of messages."""

    sent: tuple[QuarantinedMessage, ...]
    """They are in the mailboxes of their actors."""
    refused: tuple[tuple[QuarantinedMessage, Exception], ...]
    """They stay: their actor has terminated, or its mailbox takes no more."""


class Quarantine:
    """The messages that crashed their actors as often as their specs allow, oldest first, up to a count and a size. The
    oldest give way to new ones and are dead letters then (`evicted`). From any thread.
    """

    def __init__(self, runtime: Runtime, messages: int, size: int) -> None:
        self._runtime = runtime
        self._most, self._largest = messages, size
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._held: dict[int, QuarantinedMessage] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[QuarantinedMessage]:
        return iter(self.messages())

    def __getitem__(self, id: int) -> QuarantinedMessage:
        """The message with this number. Raises NotQuarantined."""
        return self._chosen((id,), None, None)[0]

    @property
    def size(self) -> int:
        """About how many bytes the messages keep alive."""
        return self._size

    def messages(self, *, path: str | None = None, cause: str | None = None) -> tuple[QuarantinedMessage, ...]:
        """The messages, oldest first: of the actor at this path and of those below it, and with this class of
        exception, where they are given.
        """
        return self._chosen((), path, cause)

    def retry(self, *ids: int, path: str | None = None, cause: str | None = None) -> RetryOutcome:
        """Sends messages to their actors again, as new ones at the end of the mailbox: those with these numbers, of
        this path, of this cause; without any of these, all. Raises NotQuarantined for a number that is not there;
        nothing is sent then.
        """
        sent: list[QuarantinedMessage] = []
        refused: list[tuple[QuarantinedMessage, Exception]] = []
        for each in self._chosen(ids, path, cause):
            if not self._take(each):
                continue  # taken by another thread meanwhile
            try:
                self._send(each)
            except Exception as error:  # noqa: BLE001 - whatever refuses it, it stays here
                self._put(each)
                refused.append((each, error))
            else:
                sent.append(each)
        if sent:
            self._tell(QuarantineRetried, sent)
        return RetryOutcome(tuple(sent), tuple(refused))

    def discard(self, *ids: int, path: str | None = None, cause: str | None = None) -> tuple[QuarantinedMessage, ...]:
        """Forgets messages, chosen as for `retry`. Returns them. Raises NotQuarantined."""
        gone = [each for each in self._chosen(ids, path, cause) if self._take(each)]
        if gone:
            self._tell(QuarantineDiscarded, gone)
        return tuple(gone)

    def add(self, path: str, message: object, crashes: int, error: BaseException, sender: str | None) -> None:
        """A message comes into quarantine."""
        now = self._runtime.now()
        kind, cause, reason = type_name(message), type_name(error), described(error, TEXT)
        size = size_of(message)
        new = QuarantinedMessage(next(self._numbers), path, message, kind, crashes, cause, reason, sender, now, size)
        evicted = []
        with self._lock:
            self._held[new.id] = new
            self._size += size
            while self._held and (len(self._held) > self._most or self._size > self._largest):
                oldest = self._held.pop(min(self._held))
                self._size -= oldest.size
                evicted.append(oldest)
        for each in evicted:
            letter = DeadLetter(each.path, now, each.message, "evicted", each.sender)
            self._runtime.events.publish(letter)

    def _send(self, held: QuarantinedMessage) -> None:
        ref: ActorRef[Any] | None = self._runtime.find(held.path)
        if ref is None:
            raise ActorDeadError(held.path, Normal(), held.message)
        ref.tell(held.message)

    def _chosen(self, ids: Iterable[int], path: str | None, cause: str | None) -> tuple[QuarantinedMessage, ...]:
        with self._lock:
            held = dict(self._held)
        wanted = tuple(ids)
        missing = [each for each in wanted if each not in held]
        if missing:
            raise NotQuarantined(missing[0], len(held))
        return tuple(
            held[id]
            for id in sorted(set(wanted) or held)
            if (path is None or held[id].path == path or held[id].path.startswith(f"{path}/"))
            and (cause is None or held[id].cause == cause)
        )

    def _take(self, held: QuarantinedMessage) -> bool:
        with self._lock:
            if self._held.pop(held.id, None) is None:
                return False
            self._size -= held.size
            return True

    def _put(self, held: QuarantinedMessage) -> None:
        with self._lock:
            self._held[held.id] = held
            self._size += held.size

    def _tell(
        self, kind: Callable[..., QuarantineRetried | QuarantineDiscarded], messages: list[QuarantinedMessage]
    ) -> None:
        now = self._runtime.now()
        for path in dict.fromkeys(each.path for each in messages):
            own = [each for each in messages if each.path == path]
            self._runtime.events.publish(kind(path, now, len(own), own[0].message_type))


def size_of(message: object) -> int:
    """About how many bytes a message keeps alive: of the first 10,000 objects in it, without classes, functions and
    modules, which it shares.
    """
    seen: set[int] = set()
    found, open = 0, [message]
    while open and len(seen) < MOST_OBJECTS:
        each = open.pop()
        kind = type(each)
        if id(each) in seen or issubclass(kind, _SHARED):
            continue
        seen.add(id(each))
        found += _own_size(each, kind)
        open.extend(gc.get_referents(each))
    return found


def _own_size(value: object, kind: type) -> int:
    """The bytes of one object, by the first of its types that is not written in Python: no code of a user runs."""
    for base in _ORDER(kind):
        size = _MEMBERS(base).get("__sizeof__")
        if type(size) is MethodDescriptorType:
            return int(size(value))
    return object.__sizeof__(value)
