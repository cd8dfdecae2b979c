"""The connection of this program to Ray, which all its runtimes share: Ray has one for a process."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading

from actors._core.process import RaySpec
from actors._extras import needs_extra

_LOCAL = ("auto", "local")
_HEAD_AWAY = ("RAY_gcs_rpc_server_reconnect_timeout_s", "2000000")
"""The setting of Ray for the seconds after which a process ends that does not reach the head, and our value for it."""


class RayConnection:
    """Connects with the first user, and disconnects with the last one if it was not connected before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._ours = False

    def join(self, spec: RaySpec) -> None:
        """Connects, unless the program is connected. Blocks for seconds. Raises OSError, and what Ray raises."""
        with self._lock:
            # Otherwise Ray ends this process when the head of the cluster is away for a minute. Read at the import.
            os.environ.setdefault(*_HEAD_AWAY)
            with needs_extra():
                import ray
            address = spec.address or os.environ.get("RAY_ADDRESS")
            problem = None if spec.insecure or address is None else open_fault(address, os.environ.get("RAY_AUTH_MODE"))
            if problem is not None:
                raise PermissionError(problem)
            if not ray.is_initialized():
                ray.init(address=address or "local")
                self._ours = True
            elif spec.address is not None and spec.address not in _LOCAL:
                here = ray.get_runtime_context().gcs_address
                if here != spec.address:
                    raise OSError(
                        f"the program is connected to the Ray cluster at {here}, and a process has one connection: "
                        f"address={spec.address!r} is another cluster"
                    )
            self._users += 1

    def leave(self) -> None:
        """One user has ended. Blocks for a second when it was the last one."""
        import ray

        with self._lock:
            self._users -= 1
            if self._users == 0 and self._ours:
                self._ours = False
                ray.shutdown()


CONNECTION = RayConnection()


def open_fault(address: str, mode: str | None) -> str | None:
    """Why a cluster at this address must not be used with this RAY_AUTH_MODE; None: it may."""
    if mode == "token" or address in _LOCAL or is_here(address.rpartition(":")[0] or address):
        return None
    return (
        f"the Ray cluster at {address} is not on this machine, and RAY_AUTH_MODE is {mode or 'not set'}: every "
        "client that reaches its ports can run code there. Set RAY_AUTH_MODE=token, or say ray(insecure=True)"
    )


def is_here(host: str) -> bool:
    """Whether a host is this machine. One whose name is not known is not."""
    try:
        found = {each[4][0] for each in socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_DGRAM)}
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(each).is_loopback or _is_own(str(each)) for each in found)


def _is_own(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
