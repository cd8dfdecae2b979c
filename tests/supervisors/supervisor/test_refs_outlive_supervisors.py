"""What a restart of a supervisor keeps of its children (supervision rule 26)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorDeadError, DeadLetter
from actors.testing import Simulation, simulation
from supervisors import SupervisorSpec, child, constant, dynamic_supervisor, supervisor


class Worker(Actor):
    """Writes down what it handles, with its incarnation."""

    def __init__(self, log: list[tuple[str, int, object]], greeting: str = "") -> None:
        self.log = log
        self.greeting = greeting

    def on_receive(self, message: Any) -> Any:
        if message == "crash":
            raise ValueError("boom")
        self.log.append((self.path, self.incarnation, message))
        return self.greeting


class Other(Worker):
    """Another class."""


def lost(sim: Simulation) -> list[DeadLetter]:
    """The dead letters from now on."""
    letters: list[DeadLetter] = []
    sim.runtime.events.subscribe(letters.append, DeadLetter)
    return letters


ENDS = ("kill", "stop", "give up", "group restart", "crash of the one above")


@pytest.mark.parametrize("end", ENDS)
def test_refs_and_queues_below_a_restarted_supervisor_wait_for_it(end: str) -> None:
    """Guards "the same ref through every restart", whatever ends the supervisor."""
    log: list[tuple[str, int, object]] = []
    inner = supervisor(
        "s", child("x", Worker, args=(log,)), child("y", Worker, args=(log,)), backoff=constant(5), max_restarts=0
    )
    tree = supervisor(
        "root",
        supervisor(
            "m", inner, child("z", Worker, args=(log,), backoff=None), strategy="one_for_all", backoff=constant(5)
        ),
    )
    with simulation() as sim:
        root = sim.start(tree)
        letters = lost(sim)
        s, x, y = root.child("m/s"), root.child("m/s/x"), root.child("m/s/y")
        x.suspend()
        sim.settle()
        x.tell(1)
        match end:
            case "kill":
                s.kill()
            case "stop":
                s.stop(block=False, drain=False)
            case "give up":
                y.tell("crash")
            case "group restart":
                root.child("m/z").tell("crash")
            case _:
                root.child("m").kill()
        sim.advance(1)
        x.resume()
        x.tell(2)
        y.tell(3)
        assert x.is_alive()
        assert root.child("m/s/x") is x
        sim.advance(30)
        assert sorted(log) == [
            ("root/m/s/x", 2, 1),
            ("root/m/s/x", 2, 2),
            ("root/m/s/y", 2, 3),
        ]
        assert [each.message for each in letters] == ["crash"] * (end in ("give up", "group restart"))


@given(st.lists(st.sampled_from(["kill s", "kill x", "tell", "ask", "wait", "kill m"]), max_size=12))
def test_every_message_to_a_child_is_handled_or_a_dead_letter(script: list[str]) -> None:
    """Guards conservation through restarts of the supervisors above; askers are all answered."""
    log: list[tuple[str, int, object]] = []
    tree = supervisor(
        "root",
        supervisor("m", supervisor("s", child("x", Worker, args=(log, "hi")), max_restarts=None), max_restarts=None),
        max_restarts=None,
    )
    with simulation() as sim:
        root = sim.start(tree)
        letters = lost(sim)
        refs = {"s": root.child("m/s"), "x": root.child("m/s/x"), "m": root.child("m")}
        asked = []
        for number, act in enumerate(script):
            match act:
                case "tell":
                    refs["x"].tell(number)
                case "ask":
                    asked.append(refs["x"].ask(number, block=False, timeout=None))
                case "wait":
                    sim.advance(0.05)
                case _:
                    refs[act.split()[1]].kill()
        sim.advance(600)
        assert all(future.done() for future in asked)
        handled = [message for _, _, message in log] + [each.message for each in letters]
        assert sorted(map(str, handled)) == sorted(str(n) for n, act in enumerate(script) if act in ("tell", "ask"))


def test_the_number_of_the_incarnation_counts_on() -> None:
    """Guards against a late word of an old incarnation taken for one of the new."""
    with simulation() as sim:
        root = sim.start(
            supervisor("root", supervisor("s", child("x", Worker, args=([],), backoff=None), backoff=None))
        )
        x = root.child("s/x")
        x.kill()
        sim.settle()
        root.child("s").kill()
        sim.settle()
        assert x.incarnation == 3


def changed(**options: Any) -> SupervisorSpec:
    """The supervisor of the tests below, with other children."""
    return supervisor("s", *options.pop("children"), backoff=constant(5), **options)


@pytest.mark.parametrize(
    ("children", "same"),
    [
        ([child("x", Worker, args=([], "new"))], True),
        ([child("x", Worker, args=([], "new"), host="thread")], True),
        ([child("x", Other, args=([], "new"))], False),
        ([child("other", Worker, args=([], "new"))], False),
    ],
    ids=["arguments", "host", "class", "id"],
)
def test_a_changed_spec_keeps_the_ref_while_path_and_class_are_the_same(children: list[Any], same: bool) -> None:
    """Says what a changed spec does: arguments and policy are new, a ref of another class or id ends."""
    with simulation() as sim:
        root = sim.start(supervisor("root", changed(children=[child("x", Worker, args=([], "old"))])))
        x = root.child("s/x")
        root.update_specs(changed(children=children)).get()
        letters = lost(sim)
        sim.advance(30)
        assert x.is_alive() == same
        if same:
            assert x.ask("hello") == "new"
        else:
            with pytest.raises(ActorDeadError):
                x.tell("hello")
        assert not letters


def test_what_waits_for_a_place_that_is_not_there_again_is_a_dead_letter() -> None:
    """Guards the queue of a child that was added at run time, of which the spec knows nothing."""
    with simulation() as sim:
        root = sim.start(supervisor("root", supervisor("s", backoff=constant(5))))
        added = root.supervisor("s").start_child(child("x", Worker, args=([],))).get()
        letters = lost(sim)
        added.suspend()
        sim.settle()
        answer = added.ask("waits", block=False, timeout=None)
        root.child("s").kill()
        sim.settle()
        assert not added.is_alive()
        assert answer.done()
        assert [each.message for each in letters] == ["waits"]


@pytest.mark.parametrize("restart", ["temporary", "permanent"])
def test_a_supervisor_that_does_not_come_back_ends_its_children_for_good(restart: Any) -> None:
    """Guards the askers below a supervisor that is not restarted, or whose own supervisor gives up."""
    with simulation() as sim:
        inner = supervisor("s", child("x", Worker, args=([],)), restart=restart, backoff=constant(5))
        root = sim.start(supervisor("root", inner, max_restarts=0))
        x = root.child("s/x")
        x.suspend()
        sim.settle()
        answer = x.ask("waits", block=False, timeout=None)
        root.child("s").kill()
        sim.settle()
        assert not x.is_alive()
        assert answer.done()


def test_without_keep_children_a_restart_of_the_supervisor_ends_the_refs() -> None:
    """Guards OTP's way for who asks for it."""
    with simulation() as sim:
        root = sim.start(supervisor("root", supervisor("s", child("x", Worker, args=([],)), keep_children=False)))
        x = root.child("s/x")
        root.child("s").kill()
        sim.settle()
        assert not x.is_alive()


def test_children_of_a_template_end_with_their_supervisor() -> None:
    """Guards dynamic children, which are not there again when it restarts."""
    with simulation() as sim:
        root = sim.start(supervisor("root", dynamic_supervisor("d", child("x", Worker, args=([],)), backoff=None)))
        x = root.supervisor("d").start_child().get()
        root.child("d").kill()
        sim.settle()
        assert not x.is_alive()
