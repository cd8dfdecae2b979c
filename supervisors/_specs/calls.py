"""Makes functions builders of specs: a call that Python would refuse with a TypeError is a fault (rule 24)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from actors.spi import shown, strict
from supervisors.errors import SpecError, SpecFault

F = TypeVar("F", bound=Callable[..., Any])


def builder(place: str, options: type | None = None, elsewhere: Mapping[str, str] | None = None) -> Callable[[F], F]:
    """Makes a function raise SpecError for an option that it does not have, and for an argument that is given twice, is
    one too many or is missing. The faults of the other arguments are added.

    Args:
        place: The place in the faults; `{id}` and `{id!r}` in it stand for the first argument, as in `member {id!r}`.
        options: The typed dictionary of its `**options`. None: it has none, or any option is allowed. Default: None.
        elsewhere: Options of other builders, each with the reason why it is not one here. Default: None.
    """

    def refused(first: object, problems: list[str], rest: Callable[[], object] | None) -> SpecError:
        path = place.replace("{id!r}", shown(first, 60))
        path = path.replace("{id}", first if isinstance(first, str) else shown(first, 60))
        faults = [SpecFault(path, problem) for problem in problems]
        if rest is not None:
            try:
                rest()
            except SpecError as error:
                faults += error.faults
        return SpecError(list(dict.fromkeys(faults)))

    return strict(refused, "key", options, elsewhere)
