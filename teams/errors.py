"""Every error the `teams` package raises, except those of protocols and policies. Each is typed and picklable; its text
names the place in the tree and says what to do. Other bases stand in brackets::

    TeamError (ActorError)
      NoCapableAgent
      WorkFailed
      BadAnswer
      WorkTimeout (TimeoutError)
      WorkCancelled
      HandoffRefused
      TeamHalted
      RoleFull
      AlreadyMember
      UnknownMember
      UnknownRole
      RunError
        StepFailed
          StepTimeout (TimeoutError)
        RunFailed
        RunCancelled
        GatherFailed
        NotApproved
        BadVerdict
        BadPlan
        DelegationLoop
        NobodyTook
        SourceLost
        SourceFailed
      RoutingFailed
      VersionConflict
      WatchOverrun
      StoreDamaged
      StoreInUse
      NoAcknowledgement (TimeoutError)
      SubscriberInQuarantine
      TooManyWaiting
      ChainTimeout (TimeoutError)
      UnknownChain
"""

from __future__ import annotations

from typing import TYPE_CHECKING, dataclass_transform

from actors.spi import TEXT, ActorError, described

if TYPE_CHECKING:
    from teams._dispatch.gather import Gathered


@dataclass_transform(eq_default=False)  # a type checker sees the fields as arguments
class TeamError(ActorError):
    """Base of all errors of teams."""


# Work and membership


class NoCapableAgent(TeamError):
    """Nobody in the team can do this, and nobody is about to."""

    team: str
    target: str
    members: tuple[str, ...]

    def describe(self) -> str:
        have = ", ".join(self.members) or "nobody"
        return f"nobody in {self.team} is {self.target}; there is {have}: let a member join that is, or name another"


class WorkFailed(TeamError):
    """The work was tried as often as it may be; the last failure is `error` and the cause."""

    team: str
    work: str
    member: str
    attempts: int
    error: BaseException

    def describe(self) -> str:
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        return f"{self.work} of {self.team} failed, tried {times}, last by {self.member}: {described(self.error, TEXT)}"


class BadAnswer(TeamError):
    """A member answered a piece of work or an event with what is not a result; `instead` says what to return."""

    path: str
    """The member."""
    work: str
    """The piece of work, or the topic of the event."""
    got: str
    instead: str

    def describe(self) -> str:
        return f"{self.path}: the answer to {self.work} is not a result, got {self.got}; {self.instead}"


class WorkTimeout(TeamError, TimeoutError):
    """The work was not done in time; `member` is who had it, None if nobody had been free."""

    team: str
    work: str
    seconds: float
    member: str | None

    def describe(self) -> str:
        who = f"{self.member} had it" if self.member is not None else "nobody was free for it"
        return f"{self.work} of {self.team} was not done within {self.seconds:g} s; {who}"


class WorkCancelled(TeamError):
    """The work was called off."""

    work: str
    reason: str | None

    def describe(self) -> str:
        return f"{self.work} was called off" + (f": {self.reason}" if self.reason else "")


class HandoffRefused(TeamError):
    """A member insists on handing its work to somebody who does not take it."""

    team: str
    work: str
    giver: str
    to: str
    why: str

    def describe(self) -> str:
        return f"{self.giver} of {self.team} cannot hand {self.work} to {self.to}: {self.why}"


class TeamHalted(TeamError):
    """The kill switch of the team was thrown; `reset` ends that."""

    team: str
    reason: str

    def describe(self) -> str:
        return f"{self.team} was halted ({self.reason}); reset() lets it work again"


class RoleFull(TeamError):
    """A role has as many members as it may."""

    team: str
    role: str
    limit: int

    def describe(self) -> str:
        return f"role {self.role!r} of {self.team} has its {self.limit} members; let one leave or raise max_members"


class AlreadyMember(TeamError):
    """A member or a role of this name is in the team already."""

    team: str
    member: str

    def describe(self) -> str:
        return f"{self.team} already has a member or role {self.member!r}; choose another, or let that one leave first"


class UnknownMember(TeamError):
    """Nobody of this id is in the team."""

    team: str
    member: str
    members: tuple[str, ...]

    def describe(self) -> str:
        return f"{self.team} has no member {self.member!r}; it has {', '.join(self.members) or 'none'}"


class UnknownRole(TeamError):
    """The team has no such role."""

    team: str
    role: str
    roles: tuple[str, ...]

    def describe(self) -> str:
        return f"{self.team} has no role {self.role!r}; it has {', '.join(self.roles) or 'none'}"


# Runs


class RunError(TeamError):
    """Base of what ends the run of a pattern without a result."""


class StepFailed(RunError):
    """A step of a run failed; why is `error` and the cause."""

    run: str
    step: str
    error: BaseException

    def describe(self) -> str:
        return f"step {self.step} of {self.run} failed: {described(self.error, TEXT)}"


class StepTimeout(StepFailed, TimeoutError):
    """A step of a run was not done in time."""


class RunFailed(RunError):
    """The run ended without a result; why is `error` and the cause, what was done by then is `partial`."""

    run: str
    error: BaseException
    partial: dict[str, object]

    def describe(self) -> str:
        done = f"; done by then: {', '.join(self.partial)}" if self.partial else ""
        return f"{self.run} failed: {described(self.error, TEXT)}{done}"


class RunCancelled(RunError):
    """The run was cancelled; what was done by then is `partial`."""

    run: str
    reason: str
    partial: dict[str, object]

    def describe(self) -> str:
        return f"{self.run} was cancelled ({self.reason}) with {len(self.partial)} steps done"


# Patterns


class RoutingFailed(TeamError):
    """The key function of a pool raised; `error` is the cause."""

    team: str
    target: str
    error: BaseException

    def describe(self) -> str:
        return f"{self.team} cannot choose one of {self.target}, its key function failed: {described(self.error, TEXT)}"


class GatherFailed(RunError):
    """Several steps at once did not bring what their policy wants. What they did bring is in `gathered`."""

    run: str
    step: str
    gathered: Gathered

    def describe(self) -> str:
        failed = (f"{name}: {described(each.error, TEXT)}" for name, each in self.gathered.failures.items())
        called_off = (f"{name}: called off" for name in self.gathered.unanswered)
        what = "; ".join([*failed, *called_off])
        done = ", ".join(self.gathered.results) or "nothing"
        return f"{self.step or 'the run'} of {self.run} has too few results; done: {done}; {what}"


class NotApproved(RunError):
    """A gate did not let the work through in the rounds it had. `last` is what it saw last, `feedback` all it said."""

    run: str
    rounds: int
    last: object
    feedback: tuple[object, ...]

    def describe(self) -> str:
        times = "once" if self.rounds == 1 else f"{self.rounds} times"
        return f"{self.run}: rejected {times}, in the end because of {self.feedback[-1]!r}"


class BadVerdict(RunError):
    """A gate or a reviewer answered with something that is no verdict."""

    run: str
    step: str
    said: object

    def describe(self) -> str:
        return f"{self.step} of {self.run} answered {self.said!r}: return Approved() or Rejected(feedback)"


class BadPlan(RunError):
    """A planner answered with something that cannot be carried out."""

    run: str
    step: str
    why: str

    def describe(self) -> str:
        return f"the plan of {self.step} of {self.run}: {self.why}"


class DelegationLoop(RunError):
    """Work was delegated back to one it came from, or deeper than allowed; `chain` is its way, first to last."""

    run: str
    chain: tuple[str, ...]
    limit: int

    def describe(self) -> str:
        way = " -> ".join(self.chain)
        return f"{self.run} delegates in a loop or deeper than {self.limit} levels: {way}"


class NobodyTook(RunError):
    """Everybody who was asked declined; `reasons` says why, by who."""

    run: str
    reasons: dict[str, str]

    def describe(self) -> str:
        said = "; ".join(f"{who}: {why}" if why else who for who, why in self.reasons.items())
        return f"nobody takes the work of {self.run}: {said}"


class SourceLost(RunError):
    """The run, or what a pipeline reads, crashed in reading the next item, and it cannot be begun again."""

    run: str
    step: str
    items: int

    def describe(self) -> str:
        return (
            f"the source of {self.step or 'the pipeline'} of {self.run} was interrupted after {self.items} items and "
            "cannot go on: give the pipeline an iterable that can be begun again, such as a list, and not an iterator"
        )


class SourceFailed(RunError):
    """The iterable that a pipeline reads raised; `error` is the cause."""

    run: str
    step: str
    items: int
    error: BaseException

    def describe(self) -> str:
        where = f"{self.step or 'the pipeline'} of {self.run}"
        return f"the source of {where} failed after {self.items} items: {described(self.error, TEXT)}"


# Shared state


class VersionConflict(TeamError):
    """The entry has changed since it was read; nothing was done. `found` is its version now, 0 if it is absent."""

    path: str
    key: str
    expected: int
    found: int

    def describe(self) -> str:
        now = f"at version {self.found}" if self.found else "absent"
        return (
            f"{self.key!r} of {self.path} was to be at version {self.expected} and is {now}: "
            "read it again, or use update(), which cannot conflict"
        )


class WatchOverrun(TeamError):
    """Whoever watches did not take the changes in time; the watch has ended."""

    path: str
    limit: int

    def describe(self) -> str:
        return f"{self.limit} changes of {self.path} were not taken: watch again with current=True, or a higher limit"


class StoreDamaged(TeamError):
    """What a store holds cannot be read. Nothing was changed."""

    file: str
    line: int
    why: str

    def describe(self) -> str:
        return f"{self.file}, line {self.line}: {self.why}; mend the file, or move it away to begin anew"


class StoreInUse(TeamError):
    """A store has an owner already: another actor, here or in another process. Nothing was changed."""

    store: str
    """The file; of a store without one, its class."""

    def describe(self) -> str:
        return f"{self.store} is in use by another owner: stop that one first, or give each a store of its own"


# Topics and choreography


class NoAcknowledgement(TeamError, TimeoutError):
    """A receiver did not say in time that it is done."""

    receiver: str
    message_type: str
    seconds: float

    def describe(self) -> str:
        return f"{self.receiver} did not acknowledge {self.message_type} within {self.seconds:g} s"


class SubscriberInQuarantine(TeamError):
    """An event was meant for a subscriber that failed over one event after another."""

    topics: str
    subscriber: str

    def describe(self) -> str:
        return f"{self.subscriber} is in quarantine; mend it and call redeliver({self.subscriber!r}) on {self.topics}"


class TooManyWaiting(TeamError):
    """An event was meant for a subscriber that has as many waiting as it may."""

    topics: str
    subscriber: str
    limit: int

    def describe(self) -> str:
        return (
            f"{self.limit} events wait for {self.subscriber} at {self.topics} already; publish with wait=True to go no "
            "faster than it, or raise max_waiting"
        )


class ChainTimeout(TeamError, TimeoutError):
    """A chain of events had not come to its end by its deadline; `under_way` names who had not finished."""

    correlation_id: str
    seconds: float
    under_way: tuple[str, ...]

    def describe(self) -> str:
        who = ", ".join(self.under_way) or "nobody"
        return f"chain {self.correlation_id} was not done within {self.seconds:g} s; still under way: {who}"


class UnknownChain(TeamError):
    """No chain of this correlation id is under way, and none of the last 1,000 that ended had it."""

    topics: str
    correlation_id: str

    def describe(self) -> str:
        return f"{self.topics} knows no chain {self.correlation_id!r}: begin one with chain()"
