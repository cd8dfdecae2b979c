"""Mailboxes: how much may wait, in which order, what happens beyond the bound, and what a restart keeps.

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
from functools import partial
from typing import Any, Literal, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field
from pykka.messages import _ActorStop

from actors._envelope import Envelope
from actors._errors import MailboxFull
from actors._future import Future, Parking, refuse_on_loop
from actors._messages import Timed

Policy = Literal["reject", "drop_oldest", "drop_newest", "block"]


class MailboxSpec(BaseModel):
    """How a mailbox takes user messages."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    capacity: int | None = Field(default=None, ge=1)
    """The most messages that may wait; `None`: no bound."""

    policy: Policy = "reject"
    """What happens to a message beyond the bound. `reject` gives it back with `MailboxFull`; `drop_oldest` and
    `drop_newest` make a dead letter (`overflow`); `block` waits for room: in a thread inside `tell`, in a coroutine
    inside `await ref.send(...)`.
    """

    priority: Callable[[Any], float] | None = None
    """Messages with a smaller value are handled first, equal ones in the order they came. Runs in the sender's
    thread; what it raises reaches the sender.
    """

    on_restart: Literal["keep", "drop"] = "keep"
    """What a restart does with waiting messages: the next incarnation handles them, or they become dead letters
    (`dropped`), as in OTP (supervision rule 26).
    """


def bounded(capacity: int, policy: Policy = "reject", *, on_restart: Literal["keep", "drop"] = "keep") -> MailboxSpec:
    """A mailbox for at most `capacity` waiting messages."""
    return MailboxSpec(capacity=capacity, policy=policy, on_restart=on_restart)


def prioritized(
    priority: Callable[[Any], float], *, capacity: int | None = None, policy: Policy = "reject"
) -> MailboxSpec:
    """A mailbox that hands out messages with the smallest `priority(message)` first."""
    return MailboxSpec(capacity=capacity, policy=policy, priority=priority)


class Queue(Protocol):
    """What a cell needs of the queue of its user messages. A `collections.deque` is one."""

    def append(self, envelope: Envelope, /) -> None: ...

    def appendleft(self, envelope: Envelope, /) -> None: ...

    def popleft(self) -> Envelope: ...

    def __len__(self) -> int: ...


class PriorityQueue:
    """A queue ordered by priority, then by arrival. What is put back at the front goes before everything."""

    def __init__(self, priority: Callable[[Any], float]) -> None:
        self._priority = priority
        self._heap: list[tuple[float, int, Envelope]] = []
        self._front: deque[Envelope] = deque()
        self._arrived = 0
        self._lock = threading.Lock()

    def append(self, envelope: Envelope) -> None:
        message = envelope.message
        if type(message) is _ActorStop:  # no business of the user's function
            self.force(envelope)
            return
        self._push(self._priority(message.message if type(message) is Timed else message), envelope)

    def force(self, envelope: Envelope) -> None:
        """Puts a request of the runtime's own behind everything that waits."""
        self._push(math.inf, envelope)

    def _push(self, rank: float, envelope: Envelope) -> None:
        with self._lock:
            self._arrived += 1
            heapq.heappush(self._heap, (rank, self._arrived, envelope))

    def appendleft(self, envelope: Envelope) -> None:
        self._front.appendleft(envelope)

    def pop_oldest(self) -> Envelope:
        """Takes out what has waited longest, requests of the runtime's own excepted. Raises IndexError."""
        if self._front:
            return self._front.popleft()
        with self._lock:
            waiting = [each for each in self._heap if type(each[2].message) is not _ActorStop]
            if not waiting:
                raise IndexError
            entry = min(waiting, key=lambda each: each[1])
            self._heap.remove(entry)
            heapq.heapify(self._heap)
            return entry[2]

    def popleft(self) -> Envelope:
        if self._front:
            return self._front.popleft()
        with self._lock:
            return heapq.heappop(self._heap)[2]

    def waiting(self) -> list[Envelope]:
        """What waits, in no promised order."""
        with self._lock:
            return [*self._front, *(entry[2] for entry in self._heap)]

    def withdraw(self, envelope: Envelope) -> None:
        """Takes a waiting message out, if it is there. Linear in what waits."""
        with self._lock:
            self._front = deque(each for each in self._front if each is not envelope)
            self._heap = [entry for entry in self._heap if entry[2] is not envelope]
            heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._front) + len(self._heap)


class BoundedQueue:
    """A queue with a bound, around another one."""

    def __init__(
        self,
        spec: MailboxSpec,
        inner: Queue,
        path: str,
        drop: Callable[[Envelope], None],
        park: Parking,
    ) -> None:
        assert spec.capacity is not None
        self._capacity = spec.capacity
        self._policy = spec.policy
        self._inner = inner
        self._path = path
        self._drop = drop
        self._park = park
        self._lock = threading.Lock()
        self._outside: deque[tuple[Future[None], Envelope]] = deque()
        """Senders that wait for room, with what they send: first come, first let in."""
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

    def offer(self, envelope: Envelope) -> bool:
        """Puts the message if there is room."""
        with self._lock:
            if type(envelope.message) is _ActorStop:
                self._requests += 1
            elif not self.has_room():
                return False
            self._inner.append(envelope)
            return True

    def append(self, envelope: Envelope) -> None:
        while not self.offer(envelope):
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
                    entered = self._wait_outside(envelope)
                    self._park(entered, None)
                    entered.get()
                    return

    async def admit(self, envelope: Envelope) -> None:
        """Puts the message as soon as there is room."""
        if self.offer(envelope):
            return
        entered = self._wait_outside(envelope)
        try:
            await entered
        except asyncio.CancelledError:
            with self._lock, contextlib.suppress(ValueError):  # it is in already
                self._outside.remove((entered, envelope))
            raise

    def _wait_outside(self, envelope: Envelope) -> Future[None]:
        """A future that settles when the message has been let in."""
        entered: Future[None] = Future(self._park)
        with self._lock:
            self._outside.append((entered, envelope))
            let_in = self._let_in()
        let_in()
        return entered

    def _let_in(self) -> Callable[[], None]:
        """Lets in whom there is room for. Returns what tells them, which is to be called without the lock."""
        told: list[Callable[[], None]] = []
        while self._outside and self.has_room():
            entered, envelope = self._outside.popleft()
            try:
                self._inner.append(envelope)
            except BaseException as error:  # noqa: BLE001 - the priority of the message cannot be told; that is its sender's to hear
                told.append(partial(entered.set_exception, error))
            else:
                told.append(entered.set)

        def tell() -> None:
            for each in told:
                each()

        return tell

    def _take_oldest(self) -> Envelope | None:
        """What has waited longest, if anything but requests of the runtime's own still waits."""
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
        """What waits inside, in no promised order."""
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
        """Lets everyone in: the cell is gone, and what arrives now becomes a dead letter."""
        with self._lock:
            self._closed = True
            let_in = self._let_in()
        let_in()

    def __len__(self) -> int:
        return len(self._inner)


def make_queue(spec: MailboxSpec, path: str, drop: Callable[[Envelope], None], park: Parking) -> Queue:
    """The queue that `spec` asks for."""
    queue: Queue = deque() if spec.priority is None else PriorityQueue(spec.priority)
    return queue if spec.capacity is None else BoundedQueue(spec, queue, path, drop, park)


def waiting_in(queue: Queue) -> list[Envelope]:
    """What waits in a queue, in no promised order. On the loop thread or any other."""
    if isinstance(queue, BoundedQueue):
        return queue.waiting()
    if isinstance(queue, PriorityQueue):
        return queue.waiting()
    return list(cast("deque[Envelope]", queue).copy())


def withdraw(queue: Queue, envelope: Envelope) -> None:
    """Takes a waiting message out; one that is not there any more is no error."""
    if isinstance(queue, BoundedQueue | PriorityQueue):
        queue.withdraw(envelope)
    else:
        with contextlib.suppress(ValueError):
            cast("deque[Envelope]", queue).remove(envelope)
