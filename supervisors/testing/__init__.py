"""Testing your own tree: the reference model of a supervisor, and strategies for specs and whole trees. Needs
`understudy[testing]`.

General layout: this package imports `actors.testing` through its seam `_actors` alone. `_model`, `_requests` and
`_promptness` are the model of one supervisor, written from the rules and not from the engine; `_reference` is the
oracle over a whole tree; `_trial` is one run of a tree of puppets as a value, and `_strategies` generates them.
`import supervisors` imports none of it.
"""

from supervisors.testing._errors import NotEncodable, ReferenceDisagreement
from supervisors.testing._puppet import Play, Puppet, PuppetBroke
from supervisors.testing._reference import Reference
from supervisors.testing._strategies import backoffs, child_specs, own_budgets, supervisor_specs, trees, trials
from supervisors.testing._trial import Line, Trial, watch

__all__ = [
    "Line",
    "NotEncodable",
    "Play",
    "Puppet",
    "PuppetBroke",
    "Reference",
    "ReferenceDisagreement",
    "Trial",
    "backoffs",
    "child_specs",
    "own_budgets",
    "supervisor_specs",
    "trees",
    "trials",
    "watch",
]
