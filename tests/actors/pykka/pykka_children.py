"""A pytest plugin for pykka's own tests: each actor that they start is a child of a tree. It is copied out of this
package before it is used, because pykka's tests are a package `tests`, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pykka
import pytest

from supervisors import child, start, supervisor

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _tree(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tree for each test. A child is `temporary`, so that its first exit is its last, as without a supervisor."""

    def start_child(cls: type[Any], *args: Any, **kwargs: Any) -> Any:
        assert not (args and kwargs)
        spec = child(f"actor{next(_numbers)}", cls, args=kwargs or args, restart="temporary")
        return root.start_child(spec).get(timeout=30)

    with start(supervisor("root"), watchdog=None) as root:
        monkeypatch.setattr(pykka.Actor, "start", classmethod(start_child))
        yield


@pytest.fixture
def mocker() -> Iterator[SimpleNamespace]:
    """The part of pytest-mock that pykka's tests use."""
    with ExitStack() as patches:

        def patch(target: Any, *args: Any, **kwargs: Any) -> Any:
            return patches.enter_context(mock.patch(target, *args, **kwargs))

        def patch_object(*args: Any, **kwargs: Any) -> Any:
            return patches.enter_context(mock.patch.object(*args, **kwargs))

        patch.object = patch_object  # type: ignore[attr-defined]
        yield SimpleNamespace(
            Mock=mock.Mock, MagicMock=mock.MagicMock, NonCallableMock=mock.NonCallableMock, patch=patch
        )
