"""One user in its rooms: when it was a member, what it received there, and when it typed. No I/O.

It tells the `room` log, which every client of a process shares; what others say where the user is no member is counted.
"""

from __future__ import annotations

from loadtest.client.membership import Membership, Span, Standing
from loadtest.client.message import Identity, OpenMessage
from loadtest.client.room import RoomLog, digest
from loadtest.client.tally import Tally
from loadtest.model import Stay, Typed


class Attendance:
    """Instants are monotonic ns.

    Args:
        identity: of the user; its `client` is its number, None outside of rooms.
        room: told of what happens, of a client that has a number; None outside of rooms.
        tally: counts what came from conversations that the user is not in.

    Attributes:
        user_id: the user's, as the server calls it.
    """

    __slots__ = ("_identity", "_membership", "_order", "_room", "_tally", "_typing_in", "user_id")

    def __init__(self, identity: Identity, room: RoomLog | None, tally: Tally) -> None:
        self._identity = identity
        self._room = room if identity.client is not None else None
        self._tally = tally
        self._membership = Membership()
        self._order = 0  # of the events of rooms that were received
        self._typing_in: str | None = None
        self.user_id: str | None = None

    # --- what the user does -------------------------------------------------------------------------------------------
    def belongs(self, conversation: str) -> None:
        """The user belongs to a conversation, whether or not it ever sends there."""
        self._membership.belongs(conversation)

    def sends(self, entry: OpenMessage, now_ns: int) -> None:
        """A message leaves now."""
        if self._room is not None:
            entry.digest = digest(entry.content)
            self._room.left(entry.message_id, now_ns)
        self._stayed(self._membership.sends(entry.conversation, now_ns))

    def acked(self, conversation: str, at_ns: int) -> None:
        """A message to a conversation was delivered."""
        self._membership.acked(conversation, at_ns)

    def refused(self, conversation: str, at_ns: int) -> None:
        """A message to a conversation was refused."""
        self._membership.refused(conversation, at_ns)

    def types(self, conversation: str, event: str, now_ns: int) -> None:
        """The user says that it types, or that it has stopped."""
        self._typing_in = conversation if event == "typing:start" else None
        self._typed(conversation, event, now_ns)

    def gone(self, lost_ns: int, told: bool = True) -> None:
        """The connection is gone, or the run over: the user is in no conversation and types nowhere.

        Args:
            lost_ns: when it was lost, which may be noticed late: what others sent from then on nobody owed it.
            told: whether the server knows of it, so that it has others told who typed; not of a half-open one.
        """
        self._stayed(self._membership.gone(lost_ns))
        if self._typing_in is not None and told:
            self._typed(self._typing_in, "gone", lost_ns)
        self._typing_in = None

    def _typed(self, conversation: str, event: str, now_ns: int) -> None:
        client = self._identity.client
        if self._room is not None and client is not None:
            self._room.typed(Typed(client, self._identity.user, conversation, event, now_ns))

    def _stayed(self, span: Span | None) -> None:
        client = self._identity.client
        if span is not None and self._room is not None and client is not None:
            self._room.stayed(Stay(client, self._identity.user, *span))

    # --- what others do -----------------------------------------------------------------------------------------------
    def is_own(self, user_id: str | None) -> bool:
        """Whether the server speaks of this user."""
        return user_id is not None and user_id in (self.user_id, self._identity.user)

    def is_member(self, event: str, conversation: str) -> bool:
        """Whether an event of others is of a conversation that the connection is in; else it is counted."""
        standing = self._membership.standing(conversation)
        if standing is Standing.MEMBER:
            return True
        if standing is Standing.NOT_YET:
            self._tally.add("before_joining", event)
        else:
            self._tally.add("leak", event if standing is Standing.OUTSIDER else f"{event} after leaving")
        return False

    def received(
        self, event: str, conversation: str, author: str | None, at_ns: int, message_id: str = "", content: str = ""
    ) -> None:
        """An event of a conversation has come."""
        room, client = self._room, self._identity.client
        if room is not None and client is not None:
            self._order += 1
            code = digest(content) if message_id else None
            room.received(event, conversation, message_id, author, code, client, self._order, at_ns)
