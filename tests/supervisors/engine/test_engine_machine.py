"""The engine under arbitrary exits, failing starts, requests and shutdowns, at any time, in any order."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisors import ChildSpec, ChildState, Spec, child, constant, dynamic_supervisor, exponential, supervisor
from supervisors._engine.children import Child
from supervisors._engine.effects import FailureDecision
from supervisors._specs.fields import Restart
from tests.supervisors.engine.fake_edge import BOOM, Edge, Killed, Normal, Other, Worker

REASONS = st.sampled_from([BOOM, Killed(), Normal()])
SAID: st.SearchStrategy[FailureDecision | None] = st.sampled_from([None, None, None, "stop", "restart"])
AUTO = st.sampled_from(["any_significant", "all_significant"])
IDS = st.sampled_from(["a", "b", "c", "d", "e"])
REQUESTS = ["terminate", "restart", "restart_running", "delete"]
LIVE = {ChildState.STARTING, ChildState.RUNNING, ChildState.RESTARTING, ChildState.STOPPING}
AT_REST = {ChildState.STOPPED, ChildState.DECLINED}


@st.composite
def children(draw: st.DrawFn, id: str, *, significant: bool = True) -> ChildSpec:
    """A worker with any policy."""
    kinds: list[Restart] = ["permanent", "transient", "temporary"]
    restart = draw(st.sampled_from(kinds))
    own = draw(st.booleans())
    return child(
        id,
        draw(st.sampled_from([Worker, Other])),
        restart=restart,
        shutdown=draw(st.sampled_from([5, 1, "brutal_kill"])),
        backoff=draw(st.sampled_from([None, constant(2), exponential(1, cap=10)])),
        retry_start=draw(st.booleans()),
        significant=significant and restart != "permanent" and draw(st.booleans()),
        max_restarts=draw(st.integers(0, 2)) if own else None,
        on_limit=draw(st.sampled_from(["drop", "escalate"])) if own else None,
    )


@st.composite
def specs(draw: st.DrawFn) -> list[Spec]:
    """Workers with distinct ids, in any order."""
    return [draw(children(id)) for id in draw(st.lists(IDS, unique=True, max_size=4))]


class EngineMachine(RuleBasedStateMachine):
    """A fake edge that may be slow, and a world that may do anything."""

    @initialize(
        listed=specs(),
        strategy=st.sampled_from(["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"]),
        budget=st.sampled_from([0, 3, 1_000, None]),
        period=st.sampled_from([20.0, None]),
        auto=AUTO,
        seed=st.integers(0, 9),
        data=st.data(),
    )
    def begin(
        self,
        listed: list[Spec],
        strategy: str,
        budget: int | None,
        period: float | None,
        auto: str,
        seed: int,
        data: st.DataObject,
    ) -> None:
        if strategy == "simple_one_for_one":
            template = data.draw(children("template", significant=False))
            spec = dynamic_supervisor("root", template, max_restarts=budget, period=period, max_children=4)
        else:
            spec = supervisor(
                "root",
                *listed,
                strategy=strategy,  # type: ignore[arg-type]
                max_restarts=budget,
                period=period,
                auto_shutdown=auto,  # type: ignore[arg-type]
            )
        self.edge = Edge(spec, seed, automatic=False)
        self.requests = 0
        self.old: list[tuple[str, int]] = []
        self.edge.start()

    def _children(self) -> list[Child]:
        return list(self.edge.engine.children)

    def _request(self) -> str:
        self.requests += 1
        return f"request {self.requests}"

    def _pick(self, data: st.DataObject, ids: dict[str, int]) -> str:
        id = data.draw(st.sampled_from(sorted(ids)))
        self.old.append((id, ids[id]))
        return id

    @precondition(lambda self: self.edge.up)
    @rule(data=st.data(), reason=REASONS, said=SAID, handled=st.integers(0, 1))
    def a_child_exits(self, data: st.DataObject, reason: Killed, said: FailureDecision | None, handled: int) -> None:
        self.edge.crash(self._pick(data, self.edge.up), reason, decision=said, handled=handled)

    @rule(strategy=st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]), auto=AUTO)
    def its_settings_change(self, strategy: str, auto: str) -> None:
        given = {} if self.edge.spec.is_dynamic else {"strategy": strategy, "auto_shutdown": auto}
        self.edge.update_settings(given, self._request())

    @precondition(lambda self: self.edge.starting)
    @rule(data=st.data())
    def a_start_succeeds(self, data: st.DataObject) -> None:
        self.edge.come_up(data.draw(st.sampled_from(sorted(self.edge.starting))))

    @precondition(lambda self: self.edge.starting)
    @rule(data=st.data(), said=SAID)
    def a_start_fails(self, data: st.DataObject, said: FailureDecision | None) -> None:
        self.edge.fail(self._pick(data, self.edge.starting), decision=said)

    @precondition(lambda self: self.edge.starting)
    @rule(data=st.data())
    def a_child_declines(self, data: st.DataObject) -> None:
        self.edge.decline(self._pick(data, self.edge.starting))

    @precondition(lambda self: self.edge.stopping)
    @rule(data=st.data(), reason=REASONS)
    def a_stopped_child_is_gone(self, data: st.DataObject, reason: Killed) -> None:
        self.edge.gone(self._pick(data, self.edge.stopping), reason)

    @precondition(lambda self: self.old)
    @rule(data=st.data(), kind=st.sampled_from(["exited", "start_failed", "started", "declined"]))
    def a_stale_notice_has_no_effect(self, data: st.DataObject, kind: str) -> None:
        id, number = data.draw(st.sampled_from(self.old))
        before = self.edge.engine.which_children()
        arguments = {"exited": (BOOM,), "start_failed": (BOOM,), "started": (), "declined": ()}[kind]
        getattr(self.edge.engine, kind)(id, number, *arguments, self.edge.now)
        assert not self.edge.engine.effects
        assert self.edge.engine.which_children() == before

    @rule(seconds=st.sampled_from([0.0, 0.5, 2.0, 25.0]))
    def time_passes(self, seconds: float) -> None:
        self.edge.sleep(seconds)

    @precondition(lambda self: not self.edge.spec.is_dynamic)
    @rule(data=st.data(), id=IDS)
    def start_child(self, data: st.DataObject, id: str) -> None:
        self.edge.start_child(data.draw(children(id)), self._request())

    @precondition(lambda self: self.edge.spec.is_dynamic)
    @rule()
    def start_instance(self) -> None:
        self.edge.start_child({}, self._request())

    @rule(id=IDS | st.sampled_from(["1", "2", "3"]), what=st.sampled_from(REQUESTS))
    def ask(self, id: str, what: str) -> None:
        getattr(self.edge, what)(id, self._request())

    @precondition(lambda self: not self.edge.spec.is_dynamic)
    @rule(listed=specs())
    def update(self, listed: list[Spec]) -> None:
        self.edge.update(listed, self._request())

    @rule(dice=st.integers(0, 19))
    def shutdown(self, dice: int) -> None:
        if dice == 0:
            self.edge.shutdown()

    @invariant()
    def each_child_is_where_its_state_says(self) -> None:
        """Exactly one visible state each, and it agrees with what the edge has of the child."""
        edge = self.edge
        shown = {info.id: info for info in edge.engine.which_children()}
        assert set(edge.starting) | set(edge.up) | set(edge.stopping) <= set(shown)
        for id, info in shown.items():
            assert (info.state is ChildState.RUNNING) == (id in edge.up)
            assert (info.state is ChildState.STOPPING) == (id in edge.stopping)
            assert id not in edge.starting or info.state in (ChildState.STARTING, ChildState.RESTARTING)
            assert (info.until is not None) == (info.state is ChildState.BACKING_OFF)
            assert info.state not in AT_REST or id not in edge.cells

    @invariant()
    def counts_agree_with_the_children(self) -> None:
        """`count_children` is kept up to date without looking at the children."""
        shown = Counter(info.state for info in self.edge.engine.which_children())
        counts = self.edge.engine.count_children()
        assert {state: count for state, count in counts.states.items() if count} == dict(shown)
        assert counts.specs == sum(shown.values()) == counts.workers
        limit = self.edge.spec.max_children
        assert limit is None or counts.specs <= limit

    @invariant()
    def something_moves_whoever_waits(self) -> None:
        """No request waits for ever: the edge owes a notice, a timer is set, or all are up or at rest."""
        edge = self.edge
        if not (edge.starting or edge.stopping or edge.timers):
            assert {info.state for info in edge.engine.which_children()} <= {ChildState.RUNNING} | AT_REST
            assert edge.answers.keys() | edge.errors.keys() == edge.asked
            assert edge.ended is not None or "ready" in edge.log

    @invariant()
    def the_window_is_not_exceeded(self) -> None:
        """Never more granted restarts inside the window than the spec allows."""
        limit, window = self.edge.spec.max_restarts, self.edge.engine._budget.window
        assert limit is None or window is None or window.count(self.edge.now) <= limit
        assert limit is None or window is not None or all(each.stalled <= max(limit, 2) for each in self._children())

    @invariant()
    def nothing_is_left_after_the_end(self) -> None:
        """After the end nothing is left, and every request has its one answer."""
        edge = self.edge
        if edge.ended is not None:
            assert edge.engine.which_children() == ()
            left = [edge.starting, edge.up, edge.stopping, edge.timers, edge.cells]
            assert not any(left)
            assert edge.answers.keys() | edge.errors.keys() == edge.asked

    def teardown(self) -> None:
        """Whatever happened, a shutdown ends it: every child is gone and there is exactly one end."""
        if not hasattr(self, "edge"):
            return
        edge = self.edge
        order = [info.id for info in edge.engine.which_children() if info.id in edge.up.keys() | edge.starting.keys()]
        begun = len(edge.log)
        edge.shutdown()
        while edge.stopping:
            edge.gone(next(iter(edge.stopping)))
        stopped = [entry[1:] for entry in edge.log[begun:] if entry.startswith("-")]
        if not edge.spec.is_dynamic:
            assert stopped == order[::-1]
        assert edge.log.count("end") == 1
        self.nothing_is_left_after_the_end()


EngineMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)
TestEngineMachine = EngineMachine.TestCase
