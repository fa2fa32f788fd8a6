"""The ledger of one user: every message in exactly one outcome. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from loadtest.client.message import Identity, OpenMessage
from loadtest.client.offline_queue import QUEUE_LIMIT, OfflineQueue
from loadtest.client.recent import RECENT, Recent
from loadtest.model import Message, Outcome, StreamState

_DELIVERED: Final = Outcome.DELIVERED

End = Outcome | StreamState
"""How a closed message ended: its outcome, or the state of its stream where it was delivered."""


class Ledger:
    """Messages whose end is not known, those that wait for a connection, and the finished records.

    Args:
        queue_limit: messages that may wait.

    Attributes:
        ended: finished records, for the caller to take and clear.
    """

    __slots__ = ("_closed", "_identity", "_open", "_queue", "ended")

    def __init__(self, identity: Identity, queue_limit: int = QUEUE_LIMIT) -> None:
        self._identity = identity
        self._open: dict[str, OpenMessage] = {}
        self._queue: OfflineQueue[OpenMessage] = OfflineQueue(queue_limit)
        self._closed: Recent[End] = Recent(RECENT + queue_limit)  # a whole queue may be acked too late
        self.ended: list[Message] = []

    def __len__(self) -> int:
        """Messages whose end is not known yet, queued ones included."""
        return len(self._open)

    def __iter__(self) -> Iterator[OpenMessage]:
        """Messages on the wire whose end is not known, oldest first; they may be closed meanwhile."""
        return iter([entry for entry in self._open.values() if entry.sent_ns is not None])

    def get(self, message_id: str) -> OpenMessage | None:
        """The open message of this id, queued or on the wire."""
        return self._open.get(message_id)

    def on_wire(self, message_id: str) -> OpenMessage | None:
        """The open message of this id, unless it still waits for a connection and cannot have been answered."""
        entry = self._open.get(message_id)
        return entry if entry is not None and entry.sent_ns is not None else None

    def end_of(self, message_id: str) -> End | None:
        """How a message of this id ended; None where there was none lately."""
        return self._closed.get(message_id)

    def owns(self, message_id: str) -> bool:
        """Whether a message is or lately was one of this user's."""
        return message_id in self._open or message_id in self._closed

    def sent(self, entry: OpenMessage, now_ns: int, stamp: str) -> None:
        """A message left; `stamp` is the wall time in its frame."""
        entry.sent_ns = entry.progress_ns = now_ns
        entry.stamp, entry.content = stamp, ""
        self._open[entry.message_id] = entry

    def wait(self, entry: OpenMessage) -> bool:
        """A message waits for a connection; returns whether the oldest was dropped for it."""
        entry.queued = True
        self._open[entry.message_id] = entry
        dropped = self._queue.push(entry)
        if dropped is not None:
            self.close(dropped, Outcome.DROPPED, "offline queue full")
        return dropped is not None

    def take_queue(self) -> list[OpenMessage]:
        """All that waited, oldest first; it waits no more."""
        return self._queue.take_all()

    def close(self, entry: OpenMessage, outcome: Outcome, reason: str | None) -> None:
        """A message ended: its record is made."""
        entry.outcome, entry.reason = outcome, reason
        self._open.pop(entry.message_id, None)
        state = entry.stream_state if outcome is _DELIVERED else None
        self._closed.remember(entry.message_id, state or outcome)
        self.ended.append(entry.record(self._identity, outcome))
