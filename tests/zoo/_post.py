"""The post: what is sent by it comes a few steps later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actors import Actor, ActorRef, handles


@dataclass(frozen=True)
class Parcel:
    """Something for somebody, with so many desks still to pass."""

    to: ActorRef[Any]
    content: object
    desks: int = 8


class Post(Actor):
    """Hands every parcel from desk to desk before it is delivered.

    It keeps two clients from colliding in the plain order of a run: what is told directly has long been done when the
    parcel comes. An ordinary test of these programs passes for the same reason.
    """

    @handles
    def carry(self, parcel: Parcel) -> None:
        if parcel.desks:
            self.ref.tell(Parcel(parcel.to, parcel.content, parcel.desks - 1))
        else:
            parcel.to.tell(parcel.content)
