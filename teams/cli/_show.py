"""The output of `letitcrash check` and `letitcrash tree`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from actors._user_code.text import printable
from supervisors import ChildSpec, Finding, Report, Spec, SpecFault, SupervisorSpec
from teams.cli._picture import guides
from teams.cli._text import count, kind_text, lines

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
_SOME = 5
"""How many paths are named where many could be."""


def faults_of(target: str, faults: Sequence[SpecFault]) -> str:
    """Every fault with its place."""
    head = f"{count(len(faults), 'fault')} in {printable(target)}"
    return "\n".join([head, *(f"  {lines(str(fault))}" for fault in faults)])


def report_of(spec: SupervisorSpec, report: Report) -> Iterator[Text]:
    """The findings, then what the arithmetic says."""
    for finding in report.findings:
        yield _finding(finding)
    tally = {kind: sum(each.severity == kind for each in report.findings) for kind in _STYLES}
    found = ", ".join(count(number, kind) for kind, number in tally.items() if number) or "nothing to remark"
    yield Text(f"{printable(spec.id)}: {found}")
    yield Text(f"most restarts of one worker in one burst: {_most(report)}")
    yield Text(f"longest shutdown: {_longest(report)}")


def _finding(finding: Finding) -> Text:
    return Text.assemble(
        (finding.severity, _STYLES[finding.severity]),
        f": {printable(finding.path)}: {lines(finding.message)}",
    )


def _most(report: Report) -> str:
    unlimited = [path for path, restarts in report.restarts.items() if restarts is None]
    if unlimited:
        return f"without limit ({_some(unlimited)})"
    limited = {path: restarts for path, restarts in report.restarts.items() if restarts is not None}
    if not limited:
        return "no worker yet"
    most = max(limited.values())
    return f"{most} ({_some([path for path, restarts in limited.items() if restarts == most])})"


def _longest(report: Report) -> str:
    if report.shutdown == math.inf:
        return f"without limit: {_some(report.endless)} has all the time it wants (shutdown='infinity')"
    return f"{report.shutdown:g} s"


def _some(paths: Sequence[str]) -> str:
    named = ", ".join(printable(path) for path in paths[:_SOME])
    return named if len(paths) <= _SOME else f"{named} and {len(paths) - _SOME} more"


def tree_of(spec: SupervisorSpec, report: Report) -> Iterator[Text]:
    """The tree, one line a child: what it is and by which policy it lives."""
    yield from _branch(spec, spec.id, (), report)


def _branch(spec: Spec, path: str, lasts: tuple[bool, ...], report: Report) -> Iterator[Text]:
    yield Text.assemble(
        (guides(lasts), "dim"),
        (printable(spec.id), "bold" if isinstance(spec, SupervisorSpec) else ""),
        (f"  {', '.join(_facts(spec, path, report, root=not lasts))}", "dim"),
    )
    if isinstance(spec, SupervisorSpec):
        below = spec.children if spec.template is None else (spec.template,)
        for number, child in enumerate(below, 1):
            yield from _branch(child, f"{path}/{child.id}", (*lasts, number == len(below)), report)


def _facts(spec: Spec, path: str, report: Report, *, root: bool) -> Iterator[str]:
    if isinstance(spec, ChildSpec):
        yield _class_of(spec)
        if spec.host is not None:
            yield _HOSTS[str(spec.host)]
    else:
        yield _kind_of(spec)
        if spec.host is not None:
            yield _HOSTS[str(spec.host)]
        unlimited = spec.max_restarts is None
        yield "restarts without limit" if unlimited else _budget(count(spec.max_restarts or 0, "restart"), spec.period)
        if spec.auto_shutdown != "never":
            yield f"auto_shutdown {spec.auto_shutdown}"
    if not root:
        yield spec.restart
        if spec.significant:
            yield "significant"
        if (own := spec.own_restarts) is not None:
            yield f"own budget {_budget(str(own.max_restarts), own.period)}, then {own.on_limit}"
        elif spec.dropped_at_limit:
            yield "dropped at the limit"
    if isinstance(spec, ChildSpec):
        restarts = report.restarts[path]
        yield ("restarted without limit" if restarts is None else f"restarted at most {count(restarts, 'time')}")


_HOSTS = {"loop": "on the loop", "thread": "on a thread", "process": "in a process of its own", "ray": "on Ray"}


def _budget(restarts: str, period: float | None) -> str:
    return f"{restarts} in a row" if period is None else f"{restarts} in {period:g} s"


def _kind_of(spec: SupervisorSpec) -> str:
    match spec.kind:
        case "partition":
            return f"{spec.strategy}, {count(spec.partitions or 0, 'partition')}"
        case "dynamic":
            most = "any number of" if spec.max_children is None else f"at most {spec.max_children}"
            return f"dynamic, {most}"
        case "tasks":
            return "tasks"
        case _:
            return spec.strategy


def _class_of(spec: ChildSpec) -> str:
    if spec.start is None:
        return "a function each"
    return kind_text(spec.start, spec.args.values() if isinstance(spec.args, Mapping) else spec.args)
