"""The extras of the distribution, and the error of one that is not installed.

A module that an extra brings is imported in `with needs_extra():`, so that every such error says what to install.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from actors._name import NAME
from actors.errors import MissingExtra

EXTRA_OF = {
    "alembic": "workflows",
    "click": "cli",
    "cronsim": "workflows",
    "greenlet": "testing",
    "hypothesis": "testing",
    "opentelemetry": "otel",
    "psycopg": "postgres",
    "pytest": "testing",
    "ray": "ray",
    "rich": "cli",
    "sqlalchemy": "workflows",
    "typer": "cli",
    "uvloop": "uvloop",
    "yaml": "yaml",
}
"""The extra of each module that not every installation has."""


@contextlib.contextmanager
def needs_extra() -> Iterator[None]:
    """Around imports of what extras bring.

    Raises:
        MissingExtra: in place of the ModuleNotFoundError of such a module
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if isinstance(error, MissingExtra):
            raise
        name = (error.name or "").partition(".")[0]
        if name not in EXTRA_OF:
            raise
        raise MissingExtra(name, f"{NAME}[{EXTRA_OF[name]}]") from None
