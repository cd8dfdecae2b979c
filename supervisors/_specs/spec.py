"""Specs: what a tree is made of, as frozen values, and the builders that make them (supervision rules 22 and
24).

A builder raises SpecError with *all* faults of what it was given. Nothing runs and nothing is imported: a
"module:name" string is resolved when it is asked for (`resolve`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    model_validator,
)
from pydantic_core import PydanticCustomError

from actors.spi import HostName, MailboxSpec, PlaceSpec
from supervisors._specs.backoff import Backoff, Exponential, Seconds, check_backoff
from supervisors._specs.combinations import child_combinations, never_healthy, start_faults, supervisor_combinations
from supervisors._specs.defaults import class_defaults, name_the_class
from supervisors._specs.faults import attempt, spec_model
from supervisors._specs.fields import (
    MAX_RESTARTS,
    MOST_PARTITIONS,
    Args,
    AutoShutdownMode,
    Restart,
    RestartStrategy,
    Startable,
    check_args,
    check_callback,
    check_host,
    check_id,
    check_initial,
    check_mailbox,
    check_name,
    check_shutdown,
    check_start,
    check_supervisor_class,
    check_supervisor_host,
)
from supervisors._specs.resolve import resolve
from supervisors._specs.start_kind import task_fault
from supervisors.errors import SpecError, SpecFault

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from actors.spi import Runtime
    from supervisors._supervisor.ref import SupervisorRef

OnLimit = Literal["drop", "escalate"]
Count = Annotated[int, Field(strict=True, ge=0, le=sys.maxsize)]
Positive = Annotated[int, Field(strict=True, ge=1, le=sys.maxsize)]
Partitions = Annotated[int, Field(strict=True, ge=1, le=MOST_PARTITIONS)]
Id = Annotated[str, PlainValidator(check_id)]
Grace = float | Literal["brutal_kill", "infinity"]
Callback = Annotated[Callable[..., object] | None, PlainValidator(check_callback)]


DEFAULT_MAILBOX = MailboxSpec()

SETTLED = "_settled"
"""The mark of a spec that has the defaults of its class."""


@spec_model
class OwnBudget(BaseModel):
    """A child's own restart budget (supervision rule 9). `budget` explains the fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_restarts: Count
    period: Seconds | None = None
    on_limit: OnLimit = "escalate"


def check_own_budget(value: object) -> object:
    """A budget, or None. Pydantic checks a mapping, as in a file."""
    if value is None or isinstance(value, OwnBudget | Mapping):
        return value
    raise PydanticCustomError("spec", "must be budget() or None")


@spec_model
class BaseSpec(BaseModel):
    """The fields of every child. Times are in seconds; `child` and `supervisor` explain the fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    is_supervisor: ClassVar[bool] = False
    """Whether it is a supervisor's: cheaper to ask than `isinstance`, which pydantic's classes answer in Python code.
    """

    id: Id
    restart: Restart = "permanent"
    shutdown: Annotated[Grace, PlainValidator(check_shutdown)] = 5.0
    backoff: Annotated[Backoff | None, BeforeValidator(check_backoff)] = Exponential()
    significant: StrictBool = False
    name: Annotated[str | None, PlainValidator(check_name)] = None
    start_timeout: Seconds | None = 30.0
    retry_start: StrictBool = False

    @property
    def own_restarts(self) -> OwnBudget | None:
        """The budget of this child's own, if it has one (supervision rule 9)."""
        raise NotImplementedError

    @property
    def dropped_at_limit(self) -> bool:
        """Whether it alone is given up when the budget is spent, and not its supervisor (supervision rule 9)."""
        raise NotImplementedError

    def start_in(self, runtime: Runtime) -> SupervisorRef:
        """Starts the tree of this spec in a runtime, as `start` does, and returns the ref of its root when it is up.
        The runtime stops it at its own end. A simulation calls this. Raises what entering `start` raises.
        """
        from supervisors._supervisor.start import start

        return start(self, runtime).__enter__()  # type: ignore[arg-type]

    def renamed(self, id: str) -> Self:
        """The same under another id."""
        return self.changed(id=id)

    def changed(self, **values: Any) -> Self:
        """A copy with values that are valid already. `model_copy` would copy every container in it, for each child of
        a template.
        """
        copy = object.__new__(type(self))
        object.__setattr__(copy, "__dict__", {**self.__dict__, **values})
        for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
            object.__setattr__(copy, name, getattr(self, name))
        return copy

    def _extra(self, extra: Args) -> Args:
        """Extra arguments for a template, as given to a running supervisor. Raises SpecError when they are none."""
        try:
            return check_args(extra)
        except PydanticCustomError as error:
            raise SpecError([SpecFault(self.id, f"args: {error.message()}, got {type(extra).__name__}")]) from None

    def runs_like(self, other: Spec) -> bool:
        """Whether `other` differs in policy only, so that `update_specs` may adopt it without a restart."""
        raise NotImplementedError


class ChildSpec(BaseSpec):
    """The spec of a worker. `child` builds it and explains the fields."""

    start: Annotated[Startable | None, PlainValidator(check_start)]
    """None only in the template of `tasks`: the function comes with each task."""
    args: Annotated[Args, PlainValidator(check_args)] = ()
    host: Annotated[HostName | PlaceSpec | None, PlainValidator(check_host)] = None
    mailbox: Annotated[MailboxSpec, BeforeValidator(check_mailbox)] = DEFAULT_MAILBOX
    redeliver: Count = 0
    handler_timeout: Seconds | None = None
    max_restarts: Count | None = None
    period: Seconds | None = None
    on_limit: OnLimit | None = None

    @model_validator(mode="after")
    def _works(self) -> ChildSpec:
        if faults := child_combinations(self.__dict__):
            raise SpecError(faults)
        return self

    @property
    def own_restarts(self) -> OwnBudget | None:
        """The budget of this child's own, if it has one (supervision rule 9)."""
        if self.max_restarts is None:
            return None
        return OwnBudget(max_restarts=self.max_restarts, period=self.period, on_limit=self.on_limit or "escalate")

    @property
    def dropped_at_limit(self) -> bool:
        """Whether it alone is given up when the budget is spent (supervision rule 9)."""
        return self.on_limit == "drop"

    def runs_like(self, other: Spec) -> bool:
        """The same class or function with the same arguments on the same host, under the same name."""
        return isinstance(other, ChildSpec) and (self.start, self.args, self.host, self.name) == (
            other.start,
            other.args,
            other.host,
            other.name,
        )

    def resolve(self, path: str) -> type | Callable[..., object]:
        """The actor class, function or context manager to start. Imports the module of a "module:name".

        Raises SpecError, with `path` as its place, if it is not found, or is none of these.
        """
        if self.start is None:
            raise SpecError([SpecFault(path, "start: the template of a task supervisor runs nothing by itself")])
        if not isinstance(self.start, str):
            return self.start
        found = resolve(path, self.start)
        if isinstance(found, SpecFault):
            raise SpecError([found])
        problems = start_faults(found, self.__dict__)
        if (problem := never_healthy(found, self.backoff)) is not None:
            problems.append(problem)
        if problems:
            raise SpecError([SpecFault(path, problem) for problem in problems])
        return found

    @property
    def is_settled(self) -> bool:
        """Whether the defaults of its class are in it. Not so before a "module:Class" was found."""
        return SETTLED in self.__dict__ or not isinstance(self.start, str | type)

    def as_settled(self) -> ChildSpec:
        """This spec, marked: from now on it does not ask what its class says."""
        # Beside the fields, as the value of a cached property: it does not count when specs are compared.
        self.__dict__[SETTLED] = True
        return self

    def settled(self, path: str) -> ChildSpec:
        """This spec with the defaults of its class for the options that it was not given. Imports the module of a
        "module:Class".

        Raises SpecError, with `path` as its place, if the class is not found, or says what cannot be.
        """
        if self.is_settled:
            return self
        found = self.resolve(path)
        given = {name: getattr(self, name) for name in self.model_fields_set}
        of_class = class_defaults(found, given)
        if not of_class:
            return self.as_settled()
        faults: list[SpecFault] = []
        made = attempt(ChildSpec, path, {**of_class, **given}, faults)
        if made is None:
            raise SpecError(name_the_class(faults, found, of_class))
        return made.as_settled()

    def instance(self, extra: Args | TaskCall) -> ChildSpec:
        """This template as the spec of one child: itself, or with extra arguments (supervision rule 6).

        A mapping of extra arguments is laid over the template's, a sequence follows them.
        Raises SpecError when one of the two is a mapping and the other a sequence.
        """
        if isinstance(extra, TaskCall) != (self.start is None):
            wanted = "a TaskCall" if self.start is None else "extra arguments for the template"
            raise SpecError([SpecFault(self.id, f"start_child takes {wanted} here, got {type(extra).__name__}")])
        if isinstance(extra, TaskCall):
            if (problem := task_fault(extra.function)) is not None:
                raise SpecError([SpecFault(self.id, problem)])
            return self.changed(start=extra.function, args=check_args(extra.args))
        more = self._extra(extra)
        if not more:
            return self
        if isinstance(self.args, Mapping) and isinstance(more, Mapping):
            return self.changed(args={**self.args, **more})
        if isinstance(self.args, Sequence) and isinstance(more, Sequence):
            return self.changed(args=(*self.args, *more))
        if not self.args:
            return self.changed(args=more)
        raise SpecError(
            [
                SpecFault(
                    self.id,
                    "args: the template's and the extra arguments must both be mappings or both be sequences",
                )
            ]
        )


@dataclass(frozen=True, slots=True)
class TaskCall:
    """The work of a task supervisor: a function, plain or async, with its arguments."""

    function: Callable[..., object]
    args: Args = ()


if TYPE_CHECKING:
    Ref_co = TypeVar("Ref_co", bound=SupervisorRef, covariant=True, default=SupervisorRef)

    class _SpecWithRef(BaseSpec, Generic[Ref_co]):
        """For a type checker, the parameter of `SupervisorSpec`."""

        def start_in(self, runtime: Runtime) -> Ref_co: ...
else:
    Ref_co = None

    class _SpecWithRef:
        """At run time `_SpecWithRef[...]` is `BaseSpec`: the parameter of `SupervisorSpec` costs nothing."""

        def __class_getitem__(cls, ref: object) -> type[BaseSpec]:
            return BaseSpec


class SupervisorSpec(_SpecWithRef[Ref_co]):
    """The spec of a supervisor. `supervisor`, `dynamic_supervisor`, `partition_supervisor` and `tasks` build it and
    explain the fields.

    For a type checker it says the class of the ref: `team()` makes a `SupervisorSpec[TeamRef]`, and `start` of it gives
    a `TeamRef`. `SupervisorSpec` alone is `SupervisorSpec[SupervisorRef]`. At run time both are this class.
    """

    is_supervisor: ClassVar[bool] = True

    if not TYPE_CHECKING:

        def __class_getitem__(cls, ref: object) -> type[SupervisorSpec]:
            return cls

    kind: Literal["static", "dynamic", "partition", "tasks"] = "static"
    children: tuple[Spec, ...] = ()
    template: ChildSpec | SupervisorSpec | None = None
    initial: Annotated[tuple[Args, ...], PlainValidator(check_initial)] = ()
    partitions: Partitions | None = None
    max_children: Positive | None = None
    pool: Positive | None = None
    strategy: RestartStrategy = "one_for_one"
    max_restarts: Count | None = MAX_RESTARTS
    period: Seconds | None = None
    auto_shutdown: AutoShutdownMode = "never"
    shutdown: Annotated[Grace, PlainValidator(check_shutdown)] = "infinity"
    start_timeout: Seconds | None = None
    own_budget: Annotated[OwnBudget | None, BeforeValidator(check_own_budget)] = None
    keep_children: StrictBool = True
    supervisor_class: Annotated[type[Any] | None, PlainValidator(check_supervisor_class)] = None
    host: Annotated[PlaceSpec | None, PlainValidator(check_supervisor_host)] = None
    on_failure: Callback = None
    on_give_up: Callback = None

    @model_validator(mode="after")
    def _works(self) -> Self:
        if faults := supervisor_combinations(self.__dict__):
            raise SpecError(faults)
        return self

    @property
    def ref_class(self) -> type[Ref_co]:
        """The class of the ref of this supervisor, such as `SupervisorRef` or `TeamRef`."""
        from supervisors._supervisor.ref import SupervisorRef

        return cast("type[Ref_co]", SupervisorRef if self.supervisor_class is None else self.supervisor_class.ref_type)

    @property
    def own_restarts(self) -> OwnBudget | None:
        """The budget of this supervisor as a child, if it has one (supervision rule 9)."""
        return self.own_budget

    @property
    def dropped_at_limit(self) -> bool:
        """Whether it alone is given up when its own budget is spent (supervision rule 9)."""
        return self.own_budget is not None and self.own_budget.on_limit == "drop"

    def runs_like(self, other: Spec) -> bool:
        """The same class and the same tree below, under the same name. Its settings change in place, as does the
        template of a dynamic supervisor.
        """
        if not isinstance(other, SupervisorSpec) or self.is_dynamic != other.is_dynamic:
            return False
        same = _INSIDE if self.is_dynamic else (*_INSIDE, "template")
        return all(getattr(self, field) == getattr(other, field) for field in same)

    @property
    def own_ids(self) -> frozenset[str]:
        """The ids of the children that every life of the supervisor begins with."""
        return frozenset([child.id for child in self.children] + [str(n + 1) for n in range(len(self.initial))])

    @property
    def is_dynamic(self) -> bool:
        """Whether its children are unordered instances of one template (`simple_one_for_one`)."""
        return self.strategy == "simple_one_for_one"

    def instance(self, extra: Args | TaskCall) -> SupervisorSpec:
        """This template as the spec of one child. Raises SpecError for extra arguments: a tree takes none."""
        if isinstance(extra, TaskCall) or self._extra(extra):
            raise SpecError([SpecFault(self.id, "args: the template is a supervisor, which takes no arguments")])
        return self


Spec = ChildSpec | SupervisorSpec

_INSIDE = ("name", "kind", "children", "partitions", "keep_children", "supervisor_class", "host")
"""The fields of a supervisor's spec from which its running actor was built, and its name."""

SupervisorSpec.model_rebuild()
