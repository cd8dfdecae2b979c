"""Nonsense, and what it gets: a typed error that names the value, at once."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import pytest

from actors import Actor, NotAnActor
from tests.actors.cast import Player, stage
from tests.support import in_loop

NONSENSE: list[tuple[dict[str, Any], str]] = [
    ({"answers": [ValueError]}, "answers"),
    ({"answers": ValueError}, "answers"),
    ({"answers": (1,)}, "answers"),
    ({"concurrency": 0}, "concurrency"),
    ({"concurrency": "2"}, "concurrency"),
    ({"concurrency": True}, "concurrency"),
    ({"host": "fiber"}, "host"),
    ({"host": None}, "host"),
    ({"mailbox": 100}, "mailbox"),
    ({"ref_type": int}, "ref_type"),
    ({"on_receive": None}, "on_receive"),
    ({"on_start": 3}, "on_start"),
]


@pytest.mark.parametrize(("attributes", "named"), NONSENSE, ids=lambda value: repr(value)[:40])
@in_loop
async def test_a_class_with_a_bad_attribute_is_refused_before_anything_starts(
    attributes: dict[str, Any], named: str
) -> None:
    """Guards against a strange failure long after the start: the error names class, attribute and value."""
    async with stage() as w:
        nonsense = type("Nonsense", (Actor,), attributes)
        with pytest.raises(NotAnActor, match=f"Nonsense.*{named}"):
            await w.runtime.spawn(nonsense)
        assert w.runtime.cells == {}


@in_loop
async def test_an_abstract_class_is_refused_and_what_is_missing_is_named() -> None:
    """Guards a template that somebody forgot to fill in."""

    class Abstract(Actor, abc.ABC):
        @abc.abstractmethod
        def work(self) -> None: ...

    async with stage() as w:
        with pytest.raises(NotAnActor, match="work"):
            await w.runtime.spawn(Abstract)  # type: ignore[type-abstract]


@in_loop
async def test_wrong_constructor_arguments_fail_the_start_with_their_own_error() -> None:
    """Guards the starter: a typo in `args` is a failed start with its TypeError, no hang."""
    async with stage() as w:
        wrong: list[Any] = [{"sen": []}, (1, 2, 3)]
        for args in wrong:
            with pytest.raises(Exception, match="did not start") as caught:
                await w.runtime.spawn(Player, args=args)
            assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize("host", ["fiber", "Loop", "processes"])
@in_loop
async def test_an_unknown_host_is_refused(host: str) -> None:
    """Guards against an actor that runs elsewhere than its spawner thinks."""
    async with stage() as w:
        with pytest.raises(ValueError, match=host):
            await w.runtime.spawn(Player, host=host)
        assert w.runtime.cells == {}


class OnLoop(Actor):
    """Keeps what it has consistent by being on the loop."""

    only_host = "loop"


class Moved(OnLoop):
    """A mistake of whoever wrote it; and it starts another one of itself."""

    host = "thread"

    def on_receive(self, message: object) -> object:
        return Moved.start()


@in_loop
async def test_an_actor_of_one_host_is_refused_on_the_other_without_a_spec_too() -> None:
    """Guards what has no locks, wherever it is spawned from: the rule is that of the class and not of the spec."""
    async with stage() as w:
        for kind, host in ((OnLoop, "thread"), (Moved, None)):
            with pytest.raises(ValueError, match=rf"host: {kind.__name__} runs on the loop only, got 'thread'"):
                await w.runtime.spawn(kind, host=host)
        assert w.runtime.cells == {}
        right = await w.runtime.spawn(Moved, host="loop")
        with pytest.raises(ValueError, match="Moved runs on the loop only"):
            await right.call("start")
        assert (await w.runtime.spawn(OnLoop)).is_alive()


@pytest.mark.parametrize("option", ["handler_timeout", "start_timeout", "shutdown"])
@pytest.mark.parametrize("value", [-1, float("nan"), "5", True])
@in_loop
async def test_a_time_limit_that_is_no_number_of_seconds_is_refused(option: str, value: Any) -> None:
    """Guards limits that would never, or at once, be over."""
    async with stage() as w:
        with pytest.raises(ValueError, match=option):
            await w.runtime.spawn(Player, **{option: value})
        assert w.runtime.cells == {}


@in_loop
async def test_arguments_in_a_string_are_refused() -> None:
    """Guards against `args="abc"`, which would be three arguments."""
    async with stage() as w:
        with pytest.raises(TypeError, match="args"):
            await w.runtime.spawn(Player, args="abc")


@in_loop
async def test_any_object_may_be_a_message() -> None:
    """Guards messages that are odd: None, unhashable, a class, an exception, one whose repr fails."""

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no eq")

        __hash__ = None  # type: ignore[assignment]

    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        messages: list[Any] = [None, [1], {}, ValueError("v"), 0, ""]
        for message in messages:
            assert await ref.call(message) is message
        odd = Odd()
        assert await ref.call(odd) is odd


@in_loop
async def test_an_odd_exception_is_a_crash_like_any_other() -> None:
    """Guards exceptions whose text cannot be made."""

    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

        __repr__ = __str__

    def fail(_: Any) -> None:
        raise Odd

    async with stage() as w:
        ref, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        ended = ref.ended()
        ref.tell(fail)
        await ended
        assert await other.call(1) == 1


NO_REF: dict[str, Callable[[Any, Any], object]] = {
    "forward": lambda self, value: self.forward(value),
    "monitor": lambda self, value: self.monitor(value),
    "link": lambda self, value: self.link(value),
    "unlink": lambda self, value: self.unlink(value),
    "link ": lambda self, value: self.ref.link(value),
    "unlink ": lambda self, value: self.ref.unlink(value),
}
NO_NAME: dict[str, Callable[[Any, Any], object]] = {
    "register": lambda self, value: self.register(value),
    "unregister": lambda self, value: self.unregister(value),
    "watch_name": lambda self, value: self.watch_name(value),
    "unwatch_name": lambda self, value: self.unwatch_name(value),
    "watch_group": lambda self, value: self.watch_group(value),
    "unwatch_group": lambda self, value: self.unwatch_group(value),
    "join": lambda self, value: self.join(value),
    "leave": lambda self, value: self.leave(value),
}
NO_FUNCTION: dict[str, Callable[[Any, Any], object]] = {
    "callback": lambda self, value: self.callback(value),
    "push_async_callback": lambda self, value: self.push_async_callback(value),
}


@pytest.mark.parametrize(
    ("name", "act", "value", "wanted"),
    [
        *((name, act, value, "the ref of an actor") for name, act in NO_REF.items() for value in ("x", 5, Player)),
        *((name, act, value, "as a str") for name, act in NO_NAME.items() for value in (5, None, ["x"])),
        *((name, act, value, "a function") for name, act in NO_FUNCTION.items() for value in (5, "x")),
    ],
)
@in_loop
async def test_a_value_of_the_wrong_kind_is_refused_in_the_words_of_the_call(
    name: str, act: Callable[[Any, Any], object], value: Any, wanted: str
) -> None:
    """Guards against an error from within, which names neither the call nor what it takes; nothing is left of it."""

    def tries(self: Any) -> object:
        size = self.runtime.registry.size
        with pytest.raises(TypeError) as caught:
            act(self, value)
        assert self.runtime.registry.size == size
        return str(caught.value)

    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        said = await ref.call(tries)
        assert f"{name.strip()}() takes {wanted}" in said.replace(" the name as", " as").replace(" the group as", " as")
        assert said.endswith(f", got {value!r}") or value is Player


@in_loop
async def test_a_parent_that_is_no_ref_is_refused_at_once() -> None:
    async with stage() as w:
        nonsense: Any = "root"
        with pytest.raises(TypeError, match=r"spawn\(parent=\.\.\.\) takes the ref of an actor.*got 'root'"):
            w.runtime.spawn(Player, parent=nonsense)
        assert w.runtime.cells == {}
