"""A Postgres server of a test's own, which it may stop and start."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PASSWORD = "correct horse"


@cache
def binaries() -> Path | None:
    """Where `initdb` and `pg_ctl` are; None: nowhere."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    places = [
        *Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        *Path("/opt/homebrew/opt").glob("postgresql*/bin/initdb"),
    ]
    return max(places).parent if places else None


def _user() -> str | None:
    """Another user to run the server as, because it refuses the superuser; None: this one will do."""
    if os.getuid() != 0:
        return None
    return pwd.getpwnam("postgres").pw_name


@dataclass
class Cluster:
    """A server in a folder of its own, with its socket there: no other program can take its address while it is
    stopped. It asks for a password.
    """

    bin: Path
    folder: Path

    def url(self, password: str = PASSWORD) -> str:
        """The address of its database."""
        return f"postgresql://postgres:{password.replace(' ', '%20')}@/postgres?host={self.folder}"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder}"
        self.run("pg_ctl", "-D", "data", "-l", "log", "-s", "-w", "start", "-o", options)

    def stop(self) -> None:
        """Ends it as a crash does."""
        self.run("pg_ctl", "-D", "data", "-m", "immediate", "-s", "-w", "stop")

    def run(self, program: str, *arguments: str) -> None:
        """Runs a program of Postgres."""
        done = subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.folder,
            user=_user(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server that runs. Without Postgres's programs the test is skipped; in CI it fails."""
    place = binaries()
    if place is None:
        why = "initdb of Postgres is not installed (apt install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        user = _user()
        if user is not None:
            for each in (folder, folder / "password"):
                shutil.chown(each, user)
        found = Cluster(place, folder)
        ways = ("-A", "scram-sha-256", "--pwfile=password", "-U", "postgres")
        found.run("initdb", "-D", "data", *ways, "-E", "UTF8", "--locale=C", "--no-sync")
        found.start()
        try:
            yield found
        finally:
            found.stop()
