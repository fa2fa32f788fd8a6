"""The reference server's sockets: listening, the way to an authenticated connection, pings, and shutting down."""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

import loadtest
from loadtest.protocol import (
    AUTH_REQUIRED,
    CLOSE_ABNORMAL,
    CLOSE_POLICY,
    ConnectionAuthenticated,
    ConnectionError_,
    ConnectionEstablished,
    timestamp,
)

from .auth import Refusal, authenticate
from .chat import Chat, Participant
from .counts import ServerCounts
from .options import ServerOptions
from .post import Post
from .truth import TruthLog

PATH: Final = "/ws"
CLOSE_TIMEOUT_S: Final = 2.0
"""Longest wait for the answer to a close frame."""
STOP_TIMEOUT_S: Final = 3.0
"""Longest wait for all connections to close; those that are left are then terminated."""
ACCEPT_BACKLOG: Final = 1024
"""Connections that may wait to be accepted: load generators dial many at once."""


class ChatServer:
    """The guide's server side on `websockets`' asyncio server: `async with ChatServer(options) as server`.

    Args:
        options: what it serves, and how.

    Attributes:
        counts: what it counted; live.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.counts = ServerCounts()
        self._options = options
        self._post = Post(self.counts, options.max_backlog_bytes, options.compression)
        self._open: set[ServerConnection] = set()
        self._truth: TruthLog
        self._chat: Chat
        self._server: Server

    @property
    def url(self) -> str:
        """Address to connect to; known once the server is entered."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"ws://[{host}]:{port}{PATH}" if ":" in host else f"ws://{host}:{port}{PATH}"

    def flush(self) -> None:
        """Write the truth of finished messages to its file now."""
        self._truth.flush()

    async def __aenter__(self) -> ChatServer:
        """Listen.

        Raises:
            OSError: the address cannot be listened on, or the truth file not be written.
        """
        self._truth = TruthLog(self._options.truth_file)
        self._chat = Chat(self._options, self.counts, self._post, self._truth)
        try:
            self._server = await self._listen()
        except OSError:
            self._truth.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close all connections with 1001, which `websockets` does by itself, and break off the answers."""
        self._server.close()
        try:
            await asyncio.wait_for(self._server.wait_closed(), STOP_TIMEOUT_S)
        except TimeoutError:
            await self._terminate()
        self._chat.close()
        self._truth.close()

    async def _listen(self) -> Server:
        options = self._options
        return await serve(
            self._serve,
            options.listen,
            options.port,
            process_request=_only_our_path,
            compression="deflate" if options.compression else None,
            ping_interval=None,  # `_ping` does it by the guide: the library would close with 1011 instead
            open_timeout=STOP_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            backlog=ACCEPT_BACKLOG,
            logger=logging.getLogger(__name__),
        )

    async def _terminate(self) -> None:
        for connection in self._open:
            connection.transport.abort()
        await asyncio.wait([asyncio.ensure_future(self._server.wait_closed())], timeout=STOP_TIMEOUT_S)

    async def _serve(self, connection: ServerConnection) -> None:
        """One connection from its upgrade, which always succeeds, to its end."""
        self._open.add(connection)
        self._post.send(ConnectionEstablished(_now(), f"loadtest {loadtest.__version__}"), (connection,))
        assert connection.request is not None  # the handshake is over
        user = authenticate(connection.request.path, self._options.jwt_secret)
        try:
            if isinstance(user, Refusal):
                await self._refuse(connection, user)
            else:
                await self._converse(connection, user)
        finally:
            self._open.discard(connection)
            self.counts.disconnected(connection.close_code or CLOSE_ABNORMAL)

    async def _refuse(self, connection: ServerConnection, refusal: Refusal) -> None:
        if refusal.code == AUTH_REQUIRED:
            self.counts.auth_required += 1
        else:
            self.counts.auth_failed += 1
        self._post.send(ConnectionError_(refusal.reason, refusal.code, _now()), (connection,))
        await connection.close(CLOSE_POLICY, refusal.reason)

    async def _converse(self, connection: ServerConnection, user: str) -> None:
        self.counts.connects += 1
        self._post.send(ConnectionAuthenticated(str(connection.id), user, _now()), (connection,))
        participant = Participant(connection, user)
        pings = asyncio.create_task(self._ping(connection))
        try:
            while True:
                self._chat.read(participant, await connection.recv(decode=False))
                # Frames that came together are handed over without a pause: let the others have their turn.
                await asyncio.sleep(0)
        except ConnectionClosed:
            pass
        finally:
            pings.cancel()
            self._chat.leave(participant)

    async def _ping(self, connection: ServerConnection) -> None:
        """Ping at every interval; a connection that has not answered by the next is terminated, with no close frame."""
        interval_s = self._options.ping_interval_s
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += interval_s
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.counts.pings += 1
            try:
                async with asyncio.timeout(interval_s):
                    await (await connection.ping())
            except TimeoutError:
                self.counts.pings_unanswered += 1
                connection.transport.abort()
                return
            except ConnectionClosed:
                return


def _only_our_path(connection: ServerConnection, request: Request) -> Response | None:
    if urlsplit(request.path).path == PATH:
        return None
    return connection.respond(HTTPStatus.NOT_FOUND, f"Only {PATH} is served here\n")


def _now() -> str:
    return timestamp(time.time())
