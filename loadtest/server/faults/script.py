"""What a server was ordered to do wrong, and what it did."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from msgspec import Struct

from ..counts import ServerCounts
from ..truth import MessageTruth
from .kinds import Fault
from .orders import Order


class Progress(Struct):
    """How far an order has come.

    Attributes:
        order: its text.
        occasions: how often it could have been done since it was ordered.
        due: how often it was to be done.
    """

    order: str
    occasions: int = 0
    due: int = 0


class Script:
    """The orders of one server. An occasion is counted for each order of its fault; the first that is due is done.

    Args:
        counts: where what was done is counted.
        orders: the first orders.
    """

    def __init__(self, counts: ServerCounts, orders: Iterable[Order] = ()) -> None:
        self._counts = counts
        self._orders: dict[Fault, list[tuple[Order, Progress, Random]]] = {}
        self._over = False
        for order in orders:
            self.add(order)

    def add(self, order: Order) -> None:
        """Order one more; its occasions count from now."""
        entry = (order, Progress(order.text), Random(order.seed))
        self._orders.setdefault(order.fault, []).append(entry)

    def clear(self) -> None:
        """Take all orders back."""
        self._orders.clear()

    def close(self) -> None:
        """Nothing goes wrong from here on: the server stops."""
        self.clear()
        self._over = True

    def progress(self) -> list[Progress]:
        """Of each order, in the order of the table of faults."""
        return [progress for fault in Fault for _, progress, _ in self._orders.get(fault, ())]

    def has(self, fault: Fault) -> bool:
        """Whether there is an order of this fault."""
        return fault in self._orders

    def due(self, fault: Fault) -> Order | None:
        """An occasion has come: the order to carry out, if there is one."""
        if self._over or fault not in self._orders:
            return None
        found = None
        for order, progress, random in self._orders[fault]:
            progress.occasions += 1
            if _is_meant(order, progress.occasions, random) and found is None:
                progress.due += 1
                found = order
        return found

    def moment(self, order: Order) -> bool:
        """The moment of an order has come: whether it still stands."""
        for standing, progress, _ in self._orders.get(order.fault, ()):
            if standing is order:
                progress.occasions += 1
                progress.due += 1
                return True
        return False

    def did(self, fault: Fault, truth: MessageTruth | None = None, times: int = 1) -> None:
        """Count what was done, and name it in the truth of the message that it was done to."""
        self._counts.fault(fault, times)
        if truth is not None:
            truth.faults.append(fault)


def _is_meant(order: Order, occasion: int, random: Random) -> bool:
    if occasion < order.first or (order.last is not None and occasion > order.last):
        return False
    if (occasion - order.first + 1) % order.every:
        return False
    return order.share == 1 or random.random() < order.share
