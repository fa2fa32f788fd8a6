"""Writing events to connections: encoded once, never waiting for a reader."""

from __future__ import annotations

import time
from collections.abc import Iterable

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from loadtest.protocol import ServerEvent, encode

from .counts import ServerCounts


class Post:
    """Hands events to the sockets of their recipients.

    A write goes to the transport's buffer and returns at once, so that a slow reader delays nobody else. A reader that
    lets more than `max_backlog_bytes` gather is terminated.

    Args:
        counts: where frames and bytes are counted.
        max_backlog_bytes: most that may wait for one connection.
        compression: whether connections may have agreed on an extension.

    Attributes:
        wrote_ns: when the latest event was about to be written to the first of its recipients, monotonic ns: encoded
            and framed already, so that the kernel has it some microseconds later.
    """

    def __init__(self, counts: ServerCounts, max_backlog_bytes: int, compression: bool) -> None:
        self._counts = counts
        self._max_backlog = max_backlog_bytes
        self._compression = compression
        self.wrote_ns = 0

    def send(self, event: ServerEvent, recipients: Iterable[ServerConnection]) -> int:
        """Write an event to every recipient that is still open.

        Returns:
            How many that were.
        """
        readers = [connection for connection in recipients if self._can_take(connection)]
        if readers:
            data = encode(event)
            self._write(data, readers)
            self._counts.frames_written += len(readers)
            self._counts.bytes_written += len(data) * len(readers)
        return len(readers)

    def _write(self, data: bytes, readers: list[ServerConnection]) -> None:
        if self._compression:
            text = data.decode()  # a str makes it a text frame
            self.wrote_ns = time.monotonic_ns()
            broadcast(readers, text)
            return
        # Without extensions a server's frame is the same for all (RFC 6455 section 5.1: it is not masked), so it is
        # framed once, too. Nothing else fragments or holds back frames, so their order stays.
        frame = Frame(Opcode.TEXT, data).serialize(mask=False)
        self.wrote_ns = time.monotonic_ns()
        for connection in readers:
            connection.transport.write(frame)

    def _can_take(self, connection: ServerConnection) -> bool:
        transport = connection.transport
        if connection.state is not State.OPEN or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > self._max_backlog:
            self._counts.slow_readers += 1
            transport.abort()
            return False
        return True
