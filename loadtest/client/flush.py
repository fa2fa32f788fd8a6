"""What comes back of an offline queue that was sent at once: in which order, how often, and when all of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from loadtest.model import Flush


class Return(StrEnum):
    """What the broadcast of a flushed message says of the flush, as its own sender hears it."""

    IN_ORDER = "in order"
    OUT_OF_ORDER = "out of order"
    """After one that was sent later."""
    AGAIN = "again"
    """Broadcast before: a duplicate."""


class OpenFlush:
    """One flush, for as long as its broadcasts may come back. Instants are monotonic ns.

    Args:
        message_ids: in the order of sending.
        began_ns: when the user was authenticated.
        dropped: messages that the full queue had lost before.
        after_outage: as in `model.Flush`.

    Attributes:
        ended_ns: the last of its final acks; None while one is open, and where one never came.
        rejected: messages that the rate limit refused.
        told: whether its record was made.
    """

    __slots__ = (
        "_after_outage", "_began_ns", "_dropped", "_furthest", "_heard", "_places", "_unanswered", "_waiting",
        "ended_ns", "rejected", "told",
    )  # fmt: skip

    def __init__(self, message_ids: Sequence[str], began_ns: int, dropped: int, *, after_outage: bool) -> None:
        self._places = {message_id: place for place, message_id in enumerate(message_ids)}
        self._waiting = set(message_ids)
        self._heard: set[str] = set()
        self._furthest = -1
        self._unanswered = False
        self._began_ns = began_ns
        self._dropped = dropped
        self._after_outage = after_outage
        self.ended_ns: int | None = None
        self.rejected = 0
        self.told = False

    def __len__(self) -> int:
        """Messages that were sent."""
        return len(self._places)

    @property
    def over(self) -> bool:
        """Whether none of its messages is open."""
        return not self._waiting

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

    def answered(self, message_id: str, at_ns: int, limited: bool = False) -> None:
        """A final ack came, maybe of one of its messages.

        Args:
            limited: whether the rate limit refused it.
        """
        if message_id in self._waiting:
            self._waiting.discard(message_id)
            self.rejected += limited
            if self.over and not self._unanswered:
                self.ended_ns = at_ns

    def unanswered(self, message_id: str) -> None:
        """A message was given up, maybe one of its own. Of such a flush nobody knows the end."""
        if message_id in self._waiting:
            self._waiting.discard(message_id)
            self._unanswered = True

    def record(self, user: str, user_class: str, ended: str) -> Flush:
        """What is known of it now.

        Args:
            ended: what ended it, as in `model.Flush.ended`, where some of its messages are still open.
        """
        over = "unanswered" if self._unanswered else "answered"
        return Flush(
            user=user,
            user_class=user_class,
            after_outage=self._after_outage,
            began_ns=self._began_ns,
            ended_ns=self.ended_ns,
            sent=len(self),
            dropped=self._dropped,
            rejected=self.rejected,
            ended=over if self.over else ended,
        )
