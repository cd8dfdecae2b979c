"""pykka's view of a mailbox."""

from __future__ import annotations

import asyncio
import queue
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pykka
from pykka._envelope import Envelope as PykkaEnvelope
from pykka.messages import _ActorStop

from actors._core.current import current_cell
from actors._core.envelope import Envelope, ReplyTo
from actors._core.outcomes import settle_failure

if TYPE_CHECKING:
    from actors._core.cell import Cell


class CellInbox:
    """The mailbox of a cell as pykka sees it: an envelope of pykka's that is put here goes to the cell."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def put(self, envelope: PykkaEnvelope[Any], /) -> None:
        """Takes an envelope of pykka's."""
        reply = PykkaReply(envelope.reply_to) if envelope.reply_to is not None else None
        if not isinstance(envelope.message, _ActorStop):
            self._cell.put(Envelope(envelope.message, current_cell(), reply))
            return
        ended = self._cell.ref.stop(block=False)
        if reply is not None:
            settle = partial(reply.set_result, None)
            ended.add_done_callback(lambda _: settle())

    def get(self) -> PykkaEnvelope[Any]:
        """Takes the next message. The runtime does not use it: the cell takes its messages itself."""
        return PykkaEnvelope(self._cell.queue.popleft().message)

    def empty(self) -> bool:
        """Whether no message waits."""
        return not len(self._cell.queue)


class PykkaReply:
    """A future of pykka's where the runtime expects a reply of its own."""

    __slots__ = ("_done", "_future")

    def __init__(self, future: pykka.Future[Any]) -> None:
        self._future = future
        self._done = False

    def done(self) -> bool:
        return self._done

    def set_result(self, result: object, /) -> None:
        self._done = True
        self._future.set(result)

    def set_exception(self, exception: BaseException, /) -> None:
        self._done = True
        self._future.set_exception((type(exception), exception, exception.__traceback__))


def give_failure(reply: ReplyTo, error: Exception, path: str) -> None:
    """Gives the asker of a pykka actor the exception of the handler itself. Only a future of asyncio cannot hold a
    `StopIteration`.
    """
    if isinstance(reply, asyncio.Future):
        settle_failure(reply, error, path)
    elif not reply.done():
        with suppress(queue.Full):  # settled in another thread meanwhile
            reply.set_exception(error)
