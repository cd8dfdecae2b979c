"""Values of the user's as text. One that cannot show itself must not break the report of what it did."""

from __future__ import annotations


def shown(value: object) -> str:
    """`repr(value)`; where that raises, its class."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - the user's own
        return f"{type(value).__name__}(it cannot be shown)"


def told(value: object) -> str:
    """`str(value)`; where that raises, its class."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the user's own
        return f"{type(value).__name__}(it cannot be shown)"
