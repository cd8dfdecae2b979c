"""The errors of a world."""

from __future__ import annotations

from actors.testing.spi import OracleFailure


class PromiseBroken(OracleFailure):
    """An engine broke a promise."""

    fields = ("at", "promise", "what")
    promise: str
    """Which one, in a few words."""

    def describe(self) -> str:
        return f"at {self.at:.12g} s: {self.promise}: {self.what}"
