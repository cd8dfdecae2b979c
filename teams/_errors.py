"""Every error the `teams` package raises: typed, picklable, with the place in the tree and what to do about it."""

from __future__ import annotations

from teams._actors import ActorError


class TeamError(ActorError):
    """Base of all errors of teams. Positional arguments are the fields, in order."""


# Work and membership


class NoCapableAgent(TeamError):
    """Nobody in the team can do this, and nobody is about to."""

    fields = ("team", "target", "members")
    team: str
    target: str
    members: tuple[str, ...]

    def describe(self) -> str:
        have = ", ".join(self.members) or "nobody"
        return f"nobody in {self.team} is {self.target}; there is {have}: let a member join that is, or name another"


class WorkFailed(TeamError):
    """The work was tried as often as it may be; the last failure is `error` and the cause."""

    fields = ("team", "work", "member", "attempts", "error")
    team: str
    work: str
    member: str
    attempts: int
    error: BaseException

    def __init__(self, team: str, work: str, member: str, attempts: int, error: BaseException) -> None:
        super().__init__(team, work, member, attempts, error)
        self.__cause__ = error

    def describe(self) -> str:
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        return f"{self.work} of {self.team} failed, tried {times}, last by {self.member}: {_account(self.error)}"


class WorkTimeout(TeamError, TimeoutError):
    """The work was not done in time; `member` is who had it, None if nobody had been free."""

    fields = ("team", "work", "seconds", "member")
    team: str
    work: str
    seconds: float
    member: str | None

    def describe(self) -> str:
        who = f"{self.member} had it" if self.member is not None else "nobody was free for it"
        return f"{self.work} of {self.team} was not done within {self.seconds:g} s; {who}"


class WorkCancelled(TeamError):
    """The work was called off."""

    fields = ("work", "reason")
    work: str
    reason: str | None

    def describe(self) -> str:
        return f"{self.work} was called off" + (f": {self.reason}" if self.reason else "")


class HandoffRefused(TeamError):
    """A member insists on handing its work to somebody who does not take it."""

    fields = ("team", "work", "giver", "to", "why")
    team: str
    work: str
    giver: str
    to: str
    why: str

    def describe(self) -> str:
        return f"{self.giver} of {self.team} cannot hand {self.work} to {self.to}: {self.why}"


class TeamHalted(TeamError):
    """The kill switch of the team was thrown; `reset` ends that."""

    fields = ("team", "reason")
    team: str
    reason: str

    def describe(self) -> str:
        return f"{self.team} was halted ({self.reason}); reset() lets it work again"


class RoleFull(TeamError):
    """A role has as many members as it may."""

    fields = ("team", "role", "limit")
    team: str
    role: str
    limit: int

    def describe(self) -> str:
        return f"role {self.role!r} of {self.team} has its {self.limit} members; let one leave or raise max_members"


class AlreadyMember(TeamError):
    """Somebody of this id is in the team already."""

    fields = ("team", "member")
    team: str
    member: str

    def describe(self) -> str:
        return f"{self.team} already has a member {self.member!r}; choose another id, or let that one leave first"


class UnknownMember(TeamError):
    """Nobody of this id is in the team."""

    fields = ("team", "member", "members")
    team: str
    member: str
    members: tuple[str, ...]

    def describe(self) -> str:
        return f"{self.team} has no member {self.member!r}; it has {', '.join(self.members) or 'none'}"


class UnknownRole(TeamError):
    """The team has no such role."""

    fields = ("team", "role", "roles")
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

    fields = ("run", "step", "error")
    run: str
    step: str
    error: BaseException

    def __init__(self, run: str, step: str, error: BaseException) -> None:
        super().__init__(run, step, error)
        self.__cause__ = error

    def describe(self) -> str:
        return f"step {self.step} of {self.run} failed: {_account(self.error)}"


class StepTimeout(StepFailed, TimeoutError):
    """A step of a run was not done in time."""


class RunFailed(RunError):
    """The run ended without a result; why is `error` and the cause, what was done by then is `partial`."""

    fields = ("run", "error", "partial")
    run: str
    error: BaseException
    partial: dict[str, object]

    def __init__(self, run: str, error: BaseException, partial: dict[str, object]) -> None:
        super().__init__(run, error, partial)
        self.__cause__ = error

    def describe(self) -> str:
        done = f"; done by then: {', '.join(self.partial)}" if self.partial else ""
        return f"{self.run} failed: {_account(self.error)}{done}"


class RunCancelled(RunError):
    """The run was cancelled; what was done by then is `partial`."""

    fields = ("run", "reason", "partial")
    run: str
    reason: str
    partial: dict[str, object]

    def describe(self) -> str:
        return f"{self.run} was cancelled ({self.reason}) with {len(self.partial)} steps done"


def _account(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
