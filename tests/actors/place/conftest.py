"""The zygotes of these tests are forked from an interpreter that has imported what they need: a new one takes a quarter
of a second of processor time in each test. A test with the fixture `new_zygotes` has new ones, as a program has.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from actors._peer.zygote import _IMPORTED
from actors._place import launcher
from tests import forked
from tests.actors.place.cast import MARK, SESSIONS


@pytest.fixture(scope="session")
def forking() -> Iterator[forked.Server]:
    """The interpreter that forks zygotes."""
    server = forked.Server("actors._peer.zygote", *_IMPORTED)
    assert server.address  # it is started before a test looks which descriptors are open
    yield server
    server.close()


@pytest.fixture(autouse=True)
def zygotes_are_forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their processes are found by their sessions (`SESSIONS`): the kernel shows the environment of the first one."""
    if sys.platform != "linux" or "new_zygotes" in request.fixturenames:
        return
    server: forked.Server = request.getfixturevalue("forking")

    def start(control: int, lifeline: int) -> launcher.ZygoteProcess:
        code = launcher._CODE.format(path=sys.path, control=control, lifeline=lifeline)
        zygote = forked.Program(["-c", code], stdin=forked.DEVNULL, pass_fds=[control, lifeline], by=server)
        SESSIONS.setdefault(os.environ.get(MARK, ""), set()).add(zygote.pid)
        return zygote

    monkeypatch.setattr(launcher, "start_zygote", start)


@pytest.fixture
def new_zygotes() -> None:
    """The zygotes of the test are new interpreters."""
