"""The restart ledger: which children were restarted, why, and with which outcome (supervision rule 30)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from actors.spi import Crashed, ExitReason, class_name
from supervisors.events import BackingOff, Restarting

LENGTH = 1000
"""The most restarts that are kept."""
RESUMED = 100
"""The most exceptions that children have survived that are kept. They take no place of a restart."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One restart, from its cause to its outcome; or one exception that a child survived (`Actor.resumes`). Times are
    in seconds of the runtime's monotonic clock.
    """

    child: str
    incarnation: int
    """The incarnation that ended, or went on."""
    cause: str
    """The class of the exception that crashed it; otherwise the kind of the exit reason."""
    reason: str
    """The exit reason as a string. Not the exception, whose traceback would keep frames and messages alive."""
    message_type: str | None
    attempt: int
    """The number of the attempt, >= 1, since the child last made progress; 0: it was not restarted."""
    delay: float
    at: float
    outcome: str
    """pending, restarted, failed, gave_up or cancelled; resumed if the child went on."""
    settled_at: float | None = None


class RestartLedger:
    """The last restarts of one supervisor, and the last exceptions that its children have survived, oldest first.
    Adding one takes constant time.
    """

    def __init__(self, length: int = LENGTH) -> None:
        self._records: deque[_Record] = deque(maxlen=length)
        self._resumed: deque[_Record] = deque(maxlen=RESUMED)
        self._open: dict[str, _Record] = {}

    def exited(self, child: str, incarnation: int, reason: ExitReason, message_type: str | None, now: float) -> None:
        """A child has terminated, or did not come up."""
        if child in self._open:
            self._settle(child, "failed", now)
        cause = type(reason.exception) if isinstance(reason, Crashed) else reason.kind
        record = _Record(child, incarnation, cause, str(reason), message_type, now)
        self._records.append(record)
        self._open[child] = record

    def resumed(self, child: str, incarnation: int, reason: Crashed, message_type: str, now: float) -> None:
        """A handler of a child has raised, and the child goes on."""
        record = _Record(child, incarnation, type(reason.exception), str(reason), message_type, now)
        record.outcome, record.settled_at = "resumed", now
        self._resumed.append(record)

    def started(self, child: str, now: float) -> None:
        """A child is up."""
        if (record := self._open.pop(child, None)) is not None:
            record.outcome, record.settled_at = "restarted", now

    def note(self, event: BackingOff | Restarting) -> bool:
        """Updates the open entry of the child by a decision of the supervisor. Returns whether there is one."""
        record = self._open.get(event.child)
        if record is None:
            return False
        record.attempt = event.attempt
        if isinstance(event, BackingOff):
            record.delay = event.delay
        return True

    def gave_up(self, child: str, now: float) -> None:
        """The child needed more restarts than it may have."""
        self._settle(child, "gave_up", now)

    def cancel(self, child: str, now: float) -> None:
        """The child will not be restarted."""
        self._settle(child, "cancelled", now)

    def entries(self) -> tuple[LedgerEntry, ...]:
        """All entries, oldest first."""
        every = sorted([*self._records, *self._resumed], key=lambda record: record.at)
        return tuple(record.entry() for record in every)

    def _settle(self, child: str, outcome: str, now: float) -> None:
        record = self._open.pop(child, None)
        if record is not None:
            record.outcome, record.settled_at = outcome, now


@dataclass(slots=True, eq=False)
class _Record:
    """An entry that may still change."""

    child: str
    incarnation: int
    cause: type[BaseException] | str
    """The class of the exception, which is named for those who ask; otherwise the kind of the exit reason."""
    reason: str
    message_type: str | None
    at: float
    attempt: int = 0
    delay: float = 0.0
    outcome: str = "pending"
    settled_at: float | None = None

    def entry(self) -> LedgerEntry:
        return LedgerEntry(
            self.child,
            self.incarnation,
            class_name(self.cause) if isinstance(self.cause, type) else self.cause,
            self.reason,
            self.message_type,
            self.attempt,
            self.delay,
            self.at,
            self.outcome,
            self.settled_at,
        )


class LastLedger:
    """The ledger of the last incarnation of a supervisor, for the error that says why it has terminated."""

    def __init__(self) -> None:
        self.ledger = RestartLedger(0)
