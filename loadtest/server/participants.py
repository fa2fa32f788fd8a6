"""Who takes part: a connection that has authenticated."""

from __future__ import annotations

from websockets.asyncio.server import ServerConnection

from .typists import Typist


class Participant:
    """An authenticated connection.

    Attributes:
        connection: its WebSocket.
        user: user id that its token claims; several connections may share it.
        typist: what it is typing.
    """

    __slots__ = ("connection", "typist", "user")

    def __init__(self, connection: ServerConnection, user: str) -> None:
        self.connection = connection
        self.user = user
        self.typist = Typist()
