"""The vocabulary of agents: messages between agents, independent of their work.

| message | meaning | answer |
|---|---|---|
| `Discovery` | I found something that others should know | none |
| `Request` | I need something from you | the answer itself |
| `Alert` | there is a problem | none |
| `Complete` | I am done with something | none |
| `Help` | a person must intervene | the person's |

Each says who sent it, what it belongs to and when it was sent, and carries the trace it is part of. They are plain
messages: tell them, ask with them, publish them on topics or send them reliably.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field

from actors import ActorRef, Message, current_correlation_id, current_ref


class Notice(Message):
    """Base of the vocabulary."""

    sender: str | None = None
    """The path of the actor that sent it; None: code outside of any actor."""
    correlation_id: str
    """The id of the exchange that it belongs to."""
    at: float
    """When it was sent, in seconds of the runtime's clock."""
    trace: Mapping[str, str] = Field(default_factory=dict)
    """The trace it is part of, as W3C Trace Context names it: `traceparent`, `tracestate`."""

    @classmethod
    def now(cls, **values: Any) -> Self:
        """The message with sender, time and correlation id of the code that sends it, unless `values` say otherwise.

        A message that is sent while another is handled belongs to the same; otherwise it begins something new. Outside
        of any actor the clock is that of the running event loop.

        Raises:
            pydantic.ValidationError: a value is missing or wrong
            RuntimeError: outside of any actor and of any event loop, and no `at` given
        """
        ref = current_ref()
        values.setdefault("sender", ref.path if ref is not None else None)
        if "correlation_id" not in values:
            values["correlation_id"] = current_correlation_id() or _new_id(ref)
        if "at" not in values:
            values["at"] = ref.runtime.now() if ref is not None else asyncio.get_running_loop().time()
        return cls(**values)


class Discovery(Notice):
    """Found something that others should know."""

    what: str
    details: object = None


class Request(Notice):
    """Needs something from another: ask with it, its handler's result is the answer."""

    what: str
    details: object = None


class Alert(Notice):
    """There is a problem."""

    what: str
    severity: Literal["info", "warning", "error", "critical"] = "warning"
    details: object = None


class Complete(Notice):
    """Done with something."""

    what: str
    result: object = None


class Help(Notice):
    """A person must intervene."""

    question: str
    options: tuple[str, ...] = ()
    """The options of the person; empty: any answer."""
    details: object = None


def _new_id(ref: ActorRef[Any] | None) -> str:
    """A version 4 UUID, of the randomness of the runtime where there is one, so that a simulation can repeat it."""
    bits = ref.runtime.random.getrandbits(128) if ref is not None else uuid.uuid4().int
    return str(uuid.UUID(int=bits, version=4))
