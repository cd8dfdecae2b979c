"""The vocabulary: what agents tell each other says who, when and what it belongs to."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from actors import Actor, handles
from actors.testing import simulation
from teams.recipes import Alert, Complete, Discovery, Help, Request

NOTICES: list[Any] = [Discovery, Request, Alert, Complete]


@pytest.mark.parametrize("kind", NOTICES)
def test_a_notice_is_frozen_and_needs_what_it_is_about(kind: Any) -> None:
    """Guards the messages as values."""
    notice = kind(correlation_id="c", at=1.0, what="it", trace={"traceparent": "00-1-2-01"})
    with pytest.raises(ValidationError):
        notice.at = 2.0
    with pytest.raises(ValidationError):
        kind(correlation_id="c", at=1.0)
    assert notice.trace == {"traceparent": "00-1-2-01"}


def test_a_notice_has_sender_time_and_the_id_of_the_message_in_hand() -> None:
    """Guards `now`."""

    class Scout(Actor):
        @handles
        def look(self, request: Request) -> Discovery:
            return Discovery.now(what="a bug", details=request.details)

    with simulation() as sim:
        scout = sim.spawn(Scout)
        sim.advance(3)
        request = Request(correlation_id="mission", at=0.0, what="look", details=7)
        found = sim.call(scout.call(request, correlation_id=request.correlation_id))
        assert found == Discovery(sender=scout.path, correlation_id="mission", at=3.0, what="a bug", details=7)
        begun = sim.call(scout.call(request))
        assert begun.correlation_id not in ("mission", "")


def test_help_names_the_choices_of_a_person() -> None:
    """Guards the message that goes to a person."""
    help = Help(correlation_id="c", at=0.0, question="Deploy?", options=("yes", "no"))
    assert help.options == ("yes", "no")
