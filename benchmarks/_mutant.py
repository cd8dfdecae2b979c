"""One mutant in a process of its own: `python -m benchmarks._mutant TRIALS` in the folder of its packages.

Runs every trial in the file `TRIALS`, a JSON list of blobs, until one fails, and prints what came of it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

import supervisors
from actors._facade import load_everything
from actors.testing import OracleFailure
from supervisors.testing import ReferenceDisagreement, Trial


def judge(blobs: list[str]) -> dict[str, object]:
    """What the first failing trial shows; `by` is None when all pass."""
    for number, blob in enumerate(blobs, 1):
        trial = Trial.decode(blob)
        try:
            trial.run()
        except ReferenceDisagreement as error:
            return {"by": f"disagreement, rule {error.rule}", "trial": number, "detail": str(error)}
        except OracleFailure as error:
            return {"by": type(error).__name__, "trial": number, "detail": str(error)}
        except Exception as error:  # noqa: BLE001 - a mutant may raise anything, and that is how it shows
            return {"by": type(error).__name__, "trial": number, "detail": str(error)}
    return {"by": None, "trial": len(blobs), "detail": ""}


def main(trials: str) -> None:
    """Writes the outcome to the standard output, which nothing else reaches meanwhile."""
    here = Path.cwd().resolve()
    assert supervisors.__file__ is not None
    if not Path(supervisors.__file__).resolve().is_relative_to(here):
        raise SystemExit(f"the packages of {here} were to be tested, and {supervisors.__file__} was imported")
    load_everything()
    logging.disable(logging.CRITICAL)
    with os.fdopen(os.dup(1), "w") as told:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        blobs = json.loads(Path(trials).read_text(encoding="utf-8"))
        told.write(json.dumps(judge(blobs)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
