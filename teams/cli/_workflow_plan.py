"""`letitcrash workflow plan`: what a run will take, before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from actors._user_code.text import cut, printable
from supervisors import SpecError, SpecFault
from teams.cli._text import count
from teams.planning import Duration, PlannedQuality, WorkflowPlan, schedule_picture

_MOST_RISKS = 20
"""How many risks are shown to a person; JSON has all."""


def read_estimates(given: Iterable[str], faults: list[SpecFault]) -> dict[str, Duration]:
    """The values of `--estimate STEP=SECONDS` and `--estimate STEP=LOW,LIKELY,HIGH`, by step."""
    found: dict[str, Duration] = {}
    for text in given:
        step, _, value = text.partition("=")
        try:
            numbers = [float(each) for each in value.split(",")]
        except ValueError:
            numbers = []
        if step and len(numbers) == 1:
            found[step] = numbers[0]
        elif step and len(numbers) == 3:
            found[step] = (numbers[0], numbers[1], numbers[2])
        else:
            wanted = "must be STEP=SECONDS or STEP=LOW,LIKELY,HIGH"
            faults.append(SpecFault("--estimate", f"{wanted}, got {printable(text)!r}"))
    return found


def read_capacity(given: Iterable[str], faults: list[SpecFault]) -> dict[str, int]:
    """The values of `--capacity MEMBER=NUMBER`, by member."""
    found: dict[str, int] = {}
    for text in given:
        member, _, value = text.rpartition("=")
        if member and value.isascii() and value.isdecimal() and len(value) < 10:
            found[member] = int(value)
        else:
            faults.append(SpecFault("--capacity", f"must be MEMBER=NUMBER, got {printable(text)!r}"))
    return found


def read_options(estimates: Iterable[str], capacity: Iterable[str]) -> tuple[dict[str, Duration], dict[str, int]]:
    """Both. Raises SpecError with all faults."""
    faults: list[SpecFault] = []
    found = read_estimates(estimates, faults), read_capacity(capacity, faults)
    if faults:
        raise SpecError(faults)
    return found


def plan_lines(planned: WorkflowPlan) -> Iterator[str]:
    """A plan, for people."""
    yield f"{cut(planned.workflow)}: {count(len(planned.tasks), 'step')}, {planned.coordination_strategy}"
    yield f"  {planned.choice.detail}"
    yield ""
    yield from schedule_picture(planned).splitlines()
    yield ""
    yield f"one after another   {planned.estimated_total_time:.6g} s"
    yield f"enough capacity     {planned.estimated_parallel_time:.6g} s"
    yield f"scheduled           {planned.estimated_scheduled_time:.6g} s, no schedule is shorter than {_bound(planned)}"
    yield f"saved               {planned.estimated_time_saved:.6g} s, {planned.parallel_potential:.0%}"
    yield f"half of the runs    {planned.p50:.6g} s"
    yield f"nine of ten         {planned.p90:.6g} s"
    yield f"critical path       {' -> '.join(cut(each) for each in planned.critical_path)}"
    for use in planned.resource_breakdown:
        most = "any number" if use.capacity is None else use.capacity
        used = "" if use.utilization is None else f", {use.utilization:.0%} in use"
        yield f"member {cut(use.name)}: {count(use.steps, 'step')}, {use.work:.6g} s of work, {most} at once{used}"
    for step, each in planned.quality_validation_plan.items():
        yield f"quality {cut(step)}: {_criteria(each)}"
    for risk in planned.risks[:_MOST_RISKS]:
        yield f"risk {cut(risk.step)}: {risk.message}; {risk.remedy}"
    if (more := len(planned.risks) - _MOST_RISKS) > 0:
        yield f"and {count(more, 'more risk')}; --json has all"


def _criteria(planned: PlannedQuality) -> str:
    whole = {} if planned.threshold is None else {"whole": planned.threshold}
    said = ", ".join(f"{cut(name)} {least:g}" for name, least in (*planned.criteria.items(), *whole.items()))
    then = "not checked" if planned.on_low is None else f"then {planned.on_low}"
    return f"{cut(planned.domain or 'no domain')}: {said}; {then}"


def _bound(planned: WorkflowPlan) -> str:
    gap = f" ({planned.gap:.1%} more)" if planned.gap > 0.0005 else ""
    return f"{planned.lower_bound:.6g} s{gap}"


def plan_document(planned: WorkflowPlan) -> Mapping[str, Any]:
    """A plan, for programs, with the names of the documents."""
    return {
        "workflow": planned.workflow,
        "tasks": [
            {
                "id": each.id,
                "description": each.description,
                "agent": each.agent,
                "dependencies": list(each.dependencies),
                "quality_domain": each.quality_domain,
                "parallel_safe": each.parallel_safe,
                "estimated_duration": each.estimated_duration,
                "estimate": {
                    "low": each.estimate.low,
                    "likely": each.estimate.likely,
                    "high": each.estimate.high,
                    "source": each.estimate.source,
                },
                "level": each.level,
                "earliest_start": each.earliest_start,
                "latest_start": each.latest_start,
                "slack": each.slack,
                "critical": each.critical,
                "scheduled_start": each.scheduled_start,
                "scheduled_finish": each.scheduled_finish,
            }
            for each in planned.tasks
        ],
        "coordination_strategy": planned.coordination_strategy,
        "reason": planned.choice.reason,
        "critical_path": list(planned.critical_path),
        "parallel_groups": [list(each) for each in planned.parallel_groups],
        "estimated_total_time": planned.estimated_total_time,
        "estimated_parallel_time": planned.estimated_parallel_time,
        "estimated_levels_time": planned.estimated_levels_time,
        "estimated_scheduled_time": planned.estimated_scheduled_time,
        "estimated_time_saved": planned.estimated_time_saved,
        "lower_bound": planned.lower_bound,
        "p50": planned.p50,
        "p90": planned.p90,
        "resource_breakdown": [
            {
                "name": each.name,
                "capacity": each.capacity,
                "steps": each.steps,
                "work": each.work,
                "utilization": each.utilization,
            }
            for each in planned.resource_breakdown
        ],
        "risks": [
            {
                "step": each.step,
                "kind": each.kind,
                "figure": each.figure,
                "message": each.message,
                "remedy": each.remedy,
            }
            for each in planned.risks
        ],
        "quality_validation_plan": {
            step: {
                "domain": each.domain,
                "criteria": dict(each.criteria),
                "threshold": each.threshold,
                "on_low": each.on_low,
            }
            for step, each in planned.quality_validation_plan.items()
        },
    }
