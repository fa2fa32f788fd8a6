"""The bytes that a socket has not taken yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gevent.hub import get_hub

from loadtest.client.dial import WRITE

if TYPE_CHECKING:
    import _socket

MOST_WAITING: Final = 16 * 2**20
"""Bytes that may wait for a peer that takes nothing in, such as answers to a flood of pings, before it is given up."""


class Outbox:
    """Takes what is to be sent, and sends it as fast as the socket takes it; never blocks."""

    __slots__ = ("_socket", "_waiting", "_writer")

    def __init__(self) -> None:
        self._socket: _socket.socket | None = None
        self._waiting = bytearray()
        self._writer: Any = None

    def __len__(self) -> int:
        """Bytes that wait."""
        return len(self._waiting)

    def open(self, sock: _socket.socket) -> None:
        """From now on there is a socket, connected and non-blocking."""
        self._socket = sock

    def put(self, data: bytes) -> None:
        """To be sent by the next `flush`."""
        self._waiting += data

    def flush(self) -> bool:
        """Send what waits; the rest follows by itself. Returns whether that is more than `MOST_WAITING`."""
        if self._socket is None:
            return False
        try:
            del self._waiting[: self._socket.send(self._waiting)]
        except BlockingIOError:
            pass
        except OSError:  # over; but what had arrived before is still to be read, such as the reason
            self._end_writer()  # where nobody reads, nothing else ends it, and it would report for ever
            return False
        if self._waiting and self._writer is None:
            self._writer = get_hub().loop.io(self._socket.fileno(), WRITE)
            self._writer.start(self._on_writable)
        return len(self._waiting) > MOST_WAITING

    def drop(self) -> None:
        """What waits is never sent."""
        self._waiting.clear()
        self._end_writer()

    def close(self) -> None:
        """The socket is about to be closed; what waits is left over."""
        self._socket = None
        self._end_writer()

    def _on_writable(self) -> None:
        self.flush()
        if not self._waiting:
            self._end_writer()

    def _end_writer(self) -> None:
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None
