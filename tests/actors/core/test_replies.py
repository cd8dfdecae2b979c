"""Replies that are taken over and given later, and messages that are forwarded."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import (
    Actor,
    ActorCrashed,
    ActorDeadError,
    ActorRef,
    CallTimeout,
    CrashedExit,
    DeadlockError,
    IncarnationEnded,
    MailboxFull,
    NoMessage,
    NoReply,
    Reply,
    Runtime,
    Shutdown,
    UnhandledMessage,
    bounded,
)
from actors.testing import Simulation, simulation
from supervisors import child, supervisor
from tests.actors.cast import PATIENCE, AsyncPlayer, Host, Player, Starter, crash, letters, script, stage
from tests.support import in_loop

HOSTS: list[Host] = ["loop", "thread"]
ERROR = OSError("disk")


class Taker(AsyncPlayer):
    """Takes the reply to every string over."""

    concurrency = 1

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[Reply[Any]] = []

    async def on_receive(self, message: Any) -> Any:
        if isinstance(message, str):
            self.replies.append(self.take_reply())
            return "ignored"
        return await super().on_receive(message)


class Taking(Taker):
    """The same on an actor whose exceptions are answers, or leave it alive."""

    answers = (KeyError,)
    resumes = (OSError,)


def asked(sim: Simulation, ref: ActorRef[Any], message: object = "q", **options: Any) -> Any:
    """A question that was asked and is not answered."""
    answer = ref.ask(message, block=False, **options)
    sim.settle()
    assert not answer.done()
    return answer


def first(self: Any) -> Reply[Any]:
    """The reply that was taken first."""
    reply: Reply[Any] = self.replies[0]
    return reply


def passing(ref: ActorRef[Any], *message: Any) -> Callable[[Any], Any]:
    """A message whose handler forwards, and returns something."""

    def act(self: Any) -> str:
        self.forward(ref, *message)
        return "ignored"

    return act


# Later


@pytest.mark.parametrize("host", HOSTS)
def test_a_reply_is_given_in_a_later_handler(host: Host) -> None:
    with simulation() as sim:
        ref = sim.spawn(Taker, host=host)
        answer = asked(sim, ref)
        ref.tell(lambda self: first(self).answer(5))
        assert answer.get(timeout=1) == 5


@pytest.mark.parametrize("error", [ERROR, SystemExit(3)])
def test_a_reply_that_fails_raises_in_the_asker(error: BaseException) -> None:
    with simulation() as sim:
        ref = sim.spawn(Taker)
        answer = asked(sim, ref)
        ref.tell(lambda self: first(self).fail(error))
        with pytest.raises(OSError if error is ERROR else ActorCrashed) as caught:
            answer.get(timeout=1)
        assert caught.value is error or caught.value.__cause__ is error
        assert ref.is_alive()


@pytest.mark.parametrize("asker", HOSTS)
@pytest.mark.parametrize("answerer", HOSTS)
def test_another_actor_may_give_the_answer(asker: str, answerer: str) -> None:
    """On any host: the future of a call on the loop is settled there."""
    with simulation() as sim:
        ref, other = sim.spawn(Taker), sim.spawn(Player, host=answerer)
        got: list[Any] = []

        async def ask(_: Any) -> None:
            got.append(await ref.call("q"))

        def ask_in_thread(_: Any) -> None:
            got.append(ref.ask("q"))

        if asker == "loop":
            sim.spawn(AsyncPlayer).tell(ask)
        else:
            sim.spawn(Player, host="thread").tell(ask_in_thread)
        sim.settle()
        reply = ref.ask(first)
        other.tell(lambda _: reply.answer("from the other"))
        sim.settle()
        assert got == ["from the other"]


def test_a_task_may_give_the_answer() -> None:
    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer)

        async def later(reply: Reply[Any]) -> None:
            await asyncio.sleep(1)
            reply.answer("later")

        def begin(self: Any) -> None:
            self.task = asyncio.get_running_loop().create_task(later(self.take_reply()))

        assert ref.ask(begin) == "later"
        assert sim.now == 1


@in_loop
async def test_a_thread_outside_of_actors_may_give_the_answer() -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Taker)
        answer = asyncio.ensure_future(ref.call("q"))
        await w.settle()
        reply = await ref.call(first)
        thread = threading.Thread(target=reply.answer, args=("from outside",))
        thread.start()
        assert await answer == "from outside"
        thread.join()


def test_a_reply_taken_twice_in_a_handler_is_one_reply() -> None:
    with simulation() as sim:
        ref = sim.spawn(Player)
        same: list[bool] = []

        def act(self: Any) -> None:
            reply = self.take_reply()
            same.append(self.take_reply() is reply)
            reply.answer("once")

        assert (ref.ask(act), same) == ("once", [True])


def test_the_reply_of_a_message_that_was_told_is_done() -> None:
    with simulation() as sim:
        ref = sim.spawn(Player)
        replies: list[Reply[Any]] = []
        ref.tell(lambda self: replies.append(self.take_reply()))
        sim.settle()
        replies[0].answer(1)
        replies[0].fail(ERROR)
        assert replies[0].done
        assert ref.is_alive()
        assert sim.runtime.events.dead_letters == {}


def test_a_reply_is_taken_in_a_handler_only() -> None:
    with simulation() as sim:
        caught: list[NoMessage] = []

        def start(self: Any) -> None:
            for call in (self.take_reply, lambda: self.forward(self.ref)):
                with pytest.raises(NoMessage) as raised:
                    call()
                caught.append(raised.value)

        path = sim.spawn(Starter, args={"on_start": start}).path
        assert [(each.path, each.what) for each in caught] == [(path, "take_reply()"), (path, "forward()")]


def test_a_second_answer_is_a_dead_letter() -> None:
    with simulation() as sim:
        ref = sim.spawn(Taker)
        answer = asked(sim, ref)
        reply = ref.ask(first)
        reply.answer(1)
        reply.answer(2)
        reply.fail(ERROR)
        sim.settle()
        assert answer.get() == 1
        assert sim.runtime.events.dead_letters == {"late_reply": 1}


def test_the_deadline_of_the_asker_holds_for_a_taken_reply() -> None:
    with simulation() as sim:
        ref = sim.spawn(Taker)
        answer = asked(sim, ref, timeout=2)
        reply = ref.ask(first)
        sim.advance(3)
        with pytest.raises(CallTimeout):
            answer.get()
        assert reply.done
        reply.answer("late")
        sim.settle()
        assert sim.runtime.events.dead_letters == {"late_reply": 1}


# Every taken reply has an end

ENDS: dict[str, tuple[Callable[[ActorRef[Any]], object], type[Exception]]] = {
    "crash": (lambda ref: ref.tell(crash(ERROR)), ActorCrashed),
    "kill": (lambda ref: ref.kill(), ActorDeadError),
    "stop": (lambda ref: ref.stop(block=False), ActorDeadError),
    "exit": (lambda ref: ref.tell(lambda self: self.exit(Shutdown("done"))), ActorDeadError),
}


@pytest.mark.parametrize("supervised", [True, False])
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("end", ENDS)
def test_an_open_reply_is_settled_when_its_incarnation_ends(end: str, host: Host, supervised: bool) -> None:
    """The end of the incarnation that took it, restarted or not; whoever has the reply by then."""
    act, kind = ENDS[end]
    with simulation() as sim:
        tree = supervisor("root", child("a", Taker, backoff=None, host=host))
        ref = sim.start(tree).child("a") if supervised else sim.spawn(Taker, host=host)
        answer = asked(sim, ref)
        reply = ref.ask(first)
        act(ref)
        with pytest.raises(kind) as caught:
            answer.get(timeout=1)
        if end == "crash":
            assert caught.value.__cause__ is ERROR
        elif isinstance(caught.value, ActorDeadError):
            assert (caught.value.begun, caught.value.undelivered) == (True, "q")
        assert reply.done


def test_a_reply_that_is_dropped_fails_with_no_reply() -> None:
    with simulation() as sim:
        ref = sim.spawn(Taker)
        answer = asked(sim, ref)
        ref.tell(lambda self: self.replies.clear())
        with pytest.raises(NoReply, match="dropped without an answer") as caught:
            answer.get(timeout=1)
        assert (caught.value.path, caught.value.message_type) == (ref.path, "str")


def test_a_reply_that_is_dropped_after_its_deadline_leaves_nothing() -> None:
    with simulation() as sim:
        ref = sim.spawn(Taker)
        for _ in range(5):
            asked(sim, ref, timeout=1)
        sim.advance(2)
        possessions = ref._cell.possessions
        assert possessions is not None
        assert len(possessions.replies) == 5
        ref.tell(lambda self: self.replies.clear())
        sim.settle()
        assert not possessions.replies
        assert sim.runtime.events.dead_letters == {}


def test_a_reply_in_a_cycle_fails_when_it_is_collected() -> None:
    with script() as runtime:
        ref = runtime.spawn(Taker).get()
        answer = ref.ask("q", block=False, timeout=None)

        def knot(self: Any) -> None:
            circle: list[Any] = [self.replies.pop()]
            circle.append(circle)

        ref.ask(knot)
        assert not answer.done()
        gc.collect()
        with pytest.raises(NoReply):
            answer.get(timeout=10)


@in_loop
async def test_the_end_of_the_runtime_settles_open_replies() -> None:
    """Guards `lose`, too: the loop is gone before the actor could answer."""
    answers: list[Any] = []
    async with Runtime(log=False, watchdog=None) as runtime:
        ref = await runtime.spawn(Taker)
        answers.append(ref.ask("q", block=False, timeout=None))
        await ref.call(lambda _: None)
    with pytest.raises(ActorDeadError):
        await answers[0]


def test_the_exception_of_a_handler_goes_to_the_asker_of_an_open_reply() -> None:
    """Whatever comes of the actor: an answer, a failure that it survives, a crash."""

    def take_and_raise(error: Exception) -> Callable[[Any], None]:
        def act(self: Any) -> None:
            self.replies.append(self.take_reply())
            raise error

        return act

    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", Taking, backoff=None, redeliver=3))).child("a")
        for error, incarnation in ((KeyError(1), 1), (OSError(2), 1), (ValueError(3), 2)):
            with pytest.raises(type(error)):
                ref.ask(take_and_raise(error))
            sim.settle()
            assert ref.incarnation == incarnation
        assert "unheard" not in sim.runtime.events.dead_letters


@in_loop
async def test_a_told_message_crashes_an_actor_with_an_open_reply() -> None:
    """Guards against an error of the runtime's own in place of the exception: a told message has no reply to take."""
    async with Runtime(log=False, watchdog=None) as runtime:
        exits: list[CrashedExit] = []
        runtime.events.subscribe(exits.append, CrashedExit)
        ref = await runtime.spawn(Taker)
        answer = ref.ask("q", block=False)
        await ref.call(lambda _: None)
        ref.tell(crash(ERROR))
        with pytest.raises(ActorCrashed):
            await answer
        assert [each.exception for each in exits] == [ERROR]


def test_a_message_whose_reply_was_given_is_not_redelivered() -> None:
    """The crash comes after the answer: a second handling would do the work twice."""
    handled: list[int] = []

    def act(self: Any) -> None:
        handled.append(self.incarnation)
        self.take_reply().answer("done")
        raise ERROR

    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", Player, backoff=None, redeliver=3))).child("a")
        assert ref.ask(act) == "done"
        sim.settle()
        assert (handled, ref.incarnation) == ([1], 2)
        assert sim.runtime.events.dead_letters == {"crashed": 1}


def test_a_reply_is_not_copied_and_not_pickled() -> None:
    with simulation() as sim:
        ref = sim.spawn(Taker)
        asked(sim, ref)
        reply = ref.ask(first)
        assert copy.copy(reply) is copy.deepcopy(reply) is reply
        assert repr(reply) == "<Reply open>"
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(reply)
        with pytest.raises(TypeError, match="takes an exception"):
            reply.fail("no exception")
        reply.answer(None)
        assert repr(reply) == "<Reply done>"


moves = st.lists(
    st.sampled_from(["ask", "answer", "fail", "drop", "crash", "kill", "settle", "pass", "time"]), max_size=25
)


@given(moves, st.sampled_from(HOSTS))
def test_every_question_has_exactly_one_end_whatever_becomes_of_it(acts: list[str], host: Host) -> None:
    with simulation() as sim:
        tree = supervisor("root", child("a", Taker, backoff=None, host=host), child("b", Taker, backoff=None))
        root = sim.start(tree)
        a, b = root.child("a"), root.child("b")
        answers: list[Any] = []

        def with_one(act: Callable[[Reply[Any]], object]) -> Callable[[Any], object]:
            return lambda self: act(self.replies.pop(0)) if self.replies else None

        for act in acts:
            match act:
                case "ask":
                    answers.append(a.ask("q", block=False, timeout=3))
                case "pass":
                    answers.append(a.ask(passing(b, "passed"), block=False, timeout=3))
                case "answer":
                    for ref in (a, b):
                        ref.tell(with_one(lambda reply: reply.answer(1)))
                case "fail":
                    a.tell(with_one(lambda reply: reply.fail(ERROR)))
                case "drop":
                    a.tell(with_one(lambda reply: None))
                case "crash":
                    a.tell(crash(ERROR))
                case "kill":
                    b.kill()
                case "time":
                    sim.advance(2)
                case _:
                    sim.settle()
        sim.advance(4)
        assert all(answer.done() for answer in answers)


# Forwarded


@pytest.mark.parametrize("target", HOSTS)
@pytest.mark.parametrize("middle", HOSTS)
@pytest.mark.parametrize("asker", HOSTS)
def test_a_forwarded_message_is_answered_by_the_other_actor(asker: str, middle: str, target: str) -> None:
    with simulation() as sim:
        to = sim.spawn(Player, host=target)
        by = sim.spawn(Player, host=middle)
        got: list[Any] = []

        async def ask(_: Any) -> None:
            got.append(await by.call(passing(to, "x")))

        def ask_in_thread(_: Any) -> None:
            got.append(by.ask(passing(to, "x")))

        if asker == "loop":
            sim.spawn(AsyncPlayer).tell(ask)
        else:
            sim.spawn(Player, host="thread").tell(ask_in_thread)
        sim.settle()
        assert got == ["x"]
        assert by.ask(passing(to, "y")) == "y"


def test_a_forwarded_message_keeps_sender_deadline_and_correlation_id() -> None:
    class Told(Player):
        def on_receive(self, message: Any) -> Any:
            if callable(message):
                return message(self)
            assert self._cell.envelope is not None
            return self.sender, self.correlation_id, self._cell.envelope.deadline

    class Through(Player):
        def __init__(self, ref: ActorRef[Any]) -> None:
            super().__init__()
            self.to = ref

        def on_receive(self, message: Any) -> Any:
            self.forward(self.to)

    with simulation() as sim:
        told = sim.spawn(Told)
        through = sim.spawn(Through, args=[told])
        asker = sim.spawn(AsyncPlayer)
        answer = asker.ask(lambda _: through.call("m", timeout=3, correlation_id="c"), timeout=None)
        assert answer == (asker, "c", 3.0)
        seen: list[Any] = []
        through.tell(seen.append, correlation_id="told")
        sim.settle()
        assert [self.correlation_id for self in seen] == [None]  # read after its handler


def test_a_tick_of_a_timer_is_forwarded_as_its_message() -> None:
    class Through(Player):
        def on_receive(self, message: Any) -> Any:
            return message(self) if callable(message) else self.forward(other, None)

    with simulation() as sim:
        other = sim.spawn(Player)
        ref = sim.spawn(Through)
        ref.ask(lambda self: self.tell_after(1, "tick") and None)
        sim.advance(1)
        assert other.state()["seen"] == ["tick"]


def test_a_chain_of_forwards_answers_the_first_asker() -> None:
    with simulation() as sim:
        refs = [sim.spawn(Player, host=HOSTS[number % 2]) for number in range(6)]
        message: Any = "end"
        for ref in reversed(refs[1:]):
            message = passing(ref, message)
        assert refs[0].ask(message) == "end"


def test_the_crash_of_the_other_actor_reaches_the_asker() -> None:
    with simulation() as sim:
        ref, other = sim.spawn(Player), sim.spawn(Player)
        with pytest.raises(OSError, match="disk"):
            ref.ask(passing(other, crash(ERROR)))
        sim.settle()
        assert (ref.is_alive(), other.is_alive()) == (True, False)


def test_a_forwarded_message_expires_in_the_other_mailbox() -> None:
    with simulation() as sim:
        ref, other = sim.spawn(Player), sim.spawn(Player)
        other.suspend()
        answer = asked(sim, ref, passing(other, "x"), timeout=2)
        sim.advance(3)
        with pytest.raises(CallTimeout):
            answer.get()
        other.resume()
        sim.settle()
        assert sim.runtime.events.dead_letters == {"expired": 1}


def test_a_forward_that_is_refused_leaves_the_message_with_its_actor() -> None:
    def try_to(ref: ActorRef[Any], kind: type[Exception]) -> Callable[[Any], str]:
        def act(self: Any) -> str:
            with pytest.raises(kind):
                self.forward(ref, "x")
            return "answered here"

        return act

    with simulation() as sim:
        ref, gone, full = sim.spawn(Player), sim.spawn(Player), sim.spawn(Player, mailbox=bounded(1))
        gone.stop()
        full.suspend()
        full.tell("fills it")
        assert ref.ask(try_to(gone, ActorDeadError)) == "answered here"
        assert ref.ask(try_to(full, MailboxFull)) == "answered here"


def test_a_refused_forward_leaves_the_asker_waiting_for_the_same_actor() -> None:
    with simulation() as sim:
        asker, ref, full = sim.spawn(AsyncPlayer), sim.spawn(AsyncPlayer), sim.spawn(Player, mailbox=bounded(1))
        full.suspend()
        full.tell("fills it")

        async def act(self: Any) -> None:
            with pytest.raises(MailboxFull):
                self.forward(full, "x")
            await asyncio.sleep(1)

        asker.tell(lambda _: ref.call(act, timeout=None))
        sim.settle()
        assert asker.status().waiting_for == ref.path


@in_loop
async def test_a_thread_answers_a_forwarded_call_on_the_thread_of_its_loop() -> None:
    """In its debug mode, asyncio refuses whatever settles a future of a loop in another thread."""
    asyncio.get_running_loop().set_debug(True)
    async with stage() as w:
        ref, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player, host="thread")
        assert await ref.call(passing(other, "x")) == "x"
        with pytest.raises(OSError, match="disk"):
            await ref.call(passing(other, crash(ERROR)))


def test_a_message_that_was_told_is_forwarded_too() -> None:
    with simulation() as sim:
        ref, other = sim.spawn(Player), sim.spawn(Player)
        sender = sim.spawn(Player)
        sender.tell(lambda _: ref.tell(passing(other, lambda self: self.seen.append(self.sender))))
        sim.settle()
        assert other.state()["seen"] == [sender]


def test_a_forward_to_an_actor_without_a_handler_is_unhandled_there() -> None:
    with simulation() as sim:
        ref, other = sim.spawn(Player), sim.spawn(Actor)
        with pytest.raises(UnhandledMessage) as caught:
            ref.ask(passing(other, "x"))
        assert caught.value.path == other.path


# Deadlocks


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", ["call", "future"])
def test_an_asker_of_a_forwarded_message_waits_for_the_other_actor(kind: str, host: Host) -> None:
    """The edge of the wait is turned: status shows it, and a cycle over it is an error at once."""
    with simulation() as sim:
        asker, middle = sim.spawn(AsyncPlayer, host=host), sim.spawn(Player)
        target = sim.spawn(AsyncPlayer)
        found: list[Any] = []

        async def back(_: Any) -> Any:
            await asyncio.sleep(1)
            return await asker.call("x")

        async def ask(_: Any) -> None:
            try:
                await (
                    middle.call(passing(target, back))
                    if kind == "call"
                    else middle.ask(passing(target, back), block=False)
                )
            except DeadlockError as error:
                found.append((sim.runtime.now(), error.chain))

        asker.tell(ask)
        sim.settle()
        assert asker.status().waiting_for == target.path
        assert middle.ask("still serves") == "still serves"
        sim.advance(2)
        assert found == [(1.0, (target.path, asker.path, target.path))]


@pytest.mark.parametrize("host", HOSTS)
def test_a_forward_to_an_actor_that_waits_for_the_asker_is_a_deadlock(host: Host) -> None:
    """The asker gets the error at once; the actor that forwards goes on, and nothing is sent."""
    with simulation() as sim:
        asker, middle = sim.spawn(AsyncPlayer, host=host), sim.spawn(Player)
        target = sim.spawn(AsyncPlayer)

        async def ask(_: Any) -> Any:
            target.tell(wait_for_asker)
            await asyncio.sleep(1)
            return await middle.call(passing(target, "x"))

        async def wait_for_asker(_: Any) -> Any:
            with suppress(ActorDeadError):
                await asker.call("y", timeout=None)

        with pytest.raises(DeadlockError) as caught:
            asker.ask(ask, timeout=None)
        assert sim.now == 1
        assert caught.value.chain == (asker.path, target.path, asker.path)
        assert middle.is_alive()
        sim.settle()
        assert target.state()["seen"] == []


def test_an_actor_that_took_a_reply_must_not_wait_for_the_asker() -> None:
    """The asker waits for it, until the reply is answered: then it may."""
    with simulation() as sim:
        asker, ref = sim.spawn(AsyncPlayer), sim.spawn(Taker)
        asker.tell(lambda _: ref.call("q", timeout=None))
        sim.settle()
        with pytest.raises(DeadlockError) as caught:
            ref.ask(lambda _: asker.call("x", timeout=None))
        assert caught.value.chain == (ref.path, asker.path, ref.path)
        sim.settle()

        other = sim.spawn(Taking)
        second = sim.spawn(AsyncPlayer)
        second.tell(lambda _: other.call("q", timeout=None))
        sim.settle()
        assert second.status().waiting_for == other.path

        async def answer_and_ask(self: Any) -> Any:
            first(self).answer(1)
            return await second.call("y", timeout=None)

        assert other.ask(answer_and_ask) == "y"


@pytest.mark.parametrize("host", HOSTS)
def test_a_forward_back_to_the_asker_is_a_deadlock(host: Host) -> None:
    with simulation() as sim:
        asker, middle = sim.spawn(AsyncPlayer, host=host), sim.spawn(Player)
        with pytest.raises(DeadlockError) as caught:
            asker.ask(lambda _: middle.call(passing(asker, "x")), timeout=None)
        assert caught.value.chain == (asker.path, asker.path)


def test_a_wait_that_ends_leaves_no_edge_behind() -> None:
    with simulation() as sim:
        asker, middle, target = sim.spawn(AsyncPlayer), sim.spawn(Player), sim.spawn(Player)
        assert asker.ask(lambda _: middle.call(passing(target, "x"))) == "x"
        assert asker._cell.waiting is None
        assert target.ask(lambda _: None) is None


# Left behind


def test_a_thread_that_was_left_behind_takes_no_reply() -> None:
    """Guards the next incarnation against a duty of the last one."""
    gate, entered = threading.Event(), threading.Event()
    caught: list[BaseException] = []

    def late(self: Any) -> None:
        entered.set()
        gate.wait(PATIENCE)
        try:
            self.take_reply()
        except (NoMessage, IncarnationEnded) as error:
            caught.append(error)

    with script(kill_grace=0.01) as runtime:
        ref = runtime.spawn(Player, host="thread", shutdown=0.01).get()
        answer = ref.ask(late, block=False)
        assert entered.wait(PATIENCE)
        ref.kill()
        with pytest.raises(ActorDeadError):
            answer.get(timeout=PATIENCE)
        assert ref.wait(PATIENCE) is not None  # its asker is told before the end is complete
        gate.set()
    assert [type(each) for each in caught] == [NoMessage]


@in_loop
async def test_a_late_answer_is_a_dead_letter_of_the_actor_that_took_the_reply() -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Taker)
        answer = ref.ask("q", block=False)
        reply = await ref.call(first)
        ref.kill()
        with pytest.raises(ActorDeadError):
            await answer
        reply.answer("late")
        assert letters(w.events) == [("late_reply", "late")]
