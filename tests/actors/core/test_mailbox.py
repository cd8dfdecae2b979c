"""Mailboxes: order, bounds with each policy, priorities, the system lane, the stash, and conservation."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from functools import partial
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import (
    Actor,
    ActorDeadError,
    ActorRef,
    BlockingCallError,
    Down,
    MailboxFull,
    MailboxSpec,
    Quarantined,
    bounded,
    prioritized,
)
from supervisors import child, start, supervisor
from tests.actors.cast import PATIENCE, Host, Player, blocking, crash, forever, script, seen_by, stage
from tests.support import World, in_loop

POLICIES = ["reject", "drop_oldest", "drop_newest", "block"]


# Bounds


async def suspended(w: World, mailbox: MailboxSpec, seen: list[Any] | None = None, **options: Any) -> ActorRef[Any]:
    """A player that takes no message yet."""
    ref = await w.runtime.spawn(Player, args={"seen": seen}, mailbox=mailbox, **options)
    ref.suspend()
    await w.settle()
    return ref


@in_loop
async def test_a_full_mailbox_that_rejects_gives_the_message_back() -> None:
    """Guards the sender's message: the error holds it, and says how many wait where."""
    async with stage() as w:
        ref = await suspended(w, bounded(2))
        ref.tell(1)
        ref.tell(2)
        with pytest.raises(MailboxFull) as caught:
            ref.tell(3)
        assert (caught.value.path, caught.value.capacity, caught.value.undelivered) == (ref.path, 2, 3)


@in_loop
async def test_an_ask_that_a_full_mailbox_rejects_raises_the_same() -> None:
    """Guards askers against a wait for a message that never entered."""
    async with stage() as w:
        ref = await suspended(w, bounded(1))
        ref.tell(1)
        with pytest.raises(MailboxFull):
            await ref.call(2)
        with pytest.raises(MailboxFull):
            ref.ask(2, block=False)


@pytest.mark.parametrize(("policy", "kept", "lost"), [("drop_oldest", [2, 3], 1), ("drop_newest", [1, 2], 3)])
@in_loop
async def test_a_full_mailbox_that_drops_makes_a_dead_letter_of_what_it_drops(
    policy: Any, kept: list[int], lost: int
) -> None:
    """Guards against a loss in silence, and the meaning of oldest and newest."""
    async with stage() as w:
        seen: list[int] = []
        ref = await suspended(w, bounded(2, policy), seen)
        for number in (1, 2, 3):
            ref.tell(number)
        assert w.dead_letters == [("overflow", lost)]
        ref.resume()
        await w.settle()
        assert seen == kept


@in_loop
async def test_the_asker_of_a_dropped_message_is_told() -> None:
    """Guards an asker whose message made room for another."""
    async with stage() as w:
        ref = await suspended(w, bounded(1, "drop_oldest"))
        answer = ref.ask(1, block=False)
        ref.tell(2)
        with pytest.raises(ActorDeadError) as caught:
            await answer
        assert caught.value.undelivered == 1


@in_loop
async def test_a_full_mailbox_that_blocks_refuses_tell_on_a_loop_and_names_send() -> None:
    """Guards the event loop: the error says what to write."""
    async with stage() as w:
        ref = await suspended(w, bounded(1, "block"))
        ref.tell(1)
        with pytest.raises(BlockingCallError, match=r"await ref\.send"):
            ref.tell(2)


@in_loop
async def test_send_awaits_room_in_a_full_mailbox_that_blocks() -> None:
    """Guards back-pressure for coroutines: nothing is lost, nothing is refused, the order stays."""
    async with stage() as w:
        seen: list[int] = []
        ref = await suspended(w, bounded(1, "block"), seen)
        await ref.send(1)
        sending = asyncio.create_task(ref.send(2))
        await w.settle()
        assert not sending.done()
        ref.resume()
        await sending
        await w.settle()
        assert seen == [1, 2]


def test_tell_from_a_thread_waits_for_room_in_a_full_mailbox_that_blocks() -> None:
    """Guards back-pressure for threads."""
    with script() as runtime:
        seen: list[int] = []
        gate = threading.Event()
        ref = runtime.spawn(Player, args={"seen": seen}, mailbox=bounded(1, "block"), host="thread").get()
        entered = threading.Event()
        ref.tell(blocking(entered, gate))
        assert entered.wait(PATIENCE)
        ref.tell(1)
        sent: list[int] = []

        def send() -> None:
            for number in (2, 3):
                ref.tell(number)
                sent.append(number)

        sender = threading.Thread(target=send)
        sender.start()
        assert sent == []
        gate.set()
        sender.join(PATIENCE)
        assert sent == [2, 3]
        ref.ask("last")
        assert seen == [1, 2, 3, "last"]


@in_loop
async def test_the_end_of_the_actor_lets_blocked_senders_go_with_a_dead_letter() -> None:
    """Guards senders against waiting for room in a mailbox nobody empties any more."""
    async with stage() as w:
        ref = await suspended(w, bounded(1, "block"))
        await ref.send(1)
        sending = asyncio.create_task(ref.send(2))
        await w.settle()
        ref.kill()
        await sending
        await w.settle()
        assert sorted(w.dead_letters) == [("closed", 1), ("closed", 2)]


@in_loop
async def test_a_sender_that_gives_up_leaves_its_room_to_the_next() -> None:
    """Guards waiting senders: a cancelled one must not swallow the news that there is room."""
    async with stage() as w:
        seen: list[int] = []
        ref = await suspended(w, bounded(1, "block"), seen)
        await ref.send(1)
        first, second = asyncio.create_task(ref.send(2)), asyncio.create_task(ref.send(3))
        await w.settle()
        first.cancel()
        ref.resume()
        await asyncio.wait_for(second, PATIENCE)
        await w.settle()
        assert seen == [1, 3]


@in_loop
async def test_senders_that_wait_for_room_are_let_in_in_the_order_they_came() -> None:
    """Guards rule 33 under back-pressure: who comes later does not slip in before those who wait."""
    async with stage() as w:
        seen: list[int] = []
        ref = await suspended(w, bounded(2, "block"), seen)
        sending = [asyncio.create_task(ref.send(number)) for number in range(10)]
        await w.settle()
        ref.resume()
        late = asyncio.create_task(ref.send(10))
        await asyncio.gather(*sending, late)
        await w.settle()
        assert seen == list(range(11))


@in_loop
async def test_a_waiting_message_that_cannot_be_ranked_is_its_senders_error() -> None:
    """Guards the receiver: it lets the message in, and must not crash for it."""
    async with stage() as w:
        ref = await suspended(w, MailboxSpec(capacity=1, policy="block", priority=lambda message: message["rank"]))
        await ref.send({"rank": 1})
        bad, good = asyncio.create_task(ref.send({})), asyncio.create_task(ref.send({"rank": 2}))
        await w.settle()
        ref.resume()
        with pytest.raises(KeyError):
            await bad
        await good
        await w.settle()
        assert seen_by(ref) == [{"rank": 1}, {"rank": 2}]


class Step(NamedTuple):
    """One thing a test does to a mailbox."""

    name: str
    number: int


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(["tell", "tell", "tell", "settle", "suspend", "resume", "tick"]),
        st.integers(0, 9),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(policy=st.sampled_from(POLICIES), capacity=st.integers(1, 4), priorities=st.booleans(), plan=steps)
@in_loop
async def test_a_bounded_mailbox_never_holds_more_than_its_capacity(
    policy: Any, capacity: int, priorities: bool, plan: list[Step]
) -> None:
    """Guards memory, for each policy, and that every message is handled, refused, dropped aloud or waiting."""
    async with stage() as w:
        seen: list[Any] = []
        mailbox = MailboxSpec(capacity=capacity, policy=policy, priority=(lambda m: m[1]) if priorities else None)
        ref = await suspended(w, mailbox, seen)
        refused: list[Any] = []
        sending: list[asyncio.Task[None]] = []
        sent = 0
        for step in plan:
            match step.name:
                case "tell" if policy == "block":
                    sending.append(asyncio.create_task(ref.send((sent, step.number))))
                    sent += 1
                case "tell":
                    try:
                        ref.tell((sent, step.number))
                    except MailboxFull as full:
                        refused.append(full.undelivered)
                    sent += 1
                case "suspend":
                    ref.suspend()
                case "resume":
                    ref.resume()
                case "tick":
                    await asyncio.sleep(0)
                case _:
                    await w.settle()
            assert ref.status().queued <= capacity
        await w.settle()
        waiting = ref.status().queued + sum(not each.done() for each in sending)
        assert sent == len(seen) + len(refused) + len(w.dead_letters) + waiting
        ref.resume()
        await asyncio.gather(*sending)
        await w.settle()
        assert sorted([*seen, *refused, *(message for _, message in w.dead_letters)]) == sorted(
            {*seen, *refused, *(message for _, message in w.dead_letters)}
        )
        if not priorities:
            assert seen == sorted(seen)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("priorities", [False, True])
@in_loop
async def test_an_order_to_stop_enters_a_full_mailbox_and_is_never_dropped(policy: Any, priorities: bool) -> None:
    """Guards rule 34: dropping the oldest must not drop the order to stop, nor does it take the room of a message."""
    async with stage() as w:
        seen: list[int] = []
        priority = (lambda message: message) if priorities else None
        ref = await suspended(w, MailboxSpec(capacity=1, policy=policy, priority=priority), seen)
        ref.tell(1)
        stopped = ref.stop(block=False)
        for number in (2, 3):
            if policy in ("drop_oldest", "drop_newest"):
                ref.tell(number)
            else:
                with pytest.raises((MailboxFull, BlockingCallError)):
                    ref.tell(number)
        ref.resume()
        assert await stopped is True
        assert not ref.is_alive()
        dead: list[Any] = [message for _, message in w.dead_letters]
        handled_or_dead = sorted([*seen, *dead])
        assert handled_or_dead == ([1, 2, 3] if policy.startswith("drop") else [1])


@pytest.mark.parametrize("policy", POLICIES)
@in_loop
async def test_system_messages_pass_a_full_mailbox_and_all_user_messages(policy: Any) -> None:
    """Guards rule 34: the notice of a death arrives, and first, whatever the bound says."""
    async with stage() as w:
        seen: list[Any] = []
        ref = await w.runtime.spawn(Player, args={"seen": seen}, mailbox=bounded(2, policy))
        watched = await w.runtime.spawn(Player)
        await ref.call(lambda self: self.monitor(watched))
        ref.suspend()
        await w.settle()
        ref.tell(1)
        ref.tell(2)
        watched.kill()
        await w.settle()
        ref.resume()
        await w.settle()
        assert isinstance(seen[0], Down)
        assert seen[1:] == [1, 2]


@pytest.mark.parametrize(
    "wrong",
    [{"capacity": 0}, {"capacity": "many"}, {"policy": "swallow"}, {"capacity": 1, "polcy": "reject"}],
)
def test_a_nonsense_mailbox_is_refused_when_it_is_built(wrong: dict[str, Any]) -> None:
    """Guards specs: a typo does not pass."""
    with pytest.raises(ValueError, match="MailboxSpec"):
        MailboxSpec(**wrong)


# Priorities


@given(st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=20), st.sampled_from(["loop", "thread"]))
@settings(max_examples=40)
@in_loop
async def test_a_priority_mailbox_is_in_order_of_priority_and_of_arrival(
    messages: list[tuple[int, int]], host: str
) -> None:
    """Guards the order: priority first, arrival second."""
    async with stage() as w:
        seen: list[Any] = []
        ref = await suspended(w, prioritized(lambda message: message[0]), seen, host=host)
        for message in messages:
            ref.tell(message)
        ref.resume()
        await ref.call((9, 9))
        assert seen == [*sorted(messages, key=lambda message: message[0]), (9, 9)]


@in_loop
async def test_a_priority_mailbox_with_drop_oldest_drops_what_waited_longest() -> None:
    """Guards the urgent message: it is first in the queue, not the oldest in it."""
    async with stage() as w:
        ref = await suspended(w, prioritized(lambda message: message, capacity=2, policy="drop_oldest"))
        for message in (5, 1, 3):
            ref.tell(message)
        assert w.dead_letters == [("overflow", 5)]


@in_loop
async def test_what_a_priority_function_raises_reaches_the_sender() -> None:
    """Guards the receiver: a message nobody can rank is the sender's fault, and stays with it."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, mailbox=prioritized(lambda message: message["rank"]))
        with pytest.raises(KeyError):
            ref.tell({})
        assert await ref.call({"rank": 1}) == {"rank": 1}


# The stash


@in_loop
async def test_stashed_messages_come_back_to_the_front_in_the_order_they_came() -> None:
    """Guards the order of what was put aside against what came later."""
    async with stage() as w:
        ref = await w.runtime.spawn(Stasher)
        for number in (1, 2, 3):
            ref.tell(number)
        await w.settle()
        assert ref.status().stashed == 3
        ref.suspend()
        await w.settle()
        ref.tell("open")
        ref.tell(4)
        ref.resume()
        await w.settle()
        assert seen_by(ref) == [1, 2, 3, 4]
        assert ref.status().stashed == 0


@in_loop
async def test_the_asker_of_a_stashed_message_is_answered_when_it_is_handled() -> None:
    """Guards askers: what the handler that stashed returns is no answer."""
    async with stage() as w:
        ref = await w.runtime.spawn(Stasher)
        answer = ref.ask(1, block=False)
        await w.settle()
        assert not answer.done()
        ref.tell("open")
        assert await answer == 1


@in_loop
async def test_a_crash_does_not_lose_the_stash() -> None:
    """Guards messages put aside: the next incarnation gets them, in order and before the rest."""
    async with (
        stage() as w,
        start(supervisor("root", child("a", Stasher, backoff=None)), runtime=w.runtime) as root,
    ):
        ref = root.child("a")
        answer = ref.ask(1, block=False)
        ref.tell(2)
        await w.settle()
        ref.tell("crash")
        ref.tell(3)
        ref.tell("open")
        await w.settle()
        assert ref.incarnation == 2
        assert await answer == 1
        assert seen_by(ref) == [1, 2, 3]
        assert w.dead_letters == [("crashed", "crash")]


@in_loop
async def test_the_end_of_an_actor_makes_dead_letters_of_its_stash() -> None:
    """Guards against a loss in silence at the very end."""
    async with stage() as w:
        ref = await w.runtime.spawn(Stasher)
        ref.tell(1)
        answer = ref.ask(2, block=False)
        await w.settle()
        ref.kill()
        with pytest.raises(ActorDeadError):
            await answer
        assert w.dead_letters == [("closed", 1), ("closed", 2)]


class Stasher(Actor):
    """Puts numbers aside until it is told to open."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.opened = False

    def on_receive(self, message: Any) -> Any:
        if message == "open":
            self.opened = True
            self.unstash()
        elif message == "crash":
            raise RuntimeError(message)
        elif self.opened:
            self.seen.append(message)
            return message
        else:
            self.stash()
        return None


# Order


@settings(max_examples=40)
@given(
    plan=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["tell", "tell", "tell", "crash", "tick", "stash"])),
        max_size=40,
    ),
    host=st.sampled_from(["loop", "loop", "thread"]),
)
@in_loop
async def test_messages_from_one_sender_arrive_in_the_order_sent_through_crashes(
    plan: list[tuple[int, str]], host: Host
) -> None:
    """Guards rule 33 for any interleaving of senders, with crashes of the receiver in between."""
    async with stage() as w:
        seen: list[tuple[str, int]] = []
        tree = supervisor("root", child("a", Player, args={"seen": seen}, host=host, backoff=None), max_restarts=None)
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            senders = [await w.runtime.spawn(Player) for _ in range(3)]
            for number, (sender, what) in enumerate(plan):
                message: Any = (str(sender), number) if what != "crash" else crash(ValueError())
                if what == "tick":
                    await asyncio.sleep(0)
                else:
                    senders[sender].tell(lambda _, message=message: ref.tell(message))
            await w.settle()
            await ref.call(("end", 0))
        for each in map(str, range(3)):
            arrived = [number for who, number in seen if who == each]
            assert arrived == sorted(arrived)


def test_messages_from_one_thread_arrive_in_the_order_sent() -> None:
    """Guards rule 33 for threads, several at once, to either host."""
    with script() as runtime:
        for host in ("loop", "thread"):
            seen: list[Any] = []
            ref = runtime.spawn(Player, args={"seen": seen}, host=host).get()
            threads = [threading.Thread(target=partial(_tell_all, ref, who)) for who in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            ref.ask("end")
            assert len(seen) == 901
            for who in range(3):
                assert [each[1] for each in seen[:-1] if each[0] == who] == list(range(300))


def _tell_all(ref: ActorRef[Any], who: int) -> None:
    for number in range(300):
        ref.tell((who, number))


# Conservation


class Job(NamedTuple):
    """A message with an identity, and what its handler does."""

    number: int
    act: str


class Worker(Actor):
    """Does what its jobs say, and notes those it has finished."""

    answers = (KeyError,)

    def __init__(self, done: list[int], put_aside: set[int]) -> None:
        self.done = done
        self.put_aside = put_aside

    def on_receive(self, job: Job) -> Any:
        match job.act:
            case "crash":
                raise ValueError(job.number)
            case "answer":
                self.done.append(job.number)
                if self._cell.envelope is not None and self._cell.envelope.reply is not None:
                    raise KeyError(job.number)
                return None
            case "wait":
                return self._wait(job)
            case "wait_crash":
                return self._wait_and_crash(job)
            case "hang":
                return forever()
            case "stash" if job.number not in self.put_aside:
                self.put_aside.add(job.number)
                self.stash()
                return None
            case "unstash":
                self.unstash()
        self.done.append(job.number)
        return job.number

    async def _wait(self, job: Job) -> int:
        await asyncio.sleep(0)
        self.done.append(job.number)
        return job.number

    async def _wait_and_crash(self, job: Job) -> None:
        await asyncio.sleep(0)
        raise ValueError(job.number)


class Wide(Worker):
    """Three at once."""

    concurrency = 3


ACTS = ["ok", "ok", "ok", "crash", "wait", "wait_crash", "hang", "stash", "unstash", "answer"]
doings = st.lists(
    st.tuples(
        st.sampled_from(["tell"] * 6 + ["ask"] * 3 + ["kill", "suspend", "resume", "settle", "tick", "advance"]),
        st.sampled_from(ACTS),
    ),
    max_size=30,
)


@settings(max_examples=200)
@given(
    plan=doings,
    mailbox=st.builds(
        MailboxSpec,
        capacity=st.none() | st.integers(1, 4),
        policy=st.sampled_from(["reject", "drop_oldest", "drop_newest"]),
        priority=st.sampled_from([None, lambda job: job.number % 3]),
        on_restart=st.sampled_from(["keep", "drop"]),
    ),
    redeliver=st.integers(0, 2),
    wide=st.booleans(),
    timed=st.booleans(),
)
@in_loop
async def test_every_message_has_exactly_one_fate(
    plan: list[tuple[str, str]], mailbox: MailboxSpec, redeliver: int, wide: bool, timed: bool
) -> None:
    """Guards conservation: sent = handled + dead-lettered + waiting under crashes, kills, restarts, bounds and
    policies.
    """
    async with stage() as w:
        done: list[int] = []
        spec = child(
            "a",
            Wide if wide else Worker,
            args={"done": done, "put_aside": set()},
            mailbox=mailbox,
            redeliver=redeliver,
            backoff=None,
            handler_timeout=1.0 if timed else None,
        )
        refused: list[int] = []
        answers: list[Any] = []
        tree = start(supervisor("root", spec, max_restarts=None), runtime=w.runtime)
        ref = (await tree.__aenter__()).child("a")
        sent = 0
        for what, act in plan:
            match what:
                case "tell" | "ask":
                    try:
                        if what == "tell":
                            ref.tell(Job(sent, act))
                        else:
                            answers.append(ref.ask(Job(sent, act), block=False, timeout=2))
                    except MailboxFull as full:
                        refused.append(cast("Job", full.undelivered).number)
                    sent += 1
                case "kill":
                    ref.kill()
                case "suspend":
                    ref.suspend()
                case "resume":
                    ref.resume()
                case "tick":
                    await asyncio.sleep(0)
                case "advance":
                    await w.advance(0.75)
                case _:
                    await w.settle()
        await w.settle()
        status = ref.status()
        counts = accounted(w, done, refused)
        hanging = status_of_hanging(ref)
        assert sent == sum(counts.values()) + status.queued + status.stashed + hanging
        assert set(counts.values()) <= {1}
        leaving = asyncio.create_task(tree.__aexit__(None, None, None))
        while not leaving.done():
            await w.advance(1)
        assert accounted(w, done, refused) == Counter(range(sent))
        assert all(answer.done() for answer in answers)


def accounted(w: World, done: list[int], refused: list[int]) -> Counter[int]:
    """How often each job has come to an end."""
    dead = [message.number for _, message in w.dead_letters if isinstance(message, Job)]
    quarantined = [event.message.number for event in w.seen(Quarantined)]
    return Counter([*done, *refused, *dead, *quarantined])


def status_of_hanging(ref: ActorRef[Any]) -> int:
    """How many handlers of the actor still wait."""
    return ref._cell.active
