"""State machines: one test for each sentence of the rules in `actors/_state_machine/machine.py`."""

from __future__ import annotations

import asyncio
import pickle
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import (
    Actor,
    ActorRef,
    CrashedExit,
    Down,
    EventTimeout,
    ExitReason,
    MailboxSpec,
    Message,
    NamedTimeout,
    StateMachine,
    StateMachineDefinitionError,
    StateTimeout,
    TransitionRefused,
    UnhandledMessage,
    UnknownState,
    bounded,
    during,
    entering,
    handles,
)
from supervisors import child, start, supervisor
from tests.support import World, in_loop, world


class Door(Enum):
    """The states of the door."""

    CLOSED = "closed"
    OPEN = "open"
    LOCKED = "locked"


class Push(Message):
    """Opens a closed door."""


class Pull(Message):
    """Closes an open door."""


class Turn(Message):
    """Locks or unlocks a door that is not open."""


class Knock(Message):
    """Is heard in every state."""

    who: str = "someone"


class Do(Message):
    """Has the machine do anything at all, in its handler."""

    model_config: ClassVar[Any] = {"arbitrary_types_allowed": True}
    what: Any


@dataclass(frozen=True)
class Odd:
    """A message that the door has no handler for."""


class Entrance(StateMachine):
    """A door. It writes down everything that happens."""

    initial = Door.CLOSED

    def __init__(self, log: list[Any] | None = None) -> None:
        super().__init__()
        self.log: list[Any] = [] if log is None else log

    @during(Door.CLOSED)
    def push(self, message: Push) -> str:
        self.log.append("push")
        self.goto(Door.OPEN)
        return "opened"

    @during(Door.OPEN)
    async def pull(self, message: Pull) -> str:
        await asyncio.sleep(0)
        self.log.append("pull")
        self.goto(Door.CLOSED)
        return "closed"

    @during(Door.CLOSED, Door.LOCKED)
    def turn(self, message: Turn) -> None:
        self.log.append("turn")
        self.goto(Door.LOCKED if self.state is Door.CLOSED else Door.CLOSED)

    @during(Door.LOCKED)
    def wait_for_the_key(self, message: Push | Pull) -> str:
        self.log.append("postponed")
        self.postpone()
        return "this is no answer"

    @handles
    def knock(self, message: Knock) -> str:
        self.log.append(f"knock {message.who}")
        return f"{message.who} knocked, the door is {self.state.name}"  # type: ignore[union-attr]

    @handles
    def do(self, message: Do) -> Any:
        return message.what(self)

    @handles
    def over(self, message: StateTimeout | EventTimeout | NamedTimeout) -> None:
        self.log.append(message)

    @entering(Door.OPEN)
    def note_open(self) -> None:
        self.log.append("enter open")

    @entering(Door.CLOSED)
    async def note_closed(self) -> None:
        await asyncio.sleep(0)
        self.log.append("enter closed")


async def a_door(w: World, cls: type[StateMachine] = Entrance, **options: Any) -> tuple[ActorRef[Any], list[Any]]:
    """A machine that has entered its initial state, and its log."""
    log: list[Any] = []
    ref = await w.runtime.spawn(cls, args={"log": log}, **options)
    await w.settle()
    return ref, log


def state(ref: ActorRef[Any]) -> object:
    """The state as it shows from outside."""
    return ref.state()["state"]


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


# Postponed messages


@in_loop
async def test_postponed_messages_are_retried_in_order_and_keep_their_askers() -> None:
    """Guards the order: postponed ones first, oldest first, ahead of what arrived later."""
    async with world() as w:
        ref, log = await a_door(w)
        await ref.call(Turn())
        log.clear()
        pushed = asyncio.ensure_future(ref.call(Push()))
        pulled = asyncio.ensure_future(ref.call(Pull()))
        await w.settle()
        assert not pushed.done()
        ref.tell(Turn())
        ref.tell(Knock())
        assert (await pushed, await pulled) == ("opened", "closed")
        await w.settle()
        assert log == ["postponed", "postponed", "turn", "enter closed", "push", "enter open", "pull",
                       "enter closed", "knock someone"]  # fmt: skip


@in_loop
async def test_a_message_postponed_again_keeps_its_place() -> None:
    """Guards that a change of state which does not help changes no order."""

    class Queueing(StateMachine):
        states = ("a", "b", "c")
        initial = "a"

        def __init__(self, log: list[Any]) -> None:
            self.log = log

        @during("a", "b")
        def later(self, message: Knock) -> None:
            self.postpone()

        @during("c")
        def now(self, message: Knock) -> None:
            self.log.append(message.who)

        @handles
        def do(self, message: Do) -> None:
            message.what(self)

    async with world() as w:
        ref, log = await a_door(w, Queueing)
        for step in (Knock(who="1"), Knock(who="2"), Do(what=lambda m: m.goto("b")), Knock(who="3"),
                     Do(what=lambda m: m.goto("c")), Knock(who="4")):  # fmt: skip
            ref.tell(step)
        await w.settle()
        assert log == ["1", "2", "3", "4"]


@in_loop
async def test_a_handler_that_postpones_and_leaves_retries_in_the_new_state() -> None:
    """Guards that the two compose, and that postponing twice is postponing once."""
    async with world() as w:
        ref, _ = await a_door(w)

        def unlock_first(door: Entrance) -> str:
            if door.state is Door.OPEN:
                return f"handled in {door.state.name}"
            door.postpone()
            door.postpone()
            door.goto(Door.OPEN)
            return "no answer"

        assert await ref.call(Do(what=unlock_first)) == "handled in OPEN"
        await w.settle()
        assert ref.statistics().handled == 3  # on_continue, the first try, the second


@in_loop
async def test_an_async_handler_can_postpone() -> None:
    """Guards that the message put aside is the handler's own, after it had to wait."""
    async with world() as w:
        ref, _ = await a_door(w)

        async def wait_and_postpone(door: Entrance) -> str:
            await asyncio.sleep(0)
            if door.state is Door.OPEN:
                return "at last"
            door.postpone()
            return "no answer"

        answer = asyncio.ensure_future(ref.call(Do(what=wait_and_postpone)))
        await w.settle()
        await ref.call(Push())
        assert await answer == "at last"


@in_loop
async def test_a_handler_that_raises_has_no_effect_on_state_queue_or_timeouts() -> None:
    """Guards that a machine that survives an exception is where it was."""

    class Patient(Entrance):
        answers = (ValueError,)

    def fail(door: Entrance) -> None:
        door.goto(Door.OPEN, timeout=1)
        door.postpone()
        raise ValueError("no")

    async def fail_later(door: Entrance) -> None:
        await asyncio.sleep(0)
        fail(door)

    async with world() as w:
        ref, _ = await a_door(w, Patient)
        for what in (fail, fail_later):
            with pytest.raises(ValueError, match="no"):
                await ref.call(Do(what=what))
        await ref.call(Knock())
        assert (state(ref), ref.status().stashed, ref.status().timers) == (Door.CLOSED, 0, 0)


@in_loop
async def test_postponed_messages_survive_a_crash_and_the_crashing_one_does_not() -> None:
    """Guards supervision rule 26 for postponed messages, and rule 27 for one that postponed and crashed."""
    tree = supervisor("root", child("door", Entrance, backoff=None))
    async with world() as w, start(tree, runtime=w.runtime) as root:
        ref = root.child("door")
        await ref.call(Turn())
        pushed = asyncio.ensure_future(ref.call(Push()))
        await w.settle()

        def postpone_and_crash(door: Entrance) -> None:
            door.postpone()
            raise RuntimeError("boom")

        ref.tell(Do(what=postpone_and_crash))
        assert await pushed == "opened"
        assert ref.incarnation == 2
        assert [reason for reason, _ in w.dead_letters] == ["crashed"]


# Timeouts


@in_loop
async def test_the_state_timeout_comes_once_unless_the_state_changes() -> None:
    """Guards goto(timeout=) and its cancellation by leaving the state."""
    async with world() as w:
        ref, log = await a_door(w)
        await ref.call(Do(what=lambda door: door.goto(Door.OPEN, timeout=5)))
        log.clear()
        await w.advance(4.9)
        assert log == []
        await w.advance(0.2)
        assert log == [StateTimeout(Door.OPEN)]
        await ref.call(Do(what=lambda door: door.goto(Door.LOCKED, timeout=5)))
        await ref.call(Turn())
        log.clear()
        await w.advance(60)
        assert log == []


@in_loop
async def test_a_state_timeout_set_with_a_transition_is_the_new_states() -> None:
    """Guards that the order of goto and state_timeout in a handler does not matter."""
    async with world() as w:
        ref, log = await a_door(w)

        def set_and_go(door: Entrance) -> None:
            door.state_timeout(5, Knock(who="time"))
            door.goto(Door.OPEN)

        await ref.call(Do(what=set_and_go))
        await w.advance(5)
        assert log[-1] == "knock time"


@in_loop
async def test_an_enter_action_can_set_the_state_timeout() -> None:
    """Guards the usual way to limit the stay in a state however it was entered."""

    class Closer(Entrance):
        @entering(Door.OPEN)
        def note_open(self) -> None:
            self.state_timeout(3)

        @during(Door.OPEN)
        def close(self, message: StateTimeout) -> None:
            self.goto(Door.CLOSED)

    async with world() as w:
        ref, _ = await a_door(w, Closer)
        await ref.call(Push())
        await w.advance(3)
        assert state(ref) is Door.CLOSED


@in_loop
async def test_setting_a_timeout_replaces_it_and_none_takes_it_back() -> None:
    """Guards that there is one timeout of each kind and name."""
    async with world() as w:
        ref, log = await a_door(w)
        log.clear()

        def set_all(delay: float | None) -> Do:
            def act(door: Entrance) -> None:
                door.state_timeout(delay)
                door.named_timeout("n", delay)

            return Do(what=act)

        for delay in (1, 2):
            await ref.call(set_all(delay))
        await w.advance(1.5)
        assert log == []
        await w.advance(0.5)
        assert sorted(map(str, log)) == sorted(map(str, [StateTimeout(Door.CLOSED), NamedTimeout("n")]))
        log.clear()
        await ref.call(set_all(1))
        await ref.call(set_all(None))
        await w.advance(5)
        assert log == []


@in_loop
async def test_named_timeouts_survive_changes_of_state() -> None:
    """Guards that only taking it back or setting it anew ends a named timeout."""
    async with world() as w:
        ref, log = await a_door(w)
        await ref.call(Do(what=lambda door: door.named_timeout("a", 5)))
        await ref.call(Do(what=lambda door: door.named_timeout("b", 6, Knock(who="b"))))
        await ref.call(Push())
        log.clear()
        await w.advance(10)
        assert log == [NamedTimeout("a"), "knock b"]


@in_loop
async def test_the_event_timeout_ends_with_the_next_message() -> None:
    """Guards that it comes when nothing is handled, and not otherwise."""
    async with world() as w:
        ref, log = await a_door(w)
        arm = Do(what=lambda door: door.event_timeout(5))
        await ref.call(arm)
        await w.advance(4)
        await ref.call(Knock())
        log.clear()
        await w.advance(10)
        assert log == []
        await ref.call(arm)
        await w.advance(5)
        assert log == [EventTimeout(Door.CLOSED)]


@in_loop
async def test_an_ended_timeout_does_not_come_even_from_the_mailbox() -> None:
    """Guards the race between a message that changes the state and the timeout right behind it."""
    async with world() as w:
        ref, log = await a_door(w)
        await ref.call(Do(what=lambda door: door.state_timeout(5)))
        log.clear()
        ref.suspend()
        await w.settle()
        ref.tell(Push())
        await w.advance(5)
        assert ref.status().queued == 2
        ref.resume()
        await w.settle()
        assert log == ["push", "enter open"]
        assert w.dead_letters == []


@in_loop
async def test_a_postponed_timeout_has_come_and_is_retried() -> None:
    """Guards that the change of state which retries it does not end it."""

    class Deferring(Entrance):
        @during(Door.CLOSED)
        def later(self, message: StateTimeout) -> None:
            self.postpone()

    async with world() as w:
        ref, log = await a_door(w, Deferring)
        await ref.call(Do(what=lambda door: door.state_timeout(1)))
        await w.advance(1)
        log.clear()
        await ref.call(Push())
        await w.settle()
        assert log == ["push", "enter open", StateTimeout(Door.CLOSED)]


@in_loop
async def test_timeouts_end_with_their_incarnation() -> None:
    """Guards that a new incarnation hears of no timeout of the last one."""
    log: list[Any] = []
    tree = supervisor("root", child("door", Entrance, args={"log": log}, backoff=None))
    async with world() as w, start(tree, runtime=w.runtime) as root:
        ref = root.child("door")

        def arm(door: Entrance) -> None:
            door.state_timeout(5)
            door.event_timeout(5)
            door.named_timeout("n", 5)

        await ref.call(Do(what=arm))
        ref.kill()
        await w.settle()
        assert ref.incarnation == 2
        log.clear()
        await w.advance(60)
        assert log == []


@in_loop
async def test_a_timeout_that_finds_the_mailbox_full_goes_to_its_front() -> None:
    """Guards that a bound cannot keep a machine in a state for ever."""
    async with world() as w:
        ref, log = await a_door(w, mailbox=bounded(1))
        await ref.call(Do(what=lambda door: door.state_timeout(5)))
        log.clear()
        ref.suspend()
        await w.settle()
        ref.tell(Knock())
        await w.advance(5)
        ref.resume()
        await w.settle()
        assert log == [StateTimeout(Door.CLOSED), "knock someone"]


@in_loop
async def test_a_priority_mailbox_ranks_the_message_of_a_timeout() -> None:
    """Guards that the priority function sees the user's message and nothing of ours."""
    ranked: list[object] = []

    def rank(message: object) -> float:
        ranked.append(message)
        return 0

    async with world() as w:
        ref, log = await a_door(w, mailbox=MailboxSpec(priority=rank))
        await ref.call(Do(what=lambda door: door.state_timeout(5, Knock(who="time"))))
        await w.advance(5)
        assert ranked[-1] == Knock(who="time")
        assert log[-1] == "knock time"


@pytest.mark.parametrize("delay", [-1.0, float("nan")])
@in_loop
async def test_a_timeout_needs_seconds_from_zero(delay: float) -> None:
    """Guards the check of delays."""
    async with world() as w:
        ref, _ = await a_door(w)

        def check(door: Entrance) -> None:
            with pytest.raises(ValueError, match="seconds must be a number >= 0"):
                door.goto(Door.OPEN, timeout=delay)
            with pytest.raises(ValueError, match="seconds must be a number >= 0"):
                door.event_timeout(delay)
            with pytest.raises(ValueError, match="seconds must be a number >= 0"):
                door.named_timeout("n", delay)

        await ref.call(Do(what=check))
        assert state(ref) is Door.CLOSED


# Restarts


@in_loop
async def test_a_restart_begins_in_the_initial_state() -> None:
    """Guards supervision rule 29: the state starts afresh, and is entered again."""
    log: list[Any] = []
    tree = supervisor("root", child("door", Entrance, args={"log": log}, backoff=None))
    async with world() as w, start(tree, runtime=w.runtime) as root:
        ref = root.child("door")
        await ref.call(Push())
        log.clear()
        ref.kill()
        await w.settle()
        assert (state(ref), log) == (Door.CLOSED, ["enter closed"])


@in_loop
async def test_a_class_that_carries_its_state_over_goes_on_where_it_crashed() -> None:
    """Guards carry_over and on_restore: the state they name is entered like any other."""

    class Durable(Entrance):
        def carry_over(self, reason: ExitReason) -> object:
            return self.state

        def on_restore(self, carried: Door) -> None:
            self.goto(carried)

    log: list[Any] = []
    tree = supervisor("root", child("door", Durable, args={"log": log}, backoff=None))
    async with world() as w, start(tree, runtime=w.runtime) as root:
        ref = root.child("door")
        await ref.call(Push())
        log.clear()
        ref.tell(Do(what=lambda door: door.goto("nowhere")))
        await w.settle()
        assert (ref.incarnation, state(ref), log) == (2, Door.OPEN, ["enter open"])


@in_loop
async def test_a_status_shows_the_state_and_the_users_attributes_alone() -> None:
    """Guards introspection: no bookkeeping of ours in `ref.state()`, and no assignment past goto."""
    async with world() as w:
        ref, log = await a_door(w)
        assert ref.state() == {"state": Door.CLOSED, "log": log}

        def assign(door: Any) -> None:
            with pytest.raises(AttributeError):
                door.state = Door.OPEN

        await ref.call(Do(what=assign))


# Against a model

STATES = ("s0", "s1", "s2")
KINDS = 3


@dataclass(frozen=True)
class Move:
    """What a state does with one kind of message."""

    postpone: bool
    target: int | None


@dataclass(frozen=True)
class Event:
    """A message; its kind chooses the move, its number tells it from others."""

    kind: int
    number: int


def tables() -> st.SearchStrategy[dict[tuple[int, int], Move]]:
    """Moves for each state and kind.

    One that postpones goes upwards only, or two states could hand a message to and fro for ever.
    """

    def move(state_number: int) -> st.SearchStrategy[Move]:
        upwards = [None, *range(state_number + 1, len(STATES))]
        anywhere = [None, *range(len(STATES))]
        return st.one_of(
            st.builds(Move, st.just(True), st.sampled_from(upwards)),
            st.builds(Move, st.just(False), st.sampled_from(anywhere)),
        )

    return st.fixed_dictionaries({(s, k): move(s) for s in range(len(STATES)) for k in range(KINDS)})


def model(table: dict[tuple[int, int], Move], kinds: list[int]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """What a machine does: the tries (number, state), the states entered, and the numbers still put aside."""
    waiting = list(enumerate(kinds))
    aside: list[tuple[int, int]] = []
    now, tries, entered = 0, [], [0]
    while waiting:
        number, kind = waiting.pop(0)
        tries.append((number, now))
        move = table[now, kind]
        if move.postpone:
            aside.append((number, kind))
        if move.target is not None and move.target != now:
            now = move.target
            entered.append(now)
            waiting, aside = aside + waiting, []
    return tries, entered, [number for number, _ in aside]


class Modelled(StateMachine):
    """Does what a table says; odd messages are handled by an async handler."""

    states = STATES
    initial = STATES[0]

    def __init__(self, table: dict[tuple[int, int], Move]) -> None:
        self.table = table
        self.tries: list[tuple[int, int]] = []
        self.entered: list[int] = []

    @handles
    def handle(self, event: Event) -> Any:
        return self.later(event) if event.number % 2 else self.move(event)

    async def later(self, event: Event) -> int:
        await asyncio.sleep(0)
        return self.move(event)

    def move(self, event: Event) -> int:
        now = STATES.index(str(self.state))
        self.tries.append((event.number, now))
        move = self.table[now, event.kind]
        if move.postpone:
            self.postpone()
        if move.target is not None:
            self.goto(STATES[move.target])
        return now

    @entering(*STATES)
    def enter(self) -> None:
        self.entered.append(STATES.index(str(self.state)))


@settings(max_examples=60)
@given(table=tables(), kinds=st.lists(st.integers(0, KINDS - 1), max_size=12), batch=st.integers(1, 5))
def test_any_machine_handles_messages_in_the_order_of_the_model(
    table: dict[tuple[int, int], Move], kinds: list[int], batch: int
) -> None:
    """With any transitions and postpones, no message is lost, answered twice or handled out of turn."""

    @in_loop
    async def run() -> None:
        async with world() as w:
            ref = await w.runtime.spawn(Modelled, args=(table,))
            answers = []
            for number, kind in enumerate(kinds):
                answers.append(asyncio.ensure_future(ref.call(Event(kind, number), timeout=None)))
                if number % batch == 0:
                    await w.settle()
            await w.settle()
            tries, entered, aside = model(table, kinds)
            seen = ref.state()
            assert (seen["tries"], seen["entered"], seen["state"]) == (tries, entered, STATES[entered[-1]])
            assert [number for number, answer in enumerate(answers) if not answer.done()] == sorted(aside)
            last_try = dict(tries)
            assert all(answer.result() == last_try[n] for n, answer in enumerate(answers) if answer.done())
            assert ref.status().stashed == len(aside)
            for answer in answers:
                answer.cancel()
            await asyncio.gather(*answers, return_exceptions=True)

    run()
