"""The time without a connection, from loss to recovery. Pure: instants are arguments (monotonic ns)."""

from __future__ import annotations

from loadtest.model import Cause, Outage


class OpenOutage:
    """One outage that is not over yet.

    It is over once the user is authenticated again, has a message delivered, and no message that waited is open.

    Args:
        lost_ns: when the connection was lost; of a half-open one, when it last received something.
        noticed_ns: when the client knew of it.
        lost: messages in flight that are lost with it.
    """

    def __init__(
        self, lost_ns: int, code: int, reason: str, cause: Cause, noticed_ns: int | None = None, lost: int = 0
    ) -> None:
        self._lost_ns = lost_ns
        self._code = code
        self._reason = reason
        self._cause = cause
        self._noticed_ns = lost_ns if noticed_ns is None else noticed_ns
        self._lost = lost
        self._backoff_ns = 0
        self._attempts = 0
        self._authenticated_ns: int | None = None
        self._recovered_ns: int | None = None
        self._flushed_ns: int | None = None
        self._queued = 0
        self._dropped = 0
        self._rejected = 0
        self._waiting: set[str] = set()
        self._unanswered = False

    def waited(self, backoff_ns: int) -> None:
        """The client has waited by its schedule."""
        self._backoff_ns += backoff_ns

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

    def answered(self, message_id: str, at_ns: int, delivered: bool, limited: bool = False) -> bool:
        """A final ack came; returns whether the outage is over with it.

        Args:
            limited: whether the rate limit refused it.
        """
        if self._authenticated_ns is None:
            return False
        if delivered and self._recovered_ns is None:
            self._recovered_ns = at_ns
        if message_id in self._waiting:
            self._waiting.discard(message_id)
            self._rejected += limited
            if not self._waiting and not self._unanswered:
                self._flushed_ns = at_ns
        return self._over

    def unanswered(self, message_id: str) -> bool:
        """A message was given up; returns whether the outage is over with it. Of such a flush nobody knows the end."""
        if message_id in self._waiting:
            self._waiting.discard(message_id)
            self._unanswered = True
        return self._over

    @property
    def _over(self) -> bool:
        return self._recovered_ns is not None and not self._waiting

    @property
    def reconnected(self) -> bool:
        return self._authenticated_ns is not None

    def record(self, user: str, user_class: str, ended: str) -> Outage:
        """What is known of it now.

        Args:
            ended: as in `Outage.ended`; a run that ends finds those recovered that are back.
        """
        return Outage(
            user=user,
            user_class=user_class,
            lost_ns=self._lost_ns,
            code=self._code,
            reason=self._reason,
            on_purpose=self._cause.on_purpose,
            attempts=self._attempts,
            authenticated_ns=self._authenticated_ns,
            recovered_ns=self._recovered_ns,
            flushed_ns=self._flushed_ns,
            queued=self._queued,
            dropped=self._dropped,
            ended="recovered" if self.reconnected and ended in ("run ended", "left") else ended,
            cause=self._cause,
            noticed_ns=self._noticed_ns,
            backoff_ns=self._backoff_ns,
            lost=self._lost,
            rejected=self._rejected,
        )
