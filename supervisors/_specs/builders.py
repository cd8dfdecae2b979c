"""The builders of api.md. Each raises SpecError with every fault it finds (supervision rule 24)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, TypeVar, Unpack

from actors.spi import MailboxSpec
from supervisors._specs.backoff import Constant, Exponential, Linear
from supervisors._specs.combinations import child_combinations, supervisor_combinations
from supervisors._specs.faults import attempt, checked
from supervisors._specs.fields import MOST_PARTITIONS, Args, AutoShutdown, Restart, Start, Strategy
from supervisors._specs.spec import Callback, ChildSpec, Grace, Host, OnLimit, OwnBudget, Spec, SupervisorSpec
from supervisors.errors import SpecError, SpecFault

S = TypeVar("S")

TASK = ChildSpec(id="task", start=None, restart="temporary")
"""The template of a task supervisor; also stands in for a template with faults, so that they bring no others
along.
"""

# The options are typed dictionaries and not parameters, so that a checker knows every key and still an
# unknown key reaches us at run time: it is reported with the other faults, its path and its nearest
# neighbour, where Python would stop at a TypeError.


class CommonOptions(TypedDict, total=False):
    """What every child may say; meaning and defaults stand at `BaseSpec`."""

    restart: Restart
    shutdown: Grace
    backoff: Constant | Linear | Exponential | None
    significant: bool
    name: str | None
    start_timeout: float | None
    retry_start: bool


class ChildOptions(CommonOptions, total=False):
    """What a worker may say; meaning and defaults stand at `ChildSpec`."""

    args: Args
    host: Host | None
    mailbox: MailboxSpec | str
    redeliver: int
    handler_timeout: float | None
    max_restarts: int | None
    period: float | None
    on_limit: OnLimit | None


class SharedSupervisorOptions(CommonOptions, total=False):
    """What supervisors of every kind may say; meaning and defaults stand at `SupervisorSpec`."""

    max_restarts: int | None
    period: float | None
    own_budget: OwnBudget | None
    keep_children: bool
    supervisor_class: type | None
    on_failure: Callback
    on_give_up: Callback


class SupervisorOptions(SharedSupervisorOptions, total=False):
    """What a static supervisor may say."""

    strategy: Strategy
    auto_shutdown: AutoShutdown


class DynamicOptions(SharedSupervisorOptions, total=False):
    """What a dynamic supervisor may say."""

    max_children: int | None


class TasksOptions(DynamicOptions, total=False):
    """What a task supervisor may say: keys that begin with `task_` are for each task."""

    task_restart: Restart
    task_shutdown: Grace
    task_backoff: Constant | Linear | Exponential | None


def budget(max_restarts: int, *, period: float | None = None, on_limit: OnLimit = "escalate") -> OwnBudget:
    """A restart budget of a supervisor's own, as a child of another (supervision rule 9). `period` is seconds
    of running; None counts restarts in a row without progress.

    Raises SpecError on a bad value.
    """
    return checked(OwnBudget, "budget()", {"max_restarts": max_restarts, "period": period, "on_limit": on_limit})


def child(id: str, start: Start, **options: Unpack[ChildOptions]) -> ChildSpec:
    """One worker: `start` is an actor class or "module:Class", which is imported when the tree is started or
    checked.

    The options are the fields of `ChildSpec`; times are seconds. Raises SpecError with all faults.
    """
    faults: list[SpecFault] = []
    spec = make_child(str(id), {"id": id, "start": start, **options}, faults)
    return _or_raise(spec, faults)


def supervisor(id: str, *children: Spec, **options: Unpack[SupervisorOptions]) -> SupervisorSpec:
    """A supervisor of these children, in start order.

    The options are the fields of `SupervisorSpec`; `max_restarts` is the budget it gives its children, in a row and
    without progress unless `period` says within how many seconds (supervision rule 8). Raises SpecError with all
    faults.
    """
    faults: list[SpecFault] = []
    spec = make_supervisor(str(id), {"id": id, "children": children, **options}, faults)
    return _or_raise(spec, faults)


def dynamic_supervisor(id: str, template: Spec, **options: Unpack[DynamicOptions]) -> SupervisorSpec:
    """A supervisor of any number of children of one template (`simple_one_for_one`, supervision rules 6 and
    25).

    `start_child(args)` starts one more. Raises SpecError with all faults.
    """
    faults: list[SpecFault] = []
    values = {"id": id, "kind": "dynamic", "strategy": "simple_one_for_one", "template": template, **options}
    return _or_raise(make_supervisor(str(id), values, faults), faults)


def partition_supervisor(
    id: str, template: Spec, *, partitions: int, **options: Unpack[SupervisorOptions]
) -> SupervisorSpec:
    """A supervisor of `partitions` children of one template, with the ids "0", "1" and so on; the template's
    id is not used.

    Raises SpecError with all faults.
    """
    faults: list[SpecFault] = []
    values = {"id": id, "kind": "partition", "template": template, "partitions": partitions, **options}
    return _or_raise(make_supervisor(str(id), values, faults), faults)


def tasks(id: str, **options: Unpack[TasksOptions]) -> SupervisorSpec:
    """A task supervisor: `start_child(TaskCall(function, args))` runs a function, plain or async, as a child
    of its own.

    Tasks are `temporary` unless `task_restart` says otherwise. Raises SpecError with all faults.
    """
    faults: list[SpecFault] = []
    values = {"id": id, "kind": "tasks", "strategy": "simple_one_for_one", **options}
    return _or_raise(make_supervisor(str(id), values, faults), faults)


def make_child(path: str, values: Mapping[str, object], faults: list[SpecFault]) -> ChildSpec | None:
    """The spec, or None with every fault appended."""
    found: list[SpecFault] = []
    spec = attempt(ChildSpec, path, values, found)
    if spec is not None and spec.start is None:
        found.append(SpecFault(path, "start: must be an actor class or 'module:Class', got None"))
    if found:
        found += [SpecFault(path + fault.path, fault.message) for fault in child_combinations(values)]
    faults += dict.fromkeys(found)
    return None if found else spec


def make_supervisor(path: str, values: Mapping[str, object], faults: list[SpecFault]) -> SupervisorSpec | None:
    """The spec, or None with every fault appended. Builds the template of a task supervisor and the set of
    partitions.
    """
    found: list[SpecFault] = []
    given = dict(values)
    if given.get("kind") == "tasks":
        given["template"] = _task_template(path, given, found)
    elif given.get("kind") == "partition":
        given["children"] = _partitions(given)
    spec = attempt(SupervisorSpec, path, given, found)
    if found:
        found += [SpecFault(path + fault.path, fault.message) for fault in supervisor_combinations(given)]
    faults += dict.fromkeys(found)
    return None if found else spec


def _task_template(path: str, values: dict[str, object], faults: list[SpecFault]) -> ChildSpec:
    keys = ("restart", "shutdown", "backoff")
    told = {key: values.pop(f"task_{key}") for key in keys if f"task_{key}" in values}
    template = {"id": TASK.id, "start": None, "restart": TASK.restart, **told}
    return attempt(ChildSpec, f"{path}/task", template, faults) or TASK


def _partitions(values: Mapping[str, object]) -> tuple[Spec, ...]:
    """One child for each partition; none where the numbers are wrong, which the model reports."""
    template, count = values.get("template"), values.get("partitions")
    if not isinstance(template, ChildSpec | SupervisorSpec) or type(count) is not int or count > MOST_PARTITIONS:
        return ()
    return tuple(template.model_copy(update={"id": str(number)}) for number in range(count))


def _or_raise(spec: S | None, faults: list[SpecFault]) -> S:
    if spec is None:
        raise SpecError(faults)
    return spec
