"""The canonical encoding of a key: the same bytes for equal keys, in every process and under every hash seed.

Keys of different types that are equal in Python (1 and 1.0, a set and a frozenset) have the same encoding. A class with
an `__eq__` of its own has none, because it is not known which of its values are equal.
"""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath, PurePosixPath
from typing import Any

from pydantic import BaseModel

from actors.spi import Record


class NotCanonical(Exception):
    """The key, or a part of it, has no canonical encoding. The text names the part."""


def canonical(key: object) -> bytes:
    """The encoding of a key made of None, numbers, strings, bytes, tuples, lists, sets, dictionaries, enums, UUIDs,
    dates and times, paths, classes, dataclasses and pydantic models.

    Raises NotCanonical.
    """
    try:
        return _encoded(key)
    except RecursionError:
        raise NotCanonical("it is nested too deeply, or holds itself") from None


def _encoded(key: object) -> bytes:
    if type(key) is str:
        return _tagged(b"s", key.encode("utf-8", "surrogatepass"))
    for kinds, encode in _ENCODERS:
        if isinstance(key, kinds):
            if not any(_has_equality_of(kind, key) for kind in kinds):
                break
            return encode(key)
    if isinstance(key, Enum) and _has_equality_of(object, key):
        name: str | None = key.name  # a combination of flags may have none
        return _tagged(b"e", _name(type(key)), _encoded(key.value if name is None else name))
    if isinstance(key, type) and _has_equality_of(type, key):
        return _tagged(b"c", _name(key))
    if isinstance(key, BaseModel) and _has_equality_of(BaseModel, key):
        values = {name: getattr(key, name) for name in type(key).model_fields}
        return _tagged(b"m", *map(_encoded, (_origin(key), values, key.__pydantic_private__, key.__pydantic_extra__)))
    if dataclasses.is_dataclass(key) and _compares_fields(type(key)):
        fields = [getattr(key, field.name) for field in dataclasses.fields(key) if field.compare]
        return _tagged(b"o", _name(type(key)), *map(_encoded, fields))
    raise NotCanonical(f"{type(key).__qualname__} has no canonical form")


def _has_equality_of(kind: type, key: object) -> bool:
    """Whether the key has the `__eq__` of its built-in type, and not one of its own class."""
    ours: object = type(key).__eq__
    return ours is kind.__eq__


def _tagged(tag: bytes, *parts: bytes) -> bytes:
    """The parts, each with its length, so that no other parts have the same encoding."""
    return tag + b"".join(b"%d:%b" % (len(part), part) for part in parts)


def _name(kind: type) -> bytes:
    return f"{kind.__module__}.{kind.__qualname__}".encode()


def _origin(model: BaseModel) -> type:
    """The class that pydantic compares: of a parametrised generic model the generic one."""
    return type(model).__pydantic_generic_metadata__["origin"] or type(model)


def _compares_fields(kind: type) -> bool:
    """Whether `__eq__` compares the fields: that of `dataclass` or of `Record`, and not one of the class itself."""
    code = getattr(kind.__eq__, "__code__", None)
    return code is Record.__eq__.__code__ or (code is not None and code.co_qualname.startswith("__create_fn__."))


# The built-in kinds


def _number(key: int | float | Decimal | Fraction) -> bytes:
    """Numbers that are equal are so as a ratio, whatever their types; -0.0 is 0."""
    finite = key.is_finite() if isinstance(key, Decimal) else math.isfinite(key) if isinstance(key, float) else True
    if not finite:
        return _tagged(b"n", str(key).lower().removesuffix("inity").encode())
    top, bottom = key.as_integer_ratio()
    return _tagged(b"n", b"%x/%x" % (top, bottom))


def _complex(key: complex) -> bytes:
    return _number(key.real) if key.imag == 0 else _tagged(b"z", _number(key.real), _number(key.imag))


def _sorted(tag: bytes, parts: Iterable[bytes]) -> bytes:
    return _tagged(tag, *sorted(parts))


def _moment(key: datetime) -> bytes:
    """Two times of one zone are equal if they read alike, whatever their fold; of two zones, if they are the same
    instant, which then has no fold.
    """
    key = key.replace(fold=0)
    try:
        return _tagged(b"d", (key if key.tzinfo is None else key.astimezone(UTC)).isoformat().encode())
    except OverflowError:  # less than a day from the first or the last that there is
        return _tagged(b"d", key.isoformat().encode())


def _time(key: time) -> bytes:
    offset = key.utcoffset()
    since = timedelta(hours=key.hour, minutes=key.minute, seconds=key.second, microseconds=key.microsecond)
    return _tagged(b"h", b"" if offset is None else b"utc", _span(since - (offset or timedelta())))


def _span(key: timedelta) -> bytes:
    return _tagged(b"i", b"%d" % (key // timedelta(microseconds=1)))


def _path(key: PurePath) -> bytes:
    posix = isinstance(key, PurePosixPath)
    return _tagged(b"p" if posix else b"w", _encoded(str(key) if posix else str(key).lower()))


_ENCODERS: tuple[tuple[tuple[type, ...], Callable[[Any], bytes]], ...] = (
    # The first that fits counts: what is a kind of another comes before it.
    ((type(None),), lambda key: b"0"),
    ((int, float, Decimal, Fraction), _number),
    ((complex,), _complex),
    ((str,), lambda key: _encoded(str.__str__(key))),
    ((bytes, bytearray), lambda key: _tagged(b"b", bytes(key))),
    ((tuple,), lambda key: _tagged(b"t", *map(_encoded, tuple(key)))),
    ((list,), lambda key: _tagged(b"l", *map(_encoded, list(key)))),
    ((set, frozenset), lambda key: _sorted(b"u", map(_encoded, key))),
    (
        (dict, OrderedDict),
        lambda key: _sorted(b"k", (_tagged(b"", _encoded(each), _encoded(key[each])) for each in key)),
    ),
    ((uuid.UUID,), lambda key: _tagged(b"g", key.bytes)),
    ((datetime,), _moment),
    ((date,), lambda key: _tagged(b"a", key.isoformat().encode())),
    ((time,), _time),
    ((timedelta,), _span),
    ((PurePath,), _path),
)
