"""The name of the project, once."""

from __future__ import annotations

NAME = "letitcrash"
"""The distribution, the command and the logger; the prefix of metrics, threads, tasks and context variables."""

PACKAGES = (NAME, "actors", "supervisors", "teams")
"""The packages of the distribution, whose frames an account of an exception leaves out."""

ENVIRONMENT = f"{NAME.upper()}_"
"""The prefix of environment variables."""
