"""The time without a connection, from loss to recovery. Pure: instants are arguments (monotonic ns)."""

from __future__ import annotations

from loadtest.model import Outage


class OpenOutage:
    """One outage that is not over yet.

    It is over once the user is authenticated again, has a message delivered, and every message that waited is answered.
    """

    def __init__(self, lost_ns: int, code: int, reason: str, on_purpose: bool) -> None:
        self._lost_ns = lost_ns
        self._code = code
        self._reason = reason
        self._on_purpose = on_purpose
        self._attempts = 0
        self._authenticated_ns: int | None = None
        self._recovered_ns: int | None = None
        self._flushed_ns: int | None = None
        self._queued = 0
        self._dropped = 0
        self._waiting: set[str] = set()

    def attempt(self) -> None:
        """One more try to reconnect begins."""
        self._attempts += 1

    def dropped(self) -> None:
        """The full queue lost a message."""
        self._dropped += 1

    def authenticated(self, now_ns: int, flushed: list[str]) -> None:
        """Back again; `flushed` are the ids of the messages that had waited and were sent at once."""
        self._authenticated_ns = now_ns
        self._queued = len(flushed)
        self._waiting = set(flushed)

    def answered(self, message_id: str, at_ns: int, delivered: bool) -> bool:
        """A final ack came; returns whether the outage is over with it."""
        if self._authenticated_ns is None:
            return False
        if delivered and self._recovered_ns is None:
            self._recovered_ns = at_ns
        if message_id in self._waiting:
            self._waiting.discard(message_id)
            if not self._waiting:
                self._flushed_ns = at_ns
        return self._recovered_ns is not None and not self._waiting

    @property
    def reconnected(self) -> bool:
        return self._authenticated_ns is not None

    def record(self, user: str, user_class: str, ended: str) -> Outage:
        """What is known of it now.

        Args:
            ended: `recovered`, `gave up` or `run ended`.
        """
        return Outage(
            user=user,
            user_class=user_class,
            lost_ns=self._lost_ns,
            code=self._code,
            reason=self._reason,
            on_purpose=self._on_purpose,
            attempts=self._attempts,
            authenticated_ns=self._authenticated_ns,
            recovered_ns=self._recovered_ns,
            flushed_ns=self._flushed_ns,
            queued=self._queued,
            dropped=self._dropped,
            ended="recovered" if self.reconnected else ended,
        )
