"""A mutation of `benchmarks.mutants`: it makes the supervisor break one rule of supervision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mutation:
    """One edit of one file."""

    name: str
    rule: int
    """The number of the supervision rule it breaks."""
    file: str
    """Its path below the folder that holds the packages."""
    old: str
    """What is there: exactly once, or the mutation is stale."""
    new: str

    def fault(self, root: Path) -> str | None:
        """Why the mutation cannot be made in the packages below `root`, if so."""
        file = root / self.file
        found = file.read_text(encoding="utf-8").count(self.old) if file.is_file() else 0
        return None if found == 1 else f"{self.name}: {self.file} holds its old text {found} times, not once"

    def apply(self, root: Path) -> None:
        """Makes the edit."""
        file = root / self.file
        file.write_text(file.read_text(encoding="utf-8").replace(self.old, self.new), encoding="utf-8")
