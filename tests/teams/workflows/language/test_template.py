"""Values with references in them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teams.workflows import BadExpression, MissingValue
from teams.workflows._language.refs import SKIPPED, Ref
from teams.workflows._language.template import LONGEST_TEXT, MOST_VALUES, NotATemplate, parse_template

ENV = {"input": {"name": "Ada", "list": [1, {"x": None}], "n": 1.5}, "skipped": SKIPPED}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("plain", "plain"),
        ("$input.name", "Ada"),
        ("$input.list", [1, {"x": None}]),
        ("$input.list[1].x", None),
        ("${input.n}", "1.5"),
        ("Dear ${input.name}, ${input.list}!", 'Dear Ada, [1,{"x":null}]!'),
        ("${ input.name }", "Ada"),
        ("${$input.name}", "Ada"),
        ("$$", "$"),
        ("$$input.name", "$input.name"),
        ("$${input.name}", "${input.name}"),
        ("costs $5, or 5$", "costs $5, or 5$"),
        ("$skipped.result", None),
        ("<${skipped.result}>", "<>"),
        ({"a": ["$input.n", {"b": "${input.name}"}], "c": 3}, {"a": [1.5, {"b": "Ada"}], "c": 3}),
        ((1, "$input.n"), [1, 1.5]),
        (True, True),
        (None, None),
    ],
)
def test_a_template_becomes(written: object, value: object) -> None:
    assert parse_template(written).render(ENV) == value


def test_a_template_tells_its_references_in_order() -> None:
    refs = parse_template({"a": "$b.c", "d": ["x ${e[0]} ${f} y", "$$g"]}).refs
    assert refs == (Ref("b", ("c",)), Ref("e", (0,)), Ref("f"))


@pytest.mark.parametrize(
    ("written", "position", "why"),
    [
        ("$input.name!", 11, "a reference inside a string is written ${...}"),
        ("hello $input.name", 6, "a reference inside a string is written ${...}"),
        ("hello ${input.name", 6, "no closing '}'"),
        ("hello ${}", 8, "a reference must stand here"),
        ("hello ${a b}", 10, "unexpected 'b'"),
        ("$input._name", 7, "names that begin with _"),
        ("${1}", 2, "a reference must stand here"),
    ],
)
def test_a_fault_in_a_text_has_its_place(written: str, position: int, why: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse_template(written)
    assert caught.value.position == position
    assert why in caught.value.why


def test_a_reference_that_leads_nowhere_is_a_typed_error() -> None:
    with pytest.raises(MissingValue, match=r"\$input.zz leads to no value") as caught:
        parse_template({"a": "$input.zz"}).render(ENV)
    assert caught.value.ref == "$input.zz"


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else 1


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ({"a": [1, object()]}, "a[1]"),
        ({"a": math.nan}, "a"),
        ({"a": {1: 2}}, "a"),
        (deep(33), "[0]" * 33),
        (["x"] * MOST_VALUES, f"[{MOST_VALUES - 1}]"),
        ("$$" * LONGEST_TEXT, ""),
        (b"bytes", ""),
    ],
    ids=["object", "nan", "key", "deep", "large", "long", "bytes"],
)
def test_what_is_not_json_is_refused_with_its_place(written: object, where: str) -> None:
    with pytest.raises(NotATemplate) as caught:
        parse_template(written)
    assert caught.value.where == where


def test_a_list_that_contains_itself_is_refused() -> None:
    looped: list[object] = []
    looped.append(looped)
    with pytest.raises(NotATemplate):
        parse_template(looped)


TEXTS = st.lists(
    st.sampled_from(["$", "${", "}", "$$", "a", ".b", "[0]", " ", "'", "\\", "input", "\n", "é"]), max_size=20
).map("".join)


@given(st.recursive(TEXTS | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_every_value_is_a_template_or_a_typed_fault(written: object) -> None:
    """Guards the builder against strings from anywhere."""
    try:
        template = parse_template(written)
    except (BadExpression, NotATemplate):
        return
    known: set[object] = {str(each) for each in template.refs}
    try:
        template.render(ENV)
    except MissingValue as error:
        known.remove(error.ref)


@given(st.text())
def test_a_text_with_doubled_dollars_is_itself(text: str) -> None:
    """Guards strings that a program writes: whatever they contain, doubling the dollars keeps it."""
    assert parse_template(text.replace("$", "$$")).render({}) == text
