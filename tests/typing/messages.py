"""What a type checker says about messages and their answers. Checked by `docs/types.py`, never run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, assert_type

from actors import Actor, ActorRef, Future, Message, handles

T = TypeVar("T")


class Greet(Message[str]):
    name: str


class Count(Message[int]):
    pass


class Bare(Message):
    name: str


class Box(Message[T], Generic[T]):
    item: T


@dataclass
class Plain:
    name: str


class Greeter(Actor):
    @handles
    async def greet(self, message: Greet) -> str:
        return f"hello {message.name}"

    @handles
    def count(self, message: Count) -> int:
        return 1


async def a_call_gives_the_answer_of_the_message(ref: ActorRef[Greeter]) -> None:
    assert_type(await ref.call(Greet(name="Ada")), str)
    assert_type(await ref.call(Count(), timeout=5, correlation_id="x"), int)
    assert_type(await ref.call(Box(item=1.5)), float)


async def a_call_without_a_said_answer_gives_any(ref: ActorRef[Greeter]) -> None:
    assert_type(await ref.call(Bare(name="Ada")), Any)
    assert_type(await ref.call(Plain("Ada")), Any)
    assert_type(await ref.call(("greet", "Ada")), Any)
    assert_type(ref.ask("greet", block=False), Future[Any])
    assert_type(ref.ask("greet"), Any)


def an_ask_gives_the_answer_or_a_future_of_it(ref: ActorRef[Greeter]) -> None:
    assert_type(ref.ask(Greet(name="Ada")), str)
    assert_type(ref.ask(Greet(name="Ada"), block=True, timeout=5, correlation_id="x"), str)
    assert_type(ref.ask(Greet(name="Ada"), block=False), Future[str])
    assert_type(ref.ask(Greet(name="Ada"), block=False).get(timeout=1), str)


async def an_actor_of_any_class_is_asked_the_same_way(ref: ActorRef[Any]) -> None:
    assert_type(await ref.call(Greet(name="Ada")), str)


async def what_is_not_the_answer_is_an_error(ref: ActorRef[Greeter]) -> None:
    called: int = await ref.call(Greet(name="Ada"))  # type: ignore[assignment]
    asked: int = ref.ask(Greet(name="Ada"))  # type: ignore[assignment]
    future: Future[int] = ref.ask(Greet(name="Ada"), block=False)  # type: ignore[assignment]
    print(called, asked, future)


def the_fields_of_a_message_are_checked() -> None:
    Greet()  # type: ignore[call-arg]
