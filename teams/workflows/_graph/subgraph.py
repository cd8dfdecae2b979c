"""Subgraphs: the steps of one workflow as steps of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from supervisors.spi import SpecError, SpecFault, builder
from teams.workflows._graph.node import AskPerson, ContinueRun, InTeam, Node, Sleep, What
from teams.workflows._graph.workflow import Workflow
from teams.workflows._language.expression import Expression, with_roots
from teams.workflows._language.refs import NAME
from teams.workflows._language.template import InputTemplate, parse_template, template_with_roots


@builder("subgraph {id!r}")
def subgraph(prefix: str, workflow: Workflow) -> tuple[Node, ...]:
    """The steps of a workflow as steps of another one: for `workflow(tasks=[...])` and `WorkflowRun.edit`.

    Each id, and each reference to one, gets the prefix: `check` becomes `audit_check`. `$input` is the input of the run
    that the steps are part of. Of the workflow only the steps count: not its output, timeout or execution.

    Args:
        prefix: What stands before each id, with an underscore between them.
        workflow: A workflow with `tasks`. For a chain use `nested`, which runs it as one step.

    Raises:
        SpecError: the prefix cannot be part of an id, or the workflow is a chain
    """
    path = f"subgraph {prefix!r}"
    faults = []
    if not NAME.fullmatch(str(prefix)):
        faults.append(SpecFault(path, f"prefix: must be a name as in references, such as 'audit', got {prefix!r}"))
    if not isinstance(workflow, Workflow):
        faults.append(SpecFault(path, f"must be a workflow, got {workflow!r}"))
    elif workflow.chain and len(workflow.graph.nodes) > 1:
        faults.append(SpecFault(path, f"{workflow.name} is a chain; add nested('id', workflow) as one step"))
    if faults:
        raise SpecError(faults)
    ids = {each.id: f"{prefix}_{each.id}" for each in workflow.graph.nodes}
    return tuple(_renamed(node, ids, workflow) for node in workflow.graph.nodes)


def _renamed(node: Node, ids: Mapping[str, str], workflow: Workflow) -> Node:
    def template(value: InputTemplate | None) -> InputTemplate | None:
        return None if value is None else template_with_roots(value, ids)

    def condition(value: Expression | None) -> Expression | None:
        return None if value is None else with_roots(value, ids)

    given = template(node.input)
    if given is None and node.takes_input and node.each is None:
        # The default input has the ids of the steps; what the step gets must not depend on the prefix.
        needs = workflow.graph.needs(node.id)
        if all(NAME.fullmatch(each) for each in needs):
            given = parse_template({each: f"${ids[each]}" for each in needs} if needs else "$input")
    return replace(
        node,
        id=ids[node.id],
        what=_renamed_what(node.what, ids),
        input=given,
        when=condition(node.when),
        after=tuple(ids[each] for each in node.after),
        each=condition(node.each),
        until=condition(node.until),
    )


def _renamed_what(what: What, ids: Mapping[str, str]) -> What:
    match what:
        case InTeam(team, tuple(steps)):
            return InTeam(
                team,
                tuple(
                    each if each.input is None else replace(each, input=template_with_roots(each.input, ids))
                    for each in steps
                ),
            )
        case AskPerson(question):
            return replace(what, question=template_with_roots(question, ids))
        case Sleep(_, until) if until is not None:
            return replace(what, until=template_with_roots(until, ids))
        case ContinueRun(input):
            return ContinueRun(template_with_roots(input, ids))
    return what
