"""The name of the project, once."""

from __future__ import annotations

NAME = "letitcrash"
"""The distribution, the command and the logger; the prefix of metrics, threads, tasks and context variables."""

ENVIRONMENT = f"{NAME.upper()}_"
"""The prefix of environment variables."""
