"""Combinations of fields that can never work (supervision rule 22). Each fault names both sides.

The checks take raw values, which may have faults of their own, so that all faults are reported together. The path of a
fault is relative: empty for the spec itself, `/id` for a child of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from pydantic_core import PydanticCustomError

from actors.spi import (
    Actor,
    MailboxSpec,
    PlaceSpec,
    ProcessSpec,
    RaySpec,
    extra_fault,
    is_host,
    sending_fault,
    shown,
    wrong_host,
)
from supervisors._specs.fields import check_host
from supervisors._specs.start_kind import StartKind, kind_of
from supervisors.errors import SpecError, SpecFault


def child_combinations(values: Mapping[str, object]) -> list[SpecFault]:
    """Faulty combinations in the spec of a worker."""
    faults = _significant_permanent(values)
    if values.get("max_restarts") is None and values.get("period") is not None:
        faults.append(
            SpecFault("", "period without max_restarts: give the child a budget of its own with max_restarts")
        )
    faults += [SpecFault("", problem) for problem in start_faults(values.get("start"), values)]
    # Looked at here, without a call: pydantic has every child checked again with its supervisor.
    reset = getattr(values.get("backoff"), "reset", None)
    asked = type(reset) is str and reset == "healthy"
    if asked and (problem := never_healthy(values.get("start"), values.get("backoff"))) is not None:
        faults.append(SpecFault("", problem))
    return faults


def start_faults(start: object, values: Mapping[str, object]) -> list[str]:
    """Why what the child runs does not go together with these values of its spec. A host of None is that of the class;
    a function or context manager takes no messages.
    """
    if start is None or isinstance(start, str):
        return []
    kind, host = kind_of(start), values.get("host")
    if kind is StartKind.ACTOR:
        assert isinstance(start, type)
        if not issubclass(start, Actor):  # a class of pykka's may have an attribute of this name
            problem = wrong_host(start, host) if isinstance(_host(host), PlaceSpec) else None
            return [] if problem is None else [problem]
        where = _host(start.host if host is None else host)
        problem = wrong_host(start, where) if is_host(where) else None
        if problem is None and isinstance(where, PlaceSpec):
            return process_faults(start, where, values)
        return [] if problem is None else [problem]
    if not isinstance(kind, StartKind):
        return []
    redeliver = values.get("redeliver")
    where = _host(host)
    checks = {
        "host='loop' with a plain function, which would block the event loop: make it `async def`, or leave host out": (
            kind is StartKind.FUNCTION and _is(host, "loop")
        ),
        f"host={where}() with {kind.value}: give the child an actor class, or a function that enters it": (
            isinstance(where, PlaceSpec) and kind is StartKind.RESOURCE
        ),
        f"prefetch={getattr(where, 'prefetch', 1)} with {kind.value}, which takes no messages": (
            isinstance(where, PlaceSpec) and where.prefetch > 1
        ),
        f"redeliver={shown(redeliver, 60)} with {kind.value}, which takes no messages": (
            isinstance(redeliver, int) and redeliver > 0
        ),
        f"mailbox with {kind.value}, which takes no messages": _is_given(values.get("mailbox")),
    }
    faults = [message for message, wrong in checks.items() if wrong]
    return [*faults, *_unsendable(start, where)] if isinstance(where, PlaceSpec) else faults


def _unsendable(start: object, host: PlaceSpec) -> list[str]:
    """Why a process of this host does not find this class or function, or cannot be had."""
    problems = (sending_fault(start), extra_fault(host))
    return [f"host={host}(): {problem}" for problem in problems if problem is not None]


def _host(host: object) -> object:
    """The host as a spec has it. One with a fault of its own is left as it is."""
    try:
        return check_host(host)
    except PydanticCustomError:
        return host


def process_faults(start: type[Actor], host: PlaceSpec, values: Mapping[str, object]) -> list[str]:
    """Why actors of this class cannot run in processes of their own with these values of their spec."""
    faults = _unsendable(start, host)
    redeliver = values.get("redeliver", 0)
    if host.prefetch > 1 and start.concurrency > 1 and isinstance(redeliver, int) and redeliver > 0:
        faults.append(
            f"prefetch={host.prefetch} with redeliver={redeliver} and concurrency={start.concurrency}: when the "
            "process is lost, messages that did nothing count as its cause. Leave prefetch out, or use concurrency=1"
        )
    mailboxes = (values.get("mailbox"), start.mailbox)
    if host.prefetch > 1 and any(getattr(each, "priority", None) is not None for each in mailboxes):
        faults.append(
            f"prefetch={host.prefetch} with a priority of the mailbox: a message that was sent ahead is not overtaken. "
            "Leave one of the two out"
        )
    return faults


def task_host_faults(host: object) -> list[str]:
    """Why the tasks of a task supervisor cannot have this host."""
    if _is(host, "loop") or _is(host, "thread"):
        hosts = "an `async` function runs on the event loop and a plain one in a thread"
        return [f"host={shown(host, 60)} with tasks: {hosts}. Leave host out, or give process()"]
    where = _host(host)
    if isinstance(where, RaySpec):
        return ["host=ray() with tasks: the processes of a pool are on this machine. Give process()"]
    if isinstance(where, ProcessSpec) and where.prefetch > 1:
        return [f"prefetch={where.prefetch} with tasks: a process runs one of them at a time. Leave it out"]
    return []


def _is_given(mailbox: object) -> bool:
    return (
        mailbox is not None
        and not _is(mailbox, "keep")
        and not (isinstance(mailbox, MailboxSpec) and mailbox == MailboxSpec())
    )


def supervisor_combinations(values: Mapping[str, object]) -> list[SpecFault]:
    """Faulty combinations in the spec of a supervisor, its children included."""
    return [
        *_significant_permanent(values),
        *_shape(values),
        *_duplicates(values),
        *_significant_children(values),
        *_healthy_supervisor(values),
        *_in_one_process(values),
    ]


def _in_one_process(values: Mapping[str, object]) -> list[SpecFault]:
    """Whether a supervisor can have a process of its own, and everything that it has and starts is found there."""
    host = _host(values.get("host"))
    if not isinstance(host, PlaceSpec):
        return []
    missing = extra_fault(host)
    problems = [*([] if missing is None else [("", missing)]), *_not_found_there("", values)]
    return [SpecFault(path, f"host={host}(): {problem}") for path, problem in problems]


def _not_found_there(path: str, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The options that a process cannot have of a supervisor with these values, each with its path."""
    for name in ("supervisor_class", "on_failure", "on_give_up"):
        if (problem := sending_fault(values.get(name))) is not None:
            yield path, f"{name}: {problem}"
    for each in [*_children(values), *([] if values.get("partitions") else [values.get("template")])]:
        below = f"{path}/{getattr(each, 'id', '?')}"
        if getattr(each, "is_supervisor", False):
            if getattr(each, "host", None) is not None:
                yield below, INSIDE_ANOTHER
            yield from _not_found_there(below, vars(each))
        elif (problem := inner_fault(getattr(each, "start", None), getattr(each, "host", None))) is not None:
            yield below, problem


INSIDE_ANOTHER = "it is below a supervisor in a process of its own, which has it, too. Leave one of the two hosts out"


def inner_fault(start: object, host: object) -> str | None:
    """Why this cannot run below a supervisor in a process of its own, on this host of its spec; None: it can."""
    of_class = getattr(start, "host", None) if isinstance(start, type) and issubclass(start, Actor) else None
    if isinstance(_host(of_class if host is None else host), PlaceSpec):
        return INSIDE_ANOTHER
    return sending_fault(start)


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
        "pool without host=process(): only the tasks of tasks(host=process()) have a pool of processes": (
            values.get("pool") is not None and not isinstance(getattr(template, "host", None), ProcessSpec)
        ),
        f"auto_shutdown={shown(values.get('auto_shutdown'), 60)} with strategy='simple_one_for_one': "
        "instances of a template have no significance of their own": (
            simple and not _is(values.get("auto_shutdown", "never"), "never")
        ),
    }
    return [SpecFault("", message) for message, wrong in checks.items() if wrong] + _initial(values)


def _initial(values: Mapping[str, object]) -> list[SpecFault]:
    """What a dynamic supervisor begins with must fit its template and its limit."""
    initial, template, most = values.get("initial"), values.get("template"), values.get("max_children")
    if not isinstance(initial, tuple | list) or not initial:
        return []
    if values.get("kind", "static") != "dynamic":
        return [SpecFault("", "initial: only a dynamic supervisor begins with children of its template")]
    faults = []
    if isinstance(most, int) and len(initial) > most:
        faults.append(SpecFault("", f"initial: {len(initial)} children are more than max_children={most}"))
    take = getattr(template, "instance", None)
    for number, args in enumerate(initial if take is not None else (), 1):
        try:
            take(args)  # type: ignore[misc]
        except SpecError as error:
            faults += [SpecFault(f"/{number}", f"initial: {fault.message}") for fault in error.faults]
    return faults


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
