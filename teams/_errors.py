"""Every error the `teams` package raises: typed, picklable, with the place in the tree and what to do about it."""

from __future__ import annotations

from teams._actors import ActorError


class TeamError(ActorError):
    """Base of all errors of teams. Positional arguments are the fields, in order."""
