"""How the server's words on a message leave: acks, the broadcast, the frames of its answer.

`Chat` decides what is due, and this writes it, counts it and notes when it was. The seam of the faults: what goes wrong
with a message goes wrong here (`faults.delivery`), and `Chat` stays a clear reading of the guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from loadtest.protocol import MessageAck, MessageReceive, MessageSend

from .answers import Answer, Chunk
from .clock import now_iso
from .counts import ServerCounts
from .participants import Participant
from .post import Post
from .rooms import Rooms
from .truth import MessageTruth

Status = Literal["received", "delivered", "error"]


class Delivery:
    """Delivers as the guide says.

    Args:
        post: how events are written.
        counts: where they are counted.
        rooms: who is in which conversation.
    """

    def __init__(self, post: Post, counts: ServerCounts, rooms: Rooms[Participant]) -> None:
        self._post = post
        self._counts = counts
        self._rooms = rooms

    # Whose arguments seem not to be needed: faults do.
    def accept(self, sender: Participant, message: MessageSend, truth: MessageTruth) -> bool:  # noqa: ARG002
        """Whether a message that nothing speaks against is to be delivered."""
        return True

    def ack(
        self, sender: Participant, message: MessageSend, status: Status, truth: MessageTruth, error: str | None = None
    ) -> None:
        """Acknowledge a message to its sender."""
        if self._post.send(MessageAck(message.message_id, status, error, timestamp=now_iso()), (sender.connection,)):
            self._counts.received_acks += status == "received"
            self._counts.delivered_acks += status == "delivered"
            truth.acked(status, self._post.wrote_ns)

    def broadcast(self, sender: Participant, message: MessageSend, truth: MessageTruth) -> None:
        """Write a message to all of its conversation."""
        event = MessageReceive(
            message_id=message.message_id,
            conversation_id=message.conversation_id,
            content=message.content,
            user_id=sender.user,
            timestamp=now_iso(),
        )
        self._counts.broadcasts += 1
        self._spread(event, sender, self._rooms.members(message.conversation_id), truth)

    def frames(
        self,
        sender: Participant,  # noqa: ARG002
        message: MessageSend,  # noqa: ARG002
        answer: Answer,
        truth: MessageTruth,  # noqa: ARG002
    ) -> Iterator[Chunk]:
        """The frames of the answer to a message."""
        return answer.frames()

    def close(self) -> None:
        """The server stops."""

    def _spread(
        self,
        event: MessageReceive,
        sender: Participant,  # noqa: ARG002
        readers: Iterable[Participant],
        truth: MessageTruth,
    ) -> None:
        written = self._post.send(event, [reader.connection for reader in readers])
        self._counts.receive_frames += written
        if written and truth.broadcast_ns is None:
            truth.broadcast_ns = self._post.wrote_ns
