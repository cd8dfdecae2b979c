"""The file formats of teams and of engines, as `supervisors` knows them. A reader loads when there is such a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from supervisors._formats import Format

if TYPE_CHECKING:
    from supervisors.spi import SupervisorSpec


def _parse(content: Mapping[str, object]) -> SupervisorSpec:
    from teams._files.team import parse_team

    return parse_team(content)


def _parse_engine(content: Mapping[str, object]) -> SupervisorSpec:
    from teams.workflows._engine.file import engine_from

    return engine_from(content)


ENGINE = Format("engine", frozenset({"workflows", "agents"}), _parse_engine)
WORKFLOW = Format("workflow", frozenset({"tasks"}), _parse_engine)
TEAM = Format("team", frozenset({"members"}), _parse)
