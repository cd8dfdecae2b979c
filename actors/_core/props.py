"""The recipe of a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

import pykka

from actors._core.actor_type import THREADS, ActorType
from actors._core.mailbox import MailboxSpec
from actors._core.placed import placed_type
from actors._core.process import HOSTS, HostChoice, ProcessSpec, is_host
from actors._user_code.text import shown

if TYPE_CHECKING:
    from actors._runtime.runtime import Runtime


@dataclass(slots=True, eq=False)
class Props:
    """The recipe of an actor: its class, its arguments, and how it is hosted. Times are in seconds."""

    kind: ActorType
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    host: HostChoice = "loop"
    name: str | None = None
    mailbox: MailboxSpec | None = None
    redeliver: int = 0
    handler_timeout: float | None = None
    start_timeout: float | None = None
    shutdown: float | None = 5.0


class SpawnOptions(TypedDict, total=False):
    """The options of a spawn; `Runtime.spawn` explains them."""

    args: Mapping[str, object] | Sequence[object]
    host: HostChoice | None
    name: str | None
    mailbox: MailboxSpec | None
    handler_timeout: float | None
    start_timeout: float | None
    shutdown: float | None


def options_to_props(
    runtime: Runtime,
    actor_class: type[pykka.Actor],
    args: Mapping[str, object] | Sequence[object],
    host: HostChoice | None,
    name: str | None,
    mailbox: MailboxSpec | None,
    handler_timeout: float | None,
    start_timeout: float | None,
    redeliver: int = 0,
    shutdown: float | None = 5.0,
) -> Props:
    """The props for a class and the options of a spawn. Raises NotAnActor, TypeError and ValueError."""
    kind = runtime.kind(actor_class)
    if isinstance(args, str | bytes):
        raise TypeError(f"args must be a mapping or a sequence of arguments, not {args!r}")
    for option, seconds in (
        ("handler_timeout", handler_timeout),
        ("start_timeout", start_timeout),
        ("shutdown", shutdown),
    ):
        if seconds is not None and (type(seconds) not in (int, float) or not seconds >= 0):
            raise ValueError(f"{option} must be a number of seconds >= 0, or None for no limit, got {seconds!r}")
    positional, named = ((), args) if isinstance(args, Mapping) else (args, {})
    where = host_for(kind, host)
    return Props(
        kind if type(where) is str else placed_type(kind, where),
        positional,
        named,
        where,
        name,
        mailbox if mailbox is not None else kind.mailbox,
        redeliver,
        handler_timeout,
        start_timeout,
        shutdown,
    )


def host_for(kind: ActorType, host: HostChoice | None = None) -> HostChoice:
    """The host of actors of this class: `host`, else that of the class. Raises ValueError for a host that the class is
    not made for.
    """
    where = host or kind.host
    if where in kind.threads:
        return where
    if where not in THREADS:
        if not is_host(where):
            raise ValueError(f"host must be {HOSTS}, not {shown(where)}")
        where = ProcessSpec() if where == "process" else where
    if (problem := wrong_host(kind.actor_class, where)) is not None:
        raise ValueError(problem)
    return where


def wrong_host(actor_class: type, host: object) -> str | None:
    """The fault of actors of this class on this host; None: there is none."""
    name = actor_class.__qualname__
    if host != "loop" and host != "thread":
        if not hasattr(actor_class, "manages_lifecycle"):
            return f"host: {name} is a pykka actor, which has no process of its own. Derive it from actors.Actor"
        if actor_class.manages_lifecycle:
            return f"host: {name} is a supervisor, and only an actor can have a process of its own"
        host = "process"
    only = getattr(actor_class, "only_host", None)
    if only is None or host == only:
        return None
    where = "in a process" if only == "process" else f"on the {only}"
    return f"host: {name} runs {where} only, got {host!r}"
