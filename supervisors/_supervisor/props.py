"""The props of a cell, from a spec."""

from __future__ import annotations

from collections.abc import Mapping

import pykka

from actors.spi import Actor, PlaceSpec, ProcessSpec, Props, Runtime, module_of, placed_type
from supervisors._specs.spec import DEFAULT_MAILBOX, Grace, Spec, SupervisorSpec
from supervisors._specs.start_kind import StartKind, kind_of
from supervisors._supervisor.task import BlockingFunctionChild, FunctionChild, PooledTask, Promise, Task

_ACTOR = "supervisors._supervisor.actor"
"""The module of the supervisor actor."""


def props_for(spec: Spec, runtime: Runtime, path: str) -> Props:
    """The props of a child. Raises SpecError if what it runs is not found, NotAnActor for a class that cannot run."""
    from supervisors._supervisor.actor import Supervisor

    if isinstance(spec, SupervisorSpec):
        kind = runtime.kind(spec.supervisor_class or Supervisor)
        return Props(
            kind if spec.host is None else placed_type(kind, spec.host, modules=_modules_of(spec)),
            args=(spec,),
            host=spec.host or "loop",
            name=spec.name,
            start_timeout=spec.start_timeout,
            shutdown=_seconds(spec.shutdown),
        )
    start = spec.start if isinstance(spec.start, Promise) else spec.resolve(path)
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = {}
    if isinstance(spec.args, Mapping):
        kwargs = spec.args
    else:
        args = tuple(spec.args)
    host: str | PlaceSpec | None = spec.host
    runs: object = None
    if isinstance(start, Promise):
        pooled = isinstance(host, ProcessSpec)
        kind, args, kwargs = runtime.kind(PooledTask if pooled else Task), (start,), {}
        host = "loop" if pooled else host or start.host
    elif isinstance(start, type) and pykka.Actor in start.__mro__:
        kind = runtime.kind(start)
    else:
        what = kind_of(start)
        blocks = what is StartKind.FUNCTION
        in_process = isinstance(host, PlaceSpec)
        kind = runtime.kind(
            _of_resources()
            if what is StartKind.RESOURCE
            else BlockingFunctionChild
            if blocks and in_process
            else FunctionChild
        )
        args, kwargs, runs = (start, args, kwargs), {}, start
        host = host or ("thread" if blocks else "loop")
    where = host or kind.host
    if where == "process":
        where = ProcessSpec()
    return Props(
        kind if type(where) is str else placed_type(kind, where, runs),
        args=args,
        kwargs=kwargs,
        host=where,
        name=spec.name,
        mailbox=kind.mailbox if spec.mailbox is DEFAULT_MAILBOX or spec.mailbox == DEFAULT_MAILBOX else spec.mailbox,
        redeliver=spec.redeliver,
        handler_timeout=spec.handler_timeout,
        start_timeout=spec.start_timeout,
        shutdown=_seconds(spec.shutdown),
    )


def _modules_of(spec: SupervisorSpec) -> list[str]:
    """The modules of what runs in the process of this supervisor, so that they are imported once, before the fork."""
    found = {_ACTOR: None}
    waiting: list[Spec | None] = [spec]
    while waiting:
        each = waiting.pop()
        if isinstance(each, SupervisorSpec):
            waiting += [*each.children, each.template]
            used: tuple[object, ...] = (each.supervisor_class, each.on_failure, each.on_give_up)
        else:
            used = () if each is None else (each.start,)
        for what in used:
            if what is not None:
                found[what.partition(":")[0] if isinstance(what, str) else module_of(what)] = None
    return list(found)


def _seconds(grace: Grace) -> float | None:
    return None if grace == "infinity" else 0.0 if grace == "brutal_kill" else float(grace)


def _of_resources() -> type[Actor]:
    from supervisors._supervisor.resource import ResourceChild

    return ResourceChild
