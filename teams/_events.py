"""What teams tell: events of the runtime's own stream, so that logs, metrics and views are sinks of all alike."""

from __future__ import annotations

from dataclasses import dataclass

from teams._actors import LifecycleEvent


@dataclass(frozen=True, slots=True)
class TeamEvent(LifecycleEvent):
    """Something that happened in a team. `path` is the place of whoever tells it; `at` is in seconds of the runtime's
    clock.
    """
