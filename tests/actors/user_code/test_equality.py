"""`==` and `repr` of events and exit reasons look at a bounded number of values, whatever the messages in them hold."""

from __future__ import annotations

from collections import OrderedDict, UserList, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY, patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from actors import Crashed, DeadLetter, LifecycleEvent
from actors._user_code import equality
from actors._user_code.equality import MOST, same
from actors._user_code.text import TEXT, said, shown
from tests.actors.hostile import deep, doubled, endless, off_the_main_thread

FEW = 60
"""What stands for `MOST` where many structures are compared."""


class Counted:
    """Counts the comparisons of all its objects, and ends those that would not end."""

    asked = 0

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        Counted.asked += 1
        assert Counted.asked <= 2 * MOST
        return isinstance(other, Counted) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def fresh() -> None:
    """No comparison is counted yet."""
    Counted.asked = 0


class Holding(LifecycleEvent):
    """An event of a user that holds a value."""

    held: Any


@dataclass
class Message:
    """A message as users write it."""

    held: Any


class Model(BaseModel):
    """A message with a schema."""

    held: Any


def message(value: object) -> DeadLetter:
    """An event about it."""
    return DeadLetter("root/a", 1.0, value, "closed")


HOLDERS: list[Callable[[Any], Any]] = [
    lambda inner: [inner, inner],
    lambda inner: (inner, inner),
    lambda inner: {"a": inner, "b": inner},
    lambda inner: OrderedDict(a=inner, b=inner),
    lambda inner: deque([inner, inner]),
    lambda inner: UserList([inner, inner]),
    lambda inner: SimpleNamespace(a=inner, b=inner),
    lambda inner: Message([inner, inner]),
    lambda inner: Model.model_construct(held=[inner, inner]),
    lambda inner: Holding("root/a", 1.0, [inner, inner]),
]


def shared(hold: Callable[[Any], Any], levels: int) -> Any:
    """A value that holds another one twice, and so on: 2**levels for a comparison that follows them all."""
    made: Any = Counted()
    for _ in range(levels):
        made = hold(made)
    return made


@pytest.mark.parametrize("number", range(len(HOLDERS)))
def test_values_that_share_their_parts_are_compared_in_bounded_steps(number: int) -> None:
    """Guards the event loop: 2**100 comparisons in C let nothing else run. Beyond the bound values are different."""
    one, other = shared(HOLDERS[number], 100), shared(HOLDERS[number], 100)
    assert message(one) != message(other)
    assert message(one) == message(one)
    assert Counted.asked <= MOST


@pytest.mark.parametrize("number", range(len(HOLDERS)))
def test_values_that_share_parts_below_the_bound_are_compared(number: int) -> None:
    """Guards the answer: sharing alone makes no difference."""
    assert message(shared(HOLDERS[number], 6)) == message(shared(HOLDERS[number], 6))
    assert Counted.asked == 64


def test_frozensets_that_share_their_parts_are_compared_in_bounded_steps() -> None:
    """Guards what is compared by its hash first, which a frozenset keeps."""

    def nested(levels: int) -> frozenset[Any]:
        made: frozenset[Any] = frozenset("x")
        for _ in range(levels):
            made = frozenset({(1, made), (2, made)})
        return made

    assert message(nested(100)) != message(nested(100))
    assert message(nested(5)) == message(nested(5))


@dataclass(frozen=True)
class Recipe:
    """How a value is made of those before it: each of `parts` names one of them."""

    holder: int
    parts: tuple[int, ...]


PARTS: list[Callable[[list[Any]], Any]] = [
    list,
    tuple,
    lambda parts: dict(enumerate(parts)),
    lambda parts: Message(parts),
    lambda parts: Holding("root/a", 1.0, parts),
]


def recipes() -> st.SearchStrategy[list[Recipe]]:
    """Values of few levels that share their parts at random."""
    one = st.builds(Recipe, st.integers(0, len(PARTS) - 1), st.lists(st.integers(0, 9), max_size=3).map(tuple))
    return st.lists(one, min_size=1, max_size=5)


def made(recipe: list[Recipe], leaves: tuple[int, int]) -> Any:
    """The value of a recipe."""
    values: list[Any] = [Counted(leaves[0]), Counted(leaves[1]), "text"]
    for each in recipe:
        values.append(PARTS[each.holder]([values[part % len(values)] for part in each.parts]))
    return values[-1]


LEAVES = st.tuples(st.integers(0, 1), st.integers(0, 1))


@given(recipes(), recipes() | st.none(), LEAVES, LEAVES)
def test_a_bounded_comparison_answers_as_python_or_different(
    recipe: list[Recipe], another: list[Recipe] | None, leaves: tuple[int, int], others: tuple[int, int]
) -> None:
    """Guards `==`: never equal where Python says different, the same both ways, and never more steps than allowed."""
    Counted.asked = 0
    one, other = made(recipe, leaves), made(recipe if another is None else another, others)
    equal = one == other
    needed, Counted.asked = Counted.asked, 0
    assert same(one, other) is equal, "MOST is far away"
    Counted.asked = 0
    with patch.object(equality, "MOST", FEW):
        found = same(one, other)
        assert Counted.asked <= FEW
        assert found is same(other, one)
    assert found in (equal, False)
    if needed > FEW:
        assert not found


def test_a_comparison_inside_of_a_comparison_counts_with_it() -> None:
    """Guards records in lists in records: each has an `==` of its own, and none has a bound of its own."""

    def wide() -> Holding:
        return Holding("root/a", 1.0, [Holding("root/b", 1.0, [Counted()] * 8) for _ in range(20)])

    with patch.object(equality, "MOST", FEW):
        assert wide() != wide()
        assert Counted.asked <= FEW
        assert message([Counted()]) == message([Counted()]), "the next comparison has all its steps"
    assert wide() == wide()


def test_a_large_message_equals_what_says_it_equals_everything() -> None:
    """Guards assertions about events: the smaller of two values bounds their comparison."""
    for large in (doubled(), endless(), list(range(MOST + 1))):
        assert message(large) == message(ANY)
        assert message(ANY) == message(large)
        assert message([large]) != message([large, 1])
        assert message({"a": large}) != message("text")


def test_values_in_themselves_and_deep_values_compare_without_an_error() -> None:
    """Guards cycles, also where a cycle has two ways round."""
    around: list[Any] = []
    around += [around, around]
    other: list[Any] = []
    other += [other, other]
    for one, two in ((around, other), (endless(), endless()), (deep(), deep())):
        assert message(one) == message(one)
        assert message(one) != message(two)


@dataclass
class Node:
    """Knows its parent, which its `==` does not look at."""

    name: str
    parent: Any = field(default=None, compare=False)
    children: list[Any] = field(default_factory=list)


@dataclass
class Numbered:
    """Compares by its number alone."""

    number: int
    held: Any = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numbered) and self.number == other.number


class Branch(list[Any]):
    """A list with an attribute, which `==` of lists does not look at."""

    parent: Any = None


def test_what_an_equality_does_not_look_at_does_not_count() -> None:
    """Guards trees with parents: their objects reach themselves, and their comparison ends."""

    def tree() -> Node:
        root = Node("root")
        root.children.append(Node("leaf", root))
        return root

    def branch() -> Branch:
        root = Branch([1, Branch([2])])
        root[1].parent = root
        return root

    assert message([tree()]) == message([tree()])
    assert message([branch()]) == message([branch()])
    assert message([Numbered(1, doubled())]) == message([Numbered(1, endless())])
    assert message([Numbered(1)]) != message([Numbered(2)])


class Written:
    """Counts how often it is shown, and ends what would not end."""

    asked = 0

    def __repr__(self) -> str:
        Written.asked += 1
        assert Written.asked <= 10 * MOST
        return "written"


@pytest.mark.parametrize("number", range(len(HOLDERS)))
def test_values_that_share_their_parts_are_shown_in_bounded_steps(number: int) -> None:
    """Guards `repr`, `str` and `hash`, which reach a part as often as `==` does."""
    Written.asked = 0
    made: Any = Written()
    for _ in range(100):
        made = HOLDERS[number](made)
    for text in (repr(message(made)), str(Crashed(ValueError(made))), shown(made), said(made)):
        assert len(text) < 2 * TEXT
    assert Crashed(ValueError(made)) == Crashed(ValueError(made))
    assert hash(Crashed(ValueError(made))) == hash(Crashed(ValueError(made)))
    assert Written.asked <= TEXT


@pytest.mark.parametrize("number", range(len(HOLDERS)))
def test_a_value_of_few_parts_is_shown_by_its_repr(number: int) -> None:
    """Guards the text: bounded steps alone make no difference."""
    made = HOLDERS[number](HOLDERS[number](1))
    if type(made) is not OrderedDict:  # its text depends on the version of Python
        assert shown(made, TEXT) == repr(made)


class Raising:
    """Raises when it is compared."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __eq__(self, other: object) -> bool:
        raise self.error

    __hash__ = None  # type: ignore[assignment]


class Nested:
    """Compares by events of its own, again and again."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Nested) and all(message(self.held) == message(other.held) for _ in range(1000))

    __hash__ = None  # type: ignore[assignment]


def test_an_equality_that_fails_makes_values_different() -> None:
    """Guards `==` and the steps of the comparison after it."""

    def check() -> None:
        for error in (ValueError, RecursionError, SystemExit, KeyboardInterrupt):
            assert message([Raising(error)]) != message([Raising(error)])
            assert message([error]) == message([error])

    off_the_main_thread(check)


def test_an_equality_that_compares_records_spends_the_same_steps() -> None:
    """Guards classes of users whose `==` asks ours."""
    with patch.object(equality, "MOST", FEW):
        assert message([Nested([Counted()])]) != message([Nested([Counted()])])
    assert 0 < Counted.asked <= FEW
    assert message([Nested([Counted()])]) == message([Nested([Counted()])])


def test_long_texts_count_by_their_length() -> None:
    """Guards a list that holds one text of 10 MB a thousand times: its comparison reads 10 GB."""
    one, other = (bytes(10_000_000), bytes(10_000_000))
    assert message([one]) == message([other])
    assert message([one] * 1000) != message([other] * 1000)
