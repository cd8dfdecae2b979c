"""Recipes: special cases of patterns and trees, conflicts and a vocabulary, built on the public API alone.

A recipe imports only the facades and pydantic, so it is also an example of what a user can build. `_checks` has what
makes a function a builder.
"""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
    from teams.recipes._choose import Choice, Situation, choose
    from teams.recipes._conflict import (
        Claim,
        Contention,
        Contradiction,
        Disagreement,
        Escalated,
        Position,
        Resolved,
        Statement,
        resolve,
        settle,
    )
    from teams.recipes._coordination import centralised, command, hybrid
    from teams.recipes._electorate import electorate
    from teams.recipes._fast_track import FastTrack, FastTracked, fast_track
    from teams.recipes._staged import staged
    from teams.recipes._vocabulary import Alert, Complete, Discovery, Help, Notice, Request

__all__ = [
    "Alert",
    "Choice",
    "Claim",
    "Complete",
    "Contention",
    "Contradiction",
    "Disagreement",
    "Discovery",
    "Escalated",
    "FastTrack",
    "FastTracked",
    "Help",
    "Notice",
    "Position",
    "Request",
    "Resolved",
    "Situation",
    "Statement",
    "centralised",
    "choose",
    "command",
    "electorate",
    "fast_track",
    "hybrid",
    "resolve",
    "settle",
    "staged",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "teams.recipes._choose": ["Choice", "Situation", "choose"],
            "teams.recipes._conflict": [
                "Claim",
                "Contention",
                "Contradiction",
                "Disagreement",
                "Escalated",
                "Position",
                "Resolved",
                "Statement",
                "resolve",
                "settle",
            ],
            "teams.recipes._coordination": ["centralised", "command", "hybrid"],
            "teams.recipes._electorate": ["electorate"],
            "teams.recipes._fast_track": ["FastTrack", "FastTracked", "fast_track"],
            "teams.recipes._staged": ["staged"],
            "teams.recipes._vocabulary": ["Alert", "Complete", "Discovery", "Help", "Notice", "Request"],
        },
    )
