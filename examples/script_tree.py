"""A tree in a plain script: a store whose stock outlives its crashes.

Run it with: python examples/script_tree.py
"""

from __future__ import annotations

from actors import Actor, ExitReason, Message, handles
from supervisors import child, constant, start, supervisor


class Order(Message):
    """So many of an item."""

    item: str
    count: int


class OutOfStock(Exception):
    """An answer like any other: it crashes no actor."""


class Store(Actor):
    """Sells what it has. An order for an item that it never had is a KeyError, and a crash."""

    answers = (OutOfStock,)

    def __init__(self, stock: dict[str, int]) -> None:
        self.stock = dict(stock)

    @handles
    def order(self, order: Order) -> int:
        left = self.stock[order.item] - order.count
        if left < 0:
            raise OutOfStock(f"only {self.stock[order.item]} of {order.item}")
        self.stock[order.item] = left
        return left

    def carry_over(self, reason: ExitReason) -> dict[str, int]:
        return self.stock

    def on_restore(self, carried: dict[str, int]) -> None:
        self.stock = carried


tree = supervisor(
    "root",
    child("store", Store, args={"stock": {"apple": 3, "pear": 5}}, backoff=constant(0.05)),
    max_restarts=3,
    period=60,
)


def main() -> None:
    """Four orders: one too large, and one that crashes the store."""
    with start(tree, log=False) as root:
        store = root.child("store")
        for order in (
            Order(item="apple", count=2),
            Order(item="apple", count=2),
            Order(item="unicorn", count=1),
            Order(item="apple", count=1),
        ):
            try:
                said = f"{store.ask(order, timeout=5)} left"
            except OutOfStock as answer:
                said = f"no: {answer}"
            except KeyError as error:
                said = f"the store crashed with KeyError({error})"
            print(f"{order.count} x {order.item}: {said} (incarnation {store.incarnation})")
        for entry in root.ledger().get(timeout=5):
            print(f"ledger: {entry.child} #{entry.incarnation} {entry.cause}")


if __name__ == "__main__":
    main()
