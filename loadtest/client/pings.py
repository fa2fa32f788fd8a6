"""The pings of one connection: ours that are not answered yet, and how many the server sends. No I/O."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

FLOOD: Final = 100
"""Pings of one connection within a second from which on they are called a flood: servers send one in many seconds."""
FLOOD_NS: Final = 1_000_000_000
MOST_OPEN: Final = 1_000
"""Pings of a connection without an answer that are kept: minutes of them."""
_PAYLOAD: Final = struct.Struct("!q")


class Pings:
    """Instants are monotonic ns.

    Attributes:
        open: when those of ours were sent that are not answered yet.
    """

    __slots__ = ("_since_ns", "_taken", "open")

    def __init__(self) -> None:
        self.open: list[int] = []  # a deque takes 700 bytes, and few of 10,000 connections are pinged
        self._taken = self._since_ns = 0

    def send(self, now_ns: int) -> bytes:
        """A ping leaves; returns its payload."""
        self.open.append(now_ns)
        return _PAYLOAD.pack(now_ns)

    def answered(self, payload: bytes, at_ns: int) -> Iterator[int]:
        """A pong answers the ping whose payload it has, and those before it; else nobody asked for it.

        RFC 6455, section 5.5.3: an endpoint may answer the most recent ping alone.

        Returns:
            How long each of them took, ns.
        """
        if len(payload) != _PAYLOAD.size or _PAYLOAD.unpack(payload)[0] not in self.open:
            return
        while self.open:
            sent = self.open.pop(0)
            yield max(at_ns - sent, 0)
            if _PAYLOAD.pack(sent) == payload:
                return

    def flood(self, at_ns: int) -> bool:
        """The server has pinged; returns whether that makes a flood of its pings, once for each."""
        if at_ns - self._since_ns > FLOOD_NS:
            self._taken, self._since_ns = 0, at_ns
        self._taken += 1
        return self._taken == FLOOD
