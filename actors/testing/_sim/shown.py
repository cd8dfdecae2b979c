"""Values of the user's as text. Whatever one says of itself, it must not break the report of what it did."""

from __future__ import annotations

from collections.abc import Callable

LONGEST = 2_000
"""How many characters of a value a report shows."""


def shown(value: object, longest: int | None = LONGEST) -> str:
    """`repr(value)`, cut to length and fit for a terminal; where that raises, its class."""
    return _text(repr, value, longest)


def told(value: object) -> str:
    """`str(value)`, cut to length and fit for a terminal; where that raises, its class."""
    return _text(str, value, LONGEST)


def _text(say: Callable[[object], str], value: object, longest: int | None) -> str:
    try:
        text = say(value)
    except BaseException:  # noqa: BLE001 - the user's own, and a report is made whatever it is
        return f"{type(value).__name__}(it cannot be shown)"
    cut = text if longest is None or len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"
    return cut.encode("utf-8", "backslashreplace").decode()
