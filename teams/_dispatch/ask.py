"""Asking an actor of the team, again if it crashes over the question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from actors.spi import ActorRef, CallbackReply, post
from supervisors.spi import SupervisionError
from teams.errors import TeamError

TRIES = 5
"""How often an actor is asked in all."""


def ask_again(
    ref: ActorRef[Any],
    message: object,
    on_result: Callable[[Any], object],
    on_error: Callable[[Any], object],
    wanted: Callable[[], bool] = lambda: True,
    tries: int = TRIES,
) -> None:
    """Asks `ref` and calls `on_result` with its answer, or `on_error` with the error.

    An actor that crashed over the question did nothing of it, or knows it by its id: it is asked again, up to `TRIES`
    times in all, while it is alive and the answer is `wanted`. It has no time limit: the end of the actor answers every
    question. The functions are called on the loop thread, or at once if the actor has terminated.
    """

    def failed(error: BaseException) -> None:
        answered = isinstance(error, TeamError | SupervisionError)
        if answered or tries <= 1 or not ref.is_alive() or not wanted():
            on_error(error)
        else:
            ask_again(ref, message, on_result, on_error, wanted, tries - 1)

    post(ref, message, CallbackReply(on_result, failed))


def asked(ref: ActorRef[Any], message: object) -> asyncio.Future[Any]:
    """`ask_again` as a future to await. On the loop thread."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def result(value: Any) -> None:
        if not future.done():
            future.set_result(value)

    def error(exception: BaseException) -> None:
        if not future.done():
            future.set_exception(exception)

    ask_again(ref, message, result, error)
    return future
