"""Makes a failing trial small, by leaving things out: in seconds, where Hypothesis, which has to be told of every
draw, takes minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pydantic import ValidationError

from actors.testing.spi import fewer_moves
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec
from supervisors.errors import SpecError
from supervisors.testing._trial import Trial

SPARE = (
    "start_timeout",
    "retry_start",
    "significant",
    "on_limit",
    "period",
    "max_restarts",
    "shutdown",
    "args",
    "own_budget",
    "backoff",
)
"""The parts that a spec can do without, one at a time."""


def reduced(trial: Trial, fails: Callable[[Trial], bool], most: int = 2000) -> Trial:
    """The smallest trial found that still fails: no action, fault, move, child or option can be left out of it. What a
    search found is written down as moves first, in runs that are not counted; then tries at most `most` runs.
    """
    runs = 0
    written = trial.as_moves()
    if written.schedule and fails(written):
        moves = fewer_moves(lambda less: fails(replace(written, schedule=less)), written.schedule)
        trial = replace(written, schedule=moves)
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(trial):
            runs += 1
            if runs > most:
                return trial
            if fails(smaller):
                trial, progress = smaller, True
                break
    return trial


def _smaller(trial: Trial) -> Iterator[Trial]:
    script = trial.script
    for size in (8, 4, 2, 1):
        for at in range(0, len(script) - size + 1, size):
            yield replace(trial, script=script[:at] + script[at + size :])
    for index in range(len(trial.schedule)):
        yield replace(trial, schedule=trial.schedule.without(index))
    for index in range(len(trial.plan)):
        yield replace(trial, plan=trial.plan.without(index))
    if trial.search is not None:
        yield replace(trial, search=None)
    for tree in _smaller_specs(trial.tree):
        if isinstance(tree, SupervisorSpec):
            yield replace(trial, tree=tree)


def _smaller_specs(spec: Spec) -> Iterator[Spec]:
    if isinstance(spec, SupervisorSpec):
        for index, child in enumerate(spec.children):
            rest = spec.children[:index], spec.children[index + 1 :]
            yield from _made(spec, children=rest[0] + rest[1])
            for smaller in _smaller_specs(child):
                yield from _made(spec, children=(*rest[0], smaller, *rest[1]))
        if spec.template is not None:
            for smaller in _smaller_specs(spec.template):
                yield from _made(spec, template=smaller)
        if spec.initial:
            yield from _made(spec, initial=spec.initial[1:])
        if spec.auto_shutdown != "never":
            yield from _made(spec, auto_shutdown="never")
    fields = type(spec).model_fields
    for name in SPARE:
        field = fields.get(name)
        if field is None:
            continue
        plain = () if name == "args" else None if name == "backoff" else field.default
        if getattr(spec, name) not in (plain, {}):
            values = {name: plain} | (
                {"period": None} if isinstance(spec, ChildSpec) and name == "max_restarts" else {}
            )
            yield from _made(spec, **values)


def _made(spec: Spec, **changed: object) -> Iterator[Spec]:
    """The spec with other values, if they are valid."""
    values = {name: value for name, value in spec if name in type(spec).model_fields} | changed
    try:
        yield type(spec)(**values)
    except (SpecError, ValidationError):
        return
