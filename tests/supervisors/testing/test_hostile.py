"""Whatever user code raises, and wherever it is called from: it is contained.

`WAITING_FOR` lists what does not hold yet, by the fault that it waits for. A test that is listed and passes fails: its
line is to be taken out.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Literal

import pytest

from actors.testing import FaultPlan, Raise, StaleReplay, faults, hostile
from supervisors.testing import HostileWorld, hostile_world, smallest
from supervisors.testing._hostile import (
    HostileAct,
    HostileAction,
    HostileGroup,
    HostileObserver,
    HostileWorker,
    Observing,
)
from supervisors.testing._hostile_cast import RANKS, WAYS

WAITING_FOR: dict[str, str] = {}
"""By the id of a case, or a pattern of such: the id of the fault, and in a word what is wrong."""

EXITS = ("SystemExit", "KeyboardInterrupt")
NO_EXCEPTIONS = ("GeneratorExit", "CancelledError", "BaseException", "BaseExceptionGroup")
"""What is no `Exception`, and ends nothing."""
ORDINARY = tuple(each for each in faults.EXCEPTIONS if each not in EXITS and each not in NO_EXCEPTIONS)
CLASSES = {"exits": EXITS, "no_exceptions": NO_EXCEPTIONS, "ordinary": ORDINARY}

HOSTS: tuple[Literal["loop", "thread"], ...] = ("loop", "thread")
Deeds = tuple[float, HostileAct, str]
"""When, what is done, and in which way."""


@pytest.fixture(autouse=True, scope="module")
def what_is_dropped_is_not_heard_of_in_another_test() -> Iterator[None]:
    """Coroutines that are never awaited and generators that do not end belong to a hostile world."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()
    sys.unraisablehook = hook


def cases() -> Iterator[tuple[str, HostileWorld]]:
    """Every case, by its id."""
    for kind, exceptions in CLASSES.items():
        for host in HOSTS if kind != "no_exceptions" else HOSTS[:1]:
            for place in faults.PLACES:
                yield f"place-{place}-{host}-{kind}", at_place(place, host, exceptions)
            for way in WAYS:
                yield f"way-{way}-{host}-{kind}", by_way(way, host, exceptions)
        for observing in Observing.__args__:  # type: ignore[attr-defined]
            yield f"observer-{observing}-{kind}", observed(observing, exceptions)
        for callback in ("on_failure", "on_give_up"):
            yield f"callback-{callback}-{kind}", with_callbacks(callback, exceptions)
        for act in ("run", "run_async", "partition"):
            yield f"group-{act}-{kind}", asked(act, exceptions)
    for callback in ("on_failure", "on_give_up"):
        for what in ("answer", "wait"):
            yield f"callback-{callback}-{what}", with_callbacks(callback, (what,))
    for exception in faults.EXCEPTIONS:
        yield f"text-{exception}", by_way("at_once", "loop", (exception,))
        yield f"text-start-{exception}", at_place("on_start", "loop", (exception,))
    for look in hostile.LOOKS:
        yield f"look-{look}", looked_at(look)
        yield f"text-look-{look}", looked_at(look)
    for rank in (*RANKS, "raise"):
        yield f"rank-{rank or 'ordinary'}", ranked(rank)
    yield from FOUND.items()


def at_place(place: faults.Place, host: Literal["loop", "thread"], exceptions: tuple[str, ...]) -> HostileWorld:
    """An actor for each exception, in which it is raised at this place."""
    workers = tuple(HostileWorker(each, "Keen", host) for each in exceptions)
    plan = FaultPlan(*(Raise(f"root/g0/{each}", place, each) for each in exceptions))
    deeds: tuple[Deeds, ...] = ((1.0, "tell", "timer"), (2.0, "ask", "nap"), (3.0, "tell", "at_once"))
    script = [HostileAction(at, f"g0/{each}", act, way) for each in exceptions for at, act, way in deeds]
    return HostileWorld((HostileGroup("g0", workers, max_restarts=99),), tuple(script), plan=plan)


def by_way(way: str, host: Literal["loop", "thread"], exceptions: tuple[str, ...]) -> HostileWorld:
    """An actor for each exception, which raises it in this way, told and asked, with others that wait behind."""
    workers = tuple(HostileWorker(each, host=host, backoff=0.25) for each in exceptions)
    deeds: tuple[Deeds, ...] = ((1.0, "tell", way), (1.0, "ask", "nap"), (3.0, "ask", way), (3.0, "tell", "nothing"))
    script = [HostileAction(at, f"g0/{each}", act, do, each) for each in exceptions for at, act, do in deeds]
    return HostileWorld((HostileGroup("g0", workers, max_restarts=99),), tuple(script))


def observed(observing: Observing, exceptions: tuple[str, ...]) -> HostileWorld:
    """Everything that an actor's life has, under the eyes of an observer that raises."""
    observers = tuple(HostileObserver(observing, each) for each in exceptions)
    script = (
        HostileAction(1.0, "g0/w0", "tell", "at_once"),
        HostileAction(2.0, "g0/w0", "ask", "answer"),
        HostileAction(2.0, "g0/w0", "tell", "finish"),
        HostileAction(3.0, "g0/w0", "ask", "at_once", "SystemExit", ("repr", "str")),
        HostileAction(4.0, "g0/w0", "kill"),
    )
    return HostileWorld((HostileGroup("g0", (HostileWorker("w0"),), max_restarts=99),), script, observers)


def with_callbacks(callback: str, exceptions: tuple[str, ...]) -> HostileWorld:
    """A group for each exception, whose callback raises it."""
    max_restarts = 99 if callback == "on_failure" else 0
    groups = tuple(
        HostileGroup(each, (HostileWorker("w0"),), max_restarts=max_restarts, **{callback: each})  # type: ignore[arg-type]
        for each in exceptions
    )
    script = [HostileAction(at, f"{each}/w0") for each in exceptions for at in (1.0, 3.0)]
    return HostileWorld(groups, tuple(script))


def asked(act: Literal["run", "run_async", "partition"], exceptions: tuple[str, ...]) -> HostileWorld:
    """A group of tasks or of partitions, asked with a function or a key that raises."""
    group = HostileGroup("g0", kind="partition" if act == "partition" else "tasks", max_restarts=99)
    return HostileWorld(
        (group,), tuple(HostileAction(1.0, "g0", act, exception=each, looks=("repr",)) for each in exceptions)
    )


def looked_at(look: hostile.Look) -> HostileWorld:
    """Messages that raise when they are looked at, and end in every way that a message has."""
    workers = (
        HostileWorker("w0", redeliver=1),
        HostileWorker("w1", mailbox="drop_oldest"),
        HostileWorker("w2", mailbox="drop_newest"),
    )
    deeds: tuple[Deeds, ...] = (
        (1.0, "tell", "nap"),
        (1.0, "ask", "answer"),
        (2.0, "tell", "at_once"),
        (3.0, "stop", "nap"),
    )
    script = [
        HostileAction(at, f"g0/{worker.id}", act, way, exception, (look,))
        for worker in workers
        for at, act, way in deeds
        for exception in ("Exception", "SystemExit")
    ]
    return HostileWorld((HostileGroup("g0", workers, max_restarts=99),), tuple(script))


def ranked(rank: str) -> HostileWorld:
    """Messages of a rank that means nothing, among others that wait in the same mailbox."""
    workers = (HostileWorker("w0", mailbox="priority"), HostileWorker("w1", mailbox="priority_bounded"))
    told: tuple[tuple[HostileAct, str, str], ...] = (
        ("tell", "nap", ""),
        ("tell", "nothing", "low"),
        ("ask", "nothing", rank),
        ("tell", "nothing", rank),
        ("ask", "nothing", ""),
    )
    script = [
        HostileAction(1.0, f"g0/{worker.id}", act, way, rank=each) for worker in workers for act, way, each in told
    ]
    return HostileWorld((HostileGroup("g0", workers, max_restarts=99),), tuple(script))


def one(
    worker: HostileWorker, *script: HostileAction, plan: FaultPlan | None = None, max_restarts: int = 99
) -> HostileWorld:
    """A world with one actor."""
    return HostileWorld((HostileGroup("g0", (worker,), max_restarts=max_restarts),), script, plan=plan or FaultPlan())


FOUND = {
    "found-stashed_and_redelivered": one(
        HostileWorker("w0", redeliver=1), HostileAction(1.0, "g0/w0", way="stash_and_raise")
    ),
    "found-raised_again_after_a_time_limit_on_a_thread": one(
        HostileWorker("w0", "Plain", redeliver=1, handler_timeout=0.5),
        HostileAction(1.0, "g0/w0"),
        plan=FaultPlan(faults.Hang("root/g0/w0")),
    ),
    "found-a_thread_left_behind_takes_a_name": one(
        HostileWorker("w0", host="thread", handler_timeout=0.5),
        HostileAction(1.0, "g0/w0", way="register"),
        plan=FaultPlan(faults.Hang("root/g0/w0")),
        max_restarts=0,
    ),
    "found-a_thread_left_behind_takes_a_name_of_a_dropped_child": one(
        HostileWorker("w0", host="thread", restart="temporary", handler_timeout=0.5),
        HostileAction(0.75, "g0/w0", way="link"),
        HostileAction(1.375, "g0/w0", way="register"),
        plan=FaultPlan(faults.Hang("root/g0/w0", nth=2)),
    ),
    "found-a_report_on_a_callback_of_an_ended_incarnation_raises": one(
        HostileWorker("w1"),
        HostileAction(0.875, "g0/w1", way="call_later", looks=("class", "repr")),
        HostileAction(0.875, "g0/w1"),
    ),
    "found-a_handler_that_calls_its_own_crash_is_no_progress": one(
        HostileWorker("w0", "Keen"),
        HostileAction(3.125, "g0/w0", way="call_sibling"),
        HostileAction(3.875, "g0/w0", way="wait"),
        max_restarts=5,
    ),
    "found-an_exit_while_the_loop_of_a_thread_ends_and_its_threads_go_on": HostileWorld.decode(
        "eNpVUtFuwjAM_BWU5w7aoWnSnscPbA97QCgyrUujpnGVpFCE-PfFDoMhVap8du_O526rYpGf7UWZRn0s1KFUxUKdyPfoQwLu"
        "jZM0euOk-jG24bqjELmOnUcQZABj9zQzOFowjjGPIYKXwRH9AA5dZHwPdU9tm3A3WSuDDVpzRJ-gkunBNRa9jmZAmuJjMHRT"
        "bOjkElIty-vun7UkFU3N9CF6iHg4M0oOdUtep3d2OeubK95yXfCEbpP3ySPPq4wckhk9jYJci8VFAZtYL9_fUn-E2OXMVjkd"
        "qHMYaK2kCCIdST_iwbnGMRpi52pzL1LHEvWSOC_jwfVZdCfHaWGywv0FJsgGf-KeKK7uDlLktfivwVodKFM_iX6fQ8RhMxs5"
        "gROW9Acozpj1X2-SAx2F6RMHik-SeZuXKmeMnE7FH-XblLtfmu2z6w=="
    ),
    "found-a_handler_left_behind_with_the_culprit_of_the_crash": HostileWorld.decode(
        "eNplUU1rwzAM_SvB57AuK7vsvsPYbZcdSjFKoiQmrh0UeW0p_e-z5K4bDGKCnoTeh3ZNXZVvdzGuNy-VGRtTV-YYaUZaM3Bv"
        "HLUxu6DVp_O91FNcWWqeCEGRAzjfxpOAiwcXBCNcGUgHF6QDBAwseAvdHIch4yF5r4M9eveFlKFG1kPoPZJld8CY-HdwnRL3"
        "8RhkZUuJwdvZeW-u-z8iMym7TohWJmAcz4LGgHaIZPO_6D3Zmz7xu61lwg7ZRSKUeVOQMcuyaVHkWlcXAyJn-_D0nPsL8FTS"
        "25ScoCuxYNYkecKN2nYQOlQMTx0u7KJ6eL0XueNjnDV7MUMQ5kK61zMNkLzu_gC3qoMfcoqRN3cFOfxO9WevY2TGYBnW-R_z"
        "O57bCNS_BUaitOhhgm6UC0jyoqVR-vzKAR733ye-rrY="
    ),
    "found-a_handler_that_stashed_is_cut_off_by_another": HostileWorld.decode(
        "eNrtU8tug0AM_BXEGeVB-pB676m3XqNo5YAJKzZrtLs0qaL8e22ToKaHqu25Egg89npmjFkvi4yvuyJbn3Jb509ZvlvkRZYf"
        "KHQYIgNT4qCJznqNXhC9xC3FJLG878G6LR0l7B1YzQeMCYKW9Bj24NEnwbdQddQ0jC9nC62r0dk3DIxI3IKvHQaT7B5pkPN-"
        "cI4TsR1STQc_njxvPmlipmQr6R5TgIS7d0HJo2koGH6OIo_mIkrsrQqpMA1LHwJenTCyYzFm6BU5F9kph6SUD-U9F_SQ2nFa"
        "83EuUKnHhM7p_EC5RT1PkQE8VtgnS6I7f54CzjiiTgctVgL47gtlOXv8Z7xh5I8X2z8RbnTRGxic9n0FG3UprsSBKM0ndl7i"
        "CieL3xN6bVAWY7FQl2rv11zoa0ONuez_T0hXN6Rike_xb1lsPgBTESLR"
    ),
    "found-a_question_of_a_handler_that_is_over_is_no_wait": one(
        HostileWorker("w0", host="thread", redeliver=1),
        HostileAction(1.625, "g0/w0", way="call_sibling"),
        HostileAction(3.75, "g0/w0"),
        plan=FaultPlan(faults.Hang("root/g0/w0", nth=3)),
    ),
    "found-an_exit_in_what_is_left_of_a_threads_loop": one(
        HostileWorker("w0", host="thread"), HostileAction(1.0, "g0/w0", way="gather", exception="SystemExit")
    ),
    "found-a_generator_of_a_handler_that_is_cut_off": one(
        HostileWorker("w0", "Keen"),
        HostileAction(1.125, "g0/w0", way="async_generator"),
        HostileAction(1.25, "g0/w0", way="async_generator", exception="KeyboardInterrupt"),
    ),
    "found-a_handler_that_stashed_raises_after_a_kill": one(
        HostileWorker("w0", "Plain"),
        HostileAction(2.875, "g0/w0", way="stash"),
        HostileAction(3.125, "g0/w0", way="stash"),
        plan=FaultPlan(faults.Kill("root/g0/w0", nth=2), Raise("root/g0/w0", "end_of_handler", nth=2, times=2)),
    ),
    "found-a_subscriber_whose_mailbox_is_full": one(
        HostileWorker("w0", mailbox="drop_oldest"),
        HostileAction(1.0, "g0/w0", way="subscribe"),
        HostileAction(2.0, "g0", "pause_work"),
        *(HostileAction(3.0, "g0/w0", way="nothing") for _ in range(3)),
    ),
}
"""What generated worlds have found (`python -m benchmarks.hostile`), made small."""


def waits_for(case: str) -> str | None:
    """The fault that a case waits for."""
    return next((why for pattern, why in WAITING_FOR.items() if fnmatchcase(case, pattern)), None)


pytestmark = pytest.mark.filterwarnings("ignore")
CASES = dict(cases())


BATCH = 15
"""How many generated worlds make a case."""
GENERATED = {f"generated-{number}": range(number * BATCH, (number + 1) * BATCH) for number in range(4)}


@pytest.mark.parametrize("case", [*CASES, *GENERATED])
def test_what_user_code_raises_is_contained(case: str) -> None:
    """Every future settles, the end ends, nothing is left, the others are unharmed, and no message is lost."""
    worlds = [CASES[case]] if case in CASES else [hostile_world(seed) for seed in GENERATED[case]]
    texts, why = case.startswith(("text-", "generated-")), waits_for(case)
    try:
        for world in worlds:
            world.run(texts=texts)
    except BaseException:
        if why is None:
            raise
    else:
        assert why is None, f"{case} holds, and is listed in WAITING_FOR ({why}): take its line out"


def test_nothing_is_waited_for_that_is_no_case() -> None:
    """A pattern that names no case is a mistake."""
    known = [*CASES, *GENERATED]
    assert [each for each in WAITING_FOR if not any(fnmatchcase(case, each) for case in known)] == []


def test_a_world_is_the_same_for_the_same_number_and_goes_through_a_blob() -> None:
    """A blob is read again as the very world, and says "stale" when it is none."""
    for seed in range(50):
        world = hostile_world(seed)
        assert world == hostile_world(seed)
        assert HostileWorld.decode(world.encode()) == world
    with pytest.raises(StaleReplay):
        HostileWorld.decode("nonsense")


def test_a_world_that_fails_is_made_small() -> None:
    """Nothing can be left out of it, and its parts are as plain as they can be."""

    def fails(world: HostileWorld) -> bool:
        return any(line.exception == "SystemExit" and line.act == "tell" for line in world.script)

    seed = next(seed for seed in range(1_000) if fails(hostile_world(seed)))
    found = smallest(hostile_world(seed), fails)
    (line,) = found.script
    assert (line.act, line.exception, line.looks, line.rank, line.way) == ("tell", "SystemExit", (), "", "at_once")
    assert (found.groups, found.observers, found.plan, len(found.schedule)) == ((), (), FaultPlan(), 0)
    assert "SystemExit" in found.described()
