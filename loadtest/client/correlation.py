"""Which message a stream answers (backend.md, AI stream). Pure."""

from __future__ import annotations

from enum import StrEnum

from loadtest.client.dialect import Dialect
from loadtest.client.ledger import Ledger
from loadtest.client.message import OpenMessage
from loadtest.client.recent import Recent
from loadtest.model import Outcome


class Matched(StrEnum):
    """How a message was found that a stream of a new id answers."""

    NAMED = "named"
    """Its id says so."""
    ONLY = "the only one waiting"
    OLDEST = "the oldest of several waiting"
    """A guess, right where the server answers in order."""


class Correlation:
    """Finds the message of a stream by the id's prefix, then by the same id, then by order.

    By order only where nothing speaks against it: the server has named no stream yet, nobody else has been seen to
    write, and the id is not of somebody else's message. Where others may write never: who joins while another's answer
    runs has not seen its message.

    Args:
        alone: whether the conversations are this client's only.
    """

    __slots__ = ("_by_order", "_dialect", "_foreign", "_ledger")

    def __init__(self, ledger: Ledger, dialect: Dialect, *, alone: bool) -> None:
        self._ledger = ledger
        self._dialect = dialect
        self._foreign: Recent[None] = Recent()
        self._by_order = alone

    def saw_foreign(self, message_id: str) -> None:
        """Somebody else wrote a message."""
        self._foreign.remember(message_id, None)

    def own(self, stream_id: str) -> str:
        """Id of the message that a stream names: by its prefix where that makes one of ours, else its own id."""
        named = self._dialect.message_of(stream_id)
        return named if named is not None and self._ledger.owns(named) else stream_id

    def is_foreign(self, stream_id: str) -> bool:
        """Whether a stream names a message that somebody else was seen to write."""
        named = self._dialect.message_of(stream_id)
        return stream_id in self._foreign or (named is not None and named in self._foreign)

    def match(self, stream_id: str, conversation: str) -> tuple[OpenMessage, Matched] | None:
        """The open message that a stream of a new id answers, and how it was found.

        Args:
            conversation: where the stream is; "" where it does not say.
        """
        message_id = self.own(stream_id)
        entry = self._ledger.on_wire(message_id)
        if entry is not None:
            self._by_order = False  # the server names its streams, so guessing could only be wrong from here on
            return (entry, Matched.NAMED) if entry.stream is None else None
        if not self._by_order or self._foreign or self._ledger.owns(message_id) or self._names_a_message(stream_id):
            return None
        waiting = [entry for entry in self._ledger if _awaits_stream(entry, conversation)]
        if not waiting:
            return None
        return waiting[0], Matched.ONLY if len(waiting) == 1 else Matched.OLDEST

    def _names_a_message(self, stream_id: str) -> bool:
        """Whether it is or holds a message id: then it answers that message, ours or not."""
        prefix = self._dialect.message_prefix
        if not prefix:
            return False
        return (self._dialect.message_of(stream_id) or stream_id).startswith(prefix)


def _awaits_stream(entry: OpenMessage, conversation: str) -> bool:
    return entry.outcome is Outcome.DELIVERED and entry.stream is None and conversation in ("", entry.conversation)
