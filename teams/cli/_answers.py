"""The answers of a running tree to other processes of its user (`_control_socket`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors import QuarantinedMessage, Runtime
from actors.spi import shown

LONGEST = 10_000
"""Characters of a message that are shown."""


def serve(runtime: Runtime, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answers one question about the quarantine of a runtime. Raises ValueError, NotQuarantined."""
    held = runtime.quarantine
    ids = [int(each) for each in question.get("ids") or ()]
    chosen = {key: question.get(key) for key in ("path", "cause")}
    now = runtime.now()
    match question.get("command"):
        case "list":
            return {"messages": [_row(each, now) for each in held.messages(**chosen)], "size": held.size}
        case "show":
            return {"message": {**_row(held[ids[0]], now), "message": shown(held[ids[0]].message, LONGEST)}}
        case "retry":
            found = held.retry(*ids, **chosen)
            refused = [{"id": each.id, "why": str(error)} for each, error in found.refused]
            return {"sent": [each.id for each in found.sent], "refused": refused}
        case "discard":
            return {"discarded": [each.id for each in held.discard(*ids, **chosen)]}
        case other:
            raise ValueError(f"there is no command {shown(other, 60)}")


def _row(each: QuarantinedMessage, now: float) -> dict[str, Any]:
    names = ("id", "path", "message_type", "crashes", "cause", "reason", "sender", "size")
    return {**{name: getattr(each, name) for name in names}, "age": round(now - each.at, 3)}
