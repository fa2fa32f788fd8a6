"""When one user was away from the server, and what had waited meanwhile. No I/O: instants are arguments (ns)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loadtest.client.closed import Closed, ClosedBy
from loadtest.client.flush import OpenFlush
from loadtest.client.message import Identity
from loadtest.client.observer import Observer
from loadtest.client.outage import OpenOutage
from loadtest.client.session import Answer
from loadtest.model import Cause
from loadtest.protocol import CLOSE_ABNORMAL

_CAUSES: Final = {
    ClosedBy.RESET: Cause.RESET,
    ClosedBy.SILENCE: Cause.SILENCE,
    ClosedBy.READ_TIMEOUT: Cause.READ_TIMEOUT,
    ClosedBy.PING_TIMEOUT: Cause.PING_TIMEOUT,
    ClosedBy.RETRY: Cause.INTERNAL_ERROR,
}


class Absences:
    """The outage that is not over yet, and the last flush of the offline queue.

    Args:
        identity: put into every record.
        observer: told of each outage and each flush that has ended.

    Attributes:
        flush: the last one, whose broadcasts may still come back; None before the first.
    """

    __slots__ = ("_dropped", "_identity", "_observer", "_outage", "flush")

    def __init__(self, identity: Identity, observer: Observer) -> None:
        self._identity = identity
        self._observer = observer
        self._outage: OpenOutage | None = None
        self._dropped = 0  # messages that the full queue has lost since the user was last there
        self.flush: OpenFlush | None = None

    # --- away ---------------------------------------------------------------------------------------------------------
    def begin(self, closed: Closed, reason: str, lost_ns: int, noticed_ns: int, lost: int) -> None:
        """An outage begins; see `OpenOutage`.

        Args:
            reason: of the end of the connection, as it may go into records.
        """
        self.end_outage("lost again" if lost else "recovered")  # who had sent nothing wanted no answer
        by_frame = Cause.SERVER_CUT if closed.code == CLOSE_ABNORMAL else Cause.SERVER_CLOSE
        cause = _CAUSES.get(closed.by, by_frame)
        self._outage = OpenOutage(lost_ns, closed.code, reason, cause, noticed_ns, lost)

    def dropped(self, messages: int) -> None:
        """The full queue has lost so many messages of those that waited."""
        self._dropped += messages

    def waited(self, backoff_ns: int) -> None:
        """The client has waited by its schedule."""
        if self._outage is not None:
            self._outage.waited(backoff_ns)

    def attempt(self) -> None:
        """One more try to connect begins."""
        if self._outage is not None:
            self._outage.attempt()

    # --- back ---------------------------------------------------------------------------------------------------------
    def back(self, at_ns: int, flushed: Sequence[str]) -> None:
        """The user is authenticated, and the messages of these ids, which had waited, are sent at once."""
        dropped, self._dropped = self._dropped, 0
        flush = None
        if flushed:
            flush = self.flush = OpenFlush(flushed, at_ns, dropped, after_outage=self._outage is not None)
        if self._outage is not None:
            self._outage.authenticated(at_ns, flush)
            self._outage.dropped(dropped)

    def heard(self, message_id: str) -> None:
        """Hold a broadcast of an own message against the order of the flush."""
        found = None if self.flush is None else self.flush.heard(message_id)
        if found is not None:
            self._observer.tally.add("flushed_broadcast", found)

    def unanswered(self, message_id: str) -> None:
        """A message was given up."""
        if self.flush is not None:
            self.flush.unanswered(message_id)

    def answered(self, answer: Answer) -> None:
        """A final ack came."""
        if self.flush is not None:
            self.flush.answered(answer.message_id, answer.at_ns, answer.limited)
        if self._outage is not None:
            self._outage.answered(answer.at_ns, answer.delivered)

    def settle(self) -> None:
        """Tell of what is over by what has come."""
        if self.flush is not None and self.flush.over:
            self.end_flush("answered")
        if self._outage is not None and self._outage.over:
            self.end_outage("recovered")

    # --- over ---------------------------------------------------------------------------------------------------------
    def end_outage(self, ended: str) -> None:
        """Tell of an outage, if there is one."""
        outage = self._outage
        if outage is not None:
            if not outage.reconnected:  # else they are the next one's
                outage.dropped(self._dropped)
                self._dropped = 0
            self._observer.on_outage(outage.record(self._identity.user, self._identity.user_class, ended))
            self._outage = None

    def end_flush(self, ended: str) -> None:
        """Tell of a flush; what still comes back of it is heeded all the same."""
        flush = self.flush
        if flush is not None and not flush.told:
            flush.told = True
            self._observer.on_flush(flush.record(self._identity.user, self._identity.user_class, ended))

    def give_up(self, ended: str) -> None:
        """The user stays away for good."""
        self.end_outage(ended)
        self._dropped = 0
