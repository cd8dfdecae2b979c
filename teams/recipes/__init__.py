"""Recipes: special cases of patterns and trees, built on the public API alone.

A recipe imports only the facades and pydantic, so it is also an example of what a user can build.
"""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
    from teams.recipes._choose import Choice, Situation, choose
    from teams.recipes._coordination import centralised, command, hybrid
    from teams.recipes._electorate import electorate
    from teams.recipes._fast_track import FastTrack, FastTracked, fast_track
    from teams.recipes._staged import staged

__all__ = [
    "Choice",
    "FastTrack",
    "FastTracked",
    "Situation",
    "centralised",
    "choose",
    "command",
    "electorate",
    "fast_track",
    "hybrid",
    "staged",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "teams.recipes._choose": ["Choice", "Situation", "choose"],
            "teams.recipes._coordination": ["centralised", "command", "hybrid"],
            "teams.recipes._electorate": ["electorate"],
            "teams.recipes._fast_track": ["FastTrack", "FastTracked", "fast_track"],
            "teams.recipes._staged": ["staged"],
        },
    )
