"""The reference server's sockets: listening, the way to an authenticated connection, pings, and shutting down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

import loadtest
from loadtest.protocol import (
    AUTH_REQUIRED,
    CLOSE_ABNORMAL,
    CLOSE_NORMAL,
    ConnectionAuthenticated,
    ConnectionError_,
    ConnectionEstablished,
)

from .auth import Refusal, authenticate
from .chat import Chat
from .clock import now_iso
from .counts import ServerCounts
from .delivery import Delivery
from .faults.connections import ConnectionFaults
from .faults.control import Control
from .faults.delivery import FaultyDelivery
from .faults.endings import Endings
from .faults.kinds import Per
from .faults.limits import FaultyLimiter
from .faults.losses import Losses
from .faults.orders import Order
from .faults.script import Progress, Script
from .options import ServerOptions
from .participants import Participant
from .post import Post
from .rooms import Rooms
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
        self._open: dict[ServerConnection, None] = {}  # in the order of connecting
        self._verdicts: WeakKeyDictionary[ServerConnection, str | Refusal] = WeakKeyDictionary()
        self._script = Script(self.counts, options.faults)
        self._endings = Endings()
        self._connection_faults = ConnectionFaults(self._script)
        self._losses = Losses(self, self._script, self._endings)
        self._control: Control | None = None
        self._address: tuple[str, int]
        self._truth: TruthLog
        self._rooms: Rooms[Participant]
        self._chat: Chat
        self._servers: list[Server] = []

    @property
    def url(self) -> str:
        """Address to connect to; known once the server is entered."""
        host, port = self._address
        scheme = "ws" if self._options.tls is None else "wss"
        return f"{scheme}://[{host}]:{port}{PATH}" if ":" in host else f"{scheme}://{host}:{port}{PATH}"

    @property
    def control_url(self) -> str | None:
        """Address of the control endpoint, if there is one."""
        return self._control.url if self._control else None

    def flush(self) -> None:
        """Write the truth of finished messages to its file now."""
        self._truth.flush()

    async def __aenter__(self) -> ChatServer:
        """Listen.

        Raises:
            OSError: an address cannot be listened on, or the truth file not be written.
        """
        self._truth = TruthLog(self._options.truth_file)
        self._begin()
        try:
            self._servers.append(await self._listen(self._options.listen, self._options.port))
            if self._options.control_port is not None:
                self._control = Control(self, self._options.control_port)
        except OSError:
            for server in self._servers:
                server.close()
            self._truth.close()
            raise
        self._address = self._servers[0].sockets[0].getsockname()[:2]
        self._schedule(self._options.faults)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close all connections with 1001, which `websockets` does by itself, and break off the answers."""
        if self._control is not None:
            await self._control.close()
        self._script.close()
        self._losses.close()
        for server in self._servers:
            server.close()
        try:
            await asyncio.wait_for(self._all_closed(), STOP_TIMEOUT_S)
        except TimeoutError:
            await self._terminate()
        self._chat.close()
        self._truth.close()

    @property
    def _may_be_ordered(self) -> bool:
        """Whether anybody may order a fault, now or later."""
        return bool(self._options.faults) or self._options.control_port is not None

    def _begin(self) -> None:
        """A chat in which nothing has happened yet."""
        options = self._options
        self._rooms = Rooms()
        delivery = Delivery(self._post, self.counts, self._rooms)
        limiter = options.new_limiter()
        if self._may_be_ordered:
            delivery = FaultyDelivery(self._post, self.counts, self._rooms, self._script, self._truth, self._endings)
            limiter = FaultyLimiter(limiter, self._script) if limiter is not None else None
        self._chat = Chat(options, self.counts, self._post, delivery, limiter, self._rooms, self._truth)

    async def _listen(self, host: str, port: int) -> Server:
        options = self._options
        return await serve(
            self._serve,
            host,
            port,
            ssl=options.tls,
            process_request=self._upgrade,
            compression="deflate" if options.compression else None,
            ping_interval=None,  # `_ping` does it by the guide: the library would close with 1011 instead
            open_timeout=None if self._may_be_ordered else STOP_TIMEOUT_S,  # a slow handshake, for one
            close_timeout=CLOSE_TIMEOUT_S,
            backlog=ACCEPT_BACKLOG,
            logger=logging.getLogger(__name__),
        )

    async def _all_closed(self) -> None:
        for server in self._servers:
            await server.wait_closed()

    # --- Faults at a moment, and the control endpoint -----------------------------------------------------------------
    @property
    def connections(self) -> tuple[ServerConnection, ...]:
        """Those that are open."""
        return tuple(self._open)

    def close_door(self) -> None:
        """Stop listening; open connections stay."""
        for server in self._servers:
            server.server.close()

    async def open_door(self) -> None:
        """Listen again, at the same address: asyncio sets SO_REUSEADDR."""
        self._servers.append(await self._listen(*self._address))

    def forget(self) -> None:
        """Begin anew, as after a restart; counts and truth go on."""
        self._chat.close()
        self._begin()

    def orders(self) -> list[Progress]:
        """The orders of faults that stand, and how far they are."""
        return self._script.progress()

    def order(self, orders: Iterable[Order]) -> None:
        """Take more orders of faults; needs a control port, since a server without faults has no place for them."""
        orders = tuple(orders)
        for order in orders:
            self._script.add(order)
        self._schedule(orders)

    def clear_orders(self) -> None:
        """Take all orders back."""
        self._script.clear()

    def rooms(self) -> dict[str, list[str]]:
        """Conversation to the users of the connections that are members."""
        return {name: [member.user for member in self._rooms.members(name)] for name in self._rooms}

    def _schedule(self, orders: Iterable[Order]) -> None:
        for order in orders:
            if order.fault.kind.per is Per.MOMENT:
                self._losses.schedule(order)

    # --- Connections --------------------------------------------------------------------------------------------------
    async def _terminate(self) -> None:
        for connection in self._open:
            connection.transport.abort()
        await asyncio.wait([asyncio.ensure_future(self._all_closed())], timeout=STOP_TIMEOUT_S)

    async def _upgrade(self, connection: ServerConnection, request: Request) -> Response | None:
        """The answer to an upgrade request: None to let it succeed."""
        if urlsplit(request.path).path != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, f"Only {PATH} is served here\n")
        await self._connection_faults.handshake()
        verdict = self._connection_faults.judged(authenticate(request.path, self._options.jwt_secret))
        if isinstance(verdict, Refusal) and self._options.refusal < CLOSE_NORMAL:
            self._count_refusal(verdict)
            self.counts.upgrades_refused += 1
            return connection.respond(HTTPStatus(self._options.refusal), f"{verdict.reason}\n")
        self._verdicts[connection] = verdict
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        """One connection from its upgrade to its end."""
        self._open[connection] = None
        self._post.send(ConnectionEstablished(now_iso(), f"loadtest {loadtest.__version__}"), (connection,))
        user = self._verdicts.pop(connection)
        try:
            if isinstance(user, Refusal):
                await self._refuse(connection, user)
            else:
                await self._converse(connection, user)
        finally:
            del self._open[connection]
            self.counts.disconnected(connection.close_code or CLOSE_ABNORMAL)

    async def _refuse(self, connection: ServerConnection, refusal: Refusal) -> None:
        self._count_refusal(refusal)
        self._post.send(ConnectionError_(refusal.reason, refusal.code, now_iso()), (connection,))
        await connection.close(self._options.refusal, refusal.reason)

    def _count_refusal(self, refusal: Refusal) -> None:
        if refusal.code == AUTH_REQUIRED:
            self.counts.auth_required += 1
        else:
            self.counts.auth_failed += 1

    async def _converse(self, connection: ServerConnection, user: str) -> None:
        self.counts.connects += 1
        self._post.send(ConnectionAuthenticated(str(connection.id), user, now_iso()), (connection,))
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
            if not self._connection_faults.outlives():
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
