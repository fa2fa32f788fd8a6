"""Which conversation a connection is in, by what it sent and what was acked (backend.md, Messages). Pure.

Sending into a conversation joins it and leaves the former one; there is no event for it. Between the sending and the
ack nobody here knows which of the two the server has the connection in, so that it may hear of both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Standing(StrEnum):
    """What a connection is to a conversation."""

    MEMBER = "member"
    """It is in it, or may be by now."""
    NOT_YET = "not yet"
    """Its user belongs there, but nothing that this connection sent there has been acked."""
    LEFT = "left"
    """It has gone on to another one."""
    OUTSIDER = "outsider"


class Span(NamedTuple):
    """A time in a conversation: from the ack of the join until the connection left, or may have."""

    conversation: str
    from_ns: int
    until_ns: int


class Membership:
    """The conversations of one client; instants in ns."""

    __slots__ = ("_conversation", "_joined", "_joining", "_own", "_since_ns")

    def __init__(self) -> None:
        self._conversation: str | None = None
        self._since_ns: int | None = None
        self._joining: list[str] = []
        self._joined: set[str] = set()  # on this connection
        self._own: set[str] = set()

    def belongs(self, conversation: str) -> None:
        """The user belongs to a conversation, whether or not it ever sends there."""
        self._own.add(conversation)

    def sends(self, conversation: str, now_ns: int) -> Span | None:
        """A message leaves for a conversation; returns the stay in another one that ends by it."""
        latest = self._joining[-1] if self._joining else self._conversation
        if conversation == latest:
            return None
        self._own.add(conversation)
        self._joining.append(conversation)
        return self._end(now_ns)

    def acked(self, conversation: str, at_ns: int) -> None:
        """A message to a conversation was delivered: the connection is in it."""
        if conversation == self._conversation and not self._joining:
            if self._since_ns is None:
                self._since_ns = at_ns
            return
        if conversation in self._joining:
            del self._joining[: self._joining.index(conversation) + 1]
        self._conversation = conversation
        self._joined.add(conversation)
        self._since_ns = None if self._joining else at_ns

    def refused(self, conversation: str, at_ns: int) -> None:
        """A message to a conversation was refused: if it was to join, the connection is still where it was."""
        if conversation in self._joining:
            self._joining.remove(conversation)
            if not self._joining and self._conversation is not None and self._since_ns is None:
                self._since_ns = at_ns

    def gone(self, now_ns: int) -> Span | None:
        """The connection went away; returns the stay that ends by it."""
        span = self._end(now_ns)
        self._conversation = None
        self._joining.clear()
        self._joined.clear()
        return span

    def standing(self, conversation: str) -> Standing:
        """What an event of a conversation finds the connection to be."""
        if conversation == self._conversation or conversation in self._joining:
            return Standing.MEMBER
        if conversation in self._joined:
            return Standing.LEFT
        return Standing.NOT_YET if conversation in self._own else Standing.OUTSIDER

    def _end(self, now_ns: int) -> Span | None:
        since, self._since_ns = self._since_ns, None
        if since is None or self._conversation is None:
            return None
        return Span(self._conversation, since, max(now_ns, since))
