"""The keys of patterns in files, one model for each mapping."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from teams._files.seconds import Seconds
from teams._runs.step import OnFailure


class Keys(BaseModel):
    """The keys of one mapping. What is itself a mapping is read by the reader, which knows its place."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class StepKeys(Keys):
    agent: object
    name: str | None = None
    timeout: Seconds | None = None
    on_failure: OnFailure = "stop"
    attempts: PositiveInt = 1
    priority: int | None = None
    fallback: list[object] = Field(default_factory=list)
    when: object = None
    transform: object = None


class StageKeys(StepKeys):
    parallel: PositiveInt = 1


class SequentialKeys(Keys):
    steps: list[object] = Field(min_length=1)


class PipelineKeys(Keys):
    stages: list[object] = Field(min_length=1)


class ParallelKeys(Keys):
    branches: dict[str, object] | list[object] = Field(min_length=1)
    aggregator: object = None
    policy: object = "collect"
    within: Seconds | None = None


class HierarchicalKeys(Keys):
    root: object
    delegation_rules: list[object] = Field(default_factory=list)
    synthesize: object = None
    policy: object = "collect"
    within: Seconds | None = None


class RuleKeys(Keys):
    parent: object
    children: list[object] = Field(min_length=1)
    condition: object = None


class CommandKeys(Keys):
    commander: object
    squad_leaders: dict[str, object] = Field(min_length=1)
    policy: object = "collect"
    within: Seconds | None = None


class SquadKeys(Keys):
    workers: list[object] = Field(min_length=1)


class SectionsKeys(Keys):
    sections: dict[str, object] = Field(min_length=1)
    failure_handling: object = None


class SectionKeys(Keys):
    agents: list[object] = Field(min_length=1)
    pattern: Literal["sequential", "parallel"]
    timeout: Seconds | None = None
    on_failure: OnFailure = "stop"


class FailureHandlingKeys(Keys):
    agent_failure: Literal["stop", "continue_with_warning", "retry_once", "skip", "retry_then_skip"] = "stop"


class GateKeys(Keys):
    gate: object
    producer: object
    max_rounds: PositiveInt = 3


class RefineKeys(Keys):
    reviewer: object
    producer: object
    max_iterations: PositiveInt = 3


class ReviewKeys(Keys):
    reviewers: dict[str, object] | list[object] = Field(min_length=1)
    approval: object = None
    policy: object = "collect"
    within: Seconds | None = None


class EventDrivenKeys(Keys):
    topic: str
    deadline: Seconds | None = None


class QuorumKeys(Keys):
    quorum: PositiveInt
