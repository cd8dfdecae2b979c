"""The errors of stores and of their encoding. Each is typed and picklable::

JournalError (ActorError)
  StoreRefused
  StoreAway
  NoDatabase
  NotStorable (ValueError)
    PayloadTooLarge
  Recorded
"""

from __future__ import annotations

import re
from typing import dataclass_transform

from actors.spi import TEXT, ActorError, cut


@dataclass_transform(eq_default=False)  # a type checker sees the fields as arguments
class JournalError(ActorError):
    """Base of the errors of stores."""


class StoreRefused(JournalError):
    """The store cannot be used as it is. Nothing was changed."""

    url: str
    """The address of the store, without its password."""
    why: str
    """The fault and its remedy."""

    def describe(self) -> str:
        return f"store {self.url}: {self.why}"


class StoreAway(JournalError):
    """The store does not answer now, is full or is locked. Nothing of the call was acknowledged."""

    url: str
    """The address of the store, without its password."""
    why: str
    known_lost: bool
    """True: nothing of the call was written. False: unknown; sending the same units again writes what is missing."""

    def describe(self) -> str:
        outcome = "nothing was written" if self.known_lost else "whether it was written is unknown"
        return f"store {self.url}: {self.why}; {outcome}. Send it again when the store answers"


class NoDatabase(JournalError):
    """A step is done in the transaction that writes it, and the store keeps no database."""

    step: str

    def describe(self) -> str:
        return (
            f'step {self.step} has effects="transaction" and needs a database: give the engine a store such as '
            "sqlite:///runs.db or postgresql://user@host/name"
        )


class NotStorable(JournalError, ValueError):
    """A value cannot be written down. Another attempt gives the same, unless the value is another."""

    path: str
    """The place in the value: `$.rows[3].price`."""
    what: str

    def describe(self) -> str:
        return f"{self.path}: {self.what}"


class PayloadTooLarge(NotStorable):
    """A value is larger than the limit once it is encoded. `path` is the part that makes up most of it."""

    fields = ("path", "size", "limit")
    size: int
    """Bytes of the whole value."""
    limit: int

    def __init__(self, path: str, size: int, limit: int) -> None:
        ActorError.__init__(self, path, size, limit)
        self.what = f"the value has {size} bytes once it is encoded, the limit is {limit}"

    def describe(self) -> str:
        remedy = "Store it elsewhere and hand on where it is, or raise `max_value_bytes` of the engine"
        return f"{self.path}: {self.what}. {remedy}"


class NotReadable(JournalError, ValueError):
    """What was written down is not a value of the type that is wanted now."""

    what: str

    def describe(self) -> str:
        return f"the stored value cannot be read as what is wanted now: {self.what}"


class RecordedError(JournalError):
    """An error that was written down and read back. Its class is not restored: `type` is its name."""

    type: str
    message: str
    traceback: str

    def describe(self) -> str:
        return f"{self.type}: {cut(self.message, TEXT)}" if self.message else self.type


def without_password(url: str) -> str:
    """The address as it may be shown: `***` for a password before the `@`, and for one among the options."""
    url = re.sub(r"(?<=://)([^/@:]*):.*@", r"\1:***@", url)
    return re.sub(r"(?i)([?&;](?:ssl)?pass(?:word|file)?=)[^&;]*", r"\1***", url)
