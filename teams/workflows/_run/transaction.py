"""A step that is done in the transaction which writes that it is done: both are in the database, or neither.

Its function runs in the thread of the store, between the look at the epoch and the COMMIT, with the connection of the
store. What it writes counts when its entry does, so it happens once, whatever fails: a process that dies before the
COMMIT has done nothing, and one that dies after it has written "done".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from teams._journal.codec import decode, encode, recorded
from teams._journal.errors import NotStorable, PayloadTooLarge
from teams._journal.rows import EntryKind, JournalEntry
from teams.workflows._run.values import adapter, written


@dataclass(frozen=True, slots=True)
class Transaction:
    """The argument of the function of a step with `effects="transaction"`."""

    value: Any
    """The input of the step."""
    connection: Any
    """The `sqlalchemy.Connection` of the store, inside its transaction. It must not be committed or rolled back."""
    key: str
    """That of the step: the same in every attempt and every process."""


class StepTransaction(NamedTuple):
    """A callable for the store, inside the transaction of the unit, in its thread. It may be called again: then the
    store has taken back all that the earlier calls wrote.
    """

    entry: JournalEntry
    """The entry, without its body."""
    function: Callable[[Transaction], object]
    value: object
    returns: Any
    again: Callable[[BaseException], float | None]
    """After how many seconds the step is tried again if it fails with this error; None: not again."""
    now: Callable[[], float]
    """Seconds, for the duration."""
    limit: int
    """The most bytes of its result."""

    def __call__(self, connection: Any) -> JournalEntry:
        """Does the step. Raises what the function raises, and NotStorable or PayloadTooLarge for its result."""
        began = self.now()
        entry = self.entry
        result = self.function(Transaction(self.value, connection, f"{entry.run}:{entry.step}"))
        reads = adapter(self.returns)
        try:
            body, _ = written(result if reads is None else reads.validate_python(result), self.returns, self.limit)
        except ValidationError as error:
            raise NotStorable("$", str(error)) from error
        return self._made("done", body, began)

    def failed(self, error: BaseException) -> JournalEntry:
        """The entry when it failed, and nothing that it wrote is there."""
        again = None if isinstance(error, NotStorable | PayloadTooLarge) else self.again(error)
        said = {"type": "StepFailed", "error": decode(recorded(error)), "again": again}
        return self._made("failed", encode(said), self.now())

    def _made(self, kind: EntryKind, body: bytes, began: float) -> JournalEntry:
        return self.entry._replace(kind=kind, body=body, seconds=self.now() - began)
