"""The check of a number of seconds that a caller gives."""

from __future__ import annotations

from math import inf

from actors._user_code.text import shown


def check_seconds(seconds: object, what: str, *, more_than_0: bool = False, otherwise: str = "") -> None:
    """Raises ValueError unless this is a finite number >= 0, or > 0. `what` and `otherwise`, such as `, or None for no
    limit`, are words of the error. One that is not a number (NaN) would stop every timer of the runtime, so each
    function that takes seconds calls this before anything begins.
    """
    fits = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not (fits and 0 <= seconds < inf) or (more_than_0 and not seconds):  # type: ignore[operator]
        least = "> 0" if more_than_0 else ">= 0"
        raise ValueError(f"{what}: seconds must be a number {least}{otherwise}, got {shown(seconds)}")


def check_timeout(timeout: object, what: str) -> None:
    """The same for a limit of time: None is none."""
    if timeout is not None:
        check_seconds(timeout, what, otherwise=", or None for no limit")
