"""What the browser client keeps for later, while it is away (backend.md, Browser client). Pure."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

QUEUE_LIMIT: Final = 100
"""Messages that the offline queue holds (the guide, Message Queue During Disconnection)."""

Item = TypeVar("Item")


class OfflineQueue(Generic[Item]):
    """First in, first out; when full, the oldest makes room."""

    __slots__ = ("_items", "_limit")

    def __init__(self, limit: int = QUEUE_LIMIT) -> None:
        self._items: list[Item] = []  # a deque takes 600 bytes of every connection, and most never queue
        self._limit = limit

    def push(self, item: Item) -> Item | None:
        """Add an item; returns the one that was dropped for it, if any."""
        dropped = self._items.pop(0) if len(self._items) >= self._limit else None
        self._items.append(item)
        return dropped

    def take_all(self) -> list[Item]:
        """Everything, oldest first; the queue is empty afterwards."""
        items, self._items = self._items, []
        return items
