"""The names of an actor's own properties, which a subclass must not use for something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from actors._user_code.text import type_name
from actors.errors import NotAnActor, ReservedName

RESERVED = ("path", "ref", "runtime", "incarnation", "sender", "correlation_id")


def reserve(actor_class: type[Any]) -> None:
    """Makes an assignment to one of these properties say what is wrong."""
    for name in RESERVED:
        known: property = vars(actor_class)[name]
        setattr(actor_class, name, property(known.fget, _refusal(name), None, known.__doc__))


def _refusal(name: str) -> Callable[[object, object], NoReturn]:
    def refuse(actor: object, _: object) -> NoReturn:
        raise ReservedName(type_name(actor), name)

    return refuse


def refuse_reserved(actor_class: type[Any]) -> None:
    """Raises `NotAnActor` when the body of the class defines or annotates one of these names. All at once."""
    body = vars(actor_class)
    taken = [name for name in RESERVED if name in body or name in body.get("__annotations__", ())]
    if taken:
        names = ", ".join(map(repr, taken))
        raise NotAnActor(
            actor_class.__qualname__, f"every actor has the properties {names} already. Choose other names for yours"
        )
