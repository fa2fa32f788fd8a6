"""Whole messages out of the bytes of a server.

`websockets` reads the stream, except for what is simple and by far the most: reads that hold nothing but whole text
frames. It takes 6 µs for such a frame where `plain_texts` takes 0.5. A frame costs us 42 % of what it costs k6 at
everyday loads, and three times what it costs a client in C; our limits are half and three times (benchmarks/README.md):
there is no room for these 6.
"""

from __future__ import annotations

from websockets.client import ClientProtocol
from websockets.frames import CTRL_OPCODES, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN, Event

from loadtest.client.boundary import Boundary

Item = bytes | Frame | Response
"""A text message; any other message or a control frame; the answer to the upgrade."""


class Incoming:
    """The receiving side of one connection.

    Args:
        protocol: does the handshake, reads what is not simple, and answers pings and closes.
        max_size: bytes; a larger message fails the connection with 1009.

    Attributes:
        inside: whether the last byte taken was not the last of a message or control frame.
        simple: whether the connection is open and the next byte begins a message.
    """

    __slots__ = ("_frames", "_head", "_max_size", "_opcode", "_parts", "_protocol", "inside", "simple")

    def __init__(self, protocol: ClientProtocol, max_size: int) -> None:
        self._protocol = protocol
        self._max_size = max_size
        self._frames = Boundary(frame_size)
        self._head: bytes | None = b""
        self.inside = self.simple = False
        self._parts: list[bytes] | None = None
        self._opcode: Opcode | None = None

    def take(self, data: bytes) -> list[Item]:
        """The messages, control frames and the response that these bytes complete."""
        if self.simple:
            texts = plain_texts(data, self._max_size)
            if texts is not None:
                return texts  # type: ignore[return-value] # a list that nobody else holds
        self._protocol.receive_data(data)
        self._follow(data)
        items = [item for item in map(self._whole, self._protocol.events_received()) if item is not None]
        self.inside = self._frames.inside or self._parts is not None
        self.simple = self._protocol.state is OPEN and not self.inside
        return items

    def _follow(self, data: bytes) -> None:
        if self._head is not None:  # frames begin behind the first empty line
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            self._head = None if end else head
        self._frames.follow(data)

    def _whole(self, event: Event) -> Item | None:
        """The event, with the fragments before it; None where more are to come."""
        if not isinstance(event, Frame):
            return event if isinstance(event, Response) else None
        if event.opcode in CTRL_OPCODES or (event.fin and self._parts is None):
            return event
        if self._parts is None:
            self._parts, self._opcode = [], event.opcode
        self._parts.append(bytes(event.data))
        if not event.fin or self._opcode is None:
            return None
        whole, self._parts = b"".join(self._parts), None
        return Frame(self._opcode, whole)


def frame_size(head: bytes) -> int | None:
    """Size of a WebSocket frame (RFC 6455, section 5.2)."""
    if len(head) < 2:
        return None
    length, extra = head[1] & 0x7F, 4 if head[1] & 0x80 else 0
    wide = {126: 2, 127: 8}.get(length, 0)
    if len(head) < 2 + wide:
        return None
    if wide:
        length = int.from_bytes(head[2 : 2 + wide], "big")
    return 2 + wide + extra + length


def plain_texts(data: bytes, limit: int) -> list[bytes] | None:
    """The payloads of a piece of a server's stream that begins with a frame, where it is simple.

    Simple are whole text frames in one fragment, without mask and reserved bits, of at most `limit` bytes: nearly all
    that a chat server sends. None for anything else, which is for `websockets` to read.
    """
    texts = []
    place, end = 0, len(data)
    while place < end:
        if data[place] != 0x81 or end - place < 2:
            return None
        length = data[place + 1]
        place += 2
        if length > 125:
            if length > 127:
                return None
            wide = 2 if length == 126 else 8
            length = int.from_bytes(data[place : place + wide], "big")
            place += wide
        after = place + length
        if length > limit or after > end:
            return None
        texts.append(data[place:after])
        place = after
    return texts
