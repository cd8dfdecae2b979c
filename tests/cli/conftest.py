"""A command in the process of the tests sends its log lines to a handler: it is taken back when its test ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from actors.spi import NAME


@pytest.fixture(autouse=True)
def logging_is_left_as_it_was() -> Iterator[None]:
    """As after the end of a process. The root has the handlers of pytest, and a command adds none."""
    ours = logging.getLogger(NAME)
    handlers, level, propagate, configured = list(ours.handlers), ours.level, ours.propagate, structlog.is_configured()
    yield
    ours.handlers[:] = handlers
    ours.setLevel(level)
    ours.propagate = propagate
    if not configured:
        structlog.reset_defaults()
