"""The messages a supervisor takes: its API (supervision rule 23), one message an operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from actors.spi import ExitReason
from supervisors._specs.fields import Args
from supervisors._specs.spec import Spec, SupervisorSpec, TaskCall


class StartChild(NamedTuple):
    """Start one more child."""

    what: Spec | Args | TaskCall


class TerminateChild(NamedTuple):
    """Stop a child for good."""

    id: str


class RestartChild(NamedTuple):
    """Start a child that is stopped or declined."""

    id: str


class DeleteChild(NamedTuple):
    """Forget the spec of a child that does not run."""

    id: str


class UpdateSpecs(NamedTuple):
    """Reconcile with new specs."""

    specs: tuple[Spec, ...]


class UpdateSettings(NamedTuple):
    """Change settings of the supervisor itself."""

    settings: Mapping[str, object]


class Adopted(NamedTuple):
    """From its own supervisor: live by the settings of this spec."""

    spec: SupervisorSpec

    @property
    def observed_as(self) -> str:
        """The name under which a simulation notes it."""
        return "adopted"


class WhichChildren(NamedTuple):
    """List the children."""


class WhichChild(NamedTuple):
    """One child, as `WhichChildren` shows it."""

    id: str


class CountChildren(NamedTuple):
    """Count the children."""


class GetChildSpec(NamedTuple):
    """The spec of a child."""

    id: str


class GetLedger(NamedTuple):
    """The restart ledger."""


class PauseWork(NamedTuple):
    """Suspend every worker below, or let them go on. Answered with whether that changed anything."""

    paused: bool


class Due(NamedTuple):
    """A timer of the engine has fired."""

    token: int

    @property
    def observed_as(self) -> str:
        """The name under which a simulation notes it."""
        return "due"


@dataclass(frozen=True, slots=True)
class Failure:
    """What an `on_failure` callback is told: the exit of one child, or a start of it that failed, before anything is
    done about it.
    """

    supervisor: str
    child: str
    path: str
    incarnation: int
    reason: ExitReason
    message_type: str | None
    """The type of the message that crashed it, where one did."""
