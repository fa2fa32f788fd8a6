"""Clients on real sockets that talk to a reference server in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from loadtest.server import AnswerStyle, ChatServer
from loadtest.server.auth import issue

SECRET = "a secret of the tests, long enough for HS256"
QUICK = AnswerStyle(ttft_s=0.005, gap_s=0.001, chunks=3)

Frame = dict[str, Any]


class Client:
    """One connection that speaks JSON and remembers its user."""

    def __init__(self, socket: ClientConnection, user: str) -> None:
        self.socket = socket
        self.user = user

    async def send(self, **fields: Any) -> None:
        await self.socket.send(json.dumps(fields))

    async def say(self, message_id: str, conversation: str = "tea", content: str = "hi") -> None:
        await self.send(type="message:send", messageId=message_id, conversationId=conversation, content=content)

    async def typing(self, what: str, conversation: str = "tea") -> None:
        await self.send(type=f"typing:{what}", conversationId=conversation)

    async def hear(self) -> Frame:
        """The next event."""
        frame: Frame = json.loads(await self.socket.recv())
        return frame

    async def hear_until(self, **wanted: Any) -> list[Frame]:
        """Events up to the first one that has these fields, itself included."""
        heard = []
        while not heard or heard[-1] | wanted != heard[-1]:
            heard.append(await self.hear())
        return heard

    async def hear_all(self) -> list[Frame]:
        """Everything until the connection closes."""
        heard = []
        try:
            while True:
                heard.append(await self.hear())
        except ConnectionClosed:
            return heard

    async def nothing_more(self) -> bool:
        """Whether nothing is on its way: the answer to a frame of an unknown type comes next."""
        await self.send(type="are you there")
        return (await self.hear())["message"] == "Unknown event type: are you there"


class Stage:
    """A server that listens, and a way to connect to it."""

    def __init__(self, server: ChatServer, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack

    async def dial(self, query: str, **options: Any) -> ClientConnection:
        return await self._stack.enter_async_context(connect(self.server.url + query, **options))

    async def client(self, user: str, **options: Any) -> Client:
        """An authenticated client."""
        client = Client(await self.dial(f"?token={issue(user, SECRET)}", **options), user)
        await client.hear_until(type="connection:authenticated")
        return client

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that the server counts and that no frame tells."""
        while not condition():
            await asyncio.sleep(0.002)


Story = Callable[[Stage], Awaitable[None]]
