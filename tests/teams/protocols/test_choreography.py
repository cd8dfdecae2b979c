"""Choreographies: chains of events without a conductor, undone in reverse when they fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from actors import Actor, ActorDeadError, ActorRef, handles, sleep
from actors.testing import FaultPlan, Simulation, faults, simulate, simulation
from supervisors import SpecError, child, constant
from teams import Emit
from teams.errors import ChainTimeout, UnknownChain
from teams.protocols import (
    ChainEnded,
    ChainOutcome,
    Choreography,
    CompensationFailed,
    Event,
    NobodyHears,
    StepUndone,
    TopicsRef,
    Undo,
    choreography,
    on,
)
from teams.resilience import Fatal
from tests.teams.protocols.hearers import SOON, bus_of, hearer, insist, tree
from tests.teams.protocols.test_topics import TROUBLE, watch

Log = list[tuple[str, Any]]
ORDER = ("validator", "inventory", "payment", "shipper")


class Party(Actor):
    """Takes steps of a choreography: emits what `goes_on` says, or raises it; undoes what it is told to."""

    def __init__(
        self,
        log: Log,
        goes_on: Mapping[str, object],
        seconds: float = 0.0,
        undoing: Callable[[Undo], Exception | None] = lambda _: None,
    ) -> None:
        self.log = log
        self.goes_on = goes_on
        self.seconds = seconds
        self.undoing = undoing

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]

    @handles
    async def hear(self, event: Event) -> object:
        if self.seconds:
            await sleep(self.seconds)
        following = self.goes_on.get(event.topic)
        if isinstance(following, Exception):
            self.log.append((f"{self.id} failed", event.correlation_id))
            raise following
        self.log.append((self.id, event.correlation_id))
        return Emit(following, event.payload) if isinstance(following, str) else following

    @handles
    def undo(self, undo: Undo) -> None:
        error = self.undoing(undo)
        if error is not None:
            raise error
        self.log.append((f"undo {self.id}", undo.correlation_id))


def order(**options: Any) -> Choreography:
    """The flow of the reference: order.received, order.validated, inventory.confirmed, payment.processed."""
    return choreography(
        "order",
        on("order.received", "validator", emits="order.validated", undo="validator", backoff=SOON),
        on("order.validated", "inventory", emits="inventory.confirmed", undo="inventory", backoff=SOON),
        on("inventory.confirmed", "payment", emits="payment.processed", undo="payment", backoff=SOON),
        on("payment.processed", "shipper", emits=(), backoff=SOON),
        starts="order.received",
        **options,
    )


FLOW: dict[str, Any] = {
    "order.received": "order.validated",
    "order.validated": "inventory.confirmed",
    "inventory.confirmed": "payment.processed",
}


def begin(
    sim: Simulation, log: Log, made: Choreography | None = None, flow: Mapping[str, object] = FLOW, **parties: Any
) -> TopicsRef:
    """The bus of a team of which the order choreography is played."""
    members = [
        child(id, Party, args=[log, flow, *parties.get(id, ())], backoff=SOON, shutdown="brutal_kill") for id in ORDER
    ]
    root = sim.start(tree(*members))
    bus = bus_of(root)
    insist(lambda: bus.choreograph(made or order(), refs(root)))
    return bus


def refs(root: Any) -> dict[str, ActorRef[Any]]:
    return {id: root.child(id) for id in ORDER}


def test_an_order_goes_from_member_to_member_without_a_conductor() -> None:
    """Guards the reference's order flow."""
    log: Log = []
    with simulation() as sim:
        seen = watch(sim)
        bus = begin(sim, log)
        outcome = bus.chain("order.received", {"id": 7}, correlation_id="o7").get()
        assert log == [(id, "o7") for id in ORDER]
        assert outcome.status == "completed"
        assert [each.topic for each in outcome.steps] == [*FLOW, "payment.processed"]
        assert [each.subscriber for each in outcome.steps] == [f"team/{id}" for id in ORDER]
        assert [(each.status, each.steps) for each in seen if isinstance(each, ChainEnded)] == [("completed", 4)]
        assert bus.dead_events().get() == ()


def test_a_chain_that_begins_unheard_says_so_and_names_the_nearest_topic() -> None:
    """Guards against a slip in a topic that looks like a chain without steps."""
    with simulation() as sim:
        seen = watch(sim)
        bus = begin(sim, [])
        outcome = bus.chain("order.recieved", 7, correlation_id="o7").get()
        assert (outcome.status, outcome.steps, outcome.undone) == ("unheard", (), ())
        assert outcome.failure is not None
        error = outcome.failure.error
        assert isinstance(error, NobodyHears)
        assert (error.topic, error.patterns) == ("order.recieved", tuple(sorted([*FLOW, "payment.processed"])))
        assert "did you mean 'order.received'?" in str(error)
        assert bus.chain_outcome("o7").get() == outcome
        assert [each.status for each in seen if isinstance(each, ChainEnded)] == ["unheard"]


def test_a_later_unheard_event_fails_no_chain() -> None:
    """Guards ends of chains, which are often unheard: only how a chain begins has to be heard."""
    flow: dict[str, Any] = {**FLOW, "order.validated": "without.subscriber"}
    with simulation() as sim:
        bus = begin(sim, [], order(ends="order.closed"), flow)
        further = bus.chain("order.received", 7).get()
        assert (further.status, len(further.steps), further.failure) == ("completed", 2, None)
        at_the_end = bus.chain("order.closed", 7).get()
        assert (at_the_end.status, at_the_end.failure) == ("completed", None)


def test_the_testing_flow_of_the_playbook() -> None:
    """Guards the reference's flow of issues: several hear of one event, one emits two."""
    log: Log = []
    flow: dict[str, object] = {
        "START_TESTING": [Emit("ISSUE_FOUND", "slow"), Emit("ISSUE_FOUND", "wrong")],
        "ISSUE_FOUND": "ISSUE_CONFIRMED",
        "ISSUE_CONFIRMED": "FIX_ATTEMPTED",
        "FIX_ATTEMPTED": "VALIDATION_COMPLETE",
    }
    cast = ("scout", "guardian", "healer", "logger", "validator")
    made = choreography(
        "testing",
        on("START_TESTING", "scout", emits="ISSUE_FOUND"),
        on("ISSUE_FOUND", "guardian", emits="ISSUE_CONFIRMED"),
        on("ISSUE_CONFIRMED", "healer", emits="FIX_ATTEMPTED"),
        on("ISSUE_CONFIRMED", "logger", emits=()),
        on("FIX_ATTEMPTED", "validator", emits="VALIDATION_COMPLETE"),
        starts="START_TESTING",
        ends="VALIDATION_COMPLETE",
    )
    assert made.findings() == ()
    with simulation() as sim:
        members = [child(id, Party, args=[log, {} if id == "logger" else flow]) for id in cast]
        root = sim.start(tree(*members))
        bus = bus_of(root)
        bus.choreograph(made, {id: root.child(id) for id in cast}).get()
        outcome = bus.chain("START_TESTING").get()
        assert outcome.status == "completed"
        names = [each.subscriber.rpartition("/")[2] for each in outcome.steps]
        assert {id: names.count(id) for id in cast} == dict.fromkeys(cast, 2) | {"scout": 1}
        assert bus.dead_events().get() == ()


def test_a_chain_that_fails_is_undone_in_reverse() -> None:
    """Guards compensation: what was completed, in reverse, and nothing else."""
    log: Log = []
    with simulation() as sim:
        seen = watch(sim)
        bus = begin(sim, log, flow={**FLOW, "payment.processed": ValueError("no van")})
        outcome = bus.chain("order.received", correlation_id="o1").get()
        assert [what for what, _ in log] == [
            "validator",
            "inventory",
            "payment",
            *["shipper failed"] * 3,
            "undo payment",
            "undo inventory",
            "undo validator",
        ]
        assert outcome.status == "compensated"
        assert outcome.failure is not None
        assert (outcome.failure.subscriber, outcome.failure.reason) == ("team/shipper", "spent")
        assert outcome.undone == tuple(reversed(outcome.steps))
        assert [each.subscriber for each in seen if isinstance(each, StepUndone)] == [
            each.subscriber for each in outcome.undone
        ]
        assert bus.chain_outcome("o1").get() == outcome


def test_a_fatal_failure_fails_the_chain_at_its_first_attempt() -> None:
    """Guards `Fatal` in a step."""
    log: Log = []
    with simulation() as sim:
        bus = begin(sim, log, flow={**FLOW, "order.validated": Fatal("sold out")})
        outcome = bus.chain("order.received").get()
        assert [what for what, _ in log] == ["validator", "inventory failed", "undo validator"]
        assert outcome.failure is not None
        assert outcome.failure.reason == "fatal"


def test_a_compensation_that_fails_is_an_outcome_and_the_others_are_undone() -> None:
    """Guards against one bad compensation that hides behind it what else has to be undone."""
    log: Log = []
    with simulation() as sim:
        seen = watch(sim)
        bus = begin(
            sim,
            log,
            flow={**FLOW, "payment.processed": Fatal("no van")},
            inventory=(0.0, lambda _: OSError("locked")),
        )
        outcome = bus.chain("order.received").get()
        assert outcome.status == "compensation_failed"
        assert [each.subscriber for each in outcome.undone] == ["team/payment", "team/validator"]
        (failed,) = outcome.not_undone
        assert (failed.step.subscriber, failed.attempts, str(failed.error)) == ("team/inventory", 5, "locked")
        assert [each.subscriber for each in seen if isinstance(each, CompensationFailed)] == ["team/inventory"]


def test_a_compensation_that_heals_is_tried_again() -> None:
    """Guards that undoing is reliable."""
    log: Log = []
    errors = [OSError("once"), OSError("twice"), None]
    with simulation() as sim:
        bus = begin(
            sim,
            log,
            flow={**FLOW, "order.validated": Fatal("sold out")},
            validator=(0.0, lambda _: errors.pop(0)),
        )
        outcome = bus.chain("order.received").get()
        assert outcome.status == "compensated"
        assert log.count(("undo validator", outcome.correlation_id)) == 1


def test_a_failed_chain_withdraws_waiting_steps_and_awaits_running_ones() -> None:
    """Guards against undoing while a step runs, and against running a step that must be undone."""
    log: Log = []
    made = choreography(
        "fan",
        on("start", "validator", undo="validator"),
        on("start", "inventory", undo="inventory"),
        on("start", "payment"),
    )
    flow: dict[str, object] = {"start": Fatal("no")}
    with simulation() as sim:
        members = [
            child("validator", Party, args=[log, {}], backoff=SOON),
            child("inventory", Party, args=[log, {}, 5.0], backoff=SOON),
            child("payment", Party, args=[log, flow, 1.0], backoff=SOON),
            child("shipper", Party, args=[log, {}], backoff=SOON),
        ]
        root = sim.start(tree(*members))
        bus = bus_of(root)
        bus.choreograph(made, refs(root)).get()
        first = bus.chain("start", correlation_id="one")
        sim.advance(0.5)
        second = bus.chain("start", correlation_id="two")
        sim.advance(60)
        assert first.get().status == second.get().status == "compensated"
        assert [each for each in log if each[1] == "one"] == [
            ("validator", "one"),
            ("payment failed", "one"),
            ("inventory", "one"),
            ("undo inventory", "one"),
            ("undo validator", "one"),
        ]
        two = [each for each in log if each[1] == "two"]
        assert ("inventory", "two") not in two
        assert two.count(("undo validator", "two")) == two.count(("validator", "two")) == 1


def test_a_step_completed_after_the_deadline_of_its_chain_is_undone() -> None:
    """Guards against a stage that never ends, and against one that ends after all."""
    log: Log = []
    with simulation() as sim:
        bus = begin(sim, log, order(deadline=10.0), inventory=(20.0,))
        outcome = bus.chain("order.received", correlation_id="o").get()
        assert sim.now == pytest.approx(10.0)
        assert outcome.status == "compensated"
        assert outcome.failure is not None
        assert outcome.failure.reason == "deadline"
        assert isinstance(outcome.failure.error, ChainTimeout)
        assert outcome.under_way == ("team/inventory",)
        sim.advance(60)
        assert [what for what, _ in log] == ["validator", "undo validator", "inventory", "undo inventory"]


def test_a_bus_that_is_killed_while_it_undoes_goes_on_undoing() -> None:
    """Guards what a new incarnation of the bus begins with: a compensation that rests."""
    log: Log = []
    errors = [OSError("once"), None]
    patient = choreography(
        "order",
        on("order.received", "validator", undo="validator", backoff=constant(3.0)),
        on("order.validated", "inventory"),
    )
    with simulation() as sim:
        bus = begin(
            sim,
            log,
            patient,
            flow={**FLOW, "order.validated": Fatal("sold out")},
            validator=(0.0, lambda _: errors.pop(0)),
        )
        chain = bus.chain("order.received")
        sim.advance(1)
        bus.kill()
        sim.advance(1)
        assert chain.get().status == "compensated"
        assert log[-1][0] == "undo validator"


def test_a_bus_that_is_killed_keeps_the_deadlines_of_its_chains() -> None:
    """Guards what a new incarnation of the bus begins with: a deadline."""
    with simulation() as sim:
        bus = begin(sim, [], order(deadline=10.0), inventory=(1e6,))
        chain = bus.chain("order.received")
        sim.advance(5)
        bus.kill()
        outcome = chain.get()
        assert outcome.failure is not None
        assert (outcome.failure.reason, outcome.under_way) == ("deadline", ("team/inventory",))
        assert sim.now == pytest.approx(10.0)


def test_a_step_of_a_failed_chain_is_neither_begun_nor_tried_again() -> None:
    """Guards against doing what would only have to be undone."""
    log: Log = []
    made = choreography(
        "fan", on("start", "validator", backoff=SOON), on("start", "inventory", backoff=SOON), on("late", "shipper")
    )
    with simulation() as sim:
        flow: dict[str, object] = {"start": ValueError("no")}
        members = [
            child("validator", Party, args=[log, {"start": Fatal("never")}], backoff=SOON),
            child("inventory", Party, args=[log, flow, 1.0], backoff=SOON),
            child("payment", Party, args=[log, {}]),
            child("shipper", Party, args=[log, {}]),
        ]
        root = sim.start(tree(*members))
        bus = bus_of(root)
        bus.choreograph(made, refs(root)).get()
        chain = bus.chain("start", correlation_id="c")
        sim.advance(0.5)
        late = bus.publish("late", correlation_id="c", wait=True).get()
        assert late.undelivered["team/shipper"].reason == "withdrawn"
        outcome = chain.get()
        assert outcome.status == "compensated"
        assert sim.now == pytest.approx(1.0)
        sim.advance(10)
        assert [what for what, _ in log] == ["validator failed", "inventory failed"]


def test_a_chain_begins_with_a_plain_publish_too() -> None:
    """Guards `publish` on a choreographed topic: its steps are undone like any others."""
    log: Log = []
    with simulation() as sim:
        bus = begin(sim, log, flow={**FLOW, "order.validated": Fatal("sold out")})
        bus.publish("order.received", correlation_id="o").get()
        sim.advance(1)
        assert bus.chain_outcome("o").get().status == "compensated"
        with pytest.raises(UnknownChain, match="nowhere"):
            bus.chain_outcome("nowhere").get()


def test_those_who_only_listen_cannot_fail_a_chain() -> None:
    """Guards chains against their observers."""
    log: Log = []
    with simulation() as sim:
        bus = begin(sim, log)
        bad = sim.spawn(Party, args=[[], dict.fromkeys(FLOW, Fatal("no"))])
        bus.subscribe("**", bad).get()
        assert bus.chain("order.received").get().status == "completed"
        assert {each.subscriber for each in bus.dead_events().get()} == {bad.path}


def test_a_terminated_member_fails_the_chain_and_is_named() -> None:
    """Guards typed outcomes for members that have terminated."""
    log: Log = []
    made = choreography("two", on("a", "validator", undo="payment"), on("b", "inventory"))
    with simulation() as sim:
        members = [
            child(id, Party, args=[log, {"a": "b"}, 1.0], restart="temporary", shutdown="brutal_kill") for id in ORDER
        ]
        root = sim.start(tree(*members))
        bus = bus_of(root)
        bus.choreograph(made, refs(root)).get()
        chain = bus.chain("a")
        sim.advance(1.5)
        for id in ("payment", "inventory"):
            root.terminate_child(id).get()
        outcome = chain.get()
        assert outcome.status == "compensation_failed"
        assert outcome.failure is not None
        assert outcome.failure.reason == "gone"
        assert isinstance(outcome.not_undone[0].error, ActorDeadError)


def test_an_impossible_topic_fails_the_chain_and_undoes_its_step() -> None:
    """Guards against a member that emits nonsense."""
    log: Log = []
    with simulation() as sim:
        bus = begin(sim, log, flow={"order.received": "not a topic"})
        outcome = bus.chain("order.received").get()
        assert outcome.status == "compensated"
        assert [what for what, _ in log] == ["validator", "undo validator"]


def test_callers_that_wait_for_a_chain_hear_of_the_end_of_the_topics() -> None:
    """Guards every question about a chain."""
    with simulation() as sim:
        bus = begin(sim, [], inventory=(1e6,))
        chain = bus.chain("order.received")
        sim.advance(1)
        bus.stop(block=False)
        sim.runtime.kill()
        with pytest.raises(ActorDeadError):
            chain.get()


@simulate(
    plan=faults.plans("team/*", kinds=TROUBLE, max_faults=4, most=16, until=10.0, seconds=(0.1, 1.0)), examples=60
)
def test_exactly_the_completed_steps_are_undone_in_reverse(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the promise of compensation under crashes and kills of the bus and of every member at every step."""
    log: Log = []
    made = choreography(
        "order",
        *(
            on(each.topic, each.member, undo=each.undo, attempts=20, undo_attempts=20, backoff=SOON)
            for each in order().steps
        ),
    )
    flow = {**FLOW, "payment.processed": Fatal("no van")}
    members = [child(id, Party, args=[log, flow, 0.2], backoff=SOON) for id in ORDER]
    listening: list[object] = []
    root = sim.start(tree(*members, hearer("listener", listening)))
    bus = bus_of(root)
    insist(lambda: bus.choreograph(made, refs(root)))
    insist(lambda: bus.subscribe("order.*", root.child("listener"), attempts=20, backoff=SOON))
    sim.always("none twice", lambda: all(log.count(each) == 1 for each in log if "failed" not in each[0]))
    sim.always("in reverse", lambda: all(properly_undone(log, f"o{number}") for number in range(3)))
    found: dict[int, ChainOutcome] = {}

    def run(number: int) -> None:
        found[number] = insist(lambda: bus.chain("order.received", number, id=f"o{number}"))

    work = sim.workload(run, n=3, every=0.5)
    sim.advance(12)
    sim.heal()
    sim.eventually("ended", lambda: work.done == 3, within=120)
    assert not work.errors
    for number, outcome in found.items():
        assert outcome.status == "compensated"
        assert [each.subscriber for each in outcome.steps] == [f"team/{id}" for id in ORDER[:3]]
        assert outcome.undone == tuple(reversed(outcome.steps))
        assert [what for what, of in log if of == f"o{number}" and what.startswith("undo")] == [
            f"undo {id}" for id in reversed(ORDER[:3])
        ]


def properly_undone(log: Log, correlation_id: str) -> bool:
    """Whether what was undone of a chain is the end of what was done, in reverse."""
    mine = [what for what, of in log if of == correlation_id and "failed" not in what]
    done = [what for what in mine if not what.startswith("undo")]
    undone = [what.removeprefix("undo ") for what in mine if what.startswith("undo")]
    return undone == [*reversed(done)][: len(undone)]


# Definitions


def test_all_faults_of_a_choreography_are_reported_at_once() -> None:
    """Guards the builder."""
    with pytest.raises(SpecError) as refused:
        choreography(
            "",
            on("a b", "x"),
            on("a", ""),
            on("a", "y", attempts=0, timeout=0.0, undo_attempts=0, emits="no topic", undo=""),
            on("a", "y"),
            on("a", ["y"]),  # type: ignore[arg-type]
            on(["a"], "y"),  # type: ignore[arg-type]
            "step",  # type: ignore[arg-type]
            starts="*",
            ends=("a..b",),
            deadline=-1.0,
        )
    text = str(refused.value)
    for part in ("name:", "'a b'", "member:", "undo:", "attempts:", "timeout:", "undo_attempts:", "'no topic'"):
        assert part in text
    assert "member: must be the id of a member, got ['y']" in text
    for part in ("twice", "made by on()", "'*'", "'a..b'", "deadline:"):
        assert part in text
    with pytest.raises(SpecError, match="no steps"):
        choreography("empty")


def test_unknown_members_are_all_named_each_with_the_nearest() -> None:
    """Guards the installation of a choreography."""
    with simulation() as sim:
        root = sim.start(tree(hearer("validator", [])))
        bus = bus_of(root)
        with pytest.raises(SpecError) as refused:
            bus.choreograph(
                choreography("c", on("a", "validater"), on("b", "validator", undo="missing")),
                {"validator": root.child("validator")},
            ).get()
        assert len(refused.value.faults) == 2
        assert "did you mean 'validator'?" in str(refused.value)
        assert bus.subscribers().get() == ()


def test_an_event_that_no_step_emits_or_handles_is_a_finding() -> None:
    """Guards against a choreography that stops halfway."""
    made = choreography("c", on("a", "x", emits="b"), on("c", "y", emits=()), starts=("a", "z"), ends=("never",))
    messages = [each.message for each in made.findings()]
    assert len(messages) == 4
    for part in (
        "no step handles 'z'",
        "no step handles 'b'",
        "no step emits what 'y' waits for",
        "no step emits 'never'",
    ):
        assert any(part in each for each in messages)
    assert choreography("open", on("a", "x"), on("b", "y")).findings() == ()


def test_a_choreography_takes_the_place_of_an_earlier_one_of_its_name() -> None:
    """Guards an update while the team runs."""
    log: Log = []
    with simulation() as sim:
        members = [child(id, Party, args=[log, {}]) for id in ORDER]
        root = sim.start(tree(*members))
        bus = bus_of(root)
        bus.choreograph(choreography("c", on("a", "validator"), on("b", "payment")), refs(root)).get()
        bus.choreograph(choreography("c", on("a", "inventory")), refs(root)).get()
        assert bus.chain("a").get().steps[0].subscriber == "team/inventory"
        assert {each.path for each in bus.subscribers().get()} == {"team/inventory"}
