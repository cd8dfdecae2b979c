"""The observations of a simulation, from which its oracles judge.

A record is taken where a thing happens (the life of a cell, its queue, its replies, the events of the runtime), and not
from the decisions that a supervisor reports. What only the supervisor knows, such as a delay with jitter, is in its own
events and messages: `Noted` and `OtherNoticed` carry them as they are, for the layer that knows their types.

Every record begins with `at` (virtual seconds) and `step` (how many scheduling decisions were made before). `path` is
the actor that the record is about. `number` identifies a message within one run; it is the same from `Sent` to the end
of the message, through stash, restart and redelivery.
"""

from __future__ import annotations

from typing import NamedTuple

from actors.reasons import ExitReason

# Life


class Made(NamedTuple):
    """A cell was made. `parent` is its parent's path; `supervised`: the parent decides what follows an exit."""

    at: float
    step: int
    path: str
    parent: str | None
    supervised: bool
    supervisor: bool
    """Whether the actor is a supervisor (governs its own life)."""


class Starting(NamedTuple):
    """An incarnation was told to begin."""

    at: float
    step: int
    path: str
    incarnation: int


class Started(NamedTuple):
    """An incarnation is up: `on_start` has returned; for a supervisor, all its children are up."""

    at: float
    step: int
    path: str
    incarnation: int


class Declined(NamedTuple):
    """An incarnation raised `IgnoreStart`."""

    at: float
    step: int
    path: str
    incarnation: int


class StartFailed(NamedTuple):
    """An incarnation did not come up, and everything below it is gone."""

    at: float
    step: int
    path: str
    incarnation: int
    reason: ExitReason


class StopOrdered(NamedTuple):
    """An incarnation was told to stop within `grace` seconds (`None`: any time). It may be starting, or gone."""

    at: float
    step: int
    path: str
    incarnation: int
    reason: ExitReason
    grace: float | None


class KillOrdered(NamedTuple):
    """An incarnation is killed: by its parent, by a grace that passed, by a fault, by `ref.kill()`."""

    at: float
    step: int
    path: str
    incarnation: int
    reason: ExitReason


class Exited(NamedTuple):
    """An incarnation that was up is gone, and everything below it. The parent has not heard of it yet."""

    at: float
    step: int
    path: str
    incarnation: int
    reason: ExitReason
    message_type: str | None
    """The type of the message that crashed it, where one did."""


class Healthy(NamedTuple):
    """An incarnation says that it works."""

    at: float
    step: int
    path: str
    incarnation: int


class Closed(NamedTuple):
    """The actor has terminated: its name is free, its waiting messages are dead letters."""

    at: float
    step: int
    path: str
    reason: ExitReason


class Abandoned(NamedTuple):
    """A coroutine or greenlet did not end when killed and was left behind."""

    at: float
    step: int
    path: str
    incarnation: int
    what: str


# What a supervisor hears, at the moment it takes it from its lane


class Noticed(NamedTuple):
    """A supervisor begins to handle a notice. Between `Exited` of a child and this, the supervisor does not know."""

    at: float
    step: int
    path: str
    """The supervisor."""
    notice: str
    """started, declined, start_failed, exited or stop_order."""
    child: str | None
    """The id of the child; `None` for `stop_order`."""
    incarnation: int
    """The child's; 0 where there is none."""
    reason: ExitReason | None
    """Of an exit, a failed start or an order to stop."""


class OtherNoticed(NamedTuple):
    """A supervisor begins to handle any other message of its system lane, such as one of its own timers."""

    at: float
    step: int
    path: str
    """The supervisor."""
    message: object


class ApiRequest(NamedTuple):
    """A supervisor begins to handle a request of its API; `request` is the message (`StartChild`, `TerminateChild`,
    ...).
    """

    at: float
    step: int
    path: str
    number: int
    request: object


class ApiAnswer(NamedTuple):
    """The request of that number was answered: with a value, or with an error."""

    at: float
    step: int
    path: str
    number: int
    value: object
    error: BaseException | None


class Noted(NamedTuple):
    """An event of a supervisor about a child (`BackingOff`, `GaveUp`, `Dropped`, `AutoShutdown`, ...)."""

    at: float
    step: int
    path: str
    """The supervisor."""
    name: str
    """The class of the event."""
    child: str
    event: object


# Messages


class Sent(NamedTuple):
    """A message came into a mailbox."""

    at: float
    step: int
    path: str
    number: int
    sender: str | None
    """The path of the sender; `None`: from outside any actor."""
    message_type: str
    asked: bool
    """Whether the sender waits for an answer."""


class Taken(NamedTuple):
    """A handler begins with a message."""

    at: float
    step: int
    path: str
    number: int
    incarnation: int


class Replied(NamedTuple):
    """The asker got its answer, or an exception."""

    at: float
    step: int
    path: str
    number: int
    failed: bool


class Handled(NamedTuple):
    """A handler is done with a message: `outcome` is done, failed or stashed."""

    at: float
    step: int
    path: str
    number: int
    outcome: str


class DeadLettered(NamedTuple):
    """A message was not handled, or an answer not taken; `why` as in `actors.DeadLetter.reason`, or `quarantined`."""

    at: float
    step: int
    path: str
    number: int | None
    """`None` for a late answer and for what never came into the mailbox."""
    message_type: str
    why: str


class Redelivered(NamedTuple):
    """A message that crashed its actor goes to the next incarnation."""

    at: float
    step: int
    path: str
    number: int
    crashes: int


# The simulation itself


class FaultFired(NamedTuple):
    """A fault of the plan was injected; `place` is where it stands in the plan, from 0."""

    at: float
    step: int
    path: str
    place: int
    fault: str
    """The fault as it is printed."""
    number: int | None
    """The message it was injected at."""


class Healed(NamedTuple):
    """From here on no faults and a fair schedule."""

    at: float
    step: int


Observation = (
    Made
    | Starting
    | Started
    | Declined
    | StartFailed
    | StopOrdered
    | KillOrdered
    | Exited
    | Closed
    | Abandoned
    | Noticed
    | OtherNoticed
    | ApiRequest
    | ApiAnswer
    | Noted
    | Sent
    | Taken
    | Replied
    | Handled
    | DeadLettered
    | Redelivered
    | FaultFired
    | Healed
    | Healthy
)
"""One record of a run."""
