"""A hostile world as a value: a tree whose code raises whatever Python can raise, wherever it is called from, among
observers that raise too; and what must hold of it all the same.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from types import FrameType
from typing import Any, Literal, NoReturn, cast

from prometheus_client import CollectorRegistry
from pydantic import TypeAdapter, ValidationError

from actors import Metrics
from actors.spi import ActorError, ActorRef, Crashed, DeadLetter, Future, LifecycleEvent, MailboxSpec
from actors.testing.spi import (
    Exited,
    FaultPlan,
    LogSink,
    Made,
    Schedule,
    Simulation,
    SimulationError,
    StaleReplay,
    Strategy,
    bounded,
    hostile,
    library_logger,
    pack,
    prioritized,
    simulation,
    unpack,
)
from supervisors._specs.backoff import constant
from supervisors._specs.builders import child, dynamic_supervisor, partition_supervisor, supervisor, tasks
from supervisors._specs.spec import ChildSpec, SupervisorSpec
from supervisors._supervisor.props import props_for
from supervisors._supervisor.ref import SupervisorRef
from supervisors.testing._errors import NotContained
from supervisors.testing._hostile_cast import (
    CLASSES,
    NAP,
    Calm,
    HostileOrder,
    Listener,
    do_in_plain_code,
    do_later,
    priority,
)

VERSION = 1
"""Of the blobs."""
HEALED = 60.0
"""Virtual seconds without faults in the end."""
ENDLESS = 20.0
"""Seconds of processor time that a whole run may take: many times what the longest takes on a busy machine."""
MANY = 20_000
"""How many observations of a run that does not end are kept."""
LONGEST = 100_000
"""How many characters a text of the library's own may have, whatever it is about."""

Mailbox = Literal["plain", "reject", "drop_oldest", "drop_newest", "priority", "priority_bounded"]
GroupKind = Literal["static", "dynamic", "partition", "tasks"]
Observing = Literal["sink", "log_handler", "log_filter", "log_format", "log", "metrics", "listener", "introspection"]
"""Event sinks, and handlers, filters and formatters of the library's logger, that raise; and the library's own log and
metrics, an actor that listens, and a person who looks in.
"""
HostileAct = Literal[
    "tell",
    "ask",
    "kill",
    "stop",
    "stop_now",
    "suspend",
    "resume",
    "monitor",
    "ended",
    "proxy",
    "terminate_child",
    "restart_child",
    "delete_child",
    "start_child",
    "which_children",
    "ledger",
    "pause_work",
    "resume_work",
    "run",
    "run_async",
    "partition",
]
"""The actions of the world: on an actor, or (the last eleven) of a group, mostly about one of its children."""


@dataclass(frozen=True, slots=True)
class HostileWorker:
    """An actor that does what it is told."""

    id: str
    kind: str = "Wild"
    host: Literal["", "loop", "thread"] = ""
    """Empty: that of its class. `Plain` ones have a thread."""
    mailbox: Mailbox = "plain"
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    backoff: float | None = None
    redeliver: int = 0
    handler_timeout: float | None = None
    shutdown: float | Literal["brutal_kill"] = 1.0

    def spec(self) -> ChildSpec:
        """Its spec."""
        return child(
            self.id,
            CLASSES[self.kind],
            host=None if self.kind == "Plain" else self.host or None,
            mailbox=_MAILBOXES[self.mailbox],
            restart=self.restart,
            backoff=None if self.backoff is None else constant(self.backoff),
            redeliver=self.redeliver,
            handler_timeout=self.handler_timeout,
            shutdown=self.shutdown,
        )


_MAILBOXES: dict[Mailbox, MailboxSpec] = {
    "plain": MailboxSpec(),
    "reject": bounded(1),
    "drop_oldest": bounded(1, "drop_oldest"),
    "drop_newest": bounded(1, "drop_newest"),
    "priority": prioritized(priority),
    "priority_bounded": prioritized(priority, capacity=2, policy="drop_oldest"),
}


@dataclass(frozen=True, slots=True)
class HostileGroup:
    """A supervisor of such actors."""

    id: str
    workers: tuple[HostileWorker, ...] = ()
    """The last one is the template of a group that is not static."""
    kind: GroupKind = "static"
    strategy: Literal["one_for_one", "one_for_all", "rest_for_one"] = "one_for_one"
    max_restarts: int = 3
    on_failure: str = ""
    """The action of its callback: nothing; `answer` with a hostile value; `wait` and raise; or raise the exception of
    this name at once.
    """
    on_give_up: str = ""

    def spec(self) -> SupervisorSpec:
        """Its spec. It is started again for ever, so that a world goes on."""
        shared: dict[str, Any] = {
            "max_restarts": self.max_restarts,
            "backoff": constant(1.0),
            "retry_start": True,
            "on_failure": _callback(self.on_failure),
            "on_give_up": _callback(self.on_give_up),
        }
        template = self.workers[-1] if self.workers else HostileWorker("w")
        match self.kind:
            case "dynamic":
                return dynamic_supervisor(self.id, template.spec(), **shared)
            case "partition":
                return partition_supervisor(self.id, template.spec(), partitions=2, **shared)
            case "tasks":
                return tasks(self.id, task_backoff=constant(NAP), task_restart="transient", **shared)
            case "static":
                return supervisor(self.id, *(each.spec() for each in self.workers), strategy=self.strategy, **shared)


def _callback(what: str) -> Callable[..., object] | None:
    match what:
        case "":
            return None
        case "answer":
            return lambda _: hostile.Hostile()
        case "wait":
            return lambda _: do_later(HostileOrder("callback", "SystemExit"))
    return hostile.Raiser(what)


@dataclass(frozen=True, slots=True)
class HostileAction:
    """One action of the script: at this time, this is done to the actor at this path."""

    at: float
    path: str
    """Below the root: `g0` or `g0/w1`."""
    act: HostileAct = "tell"
    way: str = "at_once"
    """The action that the message requests: a key of `WAYS`."""
    exception: str = "Exception"
    looks: tuple[hostile.Look, ...] = ()
    """The part of the message that raises, too."""
    rank: str = ""
    """The result of the priority function: a key of `RANKS`, or `raise`."""

    def deed(self) -> HostileOrder:
        """The message."""
        return HostileOrder(self.way, self.exception, self.looks, self.rank)


@dataclass(frozen=True, slots=True)
class HostileObserver:
    """An observer that raises from the `nth` call on, `times` times."""

    kind: Observing
    exception: str = "Exception"
    nth: int = 1
    times: int | None = None


@dataclass
class Played:
    """The outcome of a run."""

    steps: int = 0
    raised: Counter[str] = field(default_factory=Counter)
    """How many messages raised, by exception."""
    fired: Counter[str] = field(default_factory=Counter)
    """Faults that fired, by their place where they have one."""


@dataclass(frozen=True, slots=True)
class HostileWorld:
    """A tree, what its code and its observers raise, and in which order."""

    groups: tuple[HostileGroup, ...] = ()
    script: tuple[HostileAction, ...] = ()
    observers: tuple[HostileObserver, ...] = ()
    plan: FaultPlan = field(default_factory=FaultPlan)
    schedule: Schedule = field(default_factory=Schedule)
    search: tuple[str, int] | None = None
    """A kind of search for a schedule and its seed, in place of the schedule."""
    seed: int = 0

    def tree(self) -> SupervisorSpec:
        """The groups, and beside them actors that do no harm and must come to none."""
        calm = supervisor("calm", child("loop", Calm), child("thread", Calm, host="thread"))
        return supervisor("root", calm, *(each.spec() for each in self.groups), max_restarts=None)

    def run(self, *, texts: bool = True) -> Played:
        """Runs it and judges it: whatever is raised, it is contained.

        Every question and every future settles; leaving the simulation ends, and nothing is left; the calm actors
        answer and never end; every message is handled, given back to its sender or a dead letter; every sink that does
        not raise hears of every event; and, with `texts`, every text that the library makes of it can be read.

        Raises:
            NotContained, OracleFailure: it does not hold
        """
        return self._play(self._simulation(), texts=texts)

    def as_moves(self) -> HostileWorld:
        """The same run, with what its search did written down as moves."""
        if self.search is None:
            return self
        sim = self._simulation(record=True)
        with suppress(Exception):
            self._play(sim, texts=False)
        return replace(self, schedule=sim.schedule, search=None)

    def _simulation(self, *, record: bool = False) -> Simulation:
        search = None if self.search is None else Strategy(*self.search)
        sim = simulation(self.plan, self.schedule, self.seed, search=search, strict=False, record=record)
        sim.replays = False  # a world is more than its plan and its schedule: it has a blob of its own
        return sim

    def _play(self, sim: Simulation, *, texts: bool) -> Played:
        run = _Run(sim)
        with _quiet(), run.armed(), ExitStack() as observers, _endless(sim), sim:
            observers.enter_context(hostile.logging_to(library_logger.name, handlers=(logging.NullHandler(),)))
            for observer in self.observers:
                run.observe(observer, observers)
            run.listen()
            # Not `sim.start`, which waits: a tree that a fault keeps from coming up is one of the cases.
            sim.runtime.spawn_nowait(props_for(self.tree(), sim.runtime, "root"), None, "root")
            for action in sorted(self.script, key=lambda action: action.at):
                sim.run(max(action.at, sim.now))
                run.perform(action)
            sim.run(max(8.0, sim.now))
            run.heal()
            run.judge_living()
            sim.finish()
            run.judge()
            if texts:
                run.judge_texts()
        return run.played(self)

    # As text

    def encode(self) -> str:
        """A blob that `decode` makes this world of."""
        parts: list[Any] = [*self.groups, *self.script, *self.observers]
        values = [asdict(each) for each in parts]
        counts = len(self.groups), len(self.script)
        plan, schedule = self.plan.as_json(), self.schedule.as_json()
        return pack(VERSION, *counts, values, plan, schedule, self.search, self.seed)

    @classmethod
    def decode(cls, blob: str) -> HostileWorld:
        """Reads a blob of `encode`. Raises `StaleReplay` for a blob that is damaged or of another version."""
        values = unpack(VERSION, blob)
        try:
            groups, actions, parts, plan, schedule, search, seed = _SHAPE.validate_python(values)
            return cls(
                _GROUPS.validate_python(parts[:groups]),
                _ACTIONS.validate_python(parts[groups : groups + actions]),
                _OBSERVERS.validate_python(parts[groups + actions :]),
                FaultPlan.from_json(plan),
                Schedule.from_json(schedule),
                search,
                seed,
            )
        except (SimulationError, ValidationError, TypeError) as error:
            raise StaleReplay(f"stale: the blob says something that cannot be understood any more: {error}") from error

    def described(self) -> str:
        """The whole world as text for a person."""
        parts = [*self.groups, *self.observers, *self.script, *self.plan.faults]
        order = f"search {self.search}" if self.search else repr(self.schedule)
        return "\n".join([*(f"  {_shortly(each)}" for each in parts), f"  {order}, seed {self.seed}"])


_SHAPE = TypeAdapter(
    tuple[int, int, list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]], tuple[str, int] | None, int]
)
_GROUPS = TypeAdapter(tuple[HostileGroup, ...])
_ACTIONS = TypeAdapter(tuple[HostileAction, ...])
_OBSERVERS = TypeAdapter(tuple[HostileObserver, ...])


def _shortly(part: object) -> str:
    """A part by what differs from the defaults."""
    if not isinstance(part, HostileGroup | HostileWorker | HostileAction | HostileObserver):
        return repr(part)
    fields = type(part).__dataclass_fields__
    given = {name: getattr(part, name) for name, each in fields.items() if getattr(part, name) != each.default}
    if isinstance(part, HostileGroup):
        given["workers"] = f"({', '.join(map(_shortly, part.workers))})"
    return f"{type(part).__name__}({', '.join(f'{name}={value}' for name, value in given.items())})"


@contextmanager
def _quiet() -> Iterator[None]:
    """What raises where no code can catch it, in a `__del__` or in a handler of `logging`, is not printed."""
    hook, raises = sys.unraisablehook, logging.raiseExceptions
    sys.unraisablehook, logging.raiseExceptions = lambda _: None, False
    try:
        yield
    finally:
        sys.unraisablehook, logging.raiseExceptions = hook, raises


@contextmanager
def _endless(sim: Simulation) -> Iterator[None]:
    """A step that never ends is one that no simulation can leave: a signal ends it. In the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    found: list[NotContained] = []

    def end(number: int, frame: FrameType | None) -> None:
        where = "" if frame is None else f"{frame.f_code.co_name} of {frame.f_globals.get('__name__')}"
        failure = NotContained(sim.now, "ends", f"the run has taken {ENDLESS:g} s of the processor, in {where}")
        sim.loop.failure = failure
        found.append(failure)
        del sim.runtime.journal.observations[MANY:]  # the report is made of them
        raise _Endless

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, ENDLESS, 1.0)
    try:
        yield
    except _Endless:
        raise found[0] from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class _Endless(BaseException):
    """Ends what does not end by itself."""


class _Records(logging.Handler):
    """Keeps the text of every record."""

    def __init__(self, records: list[str]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record.getMessage())


class _Formatter(logging.Formatter):
    def __init__(self, raiser: hostile.Raiser) -> None:
        super().__init__()
        self._raiser = raiser

    def format(self, record: logging.LogRecord) -> str:
        self._raiser()
        return record.getMessage()


class _Run:
    """One run of a world."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._futures: list[tuple[str, Future[Any]]] = []
        self._calm: list[Future[Any]] = []
        self._refused: list[HostileOrder] = []
        """The messages whose senders were told that they were not sent."""
        self._deeds: list[weakref.ref[HostileOrder]] = []
        self._heard: list[LifecycleEvent] = []
        self._unheard = 0
        """How many events there were before anybody listened."""
        self._looks_in: list[Callable[[], object]] = []
        self._raised: Counter[str] = Counter()
        self._records: list[str] = []

    @contextmanager
    def armed(self) -> Iterator[None]:
        """After the block no message of the run raises any more, whatever still holds it."""
        try:
            yield
        finally:
            for each in self._deeds:
                deed = each()
                if deed is not None:
                    deed.disarm()

    # What is done

    def observe(self, observer: HostileObserver, until: ExitStack) -> None:
        """Has the observer observe until the end of the block."""
        runtime = self._sim.runtime
        raiser = hostile.Raiser(observer.exception, nth=observer.nth, times=observer.times, answer=True)
        handler: logging.Handler = logging.NullHandler()
        filters: tuple[hostile.Raiser, ...] = ()
        match observer.kind:
            case "sink":
                until.callback(runtime.events.subscribe(raiser).cancel)
                return
            case "listener":
                self._futures.append(("the start of a listener", runtime.spawn(Listener)))
                return
            case "introspection":
                self._looks_in.append(self._look_at_everybody)
                return
            case "metrics":
                metrics = until.enter_context(Metrics(runtime, CollectorRegistry()))
                self._looks_in.append(lambda: list(metrics.collect()))
                return
            case "log":
                handler = _Records(self._records)
            case "log_handler":
                handler = hostile.Handler(observer.exception, nth=observer.nth, times=observer.times)
            case "log_filter":
                filters = (raiser,)
            case "log_format":
                handler = logging.StreamHandler(_Nowhere())
                handler.setFormatter(_Formatter(raiser))
        sink = LogSink()
        handlers = (*library_logger.handlers, handler)
        until.enter_context(hostile.logging_to(library_logger.name, handlers=handlers, filters=filters))
        sink.attach(runtime.events)
        until.callback(sink.detach)

    def listen(self) -> None:
        """A last sink listens, and raises nothing."""
        self._unheard = len(self._sim.runtime.lifecycle)
        self._sim.runtime.events.subscribe(self._heard.append)

    def perform(self, action: HostileAction) -> None:
        """Does what the action says, if there is anybody to do it to, and asks how the calm ones are."""
        for look in self._looks_in:
            self._try("observers", look)
        for name in ("loop", "thread"):
            ref = self._sim.runtime.find(f"root/calm/{name}")
            if ref is not None:
                self._calm.append(ref.ask("how are you?", block=False, timeout=None))
        path = f"root/{action.path}"
        ref = self._sim.runtime.find(path)
        above = self._sim.runtime.find(path.rpartition("/")[0])
        deed = action.deed()
        self._deeds.append(weakref.ref(deed))
        try:
            future = self._do(action, ref, above, deed)
        except _Endless:
            raise
        except BaseException as error:  # noqa: BLE001 - a sender hears whatever the code in its thread raises
            self._refuse(action, deed, error)
        else:
            if isinstance(future, Future):
                self._futures.append((f"{action.act} {action.path} at {action.at:g}", future))
            if action.act in CALLS and ref is not None:
                self._raised[action.exception] += 1

    def _do(
        self, action: HostileAction, ref: ActorRef[Any] | None, above: ActorRef[Any] | None, deed: HostileOrder
    ) -> object:
        if isinstance(ref, SupervisorRef):
            return _ask_group(action, ref, deed)
        id = action.path.rpartition("/")[2]
        if action.act in ("terminate_child", "restart_child", "delete_child") and isinstance(above, SupervisorRef):
            return getattr(above, action.act)(id)
        if ref is None:
            return None
        match action.act:
            case "tell":
                return cast("object", ref.tell(deed))
            case "ask":
                return ref.ask(deed, block=False, timeout=5.0)
            case "stop" | "stop_now":
                return ref.stop(block=False, drain=action.act == "stop")
            case "monitor" | "ended":
                return getattr(ref, action.act)()
            case "proxy":
                return ref.proxy().on_receive(deed)
            case "kill" | "suspend" | "resume":
                getattr(ref, action.act)()
        return None

    def _refuse(self, action: HostileAction, deed: HostileOrder, error: BaseException) -> None:
        """A sender heard that its message was not sent. Where the message is a harmless one, the library says why."""
        self._refused.append(deed)
        harmless = not action.looks and action.rank == "" and action.act != "partition"
        if harmless and not isinstance(error, ActorError):
            self._fail(
                "refused", f"{action.act} {action.path} raised {type(error).__name__} at a sender that did no harm"
            )

    def _look_at_everybody(self) -> None:
        for cell in list(self._sim.runtime.cells.values()):
            ref = cell.ref
            repr(ref.status()), ref.statistics(), list(ref.state()), str(ref), repr(ref)
            ref.trace(3)
            ref.last_messages()

    def heal(self) -> None:
        """No further faults; who was suspended goes on, and everything has time to end."""
        self._sim.heal()
        for cell in list(self._sim.runtime.cells.values()):
            if cell.suspended:
                cell.ref.resume()
        self._sim.advance(HEALED)

    # What must hold

    def judge_living(self) -> None:
        """Before the end: the calm ones answered, and never ended."""
        runtime = self._sim.runtime
        for name in ("loop", "thread"):
            ref = runtime.find(f"root/calm/{name}")
            if ref is None or ref.incarnation != 1:
                self._fail("calm", f"root/calm/{name} has ended")
        for number, future in enumerate(self._calm):
            if not future.done():
                self._fail("calm", f"question {number} to a calm actor has no answer")
            future.get()

    def judge(self) -> None:
        """After the end: every future is settled, every event was heard of, and no supervisor has crashed."""
        for what, future in self._futures:
            if not future.done():
                self._fail("settles", f"{what} was never settled")
        events = self._events()
        if len(self._heard) != len(events):
            self._fail("heard", f"a sink that raises nothing heard of {len(self._heard)} events, not of {len(events)}")
        for event in events:
            if isinstance(event, DeadLetter) and any(event.message is each for each in self._refused):
                self._fail("refused", "a message was given back to its sender, and is a dead letter all the same")
        self._judge_supervisors()

    def judge_texts(self) -> None:
        """Every text that the library makes can be read."""
        for _, future in self._futures:
            try:
                future.get()
            except BaseException as error:  # noqa: BLE001 - whatever it is; its text is looked at
                if isinstance(error, ActorError):
                    self._read(error)
        for event in self._events():
            self._read(event)
            self._read(getattr(event, "reason", None))
        for text in self._records:
            if len(text) > LONGEST:
                self._fail("text", f"a line of the log has {len(text)} characters")

    def _events(self) -> Sequence[LifecycleEvent]:
        return self._sim.runtime.lifecycle[self._unheard :]

    def _judge_supervisors(self) -> None:
        """No code of a user's is a supervisor's own: nothing that it raises is the crash of one."""
        supervisors = {each.path for each in self._sim.observations if isinstance(each, Made) and each.supervisor}
        for each in self._sim.observations:
            if isinstance(each, Exited) and each.path in supervisors and isinstance(each.reason, Crashed):
                kind = type(each.reason.exception).__name__
                self._fail("supervisors", f"{each.path} crashed by {kind}")

    def _read(self, value: object) -> None:
        """Something of the library's own has a text, and is equal to itself."""
        for look in (str, repr, lambda each: each == each):
            said = self._try(
                "text", partial(look, value), f"{getattr(look, '__name__', '==')} of a {type(value).__name__}"
            )
            if isinstance(said, str) and len(said) > LONGEST:
                self._fail("text", f"the text of a {type(value).__name__} has {len(said)} characters")

    def _try(self, promise: str, work: Callable[[], object], what: str = "looking in") -> object:
        try:
            return work()
        except _Endless:
            raise
        except BaseException as error:  # noqa: BLE001 - it is what is looked for
            self._fail(promise, f"{what} raised {type(error).__name__}")

    def _fail(self, promise: str, what: str) -> NoReturn:
        raise NotContained(self._sim.now, promise, what)

    def played(self, world: HostileWorld) -> Played:
        """The outcome of the run."""
        fired = Counter(getattr(each.fault, "place", type(each.fault).__name__) for each in self._sim.fired)
        return Played(self._sim.steps, self._raised, fired)


CALLS = frozenset({"tell", "ask"})


class _Nowhere:
    """A stream that takes everything."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing to do."""


def _ask_group(action: HostileAction, ref: SupervisorRef, deed: HostileOrder) -> object:
    match action.act:
        case "start_child":
            return ref.start_child(HostileWorker("late").spec() if not ref._cell.props.args[0].is_dynamic else ())  # type: ignore[attr-defined]
        case "run":
            return ref.run(do_in_plain_code, deed)
        case "run_async":
            return ref.run(do_later, deed)
        case "partition":
            ref.partition(hostile.Hostile(*action.looks, exception=action.exception)).tell(deed)
        case "which_children" | "ledger" | "pause_work" | "resume_work":
            return getattr(ref, action.act)()
        case "kill":
            ref.kill()
        case "ask":
            return ref.ask(deed, block=False, timeout=5.0)
        case "tell":
            ref.tell(deed)
    return None
