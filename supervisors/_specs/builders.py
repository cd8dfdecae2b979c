"""The builders of specs. Each raises SpecError with all faults at once (supervision rule 24).

Their docstrings explain every option, for readers who hover over a call; the models in `spec.py` do not repeat that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import isgenerator
from typing import Literal, TypedDict, TypeVar, Unpack

import pykka

from actors.spi import HostName, MailboxSpec, PlaceSpec, ProcessSpec, shown
from supervisors._specs.backoff import Constant, Exponential, Linear
from supervisors._specs.calls import builder
from supervisors._specs.combinations import child_combinations, supervisor_combinations, task_host_faults
from supervisors._specs.defaults import class_defaults, name_the_class
from supervisors._specs.faults import attempt, checked
from supervisors._specs.fields import MOST_PARTITIONS, Args, AutoShutdownMode, Restart, RestartStrategy, Startable
from supervisors._specs.spec import Callback, ChildSpec, Grace, OnLimit, OwnBudget, Spec, SupervisorSpec
from supervisors._specs.start_kind import WANTED
from supervisors.errors import SpecError, SpecFault

S = TypeVar("S")

TASK = ChildSpec(id="task", start=None, restart="temporary")
"""The template of a task supervisor. It also stands in for a template with faults, so that these cause no others."""

# The options are typed dictionaries, not parameters: a type checker knows every key, and an unknown key reaches us at
# run time. It is reported with the other faults, its path and the nearest name, where Python would stop at a TypeError.


class CommonOptions(TypedDict, total=False):
    """The options of every child."""

    restart: Restart
    shutdown: Grace
    backoff: Constant | Linear | Exponential | None
    significant: bool
    name: str | None
    start_timeout: float | None
    retry_start: bool


class WorkerOptions(CommonOptions, total=False):
    """The options of every worker."""

    host: HostName | PlaceSpec | None
    mailbox: MailboxSpec | str
    redeliver: int
    handler_timeout: float | None
    max_restarts: int | None
    period: float | None
    on_limit: OnLimit | None


class ChildOptions(WorkerOptions, total=False):
    """The options of `child`."""

    args: Args


class SharedSupervisorOptions(CommonOptions, total=False):
    """The options of every supervisor."""

    max_restarts: int | None
    period: float | None
    own_budget: OwnBudget | None
    keep_children: bool
    supervisor_class: type | None
    on_failure: Callback
    on_give_up: Callback


class SupervisorOptions(SharedSupervisorOptions, total=False):
    """The options of `supervisor` and `partition_supervisor`."""

    strategy: RestartStrategy
    auto_shutdown: AutoShutdownMode
    host: HostName | PlaceSpec | None


class DynamicOptions(SharedSupervisorOptions, total=False):
    """The options of `dynamic_supervisor`."""

    max_children: int | None
    initial: Sequence[Args]
    host: HostName | PlaceSpec | None


class TasksOptions(SharedSupervisorOptions, total=False):
    """The options of `tasks`. A key that begins with `task_` is for each task."""

    max_children: int | None
    host: Literal["process"] | ProcessSpec | None
    pool: int | None
    task_restart: Restart
    task_shutdown: Grace
    task_backoff: Constant | Linear | Exponential | None


OF_A_STRATEGY = {
    "strategy": "is always 'simple_one_for_one' here: the children are instances of one template",
    "auto_shutdown": "with 'simple_one_for_one' instances of a template have no significance of their own",
}
"""Options of a supervisor with a strategy, and why one of instances has none."""


@builder("budget()")
def budget(max_restarts: int, *, period: float | None = None, on_limit: OnLimit = "escalate") -> OwnBudget:
    """The restart budget of a supervisor as a child of another: its `own_budget` (rule 9). Its restarts do not count in
    the budget of the supervisor above. Raises SpecError on a bad value.

    Args:
        max_restarts: How many restarts the budget allows.
        period: Seconds of running within which restarts count. None: restarts in a row without progress count.
            Default: None.
        on_limit: What happens when the budget is spent: "drop" gives up this child alone, "escalate" ends the
            supervisor above. Default: "escalate".
    """
    return checked(OwnBudget, "budget()", {"max_restarts": max_restarts, "period": period, "on_limit": on_limit})


@builder("{id}", ChildOptions)
def child(id: str, start: Startable, **options: Unpack[ChildOptions]) -> ChildSpec:
    """A worker: the spec of one actor below a supervisor. Raises SpecError with all faults at once.

    A class derived from `actors.Actor` may have defaults of its own for these options, as attributes: `restart`,
    `shutdown`, `backoff`, `significant`, `start_timeout`, `retry_start`, `redeliver`, `handler_timeout`,
    `max_restarts`, `period` (beside `max_restarts` only) and `on_limit`. An option that is given here counts more.
    Methods and properties of these names are not options. A "module:Class" is asked when it is found.

    Args:
        id: One step of the path of the child. Unique among its siblings.
        start: What the child runs, or "module:name" of it, which is imported when the tree is started or checked:

            - an actor class;
            - an `async def` function, which runs on the event loop; an order to stop cancels it;
            - any other function, which runs in a thread; it asks for the order to stop: `actors.stop_requested()`,
              `actors.wait_for_stop(seconds)`;
            - an asynchronous context manager, which is open as long as the incarnation lives: an `@asynccontextmanager`
              function or a class with `__aenter__`. Entering it is the start, and `ref.view()` its value.

            A function that returns ends with `normal`; one that raises crashes. Neither a function nor a context
            manager takes messages: to an asker that is `NoMailbox`.
        args: The arguments of the constructor or function: a sequence of positional or a mapping of keyword arguments.
            Default: ().
        restart: After which exits it restarts: "permanent" after every exit, "transient" after an abnormal exit,
            "temporary" after none (rule 5). Default: "permanent".
        shutdown: Seconds between the order to stop and the kill, or "infinity", or "brutal_kill" (rule 17).
            Default: 5.0.
        backoff: The delays before restarts: `exponential()`, `linear()` or `constant()`. None restarts at once, as OTP
            does (rule 11). Default: exponential().
        significant: Whether its end may end its supervisor, as the `auto_shutdown` of that says (rule 21).
            Default: False.
        name: A name to register the child under, besides its path. Default: None.
        start_timeout: Seconds that a start may take (rule 4). None: no limit. Default: 30.0.
        retry_start: Whether a first start that fails is tried again with the backoff of a restart; otherwise it fails
            the start of the supervisor (rule 2). Default: False.
        host: "loop", "thread", or a process of its own for an actor: "process", `process()` with options, or `ray()` on
            a node of Ray. None: a `pykka.ThreadingActor` and a plain function run on a thread, everything else on the
            event loop. Default: None.
        mailbox: A `MailboxSpec`; or "keep" or "drop": what a restart does with waiting messages (rule 26).
            Default: "keep".
        redeliver: How often a message that crashed the actor is delivered again (rule 27). Default: 0.
        handler_timeout: Seconds that a handler, or the function of the child, may take, waiting included. An actor that
            exceeds it crashes with `HandlerTimeout`. None: no limit. Default: None.
        max_restarts: The restarts that a budget of its own allows (rule 9). None: it draws on the budget of its
            supervisor. Default: None.
        period: Seconds of running within which the restarts of its own budget count. None: restarts in a row without
            progress count. Default: None.
        on_limit: What happens when a restart would exceed the budget, its own or that of its supervisor: "drop" gives
            up this child alone, "escalate" ends the supervisor. None means "escalate". Default: None.
    """
    faults: list[SpecFault] = []
    spec = make_child(_place(id), {"id": id, "start": start, **options}, faults)
    return _or_raise(spec, faults)


@builder("{id}", SupervisorOptions)
def supervisor(id: str, *children: Spec, **options: Unpack[SupervisorOptions]) -> SupervisorSpec:
    """A supervisor of these children. Raises SpecError with all faults at once.

    Args:
        id: One step of the path of the supervisor; of the root, the whole path. Unique among its siblings.
        children: The children, in start order.
        strategy: Which siblings restart with a child: "one_for_one" none, "one_for_all" all, "rest_for_one" those that
            started after it (rule 6). Default: "one_for_one".
        max_restarts: The restart budget of its children (rule 8). Without `period`: restarts of one child in a row
            without progress. With it: restarts of all children together within that time. 0: the first crash is fatal;
            None: no limit. Default: 15.
        period: Seconds of running within which every restart counts, as in OTP. None: a restart counts until its child
            has handled a message, or was up for the `reset_after` of its backoff, so that only crash loops spend the
            budget. Default: None.
        auto_shutdown: When the end of significant children ends the supervisor: "never", "any_significant" or
            "all_significant" (rule 21). Default: "never".
        on_failure: A function that is called with each failure of a child: each abnormal exit, and each start that
            fails. It may return "restart" or "stop" to decide in place of the table; after a failed start "stop" ends
            the attempts. Default: None.
        on_give_up: A function that is called when the supervisor gives up. Default: None.
        keep_children: What a restart of this supervisor itself keeps. True: the ref, name and queue of every child
            whose class is the same after it. False: nothing, as in OTP; the refs end, and waiting messages become dead
            letters. Default: True.
        supervisor_class: A subclass of `Supervisor` that runs it. None: `Supervisor` itself. Default: None.
        host: "process", or `process()` or `ray()` with options: this supervisor and everything below it run in one
            process of their own, which ends and restarts as a whole. What is below has no process besides. Its
            `prefetch` counts for each actor there. None: where its own supervisor runs. Default: None.
        restart: After which exits its own supervisor restarts it: "permanent", "transient" or "temporary" (rule 5).
            Default: "permanent".
        shutdown: Seconds between the order to stop and the kill, or "infinity", or "brutal_kill" (rule 17).
            Default: "infinity".
        backoff: The delays before its own restarts: `exponential()`, `linear()` or `constant()`. None restarts at once
            (rule 11). Default: exponential().
        significant: Whether its end may end its own supervisor (rule 21). Default: False.
        name: A name to register it under, besides its path. Default: None.
        start_timeout: Seconds that its start may take, with all below it (rule 4). None: only its children have limits.
            Default: None.
        retry_start: Whether a first start that fails is tried again with the backoff of a restart; otherwise it fails
            the start of its own supervisor (rule 2). Default: False.
        own_budget: Its restart budget as a child: a `budget()` (rule 9). None: it draws on the budget of its own
            supervisor. Default: None.
    """
    faults: list[SpecFault] = []
    spec = make_supervisor(_place(id), {"id": id, "children": children, **options}, faults)
    return _or_raise(spec, faults)


@builder("{id}", DynamicOptions, OF_A_STRATEGY)
def dynamic_supervisor(id: str, template: Spec, **options: Unpack[DynamicOptions]) -> SupervisorSpec:
    """A supervisor of any number of children of one template: `simple_one_for_one` (supervision rules 6 and 25).

    `start_child(args)` starts one more child. Raises SpecError with all faults at once.

    Args:
        id: As for `supervisor`, and so are the options, without `strategy` and `auto_shutdown`.
        template: The spec of every child. Its id is not used.
        max_children: The most children, those that restart included (rule 25). None: no limit. Default: None.
        initial: The children that the supervisor begins with: for each the extra arguments, as `start_child` takes
            them (rule 25). They start in order, with the ids "1", "2" and so on; one that does not start fails the
            start of the supervisor. A restart of the supervisor begins with all of them again, and with no child that
            was added later. Default: ().
    """
    faults: list[SpecFault] = []
    values = {"id": id, "kind": "dynamic", "strategy": "simple_one_for_one", "template": template, **options}
    return _or_raise(make_supervisor(_place(id), values, faults), faults)


@builder("{id}", SupervisorOptions)
def partition_supervisor(
    id: str, template: Spec, *, partitions: int, **options: Unpack[SupervisorOptions]
) -> SupervisorSpec:
    """A supervisor of a fixed number of children of one template, with the ids "0", "1" and so on.

    Raises SpecError with all faults at once.

    Args:
        id: As for `supervisor`, and so are the options.
        template: The spec of every child. Its id is not used.
        partitions: How many children.
    """
    faults: list[SpecFault] = []
    values = {"id": id, "kind": "partition", "template": template, "partitions": partitions, **options}
    return _or_raise(make_supervisor(_place(id), values, faults), faults)


@builder("{id}", TasksOptions, OF_A_STRATEGY)
def tasks(id: str, **options: Unpack[TasksOptions]) -> SupervisorSpec:
    """A task supervisor: `start_child(TaskCall(function, args))` runs a function, plain or async, as a child.

    Raises SpecError with all faults at once.

    Args:
        id: As for `dynamic_supervisor`, and so are the options.
        host: Where the functions run. None: an `async` function on the event loop, a plain one in a thread. "process",
            or `process()` with options: in processes, which are kept for the next task. Default: None.
        pool: With `host=process()`, the most processes; further tasks wait for one in order. None: as many as the
            program may use processors. Default: None.
        task_restart: The `restart` of each task. Default: "temporary".
        task_shutdown: The `shutdown` of each task, in seconds. Default: 5.0.
        task_backoff: The `backoff` of each task. Default: exponential().
    """
    faults: list[SpecFault] = []
    values = {"id": id, "kind": "tasks", "strategy": "simple_one_for_one", **options}
    return _or_raise(make_supervisor(_place(id), values, faults), faults)


def make_child(path: str, values: Mapping[str, object], faults: list[SpecFault]) -> ChildSpec | None:
    """The spec, or None with every fault appended."""
    found: list[SpecFault] = []
    start = values.get("start")
    of_class = class_defaults(start, values)
    values = {**of_class, **values}
    spec = attempt(ChildSpec, path, values, found)
    if spec is not None and spec.start is None:
        found.append(SpecFault(path, f"start: {WANTED}, got None"))
    if found:
        found += [SpecFault(path + fault.path, fault.message) for fault in child_combinations(values)]
    faults += dict.fromkeys(name_the_class(found, start, of_class) if of_class else found)
    if found or spec is None:
        return None
    return spec.as_settled() if isinstance(start, type) else spec


def make_supervisor(path: str, values: Mapping[str, object], faults: list[SpecFault]) -> SupervisorSpec | None:
    """The spec, or None with every fault appended. Builds the template of a task supervisor and the children of a
    partitioned one.
    """
    found: list[SpecFault] = []
    given = dict(values)
    if given.get("kind") == "tasks":
        given["template"] = _task_template(path, given, found)
    else:
        _refuse_what_is_no_spec(path, given, found)
        if given.get("kind") == "partition":
            if given.get("partitions") is None:
                found.append(SpecFault(path, "partitions: must be an integer >= 1, got None"))
                given["partitions"] = 1
            given["children"] = _partitions(given)
    spec = attempt(SupervisorSpec, path, given, found)
    if found:
        found += [SpecFault(path + fault.path, fault.message) for fault in supervisor_combinations(given)]
    faults += dict.fromkeys(found)
    return None if found else spec


def _refuse_what_is_no_spec(path: str, given: dict[str, object], faults: list[SpecFault]) -> None:
    """Reports each child, and the template, that is not a spec, and leaves it out, so that it causes no other fault."""
    children = given.get("children", ())
    if isinstance(children, Sequence) and not isinstance(children, str):
        wrong = {index: each for index, each in enumerate(children) if not _is_spec(each)}
        faults += [SpecFault(path, f"children[{index}]: {_no_spec(each)}") for index, each in wrong.items()]
        given["children"] = tuple(each for index, each in enumerate(children) if index not in wrong)
    else:
        faults.append(SpecFault(path, f"children: must be a list of specs, got {shown(children, 60)}"))
        given["children"] = ()
    template = given.get("template")
    if "template" in given and not _is_spec(template):
        faults.append(SpecFault(path, f"template: {_no_spec(template)}"))
        given["template"] = TASK


def _is_spec(value: object) -> bool:
    # By its class first: pydantic answers `isinstance` in Python code, for each of many children.
    return type(value) in _SPECS or isinstance(value, ChildSpec | SupervisorSpec)


_SPECS = (ChildSpec, SupervisorSpec)


def _no_spec(value: object) -> str:
    """Why this is not a spec, and what to write instead."""
    got = f"must be a spec, got {shown(value, 60)}"
    if isinstance(value, type) and pykka.Actor in value.__mro__:
        return f"{got}. Write child({value.__name__.lower()!r}, {value.__name__})"
    if isinstance(value, list | tuple | set | frozenset) or isgenerator(value):
        return f"{got}. Give each spec as an argument of its own: write * before the list"
    if isinstance(value, Mapping):
        return f"{got}. Use parse_tree() for a tree of mappings"
    if isinstance(value, str):
        return f"{got}. Write child('id', {shown(value, 60)}) for the place of an actor class"
    return f"{got}. Specs are what child(), supervisor() and their like return"


def _place(id: object) -> str:
    """The place of a spec in the faults; its id may be one of them."""
    return id if isinstance(id, str) else shown(id, 60)


def _task_template(path: str, values: dict[str, object], faults: list[SpecFault]) -> ChildSpec:
    keys = ("restart", "shutdown", "backoff")
    told = {key: values.pop(f"task_{key}") for key in keys if f"task_{key}" in values}
    host = values.pop("host", None)
    template = {"id": TASK.id, "start": None, "restart": TASK.restart, **told}
    if host is not None:
        faults += [SpecFault(path, problem) for problem in task_host_faults(host)]
        template["host"] = host
    return attempt(ChildSpec, f"{path}/task", template, faults) or TASK


def _partitions(values: Mapping[str, object]) -> tuple[Spec, ...]:
    """One child for each partition; none if the number is wrong, which the model reports."""
    template, count = values.get("template"), values.get("partitions")
    if not isinstance(template, ChildSpec | SupervisorSpec) or type(count) is not int or count > MOST_PARTITIONS:
        return ()
    return tuple(template.model_copy(update={"id": str(number)}) for number in range(count))


def _or_raise(spec: S | None, faults: list[SpecFault]) -> S:
    if spec is None:
        raise SpecError(faults)
    return spec
