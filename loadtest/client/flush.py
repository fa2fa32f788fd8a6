"""What comes back of an offline queue that was sent at once: in which order, and how often. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Return(StrEnum):
    """What the broadcast of a flushed message says of the flush, as its own sender hears it."""

    IN_ORDER = "in order"
    OUT_OF_ORDER = "out of order"
    """After one that was sent later."""
    AGAIN = "again"
    """Broadcast before: a duplicate."""


class Flush:
    """One flush, for as long as its broadcasts may come back.

    Args:
        message_ids: in the order of sending.
    """

    __slots__ = ("_furthest", "_heard", "_places")

    def __init__(self, message_ids: Sequence[str]) -> None:
        self._places = {message_id: place for place, message_id in enumerate(message_ids)}
        self._heard: set[str] = set()
        self._furthest = -1

    def heard(self, message_id: str) -> Return | None:
        """A broadcast came; None where its message was not of this flush."""
        place = self._places.get(message_id)
        if place is None:
            return None
        if message_id in self._heard:
            return Return.AGAIN
        self._heard.add(message_id)
        if place < self._furthest:
            return Return.OUT_OF_ORDER
        self._furthest = place
        return Return.IN_ORDER
