"""Testing your own tree: the reference model of a supervisor, and strategies for specs and whole trees. Needs
`letitcrash[testing]`.

General layout: this package imports `actors.testing` through its seam `actors.testing.spi` alone. `_model`,
`_requests`, `_updating` and `_promptness` are the model of one supervisor, written from the rules and not from the
engine; `_reference` is the oracle over a whole tree; `_trial` is one run of a tree of scripted actors as a value,
`_encoding` writes it down, and `_strategies` generates it. `_hostile` is one run of a tree whose code raises whatever
it can, as a value; `_hostile_cast` are its actors, and `_hostile_worlds` generates such and makes them small.
`_hypothesis_entry` is found by Hypothesis.
`import supervisors` imports none of it, and importing this package imports a module of it only when a name is used:
Hypothesis loads it in every test run.
"""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
    from supervisors.testing._errors import NotContained, NotEncodable, ReferenceDisagreement
    from supervisors.testing._hostile import HostileWorld
    from supervisors.testing._hostile_worlds import Palette, hostile_world, smallest
    from supervisors.testing._reference import Reference
    from supervisors.testing._scripted_actor import Perform, ScriptedActor, ScriptedFailure
    from supervisors.testing._strategies import backoffs, child_specs, own_budgets, supervisor_specs, trees, trials
    from supervisors.testing._trial import ScriptedAction, Trial, watch

__all__ = [
    "HostileWorld",
    "NotContained",
    "NotEncodable",
    "Palette",
    "Perform",
    "Reference",
    "ReferenceDisagreement",
    "ScriptedAction",
    "ScriptedActor",
    "ScriptedFailure",
    "Trial",
    "backoffs",
    "child_specs",
    "hostile_world",
    "own_budgets",
    "smallest",
    "supervisor_specs",
    "trees",
    "trials",
    "watch",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "supervisors.testing._errors": ["NotContained", "NotEncodable", "ReferenceDisagreement"],
            "supervisors.testing._hostile": ["HostileWorld"],
            "supervisors.testing._hostile_worlds": ["Palette", "hostile_world", "smallest"],
            "supervisors.testing._scripted_actor": ["Perform", "ScriptedActor", "ScriptedFailure"],
            "supervisors.testing._reference": ["Reference"],
            "supervisors.testing._strategies": [
                "backoffs",
                "child_specs",
                "own_budgets",
                "supervisor_specs",
                "trees",
                "trials",
            ],
            "supervisors.testing._trial": ["ScriptedAction", "Trial", "watch"],
        },
        needs={
            "greenlet": [
                "supervisors.testing._errors",
                "supervisors.testing._hostile",
                "supervisors.testing._hostile_worlds",
                "supervisors.testing._scripted_actor",
                "supervisors.testing._reference",
                "supervisors.testing._strategies",
                "supervisors.testing._trial",
            ],
            "hypothesis": ["supervisors.testing._strategies"],
        },
    )
