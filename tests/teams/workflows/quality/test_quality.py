"""The quality of results: scores, thresholds, and what follows when they are low."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from actors.testing import FaultPlan, Kill, simulation
from supervisors import SpecError, constant
from teams import member, step, team
from teams.errors import NotApproved, RunFailed
from teams.patterns import Approved, Rejected, Revision, quality_gate
from teams.resilience import retry
from teams.workflows import (
    ANALYTICAL,
    DOMAINS,
    LowQuality,
    Quality,
    QualityScored,
    QualityTooLow,
    RunFailure,
    Scores,
    ScoringFailed,
    WorkflowMetrics,
    at_least,
    delay,
    do,
    in_team,
    nested,
    quality,
    quality_domain,
    scored,
    wait,
    workflow,
    workflow_from,
)
from teams.workflows._run.values import read, write
from tests.teams.workflows.cast import failure, kinds, played

ONE = quality_domain("ONE", good=0.5)
TWO = quality_domain("TWO", clear=at_least(0.5), true=at_least(0.5, weight=3))


def half(_: object) -> float:
    return 0.5


def graded(result: Any) -> object:
    """A scorer that says what the result says."""
    return result["score"]


def draft(value: Any) -> object:
    """Writes a draft of which each version is better, by 0.3."""
    number = value.round if isinstance(value, Revision) else 1
    return {"text": f"draft {number}", "score": 0.3 * number}


def played_in_memory(made: Any, value: object = None, *members: Any) -> tuple[object, list[Any]]:
    """The result of a pattern, or the error, and the events of its scores."""
    heard: list[Any] = []
    with simulation() as sim:
        sim.runtime.events.subscribe(heard.append, QualityScored)
        crew = sim.start(team("crew", member("worker", lambda each: each), *members))
        playing = crew.play(made, value)
        sim.settle()
        try:
            return playing.get(timeout=60), heard
        except RunFailed as error:
            return error.__cause__, heard


def checked(how: Quality, work: Callable[[Any], object] = draft, **options: Any) -> Any:
    return workflow("flow", do("draft", work, quality=how, **options))


# Scores


part = st.floats(0, 1)
names = st.lists(st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True), min_size=1, max_size=6, unique=True)


@given(st.data(), names, part)
def test_a_result_passes_only_if_the_mean_and_every_criterion_do(data: st.DataObject, known: Any, whole: float) -> None:
    criteria = {name: at_least(data.draw(part), weight=data.draw(st.floats(0.001, 1000))) for name in known}
    scores = data.draw(st.dictionaries(st.sampled_from(known), part))
    found = quality_domain("D", **criteria).rated(scores, whole)
    weights = sum(each.weight for each in criteria.values())
    mean = sum(each.weight * scores.get(name, 0.0) for name, each in criteria.items()) / weights
    assert found.score == pytest.approx(mean, abs=1e-8)
    assert set(found.missing) == criteria.keys() - scores.keys()
    assert set(found.low) == {name for name, score in scores.items() if score < criteria[name].threshold}
    assert found.passed == (found.score >= whole and not found.low and not found.missing)


@given(names, part)
def test_equal_scores_at_the_threshold_pass(known: Any, least: float) -> None:
    least = round(least, 6)
    assert quality_domain("D", **dict.fromkeys(known, least)).rated(dict.fromkeys(known, least), least).passed


@given(names, st.data())
def test_a_missing_score_is_never_a_pass(known: Any, data: st.DataObject) -> None:
    missing = data.draw(st.sampled_from(known))
    scores = {name: 1.0 for name in known if name != missing}
    found = quality_domain("D", **dict.fromkeys(known, 0.0)).rated(scores, 0.0)
    assert not found.passed
    assert found.missing == (missing,)


def test_scores_are_written_and_read_as_they_were() -> None:
    scores = TWO.rated({"clear": 0.25}, 0.85)
    assert read(write(Rejected(scores))) == Rejected(scores)
    assert isinstance(read(write(Approved(scores))).note, Scores)


def test_the_domains_that_come_along_have_the_thresholds_of_the_page() -> None:
    assert {
        name: {each: found.threshold for each, found in domain.criteria.items()} for name, domain in DOMAINS.items()
    } == {
        "GENERIC": {"completeness": 0.9, "accuracy": 0.95},
        "ANALYTICAL": {"completeness": 0.9, "accuracy": 0.95},
        "BUSINESS": {"confidence_score": 0.75, "technical_feasibility": 0.8, "risk_tolerance": 0.6},
        "ACADEMIC": {
            "research_confidence": 0.7,
            "evidence_quality": 0.75,
            "methodological_rigor": 0.7,
            "bias_detection": 0.6,
        },
        "SERVICE": {"service_reliability": 0.95, "response_accuracy": 0.8, "user_satisfaction": 0.75},
    }
    assert ANALYTICAL.criteria["accuracy"].weight == 2


# Scorers


@pytest.mark.parametrize(
    "scorers",
    [
        graded,
        "$self.score",
        {"good": "$self.score"},
        {"good": graded},
        "judge",
        {"good": "judge"},
        {"good": lambda result: {"good": result["score"], "other": 7}},
    ],
)
def test_a_score_is_of_a_function_a_judge_or_a_field(scorers: Any) -> None:
    judge = member("judge", graded)
    result, heard = played_in_memory(
        checked(quality(ONE, scorers, threshold=0.2), lambda _: {"score": 0.75}), None, judge
    )
    assert result == {"score": 0.75}
    assert [(type(each), each.step, each.domain, each.score) for each in heard] == [
        (QualityScored, "draft", "ONE", 0.75)
    ]


def test_a_criterion_without_a_scorer_is_the_field_with_its_name() -> None:
    made = checked(quality(TWO, {"true": lambda _: 1}), lambda _: {"clear": 0.6})
    _, (event,) = played_in_memory(made)
    assert event.scores == {"clear": 0.6, "true": 1.0}


def test_one_judge_scores_all_criteria_with_a_number_or_by_name() -> None:
    for said, scores in (
        (0.75, {"clear": 0.75, "true": 0.75}),
        ({"clear": 1, "true": 0.5}, {"clear": 1.0, "true": 0.5}),
    ):
        asked: list[object] = []

        def judge(result: object, said: object = said, asked: list[object] = asked) -> object:
            asked.append(result)
            return said

        _, (event,) = played_in_memory(checked(quality(TWO, "judge"), lambda _: "text"), None, member("judge", judge))
        assert event.scores == scores
        assert asked == ["text"]


def test_judges_are_asked_at_once() -> None:
    async def judge(result: object) -> float:
        await asyncio.sleep(10)
        return 1.0

    with simulation() as sim:
        crew = sim.start(team("crew", member("a", judge), member("b", judge)))
        playing = crew.play(checked(quality(TWO, {"clear": "a", "true": "b"})), None)
        sim.settle()
        playing.get(timeout=60)
        assert sim.now == pytest.approx(10)


@pytest.mark.parametrize("said", [None, {}, {"good": None}])
def test_a_score_that_is_missing_is_low(said: object) -> None:
    result, (event,) = played_in_memory(checked(quality(ONE, lambda _: said, threshold=0, on_low="fail")))
    assert isinstance(event, LowQuality)
    assert event.missing == ("good",)
    assert isinstance(result, QualityTooLow)


@pytest.mark.parametrize("said", [float("nan"), 2.0, -0.1, float("inf"), True, "0.9", [1.0], {"good": 1.5}])
@pytest.mark.parametrize("on_low", ["warn", "retry", "fail"])
def test_what_is_not_a_number_from_0_to_1_fails_the_scoring(said: object, on_low: Any) -> None:
    result, heard = played_in_memory(checked(quality(ONE, lambda _: said, on_low=on_low)))
    assert isinstance(result, ScoringFailed)
    assert (result.step, result.domain) == ("draft", "ONE")
    assert "good: must be a number from 0 to 1" in str(result)
    assert heard == []


def boom(_: object) -> float:
    raise ValueError("boom")


@pytest.mark.parametrize("scorer", [boom, "judge"])
def test_a_scorer_that_fails_fails_the_scoring(scorer: Any) -> None:
    result, heard = played_in_memory(checked(quality(ONE, scorer)), None, member("judge", boom))
    assert isinstance(result, ScoringFailed)
    assert "boom" in str(result)
    assert heard == []


def test_scorers_that_fail_together_are_all_named() -> None:
    judges = (member("a", boom), member("b", boom))
    result, _ = played_in_memory(checked(quality(TWO, {"clear": "a", "true": "b"})), None, *judges)
    assert isinstance(result, ScoringFailed)
    assert ["clear" in result.faults[0], "true" in result.faults[1]] == [True, True]


def test_a_scorer_that_takes_too_long_fails_the_scoring() -> None:
    async def slow(result: object) -> float:
        await asyncio.sleep(1000)
        return 1.0

    made = checked(quality(TWO, {"clear": slow, "true": "judge"}, timeout=5))
    with simulation() as sim:
        crew = sim.start(team("crew", member("judge", slow)))
        playing = crew.play(made, None)
        sim.settle()
        with pytest.raises(RunFailed) as caught:
            playing.get(timeout=60)
        assert isinstance(caught.value.__cause__, ScoringFailed)
        assert sim.now == pytest.approx(5)


def test_the_failure_of_a_scoring_is_one_of_its_step() -> None:
    made = workflow(
        "flow", do("draft", draft, quality=quality(ONE, boom), on_failure="skip"), do("end", lambda v: "end")
    )
    assert played_in_memory(made)[0] == "end"


# What follows


def test_a_low_score_that_warns_goes_on() -> None:
    result, (event,) = played_in_memory(checked(quality(ONE, graded)))
    assert result == {"text": "draft 1", "score": 0.3}
    assert isinstance(event, LowQuality)
    assert (event.level, event.threshold, event.low) == ("warning", 0.85, ("good",))


def test_a_low_score_that_retries_hands_on_its_scores() -> None:
    seen: list[Any] = []

    def work(value: Any) -> object:
        seen.append(value)
        return draft(value)

    result, heard = played_in_memory(checked(quality(ONE, graded, on_low="retry"), work), "topic")
    assert result == {"text": "draft 3", "score": pytest.approx(0.9)}
    assert [type(each) for each in heard] == [LowQuality, LowQuality, QualityScored]
    assert [each.step for each in heard] == ["draft", "draft#2", "draft#3"]
    assert seen[0] == "topic"
    assert [(each.work, each.round, each.previous["text"], each.feedback.score) for each in seen[1:]] == [
        ("topic", 2, "draft 1", 0.3),
        ("topic", 3, "draft 2", 0.6),
    ]


def test_retries_are_bounded() -> None:
    result, heard = played_in_memory(checked(quality(ONE, graded, on_low="retry", max_rounds=2)))
    assert isinstance(result, QualityTooLow)
    assert (result.rounds, result.score, result.last) == (2, 0.6, {"text": "draft 2", "score": 0.6})
    assert len(heard) == 2
    assert pickle.loads(pickle.dumps(result)).scores == {"good": 0.6}


def test_a_low_score_that_fails_names_what_is_low() -> None:
    result, _ = played_in_memory(checked(quality(TWO, {"clear": half, "true": lambda _: None}, on_low="fail")))
    assert isinstance(result, QualityTooLow)
    assert "0.125 of 0.85 in TWO; without a score: true" in str(result)


def test_each_item_of_a_map_has_scores_of_its_own() -> None:
    def work(value: Any) -> object:
        return {"s": 1.0} if isinstance(value, Revision) else value

    made = workflow("flow", do("draft", work, each="$input", quality=quality(ONE, "$self.s", on_low="retry")))
    result, heard = played_in_memory(made, [{"s": 0.9}, {"s": 0.1}])
    assert result == [{"s": 0.9}, {"s": 1.0}]
    assert sorted(each.step for each in heard) == ["draft[0]", "draft[1]", "draft[1]#2"]


def test_a_step_inside_a_nested_workflow_may_be_called_quality() -> None:
    inner = workflow("inner", do("quality", lambda _: "inner"))
    made = workflow("flow", nested("draft", inner, quality=quality(ONE, lambda _: 1.0)))
    assert played_in_memory(made)[0] == "inner"


def test_what_is_done_in_each_round_is_undone() -> None:
    undone: list[Any] = []
    how = quality(ONE, graded, on_low="retry", max_rounds=2)
    made = workflow("flow", do("draft", draft, quality=how, undo=undone.append, on_failure="undo"))
    with played(made) as scene:
        run = scene.start("flow", "topic")
        failure(lambda: run.get(timeout=100))
        assert [(each["input"], each["result"]["text"]) for each in undone] == [
            ("topic", "draft 2"),
            ("topic", "draft 1"),
        ]


# A person


def test_a_person_decides_about_a_low_score() -> None:
    made = checked(quality(ONE, graded, on_low="ask", person="boss"))
    for answers, text in ((["accept"], "draft 1"), (["retry", "accept"], "draft 2"), (["retry", "retry"], "draft 3")):
        with played(made) as scene:
            run = scene.start("flow")
            for number, answer in enumerate(answers, 1):
                scene.sim.advance(10)
                (step,) = run.status().get().questions
                assert step == ("draft/.decision" if number == 1 else f"draft#{number}/.decision")
                assert "is 0." in run.status().get().questions[step]
                run.answer(step, answer, by="boss").get()
            assert run.get(timeout=100)["text"] == text


def test_a_person_is_asked_by_an_engine_alone() -> None:
    error, _ = played_in_memory(checked(quality(ONE, graded, on_low="ask", person="boss")))
    assert "give the workflow to engine()" in str(error)


def test_a_person_may_fail_a_low_result() -> None:
    with played(checked(quality(ONE, graded, on_low="ask", person="boss"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(10)
        run.answer("draft/.decision", "fail", by="boss").get()
        assert "too low after 1 round" in str(failure(lambda: run.get(timeout=100)))


def test_the_question_is_still_open_in_another_process() -> None:
    made = checked(quality(ONE, graded, on_low="ask", person="boss"))
    with played(made) as scene:
        assert scene.disk is not None
        run = scene.start("flow")
        scene.sim.advance(10)
        tables = scene.disk.durable
        scene.disk.dead.add(1)
    with played(made, tables=tables) as scene:
        scene.sim.advance(60)
        later = scene.eng.workflow_run(run.id)
        assert kinds(later, "draft").count("done") == 1
        later.answer("draft/.decision", "accept", by="boss").get()
        assert later.get(timeout=100)["text"] == "draft 1"
        assert kinds(later, "draft/.quality") == ["began", "done"]


# Runs of an engine


def test_a_run_that_is_killed_before_the_scoring_does_not_work_again() -> None:
    """The work is done, its scorer is under way when the process dies."""
    done: list[str] = []

    def work(value: object) -> object:
        done.append("work")
        return draft(value)

    async def slow(result: Any) -> float:
        done.append("score")
        await asyncio.sleep(10)
        return 1.0

    made = checked(quality(ONE, "judge"), work)
    with played(member("judge", slow), made) as scene:
        assert scene.disk is not None
        run = scene.start("flow")
        scene.sim.advance(5)
        assert kinds(run, "draft") == ["began", "done"]
        assert kinds(run, "draft/.quality") == ["began"]
        tables = scene.disk.durable
        scene.disk.dead.add(1)
    with played(member("judge", slow), made, tables=tables) as scene:
        scene.sim.advance(60)
        later = scene.eng.workflow_run(run.id)
        assert later.get(timeout=100)["text"] == "draft 1"
        assert done == ["work", "score", "score"]


@pytest.mark.parametrize("at", [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5])
def test_a_resumed_run_does_not_score_again_what_is_scored(at: float) -> None:
    done: list[Any] = []

    async def work(value: Any) -> object:
        await asyncio.sleep(1)
        done.append(("work", getattr(value, "round", 1)))
        return draft(value)

    async def judge(result: Any) -> object:
        await asyncio.sleep(1)
        done.append(("score", result["text"]))
        return result["score"]

    made = workflow("flow", do("draft", "writer", quality=quality(ONE, "judge", on_low="retry")), do("end", "writer"))
    parts = (member("writer", work), member("judge", judge), made)
    with played(*parts) as scene:
        assert scene.disk is not None
        run = scene.start("flow")
        scene.sim.advance(at)
        tables = scene.disk.durable
        scene.disk.dead.add(1)
    with played(*parts, tables=tables) as scene:
        scene.sim.advance(60)
        later = scene.eng.workflow_run(run.id)
        assert later.get(timeout=100)["text"] == "draft 1"
        for number in (1, 2, 3):
            assert done.count(("score", f"draft {number}")) == 1
            assert done.count(("work", number)) == 1 + (number == 1)  # the last step works, too
        status = later.status().get()
        assert {step: each.score for step, each in status.quality.items()} == {
            "draft": 0.3,
            "draft#2": 0.6,
            "draft#3": pytest.approx(0.9),
        }
        assert [each.passed for each in status.quality.values()] == [False, False, True]
        assert (status.done, status.total) == (2, 2)  # its three drafts are one step


def test_a_run_that_failed_by_its_quality_is_tried_again_from_its_step() -> None:
    scores = iter((0.1, 0.9))
    made = checked(quality(ONE, lambda _: next(scores), on_low="fail"))
    with played(made) as scene:
        run = scene.start("flow")
        assert "too low" in str(failure(lambda: run.get(timeout=100)))
        run.retry(step="draft").get()
        assert run.get(timeout=100)["text"] == "draft 1"


def test_a_result_is_scored_again_when_its_run_is_tried_again_from_there() -> None:
    done: list[str] = []
    scores = iter((7.0, 0.9))

    def work(value: object) -> object:
        done.append("work")
        return draft(value)

    with played(checked(quality(ONE, lambda _: next(scores)), work)) as scene:
        run = scene.start("flow")
        assert "must be a number from 0 to 1, got 7" in str(failure(lambda: run.get(timeout=100)))
        run.retry(step="draft/.quality").get()
        assert run.get(timeout=100)["text"] == "draft 1"
        assert done == ["work"]


def test_a_scorer_that_failed_is_asked_again_when_its_run_is_tried_again() -> None:
    done: list[str] = []

    def work(value: object) -> object:
        done.append("work")
        return draft(value)

    def judge(_: object) -> float:
        done.append("judge")
        if done.count("judge") == 1:
            raise ValueError("away")
        return 1.0

    with played(member("judge", judge), checked(quality(ONE, "judge"), work)) as scene:
        run = scene.start("flow")
        assert "away" in str(failure(lambda: run.get(timeout=100)))
        run.retry().get()
        assert run.get(timeout=100)["text"] == "draft 1"
        assert done == ["work", "judge", "judge"]


@pytest.mark.parametrize("path", ["eng/desk", "eng/journal", "eng/store", "eng/runs/*", "eng/runs", "eng/agents"])
@pytest.mark.parametrize("at", [0.5, 1.0, 1.5, 2.0, 2.5])
def test_a_part_of_the_engine_may_be_killed_while_results_are_scored(path: str, at: float) -> None:
    async def work(value: Any) -> object:
        await asyncio.sleep(1)
        return {"score": 1.0 if isinstance(value, Revision) else 0.1}

    async def judge(result: Any) -> object:
        await asyncio.sleep(1)
        return result["score"]

    how = quality(ONE, step("judge", attempts=9), on_low="retry")
    made = workflow("flow", do("draft", "writer", quality=how, retry=retry(9, backoff=constant(0.5))))
    with played(member("writer", work), member("judge", judge), made, plan=FaultPlan(Kill(path, at=at))) as scene:
        run = scene.start("flow")
        scene.sim.advance(60.0)
        scene.sim.require_fired()
        scene.sim.heal()
        try:
            assert run.get(timeout=100) == {"score": 1.0}
        except RunFailure:  # its team was killed under the judge, which no attempt of it outlives
            assert path == "eng/agents"
            run.retry().get()
            assert run.get(timeout=100) == {"score": 1.0}
        assert max(Counter(each.step for each in run.history().get() if each.kind == "done").values()) == 1


def test_a_run_is_cancelled_while_a_judge_works() -> None:
    async def judge(_: object) -> float:
        await asyncio.sleep(1000)
        return 1.0

    with played(member("judge", judge), checked(quality(ONE, "judge"))) as scene:
        run = scene.start("flow")
        scene.sim.advance(5)
        run.cancel().get()
        scene.sim.advance(5)
        assert scene.state(run) == "cancelled"
        assert scene.awake() == 0


def test_a_judge_that_has_left_blocks_the_run() -> None:
    made = workflow("flow", do("draft", draft, quality=quality(ONE, "judge")), delay("nap", 1))
    with played(member("judge", half), made) as scene:
        agents: Any = scene.eng.child("agents")
        agents.leave("judge").get()
        run = scene.start("flow")
        scene.sim.advance(5)
        assert scene.state(run) == "blocked"


def test_a_step_in_another_team_is_scored_and_done_again() -> None:
    def work(asked: Any) -> object:
        return {"score": 1.0 if isinstance(asked["input"], Revision) else 0.1}

    steps = [{"role": "writer", "action": "write"}]
    made = workflow("flow", in_team("draft", "crew", steps, quality=quality(ONE, graded, on_low="retry")))
    with played(team("crew", member("writer", work)), made) as scene:
        run = scene.start("flow")
        assert run.get(timeout=100) == {"score": 1.0}
        done = [each.step for each in run.history().get() if each.kind == "done"]
        assert done == [
            "draft/write",
            "draft/.quality/good",
            "draft/.quality",
            "draft#2/write",
            "draft#2/.quality/good",
            "draft#2/.quality",
        ]


def test_a_step_that_waits_for_its_scores_has_not_ended() -> None:
    async def slow(result: object) -> float:
        await asyncio.sleep(100)
        return 1.0

    made = workflow(
        "flow",
        do("draft", draft, quality=quality(ONE, "judge"), metadata={"estimated_duration": 1}),
        do("end", draft, metadata={"estimated_duration": 1}),
    )
    with played(member("judge", slow), made) as scene:
        run = scene.start("flow")
        scene.sim.advance(10)
        assert run.status().get().percentage == 0.0
        assert run.get(timeout=1000)


def test_scores_are_counted_by_domain_and_outcome() -> None:
    registry = CollectorRegistry()
    made = workflow("flow", do("draft", lambda value: {"score": value}, quality=quality(ONE, graded, threshold=0.5)))
    with played(made, workflow("outer", nested("part", made))) as scene, WorkflowMetrics(scene.sim.runtime, registry):
        for score in (0.25, 0.5, 1.0):
            scene.result("flow", score)
        failure(lambda: scene.result("flow", 7))

        def value(name: str, **labels: str) -> float | None:
            return registry.get_sample_value(f"letitcrash_workflow_{name}", labels)

        failure(lambda: scene.result("outer", 7))
        labels = {"engine": "eng", "workflow": "outer", "domain": "ONE", "outcome": "unscored"}
        assert value("quality_total", **labels) == 1
        for outcome, count in (("passed", 2), ("failed", 1), ("unscored", 1)):
            labels = {"engine": "eng", "workflow": "flow", "domain": "ONE", "outcome": outcome}
            assert value("quality_total", **labels) == count, outcome
        assert value("quality_score_sum", domain="ONE") == 1.75
        assert value("quality_score_count", domain="ONE") == 3
        assert value("quality_score_bucket", domain="ONE", le="0.85") == 2


# Gates


def test_a_domain_is_a_gate() -> None:
    def work(value: Any) -> object:
        return {"good": 1.0} if isinstance(value, Revision) else {"good": 0.1}

    result, heard = played_in_memory(quality_gate(work, ONE))
    assert result == {"good": 1.0}
    assert [type(each) for each in heard] == [LowQuality, QualityScored]


def test_a_gate_with_scorers_rejects_with_the_scores() -> None:
    result, heard = played_in_memory(quality_gate(draft, scored(ONE, graded, threshold=0.95), max_rounds=2))
    assert isinstance(result, NotApproved)
    assert [each.score for each in result.feedback] == [0.3, 0.6]  # type: ignore[attr-defined]
    assert {each.step for each in heard} == {"gate", "gate#2"}


# Bad input


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (
            lambda: quality_domain("", a=at_least(2, weight=0), b="x", c=float("nan")),  # type: ignore[arg-type]
            [
                "quality_domain '': name: must be a printable string, got ''",
                "quality_domain ''/a: threshold: must be a number from 0 to 1, got 2",
                "quality_domain ''/a: weight: must be a number more than 0 and at most 1,000,000, got 0",
                "quality_domain ''/b: must be at_least(...), or a number from 0 to 1, got 'x'",
                "quality_domain ''/c: threshold: must be a number from 0 to 1, got nan",
            ],
        ),
        (
            lambda: wait("a", "x", quality=quality(ONE)),  # type: ignore[call-arg]
            ["step 'a': quality: is for a step that is work"],
        ),
        (lambda: quality_domain("D"), ["quality_domain 'D': has no criteria, such as completeness=at_least(0.9)"]),
        (
            lambda: quality_domain("D", **{"a/b": 0.5}),
            ["quality_domain 'D'/a/b: a criterion begins with a letter and has letters, digits, _ and -"],
        ),
        (
            lambda: quality(
                ONE,
                {"god": half, "good": 7},  # type: ignore[dict-item]
                threshold=1.5,
                on_low="redo",  # type: ignore[arg-type]
                max_rounds=0,
                timeout=0,
                person="boss",
            ),
            [
                "quality: threshold: must be a number from 0 to 1, got 1.5",
                "quality: timeout: must be more than 0 seconds, or None for any time, got 0",
                "quality: scorers/god: ONE has no such criterion; did you mean 'good'?",
                "quality: scorers/good: must be a member, a role, can(...), a pool, a pattern or a function, got 7",
                "quality: on_low: must be one of warn, retry, ask, fail, got 'redo'",
                "quality: max_rounds: must be an integer >= 1, got 0",
                "quality: person: is asked with on_low='ask' alone",
            ],
        ),
        (
            lambda: quality("ANALYTICL", "$input.score", on_low="ask"),
            [
                "quality: domain: must be quality_domain(...) or a name, got 'ANALYTICL'; did you mean 'ANALYTICAL'?",
                "quality: scorers: must be a field of the result, such as \"$self.score\", got '$input.score'",
                "quality: person: on_low='ask' needs the person that decides",
            ],
        ),
        (
            lambda: do("a", "x", quality=ONE, max_iterations=2),  # type: ignore[arg-type]
            [
                f"step 'a': quality: must be quality(...), got {ONE!r}",
                "step 'a': quality and max_iterations: on_low='retry' repeats the step; give one of them",
            ],
        ),
    ],
)
def test_every_fault_of_a_quality_is_found_at_once(build: Callable[[], object], wanted: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        build()
    assert [f"{each.path}: {each.message}" for each in caught.value.faults] == wanted


def test_a_judge_that_is_not_in_the_team_is_found_before_anything_starts() -> None:
    with pytest.raises(SpecError, match="no member or role 'judge'"), played(checked(quality(ONE, "judge"))):
        raise AssertionError


# Files and versions


def test_a_step_without_a_quality_has_the_version_that_it_had() -> None:
    made = workflow("flow", do("a", "x", metadata={"quality_domain": "ANALYTICAL", "quality_threshold": 0.9}))
    assert "on_low" not in made.body
    assert made.version == "0f2021ab07bac47503e509b37c5634c86c136ae01ef579a55b6e611b3fd9678c"


def test_thresholds_beside_no_on_low_stay_metadata() -> None:
    step = {"id": "a", "agent": "x", "quality": 0.9, "quality_domain": "ANALYTICAL"}
    (node,) = workflow_from({"workflow": "w", "steps": [step]}).graph.nodes
    assert node.quality is None
    assert node.metadata == {"quality": 0.9, "quality_domain": "ANALYTICAL"}


@pytest.mark.parametrize("threshold", ["quality", "quality_threshold"])
def test_on_low_makes_a_quality_of_the_thresholds_of_a_step(threshold: str) -> None:
    step = {"id": "a", "agent": "x", threshold: 0.9, "quality_domain": "SERVICE", "on_low": "retry"}
    (node,) = workflow_from({"workflow": "w", "steps": [step]}).graph.nodes
    assert node.quality == quality("SERVICE", threshold=0.9, on_low="retry")
    assert node.metadata == {}


@pytest.mark.parametrize(
    "how",
    [
        quality("GENERIC"),
        quality(ONE, half, on_low="retry", max_rounds=7),
        quality(TWO, "judge", threshold=0.5),
        quality(TWO, "$self.scores[0]"),
        quality(TWO, {"true": "$self.score"}, on_low="ask", person="boss", timeout=5),
    ],
)
def test_the_body_of_a_workflow_has_its_quality(how: Quality) -> None:
    made = workflow("w", do("a", "x", quality=how))
    again = workflow_from(json.loads(made.body))
    assert again.graph.nodes[0].quality == how
    assert again.version == made.version
    assert made.version != workflow("w", do("a", "x")).version


def test_every_fault_of_a_quality_in_a_file_is_found_at_once() -> None:
    quality = {
        "domain": {"name": "D", "criteria": {"a": 2, "b": {"at_least": 0.5, "weight": 0, "wait": 1}}},
        "scorer": "x",
        "threshold": 3,
    }
    steps = [
        {"id": "a", "agent": "x", "quality": quality},
        {"id": "b", "agent": "x", "on_low": "redo", "quality_threshold": 2, "quality_domain": "SERVIC"},
        {"id": "c", "agent": "x", "on_low": "warn", "quality": {"domain": "GENERIC"}},
        {"id": "d", "agent": "x", "on_low": "ask"},
        {"id": "e", "sleep": 1, "on_low": "warn"},
        {"id": "f", "agent": "x", "quality": {"domain": {"name": "D", "criteria": 3}, "scorers": {"god": {"x": 1}}}},
        {"id": "g", "wait": "x", "quality": {"domain": "GENERIC"}},
        {"id": "h", "agent": "x", "quality": 0.9, "quality_threshold": 0.9, "on_low": "warn"},
        {"id": "i", "agent": "x", "quality": {}},
    ]
    with pytest.raises(SpecError) as caught:
        workflow_from({"workflow": "w", "steps": steps})
    assert [f"{each.path}: {each.message}".partition("; known")[0] for each in caught.value.faults] == [
        "w/a/quality: scorer: unknown key; did you mean 'scorers'?",
        "w/a/quality/domain/b: wait: unknown key; did you mean 'weight'?",
        "w/a/quality/domain: a: threshold: must be a number from 0 to 1, got 2",
        "w/a/quality/domain: b: weight: must be a number more than 0 and at most 1,000,000, got 0",
        "w/a/quality: threshold: must be a number from 0 to 1, got 3",
        "w/b/quality: domain: must be quality_domain(...) or a name, got 'SERVIC'; did you mean 'SERVICE'?",
        "w/b/quality: threshold: must be a number from 0 to 1, got 2",
        "w/b/quality: on_low: must be one of warn, retry, ask, fail, got 'redo'",
        "w/c: on_low: write it into quality",
        "w/d/quality: person: on_low='ask' needs the person that decides",
        "w/e: on_low: unknown key",
        "w/f/quality/domain: criteria: must be a mapping of criteria, got 3",
        "w/f/quality/domain: has no criteria, such as completeness=at_least(0.9)",
        'w/f/quality: scorers/god: must be a name, { can = "capability" } or { pool = "role" }, got {\'x\': 1}',
        "w/g: quality: unknown key",
        "w/h: has quality and quality_threshold; give one of them",
        "w/i/quality: domain: is missing",
    ]
