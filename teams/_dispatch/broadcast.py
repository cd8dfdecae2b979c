"""Broadcast: one message to many members, told or acknowledged.

| message | from | to | meaning |
|---|---|---|---|
| the message | coordinator | every member meant | it waits in the mailbox of one that is busy or restarts |
| what the handler returns or raises | member | the broadcast | the acknowledgement |

A broadcast needs nobody once it is sent: acknowledgements go to the broadcast itself, not to the actor that sent it,
and so does its deadline. A member that is dead is an answer like any other and stops nothing. The report, `Gathered`:
who acknowledged with what, who failed and why, and who had not answered when the policy was satisfied or the time up.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from actors.spi import Reply, Runtime, TimerHandle, answer, deliver
from teams._dispatch.gather import Gathering, GatherPolicy
from teams._dispatch.roster import Slot
from teams._members.target import Can


class BroadcastTo(NamedTuple):
    """To the coordinator: send this to all of these, and answer with the report."""

    message: object
    to: str | Can | None
    """A role, a capability, a member; None: everybody."""
    policy: GatherPolicy
    within: float | None


class Broadcast:
    """A broadcast on its way. It changes on the loop thread only."""

    __slots__ = ("_gathering", "_over", "_reply", "_runtime", "_timer")

    def __init__(
        self, runtime: Runtime, seats: list[Slot], policy: GatherPolicy, within: float | None, reply: Reply
    ) -> None:
        self._runtime = runtime
        self._gathering = Gathering([seat.id for seat in seats], policy)
        self._reply = reply
        self._over = False
        self._timer: TimerHandle | None = None
        if within is not None:
            self._timer = runtime.clock.call_at(runtime.now() + within, self._finish)

    def send(self, message: object, seats: list[Slot]) -> None:
        """Sends the message to each."""
        for seat in seats:
            if seat.ref is not None:
                deliver(seat.ref, message, Acknowledgement(self, seat.id))
        if self._gathering.over:
            self._finish()

    def acknowledged(self, name: str, result: object, error: BaseException | None) -> None:
        """One has answered. From the thread of whoever did."""
        if self._runtime.on_loop_thread:
            self._note(name, result, error)
        else:
            self._runtime.control_call(partial(self._note, name, result, error))

    def _note(self, name: str, result: object, error: BaseException | None) -> None:
        if self._over:
            return
        if error is None:
            self._gathering.done(name, result)
        else:
            self._gathering.failed(name, error)
        if self._gathering.over:
            self._finish()

    def _finish(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        answer(self._reply, self._gathering.gathered())


class Acknowledgement:
    """Takes the answer of one member."""

    __slots__ = ("_broadcast", "_done", "_name")

    def __init__(self, broadcast: Broadcast, name: str) -> None:
        self._broadcast = broadcast
        self._name = name
        self._done = False

    def done(self) -> bool:
        """Whether it has answered."""
        return self._done

    def set_result(self, result: object, /) -> None:
        """It has heard the message."""
        self._done = True
        self._broadcast.acknowledged(self._name, result, None)

    def set_exception(self, exception: BaseException, /) -> None:
        """It has crashed over the message, or is gone."""
        self._done = True
        self._broadcast.acknowledged(self._name, None, exception)
