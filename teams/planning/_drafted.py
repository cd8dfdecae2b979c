"""A member drafts a workflow, and gets the faults of its draft back until there are none.

| value | from | to | meaning |
|---|---|---|---|
| the input | pattern | planner | round 1 |
| a draft | planner | pattern | a workflow, as a mapping or as JSON |
| `Revision` | pattern | planner | the draft has faults, and this was not the last round: `feedback` is their list |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from supervisors.spi import SpecError, SpecFault, builder
from teams._checks.fields import count_faults, refuse
from teams._journal.errors import NotStorable, PayloadTooLarge, RecordedError
from teams._members.target import Can
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, target_faults
from teams.errors import StepFailed
from teams.patterns import Revision
from teams.planning._draft import DraftNames, checked_draft
from teams.planning.errors import DraftRefused

MAX_STEPS = 100


class DraftAnswer(NamedTuple):
    """The draft of the planner, and its faults."""

    draft: object
    faults: tuple[str, ...]
    workflow: dict[str, Any] | None


@dataclass(frozen=True)
class Drafted(Pattern):
    """A member that drafts a workflow. `drafted` makes it."""

    planner: Target
    targets: tuple[str | Can, ...] | None
    teams: Mapping[str, tuple[str, ...]]
    workflows: tuple[str, ...]
    max_rounds: int
    max_steps: int

    def parts(self) -> Iterator[Target]:
        yield self.planner

    async def play(self, run: RunContext, value: object) -> dict[str, Any]:
        asked, rounds = value, 0
        while True:
            answer = await self._answer(run, asked)
            rounds += 1
            if answer.workflow is not None:
                return answer.workflow
            if rounds == self.max_rounds:
                raise DraftRefused(run.run, rounds, answer.faults, answer.draft)
            asked = Revision(value, list(answer.faults), answer.draft, rounds + 1)

    async def _answer(self, run: RunContext, asked: object) -> DraftAnswer:
        try:
            draft = await run.do(self.planner, asked, name="draft")
        except StepFailed as error:
            why = _not_json(error.error)
            if why is None:
                raise
            return DraftAnswer(None, (why,), None)

        def check(draft: object) -> dict[str, Any]:
            """A step of the run: who is in the team then is not asked again."""
            targets = run.targets if self.targets is None else self.targets
            try:
                return {
                    "workflow": checked_draft(draft, DraftNames.of(targets, self.teams, self.workflows), self.max_steps)
                }
            except SpecError as error:
                return {"faults": [str(each) for each in error.faults]}

        said = await run.do(check, draft, name="check")
        return DraftAnswer(draft, tuple(said.get("faults", ())), said.get("workflow"))


_NOT_JSON = (NotStorable.__name__, PayloadTooLarge.__name__)


def _not_json(error: BaseException) -> str | None:
    """Why JSON cannot say a draft, so that no store takes it; None: the step failed for another reason."""
    if isinstance(error, NotStorable | PayloadTooLarge):
        return f"draft: {error}"
    if isinstance(error, RecordedError) and error.type.rpartition(".")[2] in _NOT_JSON:
        return f"draft: {error.message}"
    return None


@builder("drafted")
def drafted(
    planner: Target,
    *,
    targets: Iterable[str | Can] | None = None,
    teams: Mapping[str, Iterable[str]] | None = None,
    workflows: Iterable[str] = (),
    max_rounds: int = 3,
    max_steps: int = MAX_STEPS,
) -> Drafted:
    """A pattern in which a member, a model for instance, drafts a workflow. Its result is the workflow as a mapping,
    for `workflow_from`.

    The planner gets the input of the pattern and answers with a mapping that has the keys of a workflow in a file, or
    with JSON as text. A draft names no code: it has no `run`, `pattern` or `returns`, and no "module:name". It is
    checked like a file, and its names are those of the team. All faults go back to the planner as a `Revision`, whose
    feedback is a list of strings.

    Args:
        planner: What drafts: a member, a role, `can("capability")`, a function, or another target.
        targets: The members, roles and capabilities that a draft may name. None: those of the team that plays the
            pattern. Default: None.
        teams: The teams that a draft may name, each with its members and roles. None: no teams. Default: None.
        workflows: The workflows of the engine that a draft may name. Default: ().
        max_rounds: How many drafts there are at most. Default: 3.
        max_steps: How many steps a draft has at most, with those of workflows inside it. Default: 100.

    Raises:
        SpecError: every fault of the arguments
        DraftRefused: when it is played: no draft passed in `max_rounds`
    """
    faults: list[SpecFault] = []
    named = None if targets is None else _listed("targets", targets, faults)
    others = {} if teams is None else teams
    if not isinstance(others, Mapping):
        faults.append(SpecFault("drafted", f"teams: must be a mapping {{team: names}}, got {teams!r}"))
        others = {}
    places = {name: _listed(f"teams/{name}", each, faults) for name, each in others.items()}
    flows = _listed("workflows", workflows, faults)
    refuse(
        faults,
        target_faults("drafted/planner", planner),
        (
            SpecFault("drafted", f"targets: must be names or can(...), got {each!r}")
            for each in named or ()
            if not isinstance(each, str | Can)
        ),
        count_faults("drafted", "max_rounds", max_rounds),
        count_faults("drafted", "max_steps", max_steps),
    )
    return Drafted(
        planner,
        named,
        places,
        flows,
        max_rounds,
        max_steps,
    )


def _listed(key: str, values: object, faults: list[SpecFault]) -> tuple[Any, ...]:
    """The values of a list; what is not one goes to the faults."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        faults.append(SpecFault("drafted", f"{key}: must be a list of names, got {values!r}"))
        return ()
    return tuple(values)
