"""Patterns: what a team does with a piece of work, composed from the protocols.

Each is a frozen value made by the function of its name, played by `TeamRef.play`, as the goal of a team, or as a step
of another pattern.
"""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
    from teams.patterns._broadcast_to import BroadcastTo, broadcast_to
    from teams.patterns._delegate import Delegate, delegate
    from teams.patterns._event_driven import EventDriven, event_driven
    from teams.patterns._hierarchical import (
        Delegation,
        Hierarchical,
        delegation,
        hierarchical,
    )
    from teams.patterns._parallel import Parallel, parallel
    from teams.patterns._pipeline import Pipeline, Stage, pipeline, stage
    from teams.patterns._plan import Plan, Subtask, Synthesis
    from teams.patterns._refine import QualityGate, Refine, Refined, quality_gate, refine
    from teams.patterns._review import MultiStageReview, multi_stage_review
    from teams.patterns._sequential import Sequential, sequential
    from teams.patterns._verdict import Approved, Rejected, Reviews, Revision, Verdict

__all__ = [
    "Approved",
    "BroadcastTo",
    "Delegate",
    "Delegation",
    "EventDriven",
    "Hierarchical",
    "MultiStageReview",
    "Parallel",
    "Pipeline",
    "Plan",
    "QualityGate",
    "Refine",
    "Refined",
    "Rejected",
    "Reviews",
    "Revision",
    "Sequential",
    "Stage",
    "Subtask",
    "Synthesis",
    "Verdict",
    "broadcast_to",
    "delegate",
    "delegation",
    "event_driven",
    "hierarchical",
    "multi_stage_review",
    "parallel",
    "pipeline",
    "quality_gate",
    "refine",
    "sequential",
    "stage",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "teams.patterns._broadcast_to": ["BroadcastTo", "broadcast_to"],
            "teams.patterns._delegate": ["Delegate", "delegate"],
            "teams.patterns._event_driven": ["EventDriven", "event_driven"],
            "teams.patterns._hierarchical": [
                "Delegation",
                "Hierarchical",
                "delegation",
                "hierarchical",
            ],
            "teams.patterns._parallel": ["Parallel", "parallel"],
            "teams.patterns._pipeline": ["Pipeline", "Stage", "pipeline", "stage"],
            "teams.patterns._plan": ["Plan", "Subtask", "Synthesis"],
            "teams.patterns._refine": ["QualityGate", "Refine", "Refined", "quality_gate", "refine"],
            "teams.patterns._review": ["MultiStageReview", "multi_stage_review"],
            "teams.patterns._sequential": ["Sequential", "sequential"],
            "teams.patterns._verdict": ["Approved", "Rejected", "Reviews", "Revision", "Verdict"],
        },
    )
