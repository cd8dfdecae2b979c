"""How what a run does says that the run goes on in another one."""

from __future__ import annotations


class ContinueAsNew(BaseException):
    """The code or a step of a run ends it, and another run goes on in its place."""

    def __init__(self, input: bytes, step: str | None = None) -> None:
        """`step` is the step that ends it; None: its code does."""
        super().__init__("the run goes on in another one")
        self.input = input
        self.step = step
