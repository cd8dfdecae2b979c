"""An existing pykka program, supervised unchanged.

    python examples/supervise_pykka.py

`Mailer` is plain pykka and knows nothing of supervisors: its callers use `tell`, `ask` and `proxy()` as
before. What changes is that a crash is not the end: the supervisor starts it again under the same ref, and
the letters that waited behind the crash are still delivered.
"""

from __future__ import annotations

import pykka

from supervisors import child, constant, start, supervisor


class Mailer(pykka.ThreadingActor):
    """Delivers letters. It crashes on an address without an @."""

    def __init__(self, domain: str) -> None:
        super().__init__()
        self.domain = domain
        self.delivered: list[str] = []

    def on_receive(self, message: str) -> str:
        user, domain = message.split("@")
        if domain != self.domain:
            return f"{message} is not of {self.domain}"
        self.delivered.append(user)
        return f"delivered to {user}"

    def count(self) -> int:
        """How many letters this incarnation delivered."""
        return len(self.delivered)


tree = supervisor(
    "post",
    child("mailer", Mailer, args={"domain": "example.org"}, backoff=constant(0.05)),
    max_restarts=10,
    period=60,
)


def main() -> None:
    """Five letters; the third has no address."""
    with start(tree, log=False) as root:
        mailer = root.child("mailer")
        for address in ("ada@example.org", "bob@example.org", "no address", "cleo@example.org"):
            mailer.tell(address)
        print(mailer.ask("dora@example.org", timeout=5))
        count = mailer.proxy().count().get(timeout=5)
        print(f"incarnation {mailer.incarnation} delivered {count} letters")
        for entry in root.ledger().get(timeout=5):
            print(f"ledger: {entry.child} #{entry.incarnation} {entry.reason}")


if __name__ == "__main__":
    main()
