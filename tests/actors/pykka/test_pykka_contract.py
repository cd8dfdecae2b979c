"""pykka's own contract, held by plain `pykka.ThreadingActor`s that live in a tree."""

from __future__ import annotations

import gc
import logging
import pickle
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pykka
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import (
    Actor,
    ActorDeadError,
    ActorRef,
    CallTimeout,
    CrashedExit,
    NotAnActor,
    Started,
)
from actors.testing import Crash, FaultPlan, Kill, KillDuringRestart, Simulation, faults, simulate
from supervisors import BackingOff, Restarting, SpecError, child, constant, start, supervisor
from tests.actors.cast import PATIENCE, script, stage
from tests.support import in_loop


class Plain(pykka.ThreadingActor):
    """Divides by what it is asked, and has an attribute that only instances have."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.part = pykka.traversable(Part())

    def on_receive(self, message: Any) -> Any:
        return message(self) if callable(message) else 1 / message

    def half(self, number: float) -> float:
        return number / 2


class Part:
    """An attribute that proxies may pass through."""

    def name(self) -> str:
        return "part"


@contextmanager
def tree(actor_class: type, **options: Any) -> Iterator[ActorRef[Any]]:
    """The ref of the only child of a tree."""
    with start(supervisor("r", child("a", actor_class, **{"backoff": None, **options})), log=False) as root:
        yield root.child("a")


def crash_and_wait(ref: ActorRef[Any]) -> None:
    """Crashes the incarnation, and returns when the next one has handled a message."""
    before = ref.incarnation
    ref.tell(0)
    assert ref.ask(1) == 1
    assert ref.incarnation == before + 1


# P1: time limits


@in_loop
async def test_a_proxy_call_of_a_pykka_actor_has_no_hidden_deadline() -> None:
    """Guards calls that take long, and those that wait behind them."""
    gate, saved = threading.Event(), threading.Event()

    class Slow(pykka.ThreadingActor):
        def scan(self) -> str:
            gate.wait(PATIENCE)
            return "scanned"

        def save(self) -> None:
            saved.set()

    async with stage(default_timeout=0.25) as w:
        proxy: Any = (await w.runtime.spawn(Slow)).proxy()
        scan, save = proxy.scan(), proxy.save()
        await w.advance(1000)
        assert not scan.done()
        gate.set()
        assert await scan == "scanned"
        await save
        assert saved.is_set()


def test_a_short_ask_ends_the_wait_and_the_message_is_handled() -> None:
    """Guards the message, and the onward calls of its handler: a time limit of pykka's bounds the wait alone."""
    gate = threading.Event()
    told: queue.SimpleQueue[str] = queue.SimpleQueue()

    class Writer(pykka.ThreadingActor):
        def write(self, text: str) -> None:
            told.put(text)

    class Front(pykka.ThreadingActor):
        def on_receive(self, message: Any) -> None:
            gate.wait(PATIENCE)
            writer.proxy().write(message)
            writer.proxy().write(message).get(timeout=PATIENCE)

    with script() as runtime:
        writer, front = runtime.spawn(Writer).get(), runtime.spawn(Front).get()
        for text in ("first", "second"):
            with pytest.raises(pykka.Timeout):
                front.ask(text, timeout=0)
        gate.set()
        assert [told.get(timeout=PATIENCE) for _ in range(4)] == ["first", "first", "second", "second"]


@in_loop
async def test_a_call_that_times_out_is_handled_by_a_pykka_actor() -> None:
    """Guards the same for `call` and for a future with a time limit."""
    gate = threading.Event()
    handled: list[str] = []

    class Slow(pykka.ThreadingActor):
        def on_receive(self, message: str) -> None:
            gate.wait(PATIENCE)
            handled.append(message)

    async with stage(default_timeout=5.0) as w:
        ref = await w.runtime.spawn(Slow)
        asked = [ref.ask("ask", block=False, timeout=1.0), ref.ask("none", block=False)]
        call = w.runtime.loop.create_task(ref.call("call"))
        await w.advance(6.0)
        with pytest.raises(CallTimeout):
            await call
        with pytest.raises(CallTimeout):
            await asked[0]
        assert not asked[1].done()
        gate.set()
        await ref.call("last", timeout=None)
        assert handled == ["ask", "none", "call", "last"]


@in_loop
async def test_a_deadline_of_the_caller_does_not_drop_its_pykka_calls() -> None:
    """Guards a call of a proxy in the handler of a message with a deadline."""
    gate = threading.Event()

    class Slow(pykka.ThreadingActor):
        def on_receive(self, _: object) -> None:
            gate.wait(PATIENCE)

        def save(self) -> str:
            return "saved"

    class Caller(Actor):
        def on_receive(self, _: object) -> Any:
            return slow.proxy().save()

    async with stage(default_timeout=1.0) as w:
        slow = await w.runtime.spawn(Slow)
        slow.tell("busy")
        save = await (await w.runtime.spawn(Caller)).call("go")
        await w.advance(1000)
        gate.set()
        assert await save == "saved"


# P2: names of the user's


RUNTIME_NAMES = sorted(
    {*dir(Actor), *Actor.__annotations__, "_own_ref", "plain", "kind"}
    - {*dir(pykka.ThreadingActor), *vars(pykka.ThreadingActor())}
)
"""Every name of `actors.Actor` that pykka does not have."""


@pytest.mark.parametrize("of", ["class", "instance"])
def test_no_name_of_the_runtime_collides_with_one_of_the_users(of: str) -> None:
    """Guards the user's attributes and methods through every event of a life, and the life itself."""
    names = {name: ["the user's", name] for name in RUNTIME_NAMES}
    assert {"answers", "_cell", "kept", "only_host", "trap_exits", "concurrency", "mailbox"} <= set(names)

    def __init__(self: Any) -> None:
        pykka.ThreadingActor.__init__(self)
        if of == "instance":
            vars(self).update(names)

    body: dict[str, Any] = {"__init__": __init__, "on_receive": lambda _, message: 1 / message}
    if of == "class":
        body.update(names)
    user_class = type("UserClass", (pykka.ThreadingActor,), body)
    with start(supervisor("r", child("a", user_class, backoff=None), child("b", Plain)), log=False) as root:
        a, b = root.child("a"), root.child("b")
        with pytest.raises(ZeroDivisionError):
            a.ask(0)
        crash_and_wait(a)
        a.link(b)
        down = a.monitor()
        a.kill()
        down.get(timeout=PATIENCE)
        assert a.ask(1) == 1
        proxy: Any = a.proxy()
        public = {name: value for name, value in names.items() if not name.startswith("_")}
        assert {name: getattr(proxy, name).get(timeout=PATIENCE) for name in public} == public
        assert of == "class" or a.state()["_cell"] == ["the user's", "_cell"]
        a.ask(2)
    assert not a.is_alive()


# P3: one identity


class Identified(Plain):
    """Gives its ref away in its constructor."""

    given: ClassVar[list[Any]] = []

    def __init__(self) -> None:
        super().__init__()
        self.given.append((self.actor_ref, self.actor_urn, self.actor_ref.proxy()))


@settings(max_examples=10, deadline=None)
@given(crashes=st.integers(0, 3))
def test_a_pykka_actor_has_one_ref_and_one_urn_through_all_restarts(crashes: int) -> None:
    """Guards programs that keep a ref, look up a stored URN, or give out their ref in the constructor."""
    Identified.given.clear()
    with tree(Identified) as a:
        for _ in range(crashes):
            crash_and_wait(a)
        assert pykka.ActorRegistry.get_by_urn(a.actor_urn) is a
        assert pykka.ActorRegistry.get_by_class(Identified) == [a]
        assert a.ask(lambda self: (self.actor_ref is a, self.actor_urn, self.actor_inbox.empty())) == (
            True,
            a.actor_urn,
            True,
        )
        assert a.actor_urn.startswith("urn:uuid:")
        assert a.actor_urn in str(a)
        assert len(Identified.given) == crashes + 1
        for ref, urn, proxy in Identified.given:
            assert (ref is a, urn, proxy) == (True, a.actor_urn, a.proxy())
            assert proxy.half(3).get(timeout=PATIENCE) == 1.5
    assert pykka.ActorRegistry.get_all() == []


def test_two_actors_have_two_urns_and_our_own_are_not_registered() -> None:
    """Guards the registry of pykka, which is for classes of pykka."""
    with script() as runtime:
        one, two, own = (runtime.spawn(each).get() for each in (Plain, Plain, Actor))
        assert len({one.actor_urn, two.actor_urn, own.actor_urn}) == 3
        assert pykka.ActorRegistry.get_all() == [one, two]


@pytest.mark.parametrize("end", ["crash", "kill", "failed start"])
@in_loop
async def test_the_registry_lists_an_actor_while_it_waits_for_its_restart(end: str) -> None:
    """Guards a look-up during a backoff: the ref is alive, and a broadcast waits for the next instance."""
    failing = [end == "failed start"]

    class Waiting(Plain):
        def on_start(self) -> None:
            if failing.pop() if failing else False:
                raise LookupError

    spec = child("a", Waiting, backoff=constant(5.0), retry_start=True)
    async with stage() as w, start(supervisor("r"), runtime=w.runtime) as root:
        started = root.start_child(spec)
        if end != "failed start":
            a = await started
            a.tell(0) if end == "crash" else a.kill()
        while not w.seen(BackingOff):
            await w.settle()
        (listed,) = pykka.ActorRegistry.get_by_class(Waiting)
        assert listed.is_alive()
        assert pykka.ActorRegistry.get_by_urn(listed.actor_urn) is root.child("a")
        pykka.ActorRegistry.broadcast(1, Waiting)
        assert root.child("a").status().queued == 1
        await w.advance(5.0)
        assert await (await started).call(2) == 0.5
        assert pykka.ActorRegistry.get_all() == [listed]
        root.child("a").kill()
        while len(w.seen(BackingOff)) < 2:
            await w.settle()
        assert pykka.ActorRegistry.get_all() == [listed]
        await root.terminate_child("a")
        assert pykka.ActorRegistry.get_all() == []


def test_an_actor_that_pykka_starts_itself_is_as_before() -> None:
    """Guards actors that a supervised one starts with pykka's `start()`."""

    class Starter(pykka.ThreadingActor):
        def __init__(self) -> None:
            super().__init__()
            self.other = Plain.start()

        def on_stop(self) -> None:
            self.other.stop()

    with tree(Starter) as a:
        other = a.proxy().other.get(timeout=PATIENCE)
        assert type(other) is pykka.ActorRef
        assert other.ask(2, timeout=PATIENCE) == 0.5
        assert other in pykka.ActorRegistry.get_all()
    assert not other.is_alive()


# P4: the order of the end


@pytest.mark.parametrize("end", ["stop", "crash"])
def test_actor_stopped_is_set_and_the_ref_unlisted_before_the_last_hook(end: str) -> None:
    """Guards hooks that join a thread which waits for `actor_stopped`."""
    seen: list[tuple[str, bool, bool]] = []

    class Joining(Plain):
        def on_start(self) -> None:
            self.helper = threading.Thread(target=self.actor_stopped.wait, args=(PATIENCE,))
            self.helper.start()

        def note(self, hook: str) -> None:
            self.helper.join(PATIENCE)
            listed = self.actor_ref in pykka.ActorRegistry.get_all()
            seen.append((hook, self.actor_stopped.is_set() and not self.helper.is_alive(), listed))

        def on_stop(self) -> None:
            self.note("on_stop")

        def on_failure(self, *_: Any) -> None:
            self.note("on_failure")

    with tree(Joining) as a:
        if end == "crash":
            crash_and_wait(a)
            assert a in pykka.ActorRegistry.get_all()
    assert seen == [("on_failure", True, False)] * (end == "crash") + [("on_stop", True, False)]


def test_actor_stopped_is_set_and_the_ref_unlisted_after_a_kill() -> None:
    """Guards threads of an actor whose hooks do not run."""
    with script() as runtime:
        ref = runtime.spawn(Plain).get()
        flag = ref.ask(lambda self: self.actor_stopped)
        ref.kill()
        assert flag.wait(PATIENCE)
        ref.wait(PATIENCE)
        assert pykka.ActorRegistry.get_all() == []


# P5: the user's own class


class Counted(Plain):
    """Counts its instances and subclasses on the class, as registries of plugins do."""

    made = 0
    subclasses: ClassVar[list[type]] = []

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.subclasses.append(cls)

    def __init__(self) -> None:
        super().__init__()
        type(self).made += 1


def test_an_instance_is_of_the_users_own_class() -> None:
    """Guards class attributes, pickled types and `__init_subclass__`."""
    before = Counted.made
    with tree(Counted) as a:
        crash_and_wait(a)
        own = a.ask(type)
        assert own is Counted
        assert pickle.loads(pickle.dumps(own)) is Counted
    assert Counted.made == before + 2
    assert Counted.subclasses == []


# P6 and P7: proxies


@in_loop
async def test_a_proxy_waits_for_the_next_incarnation() -> None:
    """Guards attributes that only instances have, in a thread and on an event loop, while no instance exists."""
    async with (
        stage() as w,
        start(supervisor("r", child("a", Plain, backoff=constant(5.0))), runtime=w.runtime) as root,
    ):
        a = root.child("a")
        a.tell(0)
        while not w.seen(CrashedExit):
            await w.settle()
        proxy: Any = a.proxy()
        got: queue.SimpleQueue[Any] = queue.SimpleQueue()
        looked_up: list[Callable[[], Any]] = [
            lambda: proxy.count.get(timeout=PATIENCE),
            lambda: proxy.part.name().get(timeout=PATIENCE),
            lambda: hasattr(a.proxy(), "missing"),
        ]
        threads = [threading.Thread(target=lambda look=each: got.put(look())) for each in looked_up]
        for thread in threads:
            thread.start()
        count, half = proxy.count, proxy.half(3)
        await w.settle()
        assert not count.done()
        while a.status().queued < 2 + len(threads):
            await w.settle()
        assert got.empty()
        await w.advance(5.0)
        assert (await count, await half) == (0, 1.5)
        assert sorted([got.get(timeout=PATIENCE) for _ in threads], key=str) == [0, False, "part"]


def test_a_proxy_of_a_dead_actor_gives_futures_that_say_so() -> None:
    """Guards callers that hold a proxy longer than its actor lives."""
    with script() as runtime:
        ref = runtime.spawn(Plain).get()
        proxy: Any = ref.proxy()
        ref.stop()
        for future in (proxy.half(3), proxy.count):
            with pytest.raises(ActorDeadError):
                future.get(timeout=PATIENCE)
        with pytest.raises(ActorDeadError):
            ref.proxy()


@pytest.mark.parametrize("made_by", ["ref.proxy()", "pykka.ActorProxy"])
def test_a_proxy_is_equal_to_itself_through_a_restart(made_by: str) -> None:
    """Guards proxies in sets and dictionaries, and the memory of the instances that are gone."""

    def proxy() -> Any:
        return a.proxy() if made_by == "ref.proxy()" else pykka.ActorProxy(actor_ref=a)

    with tree(Plain) as a:
        known = {proxy(): 1, proxy().part: 2}
        kept = list(known)
        gone = weakref.ref(a.ask(lambda self: self))
        a.stop()
        assert a.ask(1) == 1
        assert (known[proxy()], known[proxy().part], known[a.proxy()]) == (1, 2, 1)
        assert proxy() != proxy().part
        assert kept[0].count.get(timeout=PATIENCE) == 0
        assert kept[1].name().get(timeout=PATIENCE) == "part"
        gc.collect()
        assert gone() is None


def test_a_proxy_lists_the_attributes_of_the_present_instance() -> None:
    """Guards `dir()` and completion at a prompt."""
    with tree(Plain) as a:
        assert {"count", "part", "half", "actor_ref"} <= set(dir(a.proxy()))
        assert {"count", "half"} <= set(dir(pykka.ActorProxy(actor_ref=a)))


# P9: the log


@contextmanager
def records() -> Iterator[list[logging.LogRecord]]:
    """The records of the library's logger."""
    found: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Keeping()
    logger = logging.getLogger("letitcrash")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class Failing(Plain):
    """Fails in the hook that is named by its argument."""

    def __init__(self, hook: str) -> None:
        super().__init__()
        self.hook = hook

    def fail_in(self, hook: str) -> None:
        if self.hook == hook:
            raise LookupError(hook)

    def on_stop(self) -> None:
        self.fail_in("on_stop")

    def on_failure(self, *_: Any) -> None:
        self.fail_in("on_failure")


@pytest.mark.parametrize(
    ("hook", "act", "logged"),
    [
        ("", lambda a: a.ask(0), [("INFO", ZeroDivisionError)]),
        ("", lambda a: a.tell(0), [("ERROR", ZeroDivisionError)]),
        ("on_failure", lambda a: a.tell(0), [("ERROR", LookupError), ("ERROR", ZeroDivisionError)]),
        ("on_stop", lambda a: a.stop(), [("ERROR", LookupError)]),
    ],
)
def test_each_failure_of_a_pykka_actor_is_logged_with_its_trace(
    hook: str, act: Callable[[ActorRef[Any]], object], logged: list[tuple[str, type[BaseException]]]
) -> None:
    """Guards what pykka logs: a failed ask, a crash, and exceptions of the hooks, each with `exc_info`."""
    with records() as found, start(supervisor("r", child("a", Failing, args=(hook,), restart="temporary"))) as root:
        a = root.child("a")
        try:
            act(a)
        except ZeroDivisionError:
            a.stop()
        a.wait(PATIENCE)
    with_trace = [each for each in found if each.exc_info]
    assert [(each.levelname, each.exc_info[0]) for each in with_trace if each.exc_info] == logged
    assert all("Traceback" in str(each.exc_text) for each in with_trace)


# P10


def test_a_stop_iteration_of_a_handler_is_the_answer_as_in_pykka() -> None:
    """Guards `next()` in a handler: the asker gets the exception itself, and the actor lives."""
    with tree(Plain) as a:
        asked = a.ask(lambda _: next(iter(())), block=False)
        with pytest.raises(StopIteration):
            asked.get(timeout=PATIENCE)
        assert a.incarnation == 1
        a.tell(lambda _: next(iter(())))
        assert a.ask(1) == 1
        assert a.incarnation == 2


# P11: classes that are refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_actor_loop_running", lambda _: None),
        ("_start_actor_loop", lambda _: None),
        ("_create_actor_inbox", staticmethod(queue.Queue)),
        ("_handle_failure", lambda *_: None),
        ("_actor_ref", None),
        ("actor_urn", "urn:mine"),
    ],
)
def test_an_override_without_effect_is_refused_before_the_start(name: str, value: object) -> None:
    """Guards programs that have changed pykka's loop: here it does not run."""
    user_class = type("Own", (Plain,), {name: value})
    with script() as runtime, pytest.raises(NotAnActor, match=f"Own.* overrides {name} of pykka"):
        runtime.spawn(user_class)
    with pytest.raises(SpecError, match=f"2 faults(.|\\n)*start: .* overrides {name} of pykka"):
        child("a", user_class, shutdown=-1)


def test_an_abstract_pykka_class_is_refused_before_the_start() -> None:
    """Guards the start against a class without instances."""
    import abc

    class Base(pykka.ThreadingActor):
        @abc.abstractmethod
        def work(self) -> None: ...

    with script() as runtime, pytest.raises(NotAnActor, match="abstract: work"):
        runtime.spawn(Base)  # type: ignore[type-abstract]


def test_a_constructor_that_breaks_pykkas_contract_fails_the_start() -> None:
    """Guards the identity of the actor: the error says what to change."""

    class Silent(pykka.ThreadingActor):
        def __init__(self) -> None:
            """Does not call its base class."""

    class Renamed(pykka.ThreadingActor):
        def __init__(self) -> None:
            super().__init__()
            self._actor_ref = "mine"  # type: ignore[assignment]

    with script() as runtime:
        for user_class, problem in ((Silent, "super"), (Renamed, "_actor_ref")):
            with pytest.raises(Exception, match=problem) as caught:
                runtime.spawn(user_class).get(timeout=PATIENCE)
            assert isinstance(caught.value.__cause__ or caught.value, Exception)
        assert pykka.ActorRegistry.get_all() == []


# The registry's stop_all


@in_loop
async def test_stop_all_of_the_registry_ends_children_for_good() -> None:
    """Guards a pykka program that ends with `stop_all`: no child restarts, and no budget is spent."""
    async with stage() as w:
        kids = [child(id, Plain, backoff=None) for id in "abc"]
        async with start(supervisor("r", *kids, max_restarts=0), runtime=w.runtime) as root:
            order: list[Any] = []
            for id in "abc":
                await root.child(id).call(lambda self: setattr(self, "on_stop", lambda: order.append(self.actor_ref)))
            refs = [root.child(id) for id in "abc"]
            stopped = pykka.ActorRegistry.stop_all(block=False)
            assert [await each for each in stopped] == [True, True, True]
            await w.settle()
            assert [info.state.value for info in await root.which_children()] == ["stopped"] * 3
            assert sorted(order, key=str) == sorted(refs, key=str)
            assert (len(w.seen(Started)), w.seen(Restarting)) == (4, [])
            again = await root.restart_child("a")
            assert await again.call(2) == 0.5


@in_loop
async def test_stop_all_ends_a_child_that_waits_for_its_restart() -> None:
    """Guards `stop_all` during a backoff: the next instance handles what waits, stops, and has no successor."""
    async with stage() as w:
        spec = supervisor("r", child("a", Plain, backoff=constant(5.0)))
        async with start(spec, runtime=w.runtime) as root:
            a = root.child("a")
            a.kill()
            while not w.seen(BackingOff):
                await w.settle()
            waiting = a.ask(2, block=False)
            (stopped,) = pykka.ActorRegistry.stop_all(block=False)
            await w.advance(5.0)
            assert (await waiting, await stopped) == (0.5, True)
            await w.advance(1000)
            assert (a.is_alive(), len(w.seen(BackingOff)), pykka.ActorRegistry.get_all()) == (False, 1, [])


def test_stop_of_one_ref_is_an_exit_that_a_permanent_child_restarts_from() -> None:
    """Guards the rule of the supervisor: only `stop_all` ends a child for good."""
    with tree(Plain) as a:
        assert a.stop()
        assert a.ask(2) == 0.5
        assert a.incarnation == 2


# All of it under faults


@simulate(plan=faults.plans("root/*", kinds=[Crash, Kill, KillDuringRestart], max_faults=4), examples=40)
def test_ref_urn_and_registry_agree_whatever_happens(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the identity under crashes, kills, backoffs and generated schedules: at any time the registry lists only
    refs that are alive, each under its one URN; each question has an answer; and at the end nothing is left.
    """
    kids = [child(id, Plain, backoff=constant(1.0)) for id in "ab"]
    root = sim.start(supervisor("root", *kids, max_restarts=None))
    known = {id: (root.child(id), root.child(id).actor_urn, root.child(id).proxy()) for id in "ab"}

    def consistent() -> bool:
        listed = pykka.ActorRegistry.get_all()
        refs = [ref for ref, _, _ in known.values()]
        return len(set(listed)) == len(listed) and set(listed) <= set(refs) and all(each.is_alive() for each in listed)

    sim.always("the registry lists each living place once", consistent)
    work = sim.workload(lambda n: known["ab"[n % 2]][2].half(n), n=10, every=0.5)
    sim.run(until=20)
    sim.heal()
    sim.eventually("every proxy call has an answer", lambda: work.done == 10, within=100)
    sim.advance(10)
    for id, (ref, urn, proxy) in known.items():
        assert root.child(id) is ref
        assert pykka.ActorRegistry.get_by_urn(urn) is ref
        assert proxy == root.child(id).proxy()


# A thread that was left behind


@pytest.mark.parametrize("base", [pykka.ThreadingActor, Actor])
@in_loop
async def test_a_constructor_left_behind_does_not_replace_the_instance(base: type) -> None:
    """Guards the incarnation of today against the constructor of one that was killed."""
    gate, first, ended = threading.Event(), threading.Event(), threading.Event()
    left: list[threading.Thread] = []

    def __init__(self: Any) -> None:
        base.__init__(self)  # type: ignore[misc]
        self.late = not first.is_set()
        if self.late:
            left.append(threading.current_thread())
            first.set()
            gate.wait(PATIENCE)

    def on_start(self: Any) -> None:
        if self.late:
            ended.set()

    late = type("Late", (base,), {"__init__": __init__, "on_start": on_start, "on_receive": lambda self, _: self.late})
    async with stage(kill_grace=1.0) as w, start(supervisor("r"), runtime=w.runtime) as root:
        spec = child("a", late, host="thread", start_timeout=1.0, retry_start=True, backoff=None)
        starting = root.start_child(spec)
        while not first.is_set():
            await w.settle()
        await w.advance(1.0)
        await w.advance(1.0)
        ref = await starting
        gate.set()
        left[0].join(PATIENCE)
        assert await ref.call("which") is False
        assert not ended.is_set()
        assert pykka.ActorRegistry.get_all() == ([ref] if base is pykka.ThreadingActor else [])
