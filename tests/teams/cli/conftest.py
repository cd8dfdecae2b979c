"""Commands in the process of the tests: their handler of log lines is taken back when a test ends, and they are built
once.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator

import pytest
import structlog
import typer.main

from actors.spi import NAME

built = functools.cache(typer.main.get_command)


@pytest.fixture(autouse=True)
def commands_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`CliRunner` builds all commands of an application for each line, which takes longer than most commands."""
    monkeypatch.setattr("typer.testing._get_command", built)


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
