"""The ref of a plain pykka actor: pykka's contract where it differs from that of `actors.Actor`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import pykka
from pykka.messages import _ActorStop

from actors._core.current import current_cell
from actors._core.future import refuse_on_loop
from actors._core.outcomes import STOP_FOR_GOOD
from actors._core.ref import DEFAULT, ActorRef, deadline_of
from actors._pykka.seams import stopping_all

if TYPE_CHECKING:
    from actors._core.cell import Cell

A = TypeVar("A", bound=pykka.Actor)


class PykkaActorRef(ActorRef[A]):
    """The ref of a `pykka.ThreadingActor` in a tree.

    It is the one identity of the actor, through all restarts: `self.actor_ref`, the ref in pykka's registry, and the
    ref that the supervisor gives. Its URN is a UUID, as pykka's are.

    A time limit bounds the wait for the answer and nothing else. The message has no deadline: it is handled however
    long it waited, and the calls of its handler inherit none.
    """

    __slots__ = ("_followed", "_listed", "_urn")

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        self._urn = uuid.uuid4().urn
        self._listed = self._followed = False

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The URN of the actor, the same for all its incarnations."""
        return self._urn

    def enter_registry(self) -> None:
        """Pykka's registry lists this ref, at the latest until the actor has terminated."""
        if not self._listed:
            self._listed = True
            pykka.ActorRegistry.register(self)
        if not self._followed:
            self._followed = True
            cell = self._cell
            cell.runtime.on_loop(lambda: cell.runtime.when_closed(cell, lambda _: self.leave_registry()))

    def leave_registry(self) -> None:
        """Pykka's registry lists this ref no longer."""
        if self._listed:
            self._listed = False
            pykka.ActorRegistry.unregister(self)

    def come_back(self) -> None:
        """The incarnation has ended: pykka's registry lists this ref again when another one may follow. On the loop
        thread.
        """

        def decided(_: object) -> None:
            if not self._cell.closed:
                self.enter_registry()

        self.monitor().add_done_callback(decided)

    async def call(self, message: object, *, timeout: float | None = DEFAULT, correlation_id: str | None = None) -> Any:
        """Sends a message and awaits the answer, as `ActorRef.call`. `timeout` is in seconds, by default the runtime's
        `default_timeout`. It ends the wait only: the actor handles the message all the same.
        """
        caller = current_cell()
        until = deadline_of(self._cell, caller, timeout)
        return await self._put_question(message, False, caller, until, None, correlation_id)

    def ask(
        self,
        message: Any,
        *,
        block: bool = True,
        timeout: float | None = None,
        correlation_id: str | None = None,
    ) -> Any:
        """Sends a message and blocks this thread until the answer comes; with `block=False`, returns a future of it.

        `timeout` is in seconds. The default `None` waits without a limit, as in pykka, also in the handler of a message
        that has a deadline. After the time limit the caller gets `CallTimeout`, a `pykka.Timeout`; the actor handles
        the message all the same. Other errors are those of `ActorRef.ask`.
        """
        if block:
            refuse_on_loop("ask()", "`await ref.call(message)`")
        until = None if timeout is DEFAULT else deadline_of(self._cell, None, timeout)
        return self._put_question(message, block, current_cell(), until, None, correlation_id)

    def _stop_message(self) -> _ActorStop:
        return STOP_FOR_GOOD if stopping_all.get() else super()._stop_message()

    def __str__(self) -> str:
        return f"{self.actor_class.__name__} ({self._urn})"

    def __repr__(self) -> str:
        return f"<ActorRef {self.path} #{self.incarnation} for {self}>"
