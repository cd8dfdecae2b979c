"""The names of an actor's own properties: an error that says so, when the class is defined or at the assignment."""

from __future__ import annotations

import pytest

from actors import Actor, NotAnActor, ReservedName
from actors._core.reserved import RESERVED
from actors.testing import simulation
from tests.actors.cast import Player


@pytest.mark.parametrize("name", RESERVED)
def test_an_assignment_to_an_own_property_says_to_choose_another_name(name: str) -> None:
    with simulation() as sim:
        ref = sim.spawn(Player)
        with pytest.raises(ReservedName) as caught:
            ref.ask(lambda self: setattr(self, name, "mine"))
        assert isinstance(caught.value, AttributeError)
        assert str(caught.value) == f"Player: {name!r} is a property that every actor has. Choose another name"


def test_a_constructor_that_assigns_an_own_property_fails_with_that_text() -> None:
    class Copier(Actor):
        def __init__(self, path: str) -> None:
            self.path = path  # type: ignore[misc]

    with simulation() as sim, pytest.raises(Exception, match="'path' is a property that every actor has"):
        sim.spawn(Copier, args=["/tmp/x"])


def test_a_class_that_takes_such_names_is_refused_with_all_of_them() -> None:
    """By value, by annotation, as a method: whatever would shadow or break the property."""
    with pytest.raises(NotAnActor, match="properties 'path', 'ref', 'sender' already"):

        class Bad(Actor):
            path = "/tmp"
            ref: str  # type: ignore[assignment]

            def sender(self) -> str:  # type: ignore[override]
                return "me"


def test_every_property_of_an_actor_is_still_there_and_documented() -> None:
    with simulation() as sim:
        ref = sim.spawn(Player)
        assert ref.ask(lambda self: (self.path, self.ref, self.incarnation)) == (ref.path, ref, 1)
        properties = vars(Actor)
        assert all(properties[name].__doc__ for name in RESERVED)
