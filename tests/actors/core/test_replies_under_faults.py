"""Replies, forwards, watches and own exits under generated faults and schedules, on both hosts."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from actors import Actor, ActorRef, Joined, Left, NameRegistered, NameReleased, Reply, Shutdown
from actors.testing import FaultPlan, Simulation, faults, simulate
from supervisors import child, supervisor
from tests.actors.cast import Host


class Desk(Actor):
    """Answers some questions later, forwards others, and ends itself now and then."""

    resumes = (LookupError,)

    def __init__(self, wrong: list[str]) -> None:
        self.wrong = wrong
        self.waiting: list[Reply[Any]] = []
        self.helper: int | None = None

    def on_receive(self, message: Any) -> Any:
        match message:
            case ("later", value):
                self.waiting.append(self.take_reply())
                self.tell_after(0.5, ("answer", value), key="answer")
            case ("answer", value):
                for reply in self.waiting:
                    reply.answer(value)
                self.waiting.clear()
            case ("helper", value):
                helper = self.sibling("helper")
                if self.helper is not None:
                    self.demonitor(self.helper)
                self.helper = self.monitor(helper, lambda down: ("gone", down.monitor))
                self.forward(helper, value)
            case ("gone", number):
                if number != self.helper:
                    self.wrong.append("a monitor that was taken back was heard of")
                self.helper = None
            case ("lookup", _):
                raise LookupError
            case ("exit", value):
                self.exit(Shutdown(str(value)))
                return value
        return None


class Helper(Actor):
    """Answers for the desk."""

    def __init__(self) -> None:
        self.register("helping")
        self.join("helpers")

    def on_receive(self, message: Any) -> Any:
        return message


class Registrar(Actor):
    """Adds up what it is told about a name and a group."""

    def __init__(self, wrong: list[str]) -> None:
        self.wrong = wrong
        self.owner: ActorRef[Any] | None = None
        self.members: list[ActorRef[Any]] = []
        self.watch_name("helping")
        self.watch_group("helpers")

    def on_receive(self, message: Any) -> Any:
        match message:
            case NameRegistered():
                self.owner = message.ref
            case NameReleased():
                if self.owner is not message.ref:
                    self.wrong.append("another actor has released the name")
                self.owner = None
            case Joined():
                self.members.append(message.ref)
            case Left():
                if message.ref not in self.members:
                    self.wrong.append("an actor has left that was not a member")
                self.members.remove(message.ref)
            case _:
                return self.owner, list(self.members)
        return None


hosts: st.SearchStrategy[Host] = st.sampled_from(["loop", "thread"])
questions = st.lists(st.sampled_from(["later", "helper", "lookup", "exit"]), min_size=1, max_size=12)


@simulate(
    plan=faults.plans("root/**", max_faults=3, until=3.0), examples=60, asked=questions, hosts=st.tuples(hosts, hosts)
)
def test_each_question_ends_and_each_watcher_is_right_under_faults(
    sim: Simulation, plan: FaultPlan, asked: list[str], hosts: tuple[Host, Host]
) -> None:
    desk, helper = hosts
    wrong: list[str] = []
    tree = supervisor(
        "root",
        child("registrar", Registrar, args=[wrong], backoff=None),
        child("helper", Helper, backoff=None, host=helper),
        child("desk", Desk, args=[wrong], backoff=None, host=desk),
        max_restarts=None,
    )
    root = sim.start(tree)
    answers = []
    for number, kind in enumerate(asked):
        answers.append(root.child("desk").ask((kind, number), block=False, timeout=10))
        sim.advance(0.2)
    sim.heal()
    sim.advance(15)
    assert all(answer.done() for answer in answers)
    told = root.child("registrar").ask("what?")
    assert wrong == []
    assert told == (sim.runtime.whereis("helping"), sim.runtime.members("helpers"))
