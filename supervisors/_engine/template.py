"""The template of a dynamic supervisor, and the ids of its children (rule 23)."""

from __future__ import annotations

from supervisors._specs.fields import Args
from supervisors._specs.spec import Spec, TaskCall


class Template:
    """Makes the specs of the children of a dynamic supervisor. Ids are "1", "2" and so on."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._issued = 0

    def instance(self, what: Args | TaskCall) -> tuple[Spec, str]:
        """The spec of a new child and its id. Raises SpecError if the template does not take these arguments."""
        spec = self.spec.instance(what)
        self._issued += 1
        return spec, str(self._issued)

    def has_issued(self, id: object) -> bool:
        """Whether some child had this id."""
        return isinstance(id, str) and id.isdecimal() and str(int(id)) == id and 0 < int(id) <= self._issued
