"""The props of a cell, from a spec."""

from __future__ import annotations

from collections.abc import Mapping

from actors.spi import Props, Runtime
from supervisors._specs.spec import DEFAULT_MAILBOX, Grace, Spec, SupervisorSpec
from supervisors._supervisor.task import Promise, Task


def props_for(spec: Spec, runtime: Runtime, path: str) -> Props:
    """The props of a child. Raises SpecError if its class is not found, NotAnActor if it is not an actor class."""
    from supervisors._supervisor.actor import Supervisor

    if isinstance(spec, SupervisorSpec):
        return Props(
            runtime.kind(spec.supervisor_class or Supervisor),
            args=(spec,),
            name=spec.name,
            start_timeout=spec.start_timeout,
            shutdown=_seconds(spec.shutdown),
        )
    start = spec.start
    task = isinstance(start, Promise)
    kind = runtime.kind(Task if task else spec.resolve(path))  # type: ignore[arg-type]
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = {}
    if task:
        args = (start,)
    elif isinstance(spec.args, Mapping):
        kwargs = spec.args
    else:
        args = tuple(spec.args)
    host = spec.host or (start.host if isinstance(start, Promise) else kind.host)
    return Props(
        kind,
        args=args,
        kwargs=kwargs,
        host=host,
        name=spec.name,
        mailbox=kind.mailbox if spec.mailbox is DEFAULT_MAILBOX or spec.mailbox == DEFAULT_MAILBOX else spec.mailbox,
        redeliver=spec.redeliver,
        handler_timeout=spec.handler_timeout,
        start_timeout=spec.start_timeout,
        shutdown=_seconds(spec.shutdown),
    )


def _seconds(grace: Grace) -> float | None:
    return None if grace == "infinity" else 0.0 if grace == "brutal_kill" else float(grace)
