"""Where the units of a byte stream end: TLS records and WebSocket frames, told by their headers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LONGEST_HEADER: Final = 14
"""Of a masked WebSocket frame with a length of 64 bits (RFC 6455, section 5.2)."""


class Boundary:
    """Follows a stream of units.

    Args:
        size_of: length of a whole unit by the first bytes of it; None where it takes more bytes to tell.
    """

    __slots__ = ("_head", "_left", "_size_of")

    def __init__(self, size_of: Callable[[bytes], int | None]) -> None:
        self._size_of = size_of
        self._left = 0
        self._head = b""

    def follow(self, data: bytes) -> None:
        """The next bytes of the stream."""
        place = 0
        while place < len(data):
            if not self._left:
                head = self._head + data[place : place + LONGEST_HEADER]
                size = self._size_of(head)
                if size is None:
                    self._head = head
                    return
                self._left, self._head = size - len(self._head), b""
            step = min(self._left, len(data) - place)
            self._left -= step
            place += step

    @property
    def inside(self) -> bool:
        """Whether the last byte was not the last of its unit."""
        return self._left > 0 or bool(self._head)


def record_size(head: bytes) -> int | None:
    """Size of a TLS record: a header of five bytes, which ends with the length (RFC 8446, section 5.1)."""
    return 5 + int.from_bytes(head[3:5], "big") if len(head) >= 5 else None
