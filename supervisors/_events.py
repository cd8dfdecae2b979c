"""Lifecycle events of supervisors that no effect of the engine stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supervisors._actors import LifecycleEvent


@dataclass(frozen=True, slots=True)
class CallbackFailed(LifecycleEvent):
    """An `on_failure` or `on_give_up` callback raised. It decided nothing; the supervisor went on as its spec says."""

    level: ClassVar[str] = "error"
    callback: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        """What the callback raised."""
        return self.error


@dataclass(frozen=True, slots=True)
class Concluded(LifecycleEvent):
    """Somebody has the result that a part of the tree exists for. `understudy run` prints it."""

    level: ClassVar[str] = "info"
    value: object
