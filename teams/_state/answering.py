"""Errors that are answers: an exception of a caller's function or of the disk goes to the caller, without a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from actors.spi import Actor, take_reply


@contextmanager
def errors_as_answers(actor: Actor) -> Iterator[None]:
    """An exception of the block is the answer to the message being handled. Without a caller it is a crash."""
    try:
        yield
    except Exception as error:
        reply = take_reply(actor)
        if reply is None:
            raise
        reply.set_exception(error)
