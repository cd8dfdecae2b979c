"""Values as JSON. What cannot be read back is refused where the value is made, with its place in the value.

No class name is written: a type adapter says what a value is, here and when it is read. Without one a value is what
JSON can say; models and dataclasses become dicts, tuples become lists.
"""

from __future__ import annotations

import dataclasses
import math
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, PydanticUserError, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from actors.spi import TEXT, cut, said, type_name
from teams._journal.errors import NotReadable, NotStorable, PayloadTooLarge, RecordedError

LIMIT: Final = 1024 * 1024
HIGHEST_LIMIT: Final = 16 * LIMIT
"""Bytes of one encoded value, unless its owner says otherwise."""
DEPTH: Final = 100
"""The most containers around a value."""
KEY_BYTES: Final = 2_000
"""The most bytes of a text in an index: an entry of an index of Postgres has 2,704, with the name of the workflow."""
REDACTED: Final = "[redacted]"
_LOST: Final = b"\0"
"""Begins what stands for a body that the store cannot give back. JSON does not begin so."""
ValuePlace: TypeAlias = Sequence[str | int | None]
"""Names and numbers that lead into a value; None stands for all."""
_TRACEBACK: Final = 20_000
"""Characters of a traceback; the end is kept."""

JsonValue: TypeAlias = (
    Any  # None, bool, int, float, str, and lists and dicts of them: a recursive alias helps no caller
)


def encode(value: object, adapter: TypeAdapter[Any] | None = None, *, limit: int = LIMIT, path: str = "$") -> bytes:
    """The value as JSON. `path` names it in errors; `limit` is in bytes.

    Raises:
        NotStorable: it cannot be said in JSON: a secret, NaN, a cycle, ...; or it does not fit the adapter
        PayloadTooLarge: it is longer than the limit
    """
    value = plain(value, adapter, path)
    data = _json(value, path)
    if len(data) > limit:
        raise PayloadTooLarge(_heaviest(value, path), len(data), limit)
    return data


def enclosed(value: JsonValue) -> bytes:
    """As JSON what stands around values that were encoded, and so checked, before. Has no limit of its own."""
    return to_json(value)


def decode(data: bytes, adapter: TypeAdapter[Any] | None = None) -> Any:
    """The value that `encode` wrote. Raises `NotReadable` if it is not what the adapter takes."""
    try:
        return from_json(data, allow_inf_nan=False) if adapter is None else adapter.validate_json(data)
    except ValueError as error:
        raise NotReadable(cut(_unread(data, error), TEXT)) from None


def lost(why: str) -> bytes:
    """What stands for a body that the store cannot give back: `decode` says why."""
    return _LOST + why.encode()


def _unread(data: bytes, error: ValueError) -> str:
    if data[:1] == _LOST:
        return data[1:].decode()
    if isinstance(error, ValidationError):
        return "; ".join(f"${_places(each['loc'])}: {each['msg']}" for each in error.errors(include_url=False)[:5])
    return str(error)


def settled(
    value: object, adapter: TypeAdapter[Any] | None = None, *, limit: int = LIMIT, path: str = "$"
) -> tuple[bytes, Any]:
    """The value as JSON, and as replay will return it. Raises what `encode` raises."""
    data = encode(value, adapter, limit=limit, path=path)
    try:
        return data, decode(data, adapter)
    except NotReadable as error:
        raise NotStorable(path, f"what is written cannot be read back: {error.what}") from None


def plain(value: object, adapter: TypeAdapter[Any] | None = None, path: str = "$") -> JsonValue:
    """The value as JSON has it: None, booleans, numbers, strings, lists, dicts. Raises `NotStorable`."""
    if adapter is None:
        return _plain(value, path, ())
    _refuse_hidden(value, path, ())
    return _plain(_dumped(adapter, value, path), path, ())


def recorded(error: BaseException) -> bytes:
    """An error as JSON: the name of its type, its text, its traceback. Any error can be recorded."""
    if isinstance(error, RecordedError):
        parts = (error.type, error.message, error.traceback)
    else:
        text = "".join(traceback.format_exception(error))
        parts = (_full_name(type(error)), said(error, TEXT), text[-_TRACEBACK:])
    return to_json(dict(zip(("type", "message", "traceback"), map(_printable, parts), strict=True)))


def unrecorded(data: bytes) -> RecordedError:
    """The error that `recorded` wrote. Raises `NotReadable`."""
    match decode(data):
        case {"type": str(kind), "message": str(message), "traceback": str(text)}:
            return RecordedError(kind, message, text)
    raise NotReadable("it is not a recorded error")


def redact(value: object, paths: Iterable[str]) -> JsonValue:
    """The value as JSON has it, with `REDACTED` in these places: `user.card`, `$.rows[0].name`, `rows[*].name`.

    A place that the value does not have is left out. Raises `NotStorable`, and ValueError for a path that is not one.
    """
    value = plain(value)
    for path in paths:
        value = _redacted(value, path_steps(path))
    return value


def redact_at(value: object, places: Iterable[ValuePlace]) -> JsonValue:
    """The same for places that are given as names and numbers. Raises `NotStorable`."""
    value = plain(value)
    for place in places:
        value = _redacted(value, place)
    return value


# Plain values


def _plain(value: object, path: str, around: tuple[int, ...]) -> JsonValue:
    match value:
        case None | bool():
            return value
        case str():
            if not value.isascii():
                _refuse_surrogates(value, path)
            return value if type(value) is str else str.__str__(value)
        case int():
            if value.bit_length() > 13_000:  # Python neither writes nor reads more than 4,300 digits
                raise NotStorable(path, "an integer has more than 3,900 digits. Write it as a string of hexadecimals")
            return value if type(value) is int else int(value)
        case float():
            _refuse_nan(value, path)
            return value if type(value) is float else float(value)
        case dict():
            around = _entered(value, path, around)
            return {_key(key, path): _plain(each, f"{path}.{key}", around) for key, each in value.items()}
        case list() | tuple():
            around = _entered(value, path, around)
            return [_plain(each, f"{path}[{index}]", around) for index, each in enumerate(value)]
        case BaseModel():
            return _of_class(value, path, around)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _of_class(value, path, around)
    raise NotStorable(path, _what(value))


def _of_class(value: object, path: str, around: tuple[int, ...]) -> JsonValue:
    """A model or a dataclass, by the adapter of its class."""
    _refuse_hidden(value, path, around)
    try:
        kind: Any = type(value)
        adapter = _adapter(kind)
    except PydanticUserError as error:
        raise NotStorable(path, cut(str(error), TEXT)) from None
    return _plain(_dumped(adapter, value, path), path, around)


@lru_cache(maxsize=1000)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _dumped(adapter: TypeAdapter[Any], value: object, path: str) -> object:
    try:
        return adapter.dump_python(value, mode="json", by_alias=True, round_trip=True, warnings="error")
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        raise NotStorable(path, cut(str(error), TEXT)) from None


def _refuse_hidden(value: object, path: str, around: tuple[int, ...]) -> None:
    """Refuses what a dump would hide, secrets and NaN, and what would make it endless: cycles."""
    match value:
        case None | bool() | int() | str() | bytes():
            return
        case float():
            _refuse_nan(value, path)
            return
        case SecretStr() | SecretBytes():
            raise NotStorable(path, _what(value))
        case Mapping():
            parts: Iterable[tuple[str, object]] = ((f".{key}", each) for key, each in value.items())
        case list() | tuple() | set() | frozenset():
            parts = ((f"[{index}]", each) for index, each in enumerate(value))
        case BaseModel():
            own = {**vars(value), **(value.__pydantic_extra__ or {})}
            parts = ((f".{name}", each) for name, each in own.items())
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [each.name for each in dataclasses.fields(value) if hasattr(value, each.name)]
            parts = ((f".{name}", getattr(value, name)) for name in names)
        case _:
            if type(value).__module__ == "pydantic.types" and hasattr(value, "get_secret_value"):
                raise NotStorable(path, _what(value))  # `Secret`, which older pydantic does not have
            return
    around = _entered(value, path, around)
    for place, part in parts:
        _refuse_hidden(part, path + place, around)


def _entered(value: object, path: str, around: tuple[int, ...]) -> tuple[int, ...]:
    """The containers around the parts of this one."""
    if id(value) in around:
        raise NotStorable(path, "the value contains itself")
    if len(around) >= DEPTH:
        raise NotStorable(path, f"it is nested more than {DEPTH} deep")
    return (*around, id(value))


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise NotStorable(path, f"a key must be a string, got {cut(repr(key), TEXT)} ({type_name(key)})")
    if not key.isascii():
        _refuse_surrogates(key, path)
    return key if type(key) is str else str.__str__(key)


def text_cell(text: str, what: str) -> str:
    """A text that is a cell of its own, such as a key. Raises `NotStorable` when some store does not take it."""
    if not isinstance(text, str):
        raise NotStorable(what, f"it must be a string, got {cut(repr(text), TEXT)} ({type_name(text)})")
    _refuse_surrogates(text, what)
    if "\0" in text:
        raise NotStorable(what, f"it has a NUL, which Postgres does not take: {cut(repr(text), TEXT)}")
    return text


def key_cell(text: str, what: str) -> str:
    """The same of a text that a store has in an index."""
    if (size := len(text_cell(text, what).encode())) > KEY_BYTES:
        raise NotStorable(what, f"it has {size} bytes, the limit is {KEY_BYTES}. Use a digest of it")
    return text


def _refuse_nan(value: float, path: str) -> None:
    if not math.isfinite(value):
        raise NotStorable(path, f"JSON has no {float(value)}. Write None, or a string, instead")


def _refuse_surrogates(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotStorable(path, "a string has a lone surrogate, which UTF-8 cannot say") from None


def _what(value: object) -> str:
    if hasattr(value, "get_secret_value"):
        return f"a secret ({type_name(value)}) is not written down. Hand on its name, and look it up in the step"
    return (
        f"JSON cannot say {type_name(value)}. Return a model, a dataclass or JSON values, or declare the type with "
        "`returns=`"
    )


def _json(value: JsonValue, path: str) -> bytes:
    try:
        return to_json(value, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError, TypeError) as error:
        raise NotStorable(path, cut(str(error), TEXT)) from None


def _heaviest(value: JsonValue, path: str) -> str:
    """The innermost part that makes up more than half of the value."""
    half = len(_json(value, path)) / 2
    while True:
        match value:
            case dict():
                parts = [(f"{path}.{key}", each) for key, each in value.items()]
            case list():
                parts = [(f"{path}[{index}]", each) for index, each in enumerate(value)]
            case _:
                return path
        heavy = [(place, part) for place, part in parts if len(_json(part, place)) > half]
        if not heavy:
            return path
        ((path, value),) = heavy


# Errors


def _full_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


# Paths

_PATH = re.compile(r"\.?(?:([^.\[\]$*\s]+)|(\*)|\[(?:(\d+)|(\*)|\"([^\"]+)\"|'([^']+)')\])")


def path_steps(path: str) -> Sequence[str | int | None]:
    """The names and numbers of a path; None stands for all. Raises ValueError."""
    steps: list[str | int | None] = []
    at = 1 if path.startswith("$") else 0
    while at < len(path):
        match = _PATH.match(path, at)
        if match is None:
            raise ValueError(f"not a path, got {path!r}. Write it like user.card, rows[0].name or rows[*].name")
        name, star, number, stars, double, single = match.groups()
        if star or stars:
            steps.append(None)
        else:
            steps.append(int(number) if number is not None else name or double or single)
        at = match.end()
    return steps


def _redacted(value: JsonValue, steps: Sequence[str | int | None]) -> JsonValue:
    if not steps:
        return REDACTED
    first, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        return {key: _redacted(each, rest) if first in (None, key) else each for key, each in value.items()}
    if isinstance(value, list):
        return [_redacted(each, rest) if first in (None, index) else each for index, each in enumerate(value)]
    return value


def _places(places: Sequence[str | int]) -> str:
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in places)
