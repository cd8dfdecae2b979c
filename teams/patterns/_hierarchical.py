"""Hierarchical: a leader analyses, others do the parts, the leader makes one result of them. Any of the others may lead
in turn: commander, squad leaders, workers.

| value | from | to | meaning |
|---|---|---|---|
| the input | pattern | root | the task |
| `Plan` | leader | pattern | these parts, by these |
| anything else | leader | pattern | orders for the children that the rules choose; without any, the result |
| the work of a subtask, or the orders | pattern | child | at once; its answer may be a plan, too |
| `Synthesis` | pattern | leader | all have ended: make one result |

A child that fails is a failure in the synthesis, and the leader decides; how many results there must be for that is a
gather policy. No chain of leaders has one twice, and none is deeper than `max_depth`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from supervisors.spi import SpecError, SpecFault, builder
from teams._checks.fields import count_faults, refuse, several_faults
from teams._dispatch.gather import GatherPolicy, collect, gather_faults
from teams._runs.context import RunContext
from teams._runs.pattern import Inline, Pattern, Target, label, target_faults
from teams.errors import BadPlan, DelegationLoop, GatherFailed
from teams.patterns._parallel import named
from teams.patterns._plan import Plan, Synthesis, named_subtasks

MAX_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Delegation:
    """A leader, its children, and a condition."""

    parent: Target
    children: tuple[Target, ...]
    when: Callable[[Any], object] | None = None

    def __post_init__(self) -> None:
        faults = [*target_faults("delegation/parent", self.parent)]
        if not self.children:
            faults.append(SpecFault("delegation", f"{label(self.parent)} has no children"))
        for target in self.children:
            faults += target_faults("delegation/children", target)
        if self.when is not None and not callable(self.when):
            problem = f"when: must be a predicate of what the parent answers, got {self.when!r}"
            faults.append(SpecFault("delegation", problem))
        refuse(faults)


@dataclass(frozen=True, slots=True)
class Hierarchical(Pattern):
    """A root, and the rules below it."""

    root: Target
    rules: tuple[Delegation, ...]
    synthesize: Target | None
    """Makes the result in place of the root."""
    policy: GatherPolicy
    within: float | None
    anybody: Target | None
    """The target of a subtask that names none."""
    max_depth: int

    def parts(self) -> Iterator[Target]:
        yield self.root
        for rule in self.rules:
            yield from rule.children
        yield from (each for each in (self.synthesize, self.anybody) if each is not None)

    async def play(self, run: RunContext, value: object) -> object:
        return await Led(self, self.root, ()).take(run, value)


@dataclass(frozen=True, slots=True)
class Led(Inline):
    """One leader, or worker, in its place: `above` are those it works for, the root first."""

    whole: Hierarchical
    leader: Target
    above: tuple[Target, ...]

    async def take(
        self, run: RunContext, value: object, name: str | None = None, priority: int | None = None
    ) -> object:
        name = name or label(self.leader)
        if self.leader in self.above:
            raise self.loop(run)
        said = await run.do(self.leader, value, name=name, priority=priority)
        orders = self.orders(run, name, said)
        if orders is None:
            return said
        if len(self.above) >= self.whole.max_depth:
            raise self.loop(run)
        below = (*self.above, self.leader)
        branches: dict[str, tuple[Target, object]] = {
            each: (Led(self.whole, target, below), work) for each, (target, work) in orders.items()
        }
        under = f"under {name}"
        gathered = await run.gather(
            branches, self.whole.policy, within=self.whole.within, name=under, priority=priority
        )
        if not gathered.satisfied:
            raise GatherFailed(run.run, run.key(under), gathered)
        results = {each: gathered.results[each] for each in branches if each in gathered.results}
        synthesis = Synthesis(value, results, gathered.failures, gathered.unanswered)
        maker = self.whole.synthesize if self.whole.synthesize is not None and not self.above else self.leader
        return await run.do(maker, synthesis, name=f"{name} synthesis", priority=priority)

    def loop(self, run: RunContext) -> DelegationLoop:
        """The error of a leader that is too deep, or above itself."""
        return DelegationLoop(run.run, tuple(map(label, (*self.above, self.leader))), self.whole.max_depth)

    def orders(self, run: RunContext, name: str, said: object) -> dict[str, tuple[Target, object]] | None:
        """The targets and their work; None: the leader's answer is the result. Raises BadPlan."""
        if isinstance(said, Plan):
            try:
                return named_subtasks(said, self.whole.anybody)
            except SpecError as error:
                raise BadPlan(run.run, run.key(name), "; ".join(map(str, error.faults))) from error
        rules = [rule for rule in self.whole.rules if rule.parent == self.leader]
        try:
            children = [child for rule in rules if rule.when is None or rule.when(said) for child in rule.children]
        except Exception as error:
            raise BadPlan(run.run, run.key(name), f"the condition of a rule failed: {error!r}") from error
        once = [child for number, child in enumerate(children) if child not in children[:number]]
        return {name: (child, said) for name, child in named(once)} or None


@builder("hierarchical")
def hierarchical(
    root: Target,
    *,
    rules: Sequence[Delegation] = (),
    synthesize: Target | None = None,
    policy: GatherPolicy | None = None,
    within: float | None = None,
    max_depth: int = MAX_DEPTH,
) -> Hierarchical:
    """`root` gets the input and answers with a `Plan` of subtasks, or with orders that go to the children that the
    rules choose. They work at once, and each may lead others in the same way. In the end the root gets a `Synthesis`
    and answers with the result.

    Args:
        root: who leads
        rules: `delegation(parent, children, when=...)`, for leaders that do not plan themselves
        synthesize: makes the result of the `Synthesis` in place of the root
        policy: how many of the children of a leader have to succeed; by default `collect()`: the synthesis is asked
            for in any case, with the failures
        within: seconds for the children of one leader
        max_depth: how many levels there may be below the root

    Raises:
        SpecError: every fault
        GatherFailed: when it is played: fewer succeeded than the policy wants
        BadPlan: when it is played: the root has a plan that cannot be carried out

    The same with another leader, or one that would work for itself or leads too deep (`DelegationLoop`), is a failure
    of that one.
    """
    several = list(several_faults("hierarchical", "rules", rules))
    faults = [*target_faults("hierarchical/root", root), *(several or rule_faults(root, rules))]
    if synthesize is not None:
        faults += target_faults("hierarchical/synthesize", synthesize)
    faults += gather_faults("hierarchical", policy, within)
    faults += count_faults("hierarchical", "max_depth", max_depth)
    refuse(faults)
    return Hierarchical(root, tuple(rules), synthesize, policy or collect(), within, None, max_depth)


@builder("delegation")
def delegation(
    parent: Target, children: Target | Sequence[Target], *, when: Callable[[Any], object] | None = None
) -> Delegation:
    """A rule for `hierarchical`: what `parent` answers goes to all `children`, if `when` of that answer is true.

    Raises SpecError with every fault.
    """
    several = isinstance(children, Sequence) and not isinstance(children, str)
    each: tuple[Target, ...] = tuple(children) if several else (children,)  # type: ignore[arg-type, assignment]
    return Delegation(parent, each, when)


def rule_faults(root: Target, rules: Sequence[Delegation]) -> Iterator[SpecFault]:
    """The faults of rules: loops, and parents that no rule delegates to."""
    path = "hierarchical/rules"
    given: Sequence[object] = rules
    good = [rule for rule in given if isinstance(rule, Delegation)]
    yield from (SpecFault(path, f"must be made by delegation(), got {rule!r}") for rule in given if rule not in good)
    reached = {label(root)}
    waiting: list[tuple[Target, tuple[str, ...]]] = [(root, (label(root),))]
    looped = set()
    while waiting:
        parent, chain = waiting.pop(0)
        for child in (child for rule in good if rule.parent == parent for child in rule.children):
            name = label(child)
            if name in chain:
                looped.add(" -> ".join((*chain[chain.index(name) :], name)))
                continue
            reached.add(name)
            waiting.append((child, (*chain, name)))
    yield from (SpecFault(path, f"it is a loop: {way}") for way in sorted(looped))
    for rule in good:
        if label(rule.parent) not in reached:
            yield SpecFault(path, f"no rule delegates to the parent {label(rule.parent)}; the root is {label(root)}")
