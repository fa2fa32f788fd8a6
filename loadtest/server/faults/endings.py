"""Ending connections with a close code."""

from __future__ import annotations

import asyncio
import contextlib

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from loadtest.protocol import CLOSE_ABNORMAL

REASON = "ordered"


class Endings:
    """Ends connections without making anybody wait for the answer to a close frame."""

    def __init__(self) -> None:
        self._closing: set[asyncio.Task[None]] = set()

    def end(self, connection: ServerConnection, code: int) -> None:
        """End a connection: with a close frame of this code, or for 1006 (never on the wire) with none."""
        if code == CLOSE_ABNORMAL:
            connection.transport.abort()
            return
        task = asyncio.ensure_future(_close(connection, code))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(connection: ServerConnection, code: int) -> None:
    with contextlib.suppress(ConnectionClosed):
        await connection.close(code, REASON)
