"""Combinations of fields that can never work (supervision rule 22). Each fault names both sides.

The checks take raw values, which may have faults of their own, so that all faults are reported together. The path of a
fault is relative: empty for the spec itself, `/id` for a child of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from actors.spi import Actor, shown, wrong_host
from supervisors.errors import SpecFault


def child_combinations(values: Mapping[str, object]) -> list[SpecFault]:
    """Faulty combinations in the spec of a worker."""
    faults = _significant_permanent(values)
    if values.get("max_restarts") is None and values.get("period") is not None:
        faults.append(
            SpecFault("", "period without max_restarts: give the child a budget of its own with max_restarts")
        )
    if (problem := host_fault(values.get("start"), values.get("host"))) is not None:
        faults.append(SpecFault("", problem))
    # Looked at here, without a call: pydantic has every child checked again with its supervisor.
    reset = getattr(values.get("backoff"), "reset", None)
    asked = type(reset) is str and reset == "healthy"
    if asked and (problem := never_healthy(values.get("start"), values.get("backoff"))) is not None:
        faults.append(SpecFault("", problem))
    return faults


def host_fault(start: object, host: object) -> str | None:
    """Why this class cannot run on this host. A host of None is that of the class."""
    if not isinstance(start, type) or not issubclass(start, Actor):
        return None  # a class of pykka's may have attributes of these names
    where = start.host if host is None else host
    if type(where) is not str:
        return None
    return wrong_host(start, where) if where in ("loop", "thread") else None


def supervisor_combinations(values: Mapping[str, object]) -> list[SpecFault]:
    """Faulty combinations in the spec of a supervisor, its children included."""
    return [
        *_significant_permanent(values),
        *_shape(values),
        *_duplicates(values),
        *_significant_children(values),
        *_healthy_supervisor(values),
    ]


_NEVER_HEALTHY = "backoff: reset='healthy' means that its failures are never forgotten"


def never_healthy(start: object, backoff: object) -> str | None:
    """Why a child that runs this never says itself that it works, if its backoff demands that."""
    if not _only_healthy(backoff) or isinstance(start, str) or hasattr(start, "healthy"):
        return None
    who = "a task" if start is None else getattr(start, "__qualname__", shown(start, 60))
    return f"{_NEVER_HEALTHY}: {who} has no healthy(). Use reset='progress'"


def _only_healthy(backoff: object) -> bool:
    return _is(getattr(backoff, "reset", None), "healthy")


def _healthy_supervisor(values: Mapping[str, object]) -> list[SpecFault]:
    if not _only_healthy(values.get("backoff")) or values.get("supervisor_class") is not None:
        return []
    return [SpecFault("", f"{_NEVER_HEALTHY}: a supervisor does not call healthy(). Use reset='progress'")]


def significant_under_never(child: object, auto_shutdown: object) -> str | None:
    """The fault of a significant child under `auto_shutdown="never"`. Also checked for a running supervisor."""
    if getattr(child, "significant", False) is True and _is(auto_shutdown, "never"):
        return "significant=True under auto_shutdown='never' has no effect: change one of the two"
    return None


def _is(value: object, word: str) -> bool:
    """Whether a value is this word. A value of the user's may be anything, and raise when it is compared."""
    return isinstance(value, str) and value == word


def _significant_permanent(values: Mapping[str, object]) -> list[SpecFault]:
    if values.get("significant") is not True:
        return []
    if not _is(values.get("restart", "permanent"), "permanent"):
        return []
    return [
        SpecFault(
            "",
            "significant=True with restart='permanent' has no effect: it always restarts. Make it transient",
        )
    ]


def _shape(values: Mapping[str, object]) -> list[SpecFault]:
    """Strategy, template, partitions and children must belong to one kind of supervisor."""
    simple = _is(values.get("strategy"), "simple_one_for_one")
    children, template = values.get("children"), values.get("template")
    partitioned = values.get("partitions") is not None
    checks = {
        "strategy='simple_one_for_one' without a template: use dynamic_supervisor or tasks": simple
        and template is None,
        "strategy='simple_one_for_one' with children: its children come from the template": simple and bool(children),
        "partitions with strategy='simple_one_for_one': partitions are a fixed set of children": simple and partitioned,
        "template without strategy='simple_one_for_one' or partitions: it would never be started": (
            template is not None and not simple and not partitioned
        ),
        "partitions without a template: give the spec that each partition starts": partitioned and template is None,
        "max_children without strategy='simple_one_for_one': only a dynamic supervisor has such a limit": (
            values.get("max_children") is not None and not simple
        ),
        f"auto_shutdown={shown(values.get('auto_shutdown'), 60)} with strategy='simple_one_for_one': "
        "instances of a template have no significance of their own": (
            simple and not _is(values.get("auto_shutdown", "never"), "never")
        ),
    }
    return [SpecFault("", message) for message, wrong in checks.items() if wrong]


def _children(values: Mapping[str, object]) -> list[object]:
    children = values.get("children")
    return list(children) if isinstance(children, tuple | list) else []


def _duplicates(values: Mapping[str, object]) -> list[SpecFault]:
    counts = Counter(str(getattr(child, "id", None)) for child in _children(values))
    return [
        SpecFault(f"/{id}", f"id: {count} children of one supervisor have it; ids must be unique there")
        for id, count in counts.items()
        if count > 1
    ]


def _significant_children(values: Mapping[str, object]) -> list[SpecFault]:
    members = [*_children(values), values.get("template")]
    return [
        SpecFault(f"/{getattr(child, 'id', '?')}", message)
        for child in members
        if (message := significant_under_never(child, values.get("auto_shutdown", "never"))) is not None
    ]
