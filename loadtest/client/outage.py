"""The time without a connection, from loss to recovery. Pure: instants are arguments (monotonic ns)."""

from __future__ import annotations

from loadtest.client.flush import OpenFlush
from loadtest.model import Cause, Outage


class OpenOutage:
    """One outage that is not over yet.

    It is over once the user is authenticated again, has a message delivered, and no message that waited is open.

    Args:
        lost_ns: when the connection was lost; of a half-open one, when it last received something.
        noticed_ns: when the client knew of it.
        lost: messages in flight that are lost with it.
    """

    def __init__(self, lost_ns: int, code: int, reason: str, cause: Cause, noticed_ns: int, lost: int) -> None:
        self._lost_ns = lost_ns
        self._code = code
        self._reason = reason
        self._cause = cause
        self._noticed_ns = noticed_ns
        self._lost = lost
        self._backoff_ns = 0
        self._attempts = 0
        self._authenticated_ns: int | None = None
        self._recovered_ns: int | None = None
        self._flush: OpenFlush | None = None
        self._dropped = 0

    def waited(self, backoff_ns: int) -> None:
        """The client has waited by its schedule."""
        self._backoff_ns += backoff_ns

    def attempt(self) -> None:
        """One more try to reconnect begins."""
        self._attempts += 1

    def dropped(self, messages: int) -> None:
        """The full queue has lost so many messages of those that waited."""
        self._dropped += messages

    def authenticated(self, now_ns: int, flush: OpenFlush | None) -> None:
        """Back again; `flush` is what had waited and was sent at once, where anything had."""
        self._authenticated_ns = now_ns
        self._flush = flush

    def answered(self, at_ns: int, delivered: bool) -> None:
        """A final ack came."""
        if delivered and self.reconnected and self._recovered_ns is None:
            self._recovered_ns = at_ns

    @property
    def over(self) -> bool:
        """Whether the user has recovered, and no message that waited is open."""
        return self._recovered_ns is not None and (self._flush is None or self._flush.over)

    @property
    def reconnected(self) -> bool:
        return self._authenticated_ns is not None

    def record(self, user: str, user_class: str, ended: str) -> Outage:
        """What is known of it now.

        Args:
            ended: as in `Outage.ended`; a run that ends finds those recovered that are back.
        """
        flush = self._flush
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
            flushed_ns=flush.ended_ns if flush is not None else None,
            queued=len(flush) if flush is not None else 0,
            dropped=self._dropped,
            ended="recovered" if self.reconnected and ended in ("run ended", "left") else ended,
            cause=self._cause,
            noticed_ns=self._noticed_ns,
            backoff_ns=self._backoff_ns,
            lost=self._lost,
            rejected=flush.rejected if flush is not None else 0,
        )
