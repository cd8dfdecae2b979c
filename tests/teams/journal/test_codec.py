"""Values as JSON: what comes back, and what is refused, with its place."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretBytes, SecretStr, TypeAdapter

from teams._journal.codec import (
    DEPTH,
    REDACTED,
    decode,
    encode,
    plain,
    recorded,
    redact,
    settled,
    unrecorded,
)
from teams._journal.errors import NotReadable, NotStorable, PayloadTooLarge, RecordedError

texts = st.text(st.characters(codec="utf-8"))
atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(atoms, lambda each: st.lists(each) | st.dictionaries(texts, each) | st.tuples(each, each))


class Colour(enum.Enum):
    """Red or blue."""

    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    """A model with what JSON does not have."""

    name: str
    at: datetime.datetime
    price: decimal.Decimal
    id: uuid.UUID
    colour: Colour
    sizes: tuple[int, ...]
    tags: set[str]
    counts: dict[int, str]
    alias: int = Field(alias="otherName")


@dataclasses.dataclass
class Point:
    """A dataclass of the standard library."""

    x: int
    y: float
    when: datetime.date


@dataclasses.dataclass
class Node:
    """A dataclass that may contain itself."""

    inner: Any = None


items = st.builds(
    Item,
    name=texts,
    at=st.datetimes(timezones=st.just(datetime.UTC)),
    price=st.decimals(allow_nan=False, allow_infinity=False),
    id=st.uuids(),
    colour=st.sampled_from(Colour),
    sizes=st.lists(st.integers()).map(tuple),
    tags=st.sets(texts),
    counts=st.dictionaries(st.integers(), texts),
    otherName=st.integers(),
)
points = st.builds(Point, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.dates())


def lists_for_tuples(value: Any) -> Any:
    """The value as it comes back without an adapter."""
    if isinstance(value, dict):
        return {key: lists_for_tuples(each) for key, each in value.items()}
    return list(map(lists_for_tuples, value)) if isinstance(value, list | tuple) else value


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


# What comes back


@given(values)
@example("\0")
@example({"": {"a.b": [1.5, True]}})
@example(2**200)
@example(-0.0)
@example(5e-324)
def test_every_json_value_comes_back_with_lists_for_tuples(value: Any) -> None:
    data, live = settled(value, limit=10**9)
    assert live == lists_for_tuples(value)
    assert repr(live) == repr(lists_for_tuples(value))  # 1, 1.0 and True are equal
    assert repr(decode(data)) == repr(live)


@given(values)
def test_what_is_written_is_json_of_the_standard(value: Any) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(encode(value, limit=10**9), parse_constant=refuse) == lists_for_tuples(value)


@given(items, points)
def test_a_model_and_a_dataclass_come_back_by_their_adapter(item: Item, point: Point) -> None:
    assert settled(item, TypeAdapter(Item))[1] == item
    assert settled(point, TypeAdapter(Point))[1] == point
    adapter = TypeAdapter(dict[str, list[Item | Point]])
    assert settled({"all": [item, point]}, adapter)[1] == {"all": [item, point]}


@given(items, points)
def test_without_an_adapter_models_and_dataclasses_become_dicts(item: Item, point: Point) -> None:
    live = settled([item, {"point": point}])[1]
    assert Item.model_validate(live[0]) == item
    assert live[1]["point"] == {"x": point.x, "y": point.y, "when": point.when.isoformat()}


@given(values)
def test_a_value_that_was_settled_stays_as_it_is(value: Any) -> None:
    data, live = settled(value, limit=10**9)
    assert settled(live, limit=10**9)[0] == data


def test_the_settled_value_is_not_the_object_that_was_given() -> None:
    value = {"rows": [1]}
    live = settled(value)[1]
    value["rows"].append(2)
    assert live == {"rows": [1]}


# What is refused


@pytest.mark.parametrize(
    ("value", "place", "what"),
    [
        ({"a": [1, math.nan]}, "$.a[1]", "JSON has no nan"),
        (-math.inf, "$", "JSON has no -inf"),
        ({"user": {"password": SecretStr("hunter2")}}, "$.user.password", "a secret (SecretStr)"),
        ([SecretBytes(b"hunter2")], "$[0]", "a secret (SecretBytes)"),
        ({"a": {1: 2}}, "$.a", "a key must be a string, got 1 (int)"),
        ({None: 2}, "$", "a key must be a string, got None (NoneType)"),
        ([{1, 2}], "$[0]", "JSON cannot say set"),
        (b"bytes", "$", "JSON cannot say bytes"),
        (Colour.RED, "$", "JSON cannot say Colour"),
        (datetime.date(2026, 1, 1), "$", "JSON cannot say date"),
        ({"f": print}, "$.f", "JSON cannot say builtin_function_or_method"),
        (Point, "$", "JSON cannot say type"),
        (["\ud800"], "$[0]", "lone surrogate"),
        ({"\ud800": 1}, "$", "lone surrogate"),
        ([10**4400], "$[0]", "more than 3,900 digits"),
        (Node(inner=object()), "$", "Unable to serialize"),
        (Node(inner=[SecretStr("hunter2")]), "$.inner[0]", "a secret (SecretStr)"),
        (Node(inner=[math.nan]), "$.inner[0]", "JSON has no nan"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(value: Any, place: str, what: str) -> None:
    with pytest.raises(NotStorable) as refused:
        encode(value)
    assert refused.value.path == place
    assert what in refused.value.what
    assert "hunter2" not in str(refused.value)


def test_the_place_begins_with_the_name_the_caller_gave() -> None:
    with pytest.raises(NotStorable, match=r"^classify\.result\[0\]: "):
        encode([math.nan], path="classify.result")


def test_a_secret_is_refused_with_an_adapter_too() -> None:
    class Login(BaseModel):
        name: str
        password: SecretStr

    with pytest.raises(NotStorable) as refused:
        encode([Login(name="ann", password=SecretStr("hunter2"))], TypeAdapter(list[Login]))
    assert refused.value.path == "$[0].password"


def test_nan_is_refused_with_an_adapter_too() -> None:
    with pytest.raises(NotStorable, match=r"^\$\.price: JSON has no nan"):
        encode({"price": math.nan}, TypeAdapter(dict[str, float]))


def test_a_value_that_does_not_fit_its_adapter_is_refused() -> None:
    with pytest.raises(NotStorable, match="Expected `int`"):
        encode("text", TypeAdapter(int))


def test_a_type_that_cannot_be_read_back_is_refused_at_once() -> None:
    class OneWay(BaseModel):
        value: int = Field(serialization_alias="other")

    with pytest.raises(NotStorable, match="cannot be read back"):
        settled(OneWay(value=1), TypeAdapter(OneWay))


@pytest.mark.parametrize("around", [list, dict, Node])
def test_a_value_that_contains_itself_is_refused(around: type) -> None:
    value: Any = around()
    if isinstance(value, list):
        value.append([value])
    elif isinstance(value, dict):
        value["a"] = [value]
    else:
        value.inner = [value]
    with pytest.raises(NotStorable, match="contains itself"):
        encode(value)


def test_the_same_object_twice_is_not_a_cycle() -> None:
    part = [1]
    assert settled({"a": part, "b": [part, part]})[1] == {"a": [1], "b": [[1], [1]]}


def test_a_value_may_be_nested_as_deep_as_the_limit_and_no_deeper() -> None:
    assert settled(nested(DEPTH))[1] == nested(DEPTH)
    for depth in (DEPTH + 1, 5000):
        with pytest.raises(NotStorable, match="nested more than 100 deep"):
            encode(nested(depth))


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_limit_is_bytes_of_the_whole_value(size: int, limit: int) -> None:
    value = ["x" * size]
    if size + 4 <= limit:
        assert len(encode(value, limit=limit)) == size + 4
        return
    with pytest.raises(PayloadTooLarge) as refused:
        encode(value, limit=limit)
    assert (refused.value.size, refused.value.limit) == (size + 4, limit)


def test_a_value_that_is_too_large_says_which_part_it_is() -> None:
    with pytest.raises(PayloadTooLarge) as refused:
        encode({"small": 1, "rows": [{"text": "x" * 2000}, {"text": "y"}]}, limit=1000)
    assert refused.value.path == "$.rows[0].text"
    with pytest.raises(PayloadTooLarge) as refused:
        encode({"rows": ["x" * 10] * 1000}, limit=1000)
    assert refused.value.path == "$.rows"


@pytest.mark.parametrize("data", [b"", b"{", b"nan", b"NaN", b"[1,]", b"\xff"])
def test_bytes_that_are_not_json_are_not_readable(data: bytes) -> None:
    with pytest.raises(NotReadable):
        decode(data)


def test_a_stored_value_of_another_type_says_where_it_differs() -> None:
    with pytest.raises(NotReadable, match=r"\$\.y: Field required"):
        decode(b'{"x": 1, "when": "2026-01-01"}', TypeAdapter(Point))


# Errors


class Silent(Exception):
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "error", [ValueError("no\nluck"), KeyError("a"), Silent(), Exception("\ud800"), KeyboardInterrupt()]
)
def test_any_error_can_be_recorded_and_read_back(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        raise error
    found = unrecorded(recorded(raised.value))
    assert isinstance(found, RecordedError)
    assert found.type.rpartition(".")[2] == type(error).__name__
    assert "test_any_error_can_be_recorded" in found.traceback


def test_a_recorded_error_stays_as_it_is_when_it_is_recorded_again() -> None:
    first = unrecorded(recorded(ValueError("no luck")))
    assert str(first) == "ValueError: no luck"
    assert unrecorded(recorded(first)).args == first.args


def test_a_long_traceback_keeps_its_end() -> None:
    error = ValueError("no luck")
    error.add_note("x" * 100_000 + "the end")
    found = unrecorded(recorded(error))
    assert found.traceback.endswith("the end\n")
    assert len(found.traceback) <= 20_000


# Redaction


def test_redaction_replaces_the_places_that_are_named() -> None:
    value = {"user": {"card": "1234", "name": "ann"}, "rows": [{"ssn": 1, "ok": 2}, {"ssn": 3}]}
    assert redact(value, ["$.user.card", "rows[*].ssn", "none.there", "rows[7]"]) == {
        "user": {"card": REDACTED, "name": "ann"},
        "rows": [{"ssn": REDACTED, "ok": 2}, {"ssn": REDACTED}],
    }
    assert value["user"] == {"card": "1234", "name": "ann"}
    assert redact(value, ["$"]) == REDACTED
    assert redact(value, ['["rows"][0]', "user.*"])["rows"][0] == REDACTED


@given(values, st.lists(st.sampled_from(["a", "$.b[0]", "*", "[*][*]", "$"])))
def test_redaction_leaves_everything_else(value: Any, paths: list[str]) -> None:
    assert redact(value, []) == plain(value)
    redact(value, paths)


@pytest.mark.parametrize("path", ["a b", "a[", "a[x]", "..", "a$"])
def test_a_path_that_is_not_one_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        redact({}, [path])
