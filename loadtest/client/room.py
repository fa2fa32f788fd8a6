"""What a client tells of its life in a room: when it was a member, what it received, when it typed. Pure."""

from __future__ import annotations

import zlib
from typing import Protocol

from loadtest.model import Stay, Typed


def digest(content: str) -> int:
    """What a content is recognised by at another client: CRC-32 of its UTF-8."""
    return zlib.crc32(content.encode("utf-8", "surrogatepass"))


class RoomLog(Protocol):
    """What hears of it; shared by the clients of a process. Called for every frame of a room: it must be quick."""

    def received(
        self,
        event: str,
        conversation: str,
        message_id: str,
        author: str | None,
        content_digest: int | None,
        client: int,
        order: int,
        at_ns: int,
    ) -> None: ...
    def left(self, message_id: str, sent_ns: int) -> None: ...
    def stayed(self, stay: Stay) -> None: ...
    def typed(self, typed: Typed) -> None: ...
