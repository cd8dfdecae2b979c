"""`partition(key)`: the same partition for equal keys, in every process."""

from __future__ import annotations

import copy
import enum
import os
import pickle
import subprocess
import sys
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, Message, Shutdown
from actors.testing import simulation
from supervisors import PartitionKeyError, child, partition_supervisor
from supervisors._supervisor.canonical import NotCanonical, canonical


class Colour(enum.Enum):
    """An enum."""

    RED = object()


class Size(enum.StrEnum):
    """An enum of strings."""

    BIG = "big"


class Access(enum.Flag):
    """Flags."""

    READ = 1
    WRITE = 2


class Customer(Message):
    """A protocol message."""

    number: int
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Order:
    """A value."""

    number: int
    note: str = field(default="", compare=False)


Pair = namedtuple("Pair", ["left", "right"])

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False, places=2)
    | st.fractions()
    | st.text()
    | st.binary()
    | st.uuids()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.sampled_from([*Colour, *Size, *Access, Access.READ | Access.WRITE, int, Order])
)
hashable = st.recursive(
    scalars,
    lambda inner: (
        st.tuples(inner, inner)
        | st.frozensets(inner, max_size=4)
        | st.builds(Order, inner)
        | st.builds(Shutdown, inner)
    ),
    max_leaves=6,
)
keys = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(hashable, inner, max_size=4) | st.sets(hashable, max_size=4)
    ),
    max_leaves=6,
)


def reordered(key: Any) -> Any:
    """The same, with every set and dictionary built in another order."""
    match key:
        case dict():
            return {reordered(each): reordered(key[each]) for each in reversed(list(key))}
        case set() | frozenset():
            return type(key)([reordered(each) for each in reversed(list(key))])
        case tuple() | list():
            return type(key)([reordered(each) for each in key])
        case _:
            return copy.copy(key)


@given(keys)
def test_equal_keys_have_one_encoding_however_they_were_built(key: Any) -> None:
    """Sets and dictionaries have an order of their own, which is not part of what they are."""
    other = reordered(key)
    assert other == key
    assert canonical(other) == canonical(key)


@given(hashable, hashable)
def test_what_has_one_encoding_is_equal_and_the_other_way_round(one: Any, other: Any) -> None:
    """Nothing collides before the CRC does, and numbers of different types that are equal do not differ."""
    assert (canonical(one) == canonical(other)) == (one == other)


BERLIN = ZoneInfo("Europe/Berlin")
LATE = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (frozenset({8, 0}), frozenset({0, 8})),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (0.0, -0.0),
        ((1, 2), (1.0, True + 1)),
        ((Decimal("1.50"), 2), (Fraction(3, 2), 2 + 0j)),
        ((float("inf"),), (Decimal("Infinity"),)),
        ({1}, frozenset({1})),
        ({"a": 1}, OrderedDict(a=1)),
        ((1, 2), Pair(1, 2)),
        (b"x", bytearray(b"x")),
        (("big",), (Size.BIG,)),
        (Order(1, "a note"), Order(1, "another")),
        (Customer(number=1, tags=frozenset("ab")), Customer(number=1, tags=frozenset("ba"))),
        (datetime(2024, 1, 1, 12, tzinfo=UTC), datetime(2024, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))),
        (LATE, LATE.replace(fold=1)),
        (
            datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
            datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        ),
        (time(12, tzinfo=UTC), time(13, tzinfo=timezone(timedelta(hours=1)))),
        (PureWindowsPath("C:/A"), PureWindowsPath("c:/a")),
    ],
)
def test_equal_keys_have_one_encoding(one: object, other: object) -> None:
    """By example, where a property draws them too seldom."""
    assert one == other
    assert canonical(one) == canonical(other)


NOON = datetime.fromisoformat("2024-01-01T12:00")
DIFFERENT: list[tuple[object, ...]] = [
    ("1", 1, b"1", 1.5, None, "", b"", (), [], frozenset(), {}),
    (("a", "b"), ("ab", ""), ("a",), ["a", "b"], (("a",), "b"), ("a", ("b",))),
    (Order(1), (1,), Customer(number=1), Order, Customer, Colour.RED, "RED"),
    (date(2024, 1, 1), NOON, NOON.replace(tzinfo=UTC), "2024-01-01"),
    (time(1), time(1, tzinfo=UTC), timedelta(hours=1), PurePosixPath("a"), PureWindowsPath("a"), "a"),
    (Access(0), Access.READ, Access.READ | Access.WRITE),
]


@pytest.mark.parametrize("group", DIFFERENT)
def test_different_keys_have_different_encodings(group: tuple[object, ...]) -> None:
    """Types and limits are part of the encoding."""
    assert len({canonical(each) for each in group}) == len(group)


class OwnEquality:
    """Not known what it takes for equal."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Folded(str):
    """A string that is equal to others."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str(self).lower() == str(other).lower()

    __hash__ = str.__hash__


@dataclass
class OwnComparison:
    """A dataclass that compares as it likes."""

    number: int

    def __eq__(self, other: object) -> bool:
        return True


@dataclass(eq=False)
class ByIdentity:
    """A dataclass that is equal to itself alone."""

    number: int


class Unshowable:
    """Something whose repr fails."""

    def __repr__(self) -> str:
        raise OSError


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    "key",
    [
        object(),
        OwnEquality(),
        Folded("A"),
        OwnComparison(1),
        ByIdentity(1),
        Unshowable(),
        ENDLESS,
        (1, object()),
        len,
        memoryview(b"x"),
        {"a": [object()]},
        Customer.model_construct(number=object()),
    ],
    ids=lambda key: type(key).__name__,
)
def test_a_key_without_a_canonical_form_is_a_typed_error_at_the_call(key: object) -> None:
    """A wrong answer would be found late, as state that two partitions have."""
    with pytest.raises(NotCanonical):
        canonical(key)
    with simulation() as sim:
        root = sim.start(partition_supervisor("p", child("c", Actor), partitions=3))
        with pytest.raises(PartitionKeyError) as caught:
            root.partition(key)
        assert "p: the key of a partition: " in str(caught.value)
        assert "Use what identifies it" in str(caught.value)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_integer_is_taken_modulo_the_number_of_partitions() -> None:
    """So that who has numbers can say which partition is meant."""
    with simulation() as sim:
        root = sim.start(partition_supervisor("p", child("c", Actor), partitions=3))
        assert [root.partition(key).path for key in (0, 1, 5, -1, True)] == ["p/0", "p/1", "p/2", "p/2", "p/1"]


PROGRAM = """
import enum, uuid
from supervisors._supervisor.canonical import canonical
class Colour(enum.Enum):
    RED = object()
keys = [{"a", "b", "c"}, {"x": {1, 2}, "y": None}, frozenset({("a", 1), ("b", 2)}), Colour.RED, uuid.UUID(int=7), int]
print([canonical(key) for key in keys])
"""


def test_the_encoding_is_the_same_under_every_hash_seed() -> None:
    """Which is what differs between two processes."""
    told = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(told) == 1
    assert str(uuid.UUID(int=7).bytes)[2:-1] in next(iter(told))
