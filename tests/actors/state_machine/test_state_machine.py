"""State machines: states, handlers, enter actions and faults. One test for each sentence of the rules in
`actors/_state_machine/machine.py`, as in the files beside this one.
"""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest

from actors import (
    Actor,
    ActorRef,
    CrashedExit,
    Down,
    Message,
    StateMachine,
    StateMachineDefinitionError,
    StateTimeout,
    TransitionRefused,
    UnhandledMessage,
    UnknownState,
    during,
    entering,
    handles,
)
from supervisors import child, start
from tests.actors.state_machine.door import Do, Door, Entrance, Knock, Odd, Pull, Push, Turn, a_door, state
from tests.support import in_loop, world

# States and handlers


@in_loop
async def test_a_handlers_result_is_the_answer_and_its_goto_the_transition() -> None:
    """Guards that going to a state and answering do not exclude each other, for plain and async handlers."""
    async with world() as w:
        ref, _ = await a_door(w)
        assert await ref.call(Push()) == "opened"
        assert state(ref) is Door.OPEN
        assert await ref.call(Pull()) == "closed"
        assert state(ref) is Door.CLOSED


@in_loop
async def test_the_state_changes_when_the_handler_has_returned() -> None:
    """Guards that a handler sees one state from its first line to its last."""
    async with world() as w:
        ref, _ = await a_door(w)

        def look(door: Entrance) -> object:
            door.goto(Door.OPEN)
            return door.state

        assert await ref.call(Do(what=look)) is Door.CLOSED
        assert state(ref) is Door.OPEN


@in_loop
async def test_the_previous_state_is_known_after_a_transition() -> None:
    """Guards `previous_state`: none before the first transition, then the state that was left."""
    async with world() as w:
        ref, _ = await a_door(w)
        assert await ref.call(Do(what=lambda door: door.previous_state)) is None
        await ref.call(Push())
        assert await ref.call(Do(what=lambda door: door.previous_state)) is Door.CLOSED


@in_loop
async def test_the_last_goto_of_a_handler_counts() -> None:
    """Guards that a later goto overrides an earlier one, back to the present state too."""
    async with world() as w:
        ref, log = await a_door(w)
        log.clear()
        await ref.call(Do(what=lambda door: (door.goto(Door.LOCKED), door.goto(Door.OPEN))))
        assert state(ref) is Door.OPEN
        await ref.call(Do(what=lambda door: (door.goto(Door.LOCKED), door.goto(Door.OPEN))))
        assert state(ref) is Door.OPEN
        assert log == ["enter open"]


@in_loop
async def test_going_to_the_present_state_changes_nothing() -> None:
    """Guards that there is no entry, no retry and no end of the state timeout without a change of state."""
    async with world() as w:
        ref, log = await a_door(w)
        await ref.call(Turn())
        ref.tell(Push())
        await ref.call(Do(what=lambda door: door.state_timeout(5)))
        log.clear()
        await ref.call(Do(what=lambda door: door.goto(Door.LOCKED)))
        await w.settle()
        assert (log, ref.status().stashed, ref.status().timers) == ([], 1, 1)


@in_loop
async def test_handlers_of_the_state_precede_those_of_all_states_and_on_receive() -> None:
    """Guards the order of the three levels, base classes of the message included."""

    class Base(Message):
        pass

    class Derived(Base):
        pass

    class Levels(StateMachine):
        states = ("a", "b")
        initial = "a"

        @during("a")
        def in_a(self, message: Base) -> str:
            self.goto("b")
            return "a"

        @handles
        def always(self, message: Derived) -> str:
            return "every"

        def on_receive(self, message: object) -> str:
            return "rest"

    async with world() as w:
        ref = await w.runtime.spawn(Levels)
        answers = [await ref.call(message) for message in (Derived(), Derived(), Base())]
        assert answers == ["a", "every", "rest"]


@in_loop
async def test_a_message_without_handler_in_the_state_is_a_dead_letter() -> None:
    """Guards that a message that fits another state only is not lost in silence."""
    async with world() as w:
        ref, _ = await a_door(w)
        with pytest.raises(UnhandledMessage):
            await ref.call(Pull())
        ref.tell(Odd())
        await w.settle()
        assert w.dead_letters == [("unhandled", Pull()), ("unhandled", Odd())]
        assert ref.is_alive()


@in_loop
async def test_a_subclass_inherits_handlers_and_replaces_them_by_name_and_claim() -> None:
    """Guards inheritance: an overriding method needs no mark, a new mark counts alone, a new claim wins."""

    class Sliding(Entrance):
        def push(self, message: Push) -> str:
            return "slides"

        @during(Door.OPEN)
        def knock(self, message: Knock) -> str:
            return "come in"

        @during(Door.LOCKED)
        def refuse(self, message: Push) -> str:
            return "locked"

    async with world() as w:
        ref, _ = await a_door(w, Sliding)
        assert await ref.call(Push()) == "slides"
        with pytest.raises(UnhandledMessage):
            await ref.call(Knock())
        await ref.call(Turn())
        assert await ref.call(Push()) == "locked"


@in_loop
async def test_a_proxy_call_can_make_a_transition() -> None:
    """Guards that a method called by proxy has the powers of a handler."""

    class Latch(Entrance):
        def release(self) -> str:
            self.goto(Door.OPEN)
            return "released"

    async with world() as w:
        ref, _ = await a_door(w, Latch)
        assert await ref.proxy().release() == "released"
        assert state(ref) is Door.OPEN


def test_the_thread_host_runs_state_machines() -> None:
    """Guards handlers, async ones and enter actions included, on the thread host, used from a thread."""
    threads: set[int] = set()

    class Blocking(Entrance):
        host = "thread"

        @entering(Door.LOCKED)
        def note_locked(self) -> None:
            threads.add(threading.get_ident())

    log: list[Any] = []
    with start(child("door", Blocking, args={"log": log}), log=False) as root:
        ref = root.child("door")
        assert ref.ask(Push(), timeout=10) == "opened"
        assert ref.ask(Pull(), timeout=10) == "closed"
        ref.ask(Turn(), timeout=10)
        answer = ref.ask(Push(), block=False, timeout=10)
        ref.ask(Turn(), timeout=10)
        assert answer.get(timeout=10) == "opened"
    assert threads.isdisjoint({threading.get_ident()})
    assert log == ["enter closed", "push", "enter open", "pull", "enter closed", "turn", "postponed", "turn",
                   "enter closed", "push", "enter open"]  # fmt: skip


# Enter actions


@in_loop
async def test_the_initial_state_is_entered_before_on_continue_and_any_message() -> None:
    """Guards the order of start, entry, on_continue and the first message, for an async enter action too."""
    order: list[Any] = []

    class Eager(Entrance):
        def on_start(self) -> None:
            self.log.append("start")
            self.ref.tell(Knock())

        def on_continue(self) -> None:
            self.log.append("continue")

    async with world() as w:
        await w.runtime.spawn(Eager, args={"log": order})
        await w.settle()
    assert order == ["start", "enter closed", "continue", "knock someone"]


@in_loop
async def test_the_initial_state_is_entered_before_an_earlier_system_message() -> None:
    """Guards that a message in the system lane does not find a machine that has not begun."""

    class Watcher(Entrance):
        def __init__(self, log: list[Any], other: ActorRef[Any]) -> None:
            super().__init__(log)
            self.other = other

        def on_start(self) -> None:
            self.monitor(self.other)

        @handles
        def down(self, message: Down) -> None:
            self.log.append("down")

        def on_continue(self) -> None:
            self.log.append("continue")

    async with world() as w:
        gone = await w.runtime.spawn(Actor)
        await gone.stop(block=False)
        order: list[Any] = []
        await w.runtime.spawn(Watcher, args=(order, gone))
        await w.settle()
    assert order[0] == "enter closed"
    assert sorted(order[1:]) == ["continue", "down"]


@in_loop
async def test_goto_while_starting_chooses_the_state_to_begin_in() -> None:
    """Guards that the chosen state is entered in place of the initial one, with its timeout."""

    class Ajar(Entrance):
        def on_start(self) -> None:
            self.goto(Door.OPEN, timeout=5)

    async with world() as w:
        ref, log = await a_door(w, Ajar)
        await w.advance(5)
        assert state(ref) is Door.OPEN
        assert log == ["enter open", StateTimeout(Door.OPEN)]


@in_loop
async def test_on_continue_may_go_to_another_state_but_not_postpone() -> None:
    """Guards what on_continue is allowed: it is no message, so there is nothing to put aside."""

    class Opening(Entrance):
        def on_continue(self) -> None:
            with pytest.raises(TransitionRefused, match="postpone is not allowed in on_continue"):
                self.postpone()
            self.goto(Door.OPEN)

    async with world() as w:
        _, log = await a_door(w, Opening)
        assert log == ["enter closed", "enter open"]


@in_loop
async def test_an_enter_action_may_neither_go_to_another_state_nor_postpone() -> None:
    """Guards that a transition is over when it is over."""

    class Restless(Entrance):
        @entering(Door.OPEN)
        def note_open(self) -> None:
            with pytest.raises(TransitionRefused, match="goto is not allowed in an enter action"):
                self.goto(Door.CLOSED)
            with pytest.raises(TransitionRefused, match="postpone is not allowed in an enter action"):
                self.postpone()

    async with world() as w:
        ref, _ = await a_door(w, Restless)
        assert await ref.call(Push()) == "opened"


@in_loop
async def test_an_enter_action_that_raises_is_a_crash_and_the_askers_error() -> None:
    """Guards that the entry is part of handling the message that led to it."""

    class Jammed(Entrance):
        @entering(Door.OPEN)
        def note_open(self) -> None:
            raise RuntimeError("jammed")

    async with world() as w:
        ref, _ = await a_door(w, Jammed)
        with pytest.raises(RuntimeError, match="jammed"):
            await ref.call(Push())
        await w.settle()
        assert [event.message_type for event in w.seen(CrashedExit)] == ["Push"]


@in_loop
async def test_the_next_message_waits_for_an_async_enter_action() -> None:
    """Guards that nothing is handled between a change of state and the end of its enter action."""
    async with world() as w:
        ref, log = await a_door(w)
        await ref.call(Push())
        log.clear()
        ref.tell(Pull())
        ref.tell(Knock())
        await w.settle()
        assert log == ["pull", "enter closed", "knock someone"]


@in_loop
async def test_goto_has_no_meaning_outside_of_a_handler() -> None:
    """Guards that a task or hook which goes somewhere unnoticed is told so."""
    held: list[Entrance] = []
    async with world() as w:
        ref, _ = await a_door(w)
        await ref.call(Do(what=held.append))
        with pytest.raises(TransitionRefused, match="goto is not allowed while no message is handled"):
            held[0].goto(Door.OPEN)


# Faults


@in_loop
async def test_a_bad_target_is_a_crash_that_names_machine_target_and_states() -> None:
    """Guards the text and the fields of the error, and that it survives pickling."""
    async with world() as w:
        ref, _ = await a_door(w)
        with pytest.raises(UnknownState) as caught:
            await ref.call(Do(what=lambda door: door.goto("ajar")))
        error = pickle.loads(pickle.dumps(caught.value))
        assert str(error).endswith("has no state 'ajar'; it has Door.CLOSED, Door.OPEN, Door.LOCKED")
        assert error.machine == "Entrance"
        await w.settle()
        assert len(w.seen(CrashedExit)) == 1


@pytest.mark.parametrize("target", [None, [], 7, Door, "OPEN"])
def test_whatever_is_no_state_is_refused_as_a_target(target: Any) -> None:
    """Guards targets of wrong types, unhashable ones included."""
    with pytest.raises(UnknownState):
        Entrance._definition.resolve(target)


def test_all_faults_of_a_class_are_reported_at_once() -> None:
    """Guards that one look at the error is enough to mend the class."""
    with pytest.raises(StateMachineDefinitionError) as caught:

        class Broken(StateMachine):
            states = ("a", "b", "a")
            initial = "c"
            concurrency = 2

            @during("z")
            def lost(self, message: Knock) -> None: ...

            @during()
            def nowhere(self, message: Knock) -> None: ...

            @during("a")
            def one(self, message: Push) -> None: ...

            @during("a", "b")
            def two(self, message: Push) -> None: ...

            @handles
            def three(self, message: Push) -> None: ...

            @during("a")
            def untyped(self, message) -> None: ...  # type: ignore[no-untyped-def]

            @handles
            @during("a")
            def both(self, message: Turn) -> None: ...

            @entering("b")
            def enter(self) -> None: ...

            @entering("b")
            def enter_too(self, more: int) -> None: ...

    faults = "\n".join(caught.value.faults)
    for part in (
        "`states` lists 'a' more than once",
        "its initial state 'c' is none of its states",
        "concurrency is 2",
        "Broken.lost names the unknown state 'z'; known are 'a', 'b'",
        "Broken.nowhere names no state",
        "Broken both handle Push in 'a'",
        "Broken.three is never reached: each state handles Push itself",
        "Broken.untyped: the parameter 'message' needs the class of the message",
        "Broken.both is marked both @handles (every state) and @during (some)",
        "Broken.enter_too: an enter action takes nothing but self",
        "Broken are both enter actions of 'b'",
    ):
        assert part in faults
    assert len(caught.value.faults) == 11
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"initial": None}, "no initial state"),
        ({"initial": "a"}, "list all in `states"),
        ({"initial": "a", "states": ()}, "`states` is empty"),
        ({"initial": "a", "states": "abc"}, "expected an Enum class or a tuple of strings"),
        ({"initial": "open", "states": Door}, "is none of its states"),
    ],
)
def test_states_that_make_no_sense_are_refused_when_the_class_is_made(body: dict[str, Any], fault: str) -> None:
    """Guards each fault in the declaration of the states themselves."""
    with pytest.raises(StateMachineDefinitionError, match=fault):
        type("Odd", (StateMachine,), body)


@in_loop
async def test_a_class_without_an_initial_state_is_a_base_and_refused_when_used() -> None:
    """Guards that shared behaviour can live in a base class, and that starting it says what is missing."""

    class Shared(StateMachine):
        @during(Door.OPEN)
        def shut(self, message: Pull) -> str:
            self.goto(Door.CLOSED)
            return "shut"

    class Gate(Shared):
        initial = Door.OPEN

    async with world() as w:
        with pytest.raises(StateMachineDefinitionError, match="no initial state"):
            await w.runtime.spawn(Shared)
        ref = await w.runtime.spawn(Gate)
        assert await ref.call(Pull()) == "shut"
