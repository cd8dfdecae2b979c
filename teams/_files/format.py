"""The format of team files, as `supervisors` knows it. The reader loads when there is such a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from supervisors._formats import Format

if TYPE_CHECKING:
    from supervisors.spi import SupervisorSpec


def _parse(content: Mapping[str, object]) -> SupervisorSpec:
    from teams._files.team import parse_team

    return parse_team(content)


TEAM = Format("team", frozenset({"members"}), _parse)
