"""Routing: which pattern a piece of work goes to, by conditions on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from supervisors.spi import SpecError, SpecFault, builder, nearest
from teams._checks.fields import several_faults
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, label, pattern_faults, target_faults
from teams.errors import StepFailed
from teams.patterns import hierarchical, parallel, sequential
from teams.workflows._graph.check import id_faults
from teams.workflows._language.evaluate import holds
from teams.workflows._language.expression import Always, Expression, parse, roots
from teams.workflows._run.keeper import DurableKeeper
from teams.workflows.errors import BadExpression, NoRoute

PATTERNS = ("sequential", "parallel", "hierarchical")
"""Patterns that a rule may name."""
_ROOTS = frozenset({"input", "task"})


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """Where work goes for which a condition holds, made by `rule`."""

    when: Expression
    pattern: Pattern
    name: str


@dataclass(frozen=True)
class Routing(Pattern):
    """Rules in order, made by `routing`."""

    name: str
    rules: tuple[RoutingRule, ...]
    timeout: float | None = None

    async def play(self, run: RunContext, value: object) -> object:
        env = {"input": value, "task": value}
        keeper = run.keeper if isinstance(run.keeper, DurableKeeper) else None
        known = None if keeper is None else keeper.noted(run.key("(route)"))
        for each in self.rules:
            try:
                taken = each.name == known if known is not None else holds(each.when, env)
            except Exception as error:
                raise StepFailed(run.run, run.key(each.name), error) from error
            if taken:
                if keeper is not None and known is None:
                    keeper.note_once("routed", run.key("(route)"), each.name)
                return await run.do(each.pattern, value, name=each.name)
        raise StepFailed(run.run, run.key(self.name), NoRoute(self.name, value))

    def parts(self) -> Iterator[Target]:
        for each in self.rules:
            yield each.pattern


@builder("rule {id!r}")
def rule(
    when: str, pattern: Pattern | str, *, agents: Iterable[Target] = (), root: Target | None = None, name: str = ""
) -> RoutingRule:
    """A rule for `routing`. Raises SpecError with all faults at once.

    Args:
        when: A condition on the work, as in `when` of `do`: "input.priority == 'high'"; "default" always holds.
        pattern: Where the work goes: a pattern, or "sequential" or "parallel" with `agents`, or "hierarchical" with
            `root`.
        agents: The steps of a pattern that is given by its name. Default: ().
        root: The leader of "hierarchical". Default: None.
        name: The name of its step. Empty: that of the pattern. Default: "".
    """
    path = f"rule {when!r}"
    faults: list[SpecFault] = list(several_faults(path, "agents", agents))
    condition: Expression = Always()
    if not isinstance(when, str):
        faults.append(SpecFault(path, f"when: must be a condition, got {when!r}"))
    else:
        try:
            condition = parse(when)
        except BadExpression as error:
            faults.append(SpecFault(path, f"when: {error}"))
    faults += [
        SpecFault(path, f"when: ${root_} is not known here; use $input or $task")
        for root_ in sorted(roots(condition) - _ROOTS)
    ]
    made: Any = pattern
    if isinstance(pattern, str):
        made = _named(path, pattern, [] if faults else list(agents), root, faults)
    else:
        faults += pattern_faults(path, pattern)
        if agents or root is not None:
            faults.append(SpecFault(path, "agents and root belong to a pattern that is given by its name"))
    if faults:
        raise SpecError(faults)
    return RoutingRule(condition, made, name or label(made))


def _named(path: str, name: str, agents: list[Target], root: Target | None, faults: list[SpecFault]) -> Pattern | None:
    if name not in PATTERNS:
        faults.append(SpecFault(path, f"pattern: no pattern {name!r}; {nearest(name, PATTERNS)}"))
        return None
    if name == "hierarchical":
        if root is None:
            faults.append(SpecFault(path, "root: hierarchical needs a leader"))
            return None
        faults += target_faults(f"{path}/root", root)
        return hierarchical(root) if not faults else None
    if not agents:
        faults.append(SpecFault(path, f"agents: {name} needs at least one"))
    faults += [fault for each in agents for fault in target_faults(f"{path}/agents", each)]
    if faults:
        return None
    return sequential(*agents) if name == "sequential" else parallel(*agents)


@builder("{id}")
def routing(name: str, *rules: RoutingRule, timeout: float | None = None) -> Routing:
    """Gives work to the pattern of the first rule whose condition holds. A run writes down which rule it took, and does
    not ask again. Raises SpecError with all faults at once.

    Args:
        name: Its name for the engine.
        rules: Made by `rule`, in order. A rule "default" is the last one.
        timeout: Seconds for a run. None: the default of the engine. Default: None.
    """
    faults = list(id_faults("routing", name, "name"))
    given: tuple[object, ...] = rules
    faults += [
        SpecFault(name, f"must have rules made by rule(), got {each!r}")
        for each in given
        if type(each) is not RoutingRule
    ]
    if not rules:
        faults.append(SpecFault(name, "has no rules"))
    if not faults:
        defaults = [number for number, each in enumerate(rules) if isinstance(each.when, Always)]
        if defaults and defaults[0] != len(rules) - 1:
            faults.append(SpecFault(f"{name}/rule {defaults[0] + 2}", "comes after the default, so it is never taken"))
    if faults:
        raise SpecError(faults)
    return Routing(name, rules, timeout)
