"""Levels of priority."""

from __future__ import annotations

from enum import IntEnum


class Priority(IntEnum):
    """How urgent a piece of work is, as numbers with names. More is sooner where work has to wait. Waiting adds one
    level for every `ageing` seconds of the team, so no work waits for ever.
    """

    BACKGROUND = -2
    LOW = -1
    NORMAL = 0
    HIGH = 1
    CRITICAL = 2
    EMERGENCY = 100
    """Before everything else that has not waited for hours."""
