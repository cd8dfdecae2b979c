"""Mailboxes: how much may wait, in which order, what happens beyond the bound, and what a restart keeps.

Only user messages pass through here. System messages have a lane of their own, which is never bounded and always served first
(supervision rule 34).
"""

from __future__ import annotations

import heapq
import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

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
    """What happens to a message beyond the bound. `reject` gives it back with `MailboxFull`; `drop_oldest` and `drop_newest` make a
    dead letter (`overflow`); `block` waits for room: in a thread inside `tell`, in a coroutine inside `await ref.send(...)`."""

    priority: Callable[[object], float] | None = None
    """Messages with a smaller value are handled first, equal ones in the order they came. Runs in the sender's thread; what it raises
    reaches the sender."""

    on_restart: Literal["keep", "drop"] = "keep"
    """What a restart does with waiting messages: the next incarnation handles them, or they become dead letters (`dropped`), as in OTP
    (supervision rule 26)."""


def bounded(capacity: int, policy: Policy = "reject", *, on_restart: Literal["keep", "drop"] = "keep") -> MailboxSpec:
    """A mailbox for at most `capacity` waiting messages."""
    return MailboxSpec(capacity=capacity, policy=policy, on_restart=on_restart)


def prioritized(
    priority: Callable[[object], float], *, capacity: int | None = None, policy: Policy = "reject"
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

    def __init__(self, priority: Callable[[object], float]) -> None:
        self._priority = priority
        self._heap: list[tuple[float, int, Envelope]] = []
        self._front: deque[Envelope] = deque()
        self._arrived = 0
        self._lock = threading.Lock()

    def append(self, envelope: Envelope) -> None:
        message = envelope.message
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

    def popleft(self) -> Envelope:
        if self._front:
            return self._front.popleft()
        with self._lock:
            return heapq.heappop(self._heap)[2]

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
        self._room: deque[Future[None]] = deque()
        self._closed = False

    @property
    def blocks(self) -> bool:
        """Whether a sender waits for room."""
        return self._policy == "block"

    def has_room(self) -> bool:
        """Whether a message would fit."""
        return len(self._inner) < self._capacity or self._closed

    def offer(self, envelope: Envelope) -> bool:
        """Puts the message if there is room."""
        with self._lock:
            if not self.has_room():
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
                    try:
                        self._drop(self._inner.popleft())
                    except IndexError:
                        continue
                case "block":
                    refuse_on_loop(f"tell() to the full mailbox of {self._path}", "`await ref.send(message)`")
                    self._park(self.room(), None)

    def force(self, envelope: Envelope) -> None:
        """Puts a request of the runtime's own, bound or no bound."""
        force(self._inner, envelope)

    def room(self) -> Future[None]:
        """A future that settles when a message may fit again."""
        future: Future[None] = Future(self._park)
        with self._lock:
            if not self.has_room():
                self._room.append(future)
                return future
        future.set(None)
        return future

    def appendleft(self, envelope: Envelope) -> None:
        self._inner.appendleft(envelope)

    def popleft(self) -> Envelope:
        with self._lock:
            envelope = self._inner.popleft()
            waiting = self._room.popleft() if self._room and len(self._inner) < self._capacity else None
        if waiting is not None:
            waiting.set(None)
        return envelope

    def close(self) -> None:
        """Lets everyone in: the cell is gone, and what arrives now becomes a dead letter."""
        with self._lock:
            self._closed = True
            waiting, self._room = self._room, deque()
        for future in waiting:
            future.set(None)

    def __len__(self) -> int:
        return len(self._inner)


def force(queue: Queue, envelope: Envelope) -> None:
    """Puts a request of the runtime's own behind everything that waits, whatever the bound or the priorities."""
    if isinstance(queue, BoundedQueue | PriorityQueue):
        queue.force(envelope)
    else:
        queue.append(envelope)


def make_queue(spec: MailboxSpec, path: str, drop: Callable[[Envelope], None], park: Parking) -> Queue:
    """The queue that `spec` asks for."""
    queue: Queue = deque() if spec.priority is None else PriorityQueue(spec.priority)
    return queue if spec.capacity is None else BoundedQueue(spec, queue, path, drop, park)
