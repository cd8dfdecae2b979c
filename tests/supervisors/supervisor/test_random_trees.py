"""Random trees on the real runtime, with random crashes, stops and requests, on a clock set by hand."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors import ActorDeadError, Exited, LifecycleEvent, Started, StartFailed
from supervisors import NotFound, Spec, SupervisorSpec, constant, supervisor
from tests.supervisors.cast import Play, boom, failing, hang, leave, running, worker
from tests.support import World, in_loop

ROOT = ("a", "b", "c", "s")
INNER = ("s/x", "s/y")
POLICY: dict[str, Any] = {
    "restart": st.sampled_from(["permanent", "permanent", "transient", "temporary"]),
    "backoff": st.sampled_from([None, None, constant(1), constant(3)]),
    "max_restarts": st.sampled_from([None, None, None, 1]),
}
SHAPE: dict[str, Any] = {
    "strategy": st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
    "max_restarts": st.sampled_from([None, None, 1, 4]),
}

PLACES = st.sampled_from([*ROOT, *INNER])
ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["crash", "leave", "tell", "tell", "kill", "stop", "order"]), PLACES),
    st.tuples(st.sampled_from(["fail", "hang", "hold"]), st.sampled_from(["a", "b", "c", "x", "y"])),
    st.tuples(st.sampled_from(["start", "terminate", "restart", "delete"]), st.sampled_from(ROOT)),
    st.tuples(st.sampled_from(["update", "settle", "open"]), st.just("")),
    st.tuples(st.just("advance"), st.sampled_from([0.5, 1.0, 3.0])),
)
STEPS = st.lists(ACTIONS, max_size=25)


@st.composite
def policies(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """The options of each possible child, and of the two supervisors."""
    workers = {id: draw(st.fixed_dictionaries(POLICY)) for id in ("a", "b", "c", "x", "y")}
    shapes = {id: draw(st.fixed_dictionaries(SHAPE)) for id in ("root", "s")}
    return workers | shapes


class Theatre:
    """One random tree, what is done to it, and what must hold whatever that is."""

    def __init__(self, options: dict[str, dict[str, Any]]) -> None:
        self.play = Play()
        self.options = options
        self.sent: list[int] = []
        self.asked: list[Any] = []
        self.alive: dict[str, int] = {}
        self.highest: dict[str, int] = {}

    def spec(self, id: str) -> Spec:
        """The spec of a child of the root."""
        if id == "s":
            children = [self.worker("x"), self.worker("y")]
            return supervisor("s", *children, backoff=constant(1), **self.options["s"])
        return self.worker(id)

    def worker(self, id: str) -> Spec:
        """The spec of a worker. A start or stop that waits is ended after two seconds."""
        return worker(self.play, id, shutdown=2, start_timeout=2, **self.options[id])

    def tree(self) -> SupervisorSpec:
        """All of it."""
        return supervisor("root", *map(self.spec, ROOT), **self.options["root"])

    def note(self, event: LifecycleEvent) -> None:
        """Holds the events to what they promise."""
        if isinstance(event, Started):
            path = event.path
            assert path not in self.alive, f"two incarnations of {path} are alive"
            assert event.incarnation > self.highest.get(path, 0), f"incarnations of {path} do not grow"
            self.alive[path] = self.highest[path] = event.incarnation
        elif isinstance(event, Exited | StartFailed):
            below = [path for path in self.alive if path.startswith(f"{event.path}/")]
            assert not below, f"{event.path} told of its end while {below} were alive"
            self.alive.pop(event.path, None)
            for path in [path for path in self.highest if path.startswith(f"{event.path}/")]:
                del self.highest[path]  # a supervisor's next incarnation numbers its children anew

    async def do(self, w: World, root: Any, what: str, where: Any) -> None:
        """One step of the play."""
        play = self.play
        match what:
            case "advance":
                await w.advance(where)
            case "settle":
                await w.settle()
            case "open":
                play.gate.set()
            case "fail":
                play.starts[where] = failing(2)
            case "hang":
                play.stops[where] = hang
            case "hold":
                play.starts[where] = play.held
            case "start":
                self.asked.append(root.start_child(self.spec(where)))
            case "update":
                self.asked.append(root.update_specs(*[self.spec(id) for id in ("c", "a", "s")]))
            case "terminate" | "restart" | "delete":
                self.asked.append(getattr(root, f"{what}_child")(where))
            case _:
                with contextlib.suppress(NotFound, ActorDeadError):
                    self.to_one(root.child(where), what, is_supervisor=where == "s")

    def to_one(self, ref: Any, what: str, *, is_supervisor: bool) -> None:
        """A message to one actor, or its end."""
        match what:
            case "crash" | "leave" | "tell" if is_supervisor:
                ref.kill()
            case "crash":
                ref.tell(boom)
            case "leave":
                ref.tell(leave)
            case "tell":
                ref.tell(len(self.sent))
                self.sent.append(len(self.sent))
            case "kill":
                ref.kill()
            case "stop":
                ref.stop(block=False)
            case "order":
                ref.stop(block=False, drain=False)

    def accounted_for(self, w: World) -> list[Any]:
        """Every message that was told and is not under way any more."""
        handled = [message for _, _, message in self.play.seen]
        return sorted([*handled, *(message for _, message in w.dead_letters if isinstance(message, int))])


@given(options=policies(), steps=STEPS)
@settings(max_examples=120)
def test_whatever_happens_to_a_tree_its_promises_hold(
    options: dict[str, dict[str, Any]], steps: list[tuple[str, Any]]
) -> None:
    """At most one incarnation alive, numbers that grow, ends after those below, stops in reverse, nothing left or
    lost.
    """

    @in_loop
    async def play_it() -> None:
        theatre = Theatre(options)
        errors: list[str] = []

        def watch(event: LifecycleEvent) -> None:
            try:
                theatre.note(event)
            except AssertionError as error:
                errors.append(str(error))

        async with running(supervisor("world", theatre.tree(), max_restarts=None, backoff=None)) as (w, top):
            root: Any = top.child("root")
            theatre.highest = dict.fromkeys(w.runtime.cells, 1)
            theatre.alive = dict(theatre.highest)
            w.runtime.events.subscribe(watch)
            for what, where in steps:
                await theatre.do(w, root, what, where)
            await w.settle()
            theatre.play.starts.clear()
            theatre.play.stops.clear()
            theatre.play.gate.set()
            for _ in range(12):
                await w.advance(1)
            running_now = [i.id for i in await root.which_children() if str(i.state) == "running"]
            since = len(w.events)
            top.stop(block=False)
            for _ in range(12):
                await w.advance(1)
            assert not top.is_alive()
            ends = [e.path.split("/")[2] for e in w.events[since:] if isinstance(e, Exited) and e.path.count("/") == 2]
            assert ends == running_now[::-1]
            assert theatre.alive == {}
            assert theatre.accounted_for(w) == theatre.sent
            assert all(asked.done() for asked in theatre.asked)
            assert errors == []

    play_it()
