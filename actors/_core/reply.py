"""A reply that calls back: the answer to a message goes to one of two functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class CallbackReply:
    """Calls `on_result` with the answer to a message, or `on_error` with the exception or the refusal.

    One of the two is called, once, in the thread that answers: the loop thread for an actor hosted there. What they
    raise is raised to the actor that answers, so they must not fail.
    """

    __slots__ = ("_done", "_on_error", "_on_result")

    def __init__(self, on_result: Callable[[Any], object], on_error: Callable[[Any], object]) -> None:
        self._on_result = on_result
        self._on_error = on_error
        self._done = False

    def done(self) -> bool:
        """Whether it was answered."""
        return self._done

    def set_result(self, result: object, /) -> None:
        """The handler returned this."""
        self._done = True
        self._on_result(result)

    def set_exception(self, exception: BaseException, /) -> None:
        """The handler raised this, or the message was refused with it."""
        self._done = True
        self._on_error(exception)
