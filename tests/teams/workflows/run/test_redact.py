"""`redact=`: what a step does not show is hidden in every place that shows values, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from actors.events import LifecycleEvent
from supervisors import SpecError
from teams import member, team
from teams.cli._workflow_dry import dry_run
from teams.events import StepDone
from teams.patterns import parallel, sequential
from teams.workflows import (
    Artifact,
    ArtifactMade,
    WorkflowContext,
    WorkflowRun,
    WorkflowTracing,
    ask,
    coded,
    do,
    nested,
    routing,
    rule,
    wait,
    workflow,
)
from teams.workflows._run.hidden import Hidden
from tests.teams.workflows.cast import Scene, failure, played
from tests.teams.workflows.run.test_code import again

SECRET = "4711-0815"
CARD = {"card": SECRET, "sum": 12}


async def pay(value: Any) -> Any:
    return CARD


async def echo(value: Any) -> Any:
    return value


payer, echoer = member("payer", pay), member("echoer", echo)


def shown(scene: Scene, run: WorkflowRun) -> str:
    """Everything that an engine shows of a run."""
    stream = list(run.stream())
    return repr((run.history().get(), run.status().get(), run.artifacts().get(), stream))


@contextmanager
def heard(scene: Scene) -> Iterator[list[LifecycleEvent]]:
    """Every event of a runtime."""
    found: list[LifecycleEvent] = []
    scene.sim.runtime.events.subscribe(found.append)
    yield found


def hides(flow: Any, value: object = None, *others: Any, result: object = CARD) -> None:
    """Plays a workflow whose result is a secret: who waits for it gets it, and nothing else shows it."""
    with played(payer, echoer, flow, *others) as scene, heard(scene) as events:
        run = scene.start(flow.name, value)
        assert run.get(timeout=100) == result
        assert any(isinstance(each, StepDone) for each in events)
        assert SECRET not in repr(events)
        assert SECRET not in shown(scene, run)
        assert "[redacted]" in shown(scene, run)
        later = again(scene, payer, echoer, flow, *others)
    with later as scene:
        assert SECRET not in shown(scene, scene.eng.workflow_run(run.id))


def test_the_result_of_a_step_is_hidden_wherever_it_is_shown() -> None:
    hides(workflow("flow", do("pay", "payer", redact="card")))
    hides(workflow("flow", do("pay", "payer", redact="$")))


def test_the_rest_of_a_result_is_shown() -> None:
    with played(payer, workflow("flow", do("pay", "payer", redact="card"))) as scene:
        run = scene.start("flow")
        run.get(timeout=10)
        assert run.status().get().result == {"card": "[redacted]", "sum": 12}


def test_what_another_process_gets_is_the_value_and_not_what_is_shown() -> None:
    flow = workflow("flow", do("pay", "payer", redact="card"), wait("go", "go"), do("last", "echoer", input="$pay"))
    with played(payer, echoer, flow) as scene:
        run = scene.start("flow")
        scene.sim.advance(5)
        later = again(scene, payer, echoer, flow)
    with later as scene:
        run = scene.eng.workflow_run(run.id)
        run.signal("go").get()
        assert run.get(timeout=100) == CARD


def test_items_iterations_and_attempts_are_hidden() -> None:
    hides(workflow("flow", do("pay", "payer", each=[1, 2], redact="card")), result=[CARD, CARD])
    hides(workflow("flow", do("pay", "payer", max_iterations=2, until="$self.sum > 3", redact="card")))


@pytest.mark.parametrize(
    "output", ["$pay", "$pay.card", "card ${pay.card}", {"a": ["$pay"]}, {"a": {"card": "$pay.card"}}, "all: ${pay}"]
)
def test_the_output_of_a_run_is_hidden_where_it_has_what_a_step_hides(output: object) -> None:
    flow = workflow("flow", do("pay", "payer", redact="card"), output=output)
    with played(payer, flow) as scene:
        run = scene.start("flow")
        assert SECRET in json.dumps(run.get(timeout=10))
        assert SECRET not in shown(scene, run)


def test_the_result_of_a_graph_is_hidden() -> None:
    both = [do("pay", "payer", redact="card"), do("other", "echoer", input="$input")]
    hides(workflow("flow", tasks=both), 3, result={"pay": CARD, "other": 3})
    hides(workflow("flow", tasks=both[:1]))


def test_a_step_that_was_skipped_does_not_give_the_result() -> None:
    flow = workflow("flow", do("pay", "payer", redact="card"), do("last", "echoer", when="$input.never"))
    hides(flow, {})


def test_workflows_inside_others_hide_what_their_steps_say() -> None:
    inner = workflow("inner", do("pay", "payer", redact="card"))
    hides(workflow("outer", nested("sub", inner)))
    hides(workflow("outer", nested("sub", "inner")), None, inner)
    hides(workflow("outer", nested("sub", "inner", each=[1, 2])), None, inner, result=[CARD, CARD])
    hides(workflow("outer", do("sub", sequential(inner))))
    hides(routing("outer", rule("default", inner)))
    hides(workflow("outer", nested("sub", workflow("inner", do("pay", "payer")), redact="card")))


def test_the_branches_of_a_pattern_are_hidden_with_its_step() -> None:
    hides(workflow("flow", do("fan", parallel({"a": "payer"}), redact=["a.card", "card"])), result={"a": CARD})


def test_code_hides_what_it_says() -> None:
    @coded
    async def code(run: WorkflowContext, _: object) -> Any:
        return await run.do("payer", 1, name="pay", redact="card")

    @coded
    async def listening(run: WorkflowContext, _: object) -> Any:
        await run.sleep(3)
        return await run.wait("paid", redact="card")

    hides(code)
    with played(listening) as scene:
        run = scene.start("listening")
        run.signal("paid", CARD).get()
        assert run.get(timeout=10) == CARD
        assert SECRET not in shown(scene, run)


def test_a_signal_is_hidden_before_and_after_a_step_takes_it() -> None:
    flow = workflow("flow", wait("first", "first"), wait("paid", "paid", redact="card"))
    with played(flow) as scene:
        run = scene.start("flow")
        run.signal("paid", CARD).get()
        scene.sim.advance(10)  # parked: the signal is set aside
        assert [each.kind for each in run.history().get()] == ["began", "kept"]
        assert SECRET not in repr(run.history().get())
        run.signal("first").get()
        assert run.get(timeout=10) == CARD
        assert SECRET not in shown(scene, run)


def test_the_default_of_a_question_is_hidden_like_its_answer() -> None:
    flow = workflow("flow", ask("pay", "Which card?", default=SECRET, timeout=5, redact="$"))
    with played(flow) as scene, heard(scene) as events:
        run = scene.start("flow")
        scene.sim.advance(1)
        (asked,) = run.history().get()
        assert json.loads(asked.body or b"")["asks"]["default"] == "[redacted]"
        assert run.status().get().questions == {"pay": "Which card?"}
        assert run.get(timeout=100) == SECRET
        assert SECRET not in shown(scene, run) + repr(events)


def test_a_question_without_a_default_is_shown_as_it_is() -> None:
    with played(workflow("flow", ask("pay", "Which card?", redact="$"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(1)
        (asked,) = run.history().get()
        assert json.loads(asked.body or b"")["asks"]["default"] is None


def test_the_input_that_is_kept_for_an_undo_is_hidden() -> None:
    flow = workflow("flow", do("pay", "echoer", input="$input", undo="echoer", redact="card"), do("last", "echoer"))
    with played(echoer, flow) as scene, heard(scene) as events:
        run = scene.start("flow", CARD)
        run.get(timeout=10)
        history = run.history().get()
        kept = [each for each in history if each.kind == "kept"]
        assert [json.loads(each.body or b"")["value"]["input"]["card"] for each in kept] == ["[redacted]"]
        assert SECRET not in repr([each for each in history if each.step.startswith("pay")])
        assert SECRET not in repr([each for each in events if isinstance(each, StepDone) and each.step == "pay"])


def test_the_data_of_an_artifact_is_hidden() -> None:
    async def draw(_: Any) -> Any:
        return {"chart": Artifact("chart", {"card": SECRET, "bars": [1]})}

    flow = workflow("flow", do("draw", "artist", redact="chart.data.card"))
    with played(member("artist", draw), flow) as scene:
        run = scene.start("flow")
        run.get(timeout=10)
        (made,) = run.artifacts().get()
        (told,) = [each for each in run.stream() if isinstance(each, ArtifactMade)]
        assert made.data == told.data == {"card": "[redacted]", "bars": [1]}


def test_the_feedback_of_a_loop_that_was_not_approved_is_hidden() -> None:
    flow = workflow("flow", do("pay", "payer", max_iterations=2, until="$self.sum > 99", redact="card"))
    with played(payer, flow) as scene, heard(scene) as events:
        run = scene.start("flow")
        assert "[redacted]" in str(failure(lambda: run.get(timeout=10)))
        assert SECRET not in shown(scene, run)
        assert SECRET not in " ".join(map(str, events))


def test_spans_have_no_values_of_a_step_that_redacts() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    flow = workflow("flow", do("pay", "payer", max_iterations=2, until="$self.sum > 99", redact="card"))
    with played(payer, flow) as scene, WorkflowTracing(scene.sim.runtime, provider):
        run = scene.start("flow")
        failure(lambda: run.get(timeout=10))
        scene.sim.advance(1)
    spans = [each.to_json() for each in exporter.get_finished_spans()]
    assert len(spans) == 3
    assert "[redacted]" in "".join(spans)
    assert SECRET not in "".join(spans)


def test_a_step_that_an_edit_adds_is_hidden() -> None:
    with played(payer, workflow("flow", wait("go", "go"))) as scene, heard(scene) as events:
        run = scene.start("flow")
        scene.sim.advance(0.5)  # it is awake
        run.edit(add_node=do("pay", "payer", redact="card")).get()
        run.signal("go").get()
        assert run.get(timeout=10) == CARD
        assert SECRET not in shown(scene, run)
        assert SECRET not in repr(events)


def test_a_team_that_plays_a_workflow_hides_in_its_events() -> None:
    flow = workflow("flow", do("pay", "payer", redact="card"), do("odd", lambda _: object(), redact="x"))
    with played(payer) as scene:
        desk: Any = scene.sim.start(team("desk", payer))
        run = desk.play(flow, 1)
        run.get(timeout=10)
        told = {each.step: each.result for each in run.stream() if isinstance(each, StepDone)}
        assert told == {"pay": {"card": "[redacted]", "sum": 12}, "odd": "[redacted]"}
        assert run.partial["pay"] == CARD


def test_a_dry_run_hides_inputs_and_results() -> None:
    inner = workflow("inner", do("deep", "x", input="$input", redact="card"))
    flow = workflow("flow", do("pay", "x", input="$input", redact="card"), nested("sub", inner, redact="card"))
    found = dry_run(flow, {}, CARD, {})
    assert found.error is None
    assert SECRET not in json.dumps(found.document()) + "".join(found.lines())
    assert [each.input for each in found.calls] == [{"card": "[redacted]", "sum": 12}] * 2


def test_a_path_that_is_not_one_is_refused_when_it_is_built() -> None:
    with pytest.raises(SpecError, match=r"step 'a': redact: not a path, got 'a\.\.b'\. Write it like user\.card"):
        do("a", "x", redact=["card", "a..b"])


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers(), max_size=3),
    st.sampled_from(["a", "b", "$", "a.b", "[*]"]),
)
def test_nothing_but_the_named_paths_is_hidden(value: dict[str, int], path: str) -> None:
    definition = workflow("flow", do("one", "x", redact=path), do("two", "x")).body.encode()
    hidden = Hidden(definition)
    assert hidden.result(json.dumps(value).encode()) == json.dumps(value).encode()
