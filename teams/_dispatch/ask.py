"""Asking an actor of the team, again if it crashes over the question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from actors.spi import ActorRef, ReplyTo, post
from supervisors.spi import SupervisionError
from teams._members.results import Outcome
from teams.errors import TeamError

TRIES = 5
"""How often an actor is asked in all."""


class OutcomeReply:
    """A reply that keeps the outcome."""

    __slots__ = ("outcome",)

    outcome: Outcome | None
    """None until the message was answered."""

    def done(self) -> bool:
        """Whether there is an outcome."""
        return self.outcome is not None

    def set_result(self, result: object, /) -> None:
        """The handler returned this."""
        self.outcome = Outcome(result)
        self.settled()

    def set_exception(self, exception: BaseException, /) -> None:
        """The handler raised this, or the message was refused with it."""
        self.outcome = Outcome(None, exception)
        self.settled()

    def settled(self) -> None:
        """There is an outcome now. In the thread that answers."""
        raise NotImplementedError


class RepeatedQuestion:
    """The reply to one sending of a message: it sends the message again if the actor crashed over it."""

    __slots__ = ("_failed", "_message", "_ref", "_reply", "_tries", "_wanted")

    def __init__(
        self, ref: ActorRef[Any], message: object, reply: ReplyTo, wanted: Callable[[], bool] | None, tries: int
    ) -> None:
        self._ref = ref
        self._message = message
        self._reply = reply
        self._wanted = wanted
        self._tries = tries
        self._failed = False

    def done(self) -> bool:
        """Whether this sending was answered, or the asker does not wait any more."""
        return self._failed or self._reply.done()

    def set_result(self, result: object, /) -> None:
        """The actor answered."""
        self._reply.set_result(result)

    def set_exception(self, exception: BaseException, /) -> None:
        """The actor answered with an error, crashed over the message, or has terminated."""
        self._failed = True
        wanted = self._wanted is None or self._wanted()
        if self._tries > 1 and wanted and crashed_over(exception, self._ref):
            ask_again(self._ref, self._message, self._reply, self._wanted, self._tries - 1)
        else:
            self._reply.set_exception(exception)


def crashed_over(exception: BaseException, ref: ActorRef[Any]) -> bool:
    """Whether this outcome of a question says that the actor crashed over it and can be asked again."""
    return not isinstance(exception, TeamError | SupervisionError) and ref.is_alive()


def ask_again(
    ref: ActorRef[Any],
    message: object,
    reply: ReplyTo,
    wanted: Callable[[], bool] | None = None,
    tries: int = TRIES,
) -> None:
    """Asks `ref`; `reply` gets the answer, or the error.

    An actor that crashed over the question did nothing of it, or knows it by its id: it is asked again, up to `TRIES`
    times in all, while it is alive and the answer is `wanted`. It has no time limit: the end of the actor answers every
    question. The reply is settled on the loop thread, or at once if the actor has terminated.
    """
    post(ref, message, RepeatedQuestion(ref, message, reply, wanted, tries))


def asked(ref: ActorRef[Any], message: object) -> asyncio.Future[Any]:
    """`ask_again` as a future to await. On the loop thread."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    ask_again(ref, message, future)
    return future
