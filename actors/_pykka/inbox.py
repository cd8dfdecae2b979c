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
from actors._core.reply import CallbackReply

if TYPE_CHECKING:
    from actors._core.cell import Cell


class CellInbox:
    """The mailbox of a cell as pykka sees it: an envelope of pykka's that is put here goes to the cell."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def put(self, envelope: PykkaEnvelope[Any], /) -> None:
        """Takes an envelope of pykka's."""
        reply = _reply_to(envelope.reply_to) if envelope.reply_to is not None else None
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


def _reply_to(future: pykka.Future[Any]) -> CallbackReply:
    """A future of pykka's where the runtime expects a reply of its own."""
    return CallbackReply(future.set, lambda error: future.set_exception((type(error), error, error.__traceback__)))


def give_failure(reply: ReplyTo, error: Exception, path: str) -> None:
    """Gives the asker of a pykka actor the exception of the handler itself. Only a future of asyncio cannot hold a
    `StopIteration`.
    """
    if isinstance(reply, asyncio.Future):
        settle_failure(reply, error, path)
    elif not reply.done():
        with suppress(queue.Full):  # settled in another thread meanwhile
            reply.set_exception(error)
