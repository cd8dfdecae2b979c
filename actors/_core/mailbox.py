"""Mailboxes: their bound, their order, the fate of messages beyond the bound, and the effect of a restart.

Only user messages pass through here. System messages have a lane of their own, which is never bounded and always
served first (supervision rule 34).
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import threading
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from numbers import Real
from typing import Any, Literal, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field
from pykka.messages import _ActorStop

from actors._core.envelope import Envelope
from actors._core.future import Future, Parking, refuse_on_loop
from actors._core.messages import Timed
from actors._core.options import option_model, takes_options
from actors._core.waits import Link
from actors.errors import DeadlockError, InvalidPriority, MailboxFull

OverflowPolicy = Literal["reject", "drop_oldest", "drop_newest", "block"]


@option_model
class MailboxSpec(BaseModel):
    """How a mailbox takes user messages. Raises OptionError with all faults of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    capacity: int | None = Field(default=None, ge=1)
    """The most messages that may wait, an integer >= 1; `None`: no bound."""

    policy: OverflowPolicy = "reject"
    """The fate of a message beyond the bound. `reject` raises `MailboxFull` with it; `drop_oldest` and
    `drop_newest` make a dead letter (`overflow`); `block` waits for room: in a thread inside `tell`, in a coroutine
    inside `await ref.send(...)`.
    """

    priority: Callable[[Any], float] | None = None
    """Messages with a smaller value are handled first, equal ones in the order of arrival. `None`: all are equal.

    Called once for each message, in the sender's thread. The sender gets an exception of this function, and
    `InvalidPriority` if the value is NaN or not a number.
    """

    on_restart: Literal["keep", "drop"] = "keep"
    """The fate of waiting messages at a restart. "keep": the next incarnation handles them. "drop": they become dead
    letters (`dropped`), as in OTP (supervision rule 26).
    """


@takes_options("bounded()")
def bounded(
    capacity: int, policy: OverflowPolicy = "reject", *, on_restart: Literal["keep", "drop"] = "keep"
) -> MailboxSpec:
    """A mailbox for at most `capacity` waiting messages; `policy` and `on_restart` as in `MailboxSpec`. Raises
    OptionError with all faults.
    """
    return MailboxSpec(capacity=capacity, policy=policy, on_restart=on_restart)


@takes_options("prioritized()")
def prioritized(
    priority: Callable[[Any], float], *, capacity: int | None = None, policy: OverflowPolicy = "reject"
) -> MailboxSpec:
    """A mailbox that hands out the message with the smallest `priority(message)` first; else as `MailboxSpec`.
    Raises OptionError with all faults.
    """
    return MailboxSpec(capacity=capacity, policy=policy, priority=priority)


NO_MESSAGES = MailboxSpec.model_construct(capacity=0, policy="drop_newest", priority=None, on_restart="keep")
"""The mailbox of an actor that takes no messages: each is refused with `NoMailbox`. An order to stop is carried out at
once.
"""


class Queue(Protocol):
    """The queue of the user messages of a cell. A `collections.deque` is one."""

    def append(self, envelope: Envelope, /) -> None: ...

    def appendleft(self, envelope: Envelope, /) -> None: ...

    def popleft(self) -> Envelope: ...

    def __len__(self) -> int: ...


class PriorityQueue:
    """A queue ordered by priority, then by arrival. A message that is put back goes before all others.

    A message that is taken out of the middle leaves its number in the heap, where it is passed over; when such numbers
    are the most of it, the heap is made anew. So each operation but `withdraw` is logarithmic, on average.
    """

    def __init__(self, priority: Callable[[Any], float], path: str) -> None:
        self._priority = priority
        self._path = path
        self._heap: list[tuple[float, int]] = []
        """The rank and number of each message, and of some that do not wait any more."""
        self._waiting: dict[int, Envelope] = {}
        """The messages that wait, by number."""
        self._requests: dict[int, Envelope] = {}
        """The orders to stop that wait, by number."""
        self._front: deque[Envelope] = deque()
        self._arrived = 0
        self._oldest = 1
        """No message with a smaller number waits."""
        self._lock = threading.Lock()

    def rank(self, envelope: Envelope) -> float:
        """The priority of a message.

        Raises:
            InvalidPriority: the user's function returned NaN, or not a number
            Exception: what it raised
        """
        message = envelope.message
        if type(message) is _ActorStop:  # not a message of the user's
            return math.inf
        message = message.message if type(message) is Timed else message
        value = self._priority(message)
        rank = value if type(value) is float or type(value) is int else _number(value)
        if rank is None or rank != rank:  # NaN
            raise InvalidPriority(self._path, value, message)
        return rank

    def append(self, envelope: Envelope, rank: float | None = None) -> None:
        """Puts a message; `rank`: what `rank(envelope)` returned, where that was asked already. Raises as it does, and
        then changes nothing.
        """
        self._push(self.rank(envelope) if rank is None else rank, envelope)

    def force(self, envelope: Envelope) -> None:
        """Puts a request of the runtime's own behind everything that waits."""
        self._push(math.inf, envelope)

    def _push(self, rank: float, envelope: Envelope) -> None:
        with self._lock:
            self._arrived += 1
            (self._requests if type(envelope.message) is _ActorStop else self._waiting)[self._arrived] = envelope
            heapq.heappush(self._heap, (rank, self._arrived))

    def appendleft(self, envelope: Envelope) -> None:
        self._front.appendleft(envelope)

    def pop_oldest(self) -> Envelope:
        """Takes out the message that has waited longest, requests of the runtime excepted. Raises IndexError."""
        with self._lock:
            for place, envelope in enumerate(self._front):
                if type(envelope.message) is not _ActorStop:
                    del self._front[place]
                    return envelope
            if not self._waiting:
                raise IndexError
            while self._oldest not in self._waiting:
                self._oldest += 1
            envelope = self._waiting.pop(self._oldest)
            self._tidy()
            return envelope

    def popleft(self) -> Envelope:
        with self._lock:
            if self._front:
                return self._front.popleft()
            while True:
                number = heapq.heappop(self._heap)[1]
                envelope = self._waiting.pop(number, None) or self._requests.pop(number, None)
                if envelope is not None:
                    return envelope

    def waiting(self) -> list[Envelope]:
        """The waiting messages, in no promised order."""
        with self._lock:
            return [*self._front, *self._waiting.values(), *self._requests.values()]

    def withdraw(self, envelope: Envelope) -> None:
        """Takes a waiting message out, if it is there. Linear in what waits."""
        with self._lock:
            self._front = deque(each for each in self._front if each is not envelope)
            for group in (self._waiting, self._requests):
                for number in [number for number, each in group.items() if each is envelope]:
                    del group[number]
            self._tidy()

    def _tidy(self) -> None:
        """Makes the heap anew when most of it does not wait any more."""
        if len(self._heap) > 2 * (len(self._waiting) + len(self._requests)) + _SPARE:
            self._heap = [each for each in self._heap if each[1] in self._waiting or each[1] in self._requests]
            heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._front) + len(self._waiting) + len(self._requests)


_SPARE = 16
"""Numbers that a heap may hold in vain before it is made anew."""


def _number(value: object) -> float | None:
    """A priority that is neither a `float` nor an `int` itself, as one of these; None: it is not a number.

    The queue must not compare values of the user's: a comparison that raises would damage the queue.
    """
    if isinstance(value, int):
        return int.__add__(value, 0)
    try:
        return float(value) if isinstance(value, Real | Decimal) else None
    except Exception:  # noqa: BLE001 - it says that it is a number, and is not one
        return None


class BoundedQueue:
    """A queue with a bound, around another one."""

    def __init__(
        self,
        spec: MailboxSpec,
        inner: Queue,
        path: str,
        drop: Callable[[Envelope], None],
        park: Parking,
        owner: Link | None = None,
    ) -> None:
        assert spec.capacity is not None
        self._capacity = spec.capacity
        self._policy = spec.policy
        self._inner = inner
        self._path = path
        self._drop = drop
        self._park = park
        self._owner = owner
        """The actor that makes room by handling a message."""
        self._lock = threading.Lock()
        self._outside: deque[tuple[Future[None], Envelope, float | None]] = deque()
        """The senders that wait for room, with their messages, in the order in which they came."""
        self._requests = 0
        """How many of those that wait are orders to stop: the bound is not for them (supervision rule 34)."""
        self._closed = False

    @property
    def blocks(self) -> bool:
        """Whether a sender waits for room."""
        return self._policy == "block"

    def has_room(self) -> bool:
        """Whether a message would fit."""
        return len(self._inner) - self._requests < self._capacity or self._closed

    def _rank(self, envelope: Envelope) -> float | None:
        """The priority of the message, where there are priorities: asked before anything changes, and without the lock,
        for that runs code of the user's.
        """
        inner = self._inner
        return inner.rank(envelope) if isinstance(inner, PriorityQueue) else None

    def _put(self, envelope: Envelope, rank: float | None) -> None:
        if rank is None:
            self._inner.append(envelope)
        else:
            cast("PriorityQueue", self._inner).append(envelope, rank)

    def offer(self, envelope: Envelope) -> bool:
        """Puts the message if there is room. Raises what its priority raises."""
        return self._offer(envelope, self._rank(envelope))

    def _offer(self, envelope: Envelope, rank: float | None) -> bool:
        with self._lock:
            if type(envelope.message) is _ActorStop:
                self._requests += 1
            elif not self.has_room():
                return False
            self._put(envelope, rank)
            return True

    def put_now(self, envelope: Envelope) -> list[Envelope]:
        """Puts a message whose sender cannot wait or take it back. Returns the messages that are lost for that: this
        one, or with `drop_oldest` the one that waited longest. Raises what its priority raises.
        """
        rank, lost = self._rank(envelope), []
        while not self._offer(envelope, rank):
            if self._policy != "drop_oldest":
                return [envelope]
            oldest = self._take_oldest()
            if oldest is not None:
                lost.append(oldest)
        return lost

    def append(self, envelope: Envelope) -> None:
        rank = self._rank(envelope)
        while not self._offer(envelope, rank):
            match self._policy:
                case "reject":
                    raise MailboxFull(self._path, self._capacity, envelope.message)
                case "drop_newest":
                    self._drop(envelope)
                    return
                case "drop_oldest":
                    oldest = self._take_oldest()
                    if oldest is not None:
                        self._drop(oldest)
                case "block":
                    refuse_on_loop(f"tell() to the full mailbox of {self._path}", "`await ref.send(message)`")
                    entered = self._wait_outside(envelope, rank)
                    try:
                        entered.get()
                    except DeadlockError:
                        self._give_up(entered, envelope, rank)
                        raise
                    return

    async def admit(self, envelope: Envelope) -> None:
        """Puts the message as soon as there is room. Raises what its priority raises."""
        rank = self._rank(envelope)
        if self._offer(envelope, rank):
            return
        entered = self._wait_outside(envelope, rank)
        try:
            await entered
        except (asyncio.CancelledError, DeadlockError):
            self._give_up(entered, envelope, rank)
            raise

    def _give_up(self, entered: Future[None], envelope: Envelope, rank: float | None) -> None:
        """The sender does not wait any more."""
        with self._lock, contextlib.suppress(ValueError):  # it is in already
            self._outside.remove((entered, envelope, rank))

    def _wait_outside(self, envelope: Envelope, rank: float | None) -> Future[None]:
        """A future that settles when the message has been let in."""
        entered: Future[None] = Future(self._park, self._owner)
        with self._lock:
            self._outside.append((entered, envelope, rank))
            let_in = self._let_in()
        let_in()
        return entered

    def _let_in(self) -> Callable[[], None]:
        """Moves waiting senders into the queue while there is room. Returns a function that wakes them: call it without
        the lock.
        """
        told: list[Callable[[], None]] = []
        while self._outside and self.has_room():
            entered, envelope, rank = self._outside.popleft()
            self._put(envelope, rank)
            told.append(entered.set)

        def tell() -> None:
            for each in told:
                each()

        return tell

    def _take_oldest(self) -> Envelope | None:
        """The message that has waited longest, requests of the runtime excepted; None: there is none."""
        inner, kept = self._inner, []
        with self._lock:
            try:
                if isinstance(inner, PriorityQueue):
                    return inner.pop_oldest()
                while True:
                    envelope = inner.popleft()
                    if type(envelope.message) is not _ActorStop:
                        return envelope
                    kept.append(envelope)
            except IndexError:
                return None
            finally:
                for each in reversed(kept):
                    inner.appendleft(each)

    def force(self, envelope: Envelope) -> None:
        """Puts a request of the runtime's own, bound or no bound."""
        with self._lock:
            if isinstance(self._inner, PriorityQueue):
                self._inner.force(envelope)
            else:
                self._inner.append(envelope)

    def appendleft(self, envelope: Envelope) -> None:
        self._inner.appendleft(envelope)

    def popleft(self) -> Envelope:
        with self._lock:
            envelope = self._inner.popleft()
            if type(envelope.message) is _ActorStop:
                self._requests -= 1
            let_in = self._let_in() if self._outside else None
        if let_in is not None:
            let_in()
        return envelope

    def waiting(self) -> list[Envelope]:
        """The waiting messages inside the bound, in no promised order."""
        with self._lock:
            return waiting_in(self._inner)

    def withdraw(self, envelope: Envelope) -> None:
        """Takes a waiting message out, if it is there."""
        with self._lock:
            before = len(self._inner)
            withdraw(self._inner, envelope)
            if type(envelope.message) is _ActorStop:
                self._requests -= before - len(self._inner)

    def close(self) -> None:
        """Lets every sender in: the cell is closed, and messages that arrive now become dead letters."""
        with self._lock:
            self._closed = True
            let_in = self._let_in()
        let_in()

    def __len__(self) -> int:
        return len(self._inner)


PriorityFunction = Callable[[Any], float]


def _make_inner(path: str, priority: PriorityFunction | None) -> Queue:
    return deque() if priority is None else PriorityQueue(priority, path)


def make_queue(
    spec: MailboxSpec | None,
    path: str,
    drop: Callable[[Envelope], None],
    park: Parking,
    inner: Callable[[PriorityFunction | None], Queue] | None = None,
    owner: Link | None = None,
) -> Queue:
    """The queue that `spec` asks for; None: no bound. An observer makes the `inner` one, which orders the messages.
    `owner` makes room for a handler that waits: it is the actor whose mailbox this is.
    """
    priority = None if spec is None else spec.priority
    make = inner or partial(_make_inner, path)
    queue = make(priority)
    return queue if spec is None or spec.capacity is None else BoundedQueue(spec, queue, path, drop, park, owner)


def put_now(queue: Queue, envelope: Envelope) -> list[Envelope]:
    """Puts a message whose sender cannot wait or take it back. Returns the messages that are lost for that."""
    if isinstance(queue, BoundedQueue):
        return queue.put_now(envelope)
    queue.append(envelope)
    return []


def waiting_in(queue: Queue) -> list[Envelope]:
    """The waiting messages of a queue, in no promised order. On any thread."""
    if isinstance(queue, BoundedQueue):
        return queue.waiting()
    if isinstance(queue, PriorityQueue):
        return queue.waiting()
    return list(cast("deque[Envelope]", queue).copy())


def withdraw(queue: Queue, envelope: Envelope) -> None:
    """Takes a waiting message out. Does nothing if it is not there any more."""
    if isinstance(queue, BoundedQueue | PriorityQueue):
        queue.withdraw(envelope)
    else:
        with contextlib.suppress(ValueError):
            cast("deque[Envelope]", queue).remove(envelope)
