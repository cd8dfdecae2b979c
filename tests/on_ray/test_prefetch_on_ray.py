"""More than one message under way to a node of Ray: they are handled in order, and none is lost with the process."""

from tests.places.test_prefetch import *  # noqa: F403
