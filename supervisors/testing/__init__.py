"""Testing your own tree: the reference model of a supervisor, and strategies for specs and whole trees. Needs
`understudy[testing]`.

General layout: this package imports `actors.testing` through its seam `_actors` alone. `_model`, `_requests`,
`_updating` and `_promptness` are the model of one supervisor, written from the rules and not from the engine;
`_reference` is the oracle over a whole tree; `_trial` is one run of a tree of puppets as a value, `_encoding` writes it
down, and `_strategies` generates it. `_hypothesis_entry` is found by Hypothesis.
`import supervisors` imports none of it, and importing this package imports a module of it only when a name is used:
Hypothesis loads it in every test run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "Line": "_trial",
    "NotEncodable": "_errors",
    "Play": "_puppet",
    "Puppet": "_puppet",
    "PuppetBroke": "_puppet",
    "Reference": "_reference",
    "ReferenceDisagreement": "_errors",
    "Trial": "_trial",
    "backoffs": "_strategies",
    "child_specs": "_strategies",
    "own_budgets": "_strategies",
    "supervisor_specs": "_strategies",
    "trees": "_strategies",
    "trials": "_strategies",
    "watch": "_trial",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
