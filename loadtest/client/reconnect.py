"""When the browser client comes back, and what it keeps for later (backend.md, Browser client). Pure."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from msgspec import Struct

QUEUE_LIMIT: Final = 100
"""Messages that the offline queue holds (the guide, Message Queue During Disconnection)."""

Item = TypeVar("Item")


class Backoff(Struct, frozen=True):
    """The browser client's reconnection schedule.

    Attributes:
        base_s: wait before the first attempt, seconds.
        max_s: longest wait before jitter, seconds.
        attempts: attempts in a row before it gives up; a success starts the count anew.
        jitter: greatest share of the wait that is added to it.
    """

    base_s: float = 1.0
    max_s: float = 30.0
    attempts: int = 5
    jitter: float = 0.2

    def bounds(self, attempt: int) -> tuple[float, float]:
        """The least and the most that attempt `attempt` (from 0) may wait, seconds."""
        return self.delay(attempt, 0.0), self.delay(attempt, 1.0)

    def delay(self, attempt: int, luck: float) -> float:
        """Seconds to wait before attempt `attempt` (from 0): min(base * 2^attempt, max), plus jitter.

        Args:
            luck: a uniform draw from [0, 1).
        """
        return min(self.base_s * 2.0**attempt, self.max_s) * (1.0 + self.jitter * luck)


class OfflineQueue(Generic[Item]):
    """First in, first out; when full, the oldest makes room."""

    __slots__ = ("_items", "_limit")

    def __init__(self, limit: int = QUEUE_LIMIT) -> None:
        self._items: list[Item] = []  # a deque takes 600 bytes of every connection, and most never queue
        self._limit = limit

    def __len__(self) -> int:
        return len(self._items)

    def push(self, item: Item) -> Item | None:
        """Add an item; returns the one that was dropped for it, if any."""
        dropped = self._items.pop(0) if len(self._items) >= self._limit else None
        self._items.append(item)
        return dropped

    def take_all(self) -> list[Item]:
        """Everything, oldest first; the queue is empty afterwards."""
        items, self._items = self._items, []
        return items
