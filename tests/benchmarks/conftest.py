"""The benchmarks are in no wheel: their folder is found beside tests/, after whatever is installed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))


@pytest.fixture(autouse=True, scope="module")
def frozen_again() -> Iterator[None]:
    """Some figures call `gc.unfreeze()`, which undoes what `tests/conftest.py` does."""
    yield
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
