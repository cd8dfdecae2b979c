"""What an actor can do, and what can be done with it, is the same on a node of Ray."""

from tests.actors.place.test_operations import *  # noqa: F403
