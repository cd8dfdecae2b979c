"""One handler fails while others of the same actor wait: what becomes of the others."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorCrashed, ActorDeadError, ActorRef, DeadLetter, HandlerTimeout, Quarantined
from actors.testing import simulation
from supervisors import child, constant, supervisor


class Model(Actor):
    """Takes a second for each prompt; one it is told to fails halfway."""

    concurrency = 8

    def __init__(self, log: list[tuple[int, object]]) -> None:
        self.log = log

    async def on_receive(self, message: Any) -> Any:
        self.log.append((self.incarnation, message))
        await asyncio.sleep(0.5 if message == "bad" else 1.0)
        if message == "bad":
            raise ValueError("bad")
        return f"{message} by {self.incarnation}"


@pytest.mark.parametrize("backoff", [None, constant(10)])
def test_askers_beside_a_crash_are_answered_by_the_next_incarnation(backoff: Any) -> None:
    """Guards seven innocent calls against the eighth."""
    log: list[tuple[int, object]] = []
    with simulation() as sim:
        model = sim.start(supervisor("root", child("m", Model, args=(log,), backoff=backoff))).child("m")
        answers = [model.ask(n, block=False) for n in range(7)]
        bad = model.ask("bad", block=False)
        sim.advance(20)
        assert [answer.get() for answer in answers] == [f"{n} by 2" for n in range(7)]
        with pytest.raises(ValueError, match="bad"):
            bad.get()
        assert model.incarnation == 2


@given(st.lists(st.sampled_from(["tell", "ask"]), min_size=1, max_size=7), st.integers(0, 7))
def test_what_was_cut_off_is_handled_again_in_its_order_before_the_queue(ways: list[str], place: int) -> None:
    """Guards the order in which the next incarnation begins, for told and asked messages alike."""
    log: list[tuple[int, object]] = []
    place = min(place, len(ways))
    with simulation() as sim:
        model = sim.start(supervisor("root", child("m", Model, args=(log,), backoff=None))).child("m")
        for n, way in enumerate(ways):
            if n == place:
                model.tell("bad")
            model.tell(n) if way == "tell" else model.ask(n, block=False)
        if place == len(ways):
            model.tell("bad")
        for n in range(10, 14):
            model.tell(n)
        sim.advance(20)
        again = [message for incarnation, message in log if incarnation == 2]
        assert again[: len(ways)] == list(range(len(ways)))
        assert again[-4:] == list(range(10, 14))


@given(st.integers(1, 4), st.integers(0, 3))
def test_a_crash_does_not_count_against_the_messages_beside_it(crashes: int, redeliver: int) -> None:
    """Guards `redeliver`: the poison is put aside, and nothing else is."""
    log: list[tuple[int, object]] = []
    with simulation() as sim:
        quarantined: list[Any] = []
        letters: list[Any] = []
        sim.runtime.events.subscribe(quarantined.append, Quarantined)
        sim.runtime.events.subscribe(letters.append, DeadLetter)
        tree = child("m", Model, args=(log,), backoff=None, redeliver=redeliver)
        model = sim.start(supervisor("root", tree, max_restarts=None)).child("m")
        answer = model.ask("innocent", block=False, timeout=None)
        for _ in range(crashes):
            model.tell("bad")
        sim.advance(100)
        assert answer.get().startswith("innocent by ")
        assert [each.message for each in (*quarantined, *letters)] == ["bad"] * crashes


def test_a_message_that_was_cut_off_is_not_taken_for_one_of_the_stash() -> None:
    """The same object is told twice. The first handler takes its message back from the stash, and crashes."""
    handled: list[int] = []

    class Twice(Actor):
        concurrency = 3

        async def on_receive(self, message: Any) -> None:
            handled.append(self.incarnation)
            if handled == [1]:
                self.stash()
                self.unstash()
                await asyncio.sleep(0.5)
                raise ValueError
            if self.incarnation == 1:
                await asyncio.sleep(1)

    with simulation() as sim:
        actor = sim.start(supervisor("root", child("a", Twice, backoff=None))).child("a")
        actor.tell("x")
        actor.tell("x")
        sim.advance(20)
        assert handled == [1, 1, 1, 2, 2]


def test_other_actors_go_on_when_a_handler_passes_its_limit() -> None:
    """Guards the innocents of a handler that does not even end when it is cancelled."""

    class Stubborn(Actor):
        concurrency = 2

        async def on_receive(self, message: Any) -> Any:
            if message != "stubborn":
                await asyncio.sleep(1.5)
                return self.incarnation
            for _ in range(2):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(1000)
            return None

    with simulation() as sim:
        actor = sim.start(supervisor("root", child("a", Stubborn, backoff=None, handler_timeout=2.0))).child("a")
        stubborn = actor.ask("stubborn", block=False)
        sim.advance(1.9)
        other = actor.ask("other", block=False)
        sim.advance(20)
        assert other.get() == 2
        with pytest.raises(HandlerTimeout):
            stubborn.get()


def test_without_a_next_incarnation_the_askers_are_told_at_once() -> None:
    """Guards askers of an actor that nobody restarts, and of one whose supervisor gives it up."""
    log: list[tuple[int, object]] = []
    with simulation() as sim:
        alone: ActorRef[Any] = sim.spawn(Model, args=(log,))
        dropped = sim.start(supervisor("root", child("m", Model, args=(log,), restart="temporary"))).child("m")
        for model in (alone, dropped):
            answer = model.ask("innocent", block=False)
            model.tell("bad")
            sim.advance(0.9)
            with pytest.raises(ActorDeadError, match="bad"):
                answer.get()


def test_a_class_that_says_so_answers_a_failure_and_lives() -> None:
    """Guards `answers`: with it, the failure of one handler is its asker's alone."""

    class Careful(Model):
        answers = (Exception,)

    log: list[tuple[int, object]] = []
    with simulation() as sim:
        model = sim.start(supervisor("root", child("m", Careful, args=(log,)))).child("m")
        answer, bad = model.ask("innocent", block=False), model.ask("bad", block=False)
        sim.advance(2)
        assert answer.get() == "innocent by 1"
        with pytest.raises(ValueError, match="bad"):
            bad.get()


class Leaver(Model):
    """For `bad`, a task or callback that the handler begins exits while the handler waits."""

    async def on_receive(self, message: Any) -> Any:
        self.log.append((self.incarnation, message))
        if isinstance(message, str):
            loop = asyncio.get_running_loop()
            match message.partition(" ")[0]:
                case "task":
                    self.task = loop.create_task(leave())
                case "callback":
                    loop.call_later(0.5, sys.exit)
                case "done":
                    loop.create_task(asyncio.sleep(0.5)).add_done_callback(lambda _: sys.exit())
        await asyncio.sleep(1.0)
        return f"{message} by {self.incarnation}"


async def leave() -> None:
    await asyncio.sleep(0.5)
    sys.exit()


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("way", ["task", "callback", "done"])
def test_an_exit_of_its_own_task_counts_against_a_message(way: str, asked: bool, concurrency: int) -> None:
    """It is not handled again and again, and the handlers beside it are spared."""
    log: list[tuple[int, object]] = []
    kind = type("Some", (Leaver,), {"concurrency": concurrency})
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("m", kind, args=(log,), backoff=None))).child("m")
        beside = [ref.ask(n, block=False) for n in range(concurrency - 1)]
        bad = ref.ask(way, block=False) if asked else None
        if bad is None:
            ref.tell(way)
        sim.advance(20)
        assert [message for _, message in log].count(way) == 1
        assert [answer.get() for answer in beside] == [f"{n} by 2" for n in range(concurrency - 1)]
        assert ref.incarnation == 2
        if bad is not None:
            with pytest.raises(ActorCrashed):
                bad.get()


class Meddler(Actor):
    """Answers a question by having its own incarnation crash, and waits for that."""

    concurrency = 2

    def __init__(self, log: list[object]) -> None:
        self.log = log

    async def on_receive(self, message: Any) -> Any:
        self.log.append(message)
        if message == "crash":
            raise ValueError("crash")
        return await self.ref.call("crash", timeout=None)


@pytest.mark.parametrize("told", [True, False])
def test_a_handler_that_crashes_its_own_actor_comes_again_ten_times(told: bool) -> None:
    """A handler that has its own incarnation crash would be begun again without end."""
    log: list[object] = []
    with simulation() as sim:
        lost: list[object] = []
        sim.runtime.events.subscribe(lambda each: lost.append(each.message), DeadLetter)
        tree = supervisor("root", child("m", Meddler, args=(log,), backoff=None), max_restarts=None)
        meddler = sim.start(tree).child("m")
        asked = None
        if told:
            meddler.tell("meddle")
        else:
            asked = meddler.ask("meddle", block=False, timeout=None)
        sim.advance(60)
        assert log.count("meddle") == 11
        if asked is not None:
            with pytest.raises(ActorDeadError):
                asked.get()
        assert lost.count("meddle") == 1


class Continuing(Actor):
    """Goes on after its start for a second, and fails at a word."""

    concurrency = 2

    def __init__(self, log: list[int]) -> None:
        self.log = log

    async def on_continue(self) -> None:
        self.log.append(self.incarnation)
        await asyncio.sleep(1.0)

    async def on_receive(self, message: Any) -> Any:
        raise ValueError(message)


def test_each_incarnation_continues_once_whatever_cut_the_last_one_off() -> None:
    """The `Continue` of an incarnation that crashed meanwhile does not come again to the next one."""
    log: list[int] = []
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("m", Continuing, args=(log,), backoff=None))).child("m")
        ref.tell("crash")
        sim.advance(10)
        assert log == [1, 2]


class Stashing(Actor):
    """Puts a message aside, and waits in its handler."""

    concurrency = 2

    def __init__(self, log: list[tuple[int, object]]) -> None:
        self.log = log

    async def on_receive(self, message: Any) -> Any:
        self.log.append((self.incarnation, message))
        if message == "bad":
            raise ValueError(message)
        if self.incarnation == 1:
            self.stash()
            await asyncio.sleep(10)


def test_a_message_that_its_handler_put_aside_comes_again_once() -> None:
    """It waits in the stash, and its handler, which another crash cuts off, does not bring it a second time."""
    log: list[tuple[int, object]] = []
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("m", Stashing, args=(log,), backoff=None))).child("m")
        ref.tell("kept")
        sim.advance(1)
        ref.tell("bad")
        sim.advance(30)
        assert log == [(1, "kept"), (1, "bad"), (2, "kept")]
