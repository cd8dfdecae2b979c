"""Conditions in files: values that decide, and nothing that is evaluated."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from teams._files.condition import OPS, Condition

ORDER = {"total": 120, "tags": ["new", "urgent"], "customer": SimpleNamespace(name="Ada", _secret=1), "empty": ""}


@pytest.mark.parametrize(
    ("field", "rest", "holds"),
    [
        ("total", {"op": ">", "value": 100}, True),
        ("total", {"op": ">", "value": 120}, False),
        ("total", {"op": ">=", "value": 120}, True),
        ("total", {"op": "<", "value": 121}, True),
        ("total", {"op": "<=", "value": 119}, False),
        ("total", {"op": "==", "value": 120}, True),
        ("total", {"op": "!=", "value": 120}, False),
        ("customer.name", {"op": "in", "value": ["Ada", "Bob"]}, True),
        ("customer.name", {"op": "not in", "value": ["Ada", "Bob"]}, False),
        ("tags", {"op": "contains", "value": "urgent"}, True),
        ("customer.name", {"op": "contains", "value": "x"}, False),
        ("tags.1", {"op": "==", "value": "urgent"}, True),
        ("tags.2", {"op": "==", "value": "urgent"}, False),
        ("total", {}, True),
        ("empty", {}, False),
        ("customer._secret", {"op": "==", "value": 1}, False),
        ("customer.__class__.__name__", {"op": "==", "value": "SimpleNamespace"}, False),
        ("", {"op": "contains", "value": "total"}, True),
    ],
)
def test_a_condition_holds_as_its_table_says(field: str, rest: dict[str, Any], holds: bool) -> None:
    """Guards every op, and the ways a field leads."""
    assert Condition(field=field, **rest)(ORDER) is holds


@given(st.sampled_from(OPS))
def test_a_condition_on_a_missing_field_does_not_hold(op: Any) -> None:
    """Guards against work that goes somewhere because a name was misspelt: not even `!=` holds."""
    rest: dict[str, Any] = {} if op == "is true" else {"value": [1]}
    assert Condition(field="customer.age", op=op, **rest)(ORDER) is False


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"field": "a", "op": "=>", "value": 1}, "Input should be"),
        ({"field": "a", "op": ">"}, "op > needs a value"),
        ({"field": "a", "value": 1}, "a value needs an op"),
        ({"field": "a", "op": "in", "value": "abc"}, "op in needs a list"),
        ({"field": "a", "of": 1}, "Extra inputs"),
        ({"op": ">", "value": 1}, "Field required"),
        ({"field": 3}, "valid string"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    """Guards what is typed into a file."""
    with pytest.raises(ValidationError, match=message):
        Condition.model_validate(values)


def test_things_that_cannot_be_compared_raise() -> None:
    """Guards against a condition that is silently false: the step fails and says why."""
    with pytest.raises(TypeError):
        Condition(field="total", op="<", value="much")(ORDER)
