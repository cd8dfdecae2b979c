"""Every error the `supervisors` package raises. Each is typed and picklable; its text names the place in the tree and
says what to do. Other bases stand in brackets::

    SupervisionError (ActorError)
      SpecError (ValueError)
      AlreadyStarted
      AlreadyPresent
      ChildRunning
      ChildRestarting
      NotFound
      PartitionKeyError (TypeError)
      MaxChildren
      ChildStartError
      ResourceEnded
      TaskCancelled
      SupervisorEnded
        SupervisorGaveUp
      ShuttingDown
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, dataclass_transform

from actors.spi import ActorError, ActorRef, Crashed, ExitReason, RestartLimitExceeded, block, within

if TYPE_CHECKING:
    from supervisors._supervisor.ledger import LedgerEntry

_LONGEST = 2000
"""Characters of a fault: it may name a value from a file."""
_FAULTS = 100
"""The most faults that the text of an error lists; `faults` has all."""


class SpecFault(NamedTuple):
    """One fault of a spec: `path` is the place in the tree (`root/workers/w1`), `message` says what is wrong."""

    path: str
    message: str

    def __str__(self) -> str:
        return block(f"{self.path}: {self.message}", _LONGEST)


@dataclass_transform(eq_default=False)  # a type checker sees the fields as arguments
class SupervisionError(ActorError):
    """Base of all errors of supervision."""


class SpecError(SupervisionError, ValueError):
    """A spec cannot work. `faults` holds all of its faults (supervision rule 24)."""

    faults: tuple[SpecFault, ...]

    def __init__(self, faults: Sequence[SpecFault]) -> None:
        super().__init__(tuple(faults))

    def describe(self) -> str:
        count = len(self.faults)
        head = "1 fault in the spec" if count == 1 else f"{count} faults in the spec"
        more = [f"and {count - _FAULTS} more"] if count > _FAULTS else []
        return "\n  ".join([f"{head}:", *map(str, self.faults[:_FAULTS]), *more])


class AlreadyStarted(SupervisionError):
    """`start_child` with the id of a child that runs; `ref` is its ref (supervision rule 23)."""

    supervisor: str
    id: str
    ref: ActorRef[Any] | None
    """None: its first start is under way."""

    def describe(self) -> str:
        return f"{self.supervisor} already runs a child {self.id!r}; use its ref (.ref) or choose another id"


class AlreadyPresent(SupervisionError):
    """`start_child` with the id of a child that has a spec but does not run (supervision rules 16 and 23)."""

    supervisor: str
    id: str

    def describe(self) -> str:
        return (
            f"{self.supervisor} already has a spec for {self.id!r}, which is not running now; "
            "use restart_child, or delete_child and start_child again"
        )


class ChildRunning(SupervisionError):
    """`restart_child` or `delete_child` of a child that runs (supervision rule 23)."""

    supervisor: str
    id: str

    def describe(self) -> str:
        return (
            f"child {self.id!r} of {self.supervisor} is running; call terminate_child first. "
            "restart_child(..., running=True) restarts a child that runs"
        )


class ChildRestarting(SupervisionError):
    """`restart_child` or `delete_child` of a child that waits for its next start attempt (supervision rule 16)."""

    supervisor: str
    id: str

    def describe(self) -> str:
        return f"child {self.id!r} of {self.supervisor} is being restarted; terminate_child cancels that"


class NotFound(SupervisionError):
    """The supervisor has no child with this id, or the ref is not that of one of its children (supervision rule 23)."""

    supervisor: str
    id: str
    place: str | None
    """The path of the ref that was given; None: an id was given."""

    def __init__(self, supervisor: str, id: str, place: str | None = None) -> None:
        super().__init__(supervisor, id, place)

    def describe(self) -> str:
        if self.place is not None:
            return (
                f"{self.supervisor} has no such child: the ref is that of {self.place}. "
                "Ask the supervisor of that actor"
            )
        return f"{self.supervisor} has no child {self.id!r}; which_children() lists those it has"


class PartitionKeyError(SupervisionError, TypeError):
    """A key has no canonical encoding: equal keys could have different partitions."""

    supervisor: str
    problem: str
    key: str
    """The `repr` of the key, cut."""

    def describe(self) -> str:
        return (
            f"{self.supervisor}: the key of a partition: {self.problem}, got {self.key}. "
            "Use what identifies it: a string, a number, or a tuple of these"
        )


class MaxChildren(SupervisionError):
    """A dynamic supervisor has its maximum of children, those that restart included (supervision rule 25)."""

    supervisor: str
    limit: int

    def describe(self) -> str:
        return f"{self.supervisor} is full (max_children={self.limit}); terminate a child or raise max_children"


class ChildStartError(SupervisionError):
    """The child at `path` did not come up; `reason` says why (supervision rules 1 and 2)."""

    path: str
    reason: ExitReason

    def __init__(self, path: str, reason: ExitReason) -> None:
        super().__init__(path, reason)
        if isinstance(reason, Crashed):
            self.__cause__ = reason.exception

    def describe(self) -> str:
        return f"{self.path} did not start: {within(self.reason)}"


class ResourceEnded(SupervisionError):
    """The context manager of a child ended by itself: the task that holds it was cancelled from inside, as by a timeout
    or a task group that has failed. The child crashes by this.
    """

    path: str

    def describe(self) -> str:
        return (
            f"{self.path}: its context manager was left before it was told to stop: something inside has cancelled the "
            "task that holds it. Let it raise its own error, or remove the time limit around its body"
        )


class TaskCancelled(SupervisionError):
    """The task was ended by `cancel()` of its future, or because the reader of its results, or the actor that it is
    tied to, has ended. An exception that the task raised as it ended is the `__cause__`.
    """

    path: str
    """The path of the task; that of its supervisor if it had not begun."""

    def describe(self) -> str:
        return f"the task {self.path} was cancelled before it had a result"


class SupervisorEnded(SupervisionError):
    """The supervisor has terminated, and everything below it; `reason` says why.

    The block of `start` raises it if the root ended abnormally. `ledger` has the last restarts of the supervisor.
    """

    supervisor: str
    reason: ExitReason
    ledger: tuple[LedgerEntry, ...]

    def __init__(self, supervisor: str, reason: ExitReason, ledger: tuple[LedgerEntry, ...] = ()) -> None:
        super().__init__(supervisor, reason, ledger)
        last = self.causes[-1]
        if isinstance(last, Crashed):
            self.__cause__ = last.exception

    @property
    def causes(self) -> tuple[ExitReason, ...]:
        """The reason, its cause, and so on to the first exit."""
        found = [self.reason]
        while isinstance(found[-1], RestartLimitExceeded):
            found.append(found[-1].cause)
        return tuple(found)

    def describe(self) -> str:
        return f"{self.supervisor} has ended: {within(self.reason)}. Nothing below it runs"


class SupervisorGaveUp(SupervisorEnded):
    """The supervisor gave up: a child needed more restarts than its budget allows (supervision rule 10)."""

    reason: RestartLimitExceeded

    @property
    def child(self) -> str:
        """The id of the child that spent the budget."""
        return self.reason.child

    @property
    def max_restarts(self) -> int:
        """The restarts that were allowed within `period`."""
        return self.reason.max_restarts

    @property
    def period(self) -> float | None:
        """Seconds of running in which the restarts are counted; `None`: in a row without progress."""
        return self.reason.period

    def describe(self) -> str:
        *limits, last = self.causes
        lines = [
            f"{limit.path}: child {limit.child!r} needed more than {limit.max_restarts} restarts {limit.span}"
            for limit in limits
            if isinstance(limit, RestartLimitExceeded)
        ]
        return "\n  ".join(
            [
                f"{self.supervisor} gave up, and nothing below it runs",
                *lines,
                f"last cause: {within(last)}",
            ]
        )


def ended(supervisor: str, reason: ExitReason, ledger: tuple[LedgerEntry, ...] = ()) -> SupervisorEnded:
    """The error for a supervisor that has terminated for this reason."""
    if isinstance(reason, RestartLimitExceeded):
        return SupervisorGaveUp(supervisor, reason, ledger)
    return SupervisorEnded(supervisor, reason, ledger)


class ShuttingDown(SupervisionError):
    """The supervisor is ending and serves no more requests."""

    supervisor: str

    def describe(self) -> str:
        return f"{self.supervisor} is shutting down; ask again once it has been restarted"
