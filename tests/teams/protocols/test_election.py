"""Leader election: one leader a term, under every fault there is; a leader in the end."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Actor, ActorDeadError, Runtime
from actors.testing import FaultPlan, Simulation, faults, simulate, simulation
from actors.testing.faults import (
    AskTimeout,
    ClockJump,
    Crash,
    CrashInStart,
    DelayMessage,
    DropMessage,
    DuplicateMessage,
    Kill,
    KillDuringRestart,
    Slow,
)
from supervisors import SpecError, SupervisorRef, child, constant, start, supervisor
from teams.protocols import (
    Candidate,
    CandidateRef,
    LeaderElected,
    LeaderResigned,
    Leadership,
    Standing,
    StandsForNobody,
)
from teams.protocols._election import RequestVote, Vote
from teams.recipes import electorate

OFTEN = 1000
NAMES = ("ann", "bob", "cid")


class Record:
    """Who was elected, and who resigned, as the events tell."""

    def __init__(self, sim: Simulation) -> None:
        self.elected: list[LeaderElected] = []
        self.resigned: list[LeaderResigned] = []
        sim.runtime.events.subscribe(self.elected.append, LeaderElected)
        sim.runtime.events.subscribe(self.resigned.append, LeaderResigned)

    def one_leader_a_term(self) -> bool:
        """The invariant."""
        terms = [each.term for each in self.elected]
        return len(terms) == len(set(terms))


def candidates(root: SupervisorRef, *names: str) -> list[CandidateRef]:
    """The refs of the candidates."""
    found = [root.child(name) for name in names or NAMES]
    assert all(isinstance(each, CandidateRef) for each in found)
    return found  # type: ignore[return-value]


def leaders(root: SupervisorRef, *names: str) -> set[Leadership]:
    """The leader, as the candidates see it."""
    return {each.leader().get() for each in candidates(root, *names)}


def test_a_leader_is_elected_and_everybody_knows_it() -> None:
    """Guards the case without faults."""
    with simulation() as sim:
        record = Record(sim)
        root = sim.start(electorate("vote", *NAMES))
        (leader,) = leaders(root)
        assert [(each.term, each.leader) for each in record.elected] == [leader]
        parts = {each.path.rpartition("/")[2]: each.standing().get() for each in candidates(root)}
        assert parts.pop(leader.leader) == Standing("leader", leader.term, leader.leader)
        assert set(parts.values()) == {Standing("follower", leader.term, leader.leader)}
        sim.advance(100)
        assert len(record.elected) == 1, "an undisturbed leader stays"


def test_a_single_candidate_leads() -> None:
    """Guards the smallest majority."""
    with simulation() as sim:
        root = sim.start(electorate("vote", "ann"))
        assert leaders(root, "ann") == {Leadership(1, "ann")}


def test_a_leader_that_crashes_follows_until_it_is_elected_again() -> None:
    """Guards the return of a leader: its successor leads in a later term, before or after it is back."""
    with simulation() as sim:
        record = Record(sim)
        root = sim.start(electorate("vote", *NAMES, backoff=constant(30.0)))
        (first,) = leaders(root)
        sim.crash(root.child(first.leader).path)
        others = [name for name in NAMES if name != first.leader]
        sim.advance(5)
        (second,) = leaders(root, *others)
        assert second.term > first.term
        assert second.leader != first.leader
        assert root.child(first.leader).incarnation == 1, "no candidate waits until the leader is started again"
        sim.advance(60)
        assert leaders(root) == {second}, "it is back, and follows"
        assert record.one_leader_a_term()


def test_without_a_majority_no_candidate_leads() -> None:
    """Guards the majority: one of three does not lead, not even itself."""
    with simulation() as sim:
        root = sim.start(electorate("vote", *NAMES))
        (first,) = leaders(root)
        root.terminate_child(first.leader).get()
        left = [name for name in NAMES if name != first.leader]
        root.terminate_child(left[0]).get()
        sim.advance(30)
        record = Record(sim)
        last = candidates(root, left[1])[0]
        assert last.standing().get().part != "leader"
        assert record.elected == []
        root.restart_child(left[0]).get()
        assert leaders(root, *left) == {last.leader().get()}


def stand(sim: Simulation, candidate: CandidateRef, term: int) -> None:
    """Lets time pass until the candidate stands in this term."""
    while candidate.standing().get().term < term:
        sim.advance(0.1)


def test_a_vote_of_an_earlier_term_does_not_count() -> None:
    """Guards late votes: they were for another election."""
    lonely = supervisor("vote", child("ann", Candidate, args={"electorate": NAMES, "timeout": 1.0}))
    with simulation() as sim:
        (ann,) = candidates(sim.start(lonely), "ann")
        stand(sim, ann, term=2)
        ann.tell(Vote(1, "bob", granted=True))
        assert ann.standing().get() == Standing("candidate", 2, None)
        ann.tell(Vote(2, "bob", granted=False))
        assert ann.standing().get() == Standing("candidate", 2, None)
        ann.tell(Vote(2, "bob", granted=True))
        assert ann.standing().get() == Standing("leader", 2, "ann")


def test_an_old_leader_hears_of_the_later_term() -> None:
    """Guards the end of a leadership by message, and that one vote is all a term has."""
    lonely = supervisor("vote", child("ann", Candidate, args={"electorate": NAMES, "timeout": 1.0}))
    with simulation() as sim:
        record = Record(sim)
        (ann,) = candidates(sim.start(lonely), "ann")
        stand(sim, ann, term=1)
        ann.tell(Vote(1, "bob", granted=True))
        sim.settle()
        ann.tell(RequestVote(2, "cid"))
        assert ann.standing().get() == Standing("follower", 2, None)
        assert [(each.term, each.leader) for each in record.resigned] == [(1, "ann")]


def test_callers_that_wait_for_a_leader_hear_of_the_end_of_the_candidate() -> None:
    """Guards owed answers."""
    with simulation() as sim:
        root = sim.start(electorate("vote", "ann", timeout=60.0))
        waiting = candidates(root, "ann")[0].leader()
        sim.settle()
        root.terminate_child("ann").get()
        with pytest.raises(ActorDeadError):
            waiting.get()


class Member(Actor):
    """An actor that a candidate stands for."""

    def on_receive(self, message: object) -> None:
        raise RuntimeError("it was told to")


def test_a_candidate_leads_only_while_its_actor_is_up() -> None:
    """Guards electorates of members that are no candidates themselves, functions for instance."""
    members = [child(name, Member, backoff=constant(30.0)) for name in NAMES]
    paths = {name: f"root/members/{name}" for name in NAMES}
    tree = supervisor("root", supervisor("members", *members), electorate("vote", *NAMES, stand_for=paths))
    with simulation() as sim:
        record = Record(sim)
        root = sim.start(tree)
        vote = root.supervisor("vote")
        (first,) = leaders(vote)
        root.child(f"members/{first.leader}").tell("crash")
        sim.advance(5)
        (second,) = leaders(vote)
        assert second.leader != first.leader
        assert [(each.term, each.leader) for each in record.resigned] == [first]
        assert vote.child(first.leader).incarnation == 1, "the candidate itself goes on"
        sim.advance(60)
        assert leaders(vote) == {second}


def test_a_candidate_without_its_actor_says_so_once_and_stands_later() -> None:
    """Guards against a slip in a path: without a leader and without a word."""
    path = "root/members/ann"
    tree = supervisor("root", supervisor("members"), electorate("vote", "ann", stand_for={"ann": path}))
    with simulation() as sim:
        told: list[StandsForNobody] = []
        sim.runtime.events.subscribe(told.append, StandsForNobody)
        root = sim.start(tree)
        (ann,) = candidates(root.supervisor("vote"), "ann")
        sim.advance(60)
        assert [(each.path, each.stands_for) for each in told] == [("root/vote/ann", path)]
        root.supervisor("members").start_child(child("ann", Member)).get()
        assert ann.leader().get().leader == "ann"
        assert len(told) == 1


def test_the_actor_of_a_candidate_may_start_later_or_be_restarted() -> None:
    """Guards against a false alarm."""
    tree = supervisor("root", supervisor("members"), electorate("vote", "ann", stand_for={"ann": "root/members/ann"}))
    with simulation() as sim:
        told: list[StandsForNobody] = []
        sim.runtime.events.subscribe(told.append, StandsForNobody)
        root = sim.start(tree)
        sim.advance(1)
        ref = root.supervisor("members").start_child(child("ann", Member, backoff=constant(30.0))).get()
        ref.tell("crash")
        sim.advance(20)
        assert told == []


def test_hooks_are_called_in_turn() -> None:
    """Guards on_lead and on_follow."""
    told: list[tuple[str, str, int]] = []

    class Telling(Candidate):
        def on_lead(self, term: int) -> None:
            told.append((self.id, "leads", term))

        def on_follow(self, term: int, leader: str | None) -> None:
            told.append((self.id, f"follows {leader}", term))

    with simulation() as sim:
        root = sim.start(electorate("vote", *NAMES, candidate=Telling))
        (first,) = leaders(root)
        assert told[0] == (first.leader, "leads", first.term)
        assert sorted(each[1] for each in told if each[0] != first.leader) == [f"follows {first.leader}"] * 2


def test_bad_electorates_are_refused_with_every_fault() -> None:
    """Guards the builder."""
    with pytest.raises(SpecError) as caught:
        electorate("vote", "a", "a", timeout=0, stand_for={"x": "y"})
    assert len(caught.value.faults) == 3
    with pytest.raises(SpecError, match="at least one"):
        electorate("vote")
    with pytest.raises(SpecError, match="stand_for: must be the path of an actor, got 3"):
        electorate("vote", "a", stand_for={"a": 3})  # type: ignore[dict-item]
    for timeout in ("1 s", float("inf"), None):
        with pytest.raises(SpecError, match="timeout"):
            electorate("vote", "a", timeout=timeout)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="an argument of its own"):
        electorate("vote", ["a", "b"])  # type: ignore[arg-type]


def test_it_works_on_the_real_runtime() -> None:
    """Guards the parts that the simulation replaces."""
    with Runtime(log=False) as runtime, start(electorate("vote", *NAMES, timeout=0.05), runtime=runtime) as root:
        first = candidates(root)[0].leader(timeout=30).get()
        root.terminate_child(first.leader).get()
        left = [name for name in NAMES if name != first.leader]
        assert candidates(root, *left)[0].leader(timeout=30).get().leader in NAMES


def play(sim: Simulation, names: tuple[str, ...]) -> None:
    """Faults for twenty seconds, and then an end of them."""
    record = Record(sim)
    options: dict[str, Any] = {"max_restarts": OFTEN, "retry_start": True}
    root = sim.start(electorate("vote", *names, timeout=1.0, **options))
    sim.always("one leader a term", record.one_leader_a_term)
    sim.workload(lambda _: end_the_leader(sim, record), n=6, every=3.0)
    sim.advance(20)
    sim.heal()
    sim.advance(10)
    asked = [each.leader(timeout=60) for each in candidates(root, *names)]
    sim.eventually("everybody knows of a leader", lambda: all(each.done() for each in asked), within=100)
    assert len(leaders(root, *names)) == 1


def end_the_leader(sim: Simulation, record: Record) -> None:
    """Kills the last leader: an election that nothing disturbs is over in a moment."""
    if record.elected:
        ref = sim.runtime.find(record.elected[-1].path)
        if ref is not None and not sim.runtime.injector.healed and ref.is_alive():
            ref.kill()


ONE_PROCESS = [ClockJump, Crash, CrashInStart, Kill, KillDuringRestart, Slow]
SEVERAL = [AskTimeout, Crash, DelayMessage, DropMessage, DuplicateMessage, Kill]
# As long as it takes until the next candidate stands: two elections meet.
SPANS = (0.5, 1.0, 1.5, 3.0)


@simulate(plan=faults.plans("vote/*", kinds=ONE_PROCESS, max_faults=6, most=20, times=10, seconds=SPANS), examples=40)
def test_one_leader_a_term_under_crashes_and_kills(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the promise where nothing gets lost on the way."""
    play(sim, NAMES)


@simulate(plan=faults.plans("vote/*", kinds=SEVERAL, max_faults=6, most=20, times=10, seconds=SPANS), examples=40)
def test_one_leader_a_term_when_messages_get_lost_doubled_and_late(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the promise where messages get lost, doubled and late, too."""
    play(sim, (*NAMES, "dan", "eve"))
