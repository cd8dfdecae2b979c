"""Text of the user's, made fit for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic_core import to_json


def printable(text: str) -> str:
    """The text with everything that could steer a terminal written out, line breaks included."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 fault`, `2 faults`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def kind_text(kind: object, arguments: Iterable[object]) -> str:
    """What an actor is: its class, with the functions it was given, which say more of it than a class that plays any
    function: `FunctionMember(triage)`.
    """
    functions = dict.fromkeys(
        name for each in arguments if callable(each) and (name := getattr(each, "__name__", None))
    )
    named = getattr(kind, "__qualname__", None) or str(kind)
    return printable(f"{named}({', '.join(functions)})" if functions else named)


def result_text(value: object) -> str:
    """A result as it is printed: a text as it is, with what could steer a terminal written out; anything else as JSON,
    on one line. What JSON does not know stands there as its `repr`.
    """
    if isinstance(value, str):
        return "\n".join(printable(line) for line in value.split("\n"))
    return to_json(value, fallback=repr, inf_nan_mode="strings", bytes_mode="base64").decode()


def unwritable(error: OSError) -> str:
    """That what is printed cannot be written, and why."""
    return f"the output cannot be written: {error.strerror or error}"
