"""Text of the user's, made fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with everything that could steer a terminal written out, line breaks included."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 fault`, `2 faults`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
