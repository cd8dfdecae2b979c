"""The output of the command line, as text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from actors._user_code.text import TEXT, attribute, block, is_ctrl_c, printable, shown

_VALUES = 10_000_000
"""How many values a result may have that is printed as JSON."""


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 fault`, `2 faults`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def lines(text: str) -> str:
    """A text of several lines, each fit for a terminal, none left out."""
    return block(text, len(text) * 10)


def kind_text(kind: object, arguments: Iterable[object]) -> str:
    """The class of an actor, with the functions it was given, which say more of it than a class that plays any
    function: `FunctionMember(triage)`.
    """
    functions = dict.fromkeys(
        name for each in arguments if callable(each) and isinstance(name := attribute(each, "__name__"), str)
    )
    named = attribute(kind, "__qualname__") or kind
    return printable(f"{named}({', '.join(functions)})" if functions else str(named))


def result_text(value: object) -> str:
    """A result as it is printed: a text as it is, with what could steer a terminal written out; anything else as JSON,
    on one line, with the `repr` of what JSON does not know. What cannot be JSON (it is a part of itself, or nested too
    deep) is its `repr`, cut.
    """
    if isinstance(value, str):
        return lines(value)
    text = _to_json(value)
    return shown(value, TEXT) if text is None else text


def json_line(entry: Mapping[str, object]) -> str:
    """An object of JSON, on one line, printable. Where a value cannot be JSON, each is shown as far as it can be."""
    text = _to_json(entry)
    if text is None:
        text = _to_json({printable(str(name)): _plain(value) for name, value in entry.items()})
    return text or "{}"


def _plain(value: object) -> object:
    if value is None or type(value) in (bool, int, float):
        return value
    return lines(value) if isinstance(value, str) else shown(value, TEXT)


def _to_json(value: object) -> str | None:
    """The value as JSON, on one line, printable; None where it cannot be JSON."""
    try:
        if not _is_bounded(value):
            return None
        text = to_json(value, fallback=_unknown, inf_nan_mode="strings", bytes_mode="base64").decode()
        return text if text.isprintable() else "".join(each if each.isprintable() else _escaped(each) for each in text)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return None


def _escaped(character: str) -> str:
    """A character as JSON may write it: what JSON leaves as it is may still steer a terminal."""
    return json.dumps(character)[1:-1] if ord(character) > 127 else f"\\u{ord(character):04x}"


def _is_bounded(value: object) -> bool:
    """Whether writing the value ends: it holds neither an iterator (to show that would run it, perhaps without an end)
    nor itself, and has at most so many values, one that it holds twice counted twice.
    """
    sizes: dict[int, int] = {}
    around: set[int] = set()
    waiting: list[tuple[Any, bool]] = [(value, False)]
    while waiting:
        each, done = waiting.pop()
        if isinstance(each, Iterator):
            return False
        if done:
            around.discard(id(each))
            sizes[id(each)] = 1 + sum(sizes.get(id(part), 1) for part in _parts(each))
            if sizes[id(each)] > _VALUES:
                return False
        elif id(each) in around:
            return False
        elif id(each) not in sizes and _parts(each):
            around.add(id(each))
            waiting.append((each, True))
            waiting += ((part, False) for part in _parts(each))
    return True


def _parts(value: Any) -> Collection[Any]:
    if type(value) in (list, tuple, set, frozenset):
        found: Collection[Any] = value
        return found
    held: object = value if type(value) is dict else None
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(type(value)):
        held = attribute(value, "__dict__")
    return held.values() if isinstance(held, dict) else ()


def _unknown(value: object) -> str:
    return shown(value, TEXT)


def unwritable(error: OSError) -> str:
    """That what is printed cannot be written, and why."""
    return f"the output cannot be written: {error.strerror or error}"
