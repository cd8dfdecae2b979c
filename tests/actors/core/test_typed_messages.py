"""Messages that say their answer cost nothing at run time, and are the classes that the user wrote."""

from __future__ import annotations

import pickle
from typing import Any, Generic, TypeVar

import pytest
from pydantic import ValidationError

from actors import Actor, Message, handles
from actors.testing import simulation

T = TypeVar("T")


class Greet(Message[str]):
    name: str


class Bare(Message):
    name: str


class Box(Message[T], Generic[T]):
    item: T


class Query(Message[T]):
    """Its parameter is its answer alone: no field has it."""


class Find(Query[int]):
    key: str


class Greeter(Actor):
    @handles
    def greet(self, message: Greet) -> str:
        return f"hello {message.name}"

    @handles
    def boxed(self, message: Box[str]) -> str:
        return f"a box with {message.item}"

    @handles
    def query(self, message: Query[int]) -> int:
        return len(type(message).__name__)


def test_a_message_with_an_answer_is_one_class_and_no_other() -> None:
    """Guards `isinstance`, and the class that a handler is found by."""
    assert [Message[str], Message[int], Query[int], Query[str]] == [Message, Message, Query, Query]
    assert Greet.__mro__[1:] == Bare.__mro__[1:]
    assert isinstance(Greet(name="Ada"), Message)


def test_a_message_with_an_answer_is_pickled_and_compared_as_before() -> None:
    message: Any = Greet(name="Ada")
    assert pickle.loads(pickle.dumps(message)) == message
    assert hash(message) == hash(Greet(name="Ada"))
    assert message != Bare(name="Ada")
    assert type(pickle.loads(pickle.dumps(Find(key="k")))) is Find
    with pytest.raises(ValidationError, match="frozen"):
        message.name = "Bob"


def test_a_message_with_an_answer_and_fields_of_a_type_is_generic() -> None:
    """Guards pydantic's own generics: the argument is checked."""
    assert Box[int](item=1).item == 1
    with pytest.raises(ValidationError):
        Box[int](item="x")  # type: ignore[arg-type]


def test_a_handler_is_found_by_the_class_of_a_message_with_an_answer() -> None:
    with simulation() as sim:
        greeter = sim.spawn(Greeter)
        assert greeter.ask(Greet(name="Ada")) == "hello Ada"
        assert greeter.ask(Box[str](item="tea")) == "a box with tea"
        assert greeter.ask(Find(key="k")) == 4
