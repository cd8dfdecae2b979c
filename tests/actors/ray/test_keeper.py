"""The keeper of a node, without Ray: its lease, and the order of what it hears."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from actors._place.carrier import VERSION
from actors._ray.carrier import MISTRUST, GivenUp
from actors._ray.keeper import NodeKeeper, local
from tests.support import in_loop

LEASE = 30.0


class Ended(BaseException):
    """The keeper ends its process."""


class Time:
    """The clock of the node."""

    def __init__(self) -> None:
        self.now = 1000.0


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The clock of a node where Ray is not needed, and whose process raises instead of ending."""
    made = Time()

    def end(_: int) -> None:
        raise Ended

    monkeypatch.setattr("actors._ray.keeper.now", lambda: made.now)
    monkeypatch.setattr("actors._ray.keeper.node_address", lambda: "10.0.0.1")
    monkeypatch.setattr("actors._ray.keeper.node_id", lambda: "node")
    monkeypatch.setattr("actors._ray.keeper.os._exit", end)
    return made


async def up() -> NodeKeeper:
    """A keeper that has given its first answer."""
    keeper = NodeKeeper(LEASE, [])
    number, body = await keeper.take(0)
    assert number == 1
    assert pickle.loads(body) == [("up", 0, VERSION, "10.0.0.1", "node")]
    return keeper


def listen(keeper: NodeKeeper, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the keeper is told, in its order."""
    heard: list[Any] = []
    monkeypatch.setattr(keeper, "_do", lambda *what: heard.append(what))
    return heard


@in_loop
async def test_a_lease_counts_from_the_answer_that_the_program_has(time: Time) -> None:
    """Guards a question that was long on its way: when it comes, it says nothing of the time since the answer."""
    keeper = await up()
    time.now += 10
    keeper.say("begun", 1, 1, 0.0)
    await keeper.take(1)  # renews it from the first answer, at 1000
    time.now = 1000 + LEASE + 1
    with pytest.raises(Ended):
        await keeper.deliver(1, pickle.dumps([]))


@in_loop
async def test_each_answer_that_the_program_has_renews_the_lease(time: Time) -> None:
    keeper = await up()
    for number in range(1, 20):
        keeper.say("begun", 1, number, 0.0)
        time.now += LEASE / 3
        assert (await keeper.take(number))[0] == number + 1
    await keeper.deliver(1, pickle.dumps([]))


@in_loop
async def test_a_lease_that_is_over_is_not_renewed(time: Time) -> None:
    """Guards a node that was frozen: what waited for it does not begin with its lease anew."""
    keeper = await up()
    time.now += LEASE + 1
    with pytest.raises(Ended):
        await keeper.take(1)


@in_loop
async def test_the_last_answer_of_a_keeper_is_the_one_that_counts(time: Time) -> None:
    """Guards an old question that comes late: its answer is known already, and shortens nothing."""
    keeper = await up()
    time.now += 20
    keeper.say("begun", 1, 1, 0.0)
    await keeper.take(1)
    time.now += 5
    keeper.say("begun", 1, 2, 0.0)
    await keeper.take(2)
    keeper.say("begun", 1, 3, 0.0)
    await keeper.take(1)
    time.now = 1020 + LEASE - 1
    await keeper.deliver(1, pickle.dumps([]))


@in_loop
async def test_batches_are_heard_in_order_however_they_come(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = await up()
    heard = listen(keeper, monkeypatch)
    batches = {number: pickle.dumps([("send", number, ())]) for number in range(1, 6)}
    for number in (3, 1, 5, 4, 2):
        await keeper.deliver(number, batches[number])
    assert heard == [("send", number, ()) for number in range(1, 6)]


@in_loop
async def test_what_a_keeper_cannot_read_ends_it(time: Time, capfd: pytest.CaptureFixture[str]) -> None:
    """Guards messages that would be lost in silence."""
    keeper = await up()
    with pytest.raises(Ended):
        await keeper.deliver(1, b"no pickle")
    assert "UnpicklingError" in capfd.readouterr().err


@in_loop
async def test_an_answer_waits_until_there_is_something_to_say(time: Time) -> None:
    keeper = await up()
    asked = asyncio.ensure_future(keeper.take(1))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not asked.done()
    keeper.say("name", 7, "process 1")
    number, body = await asked
    assert number == 2
    assert pickle.loads(body) == [("name", 7, "process 1")]


def test_a_node_that_was_given_up_is_trusted_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Time()
    monkeypatch.setattr("actors._ray.carrier.monotonic", lambda: made.now)
    given_up = GivenUp()
    given_up.add("a")
    made.now += MISTRUST / 2
    given_up.add("b")
    assert given_up.nodes() == ["a", "b"]
    made.now += MISTRUST / 2
    assert given_up.nodes() == ["b"]


def test_a_main_module_is_found_in_the_working_directory(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.py").touch()
    assert local(None) is None
    assert local(("name", "package.main")) == ("name", "package.main")
    assert local(("path", str(tmp_path / "there.py"))) == ("path", str(tmp_path / "there.py"))
    assert local(("path", "/of/another/machine/program.py")) == ("path", str(tmp_path / "program.py"))
