"""The language of conditions: grammar, printing, and what conditions say of values."""

from __future__ import annotations

import json
import pickle
import sys
from collections import namedtuple
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from teams.workflows import BadExpression, NotComparable
from teams.workflows._language.evaluate import evaluate, holds
from teams.workflows._language.expression import (
    DEEPEST,
    LONGEST,
    OPS,
    Always,
    Compared,
    Every,
    Expression,
    Fixed,
    Listed,
    Negated,
    Of,
    Some,
    parse,
    paths,
    roots,
)
from teams.workflows._language.refs import MISSING, SKIPPED, UNKNOWN, Ref, resolve


class Customer(BaseModel):
    name: str
    tags: list[str] = []

    @property
    def secret(self) -> str:
        raise AssertionError("a property runs code")


@dataclass
class Order:
    total: float
    _note: str = "hidden"


Point = namedtuple("Point", "x y")

ENV: Mapping[str, Any] = {
    "input": {"message": "Help", "n": 3, "flag": True, "none": None, "odd key": 1, "_hidden": 2},
    "customer": Customer(name="Ada", tags=["new", "urgent"]),
    "order": Order(120),
    "point": Point(1, 2),
    "skipped": SKIPPED,
    "items": [1, 2.5, "x", [True]],
}

# Grammar

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True)
REFS = st.builds(Ref, NAMES, st.lists(NAMES | st.integers(0, 99) | st.text(max_size=5), max_size=3).map(tuple))
NUMBERS = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
CONSTANTS = st.builds(Fixed, st.none() | st.booleans() | NUMBERS | st.text(max_size=8))
TERMS: st.SearchStrategy[Expression] = st.recursive(
    REFS | CONSTANTS | st.builds(Of, st.sampled_from(["size", "has"]), REFS),
    lambda inner: st.builds(Listed, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=4,
)


def _joined(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return (
        st.builds(Compared, st.sampled_from(OPS), inner, inner)
        | st.builds(Negated, inner)
        | st.builds(Every, several)
        | st.builds(Some, several)
    )


TREES = st.recursive(TERMS, _joined, max_leaves=10)


@given(TREES)
def test_what_is_printed_is_parsed_to_the_same_tree(tree: Expression) -> None:
    """Guards the definition that is stored: it is read back as what was checked. Types, too: 1 is not 1.0 or true."""
    assert repr(parse(str(tree))) == repr(tree)


WORDS = st.sampled_from(
    [
        *"()[].,$!&|=<>'\"\\-_ \n\x00\uff11é",
        *("==", "!=", "&&", "||", "and", "or", "not", "in", "contains", "size", "has", "true", "null", "default"),
        *("a", "b.c", "$x", "1", "2.5e3", "9" * 400, "'t'", '"t"'),
    ]
)


@given(st.lists(WORDS, max_size=40).map(" ".join) | st.lists(WORDS, max_size=40).map("".join) | st.text())
def test_every_text_is_a_tree_or_a_fault_at_a_place_in_it(text: str) -> None:
    """Guards the builder against strings from anywhere."""
    try:
        tree = parse(text)
    except BadExpression as caught:
        error = caught
    else:
        assert parse(str(tree)) == tree
        return
    assert 0 <= error.position <= len(text)
    assert error.why
    assert str(error).split("\n")[-1].strip() == "^"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def _steps(text: str) -> int:
    """How many lines of code it takes to parse a string."""
    count = 0

    def trace(frame: Any, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        parse(text)
    except BadExpression:
        pass
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "unit", ["a and ", "a or ", "a.b", "[0]", " ", "(", "not ", "1,", "'", "\\", "- ", "a and b or ", "a not ", "!"]
)
def test_parsing_takes_time_in_proportion_to_the_length(unit: str) -> None:
    """Guards against a string that holds the thread: twice the text may take little more than twice the steps."""
    short, long = unit * (LONGEST // 2 // len(unit)), unit * (LONGEST // len(unit))
    for begin in ("", "a", "[", "a in ["):
        assert _steps(begin + long) <= 2.2 * _steps(begin + short) + 200


def test_a_text_may_have_2000_characters() -> None:
    """Guards the bound, and that it is a fault and not a crash."""
    name = "a" * (LONGEST - 1)
    assert parse(f"${name}") == Ref(name)
    with pytest.raises(BadExpression, match="longer than 2000 characters"):
        parse(f"${name}a")


def test_what_is_printed_fits_into_the_bound_too() -> None:
    """Guards definitions that are stored: signs become words, which are longer."""
    with pytest.raises(BadExpression, match="written with words"):
        parse("||".join(["a"] * 600))
    short = parse("||".join(["a"] * 300))
    assert parse(str(short)) == short


@pytest.mark.parametrize(("begin", "end"), [("(", ")"), ("[", "]"), ("not ", ""), ("!", ""), ("not (", ")")])
def test_nesting_ends_at_32_levels(begin: str, end: str) -> None:
    each = DEEPEST // begin.count("(") // (2 if begin == "not (" else 1) if "(" in begin else DEEPEST
    parse(begin * each + "a" + end * each)
    with pytest.raises(BadExpression, match="deeper than 32 levels"):
        parse(begin * (each + 1) + "a" + end * (each + 1))


def test_a_long_chain_of_and_is_not_deep() -> None:
    """Guards conditions with many alternatives, and the recursion of evaluation."""
    tree = parse(" and ".join(["a"] * 200))
    assert isinstance(tree, Every)
    assert len(tree.parts) == 200


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("default", Always()),
        (" default ", Always()),
        ("$a", Ref("a")),
        ("a", Ref("a")),
        ("a.b[0]['x y'][\"z\"]", Ref("a", ("b", 0, "x y", "z"))),
        ("a-b.c-d", Ref("a-b", ("c-d",))),
        ("a.in.not", Ref("a", ("in", "not"))),
        ("$and", Ref("and")),
        ("size", Ref("size")),
        ("size(a) >= 2", Compared(">=", Of("size", Ref("a")), Fixed(2))),
        ("not a or b", Some((Negated(Ref("a")), Ref("b")))),
        ("not a == b", Negated(Compared("==", Ref("a"), Ref("b")))),
        ("a or b and c", Some((Ref("a"), Every((Ref("b"), Ref("c")))))),
        ("(a or b) and c", Every((Some((Ref("a"), Ref("b"))), Ref("c")))),
        ("a||b&&!c", Some((Ref("a"), Every((Ref("b"), Negated(Ref("c"))))))),
        ("a not in [1, 'x',]", Compared("not in", Ref("a"), Listed((Fixed(1), Fixed("x"))))),
        ("a>-1", Compared(">", Ref("a"), Fixed(-1))),
        ("'it\\'s \\\\ \\n'", Fixed("it's \\ \n")),
        ("true and false and null", Every((Fixed(True), Fixed(False), Fixed(None)))),
        ("1.5e2", Fixed(150.0)),
        ("(a == b) == true", Compared("==", Compared("==", Ref("a"), Ref("b")), Fixed(True))),
    ],
)
def test_the_grammar_reads(text: str, tree: Expression) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("", 0, "the text ends here"),
        ("a = b", 2, "write == to compare"),
        ("a & b", 2, "write 'and'"),
        ("a | b", 2, "write 'or'"),
        ("a == b == c", 7, "cannot follow each other"),
        ("a b", 2, "an operator such as"),
        ("f(a)", 1, "no functions except"),
        ("size(1)", 5, "a reference must stand here"),
        ("size(a", 6, "')' must stand here"),
        ("(a", 2, "as '(' was opened"),
        ("[a b]", 3, "',' must stand here"),
        ("_a", 0, "names that begin with _"),
        ("a._b", 2, "names that begin with _"),
        ("a.", 2, "a name must follow"),
        ("a.0", 2, "write [0]"),
        ("a[-1]", 2, "a number >= 0"),
        ("a[b]", 2, "a number >= 0"),
        ("a['x'", 5, "']' must stand here"),
        ("'abc", 0, "no closing quote"),
        ("'a\\x'", 2, "unknown escape"),
        ("$", 0, "a name must follow $"),
        ("${a}", 0, "a name must follow $"),
        ("a ? b", 2, "unexpected '?'"),
        ("1e999", 0, "too large"),
        ("not default", 4, "default stands alone"),
        ("a and", 5, "the text ends here"),
        ("a.b(c)", 3, "no functions except"),
    ],
)
def test_a_fault_has_its_place_and_says_what_to_write(text: str, position: int, why: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse(text)
    assert (caught.value.position, caught.value.text) == (position, text)
    assert why in caught.value.why


def test_the_caret_stands_below_the_fault_in_a_long_text() -> None:
    text = f"{'a or ' * 100}b ? {'or c ' * 100}"
    with pytest.raises(BadExpression) as caught:
        parse(text)
    _, line, caret = str(caught.value).split("\n")
    assert line[caret.index("^")] == "?"


def test_a_condition_tells_its_references() -> None:
    tree = parse("size(a.b) > 1 and not (c in [d[0], 1] or has(e)) and a")
    assert [str(each) for each in paths(tree)] == ["$a.b", "$c", "$d[0]", "$e", "$a"]
    assert roots(tree) == {"a", "c", "d", "e"}


# Evaluation


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default", True),
        ("input.message == 'Help'", True),
        ("input.n != 3", False),
        ("input.n < 4 and input.n <= 3 and input.n > 2 and input.n >= 3", True),
        ("input.message in ['Help', 'Hi']", True),
        ("input.message not in ['Help', 'Hi']", False),
        ("'new' in customer.tags", True),
        ("customer.tags contains 'new'", True),
        ("input contains 'n'", True),
        ("'el' in input.message", True),
        ("input['odd key'] == 1", True),
        ("input['_hidden'] == 2", True),
        ("customer.name == 'Ada'", True),
        ("order.total == 120.0", True),
        ("point.y == 2", True),
        ("items[3][0] == true", True),
        ("size(items) == 4", True),
        ("input.flag", True),
        ("input.none", False),
        ("not input.none", True),
        ("input.none == null", True),
        ("true == 1", False),
        ("1 == 1.0", True),
        ("input.flag == 1", False),
        ("'1' == 1", False),
        ("[1, [true]] == [1.0, [1]]", False),
        ("skipped == null", True),
        ("skipped.result == null", True),
        ("skipped.result == 'x'", False),
        ("has(skipped.result)", False),
        ("has(input.n)", True),
        ("has(input.none)", True),
        ("has(input.zz)", False),
        ("input.zz == 1", UNKNOWN),
        ("input.zz != 1", UNKNOWN),
        ("input.zz not in [1]", UNKNOWN),
        ("not input.zz == 1", UNKNOWN),
        ("input.zz", UNKNOWN),
        ("nowhere.x == 1", UNKNOWN),
        ("size(input.zz) == 0", UNKNOWN),
        ("input.n in [input.zz, 3]", UNKNOWN),
        ("customer.secret == 1", UNKNOWN),
        ("customer.model_fields == 1", UNKNOWN),
        ("order.__class__ == 1", None),
        ("input.message.upper == 1", UNKNOWN),
        ("items[9] == 1", UNKNOWN),
        ("input.message[0] == 'H'", UNKNOWN),
        ("(input.zz == 1) == false", UNKNOWN),
        ("(input.n == 1) == false", True),
        ("false and input.zz", False),
        ("input.zz and false", False),
        ("true or input.zz", True),
        ("input.zz or true", True),
        ("input.zz or false", UNKNOWN),
    ],
)
def test_a_condition_says(text: str, said: object) -> None:
    """Guards comparisons, Kleene's unknown, and that no way leads to the insides of Python."""
    if said is None:
        with pytest.raises(BadExpression):
            parse(text)
        return
    assert evaluate(parse(text), ENV) is said
    assert holds(parse(text), ENV) is (said is True)


@pytest.mark.parametrize(
    "text",
    ["'a' < 1", "null < 1", "true < 2", "1 in 2", "1 in 'abc'", "5 contains 5", "size(input.n) > 1", "[1] < 'a'"],
)
def test_values_without_such_a_comparison_are_a_typed_error(text: str) -> None:
    with pytest.raises(NotComparable) as caught:
        evaluate(parse(text), ENV)
    assert isinstance(caught.value, TypeError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_value_whose_equality_raises_is_a_typed_error() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("odd")

        __hash__ = None  # type: ignore[assignment]

        def __bool__(self) -> bool:
            raise RuntimeError("odd")

    for text in ("a == 1", "a", "a in [1]"):
        with pytest.raises(NotComparable):
            evaluate(parse(text), {"a": Odd()})


def test_a_reference_that_leads_nowhere_is_missing() -> None:
    assert resolve(Ref("order", ("_note",)), ENV) is MISSING
    assert resolve(Ref("order", (0,)), ENV) is MISSING
    assert not MISSING
    assert not UNKNOWN


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0, "", "a", "ab"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=6,
)


@given(TREES, st.dictionaries(NAMES, JSON | st.just(SKIPPED), max_size=4), st.data())
def test_every_condition_is_true_false_unknown_or_not_comparable(
    tree: Expression, env: dict[str, object], data: st.DataObject
) -> None:
    """Guards the run: nothing else comes out of a condition, and `not` turns it around."""
    for name in roots(tree):
        env.setdefault(name, data.draw(JSON))
    try:
        said = evaluate(tree, env)
    except NotComparable:
        return
    assert said in (True, False, UNKNOWN)
    negated = evaluate(Negated(tree), env)
    assert negated is (UNKNOWN if said is UNKNOWN else not said)


BOOLEANS = st.recursive(
    st.sampled_from(["input.a == 1", "input.s == 'x'", "input.b", "input.a < 2", "input.a in [1, 2]", "true", "false"])
    | st.sampled_from(["size(input.l) > 1", "has(input.a)", "'x' in input.l", "input.a != 2", "input.l[0] == 'x'"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda each: f"({' '.join(each)})")
        | inner.map(lambda each: f"!({each})")
    ),
    max_leaves=6,
)


@given(
    BOOLEANS,
    st.integers(0, 3),
    st.sampled_from(["x", "y"]),
    st.booleans(),
    st.lists(st.sampled_from(["x", "y"]), min_size=1, max_size=3),
)
def test_where_both_can_read_a_condition_it_says_what_cel_says(
    text: str, a: int, s: str, b: bool, listed: list[str]
) -> None:
    """Guards those who know the Common Expression Language."""
    celpy = pytest.importorskip("celpy")
    value = {"a": a, "s": s, "b": b, "l": listed}
    limit = sys.getrecursionlimit()
    try:
        environment = celpy.Environment()
        program = environment.program(environment.compile(text))
        theirs = program.evaluate({"input": celpy.json_to_cel(json.loads(json.dumps(value)))})
    finally:
        sys.setrecursionlimit(limit)  # theirs raises it
    assert evaluate(parse(text), {"input": value}) is bool(theirs)


TRUTH = st.sampled_from([False, None, True])
"""In their order; None stands for unknown."""


@given(st.lists(TRUTH, min_size=2, max_size=4))
def test_and_is_the_least_truth_and_or_the_greatest(truths: list[bool | None]) -> None:
    """Guards Kleene's tables: false, unknown, true in this order."""
    order = [False, None, True]
    env = {"v": {f"t{number}": truth for number, truth in enumerate(truths) if truth is not None}}
    names = [f"v.t{number} == true" for number in range(len(truths))]
    ranks = [order.index(each) for each in truths]
    for word, rank in (("and", min(ranks)), ("or", max(ranks))):
        said = evaluate(parse(f" {word} ".join(names)), env)
        assert said is (UNKNOWN if order[rank] is None else order[rank])
