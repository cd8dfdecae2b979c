"""Testing your own tree: the reference model of a supervisor, and strategies for specs and whole trees. Needs `understudy[testing]`.

General layout: this package imports `actors.testing` through its seam `_actors` alone. `_model`, `_requests` and `_promptness` are the model of
one supervisor, written from the rules and not from the engine; `_reference` is the oracle over a whole tree. `import supervisors` imports none of it.
"""

from supervisors.testing._errors import ReferenceDisagreement
from supervisors.testing._reference import Reference

__all__ = ["Reference", "ReferenceDisagreement"]
