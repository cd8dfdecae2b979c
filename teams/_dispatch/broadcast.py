"""Broadcast: one message to many members, told or acknowledged.

| message | from | to | meaning |
|---|---|---|---|
| the message | coordinator | every member addressed | waits in the mailbox of a member that is busy or restarts |
| what the handler returns or raises | member | the broadcast | the acknowledgement |

A broadcast depends on no actor once it is sent: acknowledgements go to the broadcast itself, and so does its deadline.
A member that has terminated counts as a failure and stops nothing. The report, `Gathered`, has the results by member,
the failures with their reasons, and the members that had not answered when the policy was satisfied or the time was up.
"""

from __future__ import annotations

from typing import NamedTuple

from actors.spi import ReplyTo, Runtime, TimerHandle, answer, deliver_to_all
from teams._dispatch.gather import Gathering, GatherPolicy
from teams._dispatch.roster import Slot
from teams._members.target import Can


class SendToAll(NamedTuple):
    """To the coordinator: send this to all members of a target, and answer with the report."""

    message: object
    to: str | Can | None
    """A role, a capability, a member; None: all members."""
    policy: GatherPolicy
    within: float | None


class Broadcast:
    """A broadcast on its way. It changes on the loop thread only."""

    __slots__ = ("_gathering", "_over", "_reply", "_runtime", "_timer")

    def __init__(
        self, runtime: Runtime, slots: list[Slot], policy: GatherPolicy, within: float | None, reply: ReplyTo
    ) -> None:
        self._runtime = runtime
        self._gathering = Gathering([slot.id for slot in slots], policy)
        self._reply = reply
        self._over = False
        self._timer: TimerHandle | None = None
        if within is not None:
            self._timer = runtime.clock.call_at(runtime.now() + within, self._finish)

    def send(self, message: object, slots: list[Slot]) -> None:
        """Sends the message to each."""
        deliver_to_all(message, [(slot.ref, Acknowledgement(self, slot.id)) for slot in slots if slot.ref is not None])
        if self._gathering.over:
            self._finish()

    def note(self, name: str, result: object, error: BaseException | None) -> None:
        """A member has answered. In its thread."""
        if self._runtime.on_loop_thread:
            self._note(name, result, error)
        else:
            self._runtime.control_call(self._note, name, result, error)

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
    """The reply of one member. A `CallbackReply` for each would need four objects instead of one."""

    __slots__ = ("_broadcast", "_done", "_name")

    def __init__(self, broadcast: Broadcast, name: str) -> None:
        self._broadcast = broadcast
        self._name = name
        self._done = False

    def done(self) -> bool:
        """Whether the member has answered."""
        return self._done

    def set_result(self, result: object, /) -> None:
        """Its handler returned this."""
        self._done = True
        self._broadcast.note(self._name, result, None)

    def set_exception(self, exception: BaseException, /) -> None:
        """Its handler raised this, or the message was refused with it."""
        self._done = True
        self._broadcast.note(self._name, None, exception)
