"""The builders: what they make, and every fault at once (engine.md, bad input)."""

from __future__ import annotations

import functools
import inspect
import json
import math
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from functools import partial
from typing import Any, cast

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from supervisors import SpecError, constant
from teams import Pattern, can, pool, step
from teams.patterns import Plan, parallel, sequential
from teams.resilience import retry
from teams.workflows import (
    Node,
    RoleStep,
    Workflow,
    ask,
    at_least,
    continue_as_new,
    delay,
    do,
    in_team,
    nested,
    quality,
    quality_domain,
    wait,
    workflow,
    workflow_from,
)
from teams.workflows._graph.builder import StepOptions, WorkOptions
from teams.workflows._graph.check import unknown_names
from teams.workflows._graph.node import (
    Agent,
    AskPerson,
    CallFunction,
    InTeam,
    Nested,
    PlayPattern,
    Sleep,
    WaitForSignal,
)
from teams.workflows._graph.workflow import location
from teams.workflows._language.expression import Fixed, Listed
from tests.teams.test_hover import arguments, written


class Message(BaseModel):
    text: str


class Category(BaseModel):
    category: str
    message: Message | None = None
    first: Message = Message(text="")


@dataclass
class Report:
    title: str


class Typed(TypedDict):
    total: int


class Open(BaseModel, extra="allow"):
    known: int = 0


def work(value: object) -> object:
    return value


def both(first: object, value: object) -> object:
    return [first, value]


def faults(make: Callable[[], object]) -> list[str]:
    """The faults of what cannot be built, each in one line."""
    with pytest.raises(SpecError) as caught:
        make()
    return [str(each).split("\n")[0] for each in caught.value.faults]


def support() -> Workflow:
    return workflow(
        "customer_support",
        do("classify", "classifier", input={"message": "$input.message"}, returns=Category),
        do(
            "process",
            "processor",
            input={"category": "$classify.category"},
            when="$classify.category != 'spam'",
            retry=retry(3),
        ),
        do(
            "respond",
            "responder",
            input={"category": "$classify.category", "processed": "$process.result"},
            undo="apologise",
        ),
    )


# What is made


def test_a_workflow_of_steps_is_a_chain_and_a_pattern() -> None:
    made = support()
    assert made.chain
    assert list(made.parts()) == ["classifier", "processor", "responder", "apologise"]
    assert made.graph["process"].retry == retry(3).options
    assert str(made.graph["process"].when) == '$classify.category != "spam"'


@pytest.mark.parametrize(
    "make",
    [
        lambda a, b: workflow("w", a, b),
        lambda a, b: workflow("w", tasks=[a, b]),
    ],
    ids=["after", "tasks"],
)
def test_a_step_with_after_or_tasks_make_a_dag(make: Callable[[Node, Node], Workflow]) -> None:
    made = make(do("a", "x"), do("b", "y", after="a"))
    assert not made.chain
    assert made.graph.needs("b") == ("a",)


def test_each_kind_of_target_is_a_kind_of_node() -> None:
    inner = workflow("inner", do("a", "x"))
    crew = pool("x", "random")
    targets: dict[Any, object] = {
        "x": Agent("x"),
        can("fly"): Agent(can("fly")),
        crew: Agent(crew),
        work: CallFunction(work),
    }
    assert {target: do("s", target).what for target in targets} == targets
    assert do("s", sequential("x")).what == PlayPattern(sequential("x"))
    assert do("s", inner).what == nested("s", inner).what == Nested("inner", inner)
    assert nested("s", "inner").what == Nested("inner")
    assert wait("s", "paid", on_timeout="skip").what == WaitForSignal("paid", "skip")
    assert delay("s", 3).what == Sleep(3)
    until = delay("s", until="$input.at").what
    assert isinstance(until, Sleep)
    assert until.until is not None
    question = ask("s", "Pay ${input.sum}?", options=["yes", "no"], default="no", person="boss").what
    assert isinstance(question, AskPerson)
    assert (question.options, question.default, question.person) == (("yes", "no"), "no", "boss")
    rows = in_team("s", "desk", [{"role": "a", "action": "b"}, RoleStep("c", "d")]).what
    assert rows == InTeam("desk", (RoleStep("a", "b"), RoleStep("c", "d")))
    assert in_team("s", "desk", "review").what == InTeam("desk", "review")


def test_a_number_of_retries_and_items_of_each_may_be_given_plainly() -> None:
    assert do("a", "x", retry=2).retry == retry(2).options
    assert do("a", "x", each=["b", 1, None]).each == Listed((Fixed("b"), Fixed(1), Fixed(None)))
    assert do("a", "x", after="b", redact="card").redact == ("card",)


def test_a_pattern_tells_the_targets_inside_its_steps() -> None:
    inner = workflow("inner", do("a", "deep"))
    made = workflow("w", do("a", parallel({"p": "x"})), nested("b", inner), wait("c", "s"), in_team("d", "t", "p"))
    assert list(made.parts()) == [parallel({"p": "x"}), inner]


# Faults, as the reference on bad input lists them

BAD: dict[str, tuple[Callable[[], object], list[str]]] = {
    "id": (
        lambda: do("a.b", "x"),
        ["step 'a.b': id: must be a printable string without / . $ # [ ~, got 'a.b'"],
    ),
    "reserved id": (
        lambda: do("input", "x"),
        ["step 'input': id: 'input' has a meaning in references and conditions; choose another name"],
    ),
    "name": (
        lambda: workflow("a/b", do("a", "x")),
        ["workflow: name: must be a printable string without / . $ # [ ~, got 'a/b'"],
    ),
    "double id": (
        lambda: workflow("w", do("a", "x"), do("a", "y")),
        ["w/a: id: 2 steps have it; ids must be unique in a workflow"],
    ),
    "unknown step": (
        lambda: workflow("w", do("classify", "x"), do("b", "y", input="$clasify.x")),
        ["w/b: $clasify.x: 'clasify' is not a step of the workflow; did you mean 'classify'?"],
    ),
    "unknown dependency": (
        lambda: workflow("w", do("classify", "x"), do("b", "y", after=["clasify"])),
        ["w/b: after: 'clasify' is not a step of the workflow; did you mean 'classify'?"],
    ),
    "cycle": (
        lambda: workflow("w", do("a", "x", after="b"), do("b", "y", input="$a.x")),
        ["w: the steps depend on each other in a cycle, "],
    ),
    "later step": (
        lambda: workflow("w", do("a", "x", when="$b.y"), do("b", "y")),
        ["w/a: when: $b.y: step 'b' comes after this one; move it before"],
    ),
    "own result": (
        lambda: workflow("w", do("a", "x", when="$a.y")),
        ["w/a: when: $a.y: a step cannot refer to its own result; $self has that of the iteration before"],
    ),
    "condition": (
        lambda: do("a", "x", when="$a = 1"),
        ["step 'a': when: write == to compare (at character 4)"],
    ),
    "long condition": (
        lambda: do("a", "x", when="a" * 2001),
        ["step 'a': when: is longer than 2000 characters (at character 2001)"],
    ),
    "deep condition": (
        lambda: do("a", "x", when="(" * 40),
        ["step 'a': when: is nested deeper than 32 levels (at character 34)"],
    ),
    "no condition": (
        lambda: do("a", "x", when=3),  # type: ignore[arg-type]
        ["step 'a': when: must be a condition as a string, got 3"],
    ),
    "field": (
        lambda: workflow("w", do("a", "x", returns=Category), do("b", "y", input="$a.categry")),
        ["w/b: input: $a.categry: Category has no field 'categry'; did you mean 'category'?"],
    ),
    "field within": (
        lambda: workflow("w", do("a", "x", returns=Category), do("b", "y", input={"t": "${a.first.txt}"})),
        ["w/b: input: $a.first.txt: Message has no field 'txt'; did you mean 'text'?"],
    ),
    "field of a dataclass": (
        lambda: workflow("w", do("a", "x", returns=Report), do("b", "y", when="$a.titel == 1")),
        ["w/b: when: $a.titel: Report has no field 'titel'; did you mean 'title'?"],
    ),
    "field of a mapping": (
        lambda: workflow("w", do("a", "x", returns=Typed), do("b", "y", when="$a.totl == 1")),
        ["w/b: when: $a.totl: Typed has no field 'totl'; did you mean 'total'?"],
    ),
    "field of the input": (
        lambda: workflow("w", do("a", "x", input="$input.txt"), input=Message, output="$task.txt"),
        [
            "w/a: input: $input.txt: Message has no field 'txt'; did you mean 'text'?",
            "w: output: $task.txt: Message has no field 'txt'; did you mean 'text'?",
        ],
    ),
    "field of the run": (
        lambda: workflow("w", do("a", "x", input="$run.idd")),
        ["w/a: input: $run.idd: the run has no 'idd'; did you mean 'id'?"],
    ),
    "output": (
        lambda: workflow("w", do("first", "x"), output={"r": "$frist.x", "s": "$item"}),
        [
            "w: output: $frist.x: 'frist' is not a step of the workflow; did you mean 'first'?",
            "w: output: $item: 'item' is not a step of the workflow; there is first, input, run",
        ],
    ),
    "item without each": (
        lambda: workflow("w", do("a", "x", input="$item")),
        ["w/a: input: $item: only a step with each has item"],
    ),
    "item in a condition": (
        lambda: workflow("w", do("a", "x", each="$input", when="$index > 1")),
        ["w/a: when: $index: when is decided once for all items; index exists in the input"],
    ),
    "previous": (
        lambda: workflow("w", do("a", "x", input="$previous"), do("b", "y", input="$previous")),
        ["w/a: input: $previous: the first step has no previous one; write $input"],
    ),
    "previous in a dag": (
        lambda: workflow("w", tasks=[do("a", "x"), do("b", "y", input="$previous")]),
        ["w/b: input: $previous: only in a chain is there a previous step; name the step"],
    ),
    "self": (
        lambda: workflow("w", do("a", "x", input="$self"), do("b", "y", max_iterations=2, when="$self.x")),
        [
            "w/a: input: $self: only until and input of a step with max_iterations have the result of",
            "w/b: when: $self.x: only until and input of a step with max_iterations have the result of",
        ],
    ),
    "default within": (
        lambda: workflow("w", do("a", "x", input="$default")),
        ["w/a: input: $default: default stands alone as a condition"],
    ),
    "times and counts": (
        lambda: do("a", "x", timeout=math.nan, retry=-1, max_parallel=0, max_iterations=True, priority=1.5),  # type: ignore[arg-type]
        [
            "step 'a': max_parallel: must be an integer >= 1, got 0",
            "step 'a': max_iterations: must be an integer >= 1, got True",
            "step 'a': retry: must be an integer >= 0, got -1",
            "step 'a': timeout: must be more than 0 seconds, or None for any time, got nan",
            "step 'a': priority: must be an integer, got 1.5",
        ],
    ),
    "timeout of the whole": (
        lambda: workflow("w", do("a", "x"), timeout=-1),
        ["w: timeout: must be more than 0 seconds, or None for any time, got -1"],
    ),
    "threshold": (
        lambda: do("a", "x", metadata={"quality": 1.5}),
        ["step 'a': quality: a threshold must be from 0 to 1, got 1.5"],
    ),
    "duration": (
        lambda: do("a", "x", metadata={"estimated_duration": -2, "x": [math.inf]}),
        [
            "step 'a': metadata.x.0: must be a finite number, got inf",
            "step 'a': estimated_duration: must be more than 0 seconds, or None for any time, got -2",
        ],
    ),
    "metadata": (
        lambda: do("a", "x", metadata={"x": object()}),
        ["step 'a': metadata: must be JSON: Unable to serialize unknown type: <class 'object'>"],
    ),
    "no mapping": (
        lambda: do("a", "x", metadata=3),  # type: ignore[arg-type]
        ["step 'a': metadata: must be a mapping, got 3"],
    ),
    "until": (
        lambda: do("a", "x", until="$self.ok"),
        ["step 'a': until: needs max_iterations, the most iterations"],
    ),
    "each and iterations": (
        lambda: do("a", "x", each="$input", max_iterations=2),
        ["step 'a': each and max_iterations: nest a workflow with the one in a step with the other"],
    ),
    "each": (
        lambda: do("a", "x", each="$input == 1"),
        ["step 'a': each: must be a reference to a list, or a list, got '$input == 1'"],
    ),
    "each of objects": (
        lambda: do("a", "x", each=[{}]),
        ["step 'a': each: a list here has strings and numbers; give others in input, got [{}]"],
    ),
    "choices": (
        lambda: do("a", "x", on_failure="stopp", effects="once", on_skipped="x"),  # type: ignore[arg-type]
        [
            "step 'a': on_failure: must be one of stop, continue_with_warning, skip, undo, got 'stopp'",
            "step 'a': on_skipped: must be one of null, skip, fail, got 'x'",
            "step 'a': effects: must be one of at_least_once, at_most_once, transaction, got 'once'",
        ],
    ),
    "input": (
        lambda: do("a", "x", input={"b": ["$c d", 1], "e": object()}),
        ["step 'a': input: unexpected 'd'; "],
    ),
    "input that is not JSON": (
        lambda: do("a", "x", input={"e": {"f": object()}}),
        ["step 'a': input.e.f: must be a string, a number, true, false, null, a list or a mapping, got object"],
    ),
    "returns a class with fields of unknown types": (
        lambda: do("a", "x", returns=Plan),
        ["step 'a': returns: must be a type that pydantic can check, got <class 'teams.patterns.Plan'>: "],
    ),
    "returns": (
        lambda: do("a", "x", returns=object()),
        ["step 'a': returns: must be a type that pydantic can check, got <object object at "],
    ),
    "deadline of retry": (
        lambda: do("a", "x", retry=retry(3, deadline=1)),
        ["step 'a': retry: a deadline has no place here; use timeout"],
    ),
    "names": (
        lambda: do("a", "x", after=3, redact=["", 4]),  # type: ignore[arg-type, list-item]
        [
            "step 'a': after: must be a list of names, got 3",
            "step 'a': redact: must be a printable string, got ''",
            "step 'a': redact: must be a printable string, got 4",
        ],
    ),
    "class": (
        lambda: do("a", Message),  # type: ignore[arg-type]
        ["step 'a': Message is a class: make it a member of the team, and name that"],
    ),
    "generator": (
        lambda: do("a", _generator),  # type: ignore[arg-type]
        ["step 'a': _generator is a generator, and a step has one result: return a list"],
    ),
    "no target": (
        lambda: do("a", 3),  # type: ignore[arg-type]
        ["step 'a': must be a member, a role, can(...), a pool, a pattern or a function, got 3"],
    ),
    "step inside": (
        lambda: do("a", step("x")),
        ["step 'a': step(...) inside a workflow: give its options to do(...)"],
    ),
    "undo": (
        lambda: do("a", "x", undo=sequential("y")),  # type: ignore[arg-type]
        ["step 'a': undo: must be the name of a member or a function, got Sequential(steps=('y',))"],
    ),
    "steps and tasks": (
        lambda: workflow("w", do("a", "x"), tasks=[do("b", "x")]),
        ["w: has steps and tasks: give one of them"],
    ),
    "no steps": (lambda: workflow("w"), ["w: has no steps"]),
    "a step after one that ends the run": (
        lambda: workflow("w", continue_as_new("a", {}), do("b", "x")),
        ["w/a: continue_as_new: 'b' would never begin; give it a condition, or have nothing come after it"],
    ),
    "steps beside one that ends the run": (
        lambda: workflow("w", tasks=[continue_as_new("a", "$b"), *(do(each, "x") for each in "bcdefg")]),
        ["w/a: continue_as_new: 'c', 'd', 'e' and 2 more may be under way when it ends the run; name them in after"],
    ),
    "a step below one that ends the run": (
        lambda: workflow("w", tasks=[continue_as_new("a", {}), do("b", "x", after="a")]),
        ["w/a: continue_as_new: 'b' would never begin; give it a condition, or have nothing come after it"],
    ),
    "time of a step that ends the run": (
        lambda: continue_as_new("a", {}, timeout=3),  # type: ignore[call-arg]
        [
            "step 'a': timeout: ending a run takes no time; give a timeout to the workflow",
        ],
    ),
    "input of the next run": (
        lambda: continue_as_new("a", {"b": object()}),
        ["step 'a': continue_as_new.b: must be a string, a number, true, false, null, a list or a mapping, got object"],
    ),
    "a workflow that ends its run as a step": (
        lambda: do("a", sequential(workflow("w", continue_as_new("b", {})))),
        [
            (
                "step 'a': workflow 'w' ends its run with continue_as_new, so it cannot be a step of another one; "
                "start a run of it"
            )
        ],
    ),
    "not steps": (
        lambda: workflow("w", "classify", do("a", "x")),  # type: ignore[arg-type]
        ["w/1: must be a step, such as do('id', target), got 'classify'"],
    ),
    "tasks": (
        lambda: workflow("w", tasks="abc"),  # type: ignore[arg-type]
        ["w: tasks: must be a list of steps, got 'abc'"],
    ),
    "input type": (
        lambda: workflow("w", do("a", "x"), input=3),
        ["w: input: must be a type that pydantic can check, got 3"],
    ),
    "team": (
        lambda: in_team("a", "", ROWS),
        [
            "step 'a': team: must be a printable string, got ''",
            "step 'a'/1: action: is missing",
            "step 'a'/2: role: must be a printable string, got ''",
            "step 'a'/3: in: unknown key; known keys: action, input, role",
            "step 'a'/3: action: 'x' stands there twice",
            "step 'a'/4: must be {role, action}, got 4",
        ],
    ),
    "team without steps": (
        lambda: in_team("a", "t", []),
        ["step 'a': steps: must be a list of {role, action}, or a pattern, got []"],
    ),
    "wait": (
        lambda: wait("a", "", on_timeout="stop"),  # type: ignore[arg-type]
        [
            "step 'a': signal: must be a printable string, got ''",
            "step 'a': on_timeout: must be one of fail, skip, got 'stop'",
        ],
    ),
    "ask": (
        lambda: ask("a", "", options=["yes", "no"], default="nope", person=""),
        [
            "step 'a': question: must not be empty, got ''",
            "step 'a': person: must be a printable string, got ''",
            "step 'a': default: 'nope' is not one of the options; did you mean 'no'?",
        ],
    ),
    "options as YAML reads yes and no": (
        lambda: ask("a", "sure?", options=[True, False]),  # type: ignore[list-item]
        [
            "step 'a': options: must be a printable string, got True; in YAML, put yes, no, on and off in quotes",
            "step 'a': options: must be a printable string, got False; in YAML, put yes, no, on and off in quotes",
        ],
    ),
    "each of no numbers": (
        lambda: do("a", "x", each=[math.nan]),
        ["step 'a': each.0: must be a finite number, got nan"],
    ),
    "each of references": (
        lambda: do("a", "x", each="[$a, 1]"),
        ["step 'a': each: a list here has strings and numbers, got '[$a, 1]'"],
    ),
    "sleep until": (
        lambda: delay("a", until="2026-01-31T08:00:00"),
        ["step 'a': until: must be a reference or a time such as 2026-01-31T08:00:00Z, got '2026-01-31T08:00:00'"],
    ),
    "sleep": (lambda: delay("a"), ["step 'a': needs either seconds or until"]),
    "sleep twice": (
        lambda: delay("a", -1, until="$b"),
        [
            "step 'a': needs either seconds or until",
            "step 'a': seconds: must be more than 0 seconds, or None for any time, got -1",
        ],
    ),
}


ROWS: list[Any] = [{"role": "r"}, {"role": "", "action": "x"}, {"role": "r", "action": "x", "in": 1}, 4]


def _generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize("make", BAD)
def test_bad_input_is_found_when_it_is_built(make: str) -> None:
    """Guards every line of the reference that is about building: each fault with its place and what to do."""
    build, wanted = BAD[make]
    found = faults(build)
    assert len(found) == len(wanted), found
    for said, begins in zip(found, wanted, strict=True):
        assert said.startswith(begins)


def test_all_faults_are_found_at_once() -> None:
    found = faults(
        lambda: workflow(
            "w",
            do("a", "x", input="$b.x", returns=Category),
            do("b", "x", input=["$zz", "$a.y"]),
            do("b", "x"),
            output="$q",
            timeout=0,
        )
    )
    assert len(found) == 6


def test_of_very_many_faults_the_first_hundred_are_told() -> None:
    """Guards the time that a generated workflow takes."""
    tasks = [do(f"n{number}", "x", after="nowhere") for number in range(3000)]
    assert len(faults(lambda: workflow("w", tasks=tasks))) == 100


def test_a_workflow_can_be_pickled() -> None:
    made = workflow("w", do("a", work, input="x ${input.y}", when="$input.z in [1]", retry=2), do("b", sequential("x")))
    assert made.version
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert again.graph["a"].input.render({"input": {"y": "z"}}) == "x z"


def test_a_reference_through_an_open_type_is_no_fault() -> None:
    """Guards types that do not say everything: a union, a mapping, a model with extra fields, and a list of results."""
    workflow(
        "w",
        do("a", "x", returns=Category),
        do("b", "x", returns=Open, input=["$a.message.anything", "$a.first.text"]),
        do("c", "x", returns=dict[str, int], input="$b.anything"),
        do("d", "x", each="$c.list", returns=Category, input="$item.any"),
        do("e", "x", input=["$d[0].any", "$c.any", "$input.any"]),
    )


def test_self_and_items_may_be_used_where_they_exist() -> None:
    workflow(
        "w",
        do("a", "x", max_iterations=3, until="$self.score > 0.9", input={"before": "$self", "task": "$task.x"}),
        do("b", "x", each="$previous.list", input=["$item", "$index", "$run.id"]),
    )


# Names around it


def test_names_that_are_not_there_have_the_nearest_that_is() -> None:
    made = workflow(
        "w",
        do("a", "clasifier", undo="undoer"),
        do("b", can("fli")),
        do("c", sequential("clasifier", work)),
        in_team("d", "desk", [{"role": "wroter", "action": "draft"}]),
        in_team("e", "dsk", "p"),
        nested("f", "othr"),
        nested("g", workflow("inner", do("a", "nobodys"))),
    )
    found = unknown_names(
        made, members=["classifier"], capabilities=["fly"], teams={"desk": ["writer"]}, workflows=["other"]
    )
    assert [str(each) for each in found] == [
        "w/a: no member or role 'clasifier'; did you mean 'classifier'?",
        "w/a: no member or role 'undoer'; there is classifier",
        "w/b: no member has the capability 'fli'; did you mean 'fly'?",
        "w/c: no member or role 'clasifier'; did you mean 'classifier'?",
        "w/d/draft: role: no role 'wroter' in 'desk'; did you mean 'writer'?",
        "w/e: team: no team 'dsk'; did you mean 'desk'?",
        "w/f: workflow: no workflow 'othr'; did you mean 'other'?",
        "w/g/a: no member or role 'nobodys'; there is classifier",
    ]


# Versions


def test_the_version_is_that_of_what_the_workflow_does() -> None:
    assert support().version == support().version
    assert re.fullmatch("[0-9a-f]{64}", support().version)
    same = [
        (do("a", "x", when="$input.x=='a' && true"), do("a", "x", when="$input.x == 'a' and true")),
        (do("a", "x", retry=retry(3)), do("a", "x", retry=3)),
        (do("a", "x", timeout=None), do("a", "x")),
        (do("a", "x", metadata={"a": 1, "b": 2}), do("a", "x", metadata={"b": 2, "a": 1})),
    ]
    for one, other in same:
        assert workflow("w", one).version == workflow("w", other).version


DIFFERENT: list[Node] = [
    do("a", "x"),
    do("b", "x"),
    do("a", "y"),
    do("a", can("x")),
    do("a", pool("x", "random")),
    do("a", work),
    do("a", partial(both, 1)),
    do("a", partial(both, 2)),
    do("a", sequential("x")),
    do("a", sequential("y")),
    do("a", parallel({"p": "x"})),
    nested("a", "x"),
    nested("a", workflow("x", do("a", "x"))),
    nested("a", workflow("x", do("a", "y"))),
    in_team("a", "x", "p"),
    in_team("a", "x", [{"role": "p", "action": "q"}]),
    nested("a", "x", detached=True),
    wait("a", "x"),
    wait("a", "x", on_timeout="skip"),
    ask("a", "x"),
    ask("a", "x", options=["y"]),
    ask("a", "x", person="y"),
    delay("a", 1),
    delay("a", until="$input"),
    continue_as_new("a", "x"),
    continue_as_new("a", "$input"),
    do("a", "x", input="$input"),
    do("a", "x", when="true"),
    do("a", "x", each="$input"),
    do("a", "x", each=["y", 1]),
    do("a", "x", each=["y" * 3000]),
    do("a", "x", each="$input", max_parallel=3),
    do("a", "x", max_iterations=2),
    do("a", "x", max_iterations=2, until="$self.x"),
    do("a", "x", retry=1),
    do("a", "x", retry=retry(1, backoff=constant(1))),
    do("a", "x", retry=retry(1, on=ValueError)),
    do("a", "x", timeout=1),
    do("a", "x", on_failure="skip"),
    do("a", "x", on_skipped="skip"),
    do("a", "x", undo="y"),
    do("a", "x", undo=work),
    do("a", "x", effects="at_most_once"),
    do("a", "x", returns=Category),
    do("a", "x", returns=list[int]),
    do("a", "x", returns=list[str]),
    do("a", "x", priority=0),
    do("a", "x", redact="y"),
    do("a", "x", metadata={"y": 1}),
    do("a", "x", quality=quality("GENERIC")),
    do("a", "x", quality=quality("SERVICE")),
    do("a", "x", quality=quality("GENERIC", "y")),
    do("a", "x", quality=quality("GENERIC", "$self.y")),
    do("a", "x", quality=quality("GENERIC", {"accuracy": work})),
    do("a", "x", quality=quality("GENERIC", threshold=0.5)),
    do("a", "x", quality=quality("GENERIC", timeout=1)),
    do("a", "x", quality=quality("GENERIC", on_low="fail")),
    do("a", "x", quality=quality("GENERIC", on_low="retry")),
    do("a", "x", quality=quality("GENERIC", on_low="retry", max_rounds=2)),
    do("a", "x", quality=quality("GENERIC", on_low="ask", person="y")),
    do("a", "x", quality=quality("GENERIC", on_low="ask", person="z")),
    do("a", "x", quality=quality(quality_domain("GENERIC", accuracy=0.5))),
    do("a", "x", quality=quality(quality_domain("GENERIC", accuracy=at_least(0.5, weight=2)))),
]


def test_every_option_is_part_of_the_version() -> None:
    """Guards a run against a definition that has changed without a new version."""
    made = [workflow("w", each) for each in DIFFERENT]
    made += [workflow("v", do("a", "x")), workflow("w", tasks=[do("a", "x")])]
    made += [workflow("w", do("a", "x"), **{name: value}) for name, value in WHOLE.items()]  # type: ignore[arg-type]
    assert len({each.version for each in made}) == len(made)


WHOLE = {"input": Message, "output": "$a", "timeout": 1, "metadata": {"x": 1}}


def test_every_option_of_a_step_is_tried_for_the_version() -> None:
    """Guards the list above against an option that is added later."""
    default = do("a", "x")
    tried = {
        each.name
        for node in DIFFERENT
        for each in fields(Node)
        if getattr(node, each.name) != getattr(default, each.name)
    }
    assert tried == {each.name for each in fields(Node)} - {"after"}


@pytest.mark.parametrize(
    "node",
    [
        each
        for each in DIFFERENT
        if not isinstance(each.target, Pattern | partial) and not repr(each.returns).startswith("list")
    ],
)
def test_the_body_reads_back_as_the_same_workflow(node: Node) -> None:
    """Guards definitions that are stored: their body has the keys of a file."""
    made = workflow("w", node)
    again = workflow_from(json.loads(made.body))
    assert again.body == made.body
    assert again.graph == made.graph


def test_the_version_is_the_same_in_another_process() -> None:
    """Guards restarts: nothing in a body depends on addresses or the seed of hashes."""
    program = (
        "from tests.teams.workflows.graph.test_builder import *\n"
        "tasks = [do(f'n{number}', each.target or 'x') for number, each in enumerate(DIFFERENT)]\n"
        "print(workflow('w', tasks=tasks).version)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


class Callable_:
    def __call__(self, value: object) -> object:
        return value


def test_functions_and_types_are_named_by_their_place() -> None:
    here = __name__
    assert location(work) == f"{here}:work"
    assert location(Category) == f"{here}:Category"
    assert location(list[int]) == "list[int]"
    assert location(int | None) == "int | None"
    assert location(Callable_()) == f"a {here}:Callable_"
    assert location(partial(retry, 1, deadline=2)) == "partial(teams.resilience:retry, 1, deadline=2)"


# Hover


def test_the_docstring_of_do_names_each_option_with_its_default() -> None:
    """Guards both directions: no option is missing, none is stale."""
    told = arguments(do)
    assert set(told) == {"id", "target", *StepOptions.__annotations__, *WorkOptions.__annotations__}
    defaults: dict[str, Any] = {each.name: each.default for each in fields(Node) if each.default is not MISSING}
    found = {name: re.search(r" ?Default: (.*)\.$", text) for name, text in told.items()}
    said = {name: match[1] for name, match in found.items() if match}
    assert said == {"metadata": "{}", **{name: written(value) for name, value in defaults.items()}}


@pytest.mark.parametrize("builder", [in_team, nested, wait, ask, delay, workflow])
def test_the_docstring_of_a_builder_names_each_argument(builder: Callable[..., object]) -> None:
    assert set(arguments(builder)) == set(inspect.signature(builder).parameters)


def test_an_option_in_seconds_says_so() -> None:
    """Guards the units."""
    assert "Seconds" in arguments(do)["timeout"]
    assert "Seconds" in arguments(workflow)["timeout"]
    assert "Seconds" in arguments(delay)["seconds"]


@pytest.mark.parametrize("default", [True, [[]], 3])
def test_a_default_that_is_not_a_text_is_a_fault_beside_options(default: Any) -> None:
    """Guards the hint: the nearest of the options was looked for of any value."""
    with pytest.raises(SpecError, match="default: must be a printable string"):
        ask("a", "Go on?", options=["yes", "no"], default=default)


def test_a_function_that_does_not_take_the_value_of_its_step_is_refused() -> None:
    def nothing() -> int:
        return 1

    def two(value: object, more: object) -> object:
        return value

    def more(value: object, another: int = 1) -> object:
        return [value, another]

    @functools.wraps(two)
    def around(value: object) -> object:
        return two(value, 1)

    with pytest.raises(SpecError) as caught:
        workflow("w", do("a", cast("Any", nothing)), do("b", around), do("c", len), do("d", more))
    (fault,) = caught.value.faults
    assert fault.path == "step 'a'"
    assert "is called with the value of its step and nothing else: too many positional arguments" in fault.message
    with pytest.raises(SpecError, match="missing a required argument: 'more'"):
        do("a", cast("Any", two))
