"""The messages of a supervisor: its API (supervision rule 23), one message for each operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from actors.spi import ExitReason, Record
from supervisors._specs.fields import Args
from supervisors._specs.spec import Spec, SupervisorSpec, TaskCall


class StartChild(NamedTuple):
    """Start one more child."""

    what: Spec | Args | TaskCall


class TerminateChild(NamedTuple):
    """Stop a child; it is not restarted."""

    id: str


class RestartChild(NamedTuple):
    """Start a child that is stopped or declined."""

    id: str
    running: bool = False
    """Whether a child that runs is stopped and started again; otherwise that is refused."""


class DeleteChild(NamedTuple):
    """Forget the spec of a child that is stopped or declined."""

    id: str


class UpdateSpecs(NamedTuple):
    """Replace the specs of the children."""

    specs: tuple[Spec, ...]


class UpdateSettings(NamedTuple):
    """Change settings of the supervisor itself."""

    settings: Mapping[str, object]


class AdoptSpec(NamedTuple):
    """From its own supervisor: use the settings of this spec."""

    spec: SupervisorSpec


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
    """Suspend or resume every worker below. The answer is whether that changed anything."""

    paused: bool


class Due(NamedTuple):
    """A timer of the engine has fired."""

    token: int


class Failure(Record):
    """The argument of an `on_failure` callback: an exit or a failed start of a child, before the supervisor acts."""

    supervisor: str
    child: str
    path: str
    incarnation: int
    reason: ExitReason
    message_type: str | None
    """The type of the message that crashed it, if one did."""
