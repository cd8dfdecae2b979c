"""The outcome of one measurement, and the line of JSON in which a child reports it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["ok", "missing", "failed", "timed out"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One measurement: its figures by metric key when it is "ok", else in `detail` why there are none."""

    status: Status
    figures: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""

    def to_line(self) -> str:
        """The outcome as one line of JSON."""
        return json.dumps({"status": self.status, "figures": dict(self.figures), "detail": self.detail})

    @classmethod
    def from_output(cls, output: str) -> Outcome | None:
        """The outcome a child wrote as the last line of `output`; None if it wrote none.

        Only the last line counts: some peers write to the standard output themselves.
        """
        lines = output.strip().splitlines()
        try:
            told = json.loads(lines[-1]) if lines else None
        except ValueError:
            return None
        if not isinstance(told, dict) or told.keys() != {"status", "figures", "detail"}:
            return None
        return cls(told["status"], told["figures"], told["detail"])
