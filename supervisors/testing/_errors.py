"""The errors of the reference model."""

from __future__ import annotations

from actors.testing.spi import OracleFailure, SimulationError


class NotEncodable(SimulationError, TypeError):
    """A trial that no blob can hold: something in its tree is neither a plain value nor a class with a place in a
    module.
    """


class ReferenceDisagreement(OracleFailure):
    """A supervisor did not do what the rules of supervision say, or not in time."""

    fields = ("at", "step", "supervisor", "rule", "expected", "observed")
    step: int
    """The scheduling decision at which it shows."""
    supervisor: str
    """The path of the supervisor."""
    rule: int
    """The number of the rule."""
    expected: str
    observed: str

    def describe(self) -> str:
        return (
            f"at {self.at:g} s, step {self.step}: {self.supervisor} disagrees with supervision rule {self.rule}: "
            f"expected {self.expected}; observed {self.observed}"
        )


class NotContained(OracleFailure):
    """Code of a hostile world that raised did harm beyond the actor it belongs to."""

    fields = ("at", "promise", "what")
    promise: str
    """The broken promise, in a word: calm, settles, refused, heard, text, observers."""

    def describe(self) -> str:
        return f"at {self.at:.12g} s: {self.promise}: {self.what}"
