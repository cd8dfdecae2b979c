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

from actors.spi import TEXT, ActorError, described, shown

if TYPE_CHECKING:
    from teams._dispatch.gather import Gathered


@dataclass_transform(eq_default=False)  # a type checker sees the fields as arguments
class TeamError(ActorError):
    """Base of all errors of teams."""


# Work and membership


class NoCapableAgent(TeamError):
    """The team has no member for this target, and none is starting."""

    team: str
    target: str
    members: tuple[str, ...]

    def describe(self) -> str:
        have = ", ".join(self.members) or "none"
        return (
            f"no member of team {self.team!r} fits {self.target} (members: {have}). Add one with join(), or assign to "
            "another member, role or capability"
        )


class WorkFailed(TeamError):
    """The work failed in every attempt. `error` is the last failure, and the cause."""

    team: str
    work: str
    member: str
    attempts: int
    error: BaseException

    def describe(self) -> str:
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        return f"{self.work} of {self.team} failed, tried {times}, last by {self.member}: {described(self.error, TEXT)}"


class BadAnswer(TeamError):
    """A member answered work or an event with something that is not a result. `instead` says what to return."""

    path: str
    """The member."""
    work: str
    """The work, or the topic of the event."""
    got: str
    instead: str

    def describe(self) -> str:
        return f"{self.path}: the answer to {self.work} is not a result, got {self.got}; {self.instead}"


class WorkTimeout(TeamError, TimeoutError):
    """The work was not done in time. `member` had it; None: no member was free."""

    team: str
    work: str
    seconds: float
    member: str | None

    def describe(self) -> str:
        who = f"{self.member} had it" if self.member is not None else "no member was free for it"
        return f"{self.work} of {self.team} was not done within {self.seconds:g} s; {who}"


class WorkCancelled(TeamError):
    """The work was cancelled."""

    work: str
    reason: str | None

    def describe(self) -> str:
        return f"{self.work} was cancelled" + (f": {self.reason}" if self.reason else "")


class HandoffRefused(TeamError):
    """A member handed its work to a target that does not take it, and insists."""

    team: str
    work: str
    giver: str
    to: str
    why: str

    def describe(self) -> str:
        return f"{self.giver} of {self.team} cannot hand {self.work} to {self.to}: {self.why}"


class TeamHalted(TeamError):
    """The team was halted by its kill switch; `reset` lets it work again."""

    team: str
    reason: str

    def describe(self) -> str:
        return f"{self.team} was halted ({self.reason}); reset() lets it work again"


class RoleFull(TeamError):
    """A role has its maximum of members."""

    team: str
    role: str
    limit: int

    def describe(self) -> str:
        return (
            f"role {self.role!r} of team {self.team!r} is full (max_members={self.limit}); remove a member or raise "
            "max_members"
        )


class AlreadyMember(TeamError):
    """The team already has a member or a role of this name."""

    team: str
    member: str

    def describe(self) -> str:
        return (
            f"{self.team} already has a member or role {self.member!r}; choose another name, or remove that one first"
        )


class UnknownMember(TeamError):
    """The team has no member of this id."""

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
    """Base of the errors that end the run of a pattern without a result."""


class StepFailed(RunError):
    """A step of a run failed. `error` says why, and is the cause."""

    run: str
    step: str
    error: BaseException

    def describe(self) -> str:
        return f"step {self.step} of {self.run} failed: {described(self.error, TEXT)}"


class StepTimeout(StepFailed, TimeoutError):
    """A step of a run was not done in time."""


class RunFailed(RunError):
    """The run ended without a result. `error` says why, and is the cause. `partial` has the results until then."""

    run: str
    error: BaseException
    partial: dict[str, object]

    def describe(self) -> str:
        done = f"; done by then: {', '.join(self.partial)}" if self.partial else ""
        return f"{self.run} failed: {described(self.error, TEXT)}{done}"


class RunCancelled(RunError):
    """The run was cancelled. `partial` has the results until then."""

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
    """Concurrent steps have fewer results than their policy requires. `gathered` has the results and the failures."""

    run: str
    step: str
    gathered: Gathered

    def describe(self) -> str:
        failed = (f"{name}: {described(each.error, TEXT)}" for name, each in self.gathered.failures.items())
        cancelled = (f"{name}: cancelled" for name in self.gathered.unanswered)
        what = "; ".join([*failed, *cancelled])
        done = ", ".join(self.gathered.results) or "nothing"
        return f"{self.step or 'the run'} of {self.run} has too few results; done: {done}; {what}"


class NotApproved(RunError):
    """A gate did not approve the work in its rounds. `last` is the last version, `feedback` has that of each round."""

    run: str
    rounds: int
    last: object
    feedback: tuple[object, ...]

    def describe(self) -> str:
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        return f"{self.run}: not approved after {rounds}; last feedback: {shown(self.feedback[-1])}"


class BadVerdict(RunError):
    """A gate or a reviewer answered with something that is not a verdict."""

    run: str
    step: str
    said: object

    def describe(self) -> str:
        return (
            f"{self.step} of {self.run}: the answer is not a verdict, got {shown(self.said)}. Return Approved() or "
            "Rejected(feedback)"
        )


class BadPlan(RunError):
    """A planner answered with a plan that cannot be carried out."""

    run: str
    step: str
    why: str

    def describe(self) -> str:
        return f"the plan of {self.step} of {self.run}: {self.why}"


class DelegationLoop(RunError):
    """Work was delegated back to a member it came from, or deeper than allowed. `chain` names its members in order."""

    run: str
    chain: tuple[str, ...]
    limit: int

    def describe(self) -> str:
        way = " -> ".join(self.chain)
        return f"{self.run} delegates in a loop, or deeper than {self.limit} levels: {way}"


class NobodyTook(RunError):
    """Every member that was asked declined. `reasons` says why, by member."""

    run: str
    reasons: dict[str, str]

    def describe(self) -> str:
        said = "; ".join(f"{member}: {why}" if why else member for member, why in self.reasons.items())
        return f"no member takes the work of {self.run}: {said}"


class SourceLost(RunError):
    """The source of a pipeline was interrupted while it was read, and cannot be read again."""

    run: str
    step: str
    items: int

    def describe(self) -> str:
        return (
            f"the source of {self.step or 'the pipeline'} of {self.run} was interrupted after {self.items} items and "
            "cannot go on: give the pipeline an iterable that can be read again, such as a list, not an iterator"
        )


class SourceFailed(RunError):
    """The source of a pipeline raised; `error` is the cause."""

    run: str
    step: str
    items: int
    error: BaseException

    def describe(self) -> str:
        where = f"{self.step or 'the pipeline'} of {self.run}"
        return f"the source of {where} failed after {self.items} items: {described(self.error, TEXT)}"


# Shared state


class VersionConflict(TeamError):
    """The entry has changed since it was read; nothing was written. `found` is its version now, 0 if it is absent."""

    path: str
    key: str
    expected: int
    found: int

    def describe(self) -> str:
        now = f"at version {self.found}" if self.found else "absent"
        return (
            f"{self.key!r} of {self.path} is {now}, not at version {self.expected}: "
            "read it again, or use update(), which cannot conflict"
        )


class WatchOverrun(TeamError):
    """A watcher fell behind the changes by its limit; the watch has ended."""

    path: str
    limit: int

    def describe(self) -> str:
        return (
            f"watcher of {self.path} fell behind by {self.limit} changes and was closed; watch again with "
            "current=True or a larger limit"
        )


class StoreDamaged(TeamError):
    """The content of a store cannot be read. Nothing was changed."""

    file: str
    line: int
    why: str

    def describe(self) -> str:
        return f"{self.file}, line {self.line}: {self.why}; mend the file, or move it away to start with an empty store"


class StoreInUse(TeamError):
    """A store already has an owner: an actor in this process or in another. Nothing was changed."""

    store: str
    """The file; of a store without a file, its class."""

    def describe(self) -> str:
        return f"{self.store} is in use by another owner: stop that one first, or give each a store of its own"


# Topics and choreography


class NoAcknowledgement(TeamError, TimeoutError):
    """A receiver did not acknowledge a message in time."""

    receiver: str
    message_type: str
    seconds: float

    def describe(self) -> str:
        return f"{self.receiver} did not acknowledge {self.message_type} within {self.seconds:g} s"


class SubscriberInQuarantine(TeamError):
    """The subscriber of an event is in quarantine: it failed over several events in a row."""

    topics: str
    subscriber: str

    def describe(self) -> str:
        return f"{self.subscriber} is in quarantine; mend it and call redeliver({self.subscriber!r}) on {self.topics}"


class TooManyWaiting(TeamError):
    """The subscriber of an event has its maximum of waiting events."""

    topics: str
    subscriber: str
    limit: int

    def describe(self) -> str:
        return (
            f"{self.limit} events already wait for {self.subscriber} at {self.topics}; publish with wait=True to "
            "wait for it, or raise max_waiting"
        )


class ChainTimeout(TeamError, TimeoutError):
    """A chain of events did not end by its deadline. `under_way` names the subscribers that had not finished."""

    correlation_id: str
    seconds: float
    under_way: tuple[str, ...]

    def describe(self) -> str:
        who = ", ".join(self.under_way) or "none"
        return f"chain {self.correlation_id} was not done within {self.seconds:g} s; still under way: {who}"


class UnknownChain(TeamError):
    """No chain under way has this correlation id, and none of the last 1,000 that ended."""

    topics: str
    correlation_id: str

    def describe(self) -> str:
        return f"{self.topics} knows no chain {self.correlation_id!r}: begin one with chain()"
