"""What befalls all connections at a moment: cuts, a closed door, a black hole, a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from random import Random
from typing import Any, Protocol

from websockets.asyncio.server import ServerConnection

from loadtest.protocol import CLOSE_ABNORMAL

from .endings import Endings
from .kinds import Fault
from .orders import Order
from .script import Script


class House(Protocol):
    """The part of a server that losses need."""

    @property
    def connections(self) -> Collection[ServerConnection]:
        """Those that are open."""

    def close_door(self) -> None:
        """Stop listening; open connections stay."""

    async def open_door(self) -> None:
        """Listen again, at the same address."""

    def forget(self) -> None:
        """Who is in which conversation, the windows of the rate limit, the answers under way: as if started anew."""


class Losses:
    """Carries out orders at their moments.

    Args:
        house: the server.
        script: whether an order still stands, and where what was done is counted.
        endings: closes connections.
    """

    def __init__(self, house: House, script: Script, endings: Endings) -> None:
        self._house = house
        self._script = script
        self._endings = endings
        self._tasks: set[asyncio.Task[None]] = set()
        self._holes: set[BlackHole] = set()
        self._shut = 0  # how many orders keep the door closed

    def schedule(self, order: Order) -> None:
        """Carry an order out `at_s` seconds from now; at 0 s as soon as the event loop has its turn."""
        task = asyncio.ensure_future(self._at_its_moments(order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """The server stops: nothing more happens, and nothing is held back."""
        for task in self._tasks:
            task.cancel()
        for hole in self._holes:
            hole.end()

    async def _at_its_moments(self, order: Order) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + order.at_s
        random = Random(order.seed)
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not self._script.moment(order):
                return
            await self._carry_out(order, random)
            if order.again_s is None:
                return
            due += order.again_s

    async def _carry_out(self, order: Order, random: Random) -> None:
        match order.fault:
            case Fault.CUT_ALL:
                self._cut(order, random)
            case Fault.REFUSE_CONNECTS:
                self._script.did(Fault.REFUSE_CONNECTS)
                await self._keep_shut(order.value)
            case Fault.BLACK_HOLE:
                await self._swallow(order, random)
            case Fault.RESTART:
                self._script.did(Fault.RESTART)
                for connection in tuple(self._house.connections):
                    self._endings.end(connection, CLOSE_ABNORMAL)
                self._house.forget()
                await self._keep_shut(order.value)

    def _cut(self, order: Order, random: Random) -> None:
        chosen = self._chosen(order, random)
        for connection in chosen:
            self._endings.end(connection, int(order.value))
        self._script.did(Fault.CUT_ALL, times=len(chosen))

    async def _keep_shut(self, seconds: float) -> None:
        self._house.close_door()
        self._shut += 1
        await asyncio.sleep(seconds)
        self._shut -= 1
        if not self._shut:
            await self._house.open_door()

    async def _swallow(self, order: Order, random: Random) -> None:
        chosen = self._chosen(order, random)
        holes = [BlackHole(each) for each in chosen if not isinstance(each.transport, BlackHole)]
        self._script.did(Fault.BLACK_HOLE, times=len(holes))
        self._holes.update(holes)
        await asyncio.sleep(order.value)
        for hole in holes:
            hole.end()
        self._holes.difference_update(holes)

    def _chosen(self, order: Order, random: Random) -> list[ServerConnection]:
        connections = list(self._house.connections)
        return random.sample(connections, round(order.share * len(connections)))


class BlackHole:
    """Stands in for the transport of a connection: what is written stays here, and nothing is read.

    As in a network that was parted, what is held back arrives once it is whole again.

    Args:
        connection: which one; it moves nothing from now on.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._transport: Any = connection.transport
        self._held: list[bytes] = []
        self._transport.pause_reading()
        connection.transport = self  # type: ignore[assignment]

    def write(self, data: bytes) -> None:
        """Hold it back."""
        self._held.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Bytes that wait, those held back included."""
        return sum(map(len, self._held)) + int(self._transport.get_write_buffer_size())

    def __getattr__(self, name: str) -> Any:
        """Whatever else there is to a transport is the true one's."""
        return getattr(self._transport, name)

    def end(self) -> None:
        """Let it all go."""
        self._connection.transport = self._transport
        if self._transport.is_closing():
            return
        for data in self._held:
            self._transport.write(data)
        self._transport.resume_reading()
