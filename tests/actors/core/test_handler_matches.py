"""Every handler that is accepted can match; every other one is refused when its class is defined."""

from __future__ import annotations

import abc
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NewType, Protocol, TypedDict, TypeVar, runtime_checkable

import pytest
from pykka.messages import ProxyCall

from actors import Actor, HandlerDefinitionError, Message, StateMachine, StateMachineDefinitionError, during, handles
from actors._core.handlers import SYSTEM, dispatch_for
from tests.actors.cast import stage
from tests.support import in_loop

T = TypeVar("T")


class Shape(abc.ABC):  # noqa: B024 - it has no methods, and is abstract all the same
    """An abstract base class that others are registered with."""


class Round(Shape):
    """A more special one."""


class Base: ...


class Derived(Base): ...


@Round.register
class Registered(Base): ...


class Box(Generic[T]): ...


class Letter(Message):
    text: str = ""


class Structural(Protocol):
    name: str


@runtime_checkable
class Checkable(Protocol):
    def close(self) -> None: ...


class Implements(Checkable):
    def close(self) -> None: ...


class Fields(TypedDict):
    name: str


UserId = NewType("UserId", int)


def matches(actor_class: type[Any], message: object) -> str:
    """The name of the handler that a message of this class goes to."""
    return dispatch_for(actor_class, actor_class.on_receive)[type(message)].__name__


def takes(annotation: Any) -> Callable[[], type[Any]]:
    """Defines an actor class with one handler of this annotation."""

    def define() -> type[Any]:
        class Handling(Actor):
            @handles
            def taken(self, message: annotation) -> None: ...

        return Handling

    return define


MATCHES: list[tuple[Any, object]] = [
    (Any, 5),
    (Any, None),
    (object, Base()),
    (Shape, Registered()),
    (Round, Registered()),
    (Sequence, [1]),
    (Sequence[int], (1,)),
    (Mapping, {}),
    (Callable[..., Any], print),
    (list[int], ["any list"]),
    (Box[int], Box()),
    (Letter, Letter()),
    (int | None, None),
    (int | str | Shape, Registered()),
    (Annotated[Base, "note"], Derived()),
    (type[Base], int),
    (Implements, Implements()),
    (int, True),
]
NEVER: list[Any] = [
    Structural,
    Checkable,
    Fields,
    UserId,
    Literal["a"],
    T,
    ProxyCall,
    int | Structural,
    *SYSTEM,
    "nothing known",
]


@pytest.mark.parametrize(("annotation", "message"), MATCHES, ids=lambda value: type(value).__name__)
def test_a_handler_that_is_accepted_matches(annotation: Any, message: object) -> None:
    assert matches(takes(annotation)(), message) == "taken"


@pytest.mark.parametrize("annotation", NEVER, ids=lambda value: getattr(value, "__name__", type(value).__name__))
def test_a_handler_that_could_never_match_is_refused_with_its_class(annotation: Any) -> None:
    with pytest.raises((HandlerDefinitionError, SyntaxError)):
        takes(annotation)()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is of Python 3.12")
def test_a_named_union_stands_for_its_members() -> None:
    scope: dict[str, Any] = {}
    exec("type Both = int | list[str]", scope)
    assert matches(takes(scope["Both"])(), []) == "taken"


@in_loop
async def test_the_nearest_class_handles_a_message() -> None:
    """Guards the order: own class, nearest base, most special abstract class, then `Any`."""

    class Sorter(Actor):
        @handles
        def rest(self, message: Any) -> str:
            return "rest"

        @handles
        def shape(self, message: Shape) -> str:
            return "shape"

        @handles
        def round(self, message: Round) -> str:
            return "round"

        @handles
        def collection(self, message: Collection) -> str:  # type: ignore[type-arg]
            return "collection"

        @handles
        def sequence(self, message: Sequence) -> str:  # type: ignore[type-arg]
            return "sequence"

        @handles
        def text(self, message: str) -> str:
            return "text"

    class Special(Sorter):
        @handles
        def base(self, message: Base) -> str:
            return "base"

        def text(self, message: str) -> str:
            return "mine"

    async with stage() as w:
        sorter, special = await w.runtime.spawn(Sorter), await w.runtime.spawn(Special)
        messages = [Registered(), [1], {1}, "x", 5, Round()]
        assert [await sorter.call(m) for m in messages] == ["round", "sequence", "collection", "text", "rest", "round"]
        assert [await special.call(m) for m in (Registered(), "x", Derived())] == ["base", "mine", "base"]


def test_two_handlers_for_one_class_in_one_body_are_refused() -> None:
    with pytest.raises(HandlerDefinitionError, match="first handles int already"):

        class Two(Actor):
            @handles
            def first(self, message: int) -> None: ...

            @handles
            def second(self, message: str | int) -> None: ...


def test_two_handlers_of_one_name_in_one_body_are_refused() -> None:
    with pytest.raises(HandlerDefinitionError, match="rename one of them"):

        class Same(Actor):
            @handles
            def handle(self, message: int) -> None: ...

            @handles  # type: ignore[no-redef]
            def handle(self, message: str) -> None: ...  # noqa: F811


def test_a_subclass_may_have_another_handler_for_a_class_of_its_base() -> None:
    class Parent(Actor):
        @handles
        def first(self, message: int) -> None: ...

        also = first

    class Child(Parent):
        @handles
        def second(self, message: int) -> None: ...

    assert (matches(Parent, 1), matches(Child, 1)) == ("first", "second")


def test_a_state_machine_matches_as_an_actor_does() -> None:
    class Machine(StateMachine):
        states = ("a", "b")
        initial = "a"

        @during("a")
        def shape(self, message: Shape) -> None: ...

        @handles
        def rest(self, message: Any) -> None: ...

    find = Machine._definition.handler
    assert find("a", Registered).__name__ == "shape"
    assert find("b", Registered).__name__ == "rest"
    with pytest.raises(StateMachineDefinitionError, match="Protocol"):

        class Wrong(StateMachine):
            states = ("a",)
            initial = "a"

            @during("a")
            def never(self, message: Structural) -> None: ...
