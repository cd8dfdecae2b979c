"""Nodes: the steps of a workflow as values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias, get_args

from teams._members.target import Can, Pool
from teams._runs.pattern import Pattern, Target, label
from teams.resilience._retry import RetryOptions
from teams.workflows._language.expression import Expression, paths
from teams.workflows._language.refs import Ref
from teams.workflows._language.template import InputTemplate
from teams.workflows._quality.scoring import Quality

if TYPE_CHECKING:
    from teams.workflows._graph.workflow import Workflow

FailureChoice = Literal["stop", "continue_with_warning", "skip", "undo"]
Effects = Literal["at_least_once", "at_most_once", "transaction"]
OnSkipped = Literal["null", "skip", "fail"]
TimeoutChoice = Literal["fail", "skip"]

ON_FAILURE: tuple[FailureChoice, ...] = get_args(FailureChoice)
EFFECTS: tuple[Effects, ...] = get_args(Effects)
ON_SKIPPED: tuple[OnSkipped, ...] = get_args(OnSkipped)
ON_TIMEOUT: tuple[TimeoutChoice, ...] = get_args(TimeoutChoice)

RESERVED = frozenset({"input", "task", "item", "index", "previous", "self", "run", "default"})
"""Roots of references that are not steps; `task` is another name of `input`."""
RUN_FIELDS = ("id", "workflow", "version", "key", "started_at")
"""What `$run` has."""
MOST_ITEMS = 10_000
"""The most items of a step with `each`."""


def expected_seconds(low: float, likely: float, high: float) -> float:
    """The expected duration of a step with these three points (Malcolm and others, 1959)."""
    return (low + 4 * likely + high) / 6


@dataclass(frozen=True, slots=True)
class Agent:
    """Work for a member, a role, a capability or a pool."""

    target: str | Can | Pool


@dataclass(frozen=True, slots=True)
class CallFunction:
    """A function, called where the run is played."""

    function: Callable[..., Any]

    @property
    def target(self) -> Target:
        return self.function


@dataclass(frozen=True, slots=True)
class PlayPattern:
    """A pattern, played inside the run."""

    pattern: Pattern

    @property
    def target(self) -> Target:
        return self.pattern


class _WithoutTarget:
    """What the run does itself, or another team."""

    __slots__ = ()
    target: ClassVar[None] = None


@dataclass(frozen=True, slots=True)
class RoleStep:
    """A step inside another team: the role that does it, and the name of the step."""

    role: str
    action: str
    input: InputTemplate | None = None
    """None: the result of the step before; of the first, the input of the whole."""


@dataclass(frozen=True, slots=True)
class InTeam(_WithoutTarget):
    """Steps that another team plays, or a pattern registered under a name."""

    team: str
    steps: tuple[RoleStep, ...] | str


@dataclass(frozen=True, slots=True)
class Nested:
    """Another workflow, in a run of its own."""

    workflow: str
    definition: Workflow | None = None
    """None: the one that the engine knows by this name."""

    @property
    def target(self) -> Target | None:
        return self.definition


@dataclass(frozen=True, slots=True)
class Detached(_WithoutTarget):
    """Starts a run of another workflow, which goes on by itself. Its result is the id of that run."""

    workflow: str


@dataclass(frozen=True, slots=True)
class WaitForSignal(_WithoutTarget):
    """Waits for a signal, at most for the timeout of the node. Its result is what the signal carries."""

    signal: str
    on_timeout: TimeoutChoice = "fail"


@dataclass(frozen=True, slots=True)
class AskPerson(_WithoutTarget):
    """Asks a person, who has the timeout of the node to answer. Its result is the answer."""

    question: InputTemplate
    options: tuple[str, ...] = ()
    """The answers to choose from; empty: any text."""
    default: str | None = None
    """The answer when the time is up; None: the step fails then."""
    person: str | None = None
    """Who is asked; None: anyone."""


@dataclass(frozen=True, slots=True)
class Sleep(_WithoutTarget):
    """Waits for so many seconds, or until a time. Just one of them is given."""

    seconds: float | None = None
    until: InputTemplate | None = None
    """A time as ISO 8601 with an offset, or as seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class ContinueRun(_WithoutTarget):
    """Ends the run as `continued`; another run of the same workflow goes on in its place, with this input."""

    input: InputTemplate


What: TypeAlias = (
    Agent | CallFunction | PlayPattern | InTeam | Nested | Detached | WaitForSignal | AskPerson | Sleep | ContinueRun
)
"""The kinds of nodes, by what they do."""


class Use(NamedTuple):
    """A reference, and the option of the node that holds it."""

    option: str
    ref: Ref


@dataclass(frozen=True, slots=True)
class Node:
    """A step of a workflow."""

    id: str
    what: What
    input: InputTemplate | None = None
    """None: in a chain the result of the step before, of the first step the input of the run; in a DAG the results of
    its dependencies by id, without dependencies the input of the run."""
    when: Expression | None = None
    after: tuple[str, ...] = ()
    """Steps that it depends on besides those that its references name."""
    each: Expression | None = None
    """A list (a `Ref` or a `Listed`): the step is done for each of its items."""
    max_parallel: int = 10
    max_iterations: int | None = None
    """None: it is not a loop."""
    until: Expression | None = None
    """When a loop ends. None: when its result is the verdict `Approved`, or has `approved` true."""
    retry: RetryOptions | None = None
    timeout: float | None = None
    on_failure: FailureChoice = "stop"
    on_skipped: OnSkipped = "null"
    """The effect of a reference to a skipped step: it is null, it skips this step, too, or it fails this step."""
    undo: str | Callable[..., Any] | None = None
    effects: Effects = "at_least_once"
    returns: Any = None
    """The type of its result; None: what JSON can say."""
    priority: int | None = None
    redact: tuple[str, ...] = ()
    """Dotted paths of its input and result that are not shown."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    quality: Quality | None = None
    """How its result is scored, and what follows when it is low. None: it is not."""

    @property
    def target(self) -> Target | None:
        """What does it in the team of the run; None: nothing does."""
        return self.what.target

    @property
    def parallel_safe(self) -> bool:
        """Whether other steps may run beside it: its metadata may say that they must not."""
        return self.metadata.get("parallel_safe", True) is not False

    @property
    def takes_input(self) -> bool:
        """Whether it gets its default input."""
        return self.input is None and not isinstance(self.what, WaitForSignal | AskPerson | Sleep | ContinueRun)

    @property
    def title(self) -> str:
        """Its action, in a few words."""
        match self.what:
            case Agent() | CallFunction() | PlayPattern():
                assert self.target is not None
                return label(self.target)
            case InTeam(team, steps):
                return f"{team}: {steps if isinstance(steps, str) else ', '.join(each.action for each in steps)}"
            case Nested(workflow):
                return f"workflow {workflow}"
            case Detached(workflow):
                return f"start {workflow}"
            case WaitForSignal(signal):
                return f"wait for {signal}"
            case AskPerson(_, _, _, person):
                return f"ask {person or 'a person'}"
            case Sleep(seconds, until):
                return f"sleep {seconds:g} s" if until is None else f"sleep until {until.source}"
            case ContinueRun():
                return "continue as new"

    def uses(self) -> Iterator[Use]:
        """Every reference of the node."""
        for name, template in self._templates():
            for ref in template.refs if template is not None else ():
                yield Use(name, ref)
        for name, condition in (("when", self.when), ("each", self.each), ("until", self.until)):
            for ref in paths(condition) if condition is not None else ():
                yield Use(name, ref)

    def _templates(self) -> Iterator[tuple[str, InputTemplate | None]]:
        yield "input", self.input
        match self.what:
            case InTeam(_, tuple(steps)):
                for each in steps:
                    yield f"steps/{each.action}", each.input
            case AskPerson(question):
                yield "question", question
            case Sleep(_, until):
                yield "until", until
            case ContinueRun(input):
                yield "continue_as_new", input
