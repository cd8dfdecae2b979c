"""One child in the reference model: what its supervisor was told of it, and what was observed of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from actors.spi import ExitReason, Killed, Shutdown
from supervisors._specs.spec import Spec
from supervisors.testing._account import Account, UpTime
from supervisors.testing._delays import AT_ONCE, Span, delay_span, stable_after


class Life(Enum):
    """The stage of the current incarnation, as its supervisor knows it."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"
    """It was told to stop."""


class Want(Enum):
    """The next action of the supervisor on the child."""

    RUN = "run"
    """It is up or starting; the supervisor does nothing."""
    FIRST = "first"
    """Its first start, or one that a request asks for, is pending."""
    AGAIN = "again"
    """A restart of its own is pending, after its delay."""
    GROUP = "group"
    """The group restart under way brings it back."""
    REST = "rest"
    """It does not run; its spec is kept."""
    DROP = "drop"
    """It will be forgotten when it has terminated."""


LIVE = frozenset({Life.STARTING, Life.UP, Life.STOPPING})


@dataclass(eq=False)
class ModelChild:
    """A child of one incarnation of a supervisor."""

    id: str
    spec: Spec
    position: int
    """Its place in the start order."""
    uptime: UpTime
    own: Account | None
    """Its own budget, if that has a period (rule 9)."""
    lives_by: Spec = field(init=False)
    """The spec of its current incarnation. After an update it differs from `spec` until the child is replaced."""
    start_limit: float | None = field(init=False)
    """The seconds that the start under way may take."""
    want: Want = Want.FIRST
    life: Life = Life.DOWN
    incarnation: int = 0
    ever_up: bool = False
    at_rest: Sequence[str] = ("stopped",)
    """The states that it may show while it is at rest."""
    to_stop: bool = False
    """A group restart will stop it and has not ordered that yet."""
    to_end: bool = False
    """A request will stop it and has not ordered that yet."""
    in_group: bool = False
    """The stop under way was ordered by a group restart."""
    last_stand: bool = False
    """The stop under way was ordered because the supervisor ends."""
    attempt: int = 0
    stalled: int = 0
    """Its restarts in a row without progress (rule 8)."""
    productive: bool = False
    """Whether it has made progress since its supervisor was started."""
    others: frozenset[int] = frozenset()
    """Smaller numbers that its attempts may have as well. The rules do not say whether they count from 1 again when its
    spec changes what it runs, nor whether a failure after an order to stop is one.
    """
    delay: float | None = None
    delays: Span = AT_ONCE
    """The span of the current delay."""
    doubt: bool = False
    """It failed after an order to stop. The supervisor may count that as an attempt or not: if it does, it says how
    long the child waits.
    """
    failed_at: float = 0.0
    due: Span = AT_ONCE
    """When its start is due, for a restart of its own."""
    up_since: float | None = None
    start_at: float = 0.0
    stop_at: float | None = None
    killed: bool = False
    request: int | None = None
    """The request that waits for its start."""
    enders: list[int] = field(default_factory=list)
    """The requests that wait until it has stopped."""
    kept: bool = False
    """That request found it at rest. If the start fails, it is at rest again."""
    fresh: bool = False
    """Its next start may be the first in a cell of its own."""
    late: bool = False
    """It was added when the supervisor was up. Another child may have had its id before."""
    in_order: bool = False
    """The start under way is one of those that go one after another."""
    restarting: bool = False
    """The start under way is a restart, not a first start."""
    by_request: bool = False
    """A request, not the group restart under way, started it."""
    closed: bool = False
    """Its cell is closed."""

    def __post_init__(self) -> None:
        self.begin(self.spec)

    @property
    def waits(self) -> bool:
        """Whether it is down and will be started."""
        return self.life is Life.DOWN and self.want in (Want.FIRST, Want.AGAIN, Want.GROUP)

    @property
    def in_turn(self) -> bool:
        """Whether it is one of those that start one after another, and has not come up yet."""
        if self.life is Life.STARTING:
            return self.in_order
        return self.request is None and self.want in (Want.FIRST, Want.GROUP)

    @property
    def alive(self) -> bool:
        """Whether it counts as alive for automatic shutdown (rule 21): until it has terminated, for any reason."""
        return self.life is not Life.DOWN or self.want in (Want.RUN, Want.FIRST, Want.AGAIN, Want.GROUP)

    @property
    def specs(self) -> tuple[Spec, Spec]:
        """The spec of its current incarnation, and that of the next one."""
        return self.lives_by, self.spec

    def begin(self, spec: Spec) -> None:
        """An incarnation with this spec begins."""
        self.lives_by, self.start_limit = spec, spec.start_timeout

    def enter(self, life: Life, now: float, progress: bool | None = None) -> None:
        """The supervisor learns of a new stage of its life. Its up time runs while it is up or at rest (rule
        8). `progress`: whether what ended had made any, for sure; `None` leaves that to the time it was up.
        """
        if life is Life.UP:
            self.ever_up, self.up_since = True, now
        was_up = self.life is Life.UP or (self.life is Life.STOPPING and self.up_since is not None)
        self.life = life
        if life is Life.DOWN:
            self.in_group = self.last_stand = self.to_stop = self.to_end = self.killed = False
            self.stop_at = None
            stable = stable_after(self.spec.backoff)  # of the new spec, while a child is replaced (rule 23)
            if self.up_since is not None and (now - self.up_since >= stable if progress is None else progress):
                self.productive = True
                self.forgive()
            self.up_since = None
        up = life is Life.UP or (life is Life.STOPPING and was_up)
        self.uptime.run(now, up or (life is Life.DOWN and self.want in (Want.REST, Want.DROP)))

    def rest(self, now: float, want: Want = Want.REST) -> None:
        """It is at rest, until a request starts it."""
        self.want = want
        self.fresh = True
        self.forgive()
        self.due = AT_ONCE
        self.uptime.run(now, True)

    def forgive(self) -> None:
        """Its attempts and its restarts without progress count from 0 again."""
        self.attempt, self.stalled, self.delay, self.others = 0, 0, None, frozenset()

    def fail(self, now: float) -> Span:
        """One more failure: returns when the next attempt may come (rule 11)."""
        self.delays = self._next_delays()
        if self.spec.backoff is None:
            self.delay = 0.0  # the supervisor does not say it
        self.attempt += 1
        self.others = frozenset(each + 1 for each in self.others)
        self.failed_at = now
        self.due = self.delays.after(now)
        self.uptime.run(now, False)
        return self.due

    def may_fail(self, now: float) -> None:
        """Perhaps one more failure. Without a backoff the supervisor does not say whether it counts it."""
        if self.spec.backoff is not None:
            self.doubt = True
            return
        self.others |= {self.attempt, *(each + 1 for each in self.others)}
        self.attempt += 1
        self.delays, self.failed_at = AT_ONCE, now

    def count_anew(self) -> None:
        """Its spec has changed what it runs: its attempts may count from 1 again."""
        if self.attempt:
            self.others |= {0}

    def next_due(self, now: float) -> Span:
        """When the next attempt may come if this was a failure."""
        return self._next_delays().after(now)

    def _next_delays(self) -> Span:
        delays = delay_span(self.spec.backoff, self.attempt + 1, self.delay)
        for each in self.others:
            delays = delays.either(self._delays_before(each + 1))
        return delays

    def _delays_before(self, attempt: int) -> Span:
        """The delays before an attempt if that is its number; its last delay may then be forgotten."""
        backoff = self.spec.backoff
        return delay_span(backoff, attempt, self.delay).either(delay_span(backoff, attempt, None))

    def settle_count(self, attempt: int) -> None:
        """The supervisor says which attempt this is."""
        if attempt in self.others:
            self.attempt = attempt
            self.delays = self._delays_before(attempt)
        self.others = frozenset()

    @property
    def grace(self) -> float | None:
        """The seconds it may take to stop; `None`: any time (rule 17)."""
        match self.lives_by.shutdown:
            case "infinity":
                return None
            case "brutal_kill":
                return 0.0
            case seconds:
                return float(seconds)


ORDERED = (Shutdown(), Killed("brutal_kill"), Killed("did not stop in time"))
"""The reasons of those who ended because their supervisor wanted it."""


def by_itself(reason: ExitReason) -> bool:
    """Whether an exit that came after an order to stop may be a failure of its own."""
    return not reason.expected and reason not in ORDERED
