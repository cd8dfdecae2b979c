"""The envelope: a message on its way, with its sender, its reply and its deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from actors._core.cell import Cell


class ReplyTo(Protocol):
    """The receiver of an answer: an `asyncio.Future` on the runtime's loop, an `actors.Future` from anywhere else."""

    def done(self) -> bool: ...

    def set_result(self, result: object, /) -> None: ...

    def set_exception(self, exception: BaseException, /) -> None: ...


class Envelope:
    """One message in a mailbox. The other attributes are set only where they are needed: most messages are never
    observed and never crash.
    """

    __slots__ = (
        "aside",
        "began",
        "correlation_id",
        "crashes",
        "cut_off",
        "deadline",
        "handed_on",
        "message",
        "quiet",
        "reply",
        "sender",
        "settled",
    )

    aside: bool
    """A copy of it is in the stash, or was: this one only stands for the handler that put it there."""

    began: float
    """When its handling began, for sinks of `MessageHandled`."""
    crashes: int
    """How many incarnations it has crashed."""
    cut_off: int
    """How many times its handler was cut off by a crash over a message that the actor had sent to itself."""
    handed_on: bool
    """Its handler has taken its reply or has forwarded it: the end of the handler does not answer it any more, and no
    incarnation handles it again.
    """
    quiet: bool
    """It is an event that was sent to a subscriber, or gave way to one: no event about it is sent to an actor."""
    settled: bool
    """Its fate was decided while its handler was still running: the end of the handler no longer matters."""

    def __init__(
        self,
        message: object,
        sender: Cell | None = None,
        reply: ReplyTo | None = None,
        deadline: float | None = None,
        correlation_id: str | None = None,
    ) -> None:
        self.message = message
        self.sender = sender
        self.reply = reply
        self.deadline = deadline
        self.correlation_id = correlation_id

    def take_reply(self) -> ReplyTo | None:
        """Takes the duty to answer from the handler of the message."""
        reply = self.reply
        if reply is not None:
            self.reply = None
        return reply

    def again(self) -> Envelope:
        """The same message for the next incarnation: how its first handler ends, in a thread that was left behind, does
        not matter to it.
        """
        copy = self._copied()
        for name in ("crashes", "cut_off", "quiet"):
            if hasattr(self, name):
                setattr(copy, name, getattr(self, name))
        return copy

    def _copied(self) -> Envelope:
        return type(self)(self.message, self.sender, self.reply, self.deadline, self.correlation_id)

    def __repr__(self) -> str:
        return f"<Envelope {type(self.message).__qualname__} from {self.sender.path if self.sender else 'outside'}>"


class SystemEnvelope(Envelope):
    """A message of the system lane: it has no sender, and nothing waits for it. Every start and every end sends one, so
    it is made without a call in Python: `put_urgent` sets the message.
    """

    __slots__ = ()

    sender = None
    reply = None
    deadline = None
    correlation_id = None
    __init__ = object.__init__

    def _copied(self) -> Envelope:
        return Envelope(self.message)


class BareEnvelope(Envelope):
    """A message that nothing waits for: no reply, no deadline, no correlation id. Most messages are such, so it is made
    without a call in Python: its sender sets `message` and `sender`.
    """

    __slots__ = ()

    reply = None
    deadline = None
    correlation_id = None
    __init__ = object.__init__

    def _copied(self) -> Envelope:
        return Envelope(self.message, self.sender)
