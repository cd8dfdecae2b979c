"""What an actor can do and what can be done with it is the same in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors import (
    Actor,
    ActorCrashed,
    ActorDeadError,
    CallTimeout,
    Crashed,
    DeadLetter,
    DeadlockError,
    Down,
    HookFailed,
    LinkedExit,
    ManualClock,
    MessageHandled,
    NameTaken,
    NoProc,
    NoSuchActor,
    NotInPlace,
    NotSendable,
    PlaceLost,
    Shutdown,
    StartDeclined,
    StartError,
    Survived,
    UnhandledMessage,
    bounded,
    handles,
)
from supervisors import child, exponential
from tests.actors.place import cast
from tests.actors.place.cast import (
    AsyncPerformer,
    Caretaker,
    Door,
    Hosting,
    Listener,
    Load,
    Performer,
    crash_of,
    hearer,
    noting,
    pid,
    placed,
    placing,
    stage,
    tree,
    until,
)
from tests.support import in_loop


class Parser(Actor):
    """Has typed handlers, answers and resumes."""

    answers = (KeyError,)
    resumes = (ZeroDivisionError,)

    def __init__(self, factor: int = 2) -> None:
        self.factor = factor
        self.heard: list[object] = []

    @handles
    def load(self, load: Load) -> int:
        return self.factor * load.number

    @handles
    def text(self, text: str) -> Any:
        match text:
            case "answer":
                raise KeyError(text)
            case "resume":
                self.heard.append(text)
                raise ZeroDivisionError(text)
        return list(self.heard)


class Decliner(Actor):
    def on_start(self) -> None:
        from actors import IgnoreStart

        raise IgnoreStart


class Broken(Actor):
    def on_start(self) -> None:
        raise LookupError("no start")


class Stubborn(Performer):
    def on_stop(self) -> None:
        raise OSError("no stop")


class Continuing(Performer):
    def on_continue(self) -> None:
        self.notes.append("continued")


class Counting(Performer):
    """An attribute and a method for a proxy."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 3

    def double(self, number: int) -> int:
        return 2 * number


def tell_to(self: Any, ref: Any, message: Any) -> None:
    ref.tell(message)


def call_out(self: Any, ref: Any, message: Any) -> Any:
    return ref.call(message)


def give(_: Any, value: Any) -> Any:
    return value


def sender_of(self: Any) -> Any:
    return self.sender


def sibling_of(self: Any, id: str) -> Any:
    return self.sibling(id)


def call_sibling(self: Any, id: str, message: Any) -> Any:
    return self.sibling(id).call(message)


def correlation(self: Any) -> Any:
    return self.correlation_id


def register(self: Any, name: str) -> None:
    self.register(name)


def join(self: Any, group: str) -> None:
    self.join(group)


def monitor(self: Any, ref: Any) -> Any:
    return self.monitor(ref)


def link(self: Any, ref: Any) -> None:
    self.link(ref)


def take(self: Any) -> None:
    self.taken = self.take_reply()


def answer_taken(self: Any, value: Any) -> None:
    self.taken.answer(value)


def stash(self: Any) -> None:
    if "open" not in self.notes:
        self.stash()
    else:
        self.notes.append("unstashed")


def unstash(self: Any) -> None:
    self.notes.append("open")
    self.unstash()


def later(self: Any, message: Any) -> None:
    self.tell_after(0.001, message)


def stop_self(self: Any) -> None:
    self.stop()


def exit_self(self: Any) -> None:
    self.exit(Shutdown("enough"))


def show(self: Any, value: Any) -> None:
    self.publish_view(value)


def keep(self: Any) -> Any:
    return self.kept(list)


class Watching(Performer):
    """Monitors what it was made with."""

    def on_start(self) -> None:
        self.monitor(self.notes[0])


class Raising(Performer):
    """Raises as soon as it has started."""

    def on_continue(self) -> None:
        raise ValueError("no luck")


def stash_or_take(self: Any) -> None:
    if "open" in self.notes:
        self.taken = self.take_reply()
    else:
        self.stash()


def spawn_below(self: Any) -> Any:
    return self.spawn(Performer)


def own_ref(self: Any) -> Any:
    return self.ref


def own_ref_of(self: Any, ref: Any) -> tuple[Any, bool]:
    return ref, ref.is_alive()


def tell_if_alive(self: Any, ref: Any) -> str:
    try:
        ref.tell("too late")
    except ActorDeadError:
        return "it has terminated"
    return "told"


def forward_to(self: Any, ref: Any) -> None:
    self.forward(ref, "forwarded")


def kill_self(self: Any) -> None:
    self.ref.kill()


def say_healthy(self: Any) -> None:
    self.healthy()


def stop_other(self: Any, ref: Any) -> None:
    ref.stop(block=False)


def tell_and_stop(self: Any, ref: Any) -> None:
    cast.flood(self, ref, 5)
    ref.stop(block=False)
    ref.tell("too late")


def known(self: Any) -> list[str]:
    """The actors that the runtime of its process has cells of."""
    return list(self.runtime.cells)


class Wordy:
    """Logs when it is pickled."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        logging.getLogger("tests.wordy").warning("pickled")
        return (int, (self.number,))


def tell_wordy(self: Any, ref: Any) -> None:
    for number in range(5):
        ref.tell(Wordy(number))


async def wait_long(_: Any) -> None:
    await asyncio.get_running_loop().create_future()


def random_number(_: Any) -> int:
    return random.getrandbits(64)


@pytest.mark.parametrize(
    ("start", "flood"),
    [(cast.ThreadPerformer, cast.flood), (AsyncPerformer, cast.async_flood)],
    ids=["tell of a thread", "send of a coroutine"],
)
@in_loop
async def test_a_flood_of_a_process_waits_for_the_mailbox_of_its_receiver(start: Any, flood: Any) -> None:
    """Guards the memory of the program: not more than a window of messages is on its way, however many are told."""
    async with tree(placed(start=start)) as (s, root):
        heard, numbers = await hearer(s, mailbox=bounded(10, "block"))
        heard.suspend()
        flooded = asyncio.ensure_future(root.child("a").call(partial(flood, to=heard, count=5000), timeout=None))
        queue: Any = heard._cell.queue
        await until(lambda: len(queue._outside) == 990)
        other = await s.runtime.spawn(Performer, host=placing())
        for _ in range(20):
            await other.call("time passes")
        assert len(queue._outside) == 990
        assert not flooded.done()
        heard.resume()
        assert await flooded == 5000
        assert [await numbers.get() for _ in range(5000)] == list(range(5000))


@in_loop
async def test_a_flood_on_the_loop_of_a_process_does_not_fail() -> None:
    """A plain handler there cannot wait: what it tells waits in its process."""
    async with tree(placed()) as (s, root):
        heard, queue = await hearer(s, mailbox=bounded(10, "block"))
        assert await root.child("a").call(partial(cast.flood, to=heard, count=5000)) == 5000
        assert [await queue.get() for _ in range(5000)] == list(range(5000))


@in_loop
async def test_what_waits_in_a_process_is_sent_before_its_end() -> None:
    async with tree(placed(shutdown=cast.PATIENCE)) as (s, root):
        heard, queue = await hearer(s)
        assert await root.child("a").call(partial(cast.flood, to=heard, count=5000)) == 5000
        await root.child("a").stop(block=False)
        assert [await queue.get() for _ in range(5000)] == list(range(5000))


@in_loop
async def test_tell_ask_and_call_reach_a_typed_handler() -> None:
    async with tree(placed(start=Parser, args={"factor": 3})) as (s, root):
        a = root.child("a")
        assert await a.call(Load(number=2)) == 6
        assert await asyncio.to_thread(a.ask, Load(number=3)) == 9
        assert await a.ask(Load(number=4), block=False) == 12
        with pytest.raises(UnhandledMessage):
            await a.call(3.5)
        assert await a.call(Load(number=5)) == 15
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["unhandled"]
        assert a.status().host == placing().kind
        assert a.statistics().handled == 5
        assert a.state() == {}


@in_loop
async def test_an_exception_of_answers_or_resumes_leaves_the_process() -> None:
    async with tree(placed(start=Parser)) as (s, root):
        a = root.child("a")
        with pytest.raises(KeyError):
            await a.call("answer")
        a.tell("answer")
        with pytest.raises(ZeroDivisionError):
            await a.call("resume")
        assert await a.call("heard") == ["resume"]
        assert a.incarnation == 1
        assert a.statistics().resumed == 1
        assert len(s.seen(Survived)) == 1
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["unheard"]


@in_loop
async def test_the_actor_knows_its_path_and_incarnation_there() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        assert await a.call(cast.where) == ("root/a", 1, "a")
        a.tell(cast.leave)
        assert await a.call(cast.where) == ("root/a", 2, "a")
        assert await a.call(own_ref) is a


@in_loop
async def test_refs_travel_in_messages_and_answers_and_are_the_same_object() -> None:
    async with tree(placed(), child("listener", Listener)) as (_, root):
        a, listener = root.child("a"), root.child("listener")
        assert await a.call(partial(give, value=listener)) is listener
        await a.call(partial(tell_to, ref=listener, message=("from", a)))
        while not (heard := listener.state()["heard"]):
            await asyncio.sleep(0.001)
        assert heard == [("from", a)]


@in_loop
async def test_an_actor_asks_others_and_is_their_sender() -> None:
    async with tree(placed(start=AsyncPerformer), child("listener", Listener)) as (_, root):
        a, listener = root.child("a"), root.child("listener")
        assert await a.call(partial(call_out, ref=listener, message="question")) == ("heard", "question")
        assert await a.call(partial(call_out, ref=listener, message=sender_of)) is a
        assert await a.call(partial(call_sibling, id="listener", message=1)) == ("heard", 1)
        assert await a.call(partial(sibling_of, id="listener")) is listener
        with pytest.raises(NoSuchActor):
            await a.call(partial(sibling_of, id="stranger"))


@in_loop
async def test_correlation_ids_cross_in_both_directions() -> None:
    async with tree(placed(start=AsyncPerformer), child("b", Performer)) as (_, root):
        a, b = root.child("a"), root.child("b")
        assert await a.call(correlation, correlation_id="c-1") == "c-1"
        assert await a.call(partial(call_out, ref=b, message=correlation), correlation_id="c-2") == "c-2"


@in_loop
async def test_a_deadline_passes_and_the_late_answer_is_a_dead_letter(tmp_path: Path) -> None:
    clock, door, gate = ManualClock(), Door(tmp_path), Door(tmp_path, "gate")
    async with stage(clock=lambda _: clock) as s:
        a = await s.runtime.spawn(Performer, host=placing())
        asked = asyncio.ensure_future(a.call(door.then(gate.wait), timeout=10))
        await door.opened()
        clock.advance(11)
        with pytest.raises(CallTimeout):
            await asked
        gate.open()
        assert await a.call("next") == "next"
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["late_reply"]


@in_loop
async def test_a_wait_that_would_never_end_is_refused_across_the_process() -> None:
    async with tree(placed("a"), placed("b")) as (_, root):
        a, b = root.child("a"), root.child("b")
        back = partial(call_out, ref=a, message="back")
        with pytest.raises(DeadlockError) as caught:
            await a.call(partial(call_out_async, ref=b, message=back))
        assert set(caught.value.chain) == {"root/a", "root/b"}


async def call_out_async(self: Any, ref: Any, message: Any) -> Any:
    return await ref.call(message)


@in_loop
async def test_names_and_groups_are_those_of_the_program() -> None:
    async with tree(placed("a"), placed("b")) as (s, root):
        a, b = root.child("a"), root.child("b")
        await a.call(partial(register, name="parser"))
        assert s.runtime.whereis("parser") is a
        with pytest.raises(NameTaken):
            await b.call(partial(register, name="parser"))
        assert await a.call(partial(register, name="parser")) is None
        await a.call(partial(join, group="workers"))
        assert s.runtime.members("workers") == [a]
        down = a.monitor()
        a.tell(cast.leave)
        await down
        assert s.runtime.whereis("parser") is None
        assert s.runtime.members("workers") == []


@in_loop
async def test_a_monitor_of_a_process_hears_of_the_end_of_an_outside_actor() -> None:
    async with tree(placed("a"), child("b", Performer, backoff=None)) as (_, root):
        a, b = root.child("a"), root.child("b")
        number = await a.call(partial(monitor, ref=b))
        b.kill()
        while not (heard := await a.call(cast.downs)):
            await asyncio.sleep(0.001)
        assert [(type(each), each.ref, each.monitor) for each in heard] == [(Down, b, number)]
        assert await b.call("again") == "again"


@pytest.mark.parametrize("start", [Performer, cast.ThreadPerformer])
@pytest.mark.parametrize("known", [False, True])
@in_loop
async def test_an_actor_that_has_terminated_is_known_as_such_in_a_process(known: bool, start: type[Actor]) -> None:
    """Guards a monitor of it, which would never tell."""
    async with stage() as s:
        a, listener = await s.runtime.spawn(start, host=placing()), await s.runtime.spawn(Listener)
        if known:
            await a.call(partial(own_ref_of, ref=listener))
        await listener.stop(block=False)
        assert await a.call(partial(own_ref_of, ref=listener)) == (listener, False)
        await a.call(partial(monitor, ref=listener))
        assert [down.reason for down in await a.call(cast.downs)] == [NoProc()]
        assert await a.call(partial(tell_if_alive, ref=listener)) == "it has terminated"
        assert s.seen(DeadLetter) == []


@in_loop
async def test_a_link_ends_the_process_with_its_partner() -> None:
    async with tree(placed("a", restart="temporary"), child("b", Performer, backoff=None)) as (_, root):
        a, b = root.child("a"), root.child("b")
        await a.call(partial(link, ref=b))
        b.tell(cast.fail)
        assert isinstance(crash_of(await a.ended()), LinkedExit)


@in_loop
async def test_the_crash_of_a_process_ends_its_linked_partner() -> None:
    async with tree(placed("a"), child("b", Performer, restart="temporary")) as (_, root):
        a, b = root.child("a"), root.child("b")
        await a.call(partial(link, ref=b))
        a.tell(cast.segfault)
        assert isinstance(crash_of(await b.ended()), LinkedExit)


@in_loop
async def test_a_reply_that_is_taken_over_is_answered_later() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        asked = a.ask(take, block=False)
        await a.call("handled since")
        assert not asked.done()
        await a.call(partial(answer_taken, value=5))
        assert await asked == 5


@in_loop
async def test_a_reply_that_is_taken_over_fails_with_the_process() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        asked = a.ask(take, block=False)
        await a.call("handled since")
        a.tell(cast.leave)
        with pytest.raises((ActorCrashed, ActorDeadError, PlaceLost)):
            await asked


@in_loop
async def test_a_forwarded_message_is_answered_by_the_other_actor() -> None:
    async with tree(placed(), child("listener", Listener)) as (_, root):
        a, listener = root.child("a"), root.child("listener")
        assert await a.call(partial(forward_to, ref=listener)) == ("heard", "forwarded")


@in_loop
async def test_a_stashed_message_survives_the_process() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        a.tell(stash)
        assert await a.call("between") == "between"
        await a.call(unstash)
        assert await a.call(cast.notes) == ["open", "unstashed"]
        b_down = a.monitor()
        a.tell(cast.leave)
        await b_down
        a.tell(stash)
        await a.call("between")
        down = a.monitor()
        a.tell(cast.leave)
        await down
        assert await a.call(cast.notes) == []
        await a.call(unstash)
        assert await a.call(cast.notes) == ["open", "unstashed"]


@in_loop
async def test_a_stashed_question_may_be_answered_later() -> None:
    """Guards the asker of a message that was handled after it had been put aside."""
    async with tree(placed()) as (s, root):
        a = root.child("a")
        handled: list[object] = []
        s.runtime.events.subscribe(lambda event: handled.append(event.message), MessageHandled)
        asked = a.ask(stash_or_take, block=False)
        await a.call(unstash)
        await a.call(partial(answer_taken, value=7), timeout=5)
        assert await asked == 7
        assert handled.count(stash_or_take) >= 1


@in_loop
async def test_an_end_that_is_told_before_the_actor_is_made_is_heard() -> None:
    """Guards the frames that come together with the first one."""
    async with stage() as s:
        listener = await s.runtime.spawn(Listener)
        coming = s.runtime.spawn(Watching, args=(listener,), host=placing())
        await asyncio.sleep(0)
        listener.kill()
        a = await coming
        while not await a.call(cast.downs, timeout=5):
            await asyncio.sleep(0.001)


@in_loop
async def test_a_crash_right_after_the_start_is_not_one_of_the_start() -> None:
    async with tree(placed(start=Raising, restart="temporary")) as (_, root):
        assert root.is_alive()


@in_loop
async def test_a_timer_runs_inside_and_ends_with_the_process() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        await a.call(partial(later, message=noting("timed")))
        while not await a.call(cast.notes):
            await asyncio.sleep(0.001)
        assert await a.call(cast.notes) == ["timed"]


@in_loop
async def test_hooks_of_the_end_run_in_the_process_and_a_value_is_carried_over() -> None:
    async with tree(child("listener", Listener)) as (s, root):
        listener = root.child("listener")
        a = await root.start_child(placed("a", Caretaker, args=(listener,)))
        first = await a.call(pid)
        await a.call(noting(1))
        with pytest.raises(ValueError, match="no luck"):
            await a.call(cast.fail)
        assert await a.call(cast.notes) == [1, "restored"]
        second = await a.call(pid)
        await root.terminate_child("a")
        heard = await listener.call(cast.heard)
        assert heard == [("on_failure", first), ("on_stop", second)]
        assert s.pids() != set() or not Hosting.here


@in_loop
async def test_a_start_that_declines_or_raises_is_told_as_anywhere() -> None:
    async with stage() as s:
        with pytest.raises(StartDeclined):
            await s.runtime.spawn(Decliner, host=placing())
        with pytest.raises(StartError) as caught:
            await s.runtime.spawn(Broken, host=placing())
        assert isinstance(caught.value.__cause__, LookupError)


@in_loop
async def test_a_hook_for_the_end_that_raises_makes_the_exit_a_crash() -> None:
    async with stage() as s:
        a = await s.runtime.spawn(Stubborn, host=placing())
        a.stop(block=False)
        assert isinstance(crash_of(await a.ended()), OSError)


@in_loop
async def test_on_continue_runs_before_the_first_message() -> None:
    async with tree(placed(start=Continuing)) as (_, root):
        assert await root.child("a").call(cast.notes) == ["continued"]


@in_loop
async def test_stop_handles_what_waits_and_stop_of_its_own_does_too() -> None:
    async with stage() as s:
        a = await s.runtime.spawn(Performer, host=placing())
        asked = [a.ask(number, block=False) for number in range(5)]
        a.stop(block=False)
        assert [await each for each in asked] == list(range(5))
        assert (await a.ended()) == Shutdown("stop() was called")
        b = await s.runtime.spawn(Performer, host=placing())
        b.tell(stop_self)
        asked = [b.ask(number, block=False) for number in range(5)]
        reason = await b.ended()
        assert reason.kind == "normal"


@in_loop
async def test_an_actor_ends_itself_with_a_reason_of_its_own() -> None:
    async with stage() as s:
        a = await s.runtime.spawn(Performer, host=placing())
        a.tell(exit_self)
        assert await a.ended() == Shutdown("enough")
        b = await s.runtime.spawn(Performer, host=placing())
        b.tell(kill_self)
        assert (await b.ended()).kind == "killed"


@in_loop
async def test_a_view_is_shown_in_the_program() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        await a.call(partial(show, value={"pages": 3}))
        assert a.view() == {"pages": 3}


@in_loop
async def test_healthy_is_heard_by_the_supervisor() -> None:
    async with tree(placed(backoff=exponential(reset="healthy"))) as (_, root):
        a = root.child("a")
        await a.call(say_healthy)
        cell = a._cell
        assert cell.possessions is not None
        assert cell.possessions.healthy


@in_loop
async def test_what_a_process_cannot_keep_is_refused_in_words() -> None:
    async with tree(placed()) as (_, root):
        with pytest.raises(NotInPlace, match="carry_over"):
            await root.child("a").call(keep)


@in_loop
async def test_the_ref_of_an_actor_started_inside_works_outside() -> None:
    async with tree(placed(start=AsyncPerformer)) as (s, root):
        a = root.child("a")
        below = await a.call(give_child)
        assert below.path.startswith("root/a/Performer-")
        assert await below.call(pid) == await a.call(pid)
        assert s.runtime.find(below.path) == below
        assert below.is_alive()
        a.tell(cast.leave)
        assert await a.call("again") == "again"
        assert not below.is_alive()


async def give_child(self: Any) -> Any:
    return await self.spawn(Performer)


@in_loop
async def test_the_ref_of_an_actor_without_a_parent_does_not_leave_the_process() -> None:
    async with tree(placed(start=AsyncPerformer)) as (_, root):
        with pytest.raises(NotSendable, match="started inside"):
            await root.child("a").call(give_stranger)


async def give_stranger(self: Any) -> Any:
    return await self.runtime.spawn(Performer)


@in_loop
async def test_a_proxy_reaches_attributes_and_methods() -> None:
    async with tree(placed(start=Counting)) as (_, root):
        proxy = root.child("a").proxy()
        assert await proxy.double(4) == 8
        assert await proxy.count == 3


@in_loop
async def test_orders_to_others_reach_them() -> None:
    async with stage() as s:
        listener = await s.runtime.spawn(Listener)
        a = await s.runtime.spawn(Performer, host=placing())
        a.tell(partial(stop_other, ref=listener))
        assert (await listener.ended()).kind == "shutdown"


@pytest.mark.parametrize("start", [Performer, cast.ThreadPerformer])
@in_loop
async def test_an_order_to_stop_comes_after_what_was_told_before(start: type[Actor]) -> None:
    async with stage() as s:
        listener = await s.runtime.spawn(Listener)
        heard = listener._cell.actor.heard
        a = await s.runtime.spawn(start, host=placing())
        a.tell(partial(tell_and_stop, ref=listener))
        assert (await listener.ended()).kind == "shutdown"
        assert heard == list(range(5))


@in_loop
async def test_actors_that_have_ended_leave_nothing_with_a_process() -> None:
    """Guards a server that answers thousands of short-lived actors by a message."""
    async with stage() as s:
        a = await s.runtime.spawn(Performer, host=placing())
        for _ in range(20):
            listener = await s.runtime.spawn(Listener)
            await a.call(partial(cast.flood, to=listener, count=3))
            assert await listener.call(cast.heard) == [0, 1, 2]
            await listener.stop(block=False)
        assert await a.call(known) == [a.path]
        host: Any = s.runtime.host(placing())
        outward = host._places[a._cell]._outward
        assert (outward._watched, outward._taken) == ({}, {})


@in_loop
async def test_messages_that_log_when_they_are_pickled_keep_their_order() -> None:
    """A log record goes out after what was told before it, and a message that is being sent comes first."""
    async with stage() as s:
        listener = await s.runtime.spawn(Listener)
        a = await s.runtime.spawn(Performer, host=placing())
        await a.call(partial(tell_wordy, ref=listener))
        assert await listener.call(cast.heard) == list(range(5))


@in_loop
async def test_suspend_and_resume_hold_the_messages_in_the_program() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        await a.call(1)
        a.suspend()
        asked = a.ask(2, block=False)
        await asyncio.sleep(0)
        assert a.status().suspended
        assert not asked.done()
        a.resume()
        assert await asked == 2


@in_loop
async def test_log_records_reach_the_logger_of_the_same_name(caplog: pytest.LogCaptureFixture) -> None:
    async with tree(placed()) as (_, root):
        with caplog.at_level(logging.WARNING):
            await root.child("a").call(cast.log)
        (record,) = caplog.records
        assert (record.name, record.getMessage()) == ("tests.of.places", "a word from inside")


@in_loop
async def test_handlers_of_a_concurrent_class_wait_beside_each_other() -> None:
    async with tree(placed(start=AsyncPerformer, shutdown="brutal_kill")) as (_, root):
        a = root.child("a")
        waiting = [asyncio.ensure_future(a.call(wait_long, timeout=0.05)) for _ in range(3)]
        assert await a.call("through") == "through"
        for each in waiting:
            with pytest.raises(CallTimeout):
                await each


@in_loop
async def test_each_process_has_a_randomness_of_its_own() -> None:
    async with tree(placed("a"), placed("b")) as (_, root):
        assert await root.child("a").call(random_number) != await root.child("b").call(random_number)


@in_loop
async def test_a_value_of_carry_over_that_cannot_be_sent_is_an_event() -> None:
    async with tree(child("listener", Listener)) as (s, root):
        a = await root.start_child(placed("a", Caretaker, args=(root.child("listener"),)))
        await a.call(hold_unsendable)
        with pytest.raises(ValueError, match="no luck"):
            await a.call(cast.fail)
        assert await a.call(cast.notes) == []
        (failed,) = s.seen(HookFailed)
        assert failed.hook == "carry_over"
        assert isinstance(failed.error, NotSendable)


def hold_unsendable(self: Any) -> None:
    self.notes.append(cast.Unsendable())


@in_loop
async def test_a_program_that_is_forked_leaves_the_place_to_its_parent() -> None:
    """Guards the lifeline: a fork of the program that outlives it must not keep a place alive."""
    async with tree(placed()) as (_, root):
        before = await root.child("a").call(pid)
        child_pid = os.fork()
        if child_pid == 0:
            os._exit(0)
        os.waitpid(child_pid, 0)
        assert await root.child("a").call(pid) == before


@in_loop
async def test_a_crash_while_another_message_waits_is_the_first_ones() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        down = a.monitor()
        a.tell(cast.fail)
        assert await a.call("kept") == "kept"
        assert isinstance((await down).reason, Crashed)
