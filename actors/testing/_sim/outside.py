"""The world outside of a simulation, by kind, and the parts of it that a test may let in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Outside = Literal["files", "network", "processes"]
"""The kinds of things outside that a test may allow or forbid."""

_INSTEAD: Mapping[str, str] = {
    "files": "put a double in its place, or call sim.allow('files')",
    "network": "put a double in its place, or call sim.allow('network') and let a thread do it",
    "processes": "put a double in its place, or call sim.allow('processes') and let a thread do it",
    "threads": "start a threading.Thread, which is simulated",
}


def instead_of(kind: str) -> str:
    """The remedy for a user whose call of this kind is refused."""
    return _INSTEAD[kind]
