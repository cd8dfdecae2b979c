"""Pictures of a plan: a table with bars, and Mermaid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, get_args

from actors.spi import cut
from supervisors.spi import nearest
from teams.planning._plan import PlannedStep, WorkflowPlan

ScheduleDrawing = Literal["text", "mermaid"]
FORMATS: tuple[ScheduleDrawing, ...] = get_args(ScheduleDrawing)

_BAR = 48
"""Characters of the time axis."""
_NAME = 24
_UNSAFE = re.compile(r"[:;#,%\"`]")


def schedule_picture(plan: WorkflowPlan, format: ScheduleDrawing = "text") -> str:
    """Draws the levelled schedule of a plan: as text with a bar for each step (`#` on the critical path, `=` besides),
    or as a Gantt chart in Mermaid.

    Raises:
        ValueError: `format` is neither of them
    """
    if format not in FORMATS:
        raise ValueError(
            f"format: must be one of {', '.join(FORMATS)}, got {format!r}; {nearest(str(format), FORMATS)}"
        )
    return "\n".join((_text if format == "text" else _mermaid)(plan)) + "\n"


def _in_order(plan: WorkflowPlan) -> list[PlannedStep]:
    return sorted(plan.tasks, key=lambda each: (each.scheduled_start, each.scheduled_finish))


def _text(plan: WorkflowPlan) -> Iterator[str]:
    length = plan.estimated_scheduled_time
    scale = _BAR / length if length > 0 else 0.0
    wide = min(_NAME, max((len(each.id) for each in plan.tasks), default=0))
    for step in _in_order(plan):
        begin = min(_BAR - 1, int(step.scheduled_start * scale))
        end = max(begin + 1, min(_BAR, round(step.scheduled_finish * scale)))
        bar = " " * begin + ("#" if step.critical else "=") * (end - begin)
        agent = "" if step.agent is None else f"  {cut(step.agent, _NAME)}"
        name = cut(step.id, wide)
        yield f"{name:<{wide}} |{bar:<{_BAR}}| {step.scheduled_start:g} to {step.scheduled_finish:g} s{agent}"


def _mermaid(plan: WorkflowPlan) -> Iterator[str]:
    yield "gantt"
    yield f"    title {_plain(plan.workflow)}"
    yield "    dateFormat x"
    yield "    axisFormat %M:%S"
    sections: dict[str, list[PlannedStep]] = {}
    for step in _in_order(plan):
        sections.setdefault(step.agent or "no member", []).append(step)
    number = 0
    for name, steps in sections.items():
        yield f"    section {_plain(name)}"
        for step in steps:
            begin, end = round(step.scheduled_start * 1000), round(step.scheduled_finish * 1000)
            mark = "crit, " if step.critical else ""
            yield f"    {_plain(step.id)} :{mark}s{number}, {begin}, {end}"
            number += 1


def _plain(text: str) -> str:
    """A name without the characters that mean something to Mermaid."""
    return _UNSAFE.sub(" ", cut(text, 60)).strip() or "step"
