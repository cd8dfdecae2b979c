"""The Prometheus sink: what it counts, and what it leaves alone."""

from __future__ import annotations

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from actors import Actor, Metrics
from tests.support import in_loop, world


class Worker(Actor):
    """Counts nothing, crashes when told to."""

    def on_receive(self, message: object) -> object:
        if message == "crash":
            raise ValueError(message)
        return message() if callable(message) else message


class Other(Actor):
    """A second class."""

    def on_receive(self, message: object) -> None:
        self.stop()


class Broken(Actor):
    """Never comes up."""

    def on_start(self) -> None:
        raise OSError("no")


def metric(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """One sample."""
    return registry.get_sample_value(f"letitcrash_{name}", labels)


@in_loop
async def test_exits_are_counted_by_actor_class_and_reason() -> None:
    """Guards letitcrash_exits_total: one series for each class of actor and of reason."""
    registry = CollectorRegistry()
    async with world() as w:
        with Metrics(w.runtime, registry):
            crashing, killed, ending = [await w.runtime.spawn(kind) for kind in (Worker, Worker, Other)]
            crashing.tell("crash")
            killed.kill()
            ending.tell("end")
            await w.settle()
            assert metric(registry, "exits_total", actor="Worker", reason="crashed") == 1
            assert metric(registry, "exits_total", actor="Worker", reason="killed") == 1
            assert metric(registry, "exits_total", actor="Other", reason="normal") == 1


@in_loop
async def test_a_failed_start_is_counted_apart_from_exits() -> None:
    registry = CollectorRegistry()
    async with world() as w:
        with Metrics(w.runtime, registry):
            with pytest.raises(Exception, match="did not start"):
                await w.runtime.spawn(Broken)
            assert metric(registry, "start_failures_total", actor="Broken", reason="crashed") == 1
            assert metric(registry, "starts_total", actor="Broken") is None
            assert metric(registry, "exits_total", actor="Broken", reason="crashed") is None


@in_loop
async def test_exceptions_that_an_actor_survives_are_counted_by_its_class() -> None:
    class Tough(Worker):
        resumes = (ValueError,)

    registry = CollectorRegistry()
    async with world() as w:
        with Metrics(w.runtime, registry):
            tough = await w.runtime.spawn(Tough)
            for _ in range(2):
                tough.tell("crash")
            await w.settle()
            assert metric(registry, "survived_total", actor=Tough.__qualname__) == 2
            assert metric(registry, "exits_total", actor=Tough.__qualname__, reason="crashed") is None


@in_loop
async def test_incarnations_after_the_first_are_restarts() -> None:
    """Guards letitcrash_restarts_total, which needs no word from a supervisor."""
    registry = CollectorRegistry()
    async with world() as w:
        with Metrics(w.runtime, registry):
            parent = await w.runtime.spawn(Worker)
            cell = w.runtime.make_cell(
                (await w.runtime.spawn(Worker))._cell.props, "child", parent._cell, supervised=True
            )
            cell.begin()
            await w.settle()
            assert metric(registry, "restarts_total", actor="Worker") is None
            cell.ref.tell("crash")
            await w.settle()
            assert metric(registry, "actors", actor="Worker", state="down") == 1
            cell.begin()
            await w.settle()
            assert metric(registry, "restarts_total", actor="Worker") == 1
            assert metric(registry, "starts_total", actor="Worker") == 4


@in_loop
async def test_a_scrape_shows_live_actors_and_waiting_messages() -> None:
    """Guards the gauges: sum and maximum of what waits, and actors by state."""
    registry = CollectorRegistry()
    async with world() as w:
        first, second = [await w.runtime.spawn(Worker) for _ in range(2)]
        with Metrics(w.runtime, registry):
            first.suspend()
            second.suspend()
            await w.settle()
            for number in range(3):
                first.tell(number)
            second.tell(0)
            assert metric(registry, "actors", actor="Worker", state="running") == 2
            assert metric(registry, "mailbox_messages", actor="Worker") == 4
            assert metric(registry, "mailbox_messages_max", actor="Worker") == 3
            first.kill()
            second.kill()
            await w.settle()
            assert metric(registry, "actors", actor="Worker", state="running") == 0
            assert metric(registry, "mailbox_messages", actor="Worker") == 0
            assert metric(registry, "dead_letters_total", reason="closed") == 4


@in_loop
async def test_messages_and_time_in_handlers_survive_the_actor() -> None:
    """Guards that counters never fall when an actor has terminated."""
    registry = CollectorRegistry()
    async with world() as w:
        with Metrics(w.runtime, registry):
            ref = await w.runtime.spawn(Worker)
            for _ in range(5):
                ref.tell(lambda: w.clock.advance(2))
            await w.settle()
            assert metric(registry, "messages_handled_total", actor="Worker") == 5
            seconds = metric(registry, "handler_seconds_total", actor="Worker")
            assert seconds == 10
            ref.kill()
            await w.settle()
            assert metric(registry, "messages_handled_total", actor="Worker") == 5
            assert metric(registry, "handler_seconds_total", actor="Worker") == seconds


@given(st.lists(st.sampled_from(["spawn", "tell", "crash", "kill", "vanish"]), max_size=20))
def test_counters_never_fall_between_two_scrapes(steps: list[str]) -> None:
    """Guards monotony whatever the actors do, also when a cell is seen neither alive nor in the totals."""

    @in_loop
    async def run() -> None:
        registry = CollectorRegistry()
        async with world() as w:
            with Metrics(w.runtime, registry):
                live = []
                last = 0.0
                for step in steps:
                    if step == "spawn":
                        live.append(await w.runtime.spawn(Worker))
                    elif step == "vanish" and live:
                        # What a scrape in another thread sees between the two halves of `forget`.
                        cell = live[0]._cell
                        path = cell.path
                        if path in w.runtime.cells:
                            del w.runtime.cells[path]
                            now = metric(registry, "messages_handled_total", actor="Worker") or 0.0
                            w.runtime.cells[path] = cell
                            assert now >= last
                    elif live:
                        ref = live.pop(0) if step in ("crash", "kill") else live[0]
                        ref.kill() if step == "kill" else ref.tell(step)
                    await w.settle()
                    now = metric(registry, "messages_handled_total", actor="Worker") or 0.0
                    assert now >= last
                    last = now

    run()


@in_loop
async def test_dead_letters_are_counted_by_reason() -> None:
    """Guards letitcrash_dead_letters_total."""
    registry = CollectorRegistry()
    async with world() as w:
        with Metrics(w.runtime, registry):
            ref = await w.runtime.spawn(Worker)
            ref.tell("crash")
            await w.settle()
            assert metric(registry, "dead_letters_total", reason="crashed") == 1


@in_loop
async def test_close_takes_every_series_out_and_ends_the_subscription() -> None:
    """Guards that nothing of a closed sink is left, and that its registry can be used again."""
    registry = CollectorRegistry()
    async with world() as w:
        metrics = Metrics(w.runtime, registry)
        await w.runtime.spawn(Worker)
        assert b"letitcrash_" in generate_latest(registry)
        metrics.close()
        metrics.close()
        assert generate_latest(registry) == b""
        before = metrics.counted("starts")
        await w.runtime.spawn(Worker)
        assert metrics.counted("starts") == before == 1
        Metrics(w.runtime, registry).close()


@in_loop
async def test_a_registry_takes_one_sink_of_a_namespace() -> None:
    """Guards the refusal: two runtimes must not mix their series unseen, and the refused sink leaves no
    subscription.
    """
    registry = CollectorRegistry()
    async with world() as w:
        with Metrics(w.runtime, registry):
            subscriptions = len(w.runtime.events._subscriptions)
            with pytest.raises(ValueError, match="Duplicated"):
                Metrics(w.runtime, registry)
            assert len(w.runtime.events._subscriptions) == subscriptions
            Metrics(w.runtime, registry, namespace="other").close()


@in_loop
async def test_the_global_registry_is_left_alone() -> None:
    """Guards the house rule: a library never touches the global registry."""
    async with world() as w:
        with Metrics(w.runtime, CollectorRegistry()):
            await w.runtime.spawn(Worker)
            assert b"letitcrash" not in generate_latest(prometheus_client.REGISTRY)


@in_loop
async def test_single_messages_are_not_observed() -> None:
    """Guards the hot path: the sink does not turn on the events of single messages."""
    async with world() as w:
        with Metrics(w.runtime, CollectorRegistry()):
            w.runtime.watch_messages()
            assert not w.runtime.observed
