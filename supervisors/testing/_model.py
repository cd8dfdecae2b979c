"""The reference model of one incarnation of a supervisor, written only from the rules of supervision.

Its input is what the supervisor is told: exits, starts, requests, its order to stop. It judges what the supervisor
does. Each start and each stop needs a reason by a rule, must come in its order, and not before its delay is over
(`starting`, `stop_ordered`). What the rules demand at once must be done before time moves on (`settle`).

What the rules leave open stays open: if two readings are possible, the model accepts both, or says why it stops judging
(`silent`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from actors.spi import Crashed, ExitReason, RestartLimitExceeded, Shutdown
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec
from supervisors.errors import ChildStartError as ChildStartFailed
from supervisors.testing._account import Account, BudgetResult, UpTime
from supervisors.testing._asks import Asks
from supervisors.testing._delays import AT_ONCE, ROUNDING, Span
from supervisors.testing._errors import ReferenceDisagreement
from supervisors.testing._member import LIVE, ORDERED, Life, ModelChild, Want, by_itself
from supervisors.testing._update import SpecsUpdate


class Mode(Enum):
    """The phase of the supervisor itself."""

    UNBORN = "unborn"
    """It was told to start and has done nothing yet."""
    STARTING = "starting"
    RUNNING = "running"
    ENDING = "ending"
    OVER = "over"
    """Killed, crashed or terminated: the model only expects that nothing of it is left."""


WHEN_EXITED: dict[tuple[str, bool], Want] = {
    ("permanent", True): Want.RUN,
    ("permanent", False): Want.RUN,
    ("transient", True): Want.REST,
    ("transient", False): Want.RUN,
    ("temporary", True): Want.DROP,
    ("temporary", False): Want.DROP,
}
"""The table "When a child exits": from (restart, whether the reason is expected) to the next `Want`. RUN: restart."""


@dataclass
class GroupRestart:
    """A group restart under way."""

    dues: dict[str, Span] = field(default_factory=dict)
    """When the delay of each failed member is over (rule 12)."""

    @property
    def due(self) -> Span:
        """When its starts may begin."""
        due = AT_ONCE
        for each in self.dues.values():
            due = due.joined(each)
        return due


@dataclass
class End:
    """Why the supervisor ends."""

    rule: int
    text: str
    fits: list[Callable[[ExitReason], bool]]
    """The possible reasons, one for each cause."""


class SupervisorModel:
    """One incarnation of a supervisor."""

    def __init__(self, spec: SupervisorSpec, path: str, incarnation: int) -> None:
        self.spec = spec
        self.path = path
        self.incarnation = incarnation
        self.mode = Mode.UNBORN
        self.up = False
        """It has reported its own start."""
        self.members: dict[str, ModelChild] = {}
        self.account = Account.of(spec)
        self.productive: bool | None = False
        """Whether its own life was progress: the child that made it give up had made progress. None: not known."""
        self.group: GroupRestart | None = None
        self.update: SpecsUpdate | None = None
        self.end: End | None = None
        self.silent: str | None = None
        """Why the model does not judge this incarnation any more, if so."""
        self.now = 0.0
        self.step = 0
        self.dropped: dict[str, ModelChild] = {}
        """Children that have terminated and whose cell was not closed yet."""
        self.asks = Asks(self.disagree)
        self.newcomers: list[int] = []
        """The requests for one more child of the template that are not carried out yet."""
        self.template: Spec | None = spec.template
        """The template of the children of a dynamic supervisor."""
        self.brought: dict[str, Spec] = {}
        """What `update_specs` has brought where the model gave in."""
        self._places = 0

    # Saying no

    def disagree(self, rule: int, expected: str, observed: str) -> None:
        """Raises, unless the model has given in."""
        if self.silent is None:
            raise ReferenceDisagreement(self.now, self.step, self.path, rule, expected, observed)

    def give_in(self, why: str) -> None:
        """The rules leave open what happens now: from now on the model judges only what is certain."""
        self.silent = self.silent or why

    # The children

    @property
    def ordered(self) -> bool:
        """Whether the children have an order (rule 6)."""
        return self.spec.strategy != "simple_one_for_one"

    @property
    def grouped(self) -> bool:
        """Whether a restart also restarts siblings (rule 6)."""
        return self.spec.strategy in ("one_for_all", "rest_for_one")

    def add(self, id: str, spec: Spec, request: int | None = None) -> ModelChild:
        """Adds a child at the end of the order."""
        late = self.mode is not Mode.STARTING or request is not None
        uptime = UpTime(self.now, running=False)
        member = ModelChild(id, spec, self._place(), uptime, Account.of(spec.own_restarts), request=request, late=late)
        self.members[id] = member
        return member

    def reorder(self, ids: Iterable[str]) -> None:
        """Sets the start order. Children that are not named are being removed."""
        named = [self.members.pop(id) for id in ids]
        for each in named:
            each.position = self._place()
            self.members[each.id] = each

    def _place(self) -> int:
        self._places += 1
        return self._places

    def born(self) -> None:
        """It begins to start its children (rule 1)."""
        self.mode = Mode.STARTING
        for spec in self.spec.children:
            self.add(spec.id, spec)
        if self.spec.template is not None:
            for number, args in enumerate(self.spec.initial, 1):
                self.add(str(number), self.spec.template.instance(args))

    def to_bring_back(self, id: str) -> Spec | None:
        """The spec of a child that the supervisor will start, before it has begun to start any."""
        if self.mode is not Mode.UNBORN:
            return None
        return next((each for each in self.spec.children if each.id == id), None)

    def find(self, want: Iterable[Want] = Want, life: Iterable[Life] = Life) -> list[ModelChild]:
        """The children that are in one of these situations, in order."""
        wants, lives = set(want), set(life)
        return [each for each in self.members.values() if each.want in wants and each.life in lives]

    # What is seen: a start

    def keeps(self, id: str) -> bool:
        """Whether the cell of this child outlives an incarnation of the supervisor, if another one follows."""
        return self.spec.keep_children and id in self.spec.own_ids

    def starting(self, id: str, incarnation: int, before: int) -> None:
        """A child begins an incarnation; `before` is the number of the last one in its cell, of whichever incarnation
        of the supervisor.
        """
        if self.mode is Mode.UNBORN:
            self.born()
        seen = f"{id} starts as incarnation {incarnation}"
        member = self.members.get(id)
        if member is None:
            self.disagree(23, "no start of a child that was not asked for, or that has terminated", seen)
            return
        if self.mode in (Mode.ENDING, Mode.OVER):
            self.disagree(17, "no further start: the supervisor ends", seen)
        self._may_start(member, seen)
        # The rules do not say where the count of a later child begins: another child may have had its id before.
        unknown = member.late if not member.incarnation else member.fresh and member.request is not None
        last = member.incarnation or before
        if incarnation != last + 1 and not unknown:
            self.disagree(26, f"incarnation {last + 1}", seen)
        member.incarnation = incarnation
        member.in_order = member.want in (Want.FIRST, Want.GROUP) and member.request is None
        member.by_request = self.group is not None and member.request is not None
        member.want, member.fresh, member.at_rest, member.closed = Want.RUN, False, ("stopped",), False
        member.start_at = self.now
        member.doubt = False
        member.begin(member.spec)
        member.enter(Life.STARTING, self.now)

    def jumped(self) -> None:
        """The clock has jumped. It is open whether the time of a start ordered in this instant began before."""
        for member in self.members.values():
            if member.life is Life.STARTING and member.start_at == self.now:
                member.start_limit = None

    def _may_start(self, member: ModelChild, seen: str) -> None:
        """Whether the start has a reason, comes in order, and not before its delay is over."""
        if member.life is not Life.DOWN:
            self.disagree(17, f"one incarnation of {member.id} at a time; it is {member.life.value}", seen)
        match member.want:
            case Want.REST | Want.DROP:
                self.disagree(5, f"{member.id} stays as it is: no exit and no request asks for its start", seen)
            case Want.RUN:
                self.disagree(5, f"no start of {member.id}, whose exit was not heard of", seen)
            case Want.AGAIN:
                self._not_before(member.due, seen)
            case Want.FIRST if member.request is not None:
                self._not_before(member.due, seen)
            case Want.FIRST | Want.GROUP:
                first = self.next_in_order()
                if first is not member:
                    who = "none before the stops are done" if first is None else first.id
                    self.disagree(
                        1 if self.group is None else 6, f"starts one after another in order: next is {who}", seen
                    )
                self._not_before(self.due_of(member), seen)

    def due_of(self, member: ModelChild) -> Span:
        """When the next start in the order may come."""
        if member.want is not Want.GROUP or self.group is None:
            return member.due
        if self.update is None or not self.update.concerns(member):
            return self.group.due
        if self.spec.strategy == "rest_for_one" and self._comes_before_the_group(self.group, member):
            return member.due
        return member.due.maybe(self.group.due)  # the rules do not say whether it waits with the group

    def _comes_before_the_group(self, group: GroupRestart, member: ModelChild) -> bool:
        """Whether all failed members were started after it."""
        return all(self.members[id].position > member.position for id in group.dues if id in self.members)

    def due_with_others(self, member: ModelChild) -> Span:
        """When the start that a request asks for may come. Whether first starts that failed, and that wait at the same
        time, wait for each other where restarts do is not said.
        """
        if not (self.grouped and member.attempt):
            return member.due
        due = member.due
        for each in self.members.values():
            if each.waits and each.attempt:
                due = due.maybe(each.due)
        return due

    def _not_before(self, due: Span, seen: str) -> None:
        if self.now < due.earliest - ROUNDING:
            self.disagree(11, f"a delay until {due.earliest:.9g} s", seen)

    def next_in_order(self) -> ModelChild | None:
        """The child whose turn it is, of those that start one after another; `None` while another starts or has to
        stop first.
        """
        queue = [
            each for each in self.members.values() if each.want in (Want.FIRST, Want.GROUP) and each.request is None
        ]
        if not queue or any(each.to_stop or each.in_group for each in self.members.values()):
            return None
        if any(each.life is Life.STARTING and each.in_order for each in self.members.values()):
            return None
        return next((each for each in queue if each.life is Life.DOWN), None)

    # What is seen: a stop

    def stop_ordered(self, id: str, grace: float | None, brutal: bool) -> None:
        """The supervisor tells a child to stop, or kills it if its spec says so."""
        seen = f"{id} is told to stop" if not brutal else f"{id} is killed"
        member = self.members.get(id)
        if member is None:
            self.disagree(5, f"{id} is left alone: it is none of this supervisor's children", seen)
            return
        if member.life not in (Life.STARTING, Life.UP):
            self.disagree(17, f"nothing: {id} is {member.life.value}", seen)
        self._may_stop(member, seen)
        if brutal != (member.lives_by.shutdown == "brutal_kill"):
            self.disagree(17, f"shutdown={member.lives_by.shutdown!r}", seen)
        if not brutal and grace != member.grace and not (grace is None and not self.ordered):
            self.disagree(17, f"{member.grace} s to stop", f"{seen} within {grace} s")
        member.in_group = member.to_stop
        member.last_stand = self.mode is Mode.ENDING
        member.to_stop = member.to_end = False
        member.stop_at = self.now
        member.enter(Life.STOPPING, self.now)

    def _may_stop(self, member: ModelChild, seen: str) -> None:
        if member.to_end:
            return
        if self.mode is Mode.ENDING:
            if self.ordered and member is not self.last_standing():
                self._wrong_turn(17, self.last_standing(), seen)
        elif member.to_stop:
            if member is not self.next_to_stop():
                self._wrong_turn(6, self.next_to_stop(), seen)
        else:
            self.disagree(5, f"{member.id} is left alone: no rule asks for its end", seen)

    def _wrong_turn(self, rule: int, first: ModelChild | None, seen: str) -> None:
        who = "none before the one under way is gone" if first is None else first.id
        self.disagree(rule, f"stops one by one in reverse start order: next is {who}", seen)

    def last_standing(self) -> ModelChild | None:
        """The child that must stop next when the supervisor ends (rule 17)."""
        live = self.find(life=LIVE)
        if not live or live[-1].life is Life.STOPPING or any(each.last_stand for each in live):
            return None
        return live[-1]

    def next_to_stop(self) -> ModelChild | None:
        """The child that must stop next in a group restart (rule 6), or for `update_specs` by the old order."""
        if any(each.in_group for each in self.members.values()):
            return None
        order = list(self.members.values()) if self.update is None else self.update.stops
        return next((each for each in reversed(order) if each.to_stop), None)

    # What is seen: a delay

    def backed_off(self, id: str, attempt: int, delay: float, until: float) -> None:
        """It says how long a child waits. What it says is held against rule 11 and taken for the delay where there is
        jitter.
        """
        seen = f"{id} waits {delay:.9g} s until {until:.9g} s before attempt {attempt}"
        member = self.members.get(id)
        if member is None or not member.waits or (member.request is not None and not member.restarting and not attempt):
            self.disagree(13, f"no delay of {id}, which does not wait for a restart", seen)
            return
        if member.doubt:
            member.fail(self.now)
            member.doubt = False
        member.settle_count(attempt)
        if attempt != member.attempt:
            self.disagree(11, f"attempt {member.attempt} of {id}", seen)
        if not member.delays.holds(delay):
            least, most = member.delays
            self.disagree(11, f"a delay of {least:.9g} to {most:.9g} s before attempt {attempt} of {id}", seen)
        member.delay = delay
        over = member.failed_at + delay
        member.due = Span(over, over)
        if member.want is Want.GROUP and self.group is not None:
            self.group.dues[id] = member.due
        if not member.due.holds(until):
            self.disagree(11, f"a delay until {over:.9g} s", seen)

    # What it hears: a child

    def started(self, id: str, incarnation: int) -> None:
        """It hears that a child is up."""
        member = self._known(id, incarnation)
        if member is not None and member.life is Life.STARTING:
            member.enter(Life.UP, self.now)
            member.in_order = member.restarting = False
            if member.to_stop and member.want is Want.FIRST:
                member.want = Want.GROUP  # the group restart will stop it, although it is up
            self._answer(member, "ok")
            self.may_be_done()

    def declined(self, id: str, incarnation: int) -> None:
        """It hears that a child declined to start (rule 3)."""
        member = self._known(id, incarnation)
        if member is None:
            return
        told_to_stop = member.life is Life.STOPPING or member.to_end
        member.enter(Life.DOWN, self.now)
        member.in_order = False
        self._answer(member, "*")
        if self.mode is not Mode.ENDING and member.want in (Want.GROUP, Want.FIRST):
            return  # a group restart was about to stop it and starts it with the others
        self.settle_down(member, Want.DROP if self.drops(member) or member.want is Want.DROP else Want.REST)
        # The rules do not say which of the two states a child shows that declined after an order to stop.
        member.at_rest = ("declined", "stopped") if told_to_stop else ("declined",)

    def start_failed(self, id: str, incarnation: int, reason: ExitReason) -> None:
        """It hears that a child did not come up."""
        member = self._known(id, incarnation)
        if member is None:
            return
        if member.life is Life.STOPPING:
            self._stopped(member, reason)
            return
        merges, requested = member.to_stop, member.request is not None
        first = not member.restarting and (requested or not member.ever_up)
        member.enter(Life.DOWN, self.now)
        if self.update is not None and merges:
            self._gone_before_its_turn(member)
            return
        if self._gone_anyway(member, merges, reason):
            return
        if member.spec.retry_start and first:
            self._retry_first(member)
        elif requested:
            self._answer(member, "ChildStartError")
            self.settle_down(member, Want.REST if member.kept and not self.drops(member) else Want.DROP)
        elif first and self.mode is Mode.STARTING:
            member.want = Want.REST
            self._end(2, f"its own start fails: {id} did not come up", lambda why: _names(why, f"{self.path}/{id}"))
        else:
            self._restart(member, attempt=True)
        self.may_be_done()

    def exited(
        self, id: str, incarnation: int, reason: ExitReason, handled: bool | None, *, healthy: bool = False
    ) -> None:
        """It hears that a child is gone. `handled`: whether it handled a message without failure, or gave up because of
        a child that did; `None`: that is not known. `healthy`: whether it said itself that it works.
        """
        member = self._known(id, incarnation)
        if member is None:
            return
        progress = self._progress(member, reason, handled, healthy)
        if member.life is Life.STOPPING:
            self._stopped(member, reason, progress)
            return
        if member.life is Life.STARTING:
            self.start_failed(id, incarnation, reason)
            return
        merges = member.to_stop
        becomes = WHEN_EXITED[member.spec.restart, reason.expected]
        if becomes is Want.REST and not self.ordered:
            becomes = Want.DROP
        ended = member.to_end
        member.enter(Life.DOWN, self.now, progress)
        if self.update is not None and merges:
            self._gone_before_its_turn(member)
        elif ended:
            if member.spec.significant and becomes is not Want.RUN:
                self.give_in("a significant child ended by itself while a request was about to end it")
            self.settle_down(member, member.want)
        elif becomes is not Want.RUN:
            self.settle_down(member, becomes)
            self._after_the_end_of(member)
        elif not self._gone_anyway(member, merges, reason):
            self._restart(member)

    def _progress(self, member: ModelChild, reason: ExitReason, handled: bool | None, healthy: bool) -> bool | None:
        """Whether it certainly made progress; `None`: only if it was up for long enough (rules 8 and 11)."""
        if healthy:
            return True
        backoff = member.spec.backoff
        if backoff is not None and backoff.reset == "healthy":
            return False
        if handled is None:
            if member.attempt or member.stalled or not member.productive:
                self.give_in("whether a supervisor below, which is not judged any more, made progress")
            return True
        if handled:
            return True
        return False if isinstance(reason, RestartLimitExceeded) else None

    def _known(self, id: str, incarnation: int) -> ModelChild | None:
        """The child, unless the notice is stale: about another incarnation, or one that has terminated already."""
        member = self.members.get(id)
        if member is None or member.incarnation != incarnation or member.life is Life.DOWN:
            return None
        return member

    def _gone_anyway(self, member: ModelChild, merges: bool, reason: ExitReason) -> bool:
        """Whether its end starts nothing: the supervisor ends, a request wanted it gone, or it merges (rule 7)."""
        if self.mode is Mode.ENDING or member.want in (Want.REST, Want.DROP):
            self.settle_down(member, member.want if member.want is Want.DROP else Want.REST)
            return True
        if merges:
            if member.want is Want.GROUP:
                assert self.group is not None
                self.group.dues[member.id] = member.fail(self.now)
            else:
                # The group was about to stop a first start that failed. The rules do not say whether it waits for it.
                member.may_fail(self.now)
                if self.group is not None:
                    self.group.dues[member.id] = AT_ONCE.maybe(member.next_due(self.now))
            return True
        return False

    def _gone_before_its_turn(self, member: ModelChild) -> None:
        """It hears that a child is gone that `update_specs` was about to stop."""
        leaves = member.want is Want.DROP
        if not leaves or member.spec.significant:
            self.give_in("a child ended by itself while update_specs was about to stop it")
        self.settle_down(member, Want.DROP if leaves else Want.REST)

    def _stopped(self, member: ModelChild, reason: ExitReason, progress: bool | None = None) -> None:
        """It hears that a child is gone that it had told to stop."""
        member.enter(Life.DOWN, self.now, progress)
        if member.want in (Want.REST, Want.DROP) or self.mode is Mode.ENDING:
            self.settle_down(member, member.want if member.want is Want.DROP else Want.REST)
            return
        if not by_itself(reason):
            if member.want is Want.GROUP and member.spec.restart == "transient" and reason not in ORDERED:
                self.give_in(f"{member.id}, a transient child, ended as expected while a group restart stopped it")
            return
        member.may_fail(self.now)
        if member.want is Want.GROUP:
            due = AT_ONCE.maybe(member.next_due(self.now))
            if self.group is None:
                member.due = due
            else:
                self.group.dues[member.id] = due

    def settle_down(self, member: ModelChild, want: Want) -> None:
        """It comes to rest, or is forgotten."""
        member.rest(self.now, want)
        member.in_order = member.restarting = False
        for number in member.enders:
            self.asks.allow(number, "ok")
        member.enders.clear()
        if self.group is not None:
            self.group.dues.pop(member.id, None)
        self.may_be_done()
        if want is Want.DROP:
            self.members.pop(member.id, None)
            if member.incarnation and not member.closed:
                self.dropped[member.id] = member

    def may_be_done(self) -> None:
        """A child has come up, or down: that may be the end of what was under way."""
        if self.group is not None:
            self._group_may_be_done()
        if self.update is not None and self.update.over:
            # The rules do not say whether the answer waits for later requests.
            asked = any(each.request is not None for each in self.members.values())
            self.asks.allow(self.update.number, "*" if self.update.loose or asked else "ok")
            self.update = None

    def _group_may_be_done(self) -> None:
        if not any(each.want is Want.GROUP or each.in_order or each.to_stop for each in self.members.values()):
            self.group = None
            for each in self.members.values():
                each.by_request = False

    def _answer(self, member: ModelChild, outcome: str) -> None:
        """The request that waits for the start of this child has its answer."""
        if member.request is not None:
            self.asks.allow(member.request, outcome)
        member.request = None

    def drops(self, member: ModelChild) -> bool:
        """Whether its spec is dropped when it does not run (rules 3 and 6)."""
        return member.spec.restart == "temporary" or not self.ordered

    # Restarts

    def _retry_first(self, member: ModelChild) -> None:
        """A first start that failed is tried again under the backoff of a restart (rule 2)."""
        if self._charge(member):
            member.fail(self.now)
            # Only the start of the supervisor itself and a request wait for another attempt: the others are up.
            alone = self.mode is Mode.RUNNING and member.request is None and not self.grouped
            member.want = Want.AGAIN if alone else Want.FIRST
            self._doubt_the_update(member)
            if self.group is not None:
                # The rules do not say whether a group that waits anyway waits for a first start, too.
                self.group.dues[member.id] = AT_ONCE.maybe(member.due)

    def _restart(self, member: ModelChild, *, attempt: bool = False) -> None:
        """An exit or a failed attempt asks for a restart (rules 6 to 12). A failed attempt stops again what the
        restart has started (rule 15).
        """
        if not self._charge(member):
            return
        self._doubt_the_update(member)
        member.restarting = True
        due = member.fail(self.now)
        if not self.grouped:
            member.want = Want.AGAIN
            return
        member.want = Want.GROUP
        origin = 0 if self.spec.strategy == "one_for_all" else member.position
        if self.group is None:
            self.group = GroupRestart()
        self.group.dues[member.id] = due
        for each in self.members.values():
            if each.want is Want.FIRST and each.life is Life.DOWN and each.attempt:
                # Whether those who come after a first start that waits to be tried again wait for it is not said, nor
                # whether one that was asked for, and has not been up, is of the group.
                sure = each.position >= origin and each.request is None
                self.group.dues[each.id] = each.due if sure else AT_ONCE.maybe(each.due)
            live = each.life in (Life.STARTING, Life.UP) and not each.to_end
            if each.position >= origin and live and not (attempt and each.by_request):
                self._take_along(each)

    def _doubt_the_update(self, member: ModelChild) -> None:
        """A child needs a restart while `update_specs` is under way. The rules do not say how the two combine."""
        if self.update is None:
            return
        if self.grouped:
            self.give_in("a group restart came while update_specs was under way")
        elif member in self.update.starts:
            self.update.loose = True

    def _take_along(self, member: ModelChild) -> None:
        """A bystander of a group restart: it is stopped and brought back, a temporary one is dropped (rule 6)."""
        member.to_stop = True
        if member.request is not None:
            self.give_in("a group restart came while a request started a child")
        if member.spec.restart == "temporary":
            member.want = Want.DROP
        elif member.ever_up:
            member.restarting = True
            member.want = Want.GROUP
        else:
            member.want = Want.FIRST if not member.restarting else Want.GROUP
        member.in_order = False

    def _charge(self, member: ModelChild) -> bool:
        """Counts a restart; what happens when the budget is spent happens here (rules 8 to 10)."""
        verdict = self._within_its_budget(member)
        if verdict is BudgetResult.EITHER:
            self.give_in("a restart leaves the window now, but for a rounding")
        if verdict is not BudgetResult.EXCEEDED:
            return True
        if _dropped_at_limit(member.spec):
            self._answer(member, "ChildStartError")
            self.settle_down(member, Want.DROP)
            return False
        self.productive = member.productive
        self.settle_down(member, Want.REST)
        path = f"{self.path}/{member.id}"
        self._end(10, "restart_limit_exceeded", lambda why: isinstance(why, RestartLimitExceeded) or _names(why, path))
        return False

    def _within_its_budget(self, member: ModelChild) -> BudgetResult:
        """Whether one more restart is allowed: within a period, of all that draw on one budget; without, of each child
        alone, in a row and without progress.
        """
        budget = member.spec.own_restarts or self.spec
        account = self.account if member.own is None else member.own
        if budget.period is not None:
            assert account is not None
            return account.charge(member.uptime, self.now)
        if budget.max_restarts is None:
            return BudgetResult.ALLOWED
        member.stalled += 1
        return BudgetResult.EXCEEDED if member.stalled > budget.max_restarts else BudgetResult.ALLOWED

    # The end

    def _after_the_end_of(self, member: ModelChild) -> None:
        """A child has ended of its own accord and will not restart (rule 21)."""
        if not member.spec.significant or self.mode is Mode.ENDING:
            return
        match self.spec.auto_shutdown:
            case "never":
                return
            case "all_significant" if any(each.spec.significant and each.alive for each in self.members.values()):
                return
        self._end(21, "an automatic shutdown", lambda why: isinstance(why, Shutdown))

    def told_to_stop(self, reason: ExitReason) -> None:
        """It hears the order to shut down."""
        if self.mode is Mode.UNBORN:
            self.born()
        self._end(17, f"an end with {reason}", lambda why: why == reason)

    def _end(self, rule: int, text: str, fits: Callable[[ExitReason], bool]) -> None:
        """From now on children only stop; pending restarts are cancelled at once (rules 10, 12, 17, 21)."""
        if self.end is None:
            self.end = End(rule, text, [])
        self.end.fits.append(fits)
        self.mode = Mode.ENDING
        if self.update is not None and self.update.leaving:
            self.give_in("the supervisor ends while update_specs removes a child")  # whose place in the order is open
        self.group = self.update = None
        self.asks.allow_all("*")
        for each in self.members.values():
            each.to_stop = each.to_end = False
            if each.life is Life.DOWN:
                each.rest(self.now)

    def came_up(self) -> None:
        """It reports its own start."""
        if self.mode is Mode.UNBORN:
            self.born()
        coming = self.still_coming()
        if coming and self.mode is Mode.STARTING:
            self.disagree(1, f"no report before {', '.join(coming)} came up", "it reports that it has started")
        self.up = True
        if self.mode is Mode.STARTING:
            self.mode = Mode.RUNNING

    def still_coming(self) -> list[str]:
        """The children whose first start is not over."""
        return [
            each.id
            for each in self.members.values()
            if each.request is None
            and (each.want is Want.FIRST or (each.life is Life.STARTING and not each.restarting))
        ]

    def left(self, reason: ExitReason, *, excused: bool) -> None:
        """It has terminated, or its start has failed. `excused`: a fault of the plan made its own end fail."""
        if self.mode not in (Mode.ENDING, Mode.OVER):
            self.disagree(18, "the supervisor stays: nothing ends it", f"it exits with {reason}")
        live = [each.id for each in self.find(life=LIVE)]
        if live and self.mode is Mode.ENDING:
            self.disagree(18, f"its end only after that of {', '.join(live)}", f"it exits with {reason}")
        if self.mode is Mode.ENDING and self.end is not None and not excused:
            if not any(fits(reason) for fits in self.end.fits):
                self.disagree(self.end.rule, self.end.text, f"it exits with {reason}")
        self.mode = Mode.OVER


def _dropped_at_limit(spec: Spec) -> bool:
    """Whether the child alone goes when its budget is spent (rule 9)."""
    choice = spec if isinstance(spec, ChildSpec) else spec.own_budget
    return choice is not None and choice.on_limit == "drop"


def _names(why: ExitReason, path: str) -> bool:
    """Whether a failed start names the child that made it fail (rule 2)."""
    error = why.exception if isinstance(why, Crashed) else None
    return isinstance(error, ChildStartFailed) and error.path == path
